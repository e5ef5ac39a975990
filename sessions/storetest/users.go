package storetest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// A userCheck is one statement about the users of a backend.
type userCheck struct {
	name string
	run  func(*testing.T, *people)
}

// RunUsers is [Run] for the users of a backend.
func RunUsers(t *testing.T, newBackend func(t *testing.T, o Options) sessions.Backend) {
	t.Helper()
	for _, c := range slices.Concat(userChecks(), userReplaceChecks(), userEmailChecks(), userListChecks(), userBusChecks(), userGeneralChecks()) {
		t.Run(c.name, func(t *testing.T) {
			k := newClock()
			b := newBackend(t, k.options())
			t.Cleanup(func() { closed(t, b) })
			c.run(t, &people{&fixture{clock: k, Backend: b}})
		})
	}
}

// RunUsersShared is [RunShared] for the users of a backend.
func RunUsersShared(t *testing.T, newPair func(t *testing.T, o Options) (a, b sessions.Backend)) {
	t.Helper()
	for _, c := range userSharedChecks() {
		t.Run(c.name, func(t *testing.T) {
			k := newClock()
			a, b := newPair(t, k.options())
			t.Cleanup(func() { closed(t, a); closed(t, b) })
			c.run(t, &people{&fixture{clock: k, Backend: a, other: b}})
		})
	}
}

// people are what a check of users has to work with.
type people struct{ *fixture }

func userChecks() []userCheck {
	return []userCheck{
		{"UserIsRevisionOne", userIsRevisionOne},
		{"UserEveryFieldIsKept", userEveryField},
		{"UserNothingIsKeptForNothing", userSmallest},
		{"UserTimesToTheMicrosecond", userTimes},
		{"UserIsACopy", userIsACopy},
		{"UserUnknown", userUnknown},
		{"UserOfIsNoPattern", userOfIsNoPattern},
		{"UserCreateConflict", userCreateConflict},
		{"UserNotUTF8", userNotUTF8},
		{"UserCreateOneWins", func(t *testing.T, f *people) { userCreateOneWins(t, f, f.Backend) }},
	}
}

// newUUID returns a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// identity returns one that nobody has.
func identity() sessions.UserIdentity {
	return sessions.UserIdentity{
		Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: rand.Text()},
		Method:    "oidc", Provider: "example",
	}
}

// newUser returns an enabled user with one identity that is not kept anywhere
// yet, a second younger than the one before.
func (f *people) newUser(edit ...func(*sessions.User)) sessions.User {
	f.clock.advance(time.Second)
	now := f.clock.now()
	u := sessions.User{
		ID: newUUID(), Enabled: true, Identities: []sessions.UserIdentity{identity()},
		CreatedAt: now, UpdatedAt: now, LastLoginAt: now,
	}
	for _, e := range edit {
		e(&u)
	}
	return u
}

// signUp keeps a new user and returns it as it is kept.
func (f *people) signUp(t *testing.T, edit ...func(*sessions.User)) sessions.User {
	t.Helper()
	u := f.newUser(edit...)
	if err := f.CreateUser(t.Context(), u); err != nil {
		t.Fatalf("create user: %v", err)
	}
	u.Revision = 1
	return u
}

// replaced puts u, and returns it as it is kept then.
func (f *people) replaced(t *testing.T, u sessions.User, edit ...func(*sessions.User)) sessions.User {
	t.Helper()
	u.Identities = slices.Clone(u.Identities)
	for _, e := range edit {
		e(&u)
	}
	if err := f.ReplaceUser(t.Context(), u); err != nil {
		t.Fatalf("replace user: %v", err)
	}
	u.Revision++
	return u
}

// kept requires that a user is kept like this, by whichever way it is found.
func (f *people) kept(t *testing.T, what string, want sessions.User) {
	t.Helper()
	got, err := f.User(t.Context(), want.ID)
	is(t, what, err, nil)
	same(t, what, got, want)
	for i := range want.Identities {
		got, err := f.UserOf(t.Context(), want.Identities[i].Principal)
		is(t, what+": by identity", err, nil)
		same(t, what+": by identity", got, want)
	}
	for _, email := range want.Emails() {
		f.found(t, email, func(all []sessions.User) bool {
			return slices.ContainsFunc(all, func(u sessions.User) bool { return reflect.DeepEqual(u, want) })
		})
	}
}

