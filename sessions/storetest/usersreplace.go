package storetest

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func userReplaceChecks() []userCheck {
	return []userCheck{
		{"UserReplaceReplaces", userReplaces},
		{"UserReplaceOfAnOldRevision", userReplaceOldRevision},
		{"UserReplaceOfNobody", userReplaceNobody},
		{"UserReplaceConflict", userReplaceConflict},
		{"UserReplaceIdentities", userReplaceIdentities},
		{"UserReplaceOneWins", func(t *testing.T, f *people) { userReplaceOneWins(t, f, f.Backend) }},
		{"UserReplaceOneGetsTheIdentity", func(t *testing.T, f *people) { userClaimOneWins(t, f, f.Backend) }},
		{"UserReplaceBringsNobodyBack", userReplaceRevision},
	}
}

func userReplaces(t *testing.T, f *people) {
	u := f.signUp(t, fullUser)
	f.clock.advance(time.Minute)
	want := f.newUser()
	want.ID, want.CreatedAt, want.Revision = u.ID, u.CreatedAt, 2
	put := want
	put.Revision, put.CreatedAt = 1, u.CreatedAt.Add(-time.Hour) // that is not its to change
	is(t, "replace user", f.ReplaceUser(t.Context(), put), nil)
	f.kept(t, "user", want)
	for i := range u.Identities {
		f.nobody(t, "an identity it had", u.Identities[i].Principal)
		f.emails(t, u.Identities[i].Email)
	}
	back := f.replaced(t, want, fullUser)
	f.kept(t, "replaced again", back)
}

func userReplaceOldRevision(t *testing.T, f *people) {
	u := f.replaced(t, f.signUp(t, fullUser))
	for _, revision := range []uint64{0, 1, 3, 1 << 63} {
		put := f.newUser(fullUser)
		put.ID, put.Revision = u.ID, revision
		is(t, "replace user", f.ReplaceUser(t.Context(), put), sessions.ErrConflict)
		f.nobody(t, "an identity that it would have", put.Identities[0].Principal)
	}
	f.kept(t, "user", u)
	f.deniesJust(t, u)
}

func userReplaceNobody(t *testing.T, f *people) {
	u := f.signUp(t)
	for _, id := range []string{newUUID(), "", "*", u.ID + "0"} {
		put := f.newUser(disabled)
		put.ID, put.Revision = id, 1
		is(t, "replace user", f.ReplaceUser(t.Context(), put), sessions.ErrNoUser)
		f.nobody(t, "an identity of nobody's", put.Identities[0].Principal)
	}
	f.listed(t, sessions.UserFilter{}, u.ID)
	f.deniesJust(t)
}

// userReplaceConflict: of a replacement that would take somebody's identity,
// nothing at all is done.
func userReplaceConflict(t *testing.T, f *people) {
	owner, u := f.signUp(t, fullUser), f.signUp(t)
	free := identity()
	free.Email = "free@example.com"
	for i := range owner.Identities {
		for _, all := range [][]sessions.UserIdentity{
			{owner.Identities[i]}, {u.Identities[0], owner.Identities[i]}, {free, owner.Identities[i], u.Identities[0]},
		} {
			put := u
			put.Identities, put.Enabled = all, false
			is(t, "replace user", f.ReplaceUser(t.Context(), put), sessions.ErrConflict)
			f.nobody(t, "an identity that it would have", free.Principal)
			f.emails(t, free.Email)
			f.kept(t, "the owner", owner)
			f.kept(t, "the other", u)
			f.deniesJust(t, owner)
		}
	}
}

func userReplaceIdentities(t *testing.T, f *people) {
	first, second, third := identity(), identity(), identity()
	u := f.signUp(t, func(u *sessions.User) { u.Identities = []sessions.UserIdentity{first} })
	for _, all := range [][]sessions.UserIdentity{
		{first, second}, {second, first}, {second}, {second, third}, {first, third}, {first, second, third}, {third},
	} {
		u = f.replaced(t, u, func(u *sessions.User) { u.Identities = slices.Clone(all) })
		f.kept(t, "user", u)
		for _, id := range []sessions.UserIdentity{first, second, third} {
			if !slices.Contains(all, id) {
				f.nobody(t, "an identity that it gave up", id.Principal)
			}
		}
	}
	other := f.signUp(t, func(u *sessions.User) { u.Identities = []sessions.UserIdentity{first} }) // it is free
	f.kept(t, "who has it now", other)
	put := u
	put.Identities = []sessions.UserIdentity{third, first}
	is(t, "replace user", f.ReplaceUser(t.Context(), put), sessions.ErrConflict)
	f.replaced(t, other, func(u *sessions.User) { u.Identities = []sessions.UserIdentity{second} })
	u = f.replaced(t, u, with(first))
	f.kept(t, "who has it again", u)
}

