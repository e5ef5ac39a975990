package loginsvc_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The shapes of Flipt's API, status and body, against testdata/api.golden.
func TestAPI_FliptShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	id := w.sessions()[0].ID
	w.google.endpoint = "https://google.idp.test/end?id_token_hint=x&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2F"

	const bearer = "Authorization"
	type call struct{ who, method, target string }
	var b strings.Builder
	for _, c := range []call{
		{"", "GET", "/auth/v1/method"},
		{"", "GET", "/auth/v1/method/"},
		{"", "GET", "/auth/v1/self"},
		{"nope", "GET", "/auth/v1/self"},
		{"ci", "GET", "/auth/v1/self"},
		{"ci", "GET", "/auth/v1/self?pretty"},
		{"jwt", "GET", "/auth/v1/self"},
		{"cookie", "GET", "/auth/v1/self"},
		{"session", "GET", "/auth/v1/self"},
		{"ci", "GET", "/auth/v1/tokens"},
		{"boss", "GET", "/auth/v1/tokens"},
		{"cookie", "GET", "/auth/v1/tokens?method=METHOD_OIDC&limit=1"},
		{"cookie", "GET", "/auth/v1/tokens?method=METHOD_GITHUB"},
		{"cookie", "GET", "/auth/v1/tokens?method=FOO"},
		{"cookie", "GET", "/auth/v1/tokens?method=METHOD_oidc"},
		{"cookie", "GET", "/auth/v1/tokens?limit=many"},
		{"cookie", "GET", "/auth/v1/tokens?pageToken=99"},
		{"cookie", "GET", "/auth/v1/tokens/" + id},
		{"ci", "GET", "/auth/v1/tokens/" + id},
		{"boss", "GET", "/auth/v1/tokens/" + id},
		{"boss", "GET", "/auth/v1/tokens/ci"},
		{"boss", "DELETE", "/auth/v1/tokens/ci"},
		{"ci", "PUT", "/auth/v1/self/expire"},
		{"jwt", "PUT", "/auth/v1/self/expire"},
		{"ci", "DELETE", "/auth/v1/self/revoke"},
		{"session", "PUT", "/auth/v1/self/expire?expiresAt=tomorrow"},
		{"session", "PUT", "/auth/v1/self/expire?expiresAt=2099-01-01T00:00:00Z"},
		{"cookie", "GET", "/auth/v1/self"},
		{"ci", "GET", "/auth/v1/nope"},
		{"ci", "POST", "/auth/v1/self"},
		{"", "GET", "/auth/v1/method/oidc/nope/authorize"},
		{"", "GET", "/auth/v1/method/oidc/google/callback?code=x&state=y"},
		{"", "GET", "/auth/v1/method/oidc/google/revoke"},
		{"", "POST", "/auth/v1/method/oidc/nope/revoke"},
		{"", "GET", "/auth/v1/method/github/authorize"},
		{"", "GET", "/api/csrf"},
		{"cookie", "DELETE", "/auth/v1/self/revoke"},
	} {
		program := w.visitor()
		headers := []string{}
		switch c.who {
		case "":
		case "cookie":
			program.set(tokenCookie, v.token())
		case "session":
			headers = append(headers, bearer, "Bearer "+v.token())
		default:
			headers = append(headers, bearer, "Bearer "+c.who)
		}
		a := program.fetch(c.method, c.target, headers...)
		fmt.Fprintf(&b, "%s %s (%s)\n%d", c.method, c.target, c.who, a.StatusCode)
		for _, name := range []string{"Content-Type", "Www-Authenticate", "Allow", "Retry-After", "Cache-Control"} {
			if h := a.Header.Get(name); h != "" {
				fmt.Fprintf(&b, "\n%s: %s", name, h)
			}
		}
		if k := a.cookie(tokenCookie); k != nil {
			fmt.Fprintf(&b, "\nSet-Cookie: %s", k)
		}
		fmt.Fprintf(&b, "\n%s\n\n", a.body)
	}
	got := strings.NewReplacer(id, "<ID>", v.token(), "<TOKEN>").Replace(b.String())
	golden(t, "api.golden", got)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", path, got)
	}
}

// The documented answer (fixtures/documented/method.json) is part of ours.
func TestMethods_AsDocumented(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	a := w.visitor().fetch(http.MethodGet, "/auth/v1/method")
	for _, want := range []string{
		`{"method":"METHOD_TOKEN","enabled":true,"sessionCompatible":false,"metadata":null}`,
		`{"method":"METHOD_OIDC","enabled":true,"sessionCompatible":true,"metadata":{"providers":{"google":{"authorize_url":"/auth/v1/method/oidc/google/authorize","callback_url":"/auth/v1/method/oidc/google/callback"}}}}`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s lacks %s", a.body, want)
		}
	}
}

