package loginsvc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// fixed identifies everybody the same.
type fixed struct {
	id     gateward.Identity
	scheme gateward.Scheme
}

func (f fixed) Identify(context.Context, [][]byte, [][]byte) (gateward.Identity, gateward.Scheme, error) {
	return f.id, f.scheme, nil
}

// Whatever a browser adds by itself asks for our origin; what it does not, needs
// none.
func TestSEC_H01_AmbientCredentials(t *testing.T) {
	t.Parallel()
	for scheme, want := range map[gateward.Scheme]int{
		gateward.SchemeCookie: 403, gateward.SchemeAcceptedCookie: 403, gateward.SchemeBasic: 403, gateward.SchemeNone: 403,
		gateward.SchemeBearer: 200, gateward.SchemeJWT: 200,
	} {
		t.Run(scheme.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.visitor().logIn(w.google, "")
			session := w.sessions()[0]
			id := session.Identity
			id.SessionID = session.ID
			w.options.Identifier = fixed{id, scheme}
			w.start()
			for _, c := range [][2]string{{"PUT", "/auth/v1/self/expire"}, {"DELETE", "/auth/v1/tokens/" + session.ID}} {
				a := w.visitor().fetch(c[0], c[1], "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
				if a.StatusCode != want && !(want == 200 && a.StatusCode == http.StatusNotFound) { // the second finds it ended
					t.Errorf("%s %s: got %d, want %d", c[0], c[1], a.StatusCode, want)
				}
			}
			if left := len(w.sessions()); (left == 1) != (want == 403) {
				t.Errorf("%d sessions are left", left)
			}
		})
	}
}

// The pages are for the cookie that is ours: no other credential that a browser
// may add makes them.
func TestSEC_H01_PagesWantOurCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	session := w.sessions()[0]
	id := session.Identity
	id.SessionID = session.ID
	for _, scheme := range []gateward.Scheme{
		gateward.SchemeNone, gateward.SchemeBearer, gateward.SchemeJWT, gateward.SchemeBasic, gateward.SchemeAcceptedCookie,
	} {
		w.options.Identifier = fixed{id, scheme}
		w.start()
		if a := w.visitor().open("/auth/account"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.location(), "/auth/login") {
			t.Errorf("%v: got %d %s", scheme, a.StatusCode, a.body)
		}
	}
	w.options.Identifier = fixed{id, gateward.SchemeCookie}
	w.start()
	if a := w.visitor().open("/auth/account"); a.StatusCode != http.StatusOK {
		t.Errorf("cookie: got %d", a.StatusCode)
	}
}

// A form on another site, sent to the logout: SameSite keeps the cookie away, and
// the browser would obey an answer that removes it.
func TestSEC_H01_H05_LogoutFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	kept := v.jar
	for name, headers := range map[string]http.Header{
		"cross-site":     {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"sibling":        {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://other.example.com"}},
		"old browser":    {"Sec-Fetch-Site": nil, "Origin": {"https://evil.example"}},
		"sandbox":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
		"neither header": {"Sec-Fetch-Site": nil},
		"password in the address": {
			"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}, "Authorization": {"Basic YTpi"},
		},
	} {
		v.jar = map[string]*http.Cookie{}
		a := v.send(http.MethodPost, "/auth/logout", headers, "")
		if a.StatusCode != http.StatusForbidden || len(a.Header["Set-Cookie"]) != 0 || a.location() != "" {
			t.Errorf("%s: got %d, Set-Cookie %v", name, a.StatusCode, a.Header["Set-Cookie"])
		}
	}
	v.jar = kept
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: got %d", a.StatusCode)
	}
	// Asking is for everybody, and our own page logs out.
	if a := v.send(http.MethodGet, "/auth/logout", http.Header{"Sec-Fetch-Site": {"cross-site"}}, ""); a.StatusCode != http.StatusOK {
		t.Errorf("the question: got %d", a.StatusCode)
	}
	if a := v.submit("/auth/logout"); a.StatusCode != http.StatusSeeOther || len(w.sessions()) != 0 {
		t.Errorf("our own page: got %d", a.StatusCode)
	}
}

// Without an issuer a subject means something within its method only.
func TestSEC_P04_SubjectsWithoutIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := sessions.KeyOf([]byte("x"))
	session := sessions.Session{
		ID: sessions.IDOf(key), Key: key, CreatedAt: w.now(), LastSeenAt: w.now(), ExpiresAt: w.now().Add(time.Hour),
		Identity: gateward.Identity{Principal: gateward.Principal{Subject: "ci"}, Method: "github"},
	}
	if err := w.store.keeper.Create(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	program := w.visitor() // ci, by the method token
	for _, c := range [][2]string{{"GET", "/auth/v1/tokens/" + session.ID}, {"DELETE", "/auth/v1/tokens/" + session.ID}} {
		if a := program.fetch(c[0], c[1], "Authorization", "Bearer ci"); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d %s", c[0], a.StatusCode, a.body)
		}
	}
	if a := program.fetch(http.MethodGet, "/auth/v1/tokens", "Authorization", "Bearer ci"); a.body != `{"authentications":[],"nextPageToken":""}` {
		t.Errorf("got %s", a.body)
	}
	if n := len(w.sessions()); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

// A session that is over is in lists for a while, for whoever asks for it, and
// good for nothing.
func TestSEC_G17_ExpiredSessionsAuthenticateNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	token := v.token()
	w.pass(time.Hour + time.Minute) // idle, and within the grace period
	list := func(query string) int {
		return strings.Count(w.visitor().fetch(http.MethodGet, "/auth/v1/tokens"+query, "Authorization", "Bearer boss").body, `"id"`)
	}
	if all, live := list("?expired=true"), list(""); all != 1 || live != 0 {
		t.Errorf("%d are listed, %d as live, want 1 and 0", all, live)
	}
	for _, headers := range [][]string{{}, {"Authorization", "Bearer " + token}} {
		v.set(tokenCookie, token)
		if a := v.fetch(http.MethodGet, "/auth/v1/self", headers...); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v: got %d", len(headers), a.StatusCode)
		}
	}
}
