package extauthz_test

import (
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// TestSEC_B01_B05_SeveralCredentials: several are none, and precedence is
// fixed.
func TestSEC_B01_B05_SeveralCredentials(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		reason  string
	}{
		{"comma", []string{"authorization: Bearer good,Bearer bob"}, "multiple_credentials"},
		{"same twice", []string{"authorization: Bearer good,Bearer good"}, "multiple_credentials"},
		{"two headers", []string{bearer, "authorization: Bearer bob"}, "multiple_credentials"},
		{"two kinds", []string{"authorization: Basic YTpi, Bearer good"}, "multiple_credentials"},
		{"bad header, good cookie", []string{"authorization: Bearer nobody", "cookie: gateward_client_token=good"}, "invalid_credential"},
		{"empty header, good cookie", []string{"authorization: ", "cookie: gateward_client_token=good"}, "malformed_credential"},
	} {
		got := e.check(t, req("GET app.test/", c.headers...))
		if status(got) != 401 || reason(got) != c.reason {
			t.Errorf("%s: got %d %s, want 401 %s", c.name, status(got), reason(got), c.reason)
		}
	}
}

// TestSEC_B02_ConflictingCookies: planted cookies do not choose the session.
func TestSEC_B02_ConflictingCookies(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"semicolon", []string{"cookie: gateward_client_token=good; gateward_client_token=bob"}, 401},
		{"comma", []string{"cookie: a=1; gateward_client_token=good,gateward_client_token=bob"}, 401},
		{"two entries", []string{"cookie: gateward_client_token=good", "cookie: gateward_client_token=bob"}, 401},
		{"two names", []string{"cookie: gateward_client_token=good; flipt_client_token=bob"}, 401},
		{"inside another cookie's value", []string{"cookie: a=1,gateward_client_token=bob"}, 401},
		{"same twice", []string{"cookie: gateward_client_token=good; gateward_client_token=good"}, 200},
	} {
		got := e.check(t, req("GET app.test/", c.headers...))
		if status(got) != c.want {
			t.Errorf("%s: got %d, want %d", c.name, status(got), c.want)
		}
		if sent(got, "set-cookie") != "" {
			t.Errorf("%s: clears a cookie, which can only be the genuine one", c.name)
		}
	}
}

// TestSEC_B04_BadIsNotAnonymous: a bad credential is refused on optional rules
// too, unless the rule says otherwise; then it identifies nobody.
func TestSEC_B04_BadIsNotAnonymous(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, h := range []string{"authorization: Bearer nobody", "authorization: Bearer a b", "authorization: Basic !", "cookie: gateward_client_token=nobody", "cookie: gateward_client_token=a b"} {
		if got := e.check(t, req("GET app.test/maybe", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
		got := e.check(t, req("GET app.test/lenient", h))
		if status(got) != 200 || sent(got, "x-auth-request-user") != "" || !removed(got, "x-auth-request-user") {
			t.Errorf("%s, ignored: got %v", h, got)
		}
		if strings.HasPrefix(h, "auth") && !removed(got, "authorization") {
			t.Errorf("%s, ignored: the judged credential goes upstream", h)
		}
	}
	for _, h := range []string{"authorization: Bearer down", "authorization: Bearer out"} {
		if got := e.check(t, req("GET app.test/lenient", h)); allowed(got) {
			t.Errorf("%s: only bad credentials are ignored, got %d", h, status(got))
		}
	}
}

// TestSEC_B06_NoTokensInTheQuery or in a form.
func TestSEC_B06_NoTokensInTheQuery(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, q := range []string{"access_token=good", "token=good", "authorization=Bearer%20good"} {
		if got := e.check(t, req("GET app.test/?"+q)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", q, status(got))
		}
	}
}

// TestSEC_B07_ReplacedBytes: a credential with bytes that Envoy had to replace
// is none.
func TestSEC_B07_ReplacedBytes(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, v := range []string{"Bearer g\xc3\xb6od", "Bearer !!", "Bearer good!", "Bearer good\x00"} {
		if got := e.check(t, req("GET app.test/", "authorization: "+v)); status(got) != 401 || e.fake.calls.Load() != 0 {
			t.Errorf("%q: got %d after %d look-ups", v, status(got), e.fake.calls.Load())
		}
	}
}

// TestSEC_B08_LongCredentials are refused before anything is done with them.
func TestSEC_B08_LongCredentials(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	long := strings.Repeat("a", 60<<10)
	for _, h := range []string{"authorization: Bearer " + long, "authorization: Basic " + long, "cookie: gateward_client_token=" + long} {
		if got := e.check(t, req("GET app.test/", h)); status(got) != 401 || reason(got) != "credential_too_long" {
			t.Errorf("%.20s: got %d %s", h, status(got), reason(got))
		}
	}
}

// TestSEC_B14_Challenge: every 401 says how to do better, and no more.
func TestSEC_B14_Challenge(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, c := range []struct {
		name   string
		in     *authv3.CheckRequest
		status int
		want   string
	}{
		{"none", req("GET app.test/"), 401, `Bearer realm="gateward"`},
		{"invalid", req("GET app.test/", "authorization: Bearer nobody"), 401, `Bearer realm="gateward", error="invalid_token"`},
		{"several", req("GET app.test/", "authorization: Bearer a, Bearer b"), 401, `Bearer realm="gateward", error="invalid_request"`},
		{"scope", req("GET app.test/write", bearer), 403, `Bearer realm="gateward", error="insufficient_scope", scope="read write"`},
	} {
		got := e.check(t, c.in)
		if status(got) != c.status || sent(got, "www-authenticate") != c.want {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status(got), sent(got, "www-authenticate"), c.status, c.want)
		}
	}
}

// TestSEC_B15_PrincipalIsNoCredential: neither a certificate nor a header that
// claims one lets anybody in by itself.
func TestSEC_B15_PrincipalIsNoCredential(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	r := req("GET app.test/", "x-forwarded-client-cert: URI=spiffe://cluster.local/ns/default/sa/client")
	if got := e.check(t, r); status(got) != 401 {
		t.Errorf("header: got %d", status(got))
	}
	r.Attributes.Source = &authv3.AttributeContext_Peer{Principal: "spiffe://cluster.local/ns/default/sa/client"}
	if got := e.check(t, r); status(got) != 401 {
		t.Errorf("principal: got %d", status(got))
	}
}
