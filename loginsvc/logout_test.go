package loginsvc_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func TestSEC_G05_D22_I04_Logout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, endpoint string
		endErr         error
		rd, want       string
	}{
		{name: "plain", want: "/auth/login?logged_out=1"},
		{name: "to a target", rd: "/bye", want: "/bye"},
		{name: "at the provider", endpoint: "https://google.idp.test/end?id_token_hint=x", want: "https://google.idp.test/end?id_token_hint=x"},
		{name: "provider down", endErr: gateward.ErrUnavailable, want: "/auth/login?logged_out=1"},
		{name: "SEC_I04: not anywhere", rd: "https://evil.example/", want: "/auth/login?logged_out=1"},
		{name: "SEC_I04: not to a login", rd: "/auth/login?rd=/x", want: "/auth/login?logged_out=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onlyGoogle)
			v := w.visitor()
			v.logIn(w.google, "")
			token := v.token()
			w.google.endpoint, w.google.endErr = tt.endpoint, tt.endErr
			query := ""
			if tt.rd != "" {
				query = "?rd=" + url.QueryEscape(tt.rd)
			}
			page := v.open("/auth/logout" + query)
			if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `method="post"`) || !strings.Contains(page.body, "ada@example.com") || len(w.sessions()) != 1 {
				t.Errorf("the question: got %d %s", page.StatusCode, page.body)
			}
			if tt.endpoint != "" && !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self' https://google.idp.test") {
				t.Errorf("the form may not end at the provider: %s", page.Header.Get("Content-Security-Policy"))
			}
			a := v.submit("/auth/logout" + query)
			if a.StatusCode != http.StatusSeeOther || a.location() != tt.want {
				t.Errorf("got %d to %q, want %q", a.StatusCode, a.location(), tt.want)
			}
			if v.token() != "" || len(w.sessions()) != 0 {
				t.Error("the session or cookie is left")
			}
			v.set(tokenCookie, token)
			if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("the old cookie: got %d", a.StatusCode)
			}
			// The provider sends the browser back to a protected page: no straight on.
			if a := v.open("/auth/login?rd=/"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "You are logged out") {
				t.Errorf("afterwards: got %d to %q", a.StatusCode, a.location())
			}
			v.logIn(w.google, "")
			if _, left := v.cookies()[stateCookie+"left"]; left {
				t.Error("the new login is still a logout")
			}
		})
	}
}

// With the store down nobody is told that they are logged out.
func TestSEC_D22_LogoutWithoutStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	before := v.token()
	w.store.down.Store(true)
	a := v.submit("/auth/logout")
	if a.StatusCode != http.StatusServiceUnavailable || v.token() != before || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "You are still logged in") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	w.store.down.Store(false)
	if a := v.submit("/auth/logout"); a.StatusCode != http.StatusSeeOther || len(w.sessions()) != 0 {
		t.Errorf("later: got %d", a.StatusCode)
	}
}

// Whoever is not admitted any longer can still log out, there and at the
// provider, and change the account.
func TestLogout_NotAdmittedAnyLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	w.google.endpoint = "https://google.idp.test/end"
	w.identifier().admit = func(*gateward.Identity) error {
		return fmt.Errorf("test: %w", &gateward.NotAdmittedError{Rule: "allowed_groups"})
	}
	a := v.open("/auth/account")
	if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "allowed_groups") || !strings.Contains(a.body, "ada@example.com") || !strings.Contains(a.body, `href="/auth/login?prompt=select_account"`) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if v.token() == "" {
		t.Error("the cookie is gone")
	}
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusForbidden || a.body != `{"code":7,"message":"permission denied","details":[]}` {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if a := v.open("/auth/logout"); a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Content-Security-Policy"), "google.idp.test") {
		t.Errorf("got %d", a.StatusCode)
	}
	if a := v.submit("/auth/logout"); a.location() != "https://google.idp.test/end" || len(w.sessions()) != 0 {
		t.Errorf("got %d to %q", a.StatusCode, a.location())
	}
}

func TestLogout_NobodyThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	for _, a := range []*answer{v.open("/auth/logout"), v.submit("/auth/logout")} {
		if a.StatusCode != http.StatusSeeOther || a.location() != "/auth/login?logged_out=1" {
			t.Errorf("got %d to %q", a.StatusCode, a.location())
		}
	}
}

// The client token's hash is all that the store has of it.
func TestSEC_G01_TokenIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[string]bool{}
	for range 100 {
		v := w.visitor()
		v.logIn(w.google, "")
		if seen[v.token()] {
			t.Fatal("a token came twice")
		}
		seen[v.token()] = true
	}
	for _, s := range w.sessions() {
		b, err := sessions.Encode(nil, &s)
		if err != nil {
			t.Fatal(err)
		}
		for token := range seen {
			if strings.Contains(string(b), token) {
				t.Error("the store has a client token")
			}
		}
	}
}
