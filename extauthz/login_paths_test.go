package extauthz_test

import (
	"testing"

	"github.com/gateward/gateward/extauthz"
)

// TestSEC_A06_LoginPathsAsTheyAreSent: Envoy routes to the login service by the
// bytes of the path. What only decodes to one of its paths goes to the
// application, and is protected like anything else.
func TestSEC_A06_LoginPathsAsTheyAreSent(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	for target, want := range map[string]int{
		"/auth": 200, "/auth/login": 200, "/auth/login?rd=%2Fx": 200, "/api/csrf": 200, "/auth/v1/method/oidc/op/callback?code=a": 200,
		"/%61uth": 401, "/%61uth/login": 401, "/a%75th/x": 401, "/auth/%6cogin": 401, "/%61pi/csrf": 401, "/api/%63srf": 401,
		"/AUTH/login": 401, "/auth%2flogin": 401, "/auth;x/login": 401, "//auth/login": 401, "/authx": 401, "/api/csrf/": 401,
	} {
		got := e.check(t, req("GET app.test"+target))
		if status(got) != want {
			t.Errorf("%s: got %d, want %d", target, status(got), want)
		}
	}
	// The cookie stays only where the login service gets it.
	for target, keeps := range map[string]bool{"/auth/account": true, "/%61uth/account": false, "/": false} {
		got := e.check(t, req("GET app.test"+target, "cookie: a=1; gateward_client_token=s.grace"))
		if status(got) != 200 {
			t.Fatalf("%s: got %d", target, status(got))
		}
		changed := false
		for _, h := range got.GetOkResponse().GetHeaders() {
			changed = changed || h.GetHeader().GetKey() == "cookie"
		}
		if changed == keeps {
			t.Errorf("%s: cookie header rewritten: %v", target, changed)
		}
	}
}

// TestSEC_A06_LoginPathsHideNoRule: where a route names the rule, the login
// service's paths do not stand in front of a configured rule for a reading of the
// path that Envoy does not route to it.
func TestSEC_A06_LoginPathsHideNoRule(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, func(c *extauthz.Config) {
		c.Rules = append(c.Rules,
			extauthz.Rule{Name: "closed", Match: extauthz.Match{Paths: []string{"/auth/**"}}, Access: extauthz.AccessDeny},
			extauthz.Rule{Name: "any"})
	})
	for target, want := range map[string]int{"/%61uth/x": 403, "/auth/x": 200, "/x": 200} {
		if got := e.check(t, naming(req("GET app.test"+target, sessionCookie), "any")); status(got) != want {
			t.Errorf("%s: got %d, want %d", target, status(got), want)
		}
	}
}