func TestSelf_UnavailableKeepsTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	w.store.down.Store(true)
	for _, c := range [][2]string{
		{"GET", "/auth/v1/self"},
		{"DELETE", "/auth/v1/self/revoke"},
		{"PUT", "/auth/v1/self/expire"},
		{"GET", "/auth/v1/tokens"},
		{"GET", "/auth/account"},
		{"GET", "/auth/logout"},
	} {
		a := v.fetch(c[0], c[1], "Sec-Fetch-Site", "same-origin")
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
			t.Errorf("%s: got %d, cookies %v", c[1], a.StatusCode, a.Cookies())
		}
	}
	w.store.down.Store(false)
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusOK {
		t.Errorf("after the fault: got %d", a.StatusCode)
	}
}

// A cookie is cleared when it names nothing, and not when another one, which may
// be planted, would be left alone.
func TestSelf_DeadCookieIsCleared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.config.AcceptCookies = []string{"flipt_client_token"} })
	v := w.visitor()
	v.set(tokenCookie, sessions.ClientToken([32]byte{9}).Reveal())
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusUnauthorized || v.token() != "" {
		t.Errorf("got %d, cookie %q", a.StatusCode, v.token())
	}
	v.set(tokenCookie, "x")
	v.set("flipt_client_token", "y")
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusUnauthorized || v.token() == "" {
		t.Errorf("beside another cookie: got %d, cookie %q", a.StatusCode, v.token())
	}
	if a := v.fetch(http.MethodGet, "/auth/v1/self", "Authorization", "Bearer nope"); a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) != 0 {
		t.Errorf("a bad header: got %d, cookies %v", a.StatusCode, a.Cookies())
	}
}

func TestExpireSelf_OnlyShortens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	end := w.sessions()[0].ExpiresAt
	put := func(at string) *answer {
		return v.fetch(http.MethodPut, "/auth/v1/self/expire?expiresAt="+at, "Sec-Fetch-Site", "same-origin")
	}
	if a := put("2099-01-01T00:00:00Z"); a.StatusCode != http.StatusOK || len(a.Cookies()) != 0 || !w.sessions()[0].ExpiresAt.Equal(end) {
		t.Errorf("later: got %d, end %v", a.StatusCode, w.sessions()[0].ExpiresAt)
	}
	sooner := w.now().Add(time.Minute)
	if a := put(sooner.Format(time.RFC3339Nano)); a.StatusCode != http.StatusOK || !w.sessions()[0].ExpiresAt.Equal(sooner) || v.token() == "" {
		t.Errorf("sooner: got %d, end %v", a.StatusCode, w.sessions()[0].ExpiresAt)
	}
	token := v.token()
	if a := v.fetch(http.MethodPut, "/auth/v1/self/expire", "Sec-Fetch-Site", "same-origin"); a.StatusCode != http.StatusOK || v.token() != "" {
		t.Errorf("now: got %d, cookie %q", a.StatusCode, v.token())
	}
	v.set(tokenCookie, token)
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("after its end: got %d", a.StatusCode)
	}
}

// Another site's pages end nothing, whatever the method; a header that no
// browser adds by itself is not concerned.
func TestSEC_H01_H05_UnsafeMethodsWantOurOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	id := w.sessions()[0].ID
	for _, c := range [][2]string{
		{"PUT", "/auth/v1/self/expire"},
		{"DELETE", "/auth/v1/self/revoke"},
		{"DELETE", "/auth/v1/tokens/" + id},
		{"POST", "/auth/logout"},
		{"POST", "/auth/account/sessions/revoke-others"},
		{"POST", "/auth/account/sessions/" + id + "/revoke"},
	} {
		for name, headers := range map[string][]string{
			"cross-site":            {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			"sibling":               {"Sec-Fetch-Site", "same-site", "Origin", "https://other.example.com"},
			"old browser":           {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
			"neither header":        {"Sec-Fetch-Site", ""},
			"return target's":       {"Sec-Fetch-Site", "cross-site", "Origin", "https://a.example.net"},
			"null":                  {"Sec-Fetch-Site", "", "Origin", "null"},
			"same host, plain HTTP": {"Sec-Fetch-Site", "", "Origin", "http://app.example.com"},
		} {
			a := v.fetch(c[0], c[1], headers...)
			if a.StatusCode != http.StatusForbidden || len(w.sessions()) != 1 || len(a.Cookies()) != 0 {
				t.Fatalf("%s %s from %s: got %d, %d sessions", c[0], c[1], name, a.StatusCode, len(w.sessions()))
			}
		}
	}
	for _, path := range []string{"/auth/logout", "/auth/account", "/auth/login", "/auth/v1/self/revoke"} {
		v.open(path)
	}
	if len(w.sessions()) != 1 {
		t.Error("a GET ended the session")
	}
	old := w.visitor()
	old.logIn(w.google, "")
	if a := old.fetch(http.MethodPost, "/auth/logout", "Sec-Fetch-Site", "", "Origin", publicURL); a.StatusCode != http.StatusSeeOther || old.token() != "" {
		t.Errorf("our own page in an old browser: got %d", a.StatusCode)
	}
	program := w.visitor()
	delete(program.headers, "Sec-Fetch-Site")
	a := program.fetch(http.MethodDelete, "/auth/v1/self/revoke", "Authorization", "Bearer "+v.token())
	if a.StatusCode != http.StatusOK || len(w.sessions()) != 0 {
		t.Errorf("a program: got %d %s", a.StatusCode, a.body)
	}
}