// nobody requires that an identity is nobody's.
func (f *people) nobody(t *testing.T, what string, p gateward.Principal) {
	t.Helper()
	_, err := f.UserOf(t.Context(), p)
	is(t, what, err, sessions.ErrNoUser)
}

func userIDs(us []sessions.User) []string {
	var all []string
	for i := range us {
		all = append(all, us[i].ID)
	}
	return all
}

// disabled makes a user one that may not enter.
func disabled(u *sessions.User) { u.Enabled, u.Waiting = false, false }

func enabled(u *sessions.User) { u.Enabled, u.Waiting = true, false }

func waiting(u *sessions.User) { u.Enabled, u.Waiting = false, true }

func with(ids ...sessions.UserIdentity) func(*sessions.User) {
	return func(u *sessions.User) { u.Identities = append(u.Identities, ids...) }
}

// fullUser has something in every field.
func fullUser(u *sessions.User) {
	at := u.CreatedAt
	waiting(u)
	u.UpdatedAt, u.LastLoginAt = at.Add(-time.Microsecond), at.Add(2*time.Microsecond)
	u.Identities = []sessions.UserIdentity{
		{
			Principal: gateward.Principal{Issuer: "https://op.example.com/a?b=ü", Subject: "ada\x00\"<&> \u2028" + rand.Text()},
			Method:    "oidc", Provider: "example", Email: "ada@example.com", Authoritative: true, Name: "Ada Lovelace ✓",
			LastLoginAt: at.Add(2 * time.Microsecond),
		},
		{
			Principal: gateward.Principal{Issuer: "https://github.com", Subject: rand.Text()},
			Method:    "github", Email: "ada@example.org", Name: "ada", LastLoginAt: at.Add(time.Microsecond),
		},
	}
}

func userIsRevisionOne(t *testing.T, f *people) {
	for _, revision := range []uint64{0, 1, 9} {
		u := f.newUser(func(u *sessions.User) { u.Revision = revision })
		is(t, "create user", f.CreateUser(t.Context(), u), nil)
		u.Revision = 1
		f.kept(t, "user", u)
	}
}

func userEveryField(t *testing.T, f *people) {
	u := f.signUp(t, fullUser)
	f.signUp(t) // another does not matter
	f.kept(t, "user", u)
}

func userSmallest(t *testing.T, f *people) {
	u := f.signUp(t, func(u *sessions.User) {
		u.Identities = []sessions.UserIdentity{{Principal: gateward.Principal{Subject: "a"}}}
		u.UpdatedAt, u.LastLoginAt = time.Time{}, time.Time{}
		disabled(u)
	})
	f.kept(t, "user", u)
}

func userTimes(t *testing.T, f *people) {
	elsewhere := time.FixedZone("elsewhere", 5*3600+1800)
	moments := func(u *sessions.User) []*time.Time {
		return []*time.Time{&u.CreatedAt, &u.UpdatedAt, &u.LastLoginAt, &u.Identities[0].LastLoginAt, &u.Identities[1].LastLoginAt}
	}
	u := f.signUp(t, fullUser, func(u *sessions.User) {
		for _, at := range moments(u) {
			*at = at.Add(345_678 * time.Microsecond).Add(901).In(elsewhere)
		}
	})
	got, err := f.User(t.Context(), u.ID)
	is(t, "user", err, nil)
	if len(got.Identities) != 2 {
		t.Fatalf("identities: got %d, want 2", len(got.Identities))
	}
	want := moments(&u)
	for i, at := range moments(&got) {
		if d := want[i].Sub(*at); d < 0 || d >= time.Microsecond || at.Location() != time.UTC {
			t.Errorf("time %d: got %v, want %v to the microsecond", i, *at, want[i].UTC())
		}
	}
}

func userIsACopy(t *testing.T, f *people) {
	u := f.signUp(t, fullUser)
	want := u
	want.Identities = slices.Clone(u.Identities)
	spoil := func(u *sessions.User) {
		u.Identities[0] = sessions.UserIdentity{Principal: gateward.Principal{Subject: "spoilt"}, Email: "spoilt@example.com"}
	}
	spoil(&u)
	f.kept(t, "after a change of what was put", want)
	for range 2 {
		got, err := f.User(t.Context(), want.ID)
		is(t, "user", err, nil)
		spoil(&got)
		page, err := f.ListUsers(t.Context(), sessions.UserFilter{}, 10, "")
		is(t, "list users", err, nil)
		for i := range page.Users {
			spoil(&page.Users[i])
		}
	}
	f.kept(t, "after a change of what was read", want)
	put := want
	put.Identities = slices.Clone(want.Identities)
	is(t, "replace user", f.ReplaceUser(t.Context(), put), nil)
	spoil(&put)
	want.Revision = 2
	f.kept(t, "after a change of what was replaced", want)
}

