package loginsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAccountPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v, phone, bob := w.visitor(), w.visitor(), w.visitor()
	if a := v.open("/auth/account"); a.StatusCode != http.StatusSeeOther || a.location() != "/auth/login?rd=%2Fauth%2Faccount" {
		t.Errorf("a stranger: got %d to %q", a.StatusCode, a.location())
	}
	if a := v.fetch(http.MethodGet, "/auth/account"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a script: got %d", a.StatusCode)
	}
	v.logIn(w.google, "")
	phone.headers["User-Agent"] = []string{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1 <b>"}
	phone.headers["X-Forwarded-For"] = []string{"10.0.0.1, 198.51.100.9"}
	phone.logIn(w.google, "")
	w.google.subject = "bob"
	bob.logIn(w.google, "")

	a := v.open("/auth/account")
	for _, want := range []string{"Ada Lovelace", "ada@example.com", "Google", "This device", "203.0.113.7", "198.51.100.9", "Firefox on Linux", "Safari on iOS", "End all other sessions", "Log out"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q: %s", want, a.body)
		}
	}
	if strings.Contains(a.body, "bob@") || strings.Count(a.body, "data-session=") != 2 {
		t.Error("the page shows somebody else's session")
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
		"Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(a.body, v.token()) || strings.Contains(a.body, "id-token-canary") {
		t.Error("the page shows a secret")
	}
}

func TestSEC_H15_HeadersOfPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/auth/login", "/auth/nothing", "/auth/v1/method/oidc/google/callback"} {
		a := w.visitor().open(path)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", path, name, got, want)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", path, csp, want)
			}
		}
	}
	plain := newWorld(t, func(w *world) { w.config.PublicURL = &url.URL{Scheme: "http", Host: "localhost:8080"} })
	if h := plain.visitor().open("/auth/login").Header; h.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS over plain HTTP")
	}
}

// One session is ended from another browser; that one has to log in again.
func TestAccount_RevokeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v, other, bob := w.visitor(), w.visitor(), w.visitor()
	v.logIn(w.google, "")
	mine := w.sessions()[0].ID
	w.pass(time.Second)
	other.logIn(w.google, "")
	others := w.sessions()[1].ID
	w.google.subject = "bob"
	w.pass(time.Second)
	bob.logIn(w.google, "")
	bobs := w.sessions()[2].ID

	if a := v.submit("/auth/account/sessions/" + bobs + "/revoke"); a.StatusCode != http.StatusNotFound || len(w.sessions()) != 3 {
		t.Errorf("somebody else's: got %d", a.StatusCode)
	}
	if a := v.submit("/auth/account/sessions/" + others + "/revoke"); a.StatusCode != http.StatusSeeOther || a.location() != "/auth/account?done=ended" {
		t.Errorf("the other one: got %d to %q", a.StatusCode, a.location())
	}
	if a := v.open("/auth/account?done=ended"); !strings.Contains(a.body, "The session has been ended") {
		t.Errorf("nothing is said: %s", a.body)
	}
	if a := other.open("/auth/account"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.location(), "/auth/login") {
		t.Errorf("the other browser: got %d to %q", a.StatusCode, a.location())
	}
	if a := v.submit("/auth/account/sessions/" + mine + "/revoke"); a.location() != "/auth/login?logged_out=1" || v.token() != "" {
		t.Errorf("one's own: got %d to %q", a.StatusCode, a.location())
	}
	if len(w.sessions()) != 1 || w.metrics.revocations["account"] != 2 {
		t.Errorf("%d sessions, counted %v", len(w.sessions()), w.metrics.revocations)
	}
}

func TestAccount_RevokeOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	for range 6 {
		w.visitor().logIn(w.google, "")
	}
	w.keep("old", w.google.identity()) // from before there were users
	v.logIn(w.google, "")
	w.corp.subject = "bob"
	w.visitor().logIn(w.corp, "")
	a := v.submit("/auth/account/sessions/revoke-others")
	if a.StatusCode != http.StatusSeeOther || a.location() != "/auth/account?done=others" {
		t.Errorf("got %d to %q", a.StatusCode, a.location())
	}
	if got := w.sessions(); len(got) != 2 || w.metrics.revocations["account"] != 7 {
		t.Errorf("%d sessions are left, counted %v", len(got), w.metrics.revocations)
	}
	if a := v.open("/auth/account"); a.StatusCode != http.StatusOK || strings.Contains(a.body, "End all other") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
