package loginsvc_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
)

func TestSEC_D13_AuthorizeWantsAWindow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		site, mode, dest string
		want             int
	}{
		{"cross-site", "navigate", "document", 302},
		{"cross-site", "navigate", "iframe", 403},
		{"cross-site", "navigate", "object", 403},
		{"cross-site", "navigate", "frame", 403},
		{"cross-site", "navigate", "embed", 403},
		{"cross-site", "navigate", "", 403},
		{"cross-site", "cors", "empty", 403},
		{"cross-site", "no-cors", "image", 403},
		{"cross-site", "no-cors", "document", 403},
		{"same-site", "navigate", "document", 302}, // somebody followed a link
		{"same-site", "navigate", "iframe", 403},
		{"same-site", "no-cors", "image", 403},
		{"same-site", "cors", "empty", 403},
		{"unknown", "cors", "empty", 403},
		{"same-origin", "cors", "empty", 200},
		{"none", "navigate", "document", 302},
	} {
		t.Run(tt.site+" "+tt.mode+" "+tt.dest, func(t *testing.T) {
			t.Parallel()
			v := newWorld(t).visitor()
			a := v.send(http.MethodGet, "/auth/v1/method/oidc/google/authorize", http.Header{
				"Sec-Fetch-Site": {tt.site}, "Sec-Fetch-Mode": {tt.mode}, "Sec-Fetch-Dest": oneOrNone(tt.dest),
			}, "")
			if a.StatusCode != tt.want {
				t.Errorf("got %d, want %d", a.StatusCode, tt.want)
			}
			if refused := tt.want == 403; refused != (len(v.states()) == 0) {
				t.Errorf("attempt cookies: %v", v.states())
			}
		})
	}
}

// Each attempt has values of its own, which only this browser's cookie carries.
func TestSEC_D01_D02_FreshValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	seen := map[string]bool{}
	for range 20 {
		v.authorize(w.google, "")
	}
	for _, a := range w.google.attempts {
		for _, value := range []string{a.State, a.Nonce, a.Verifier.Reveal()} {
			if len(value) != 43 || seen[value] {
				t.Errorf("%q is short or repeated", value)
			}
			seen[value] = true
		}
	}
	for name, value := range v.cookies() {
		for secret := range seen {
			if strings.Contains(name+value, secret) {
				t.Error("a cookie shows a secret of its attempt")
			}
		}
	}
}

func TestSEC_D09_OneOfTwoCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, ""))
	cookies := ""
	for name, value := range v.cookies() {
		cookies += name + "=" + value + "; "
	}
	const callers = 16
	status := make([]int, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			stranger := w.visitor()
			stranger.headers["Cookie"] = []string{strings.TrimSuffix(cookies, "; ")}
			status[i] = stranger.open(w.google.callback(code, state)).StatusCode
		})
	}
	all.Wait()
	good := 0
	for _, s := range status {
		switch s {
		case http.StatusSeeOther:
			good++
		case http.StatusBadRequest:
		default:
			t.Errorf("got %d", s)
		}
	}
	if good != 1 || w.google.exchanges.Load() != 1 || len(w.sessions()) != 1 {
		t.Errorf("%d logins, %d exchanges, %d sessions, want one each", good, w.google.exchanges.Load(), len(w.sessions()))
	}
}

// Several tabs log in at once, whatever the order in which they come back.
func TestSEC_D25_Tabs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	type tab struct{ code, state, target string }
	var tabs []tab
	for i := range 5 {
		target := fmt.Sprintf("/tab/%d", i)
		code, state := w.google.code(v.authorize(w.google, "?rd="+target))
		tabs = append(tabs, tab{code, state, target})
		w.pass(time.Second)
	}
	for _, i := range []int{2, 0, 4, 1, 3} {
		a := v.open(w.google.callback(tabs[i].code, tabs[i].state))
		if a.StatusCode != http.StatusSeeOther || a.location() != tabs[i].target {
			t.Errorf("tab %d: got %d to %q", i, a.StatusCode, a.location())
		}
	}
	if n := len(w.sessions()); n != 1 {
		t.Errorf("%d sessions, want 1: each login of a browser ends its last", n)
	}
}

