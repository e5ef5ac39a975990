package loginsvc_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
)

// loops reports whether an answer is the page that ends a loop; the other two that
// there can be are a redirect and the page as it always is.
func (a *answer) loops() bool { return strings.Contains(a.body, "The login does not hold") }

// Who wants to go to many places has not come back from any of them.
func TestSEC_D21_ManyPlacesAreNoLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	v := w.visitor()
	for round := range 4 {
		for _, p := range []string{"/a", "/b", "/c", "/d", "/e"} {
			if a := v.open("/auth/login?rd=" + p); (a.StatusCode == http.StatusFound) != (round < 3) || a.loops() != (round == 3) {
				t.Errorf("%s, round %d: got %d", p, round+1, a.StatusCode)
			}
		}
		w.pass(time.Second)
	}
}

// Many loops at once (a browser opens its tabs again) do not make one another
// forgotten, and what is counted stays a small cookie.
func TestSEC_D21_ManyLoopsAtOnceEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	v := w.visitor()
	for round := range 4 {
		for i := range 300 {
			a := v.open(fmt.Sprintf("/auth/login?rd=/page/%d", i))
			if c := a.cookie(stateCookie + "bounces"); c != nil && len(c.Value) > 1024 {
				t.Fatalf("%d bytes", len(c.Value))
			}
			if round == 3 && a.StatusCode == http.StatusFound {
				t.Errorf("%d goes on", i)
			}
		}
	}
}

// A login that held, and is asked for again only because time has passed, is no
// loop.
func TestSEC_D21_FreshLoginsThatHoldAreNoLoop(t *testing.T) {
	t.Parallel()
	for _, age := range []int{0, 5, 7} {
		w := newWorld(t, onlyGoogle)
		v := w.visitor()
		for i := range 12 {
			a := v.open(fmt.Sprintf("/auth/login?rd=/x&max_age=%d", age))
			if a.StatusCode != http.StatusFound {
				t.Fatalf("max_age %d, login %d: got %d, loop %v", age, i+1, a.StatusCode, a.loops())
			}
			code, state := w.google.code(v.open(a.location()).location())
			if a := v.open(w.google.callback(code, state)); a.location() != "/x" {
				t.Fatalf("callback: got %d", a.StatusCode)
			}
			w.pass(8 * time.Second)
		}
	}
}

// A login that holds, and is still not what the page asks for, is a loop: through the
// provider and back each time, with a new session.
func TestSEC_D21_FreshLoginsThatDoNotHelpAreALoop(t *testing.T) {
	t.Parallel()
	long := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		query  string
		change func(*gateward.Identity)
		round  time.Duration
		lose   bool
	}{
		{name: "no time of authentication", query: "&max_age=5", change: func(id *gateward.Identity) { id.AuthTime = time.Time{} }, round: time.Second},
		{name: "no time of authentication, slowly", query: "&max_age=5", change: func(id *gateward.Identity) { id.AuthTime = time.Time{} }, round: 8 * time.Second},
		{name: "an old one", query: "&max_age=5", change: func(id *gateward.Identity) { id.AuthTime = long }, round: time.Second},
		{name: "fresh, and not seen there", query: "&max_age=300", round: time.Second},
		{name: "fresh, and not seen there, slowly", query: "&max_age=300", round: 8 * time.Second},
		{name: "fresh, at once", query: "&max_age=0", round: time.Second},
		{name: "the session is lost", query: "&max_age=5", round: 8 * time.Second, lose: true},
		{name: "no fresh login asked for", round: 8 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onlyGoogle)
			w.google.change = tt.change
			v, n := w.visitor(), 0
			a := v.open("/auth/login?rd=/x" + tt.query)
			for ; a.StatusCode == http.StatusFound && n < 10; n++ {
				if a.location() != "/x" {
					code, state := w.google.code(v.open(a.location()).location())
					if a := v.open(w.google.callback(code, state)); a.location() != "/x" {
						t.Fatalf("callback: got %d", a.StatusCode)
					}
				}
				if tt.lose {
					delete(v.jar, tokenCookie)
				}
				w.pass(tt.round)
				a = v.open("/auth/login?rd=/x" + tt.query)
			}
			if n != 3 || !a.loops() {
				t.Errorf("after %d rounds: got %d %s", n, a.StatusCode, a.body)
			}
		})
	}
}

// A login that nobody finishes is not one that held.
func TestSEC_D21_FreshLoginsThatNobodyFinishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	v := w.visitor()
	v.logIn(w.google, "")
	w.pass(30 * time.Second)
	n := 0
	for ; v.open("/auth/login?rd=/x&max_age=5").StatusCode == http.StatusFound && n < 10; n++ {
		w.pass(8 * time.Second)
	}
	if n != 3 {
		t.Errorf("stopped after %d redirects", n)
	}
}

