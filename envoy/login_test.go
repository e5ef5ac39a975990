package envoy_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_G02_LoginByNavigation walks from a deep link to the provider and back to
// it, and what it has brought is well kept.
func TestSEC_G02_LoginByNavigation(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	v := s.visit(t)
	const deep = "/reports/7?from=a%20mail&b=1"
	first := v.open(deep)
	login, err := url.Parse(first.location())
	if err != nil || first.status != http.StatusFound || !strings.HasPrefix(first.location(), siteOrigin+"/auth/login?") || login.Query().Get("rd") != deep {
		t.Fatalf("without a session: got %d to %s", first.status, first.location())
	}
	if got := first.header.Get("Cache-Control"); got != "no-store" || first.header.Values("Set-Cookie") != nil {
		t.Errorf("the redirect has Cache-Control %q and cookies %q", got, first.header.Values("Set-Cookie"))
	}
	if got := v.do("HEAD", deep, navigation()...); got.status != http.StatusFound || got.location() != first.location() {
		t.Errorf("HEAD: got %d to %s", got.status, got.location())
	}
	authorization := v.redirected(v.redirected(first.location(), http.StatusFound), http.StatusFound)
	callback := s.provider.Authorize(authorization)
	back := v.open(callback)
	if back.status != http.StatusSeeOther || back.location() != deep {
		t.Fatalf("callback: got %d to %q, want 303 to the deep link", back.status, back.location())
	}
	for _, line := range back.header.Values("Set-Cookie") {
		if strings.HasPrefix(line, tokenCookie+"=") &&
			(!strings.Contains(line, "; Path=/;") || !strings.Contains(line, "; HttpOnly") || !strings.Contains(line, "; Secure") || !strings.Contains(line, "; SameSite=Lax") || strings.Contains(line, "Domain")) {
			t.Errorf("the cookie is not guarded: %s", strings.Replace(line, v.token(), "…", 1))
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		t.Fatalf("%d requests reached the application before the login was over", n)
	}

	v.client.Jar.SetCookies(&url.URL{Scheme: "https", Host: siteHost}, []*http.Cookie{{Name: "theme", Value: "dark", Path: "/"}})
	spoofed := []string{"X-Auth-Request-User: evil", "X_Auth_Request_Email: evil@example.com", "X-Auth-Request-Groups: admins"}
	if got := v.do("GET", back.location(), append(navigation(), spoofed...)...); got.status != 200 {
		t.Fatalf("after the login: got %d %s", got.status, got.body)
	}
	if got := v.do("HEAD", back.location(), navigation()...); got.status != 200 {
		t.Errorf("HEAD after the login: got %d", got.status)
	}
	for _, r := range s.upstream.Requests() {
		for name, want := range map[string]string{
			"x-auth-request-user": "ada-1", "x-auth-request-email": "ada@example.com", "x-auth-request-preferred-username": "Ada Lovelace",
			"x-auth-request-groups": "engineering,staff", "x-auth-request-method": "oidc", "cookie": "theme=dark",
		} {
			if got := r.Values(name); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: the application saw %s %q, want %q", r.Method, name, got, want)
			}
		}
		if r.Target != deep || r.Values("x_auth_request_email") != nil {
			t.Errorf("the application saw %s %v", r.Target, r.Names())
		}
	}
	s.guardsName(t, v)
}

