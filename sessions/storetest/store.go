package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func sameError(err, want error) bool { return errors.Is(err, want) }

func storeChecks() []check {
	return []check{
		{name: "CreateIsRevisionOne", run: createIsRevisionOne},
		{name: "EveryFieldIsKept", run: everyFieldIsKept},
		{name: "NothingIsKeptForNothing", run: smallestIsKept},
		{name: "WhatFollowsFromTheSessionIsNotKept", run: derivedIsNotKept},
		{name: "TimesToTheMicrosecond", run: timesToTheMicrosecond},
		{name: "ClaimsOfFlipt", run: claimsOfFlipt},
		{name: "GetUnknown", run: getUnknown},
		{name: "GetAfterAbsoluteExpiry", run: absoluteExpiry},
		{name: "GetAfterIdleExpiry", run: idleExpiry},
		{name: "TouchKeepsAlive", run: touchKeepsAlive},
		{name: "TouchNeverGoesBack", run: touchNeverGoesBack},
		{name: "TouchNeverExtendsTheAbsoluteEnd", run: touchNeverExtends},
		{name: "TouchChangesNothingElse", run: touchChangesNothingElse},
		{name: "TouchOfADeadSession", run: touchOfDead},
		{name: "ExpireNow", run: expireNow},
		{name: "ExpireLater", run: expireLater},
		{name: "ExpireOnlyShortens", run: expireOnlyShortens},
		{name: "ExpireOfADeadSession", run: expireOfDead},
		{name: "DeleteLiveAndExpired", run: deleteLiveAndExpired},
		{name: "DeleteUnknown", run: deleteUnknown},
		{name: "GoneAfterTheGracePeriod", run: goneAfterGrace, storageClock: true},
		{name: "SEC_G17_ExpiredWithinGraceIsNotFound", run: expiredWithinGrace},
	}
}

func createIsRevisionOne(t *testing.T, f *fixture) {
	s := f.session()
	s.Revision = 7
	is(t, "create", f.Create(t.Context(), s), nil)
	if got := f.get(t, s.ID).Revision; got != 1 {
		t.Errorf("revision: got %d, want 1", got)
	}
}

func everyFieldIsKept(t *testing.T, f *fixture) {
	s := f.create(t, full)
	f.create(t) // another does not matter
	same(t, "get", f.get(t, s.ID), s)
}

func smallestIsKept(t *testing.T, f *fixture) {
	s := f.create(t, func(s *sessions.Session) { s.Identity = gateward.Identity{} })
	same(t, "get", f.get(t, s.ID), s)
}

func derivedIsNotKept(t *testing.T, f *fixture) {
	s := f.create(t, func(s *sessions.Session) {
		s.Identity.SessionID, s.Identity.Expiry, s.Identity.FreshUntil = "other", s.ExpiresAt, s.ExpiresAt
	})
	s.Identity.SessionID, s.Identity.Expiry, s.Identity.FreshUntil = "", time.Time{}, time.Time{}
	same(t, "get", f.get(t, s.ID), s)
}

func timesToTheMicrosecond(t *testing.T, f *fixture) {
	elsewhere := time.FixedZone("elsewhere", 5*3600+1800)
	odd := func(at time.Time) time.Time { return at.Add(345_678 * time.Microsecond).Add(901).In(elsewhere) }
	s := f.create(t, full, func(s *sessions.Session) {
		for _, at := range times(s) {
			*at = odd(*at)
		}
	})
	got := f.get(t, s.ID)
	want := times(&s)
	for i, at := range times(&got) {
		if d := want[i].Sub(*at); d < 0 || d >= time.Microsecond || at.Location() != time.UTC {
			t.Errorf("time %d: got %v, want %v to the microsecond", i, *at, want[i].UTC())
		}
	}
}

func times(s *sessions.Session) []*time.Time {
	return []*time.Time{&s.CreatedAt, &s.UpdatedAt, &s.LastSeenAt, &s.ExpiresAt, &s.Identity.AuthTime, &s.Identity.ConfirmedAt, &s.Tokens.Expiry}
}

