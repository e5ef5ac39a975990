package loginsvc_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Anybody can begin a login and come back, and so have the store write and the
// provider asked. How many do so at once is bounded, by provider; what is beyond
// has used up nothing, and works later. (How often one may come is not.)
func TestSEC_D26_CallbacksUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	const places = 32
	w := newWorld(t)
	begun, release := make(chan struct{}, 2*places), make(chan struct{})
	w.google.during = func() {
		begun <- struct{}{}
		<-release
	}
	start := func() (*visitor, string) {
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		return v, w.google.callback(code, state)
	}
	status := make([]int, places)
	var all sync.WaitGroup
	for i := range places {
		v, callback := start()
		all.Go(func() { status[i] = v.open(callback).StatusCode })
	}
	for range places {
		<-begun
	}

	v, callback := start()
	writes := w.store.writes.Load()
	kept := v.states()
	for name, a := range map[string]*answer{
		"a page": v.open(callback), "a script": v.fetch(http.MethodGet, callback),
		"an error": v.open(strings.Replace(callback, "code=", "error=", 1)),
	} {
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
			t.Errorf("%s: got %d %v", name, a.StatusCode, a.Header)
		}
		if page := strings.Contains(a.body, "<h1>The login has to wait</h1>"); page != (name != "a script") {
			t.Errorf("%s: got %s", name, a.body)
		}
	}
	if n := w.store.writes.Load() - writes; n != 0 || w.google.exchanges.Load() != places || len(kept) != 1 {
		t.Errorf("%d writes, %d exchanges, want none and %d", n, w.google.exchanges.Load(), places)
	}
	if got := w.metrics.last(); got != "google unavailable" {
		t.Errorf("counted %q", got)
	}
	if a := w.visitor().logIn(w.corp, ""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("another provider: got %d", a.StatusCode)
	}

	close(release)
	all.Wait()
	for i, s := range status {
		if s != http.StatusSeeOther {
			t.Errorf("login %d: got %d", i, s)
		}
	}
	if a := v.open(callback); a.StatusCode != http.StatusSeeOther {
		t.Errorf("later: got %d", a.StatusCode)
	}
}

// Every way out gives the place back.
func TestSEC_D26_PlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, v *visitor, code, state string){
		"garbage": func(w *world, v *visitor, _, state string) { v.open(w.google.callback("garbage", state)) },
		"error": func(_ *world, v *visitor, _, state string) {
			v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=" + state)
		},
		"panic": func(w *world, v *visitor, code, state string) {
			w.google.during = func() { panic("test") }
			v.open(w.google.callback(code, state))
		},
		"store down": func(w *world, v *visitor, code, state string) {
			w.store.down.Store(true)
			v.open(w.google.callback(code, state))
			w.store.down.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 40 {
				v := w.visitor()
				code, state := w.google.code(v.authorize(w.google, ""))
				end(w, v, code, state)
			}
			w.google.during = nil
			w.visitor().logIn(w.google, "")
		})
	}
}

// Tokens that nobody has cost the store no write, however many a stranger sends.
func TestSEC_D26_ForgedTokensWriteNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.headers["Cookie"] = []string{planted(200)}
	if a := v.submit("/auth/logout"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", a.StatusCode)
	}
	v.open("/auth/logout")
	v.open("/auth/login?rd=/x")
	v.authorize(w.google, "")
	if n := w.store.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}