func userReplaceOneWins(t *testing.T, f *people, all ...sessions.Users) {
	u := f.signUp(t)
	for round := range uint64(5) {
		puts := make([]sessions.User, 8)
		for i := range puts {
			puts[i] = u
			puts[i].Revision, puts[i].Identities = round+1, slices.Clone(u.Identities)
			puts[i].LastLoginAt = u.CreatedAt.Add(time.Duration(i) * time.Second)
		}
		var won, lost atomic.Int32
		var winner atomic.Pointer[sessions.User]
		together(len(puts), func(i int) {
			switch err := all[i%len(all)].ReplaceUser(t.Context(), puts[i]); {
			case err == nil:
				won.Add(1)
				winner.Store(&puts[i])
			case errors.Is(err, sessions.ErrConflict):
				lost.Add(1)
			default:
				t.Errorf("replace user: %v", err)
			}
		})
		if won.Load() != 1 || lost.Load() != 7 {
			t.Fatalf("round %d: %d won and %d lost, want 1 and 7", round, won.Load(), lost.Load())
		}
		want := *winner.Load()
		want.Revision = round + 2
		f.kept(t, "the winner", want)
	}
}

// userClaimOneWins has many users take the same identity.
func userClaimOneWins(t *testing.T, f *people, all ...sessions.Users) {
	users := make([]sessions.User, 8)
	for i := range users {
		users[i] = f.signUp(t)
	}
	for range 4 {
		contested := identity()
		var won atomic.Int32
		together(len(users), func(i int) {
			put := users[i]
			put.Identities = append(slices.Clone(put.Identities), contested)
			switch err := all[i%len(all)].ReplaceUser(t.Context(), put); {
			case err == nil:
				won.Add(1)
				put.Revision++
				users[i] = put
			case !errors.Is(err, sessions.ErrConflict):
				t.Errorf("replace user: %v", err)
			}
		})
		if n := won.Load(); n != 1 {
			t.Fatalf("%d have the identity, want 1", n)
		}
		for i := range users {
			f.kept(t, "user", users[i])
		}
	}
}

// userNotUTF8: a principal that could not be given back as it is, is not kept.
func userNotUTF8(t *testing.T, f *people) {
	u := f.signUp(t, fullUser)
	for _, p := range []gateward.Principal{
		{Issuer: "https://op.example.com", Subject: "ada\xff"}, {Issuer: "https://\xff", Subject: "ada"},
	} {
		for _, all := range [][]sessions.UserIdentity{{{Principal: p}}, {identity(), {Principal: p, Method: "oidc"}}} {
			created := f.newUser(disabled, func(u *sessions.User) { u.Identities = all })
			if err := f.CreateUser(t.Context(), created); err == nil {
				t.Errorf("create user with %q: no error", p)
			}
			_, err := f.User(t.Context(), created.ID)
			is(t, "user", err, sessions.ErrNoUser)
			put := u
			put.Identities, put.Enabled, put.Waiting = all, true, false
			if err := f.ReplaceUser(t.Context(), put); err == nil {
				t.Errorf("replace user with %q: no error", p)
			}
			for i := range all {
				f.nobody(t, "an identity of what is not kept", all[i].Principal)
			}
			f.kept(t, "user", u)
			f.deniesJust(t, u)
		}
	}
	f.listed(t, sessions.UserFilter{}, u.ID)
	f.replaced(t, u)
}

// userReplaceRevision: who read a user before it was disabled cannot enable it by
// writing what was read.
func userReplaceRevision(t *testing.T, f *people) {
	before := f.signUp(t)
	after := f.replaced(t, before, disabled)
	before.LastLoginAt = f.clock.now().Add(time.Minute)
	is(t, "replace user", f.ReplaceUser(t.Context(), before), sessions.ErrConflict)
	f.kept(t, "user", after)
	f.deniesJust(t, after)
}