func claimsOfFlipt(t *testing.T, f *fixture) {
	s := f.create(t, func(s *sessions.Session) {
		s.Identity.Claims = map[string]any{"sub": "ada", "groups": []any{"staff"}, "n": 1.0}
		s.Identity.Metadata = map[string]string{"io.flipt.auth.claims": `{"sub":"ada","groups":["staff"],"n":1}`}
	})
	same(t, "get", f.get(t, s.ID), s)
}

func getUnknown(t *testing.T, f *fixture) {
	s := f.create(t)
	for _, id := range []string{
		"", "*", "?", s.ID[:35], s.ID + "0", s.ID + "\x00", strings.ToUpper(s.ID), strings.ReplaceAll(s.ID, "-", ""),
		f.session().ID, "../" + s.ID, "{" + s.ID + "}", s.ID + "\n", strings.Repeat("a", 1<<16), string(s.Key[:]),
	} {
		if id == s.ID { // an id without letters
			continue
		}
		_, err := f.Get(t.Context(), id)
		if !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("get %.80q: got error %v, want %v", id, err, sessions.ErrNotFound)
		}
	}
	same(t, "get", f.get(t, s.ID), s)
}

func absoluteExpiry(t *testing.T, f *fixture) {
	s := f.create(t, lasting(time.Hour))
	f.clock.advance(time.Hour - time.Microsecond)
	f.get(t, s.ID)
	f.clock.advance(time.Microsecond)
	f.gone(t, s.ID)
}

func idleExpiry(t *testing.T, f *fixture) {
	s := f.create(t, idle(10*time.Minute))
	f.clock.advance(10*time.Minute - time.Microsecond)
	f.get(t, s.ID)
	f.clock.advance(time.Microsecond)
	f.gone(t, s.ID)
}

func touchKeepsAlive(t *testing.T, f *fixture) {
	s := f.create(t, idle(10*time.Minute))
	for range 10 {
		f.clock.advance(9 * time.Minute)
		is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
		if got := f.get(t, s.ID).LastSeenAt; !got.Equal(f.clock.now()) {
			t.Fatalf("last seen: got %v, want %v", got, f.clock.now())
		}
	}
	f.clock.advance(10 * time.Minute)
	f.gone(t, s.ID)
}

func touchNeverGoesBack(t *testing.T, f *fixture) {
	s := f.create(t, idle(10*time.Minute))
	f.clock.advance(5 * time.Minute)
	seen := f.clock.now()
	for _, at := range []time.Time{seen, seen.Add(-time.Microsecond), s.CreatedAt.Add(-time.Hour), {}} {
		is(t, "touch", f.Touch(t.Context(), s.ID, at), nil)
		if got := f.get(t, s.ID).LastSeenAt; !got.Equal(seen) {
			t.Errorf("last seen after a touch at %v: got %v, want %v", at, got, seen)
		}
	}
}

func touchNeverExtends(t *testing.T, f *fixture) {
	s := f.create(t, idle(40*time.Minute), lasting(time.Hour))
	f.clock.advance(30 * time.Minute)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
	f.clock.advance(30*time.Minute - time.Microsecond)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
	if got := f.get(t, s.ID).ExpiresAt; !got.Equal(s.ExpiresAt) {
		t.Errorf("absolute end: got %v, want %v", got, s.ExpiresAt)
	}
	f.clock.advance(time.Microsecond)
	f.gone(t, s.ID)
}

func touchChangesNothingElse(t *testing.T, f *fixture) {
	s := f.create(t, full)
	f.clock.advance(time.Minute)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
	s.LastSeenAt = f.clock.now()
	same(t, "get", f.get(t, s.ID), s)
}

func touchOfDead(t *testing.T, f *fixture) {
	s := f.create(t, idle(10*time.Minute))
	gone := f.create(t)
	is(t, "delete", f.Delete(t.Context(), gone.ID), nil)
	f.clock.advance(10 * time.Minute)
	for _, id := range []string{s.ID, gone.ID, f.session().ID, "", "no id"} {
		is(t, "touch", f.Touch(t.Context(), id, f.clock.now()), nil)
	}
	f.gone(t, s.ID)
	f.gone(t, gone.ID)
	same(t, "the expired one", f.one(t, sessions.Filter{Expired: true}), s)
}