// guardsName: the visitor's session under a name that a neighbour of ours could
// set is none.
func (s *site) guardsName(t *testing.T, v *visitor) {
	t.Helper()
	r := s.replicas[0]
	for _, name := range []string{"gateward_client_token", "flipt_client_token", "__Secure-gateward_client_token", "__host-gateward_client_token"} {
		if got := r.status(t, "Cookie: "+name+"="+v.token()); got != 401 {
			t.Errorf("%s: got %d", name, got)
		}
		if got := r.status(t, "Cookie: "+name+"=planted; "+tokenCookie+"="+v.token()); got != 200 {
			t.Errorf("%s beside ours: got %d", name, got)
		}
	}
	if got := r.status(t, "Cookie: "+tokenCookie+"=planted; "+tokenCookie+"="+v.token()); got != 401 {
		t.Errorf("two of ours: got %d", got)
	}
	// Over HTTP/2 browsers send each cookie in a line of its own (RFC 9113 §8.2.3).
	s.upstream.Requests()
	fields := envoytest.H2Fields("GET", "/orders", envoytest.Field{Name: "cookie", Value: "theme=dark"},
		envoytest.Field{Name: "cookie", Value: tokenCookie + "=" + v.token()}, envoytest.Field{Name: "cookie", Value: "a=b"})
	if got := envoytest.H2Request(t, r.Address, fields, nil); got.Status != 200 {
		t.Errorf("in one of several lines: got %d", got.Status)
	}
	for _, seen := range s.upstream.Requests() {
		if got := strings.Join(seen.Values("cookie"), "; "); got != "theme=dark; a=b" {
			t.Errorf("the application saw cookies %q", got)
		}
	}
}

// TestSEC_D02_D09_CallbackIsGoodOnce: replayed, elsewhere or doubled, a callback
// makes no session, and costs the provider nothing.
func TestSEC_D02_D09_CallbackIsGoodOnce(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	v, mallory := s.visit(t), s.visit(t)
	callback := s.provider.Authorize(v.begin("/one"))
	refused := func(who *visitor, what, address string) {
		t.Helper()
		before, had := s.provider.Requests(oidctest.Token), who.token()
		got := who.open(address)
		if got.status != 400 || !got.page() || !strings.Contains(got.body, "/auth/login") || who.token() != had {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
		if n := s.provider.Requests(oidctest.Token) - before; n != 0 {
			t.Errorf("%s: the provider was asked %d times", what, n)
		}
	}
	refused(mallory, "in another browser", callback)
	refused(v, "with two codes", callback+"&code=other")
	if got := v.redirected(callback, http.StatusSeeOther); got != "/one" {
		t.Errorf("callback: got %s", got)
	}
	had := v.token()
	if got := v.open(callback); got.status != http.StatusSeeOther || v.token() != had {
		t.Errorf("again, with a live session: got %d %s", got.status, got.body)
	}
	refused(mallory, "again, in another browser", callback)
	if n := s.provider.Requests(oidctest.Token); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// TestSEC_D20_MaxAuthAge: a rule that wants a fresh login sends people to one,
// and does not believe a provider that skips it.
func TestSEC_D20_MaxAuthAge(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{rules: `- {name: fresh, match: {paths: [/payments/**]}, require: {max_auth_age: 10m}}`})
	longAgo := func(claims map[string]any) { claims["auth_time"] = time.Now().Add(-time.Hour).Unix() }
	s.provider.Configure(func(b *oidctest.Behavior) { b.IDToken = longAgo })
	v := s.visit(t)
	v.logIn("/orders")
	if got := v.open("/orders"); got.status != 200 {
		t.Fatalf("ordinary page: got %d", got.status)
	}
	if got := v.do("GET", "/payments/1"); got.status != 401 && got.status != 403 || !strings.Contains(got.header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
		t.Errorf("script: got %d %v", got.status, got.header)
	}
	authorization := v.begin("/payments/1")
	u, err := url.Parse(authorization)
	if err != nil || u.Query().Get("max_age") != "600" {
		t.Errorf("the provider is asked for %q", u.RawQuery)
	}
	had := v.token()
	if got := v.open(s.provider.Authorize(authorization)); got.status != 400 || v.token() != had {
		t.Errorf("a provider that skips the login: got %d", got.status)
	}
	s.provider.Configure(func(b *oidctest.Behavior) { b.IDToken = nil })
	if got := v.logIn("/payments/1"); got != "/payments/1" {
		t.Errorf("came back to %s", got)
	}
	if got := v.open("/payments/1"); got.status != 200 {
		t.Errorf("after a fresh login: got %d", got.status)
	}
	if v.token() == had {
		t.Error("the client token is that of before (D12)")
	}
	if got := s.replicas[0].status(t, "Authorization: Bearer "+had); got != 401 {
		t.Errorf("the session of before: got %d (D12)", got)
	}
}
