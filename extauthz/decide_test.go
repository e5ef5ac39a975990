package extauthz_test

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gateward/gateward/extauthz"
)

// rules of a small site, in the order in which they are tried.
func siteRules(c *extauthz.Config) {
	c.Rules = []extauthz.Rule{
		{Name: "public", Match: extauthz.Match{Paths: []string{"/public/**", "/healthz"}}, Access: extauthz.AccessAnonymous},
		{Name: "maybe", Match: extauthz.Match{Paths: []string{"/maybe"}}, Access: extauthz.AccessOptional},
		{Name: "lenient", Match: extauthz.Match{Paths: []string{"/lenient"}}, Access: extauthz.AccessOptional, Invalid: "ignore"},
		{Name: "closed", Match: extauthz.Match{Paths: []string{"/closed/**"}}, Access: extauthz.AccessDeny},
		{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin", "/admin/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
		{Name: "write", Match: extauthz.Match{Paths: []string{"/write"}}, Require: extauthz.Require{Scopes: []string{"read", "write"}}},
		{Name: "team", Match: extauthz.Match{Paths: []string{"/team"}}, Require: extauthz.Require{Methods: []string{"fake"}, Groups: []string{"dev"}, Domains: []string{"example.com"}, Scopes: []string{"read"}}},
		{Name: "read-only", Match: extauthz.Match{Hosts: []string{"ro.test"}, Methods: []string{"GET"}}, Access: extauthz.AccessAnonymous},
		{Name: "cookie-only", Match: extauthz.Match{Hosts: []string{"cookie.test"}}, Credentials: []string{"cookie"}},
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, c := range []struct {
		name   string
		in     *authv3.CheckRequest
		status int
		reason string
		rule   string
	}{
		{"no credential", req("GET app.test/"), 401, "no_credential", "default:required"},
		{"bearer", req("GET app.test/", bearer), 200, "", "default:required"},
		{"own cookie", req("GET app.test/", "cookie: a=1; gateward_client_token=good"), 200, "", "default:required"},
		{"accepted cookie", req("GET app.test/", "cookie: flipt_client_token=good"), 200, "", "default:required"},
		{"unknown credential", req("GET app.test/", "authorization: Bearer nobody"), 401, "invalid_credential", "default:required"},
		{"anonymous", req("GET app.test/public/a"), 200, "", "public"},
		{"anonymous ignores a bad credential", req("GET app.test/public/a", "authorization: Bearer nobody"), 200, "", "public"},
		{"optional without", req("GET app.test/maybe"), 200, "", "maybe"},
		{"optional with", req("GET app.test/maybe", bearer), 200, "", "maybe"},
		{"deny, whoever it is", req("GET app.test/closed/x", bearer), 403, "rule_denies", "closed"},
		{"group lacking", req("GET app.test/admin", bearer), 403, "group_not_allowed", "admin"},
		{"scope lacking", req("GET app.test/write", bearer), 403, "insufficient_scope", "write"},
		{"everything required is there", req("GET app.test/team", bearer), 200, "", "team"},
		{"everything required is not there", req("GET app.test/team", "authorization: Bearer bob"), 403, "domain_not_allowed", "team"},
		{"method matches", req("GET ro.test/x"), 200, "", "read-only"},
		{"HEAD is GET", req("HEAD ro.test/x"), 200, "", "read-only"},
		{"other method falls through", req("POST ro.test/x"), 401, "no_credential", "default:required"},
		{"cookie only: header is the upstream's", req("GET cookie.test/", "authorization: Digest a=b, c=d", "cookie: gateward_client_token=good"), 200, "", "cookie-only"},
		{"not admitted", req("GET app.test/", "authorization: Bearer out"), 403, "not_admitted", "default:required"},
		{"login service", req("GET app.test/auth/login"), 200, "", "builtin:login"},
		{"csrf endpoint", req("GET app.test/api/csrf"), 200, "", "builtin:login"},
		{"not below auth", req("GET app.test/authority"), 401, "no_credential", "default:required"},
		{"named rule", naming(req("GET app.test/whatever", bearer), "admin"), 403, "group_not_allowed", "admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := e.check(t, c.in)
			if status(got) != c.status || reason(got) != c.reason || metadata(got, "rule") != c.rule {
				t.Errorf("got %d %q by %q, want %d %q by %q", status(got), reason(got), metadata(got, "rule"), c.status, c.reason, c.rule)
			}
		})
	}
}

// TestSEC_A04_QueryNeverMatches: rules look at the path only.
func TestSEC_A04_QueryNeverMatches(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, path := range []string{"/secret?x=/healthz", "/secret?/public/a", "/secret?/../public/a"} {
		if got := e.check(t, req("GET app.test"+path)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", path, status(got))
		}
	}
}

// TestSEC_A05_OnlyTheRequestItselfCounts: headers that claim another path, host
// or method are not believed.
func TestSEC_A05_OnlyTheRequestItselfCounts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, h := range []string{
		"x-forwarded-uri: /public/a", "x-original-url: /public/a", "x-original-uri: /public/a", "x-rewrite-url: /public/a",
		"x-forwarded-host: ro.test", "x-envoy-original-path: /public/a", "forwarded: host=ro.test",
		":path: /public/a", ":authority: ro.test", "x-forwarded-prefix: /public",
	} {
		if got := e.check(t, req("GET app.test/secret", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
	}
}

// TestSEC_A07_FragmentNeverReachesMatching: no proxy sends one, so who does is
// refused.
func TestSEC_A07_FragmentNeverReachesMatching(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, path := range []string{"/secret#/public/a", "/public/a#x", "/public/?#"} {
		if got := e.check(t, req("GET app.test"+path)); status(got) != 400 {
			t.Errorf("%s: got %d, want 400", path, status(got))
		}
	}
}

// TestSEC_A08_Hosts: hosts are compared canonically, by whole labels.
func TestSEC_A08_Hosts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "exact", Match: extauthz.Match{Hosts: []string{"app.example.test"}}, Access: extauthz.AccessAnonymous},
			{Name: "wild", Match: extauthz.Match{Hosts: []string{"*.wild.test"}}, Access: extauthz.AccessAnonymous},
		}
	})
	for host, want := range map[string]int{
		"app.example.test": 200, "App.Example.TEST.:8080": 200, "evilapp.example.test": 401, "app.example.test.evil": 401,
		"a.wild.test": 200, "a.b.wild.test": 200, "wild.test": 401, "evilwild.test": 401,
	} {
		if got := e.check(t, req("GET "+host+"/")); status(got) != want {
			t.Errorf("%s: got %d, want %d", host, status(got), want)
		}
	}
}