func userUnknown(t *testing.T, f *people) {
	u := f.signUp(t)
	for _, id := range []string{
		"", "*", "?", u.ID[:35], u.ID + "0", u.ID + "\x00", strings.ToUpper(u.ID), strings.ReplaceAll(u.ID, "-", ""),
		newUUID(), "../" + u.ID, "{" + u.ID + "}", u.ID + "\n", strings.Repeat("a", 1<<16), u.Identities[0].Subject,
	} {
		if id == u.ID { // an id without letters
			continue
		}
		if _, err := f.User(t.Context(), id); !errors.Is(err, sessions.ErrNoUser) {
			t.Errorf("user %.80q: got error %v, want %v", id, err, sessions.ErrNoUser)
		}
	}
	f.nobody(t, "unknown identity", identity().Principal)
	f.nobody(t, "no identity", gateward.Principal{})
	f.kept(t, "user", u)
}

// userOfIsNoPattern has principals that would be one if put together carelessly.
func userOfIsNoPattern(t *testing.T, f *people) {
	principals := []gateward.Principal{
		{Issuer: "a", Subject: "b:c"},
		{Issuer: "a:b", Subject: "c"},
		{Issuer: "a", Subject: "b"},
		{Issuer: "", Subject: "a:b"},
		{Issuer: "a\x00b", Subject: "c"},
		{Issuer: "a", Subject: "\x00b"},
		{Issuer: "a*", Subject: "*"},
		{Issuer: "a", Subject: "B"},
		{Issuer: "{a}", Subject: "[b]"},
		{Issuer: "a/", Subject: "/b"},
	}
	var all []sessions.User
	for _, p := range principals {
		f.nobody(t, "before", p)
		all = append(all, f.signUp(t, func(u *sessions.User) { u.Identities[0].Principal = p }))
	}
	for _, u := range all {
		f.kept(t, "user", u)
	}
}

// userCreateConflict: of a user with somebody's identity, nothing at all is kept.
func userCreateConflict(t *testing.T, f *people) {
	owner := f.signUp(t, fullUser)
	for i := range owner.Identities {
		free := identity()
		free.Email = "free@example.com"
		taken := owner.Identities[i]
		taken.Email = "taken@example.com"
		for _, all := range [][]sessions.UserIdentity{{taken}, {free, taken}, {taken, free}} {
			u := f.newUser(disabled, func(u *sessions.User) { u.Identities = all })
			is(t, "create user", f.CreateUser(t.Context(), u), sessions.ErrConflict)
			_, err := f.User(t.Context(), u.ID)
			is(t, "user", err, sessions.ErrNoUser)
			f.nobody(t, "its other identity", free.Principal)
			f.emails(t, "free@example.com")
			f.emails(t, "taken@example.com")
		}
	}
	f.kept(t, "the owner", owner)
	f.listed(t, sessions.UserFilter{}, owner.ID)
	f.listed(t, sessions.UserFilter{Disabled: true}, owner.ID)
	f.deniesJust(t, owner)
}

func userCreateOneWins(t *testing.T, f *people, all ...sessions.Users) {
	for round := range 4 {
		contested := identity()
		var candidates []sessions.User
		for range 12 {
			candidates = append(candidates, f.newUser(with(contested)))
		}
		var won atomic.Int32
		together(len(candidates), func(i int) {
			switch err := all[i%len(all)].CreateUser(t.Context(), candidates[i]); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, sessions.ErrConflict):
				t.Errorf("create user: %v", err)
			}
		})
		if n := won.Load(); n != 1 {
			t.Fatalf("round %d: %d have the identity, want 1", round, n)
		}
		winner, err := f.UserOf(t.Context(), contested.Principal)
		is(t, "user of", err, nil)
		for _, u := range candidates {
			if u.ID == winner.ID {
				u.Revision = 1
				f.kept(t, "the winner", u)
				continue
			}
			_, err := f.User(t.Context(), u.ID)
			is(t, "a loser", err, sessions.ErrNoUser)
			f.nobody(t, "a loser's other identity", u.Identities[0].Principal)
		}
	}
}
