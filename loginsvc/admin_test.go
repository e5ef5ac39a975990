package loginsvc_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// adminRequests is everything below /auth/admin, for a user and a session.
func adminRequests(user, session string) map[string]string {
	return map[string]string{
		"/auth/admin": http.MethodGet, "/auth/admin/users/" + user: http.MethodGet, "/auth/admin/sessions": http.MethodGet,
		"/auth/admin/users/" + user + "/enable": http.MethodPost, "/auth/admin/users/" + user + "/disable": http.MethodPost,
		"/auth/admin/users/" + user + "/sessions/revoke-all":             http.MethodPost,
		"/auth/admin/users/" + user + "/sessions/" + session + "/revoke": http.MethodPost,
		"/auth/admin/sessions/" + session + "/revoke":                    http.MethodPost,
	}
}

func TestSEC_P02_AdministrationIsForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	ada, bob := w.as("ada"), w.as("bob")
	user, session := w.user("bob").ID, w.sessions()[1].ID
	for target, method := range adminRequests(user, session) {
		send := func(v *visitor, h http.Header) *answer {
			headers := http.Header{"Origin": {publicURL}}
			for name, values := range h {
				headers[name] = values
			}
			return v.send(method, target, headers, "")
		}
		if a := send(w.visitor(), nil); a.StatusCode != http.StatusSeeOther || a.location() != "/auth/login?rd=%2Fauth%2Fadmin" {
			t.Errorf("%s by a stranger: got %d to %q", target, a.StatusCode, a.location())
		}
		script := http.Header{"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}}
		if a := send(w.visitor(), script); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s by a stranger's script: got %d", target, a.StatusCode)
		}
		token := http.Header{"Authorization": {"Bearer boss"}}
		if a := send(w.visitor(), token); a.StatusCode == http.StatusOK {
			t.Errorf("%s with a token: got %d", target, a.StatusCode)
		}
		a := send(ada, nil)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "for administrators") || !strings.Contains(a.body, "ada@example.com") || strings.Contains(a.body, "bob@") {
			t.Errorf("%s by a person: got %d %s", target, a.StatusCode, a.body)
		}
		if a := send(ada, script); a.StatusCode != http.StatusForbidden || strings.Contains(a.body, "<") {
			t.Errorf("%s by a person's script: got %d %s", target, a.StatusCode, a.body)
		}
	}
	if len(w.sessions()) != 2 || !w.user("bob").Enabled {
		t.Error("something was changed")
	}
	if a := bob.open("/auth/account"); a.StatusCode != http.StatusOK || a.linkTo("Administration") != "" {
		t.Errorf("got %d, and a link to %q", a.StatusCode, a.linkTo("Administration"))
	}
}

func TestSEC_H01_H05_H06_AdministrationTakesNoFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	w.as("bob")
	user, session := w.user("bob").ID, w.sessions()[1].ID
	for target, method := range adminRequests(user, session) {
		if method != http.MethodPost {
			continue
		}
		if a := root.open(target); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != http.MethodPost {
			t.Errorf("SEC_H05: GET %s: got %d", target, a.StatusCode)
		}
		for name, h := range map[string]http.Header{
			"another site":      {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
			"a sibling":         {"Origin": {"https://other.example.com"}, "Sec-Fetch-Site": {"same-site"}},
			"who does not tell": {"Origin": nil, "Sec-Fetch-Site": nil},
		} {
			if a := root.send(method, target, h, ""); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: got %d", target, name, a.StatusCode)
			}
		}
	}
	if len(w.sessions()) != 2 || !w.user("bob").Enabled {
		t.Error("something was changed")
	}
}

func TestSEC_H15_HeadersOfAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	for _, target := range []string{"/auth/admin", "/auth/admin/sessions", "/auth/admin/users/" + w.user("root").ID} {
		a := root.open(target)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(name); a.StatusCode != http.StatusOK || got != want {
				t.Errorf("%s: %d, %s: got %q, want %q", target, a.StatusCode, name, got, want)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self';"} {
			if !strings.Contains(csp, want) || strings.Contains(csp, "script-src") {
				t.Errorf("%s: policy %q lacks %s", target, csp, want)
			}
		}
	}
}

// What a page shows cannot be presented to anybody.
func TestSEC_P04_AdministrationShowsNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root, ada := w.as("root"), w.as("ada")
	w.addSessions(2)
	for _, target := range []string{"/auth/admin", "/auth/admin/sessions", "/auth/admin/users/" + w.user("ada").ID} {
		body := root.open(target).body
		for _, secret := range []string{root.token(), ada.token(), "canary", "sid-"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s shows %q", target, secret)
			}
		}
		for _, s := range w.sessions() {
			if strings.Contains(body, fmt.Sprintf("%x", s.Key)) {
				t.Errorf("%s shows a key", target)
			}
		}
	}
	for _, s := range w.sessions() {
		v := w.visitor()
		v.set(tokenCookie, s.ID)
		if a := v.open("/auth/admin"); a.StatusCode == http.StatusOK {
			t.Error("a session's id is as good as its token")
		}
	}
}

func TestAdmin_StoreDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	user, session := w.user("root").ID, w.sessions()[0].ID
	w.store.down.Store(true)
	for target, method := range adminRequests(user, session) {
		a := root.send(method, target, http.Header{"Origin": {publicURL}}, "")
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || root.token() == "" {
			t.Errorf("%s: got %d", target, a.StatusCode)
		}
	}
}

// Whoever has to log in for it comes back to administration, and to nothing else
// below it.
func TestAdmin_LoginLeadsBack(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/base"} {
		w := newWorld(t, withAdministrator, onlyGoogle)
		public := *w.config.PublicURL
		public.Path = path
		w.config.PublicURL = &public
		w.start()
		w.google.subject = "root"
		v := w.visitor()
		v.logIn(w.google, "") // is somebody, but the session ends
		w.pass(2 * time.Hour)
		a := v.open(path + "/auth/admin")
		for range 2 { // to the login page, to where the login begins
			if a = v.open(a.location()); a.StatusCode != http.StatusFound {
				t.Fatalf("got %d %s", a.StatusCode, a.body)
			}
		}
		code, state := w.google.code(a.location())
		a = v.open(path + w.google.callback(code, state))
		if a.location() != path+"/auth/admin" {
			t.Errorf("got %d to %q", a.StatusCode, a.location())
		}
		if a := v.open(a.location()); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "People") {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
		for _, target := range []string{"/auth/admin/sessions", "/auth/admin/users/x/disable", "/auth/admin?q=x", "/auth/admin/", "//evil.example/auth/admin"} {
			if a := w.visitor().open(path + "/auth/login?logged_out=1&rd=" + target); strings.Contains(a.body, "rd=") {
				t.Errorf("%s is a return target", target)
			}
		}
	}
}

// Another site's link does not make a page say that something was done.
func TestSEC_H01_NoticesAreOurOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	for target, notice := range map[string]string{
		"/auth/admin/users/" + w.user("root").ID + "?done=disabled": "this person cannot log in any longer",
		"/auth/admin/sessions?done=ended":                           "The session has been ended",
		"/auth/account?done=others":                                 "You are logged in on this device only",
	} {
		for site, want := range map[string]bool{"same-origin": true, "": true, "same-site": false, "cross-site": false} {
			a := root.send(http.MethodGet, target, http.Header{"Sec-Fetch-Site": oneOrNone(site)}, "")
			if got := strings.Contains(a.body, notice); a.StatusCode != http.StatusOK || got != want {
				t.Errorf("%s from %q: got %d, says so %v", target, site, a.StatusCode, got)
			}
		}
	}
}