// TestSEC_A09_OddHostsAreRefused, also with a valid credential.
func TestSEC_A09_OddHostsAreRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, host := range []string{"app.test,evil.test", "a b", "user@app.test", "app\\test", "", "a..b", "app.test:x", "é.test"} {
		r := req("GET x/", bearer)
		r.Attributes.Request.Http.Host = host
		if got := e.check(t, r); status(got) != 400 || reason(got) != "invalid_host" {
			t.Errorf("%q: got %d %s", host, status(got), reason(got))
		}
	}
}

// TestSEC_A10_DefaultDeny: what no rule matches is not let in, unless the
// configuration says so.
func TestSEC_A10_DefaultDeny(t *testing.T) {
	t.Parallel()
	for required, want := range map[bool]int{true: 401, false: 200} {
		e := newEngine(t, func(c *extauthz.Config) { c.Required = required })
		if got := e.check(t, req("GET nowhere.test/x")); status(got) != want {
			t.Errorf("required %v: got %d, want %d", required, status(got), want)
		}
		if got := e.check(t, req("GET nowhere.test/x", bearer)); sent(got, "x-auth-request-user") != "ada" {
			t.Errorf("required %v: a valid credential does not identify", required)
		}
		if got := e.check(t, req("GET nowhere.test/x", "authorization: Bearer nobody")); status(got) != 401 {
			t.Errorf("required %v: a bad credential got %d", required, status(got))
		}
	}
}

