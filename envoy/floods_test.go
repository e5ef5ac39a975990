package envoy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// behindTLS is an Envoy behind a proxy of ours that ends TLS, which says who the
// client is and that it came by https.
func behindTLS(bootstrap string) string {
	return strings.Replace(bootstrap, "use_remote_address: true", "use_remote_address: true\n          xff_num_trusted_hops: 1", 1)
}

// from are the headers of a navigation that a proxy of ours has passed on for the
// client of that address.
func from(address string) []string {
	return append(navigation(), "X-Forwarded-For: "+address, "X-Forwarded-Proto: https")
}

// TestSEC_L12_LoginFlood: one address that floods the login is told to wait, at
// either step, and nobody else has to, nor anything that is no login.
func TestSEC_L12_LoginFlood(t *testing.T) {
	t.Parallel()
	const limit = 5
	s := startSite(t, siteOptions{
		limits: "logins_per_minute: 5", server: "drain_delay: 0s, client_ip: {trusted_hops: 1}",
		envoy: behindTLS, github: "allowed_organizations: []",
	})
	r := s.replicas[0]
	const flooding, authorize = "203.0.113.7", "/auth/v1/method/oidc/op/authorize?rd=/orders"
	callback := siteOrigin + "/auth/v1/method/oidc/op/callback?code=x&state=y"
	early := s.visit(t)
	begun := s.provider.Authorize(early.do("GET", authorize, from("198.51.100.1")...).location())
	for step, target := range map[string]string{"authorize": authorize, "callback": callback} {
		var got *answer
		n := 0
		for ; n < 3*limit; n++ {
			if got = s.visit(t).do("GET", target, from(flooding)...); got.status == http.StatusTooManyRequests {
				break
			}
		}
		if n < limit || n > limit+1 { // one may have come back meanwhile
			t.Errorf("%s: refused after %d, want %d", step, n, limit)
		}
		after, err := strconv.Atoi(got.header.Get("Retry-After"))
		if got.status != 429 || !got.page() || err != nil || after < 1 || after > 60 || !strings.Contains(got.body, "That was too often") {
			t.Errorf("%s: got %d, Retry-After %q\n%s", step, got.status, got.header.Get("Retry-After"), got.text())
		}
		script := s.visit(t).do("GET", target, "Accept: application/json", "X-Forwarded-For: "+flooding)
		if script.status != 429 || script.page() || !json.Valid([]byte(script.body)) {
			t.Errorf("%s: a script is told %d %s", step, script.status, script.body)
		}
		// What the client itself writes in front does not make it somebody else.
		forged := s.visit(t).do("GET", target, from("198.51.100.99, "+flooding)...)
		if forged.status != 429 {
			t.Errorf("%s: with a forged address: got %d", step, forged.status)
		}
	}
	asked := s.provider.Requests(oidctest.Token)
	// Another address gets in, one that floods gets in with another provider, and has
	// all the rest.
	if got := early.do("GET", begun, from("198.51.100.1")...); got.status != http.StatusSeeOther || early.token() == "" {
		t.Errorf("another address: got %d\n%s", got.status, got.text())
	}
	if n := s.provider.Requests(oidctest.Token) - asked; n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
	if got := s.visit(t).do("GET", "/auth/v1/method/github/authorize?rd=/orders", from(flooding)...); got.status != http.StatusFound {
		t.Errorf("by another provider: got %d", got.status)
	}
	if got := early.do("GET", "/orders", from(flooding)...); got.status != 200 {
		t.Errorf("who is logged in: got %d", got.status)
	}
	if got := r.call(t, "GET", "/auth/v1/self", "", early.bearer(), "X-Forwarded-For: "+flooding); got.Status != 200 {
		t.Errorf("self: got %d", got.Status)
	}
	if n := strings.Count(r.gateward.Log(), `"level":"WARN","msg":"login"`); n != 2 {
		t.Errorf("%d lines tell of the flood, want one for each step", n)
	}
}

// TestSEC_L12_FloodWithoutTrustedProxies: whoever connects to Envoy is the client,
// whatever it says of others.
func TestSEC_L12_FloodWithoutTrustedProxies(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{limits: "logins_per_minute: 3"})
	statuses := map[int]int{}
	for i := range 8 {
		statuses[s.visit(t).do("GET", "/auth/v1/method/oidc/op/authorize?rd=/orders", from("198.51.100."+strconv.Itoa(i+1))...).status]++
	}
	if statuses[http.StatusFound] < 3 || statuses[http.StatusFound] > 4 || statuses[http.StatusFound]+statuses[http.StatusTooManyRequests] != 8 {
		t.Errorf("eight logins under eight names: %v", statuses)
	}
}

