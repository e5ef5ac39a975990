package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func replaceChecks() []check {
	return []check{
		{name: "ReplaceReplaces", run: replaceReplaces},
		{name: "ReplaceOnlyShortens", run: replaceOnlyShortens},
		{name: "ReplaceOfAnOldRevision", run: replaceOfOldRevision},
		{name: "ReplaceOfADeadSession", run: replaceOfDead},
		{name: "ReplaceOneWins", run: replaceOneWins},
		{name: "ReplaceMovesInTheIndexes", run: replaceMoves},
		{name: "ReplaceKeepsATouch", run: replaceKeepsTouch},
	}
}

func replaceReplaces(t *testing.T, f *fixture) {
	s := f.create(t, full)
	f.clock.advance(time.Minute)
	with := f.get(t, s.ID)
	with.Identity = gateward.Identity{
		Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: "ada"}, Method: "oidc", Provider: "example",
		Groups: []string{"late"}, Metadata: map[string]string{"a": "b"},
	}
	with.Tokens = gateward.Tokens{AccessToken: gateward.NewSecret("second"), Expiry: f.clock.now().Add(time.Hour)}
	with.ExpiresAt = s.ExpiresAt.Add(-time.Hour)
	// The rest is not Replace's to change.
	put := with
	put.CreatedAt, put.LastSeenAt, put.UpdatedAt = with.CreatedAt.Add(-time.Hour), with.LastSeenAt.Add(time.Hour), time.Time{}
	put.UserAgent, put.Address, put.IdleTimeout = "other", "other", 100*time.Hour
	is(t, "replace", f.Replace(t.Context(), put), nil)
	with.Revision, with.UpdatedAt = 2, f.clock.now()
	with.Identity.UserID = s.Identity.UserID // it never changes
	same(t, "get", f.get(t, s.ID), with)
}

func replaceOnlyShortens(t *testing.T, f *fixture) {
	s := f.create(t)
	put := s
	put.ExpiresAt = s.ExpiresAt.Add(time.Hour)
	is(t, "replace", f.Replace(t.Context(), put), nil)
	if got := f.get(t, s.ID); !got.ExpiresAt.Equal(s.ExpiresAt) || got.Revision != 2 {
		t.Errorf("got end %v and revision %d, want %v and 2", got.ExpiresAt, got.Revision, s.ExpiresAt)
	}
	put.Revision, put.ExpiresAt = 2, s.CreatedAt.Add(time.Minute)
	is(t, "replace", f.Replace(t.Context(), put), nil)
	f.clock.advance(time.Minute)
	f.gone(t, s.ID)
}

func replaceOfOldRevision(t *testing.T, f *fixture) {
	s := f.create(t)
	is(t, "replace", f.Replace(t.Context(), s), nil)
	want := f.get(t, s.ID)
	for _, revision := range []uint64{0, 1, 3, 1 << 63} {
		put := s
		put.Revision, put.Identity.Name, put.ExpiresAt = revision, "late", s.CreatedAt
		is(t, "replace", f.Replace(t.Context(), put), sessions.ErrConflict)
	}
	same(t, "get", f.get(t, s.ID), want)
}

func replaceOfDead(t *testing.T, f *fixture) {
	over, gone := f.create(t, lasting(time.Hour)), f.create(t)
	is(t, "delete", f.Delete(t.Context(), gone.ID), nil)
	f.clock.advance(time.Hour)
	never := f.session()
	never.Revision = 1
	for _, put := range []sessions.Session{over, gone, never} {
		put.ExpiresAt = f.clock.now().Add(time.Hour)
		is(t, "replace", f.Replace(t.Context(), put), sessions.ErrNotFound)
		f.gone(t, put.ID)
	}
}

func replaceOneWins(t *testing.T, f *fixture) {
	s := f.create(t)
	for round := range uint64(5) {
		var won, lost atomic.Int32
		together(8, func(int) {
			put := s
			put.Revision = round + 1
			switch err := f.Replace(t.Context(), put); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, sessions.ErrConflict):
				lost.Add(1)
			default:
				t.Errorf("replace: %v", err)
			}
		})
		if won.Load() != 1 || lost.Load() != 7 {
			t.Errorf("round %d: %d won and %d lost, want 1 and 7", round, won.Load(), lost.Load())
		}
		if got := f.get(t, s.ID).Revision; got != round+2 {
			t.Fatalf("revision: got %d, want %d", got, round+2)
		}
	}
}

func replaceMoves(t *testing.T, f *fixture) {
	s := f.create(t, full)
	put := f.get(t, s.ID)
	put.Identity.Principal = gateward.Principal{Issuer: "https://other.example.com", Subject: "grace"}
	put.Identity.Provider, put.Tokens.SID, put.Identity.UserID = "other", "sid-2", "other"
	is(t, "replace", f.Replace(t.Context(), put), nil)
	for _, filter := range []sessions.Filter{
		{Principal: s.Identity.Principal},
		{Provider: "example"},
		{UserID: "other"}, // it never changes
		{Method: "oidc", Provider: "example", SID: "sid-1"},
		{Method: "oidc", Provider: "other", SID: "sid-1"},
	} {
		f.none(t, filter)
		if n, err := f.DeleteWhere(t.Context(), filter); n != 0 || err != nil {
			t.Errorf("delete where %+v: got %d, %v, want none", filter, n, err)
		}
	}
	for _, filter := range []sessions.Filter{
		{Principal: put.Identity.Principal},
		{Provider: "other"},
		{Method: "oidc", Provider: "other", SID: "sid-2"},
		{UserID: s.Identity.UserID},
		{UserID: s.Identity.UserID, Provider: "other"},
	} {
		f.set(t, filter, s.ID)
	}
}

func replaceKeepsTouch(t *testing.T, f *fixture) {
	s := f.create(t, idle(10*time.Minute))
	f.clock.advance(9 * time.Minute)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
	is(t, "replace", f.Replace(t.Context(), s), nil) // s was read before the touch
	f.clock.advance(9 * time.Minute)
	f.get(t, s.ID)
}
