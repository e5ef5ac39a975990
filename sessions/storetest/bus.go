package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

func busChecks() []check {
	return []check{
		{name: "BusHearing", run: busHearing},
		{name: "BusLocalListenersHearBeforeItReturns", run: busPublish},
		{name: "BusHeardAlsoWithAnError", run: busPublishCanceled},
		{name: "BusCancel", run: busCancel},
		{name: "BusDelete", run: busDelete},
		{name: "BusExpire", run: busExpire},
		{name: "BusReplace", run: busReplace},
		{name: "BusDeleteWhere", run: busDeleteWhere},
		{name: "BusAfterItIsInForce", run: busAfterwards},
		{name: "BusQuietOtherwise", run: busQuiet},
	}
}

// patience is how long the suite waits for what comes from elsewhere. A test
// that passes waits only as long as it takes.
const patience = 20 * time.Second

// An ear is a listener that remembers.
type ear struct {
	mu      sync.Mutex
	checks  map[sessions.Key]func() // each is called when its key is revoked for the first time
	keys    []sessions.Key
	all     bool
	denied  []sessions.Key
	users   bool
	hearing bool
	changed chan struct{} // closed at every change
}

// listen returns an ear that hears.
func listen(t *testing.T, b sessions.Backend) *ear {
	t.Helper()
	e := &ear{changed: make(chan struct{})}
	t.Cleanup(b.Subscribe(e))
	e.wait(t, "hearing", func() bool { return e.hearing })
	return e
}

// Revoked implements [sessions.Listener].
func (e *ear) Revoked(r sessions.Revocation) {
	for _, k := range slices.Concat(r.Keys, r.Denied) {
		e.mu.Lock()
		check := e.checks[k]
		delete(e.checks, k)
		e.mu.Unlock()
		if check != nil {
			check()
		}
	}
	e.change(func() {
		e.keys = append(e.keys, r.Keys...)
		e.all = e.all || r.All
		e.denied = append(e.denied, r.Denied...)
		e.users = e.users || r.Users
	})
}

// whenRevoked makes check run when key is heard for the first time: a replica can
// hear its own revocations come back later.
func (e *ear) whenRevoked(key sessions.Key, check func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.checks == nil {
		e.checks = map[sessions.Key]func(){}
	}
	e.checks[key] = check
}

// Hearing implements [sessions.Listener].
func (e *ear) Hearing(ok bool) { e.change(func() { e.hearing = ok }) }

func (e *ear) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *ear) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		e.mu.Lock()
		ok, changed := done(), e.changed
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// heard requires that these have been heard already, and forgets everything.
func (e *ear) heard(t *testing.T, what string, want ...sessions.Session) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range want {
		if !slices.Contains(e.keys, want[i].Key) {
			t.Errorf("%s: a key was not heard (heard %d)", what, len(e.keys))
		}
	}
	e.forget()
}

// forget is called with the lock held.
func (e *ear) forget() { e.keys, e.all, e.denied, e.users = nil, false, nil, false }

func (e *ear) heardNothing(t *testing.T, what string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.keys) != 0 || e.all || len(e.denied) != 0 || e.users {
		t.Errorf("%s: heard %d keys, all: %v, %d denied, users: %v, want nothing", what, len(e.keys), e.all, len(e.denied), e.users)
	}
}

func busHearing(t *testing.T, f *fixture) {
	listen(t, f.Backend)
	listen(t, f.Backend) // a second, too
}

func busPublish(t *testing.T, f *fixture) {
	ears := []*ear{listen(t, f.Backend), listen(t, f.Backend)}
	a, b := f.session(), f.session() // it need not be kept
	is(t, "publish", f.Publish(t.Context(), sessions.Revocation{Keys: []sessions.Key{a.Key, b.Key}}), nil)
	for _, e := range ears {
		e.heard(t, "publish", a, b)
	}
	denied := sessions.KeyOfUser("somebody")
	is(t, "publish all", f.Publish(t.Context(), sessions.Revocation{All: true, Denied: []sessions.Key{denied}, Users: true}), nil)
	for _, e := range ears {
		e.mu.Lock()
		if !e.all || !e.users || !slices.Contains(e.denied, denied) {
			t.Errorf("all, who is denied, and that users have changed was not heard: %v, %v, %d", e.all, e.users, len(e.denied))
		}
		e.mu.Unlock()
	}
}

