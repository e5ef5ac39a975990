package loginsvc_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/browser"
)

func TestLoginPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		single bool // one provider only
		loggedIn,
		left bool
		query    string
		script   bool
		location string // "" for the page
		contains string
	}{
		{name: "choice", query: "?rd=/x", contains: `href="/auth/v1/method/oidc/corp/authorize?rd=%2Fx"`},
		{name: "names", query: "", contains: "Example Corp"},
		{name: "straight on", single: true, query: "?rd=/x", location: "/auth/v1/method/oidc/google/authorize?rd=%2Fx"},
		{name: "straight on, with age", single: true, query: "?rd=/x&max_age=300", location: "/auth/v1/method/oidc/google/authorize?max_age=300&rd=%2Fx"},
		{name: "no target", single: true, contains: "authorize"},
		{name: "bad target", single: true, query: "?rd=https://evil.example/", contains: `href="/auth/v1/method/oidc/google/authorize"`},
		{name: "after a logout", single: true, query: "?rd=/x&logged_out=1", contains: "You are logged out"},
		{name: "after an error", single: true, query: "?rd=/x&error=1", contains: "That login did not work"},
		{name: "cancelled", query: "?error=access_denied", contains: "The login was cancelled"},
		{name: "error of anybody's", query: "?error=%3Cscript%3E", contains: "That login did not work"},
		{name: "back from the provider's logout", single: true, left: true, query: "?rd=/x", contains: "You are logged out"},
		{name: "for a script", single: true, query: "?rd=/x", script: true, contains: "authorize?rd=%2Fx"},
		{name: "logged in", loggedIn: true, query: "?rd=/x", location: "/x"},
		{name: "logged in, no target", loggedIn: true, location: "/auth/account"},
		{name: "logged in, absolute target", loggedIn: true, query: "?rd=https://a.example.net/x", location: "https://a.example.net/x"},
		{name: "logged in, fresh login wanted", loggedIn: true, query: "?rd=/x&max_age=0", contains: "max_age=0"},
		{name: "logged in, other account wanted", loggedIn: true, query: "?rd=/x&prompt=select_account", contains: "prompt=select_account"},
		{name: "logged in, fresh login, one provider", single: true, loggedIn: true, query: "?rd=/x&max_age=60", location: "/auth/v1/method/oidc/google/authorize?max_age=60&rd=%2Fx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.single {
				onlyGoogle(w)
				w.start()
			}
			v := w.visitor()
			if tt.loggedIn {
				v.logIn(w.google, "")
			}
			if tt.left {
				v.set(stateCookie+"left", "1")
			}
			a := v.open("/auth/login" + tt.query)
			if tt.script {
				a = v.fetch(http.MethodGet, "/auth/login"+tt.query)
			}
			if tt.location != "" {
				if a.StatusCode != http.StatusFound || a.location() != tt.location {
					t.Errorf("got %d to %q, want %q", a.StatusCode, a.location(), tt.location)
				}
				return
			}
			if a.StatusCode != http.StatusOK || !strings.Contains(a.body, tt.contains) || strings.Contains(a.body, "<script") {
				t.Errorf("got %d, want a page with %q: %s", a.StatusCode, tt.contains, a.body)
			}
		})
	}
}

// A browser that keeps coming back, whatever the cause, is shown a page.
func TestSEC_D21_NoRedirectLoop(t *testing.T) {
	t.Parallel()
	for _, loggedIn := range []bool{false, true} {
		w := newWorld(t, onlyGoogle)
		v := w.visitor()
		if loggedIn {
			v.logIn(w.google, "")
		}
		n := 0
		for v.open("/auth/login?rd=/x").StatusCode == http.StatusFound {
			if n++; n > 20 {
				t.Fatal("it goes on for ever")
			}
			w.pass(time.Second)
		}
		if n != 3 {
			t.Errorf("logged in %v: stopped after %d redirects, want 3", loggedIn, n)
		}
		if a := v.open("/auth/login?rd=/x"); !strings.Contains(a.body, "The login does not hold") {
			t.Errorf("the page does not say why: %s", a.body)
		}
		w.pass(time.Minute)
		if a := v.open("/auth/login?rd=/x"); a.StatusCode != http.StatusFound {
			t.Errorf("a minute later: got %d", a.StatusCode)
		}
	}
}

// Return targets, from the address to the last redirect. What a target may be is
// tested in internal/browser; this is that nothing else gets through.
func TestSEC_I01_I02_I05_I06_ReturnTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for raw, want := range map[string]string{
		"/deep?a=1&b=%20":                      "/deep?a=1&b=%20",
		"https://app.example.com/x":            "https://app.example.com/x",
		"https://a.example.net/x":              "https://a.example.net/x",
		"https://example.net/x":                "/",
		"http://app.example.com/x":             "/",
		"//evil.example":                       "/",
		`/\evil.example`:                       "/",
		"/\t/evil.example":                     "/",
		" https://evil.example":                "/",
		"https:evil.example":                   "/",
		"https:/evil.example":                  "/",
		"https://app.example.com@evil":         "/",
		`https://app.example.com\@e`:           "/",
		"https://app.example.com.evil":         "/",
		"https://evil#@app.example.com/":       "/",
		"javascript:alert(1)":                  "/",
		"/auth/login":                          "/",
		"/auth/v1/self":                        "/",
		"/auth/logout":                         "/",
		"/auth/account":                        "/auth/account",
		"/auth/account/":                       "/",
		"https://app.example.com/auth/account": "/",
		"/" + strings.Repeat("a", 10_000):      "/",
		"":                                     "/",
	} {
		a := w.visitor().logIn(w.google, "?"+url.Values{"rd": {raw}}.Encode())
		if a.location() != want {
			t.Errorf("%.80q: goes to %q, want %q", raw, a.location(), want)
		}
	}
	for _, raw := range []string{"/a\r\nSet-Cookie:x=y", "/a%0d%0aSet-Cookie:x", "/ü\u2028", "/\x00"} {
		a := w.visitor().logIn(w.google, "?"+url.Values{"rd": {raw}}.Encode())
		if regexp.MustCompile(`[^!-~]`).MatchString(a.location()) || a.cookie("x") != nil {
			t.Errorf("%q: goes to %q", raw, a.location())
		}
	}
}

// The target is in the sealed cookie alone: nothing on the callback's query
// counts.
func TestSEC_I03_TargetIsNotTheCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
	a := v.open(w.google.callback(code, state) + "&rd=/evil&redirect=https://evil.example")
	if a.location() != "/deep" {
		t.Errorf("goes to %q", a.location())
	}
}

// What was allowed when the attempt began and is not any longer is not gone to.
func TestSEC_I01_TargetIsCheckedAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, "?rd=https://a.example.net/x"))
	targets, err := browser.NewReturnTargets(w.config.PublicURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.options.ReturnTargets = targets
	w.start()
	if a := v.open(w.google.callback(code, state)); a.location() != "/" {
		t.Errorf("goes to %q", a.location())
	}
}

func TestDefaultTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.config.DefaultTarget = "https://app.example.com/start" })
	if a := w.visitor().logIn(w.google, ""); a.location() != "https://app.example.com/start" {
		t.Errorf("goes to %q", a.location())
	}
}
