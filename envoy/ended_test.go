package envoy_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_D23_LogoutTokenIsGoodOnce: replayed, it ends nothing, also not what began
// since; and what it does not name stays.
func TestSEC_D23_LogoutTokenIsGoodOnce(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{storage: []string{fileStore(t)}})
	r := s.replicas[0]
	logout := func(token string) int {
		t.Helper()
		return r.call(t, "POST", "/auth/v1/method/oidc/op/revoke", "logout_token="+token, "Content-Type: application/x-www-form-urlencoded").Status
	}
	enter := func(u oidctest.User) *visitor {
		t.Helper()
		v := s.visit(t)
		v.entered(v.byOP(u))
		r.admits(t, "before", v.cookie())
		return v
	}
	grace := enter(oidctest.Grace())
	first, second, last := enter(oidctest.Ada()), enter(oidctest.Ada()), enter(oidctest.Ada())
	bySID := s.provider.LogoutToken(func(claims map[string]any) { delete(claims, "sub") })
	if got := logout(bySID); got != 200 {
		t.Errorf("by sid: got %d", got)
	}
	r.refuses(t, "the session of that sid", last.cookie())
	r.admits(t, "another session", first.cookie())

	everywhere := s.provider.LogoutToken(func(claims map[string]any) { delete(claims, "sid") })
	for name, broken := range map[string]func(claims map[string]any){
		"nonce":       func(claims map[string]any) { claims["nonce"] = "n" },
		"no jti":      func(claims map[string]any) { delete(claims, "jti") },
		"no event":    func(claims map[string]any) { claims["events"] = map[string]any{} },
		"names none":  func(claims map[string]any) { delete(claims, "sub"); delete(claims, "sid") },
		"other party": func(claims map[string]any) { claims["aud"] = "somebody-else" },
		"other OP":    func(claims map[string]any) { claims["iss"] = issuer },
	} {
		if got := logout(s.provider.LogoutToken(broken)); got != 400 {
			t.Errorf("%s: got %d", name, got)
		}
	}
	r.admits(t, "after tokens that are none", first.cookie())
	if got := logout(everywhere); got != 200 {
		t.Errorf("by sub: got %d", got)
	}
	r.refuses(t, "one session of the subject", first.cookie())
	r.refuses(t, "the other one", second.cookie())
	r.admits(t, "somebody else", grace.cookie())

	again := enter(oidctest.Ada())
	if got := logout(everywhere); got != 400 {
		t.Errorf("replayed: got %d", got)
	}
	if err := r.gateward.Terminate(); err != nil {
		t.Fatal(err)
	}
	r.restart(t, r.config, false)
	r.becomes(t, again.cookie(), 200)
	if got := logout(everywhere); got != 400 {
		t.Errorf("replayed after a restart: got %d", got)
	}
	r.admits(t, "a session that began since", again.cookie())
}

// TestFrontChannelLogout: the provider's page in the browser ends the session of
// that sid, where it is allowed, and without the cookie, which it may come without.
func TestFrontChannelLogout(t *testing.T) {
	t.Parallel()
	const allowed = "allow_front_channel_logout: true"
	s := startSite(t, siteOptions{op: allowed})
	r, other, v := s.replicas[0], s.visit(t), s.visit(t)
	other.entered(other.byOP(oidctest.Ada()))
	v.entered(v.byOP(oidctest.Ada()))
	sid := ""
	s.provider.LogoutToken(func(claims map[string]any) { sid, _ = claims["sid"].(string) })
	logout := func(issuer, sid string) int {
		t.Helper()
		target := "/auth/v1/method/oidc/op/revoke?" + url.Values{"iss": {issuer}, "sid": {sid}}.Encode()
		return r.call(t, "GET", target, "", append(navigation(), "Sec-Fetch-Dest: iframe", "Sec-Fetch-Site: cross-site")...).Status
	}
	for _, q := range [][2]string{{"https://other.example", sid}, {"", sid}, {s.provider.Issuer, ""}} {
		if got := logout(q[0], q[1]); got != 400 {
			t.Errorf("%q: got %d", q, got)
		}
	}
	if got := logout(s.provider.Issuer, "another"); got != 200 {
		t.Errorf("another sid: got %d", got)
	}
	r.admits(t, "after those", v.cookie())
	if got := logout(s.provider.Issuer, sid); got != 200 {
		t.Errorf("got %d", got)
	}
	r.refuses(t, "the session of that sid", v.cookie())
	r.admits(t, "another session", other.cookie())
	v.entered(v.byOP(oidctest.Ada()))
	s.provider.LogoutToken(func(claims map[string]any) { sid, _ = claims["sid"].(string) })
	r.reload(t, strings.Replace(r.config, allowed, "", 1))
	if got := logout(s.provider.Issuer, sid); got != 400 {
		t.Errorf("not allowed: got %d", got)
	}
	r.admits(t, "not allowed", v.cookie())
}