// A frame of another site's page is sent nowhere, and uses nothing up.
func TestSEC_D21_FramesCountNothing(t *testing.T) {
	t.Parallel()
	for _, loggedIn := range []bool{false, true} {
		for _, site := range []string{"same-site", "cross-site"} {
			for _, kind := range []string{"iframe", "frame", "embed", "object"} {
				w := newWorld(t, onlyGoogle)
				v := w.visitor()
				if loggedIn {
					v.logIn(w.google, "")
				}
				frame := http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Dest": {kind}}
				for range 4 {
					a := v.send(http.MethodGet, "/auth/login?rd=/x", frame, "")
					if a.StatusCode != http.StatusOK || a.Header.Get("X-Frame-Options") != "DENY" || len(a.Cookies()) != 0 || a.loops() {
						t.Errorf("%s %s: got %d to %q, %v", site, kind, a.StatusCode, a.location(), a.Cookies())
					}
				}
				for n := range 3 {
					if a := v.send(http.MethodGet, "/auth/login?rd=/x", http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Dest": {"document"}}, ""); a.StatusCode != http.StatusFound {
						t.Errorf("%s %s, then opened %d times: got %d", site, kind, n+1, a.StatusCode)
					}
				}
			}
		}
	}
}

// Who is logged in goes from the login page to our own pages as often as they like.
func TestSEC_D21_OwnPagesAreNoLoop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ login, own string }{
		{"/auth/login", "/auth/account"}, {"/auth/login?rd=/auth/account", "/auth/account"}, {"/auth/login?rd=/auth/admin", "/auth/admin"},
	} {
		for _, who := range []string{"root", "bob"} {
			w := newWorld(t, onlyGoogle, withAdministrator)
			v := w.as(who)
			for i := range 8 {
				a := v.open(tt.login)
				if a.StatusCode != http.StatusFound || a.location() != tt.own {
					t.Fatalf("%s, visit %d: got %d to %q", tt.login, i+1, a.StatusCode, a.location())
				}
				if a := v.open(tt.own); a.StatusCode != http.StatusOK && (who == "root" || tt.own != "/auth/admin") {
					t.Fatalf("%s: got %d", tt.own, a.StatusCode)
				}
			}
		}
	}
	// What has been counted for another place stays.
	w := newWorld(t, onlyGoogle)
	v := w.visitor()
	for range 3 {
		v.open("/auth/login?rd=/x")
	}
	v.logIn(w.google, "")
	v.open(v.open("/auth/login?rd=/auth/account").location())
	if a := v.open("/auth/login?rd=/x"); !a.loops() {
		t.Errorf("got %d", a.StatusCode)
	}
}

// Two replicas that do not share their sessions send a browser to and fro between the
// login and the account: that is a loop, though the login page knows the session.
func TestSEC_D21_OwnPagesOfReplicasApart(t *testing.T) {
	t.Parallel()
	for _, own := range []string{"/auth/account", "/auth/admin"} {
		here, there := newWorld(t, onlyGoogle), newWorld(t, onlyGoogle)
		v := here.visitor()
		v.logIn(here.google, "")
		a, n := v.open("/auth/login?rd="+url.QueryEscape(own)), 0
		for ; a.StatusCode == http.StatusFound && n < 10; n++ {
			v.w = there
			to := v.open(a.location()).location()
			v.w = here
			a = v.open(to)
		}
		if n != 3 || !a.loops() {
			t.Errorf("%s: after %d rounds: got %d", own, n, a.StatusCode)
		}
	}
}

// Whatever stands in the cookie, a browser is never sent around for ever, and what a
// former version counted, for all places together, counts.
func TestSEC_D21_CountsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	now := w.now().Unix()
	for value, want := range map[string]int{
		"":                                       3,
		"x":                                      3,
		"9":                                      3,
		"9.x":                                    3,
		fmt.Sprintf("3.%d", now):                 0,
		fmt.Sprintf("2.%d~x", now):               1,
		fmt.Sprintf("-9.%d", now):                3,
		fmt.Sprintf("9.%d", now-61):              3,
		fmt.Sprintf("9.%d.64~9.%d.-1", now, now): 3,
		fmt.Sprintf("9.%d.1.1", now):             3,
		strings.Repeat("~", 2000):                3,
	} {
		v := w.visitor()
		v.set(stateCookie+"bounces", value)
		n := 0
		for ; v.open("/auth/login?rd=/x").StatusCode == http.StatusFound && n < 10; n++ {
			if _, ok := v.jar[stateCookie+"bounces"]; !ok {
				t.Fatal("nothing is counted")
			}
		}
		if n != want {
			t.Errorf("%.40q: %d redirects, want %d", value, n, want)
		}
	}
}