func busPublishCanceled(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := f.session()
	err := f.Publish(ctx, sessions.Revocation{Keys: []sessions.Key{s.Key}})
	t.Logf("publish with a context that has ended: %v", err)
	e.heard(t, "publish", s)
}

func busCancel(t *testing.T, f *fixture) {
	stays := listen(t, f.Backend)
	e := &ear{changed: make(chan struct{})}
	cancel := f.Subscribe(e)
	e.wait(t, "hearing", func() bool { return e.hearing })
	cancel()
	s := f.create(t)
	is(t, "delete", f.Delete(t.Context(), s.ID), nil)
	stays.heard(t, "delete", s)
	e.heardNothing(t, "after cancel")
}

func busDelete(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	live, over, other := f.create(t), f.create(t, lasting(time.Minute)), f.create(t)
	f.clock.advance(time.Minute)
	for _, s := range []sessions.Session{live, over} {
		is(t, "delete", f.Delete(t.Context(), s.ID), nil)
		e.not(t, "delete", other)
		e.heard(t, "delete", s)
	}
}

func (e *ear) not(t *testing.T, what string, s sessions.Session) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all || slices.Contains(e.keys, s.Key) {
		t.Errorf("%s: the key of another session was heard", what)
	}
}

func busExpire(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	s, other := f.create(t), f.create(t)
	for _, d := range []time.Duration{time.Minute, time.Hour, 0} {
		is(t, "expire", f.Expire(t.Context(), s.ID, f.clock.now().Add(d)), nil)
		e.not(t, "expire", other)
		e.heard(t, "expire", s)
	}
}

func busReplace(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	s, other := f.create(t), f.create(t)
	put := s
	put.Key = other.Key // the key is that of the session that is kept
	is(t, "replace", f.Replace(t.Context(), put), nil)
	e.not(t, "replace", other)
	e.heard(t, "replace", s)
}

func busDeleteWhere(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	over, live, other := f.create(t, lasting(time.Minute)), f.create(t), f.create(t, of("grace"))
	f.clock.advance(time.Minute)
	if n, err := f.DeleteWhere(t.Context(), sessions.Filter{Principal: live.Identity.Principal}); n != 1 || err != nil {
		t.Errorf("delete where: got %d, %v, want 1", n, err)
	}
	e.not(t, "delete where", other)
	e.heard(t, "delete where", over, live)
}

// busAfterwards reads the session when its revocation is heard: whoever filled a
// cache then must not find what was revoked.
func busAfterwards(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	ctx := context.WithoutCancel(t.Context()) // a check may still run when the test ends
	over := func() sessions.Session {
		s := f.create(t)
		e.whenRevoked(s.Key, func() {
			if _, err := f.Get(ctx, s.ID); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("heard before it was in force: got error %v, want %v", err, sessions.ErrNotFound)
			}
		})
		return s
	}
	s := over()
	is(t, "delete", f.Delete(t.Context(), s.ID), nil)
	e.heard(t, "delete", s)
	s = over()
	is(t, "expire", f.Expire(t.Context(), s.ID, f.clock.now()), nil)
	e.heard(t, "expire", s)
	s = over()
	if _, err := f.DeleteWhere(t.Context(), sessions.Filter{Method: "oidc"}); err != nil {
		t.Errorf("delete where: %v", err)
	}
	e.heard(t, "delete where", s)
	s = f.create(t)
	e.whenRevoked(s.Key, func() {
		if got, err := f.Get(ctx, s.ID); err != nil || got.Revision != 2 {
			t.Errorf("heard before it was in force: got revision %d, %v, want 2", got.Revision, err)
		}
	})
	is(t, "replace", f.Replace(t.Context(), s), nil)
	e.heard(t, "replace", s)
}

func busQuiet(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	s := f.create(t)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now().Add(time.Second)), nil)
	f.get(t, s.ID)
	f.set(t, sessions.Filter{}, s.ID)
	e.heardNothing(t, "create, touch, get and list")
	s.Revision = 9
	is(t, "replace", f.Replace(t.Context(), s), sessions.ErrConflict)
	e.heardNothing(t, "a replacement that failed")
}