// A sixth attempt drops the oldest, and no more.
func TestSEC_D25_AtMostFiveAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	var states []string
	for range 8 {
		_, state := w.google.code(v.authorize(w.google, ""))
		states = append(states, state)
		w.pass(time.Second)
	}
	if n := len(v.states()); n != 5 {
		t.Errorf("%d attempt cookies, want 5", n)
	}
	for i, state := range states {
		a := v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=" + state)
		if live := strings.Contains(a.body, "cancelled"); live != (i >= 3) {
			t.Errorf("attempt %d: live %v", i, live)
		}
	}
	v.set(stateCookie+strings.Repeat("x", 22), "rubbish")
	v.authorize(w.google, "")
	if n := len(v.states()); n != 1 {
		t.Errorf("%d attempt cookies, want the new one: the others are over or not ours", n)
	}
}

// A tab that comes late, or a second time, goes on where the browser is logged
// in.
func TestSEC_D25_LateTabGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	code1, state1 := w.google.code(v.authorize(w.google, "?rd=/one"))
	kept := v.states()
	code2, state2 := w.google.code(v.authorize(w.google, "?rd=/two"))
	if a := v.open(w.google.callback(code1, state1)); a.location() != "/one" {
		t.Fatalf("first tab: got %d to %q", a.StatusCode, a.location())
	}
	before := v.token()
	if a := v.open(w.google.callback(code1, state1)); a.StatusCode != http.StatusSeeOther || a.location() != "/" {
		t.Errorf("reloaded without its cookie: got %d to %q", a.StatusCode, a.location())
	}
	for name, value := range kept {
		v.set(name, value)
	}
	if a := v.open(w.google.callback(code1, state1)); a.StatusCode != http.StatusSeeOther || a.location() != "/one" {
		t.Errorf("reloaded with its cookie: got %d to %q", a.StatusCode, a.location())
	}
	late := v.states()
	w.pass(10 * time.Minute)
	for name, value := range late {
		v.set(name, value)
	}
	if a := v.open(w.google.callback(code2, state2)); a.StatusCode != http.StatusSeeOther || a.location() != "/two" {
		t.Errorf("late: got %d to %q", a.StatusCode, a.location())
	}
	if v.token() != before || w.google.exchanges.Load() != 1 {
		t.Error("a late tab logged in again")
	}
}

// Who begins a login, and who comes back without having begun one, writes
// nothing. What others write is bounded: see
// TestSEC_D26_CallbacksUnderWayAreBounded.
func TestSEC_D26_BeginningALoginWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 10_000 {
		v := w.visitor()
		a := v.open("/auth/v1/method/oidc/google/authorize?rd=/x")
		if a.StatusCode != http.StatusFound {
			t.Fatalf("got %d", a.StatusCode)
		}
		if i%10 == 0 {
			w.visitor().open("/auth/v1/method/oidc/google/callback?code=x&state=" + fmt.Sprint(i))
			w.visitor().open("/auth/login?rd=/x")
		}
	}
	if n := w.store.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestAuthorize_Unavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.authErr = fmt.Errorf("test: %w", gateward.ErrUnavailable)
	v := w.visitor()
	a := v.fetch(http.MethodGet, "/auth/v1/method/oidc/google/authorize")
	if got, want := a.body, `{"code":14,"message":"authorize: failed get provider","details":[]}`; a.StatusCode != http.StatusServiceUnavailable || got != want {
		t.Errorf("got %d %s, want %s", a.StatusCode, got, want)
	}
	if len(v.states()) != 0 {
		t.Error("an attempt is left")
	}
}

// What the login asks the provider for survives the way there.
func TestAuthorize_Wish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "?max_age=300&prompt=login")
	a := w.google.attempts[0]
	if a.MaxAge == nil || *a.MaxAge != 5*time.Minute || a.Prompt != "login" {
		t.Errorf("got %+v", a)
	}
	for _, query := range []string{"?max_age=-1", "?max_age=x", "?max_age=1&max_age=2", "?prompt=none", "?prompt=consent", "?prompt=login+select_account", "?rd=/a&rd=/b", "?rd=%zz"} {
		if a := v.open("/auth/v1/method/oidc/google/authorize" + query); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d", query, a.StatusCode)
		}
	}
}