// TestSEC_A11_FirstMatchWins, both ways round.
func TestSEC_A11_FirstMatchWins(t *testing.T) {
	t.Parallel()
	protected := extauthz.Rule{Name: "api", Match: extauthz.Match{Paths: []string{"/api/**"}}}
	public := extauthz.Rule{Name: "pub", Match: extauthz.Match{Paths: []string{"/api/public"}}, Access: extauthz.AccessAnonymous}
	for want, rules := range map[int][]extauthz.Rule{401: {protected, public}, 200: {public, protected}} {
		e := newEngine(t, func(c *extauthz.Config) { c.Rules = rules })
		if got := e.check(t, req("GET app.test/api/public")); status(got) != want {
			t.Errorf("%s first: got %d, want %d", rules[0].Name, status(got), want)
		}
		if n := len(e.Warnings()); (want == 401) != (n == 1) {
			t.Errorf("%s first: %d warnings about rules that never match", rules[0].Name, n)
		}
	}
}

// TestSEC_A12_Methods: methods are compared exactly, and some never pass.
func TestSEC_A12_Methods(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for method, want := range map[string]int{"get": 405, "Get": 405, "TRACE": 405, "CONNECT": 405, "trace": 405, "GETX": 401} {
		if got := e.check(t, req(method+" ro.test/x")); status(got) != want {
			t.Errorf("%s: got %d, want %d", method, status(got), want)
		}
	}
	got := e.check(t, req("POST ro.test/x", "x-http-method-override: GET"))
	if status(got) != 401 {
		t.Errorf("override: got %d, want 401", status(got))
	}
	if got := e.check(t, req("POST app.test/x", bearer, "x-http-method-override: DELETE")); !removed(got, "x-http-method-override") {
		t.Error("the upstream may see another method than was judged")
	}
}

// TestSEC_A15_UnknownRule: a route that names a rule which does not exist is a
// mistake of ours, and closed.
func TestSEC_A15_UnknownRule(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, name := range []string{"typo", "", "builtin:login", "none", "default:optional"} {
		if got := e.check(t, naming(req("GET app.test/public/x", bearer), name)); status(got) != 503 || reason(got) != "unknown_rule" {
			t.Errorf("%q: got %d %s", name, status(got), reason(got))
		}
	}
}

// TestSEC_P03_HealthChecksAreNoException, whatever calls itself one.
func TestSEC_P03_HealthChecksAreNoException(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, h := range []string{"user-agent: GoogleHC/1.0", "user-agent: kube-probe/1.30", "x-envoy-internal: true"} {
		if got := e.check(t, req("GET app.test/healthz", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
	}
}

func TestExclude(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Exclude = extauthz.Exclude{Evaluation: true, OFREP: true, Hosts: []string{"flags.test"}}
		c.Rules = []extauthz.Rule{{Name: "first", Match: extauthz.Match{Paths: []string{"/evaluate/v1/secret"}}}}
	})
	for target, want := range map[string]int{
		"flags.test/evaluate/v1/boolean":                                200,
		"flags.test/client/v2/environments/default":                     200,
		"flags.test/internal/v1/evaluation":                             200,
		"flags.test/flipt.evaluation.EvaluationService/Boolean":         200,
		"flags.test/flipt.evaluation.v2.ClientEvaluationService/Stream": 200,
		"flags.test/ofrep/v1/evaluate/flags":                            200,
		"flags.test/evaluate/v1/secret":                                 401, // configured rules come first
		"other.test/evaluate/v1/boolean":                                401,
		"flags.test/flipt.evaluationX/Boolean":                          401,
		"flags.test/api/v2/environments":                                401,
		"flags.test/x/flipt.evaluation.EvaluationService/Boolean":       401,
	} {
		if got := e.check(t, req("POST "+target)); status(got) != want {
			t.Errorf("%s: got %d, want %d", target, status(got), want)
		}
	}
	off := newEngine(t, nil)
	if got := off.check(t, req("POST flags.test/ofrep/v1/evaluate/flags")); status(got) != 401 {
		t.Errorf("not excluded: got %d", status(got))
	}
}