// TestSEC_D21_LoopEnds: a browser that comes back without its session is sent
// around three times, and then told why.
func TestSEC_D21_LoopEnds(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{envoy: behindTLS})
	// Browsers send Sec-Fetch-… by https only.
	insecure := []string{"Accept: text/html", "User-Agent: Mozilla/5.0", "X-Forwarded-For: 203.0.113.3", "X-Forwarded-Proto: http"}
	for _, tt := range []struct {
		name, cause string
		header      []string
		lose        func(v *visitor)
	}{
		{"cookie lost", "the cookie does not come back", from("203.0.113.1"), func(v *visitor) { v.setToken("") }},
		{"session unknown", "the session is not known", from("203.0.113.2"), func(v *visitor) { v.setToken(strings.Repeat("A", 43) + "=") }},
		{"by http", "http instead of https", insecure, func(v *visitor) { v.setToken("") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, rounds := s.visit(t), 0
			var page *answer
			for ; rounds < 10; rounds++ {
				login := v.do("GET", "/orders?from=mail", tt.header...)
				if login.status != http.StatusFound {
					t.Fatalf("page: got %d", login.status)
				}
				page = v.do("GET", login.location(), tt.header...)
				if page.status != http.StatusFound {
					break
				}
				authorization := v.do("GET", page.location(), tt.header...)
				if back := v.do("GET", s.provider.Authorize(authorization.location()), tt.header...); back.status != http.StatusSeeOther {
					t.Fatalf("callback: got %d\n%s", back.status, back.text())
				}
				tt.lose(v)
			}
			if rounds != 3 || page.status != 200 || !page.page() {
				t.Fatalf("after %d rounds: got %d", rounds, page.status)
			}
			again := "/auth/v1/method/oidc/op/authorize?rd=" + url.QueryEscape("/orders?from=mail")
			for _, want := range []string{"The login does not hold: " + tt.cause, "Usual causes", "Please tell the people who run this site.", again, page.header.Get("X-Request-Id")} {
				if !strings.Contains(page.body, want) {
					t.Errorf("the page lacks %q\n%s", want, page.text())
				}
			}
			// The next step is the person's, and works.
			authorization := v.do("GET", again, tt.header...)
			if back := v.do("GET", s.provider.Authorize(authorization.location()), tt.header...); back.status != http.StatusSeeOther || back.location() != "/orders?from=mail" {
				t.Errorf("by hand: got %d to %q", back.status, back.location())
			}
			if got := v.do("GET", "/orders?from=mail", tt.header...); got.status != 200 {
				t.Errorf("after that: got %d", got.status)
			}
		})
	}
}

// TestSEC_D21_LoopWithTLSInFront: where something ends TLS in front of an Envoy that
// does not know of it, x-forwarded-proto is http for everybody. It is not the cause
// then: the browser sends Sec-Fetch-Mode, and the Secure cookie that counts.
func TestSEC_D21_LoopWithTLSInFront(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	v := s.visit(t)
	for range 3 {
		v.logIn("/orders")
		v.setToken("")
	}
	page := v.open(v.redirected("/orders", http.StatusFound))
	if page.status != 200 || !strings.Contains(page.body, "The login does not hold: the cookie does not come back") || strings.Contains(page.body, "http instead of https") {
		t.Errorf("got %d\n%s", page.status, page.text())
	}
	other := s.visit(t) // without the cookie of the attempt
	callback := other.open(s.provider.Authorize(v.redirected("/auth/v1/method/oidc/op/authorize?rd=/orders", http.StatusFound)))
	if callback.status != 400 || !callback.page() || strings.Contains(callback.body, "is opened by http") {
		t.Errorf("in another browser: got %d\n%s", callback.status, callback.text())
	}
}

// setToken puts something else into the cookie of the client token, or removes it.
func (v *visitor) setToken(token string) {
	c := &http.Cookie{Name: tokenCookie, Value: token, Path: "/", Secure: true}
	if token == "" {
		c.MaxAge = -1
	}
	v.client.Jar.SetCookies(&url.URL{Scheme: "https", Host: siteHost}, []*http.Cookie{c})
}
