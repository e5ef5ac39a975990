package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/loginsvc"
)

// logoutBy sends a logout token of google, by another replica, and returns the
// answer's status.
func (w *world) logoutBy(token string) int {
	w.t.Helper()
	other := &world{t: w.t, clock: w.now()}
	var err error
	if other.service, err = loginsvc.New(w.config, w.options); err != nil {
		w.t.Fatal(err)
	}
	return post(other.visitor(), revokeAddress, form, url.Values{"logout_token": {token}}.Encode()).StatusCode
}

// The provider ends a session while the login that it belongs to is under way:
// it is told so, and no session of that login begins, on whichever replica.
func TestSEC_D23_LogoutDuringLogin(t *testing.T) {
	t.Parallel()
	none := ""
	for _, tt := range []struct {
		name, token string
		sid         *string
		lives       bool
	}{
		{name: "by sid", token: "sid=sid-ada jti=1"},
		{name: "by subject", token: "sub=ada jti=1"},
		{name: "by both", token: "sid=sid-ada sub=ada jti=1"},
		{name: "by both, no sid known", token: "sid=other sub=ada jti=1", sid: &none},
		{name: "by subject, no sid known", token: "sub=ada jti=1", sid: &none},
		{name: "another session of the same person", token: "sid=other sub=ada jti=1", lives: true},
		{name: "another sid", token: "sid=other jti=1", lives: true},
		{name: "another person", token: "sub=bob jti=1", lives: true},
	} {
		for _, when := range []string{"exchange", "create", "marked"} {
			t.Run(tt.name+", before the end of "+when, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.google.sid = tt.sid
				v := w.visitor()
				code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
				logout := func() {
					w.pass(3 * time.Second) // the provider takes its time
					if status := w.logoutBy(tt.token); status != http.StatusOK {
						t.Errorf("the logout: got %d", status)
					}
					w.pass(15 * time.Second)
				}
				switch when {
				case "exchange":
					w.google.during = logout
				default:
					w.store.before = func(_ context.Context, operation, _ string) error {
						if operation == when {
							w.store.before = nil
							logout()
						}
						return nil
					}
				}
				a := v.open(w.google.callback(code, state))
				if tt.lives {
					if a.StatusCode != http.StatusSeeOther || len(w.sessions()) != 1 {
						t.Errorf("got %d, %d sessions", a.StatusCode, len(w.sessions()))
					}
					return
				}
				if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "You were logged out at Google") || !strings.Contains(a.body, "rd=%2Fdeep") {
					t.Errorf("got %d %s", a.StatusCode, a.body)
				}
				if len(w.sessions()) != 0 || v.token() != "" || len(v.states()) != 0 || w.metrics.last() != "google denied" {
					t.Errorf("%d sessions, token %q, attempts %v, counted %q", len(w.sessions()), v.token(), v.states(), w.metrics.last())
				}
			})
		}
	}
}

// Whoever logs in again after a logout is not taken for the one who was logged
// out, although nothing but a moment lies between them.
func TestSEC_D23_LoginAfterLogout(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Microsecond, 50 * time.Millisecond, time.Second, 30 * time.Second} {
		w := newWorld(t)
		w.visitor().logIn(w.google, "")
		if status := w.logoutBy("sub=ada jti=1"); status != http.StatusOK || len(w.sessions()) != 0 {
			t.Fatalf("got %d, %d sessions", status, len(w.sessions()))
		}
		w.pass(after)
		w.visitor().logIn(w.google, "")
	}
}

// Of a logout and a callback at the same time it cannot be told which was first:
// the login counts as ended. Stores keep times to the microsecond.
func TestSEC_D23_LogoutAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, 1, 999} {
		w := newWorld(t)
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		w.pass(d)
		w.google.during = func() { w.logoutBy("sid=sid-ada jti=1") }
		if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusBadRequest || len(w.sessions()) != 0 {
			t.Errorf("%v after the microsecond: got %d, %d sessions", d, a.StatusCode, len(w.sessions()))
		}
	}
}

// A logout marks before it deletes: a login that has not seen the mark has its
// session deleted, and one that comes later sees the mark.
func TestSEC_D23_LoginDuringLogout(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]int{"mark": http.StatusSeeOther, "delete where": http.StatusBadRequest} {
		w := newWorld(t)
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		got := 0
		w.store.before = func(_ context.Context, operation, _ string) error {
			if operation == before {
				w.store.before = nil
				got = v.open(w.google.callback(code, state)).StatusCode
			}
			return nil
		}
		if status := w.logoutBy("sid=sid-ada jti=1"); status != http.StatusOK || got != want || len(w.sessions()) != 0 {
			t.Errorf("a login before %s: the logout got %d, the login %d, want %d; %d sessions", before, status, got, want, len(w.sessions()))
		}
	}
}

// A token that names a session and its person ends that session, and those of the
// person of which no such name is known; not the others.
func TestSEC_D23_SessionsWithoutSID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login := func(sid, subject string, at *provider) *visitor {
		at.sid, at.subject = &sid, subject
		v := w.visitor()
		v.logIn(at, "")
		return v
	}
	named, other := login("one", "ada", w.google), login("two", "ada", w.google)
	unnamed, bob, elsewhere := login("", "ada", w.google), login("", "bob", w.google), login("", "ada", w.corp)
	if status := w.logoutBy("sid=one sub=ada jti=1"); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	for name, tt := range map[string]struct {
		v    *visitor
		want int
	}{"named": {named, 401}, "other sid": {other, 200}, "no sid": {unnamed, 401}, "another person": {bob, 200}, "another provider": {elsewhere, 200}} {
		if a := tt.v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", name, a.StatusCode, tt.want)
		}
	}
	if n := w.metrics.revocations["back_channel"]; n != 2 {
		t.Errorf("counted %d, want 2", n)
	}
}

