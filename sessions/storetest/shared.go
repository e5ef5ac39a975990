package storetest

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

func sharedChecks() []check {
	return []check{
		{name: "SharedSessions", run: sharedSessions},
		{name: "SharedReplaceOneWins", run: sharedReplace},
		{name: "SharedUse", run: func(t *testing.T, f *fixture) { useOneOfMany(t, f.Backend, f.other) }},
		{name: "SharedMark", run: sharedMark},
		{name: "SharedMarkLatestOfManyStays", run: func(t *testing.T, f *fixture) { markOfMany(t, f.clock, f.Backend, f.other) }},
		{name: "SharedLease", run: func(t *testing.T, f *fixture) { leaseOneOfMany(t, f.Backend, f.other) }},
		{name: "SharedLeaseLost", run: sharedLeaseLost, storageClock: true},
		{name: "SharedKey", run: func(t *testing.T, f *fixture) { keyOfMany(t, f.Backend, f.other) }},
		{name: "SharedRevocationIsHeardElsewhere", run: sharedRevocation},
		{name: "SharedRevocationOfWhatAnotherMade", run: sharedRevocationOfOthers},
	}
}

func sharedSessions(t *testing.T, f *fixture) {
	s := f.create(t, full)
	got, err := f.other.Get(t.Context(), s.ID)
	is(t, "get", err, nil)
	same(t, "get on the other", got, s)
	is(t, "delete on the other", f.other.Delete(t.Context(), s.ID), nil)
	f.gone(t, s.ID)
}

func sharedReplace(t *testing.T, f *fixture) {
	s := f.create(t)
	var won atomic.Int32
	together(12, func(i int) {
		b := f.Backend
		if i%2 == 1 {
			b = f.other
		}
		switch err := b.Replace(t.Context(), s); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, sessions.ErrConflict):
			t.Errorf("replace: %v", err)
		}
	})
	if n := won.Load(); n != 1 {
		t.Errorf("%d won, want 1", n)
	}
}

func sharedMark(t *testing.T, f *fixture) {
	now := f.clock.now()
	mark(t, f.Backend, "a", now, now.Add(time.Hour))
	marked(t, f.other, "a", now)
	mark(t, f.other, "a", now.Add(time.Second), now.Add(time.Hour))
	marked(t, f.Backend, "a", now.Add(time.Second))
}

func sharedLeaseLost(t *testing.T, f *fixture) {
	lost := held(t, f.Backend)
	free(t, f.other, "a", false)
	f.clock.advance(time.Minute + time.Second)
	held(t, f.other)
	renew(t, lost, false)
	is(t, "release", lost.Release(t.Context()), nil)
	free(t, f.Backend, "a", false)
}

// within waits until e has heard of s.
func (e *ear) within(t *testing.T, what string, s sessions.Session) {
	t.Helper()
	e.wait(t, what, func() bool { return slices.Contains(e.keys, s.Key) })
}

func sharedRevocation(t *testing.T, f *fixture) {
	e := listen(t, f.other)
	s := f.session()
	is(t, "publish", f.Publish(t.Context(), sessions.Revocation{Keys: []sessions.Key{s.Key}}), nil)
	e.within(t, "publish", s)
	s = f.create(t)
	is(t, "replace", f.Replace(t.Context(), s), nil)
	e.within(t, "replace", s)
	s = f.create(t)
	is(t, "expire", f.Expire(t.Context(), s.ID, f.clock.now()), nil)
	e.within(t, "expire", s)
	s = f.create(t)
	is(t, "delete", f.Delete(t.Context(), s.ID), nil)
	e.within(t, "delete", s)
	s = f.create(t)
	if _, err := f.DeleteWhere(t.Context(), sessions.Filter{Principal: s.Identity.Principal}); err != nil {
		t.Errorf("delete where: %v", err)
	}
	e.within(t, "delete where", s)
	is(t, "publish all", f.Publish(t.Context(), sessions.Revocation{All: true}), nil)
	e.wait(t, "publish all", func() bool { return e.all })
	denied := sessions.KeyOfUser("somebody")
	is(t, "publish denied", f.Publish(t.Context(), sessions.Revocation{Denied: []sessions.Key{denied}}), nil)
	e.wait(t, "publish denied", func() bool { return slices.Contains(e.denied, denied) })
	is(t, "publish users", f.Publish(t.Context(), sessions.Revocation{Users: true}), nil)
	e.wait(t, "publish users", func() bool { return e.users })
}

// sharedRevocationOfOthers: local listeners hear the key before it returns, also
// of a session that only the other replica has seen.
func sharedRevocationOfOthers(t *testing.T, f *fixture) {
	e := listen(t, f.other)
	a, b, c := f.create(t), f.create(t), f.create(t, of("grace"))
	is(t, "expire", f.other.Expire(t.Context(), a.ID, f.clock.now()), nil)
	e.heard(t, "expire", a)
	is(t, "delete", f.other.Delete(t.Context(), b.ID), nil)
	e.heard(t, "delete", b)
	if n, err := f.other.DeleteWhere(t.Context(), sessions.Filter{Principal: c.Identity.Principal}); n != 1 || err != nil {
		t.Errorf("delete where: got %d, %v, want 1", n, err)
	}
	e.heard(t, "delete where", c)
}
