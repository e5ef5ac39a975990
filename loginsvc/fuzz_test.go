package loginsvc_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// FuzzService: whatever a stranger asks for, nothing is written, no session
// begins, the answer is no fault of ours, and a redirect leads to our own pages,
// to an allowed target or to the provider, in one line.
func FuzzService(f *testing.F) {
	world := newWorld(f, onlyGoogle)
	world.options.Logger = slog.New(slog.DiscardHandler)
	world.start()
	for _, target := range []string{
		"/auth/login?rd=/x&max_age=1", "/auth/login?rd=//evil.example&logged_out=1", "/auth/v1/method/oidc/google/authorize?rd=https://a.example.net/%0d%0a",
		"/auth/v1/method/oidc/google/callback?code=a&state=b&iss=c", "/auth/v1/method/oidc/google/callback?code=a&code=b", "/auth/v1/method/oidc/google/revoke?iss=a&sid=b",
		"/auth/v1/tokens/%2f?limit=-1&pageToken=%00", "/auth/v1/self/expire?expiresAt=2020-01-01T00:00:00Z", "/auth/logout?rd=https:evil.example", "/auth/%2e%2e//x",
		"/auth/account/sessions/x/revoke", "/auth/account/sessions/revoke-all", "/auth/v1/tokens?user=x", "/auth/v1/users?email=%00&limit=1", "/auth/v1/users/%2f",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			f.Add(method, target, "__Host-gateward_client_token=x; __Host-gateward_client_state_bounces=2.1772366400.17~9.x", "logout_token=a")
		}
	}
	own := regexp.MustCompile(`^(/([!-.0-\[\]-~][!-~]*)?|https://app\.example\.com/[!-~]*|https://[a-z0-9.-]+\.example\.net(/[!-~]*)?|https://google\.idp\.test/authorize\?[!-~]*)$`)
	f.Fuzz(func(t *testing.T, method, target, cookie, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || !regexp.MustCompile(`^[A-Z]+$`).MatchString(method) {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, publicURL, strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header = http.Header{"Cookie": {cookie}, "Accept": {"text/html"}, "Origin": {publicURL}, "Content-Type": {form}}
		before := world.store.writes.Load()
		rec := httptest.NewRecorder()
		world.service.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%s %s: got %d", method, target, rec.Code)
		}
		if to := rec.Header().Get("Location"); to != "" && !own.MatchString(to) {
			t.Errorf("%s %s: goes to %q", method, target, to)
		}
		// A logout token may be used up, and a token that nobody has deleted.
		if n := world.store.writes.Load() - before; n > 0 && method == http.MethodGet {
			t.Errorf("%s %s: %d writes", method, target, n)
		}
		for _, c := range rec.Result().Cookies() {
			if c.Name == tokenCookie && c.Value != "" {
				t.Errorf("%s %s: a client token", method, target)
			}
		}
	})
}