func expireNow(t *testing.T, f *fixture) {
	s, other := f.create(t), f.create(t)
	f.clock.advance(time.Minute)
	is(t, "expire", f.Expire(t.Context(), s.ID, f.clock.now()), nil)
	f.gone(t, s.ID)
	f.get(t, other.ID)
	got := f.one(t, sessions.Filter{Expired: true, CreatedBefore: f.clock.now()}, other.ID)
	s.ExpiresAt, s.UpdatedAt = f.clock.now(), f.clock.now()
	same(t, "the expired one", got, s)
}

func expireLater(t *testing.T, f *fixture) {
	s := f.create(t)
	at := f.clock.now().Add(time.Minute)
	is(t, "expire", f.Expire(t.Context(), s.ID, at), nil)
	if got := f.get(t, s.ID); !got.ExpiresAt.Equal(at) || got.Revision != 1 {
		t.Errorf("got end %v and revision %d, want %v and 1", got.ExpiresAt, got.Revision, at)
	}
	f.clock.advance(time.Minute)
	f.gone(t, s.ID)
}

func expireOnlyShortens(t *testing.T, f *fixture) {
	s := f.create(t)
	is(t, "expire", f.Expire(t.Context(), s.ID, s.ExpiresAt.Add(time.Hour)), nil)
	if got := f.get(t, s.ID).ExpiresAt; !got.Equal(s.ExpiresAt) {
		t.Errorf("absolute end: got %v, want %v", got, s.ExpiresAt)
	}
}

func expireOfDead(t *testing.T, f *fixture) {
	s, gone := f.create(t, lasting(time.Hour)), f.create(t)
	is(t, "delete", f.Delete(t.Context(), gone.ID), nil)
	f.clock.advance(time.Hour)
	for _, id := range []string{s.ID, gone.ID, f.session().ID, "", "no id"} {
		is(t, "expire", f.Expire(t.Context(), id, f.clock.now()), sessions.ErrNotFound)
	}
	same(t, "the expired one", f.one(t, sessions.Filter{Expired: true}), s)
}

func deleteLiveAndExpired(t *testing.T, f *fixture) {
	live, over := f.create(t), f.create(t, lasting(time.Minute))
	f.clock.advance(time.Minute)
	for _, id := range []string{live.ID, over.ID} {
		is(t, "delete", f.Delete(t.Context(), id), nil)
		is(t, "delete again", f.Delete(t.Context(), id), nil)
		f.gone(t, id)
	}
	f.none(t, sessions.Filter{Expired: true})
}

func deleteUnknown(t *testing.T, f *fixture) {
	s := f.create(t)
	for _, id := range []string{f.session().ID, "", "*", "no id", s.ID + "0"} {
		is(t, "delete", f.Delete(t.Context(), id), nil)
	}
	f.get(t, s.ID)
}

func expiredWithinGrace(t *testing.T, f *fixture) {
	absolute, idler := f.create(t, full, lasting(time.Hour)), f.create(t, full, idle(time.Hour-time.Minute))
	f.clock.advance(time.Hour + GracePeriod - 2*time.Minute)
	f.gone(t, absolute.ID)
	f.gone(t, idler.ID)
	f.none(t, sessions.Filter{})
	f.set(t, sessions.Filter{Expired: true}, absolute.ID, idler.ID)
}

func goneAfterGrace(t *testing.T, f *fixture) {
	f.create(t, lasting(time.Hour))
	f.create(t, idle(time.Hour))
	expired := f.create(t)
	f.clock.advance(time.Hour)
	is(t, "expire", f.Expire(t.Context(), expired.ID, f.clock.now()), nil)
	live := f.create(t)
	f.clock.advance(GracePeriod + time.Second)
	f.set(t, sessions.Filter{Expired: true}, live.ID)
}
