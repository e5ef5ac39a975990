package loginsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// abuse is a callback that must not end in a session.
type abuse struct {
	name string
	do   func(w *world, v *visitor) *answer
	// status and title are the answer's, result what is counted.
	status        int
	title, result string
	target        bool // the page's way out knows the return target
}

func abuses() []abuse {
	const failed, again = "That login did not work", "rd=%2Fdeep"
	_ = again
	start := func(w *world, v *visitor) (code, state string) {
		return w.google.code(v.authorize(w.google, "?rd=/deep"))
	}
	return []abuse{
		{
			name: "from another browser", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, w.visitor())
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "replayed", status: 400, title: failed, result: "google replayed", target: true,
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				kept := v.states()
				v.open(w.google.callback(code, state))
				v.open("/auth/logout")
				v.submit("/auth/logout")
				for name, value := range kept {
					v.set(name, value)
				}
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "swapped between providers", status: 400, title: failed, result: "corp invalid", target: true,
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.corp.callback(code, state))
			},
		},
		{
			name: "two codes", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&code=other")
			},
		},
		{
			name: "two states", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&state=" + state)
			},
		},
		{
			name: "two issuers", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&iss=a&iss=b")
			},
		},
		{
			name: "code and error", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&error=access_denied")
			},
		},
		{
			name: "broken query", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&a=%zz")
			},
		},
		{
			name: "ten minutes late", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				w.pass(10 * time.Minute)
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "ten minutes late, cookie kept", status: 400, title: failed, result: "google late", target: true,
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				kept := v.states()
				w.pass(10 * time.Minute)
				for name, value := range kept {
					v.set(name, value)
				}
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "wrong issuer", status: 400, title: failed, result: "google invalid", target: true,
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				return v.open(w.google.callback(code, state) + "&iss=" + url.QueryEscape(w.corp.issuer()))
			},
		},
		{
			name: "code of another attempt", status: 400, title: failed, result: "google invalid", target: true,
			do: func(w *world, v *visitor) *answer {
				code, _ := start(w, w.visitor())
				_, state := start(w, v)
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "missing cookie", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				for name := range v.states() {
					v.set(name, "")
				}
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "tampered cookie", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, state := start(w, v)
				for name, value := range v.states() {
					i := len(value) - 10
					c := byte('A')
					if value[i] == c {
						c = 'B'
					}
					v.set(name, value[:i]+string(c)+value[i+1:])
				}
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "another attempt's cookie under this name", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				start(w, v)
				other := ""
				for _, value := range v.states() {
					other = value
				}
				before := v.states()
				code, state := start(w, v)
				for name := range v.states() {
					if before[name] == "" {
						v.set(name, other)
					}
				}
				return v.open(w.google.callback(code, state))
			},
		},
		{
			name: "no state", status: 400, title: failed, result: "google invalid",
			do: func(w *world, v *visitor) *answer {
				code, _ := start(w, v)
				return v.open("/auth/v1/method/oidc/google/callback?code=" + code)
			},
		},
		{
			name: "no code", status: 400, title: failed, result: "google invalid", target: true,
			do: func(w *world, v *visitor) *answer {
				_, state := start(w, v)
				return v.open("/auth/v1/method/oidc/google/callback?state=" + state)
			},
		},
		{
			name: "access denied", status: 400, title: "The login was cancelled", result: "google denied", target: true,
			do: func(w *world, v *visitor) *answer {
				_, state := start(w, v)
				return v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=" + state)
			},
		},
		{
			name: "provider error", status: 400, title: failed, result: "google invalid", target: true,
			do: func(w *world, v *visitor) *answer {
				_, state := start(w, v)
				return v.open("/auth/v1/method/oidc/google/callback?error=%3Cscript%3E&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=" + state)
			},
		},
		{
			name: "provider error of a stranger", status: 400, title: failed, result: "google invalid",
			do: func(_ *world, v *visitor) *answer {
				return v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=x")
			},
		},
		{
			name: "overlong state", status: 400, title: failed, result: "google invalid",
			do: func(_ *world, v *visitor) *answer {
				return v.open("/auth/v1/method/oidc/google/callback?code=x&state=" + strings.Repeat("a", 5000))
			},
		},
	}
}

// The list, and more: refused with a page that helps, and nothing is
// left behind.
func TestSEC_D02_D05_D07_D08_D13_CallbackAbuses(t *testing.T) {
	t.Parallel()
	for _, tt := range abuses() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			a := tt.do(w, v)
			if a.StatusCode != tt.status || !strings.Contains(a.body, "<h1>"+tt.title+"</h1>") {
				t.Errorf("got %d, want %d with %q: %s", a.StatusCode, tt.status, tt.title, a.body)
			}
			if got := w.metrics.last(); got != tt.result {
				t.Errorf("counted %q, want %q", got, tt.result)
			}
			if got := strings.Contains(a.body, "rd=%2Fdeep"); got != tt.target {
				t.Errorf("way out with the target: %v, want %v: %s", got, tt.target, a.body)
			}
			if !strings.Contains(a.body, ">Try again<") {
				t.Errorf("no way out: %s", a.body)
			}
			if strings.Contains(a.body, "<script") {
				t.Errorf("the provider's words are on the page: %s", a.body)
			}
			if n := w.corp.exchanges.Load(); n != 0 {
				t.Errorf("another provider was asked %d times", n) // it would learn the code
			}
			if n := len(w.sessions()); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
			if v.token() != "" || a.cookie(tokenCookie) != nil && a.cookie(tokenCookie).Value != "" {
				t.Error("a client token is left")
			}
		})
	}
}

// The same, seen by a program: JSON, and Flipt's words.
func TestCallback_RefusedForAScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	a := v.fetch(http.MethodGet, "/auth/v1/method/oidc/google/callback?code=x&state=y")
	if got, want := a.body, `{"code":3,"message":"callback: failed to get state","details":[]}`; a.StatusCode != http.StatusBadRequest || got != want {
		t.Errorf("got %d %s, want %s", a.StatusCode, got, want)
	}
	a = v.fetch(http.MethodGet, "/auth/v1/method/oidc/nope/callback?code=x&state=y")
	if got, want := a.body, `{"code":3,"message":"callback: unknown provider","details":[]}`; a.StatusCode != http.StatusBadRequest || got != want {
		t.Errorf("got %d %s, want %s", a.StatusCode, got, want)
	}
}
