package loginsvc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gateward/gateward"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"HEAD", "/auth/v1/method", 200, ""},
		{"HEAD", "/auth/login", 200, ""},
		{"POST", "/auth/v1/method", 405, "GET, HEAD"},
		{"POST", "/auth/login", 405, "GET, HEAD"},
		{"GET", "/auth/account/sessions/x/revoke", 405, "POST"},
		{"PUT", "/auth/v1/tokens/x", 405, "DELETE, GET, HEAD"},
		{"HEAD", "/auth/v1/method/oidc/google/revoke", 405, "GET, POST"},
		{"GET", "/", 404, ""},
		{"GET", "/auth", 404, ""},
		{"GET", "/auth//login", 404, ""},
		{"GET", "/auth/login/x", 404, ""},
		{"GET", "/auth/v1/tokens//", 404, ""}, // an empty segment is no id, and no name
		{"DELETE", "/auth/v1/tokens//", 404, ""},
		{"POST", "/auth/account/sessions//revoke", 404, ""},
		{"GET", "/auth/v1/method/oidc//authorize", 404, ""},
		{"GET", "/auth/v1/tokens/%2f", 401, ""},
		{"GET", "/auth/%2e%2e/login", 404, ""},
		{"GET", "/authlogin", 404, ""},
		{"GET", "/AUTH/login", 404, ""},
	} {
		a := w.visitor().send(tt.method, tt.target, nil, "")
		if a.StatusCode != tt.status || a.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: got %d, Allow %q, want %d, %q", tt.method, tt.target, a.StatusCode, a.Header.Get("Allow"), tt.status, tt.allow)
		}
	}
}

// Behind a path, links begin with it and requests may.
func TestRoutes_PublicURLWithPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.config.PublicURL = w.config.PublicURL.JoinPath("/base/") })
	v := w.visitor()
	for _, prefix := range []string{"", "/base"} {
		a := v.open(prefix + "/auth/login?rd=/x")
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `href="/base/auth/v1/method/oidc/google/authorize?rd=%2Fx"`) {
			t.Errorf("%q: got %d %s", prefix, a.StatusCode, a.body)
		}
	}
	if a := v.logIn(w.google, ""); a.location() != "/base/" {
		t.Errorf("goes to %q", a.location())
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	if a := v.fetch(http.MethodGet, "/auth/v1/method", "X-Request-Id", "abc-1"); a.Header.Get("X-Request-Id") != "abc-1" {
		t.Errorf("got %q", a.Header.Get("X-Request-Id"))
	}
	a := v.fetch(http.MethodGet, "/auth/v1/method", "X-Request-Id", "<b>")
	if id := a.Header.Get("X-Request-Id"); id == "<b>" || id == "" || id != a.Header.Get("X-Gateward-Decision-Id") {
		t.Errorf("got %q", id)
	}
}

// A panic is answered and logged, without what it says: it could be made of the
// request.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.identifier().admit = func(*gateward.Identity) error { panic("canary-secret") }
	v := w.visitor()
	v.logIn(w.google, "")
	a := v.fetch(http.MethodGet, "/auth/v1/self")
	if a.StatusCode != http.StatusServiceUnavailable || strings.Contains(a.body+w.logs.String(), "canary-secret") || !strings.Contains(w.logs.String(), "panic recovered") {
		t.Errorf("got %d %s, log %s", a.StatusCode, a.body, w.logs)
	}
}

// What is inside stays inside: no answer and no log line holds a secret, an
// answer no error.
func TestNoSecretsInLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	for _, a := range abuses() {
		a.do(w, w.visitor())
	}
	v.logIn(w.google, "?rd=/secret-target")
	token := v.token()
	v.fetch(http.MethodGet, "/auth/v1/self", "Authorization", "Bearer "+token)
	v.submit("/auth/logout")
	logs := w.logs.String()
	for _, secret := range []string{token, "id-token-canary", "code-", "secret-target", "ada@example.com", `"ada"`} {
		if strings.Contains(logs, secret) {
			t.Errorf("the log holds %q:\n%s", secret, logs)
		}
	}
	for _, p := range []*provider{w.google, w.corp} {
		for _, a := range p.attempts {
			for _, secret := range []string{a.State, a.Nonce, a.Verifier.Reveal()} {
				if strings.Contains(logs, secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
		}
	}
	for _, want := range []string{`"msg":"login"`, `"outcome":"allow"`, `"outcome":"deny"`, `"session_id"`, `"subject_hash"`, `"request_id"`, `"provider":"google"`, `"msg":"sessions revoked"`} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}