// The token is used up when the sessions are deleted, and the provider comes only
// once: a fault that passes, and a provider that hangs up, change nothing. What
// cannot be noted is ended all the same.
func TestSEC_D23_DeletesInTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		faults   int
		hangsUp  bool
		status   int
		sessions int
	}{
		{"no fault", 0, false, 200, 0},
		{"one fault", 1, false, 200, 0},
		{"two faults", 2, false, 200, 0},
		{"three faults", 3, false, 503, 1},
		{"hangs up", 0, true, 200, 0},
	} {
		for _, failing := range []string{"mark", "delete where"} {
			t.Run(tt.name+", "+failing, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.visitor().logIn(w.google, "")
				faults := tt.faults
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.store.before = func(ctx context.Context, operation, _ string) error {
					if operation != failing {
						return nil
					}
					if faults--; faults >= 0 {
						return fmt.Errorf("test: %w", gateward.ErrUnavailable)
					}
					if tt.hangsUp {
						cancel()
					}
					return ctx.Err()
				}
				provider := w.visitor()
				provider.ctx = ctx
				a := post(provider, revokeAddress, form, url.Values{"logout_token": {"sub=ada jti=1"}}.Encode())
				left := tt.sessions
				if failing == "mark" {
					left = 0
				}
				if a.StatusCode != tt.status || len(w.sessions()) != left || w.metrics.revocations["back_channel"] != 1-left {
					t.Errorf("got %d, %d sessions, want %d, %d; counted %v", a.StatusCode, len(w.sessions()), tt.status, left, w.metrics.revocations)
				}
			})
		}
	}
}

// One kind of sessions that cannot be ended does not save the other.
func TestSEC_D23_EndsWhatItCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none := ""
	w.google.sid = &none
	w.visitor().logIn(w.google, "")
	w.store.before = func(_ context.Context, operation, sid string) error {
		if operation == "delete where" && sid != "" || operation == "mark" {
			return fmt.Errorf("test: %w", gateward.ErrUnavailable)
		}
		return nil
	}
	if status := w.logoutBy("sid=sid-ada sub=ada jti=1"); status != http.StatusServiceUnavailable || len(w.sessions()) != 0 {
		t.Errorf("got %d, %d sessions", status, len(w.sessions()))
	}
}

// A provider's session that has ended does not begin again, whenever its code was
// made and whatever the clocks of the replicas say; once the end is forgotten, no
// login of before it is under way.
func TestSEC_D23_EndedSIDStaysEnded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		passes, slow time.Duration // until the callback; how far the other replica is behind
		lives        bool
	}{
		{name: "a moment before the callback", passes: time.Millisecond},
		{name: "a minute before the callback", passes: time.Minute},
		{name: "by a replica that is behind", passes: time.Second, slow: 59 * time.Second},
		{name: "forgotten", passes: 81 * time.Second, lives: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			code, state := w.google.code(v.authorize(w.google, ""))
			w.pass(time.Second)
			now := w.options.Now
			w.options.Now = func() time.Time { return now().Add(-tt.slow) }
			if status := w.logoutBy("sid=sid-ada jti=1"); status != http.StatusOK {
				t.Fatalf("the logout: got %d", status)
			}
			w.pass(tt.passes)
			a := v.open(w.google.callback(code, state))
			if lives := len(w.sessions()) == 1; lives != tt.lives || lives != (a.StatusCode == http.StatusSeeOther) {
				t.Errorf("got %d, %d sessions", a.StatusCode, len(w.sessions()))
			}
		})
	}
}

// frontLogout is the provider's logout page in somebody's browser, at an address.
func (w *world) frontLogout(sid, address string) *answer {
	w.t.Helper()
	v := w.visitor()
	v.headers.Set("X-Forwarded-For", address)
	return v.fetch(http.MethodGet, revokeAddress+"?"+url.Values{"iss": {w.google.issuer()}, "sid": {sid}}.Encode(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe")
}

// What the back channel finds of logins under way the front channel finds, too.
func TestSEC_D23_FrontChannelLogoutDuringLogin(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{true, false} {
		w := newWorld(t)
		w.google.front = true
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		logout := func() {
			w.pass(time.Second)
			if a := w.frontLogout("sid-ada", "203.0.113.7"); a.StatusCode != http.StatusOK {
				t.Errorf("the logout: got %d %s", a.StatusCode, a.body)
			}
			w.pass(time.Second)
		}
		if during {
			w.google.during = logout
		} else {
			logout()
		}
		if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusBadRequest || len(w.sessions()) != 0 {
			t.Errorf("during the callback %v: got %d, %d sessions", during, a.StatusCode, len(w.sessions()))
		}
	}
}

// Anybody can ask for a front-channel logout: one address has only so many notes
// written, and what it names is deleted all the same.
func TestSEC_D23_L12_FrontChannelNotesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limited)
	w.google.front = true
	w.visitor().logIn(w.google, "")
	notes := 0
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "mark" {
			notes++
		}
		return nil
	}
	for i := range 100 {
		if a := w.frontLogout(fmt.Sprint("none-", i), "198.51.100.9"); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
	if notes != 30 {
		t.Errorf("%d notes, want 30", notes)
	}
	if w.frontLogout("sid-ada", "198.51.100.9"); len(w.sessions()) != 0 || notes != 30 {
		t.Errorf("%d sessions, %d notes", len(w.sessions()), notes)
	}
	if w.frontLogout("none", "198.51.100.10"); notes != 31 {
		t.Error("another address has no room either")
	}
	if a := w.as("ada"); a.token() == "" {
		t.Error("logouts count as logins")
	}
}
