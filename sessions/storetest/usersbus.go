package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func userBusChecks() []userCheck {
	return []userCheck{
		{"UserBusDenied", userBusDenied},
		{"UserBusChanged", userBusChanged},
		{"UserBusOtherIdentitiesOfAnEnabledUser", userBusEnabled},
		{"UserBusAfterItIsInForce", userBusAfterwards},
		{"UserBusQuietOtherwise", userBusQuiet},
	}
}

// heardOf requires that the keys of these users, as they are, have been heard as
// denied, and that users have changed if so wanted; and forgets everything.
func (e *ear) heardOf(t *testing.T, what string, changed bool, denied ...sessions.User) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if changed && !e.users {
		t.Errorf("%s: that users have changed was not heard", what)
	}
	for i := range denied {
		if !e.deniesAll(denied[i]) {
			t.Errorf("%s: not all keys of a disabled user were heard (heard %d)", what, len(e.denied))
		}
	}
	if len(e.keys) != 0 || e.all {
		t.Errorf("%s: heard of %d sessions, all: %v, want none", what, len(e.keys), e.all)
	}
	e.forget()
}

// deniesAll is called with the lock held.
func (e *ear) deniesAll(u sessions.User) bool {
	return !slices.ContainsFunc(u.Keys(), func(k sessions.Key) bool { return !slices.Contains(e.denied, k) })
}

// userBusDenied: who is disabled is heard of before it returns, whatever there was
// before.
func userBusDenied(t *testing.T, f *people) {
	e := listen(t, f.Backend)
	u := f.signUp(t)
	u = f.replaced(t, u, disabled)
	e.heardOf(t, "disabled", false, u)
	u = f.replaced(t, u, func(u *sessions.User) { u.LastLoginAt = f.clock.now() })
	e.heardOf(t, "still disabled", false, u)
	u = f.replaced(t, u, with(identity()))
	e.heardOf(t, "disabled, with one identity more", true, u)
	u = f.replaced(t, u, waiting)
	e.heardOf(t, "waiting", false, u)
	e.heardOf(t, "created waiting", false, f.signUp(t, waiting))
	e.heardOf(t, "created disabled", false, f.signUp(t, disabled, with(identity())))
}

func userBusChanged(t *testing.T, f *people) {
	e := listen(t, f.Backend)
	u := f.signUp(t, disabled, with(identity(), identity()))
	e.heardOf(t, "created disabled", false, u)
	u = f.replaced(t, u, enabled)
	e.heardOf(t, "enabled", true)
	u = f.replaced(t, u, disabled)
	e.heardOf(t, "disabled", false, u)
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities = u.Identities[1:] })
	e.heardOf(t, "disabled, with one identity less", true, u)
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities[0].Principal = identity().Principal })
	e.heardOf(t, "disabled, with another identity", true, u)
	f.replaced(t, u, enabled, with(identity()))
	e.heardOf(t, "enabled, with one identity more", true)
}

func userBusEnabled(t *testing.T, f *people) {
	e := listen(t, f.Backend)
	u := f.replaced(t, f.signUp(t), with(identity()))
	e.mu.Lock()
	if len(e.denied) != 0 {
		t.Error("a user who is enabled was heard of as denied")
	}
	e.mu.Unlock()
	e.heardOf(t, "one identity more", true)
	f.replaced(t, u, func(u *sessions.User) { u.Identities = u.Identities[:1] })
	e.heardOf(t, "one identity less", true)
}

// userBusAfterwards asks when it is heard: who reads the list then must not miss
// anybody.
func userBusAfterwards(t *testing.T, f *people) {
	e := listen(t, f.Backend)
	ctx := context.WithoutCancel(t.Context()) // a check may still run when the test ends
	whenHeard := func(u sessions.User) {
		key := sessions.KeyOfUser(u.ID)
		e.whenRevoked(key, func() {
			keys, err := f.DisabledKeys(ctx)
			if err != nil || !slices.Contains(keys, key) {
				t.Errorf("heard before it was in force: disabled keys: %v, error %v", slices.Contains(keys, key), err)
			}
			if got, err := f.User(ctx, u.ID); err != nil || got.Enabled {
				t.Errorf("heard before it was in force: enabled: %v, error %v", got.Enabled, err)
			}
		})
	}
	u := f.signUp(t)
	whenHeard(u)
	e.heardOf(t, "disabled", false, f.replaced(t, u, disabled))
	u = f.newUser(waiting)
	whenHeard(u)
	is(t, "create user", f.CreateUser(t.Context(), u), nil)
	e.heardOf(t, "created waiting", false, u)
}

func userBusQuiet(t *testing.T, f *people) {
	e := listen(t, f.Backend)
	other := f.signUp(t)
	u := f.signUp(t, with(identity()))
	u = f.replaced(t, u, func(u *sessions.User) {
		u.LastLoginAt = f.clock.now()
		u.Identities[0].Name, u.Identities[0].Email, u.Identities[0].LastLoginAt = "Ada", "ada@example.com", f.clock.now()
	})
	u = f.replaced(t, u, func(u *sessions.User) { slices.Reverse(u.Identities) })
	f.kept(t, "user", u)
	f.listed(t, sessions.UserFilter{}, other.ID, u.ID)
	f.deniesJust(t)
	e.heardNothing(t, "an enabled user with the same identities")

	old := u
	old.Revision, old.Enabled = 1, false
	is(t, "replace user", f.ReplaceUser(t.Context(), old), sessions.ErrConflict)
	taken := u
	taken.Identities, taken.Enabled = other.Identities, false
	is(t, "replace user", f.ReplaceUser(t.Context(), taken), sessions.ErrConflict)
	taken.ID = newUUID()
	is(t, "create user", f.CreateUser(t.Context(), taken), sessions.ErrConflict)
	is(t, "replace user", f.ReplaceUser(t.Context(), taken), sessions.ErrNoUser)
	e.heardNothing(t, "what failed")
}

func userGeneralChecks() []userCheck {
	return []userCheck{
		{"UserOutlivesEverySession", userOutlives},
		{"UserCanceledIsUnavailableOrDone", userCanceled},
		{"UserEverythingAtOnce", userEverythingAtOnce},
	}
}

func userOutlives(t *testing.T, f *people) {
	on, off := f.signUp(t, reachable("ada@example.com", true)), f.signUp(t, fullUser)
	theirs := func(u sessions.User) sessions.Session {
		return f.create(t, func(s *sessions.Session) { s.Identity.UserID, s.Identity.Principal = u.ID, u.Identities[0].Principal })
	}
	session := theirs(on)
	on = f.replaced(t, on, disabled)
	f.get(t, session.ID) // ending it is the caller's
	f.replaced(t, on, enabled)
	on.Enabled, on.Revision = true, on.Revision+1
	for _, u := range []sessions.User{on, off} {
		theirs(u)
		if _, err := f.DeleteWhere(t.Context(), sessions.Filter{UserID: u.ID}); err != nil {
			t.Errorf("delete where: %v", err)
		}
		if _, err := f.DeleteWhere(t.Context(), sessions.Filter{Method: "oidc"}); err != nil {
			t.Errorf("delete where: %v", err)
		}
	}
	f.clock.advance(20 * 365 * 24 * time.Hour)
	f.none(t, sessions.Filter{Expired: true})
	f.kept(t, "who is enabled", on)
	f.kept(t, "who waits", off)
	f.deniesJust(t, off)
	f.listed(t, sessions.UserFilter{}, on.ID, off.ID)
	f.listed(t, sessions.UserFilter{Disabled: true}, off.ID)
}

// userCanceled: a call with a context that has ended either did what it says, or
// says that it could not be done now.
func userCanceled(t *testing.T, f *people) {
	ctx := ended(t)
	u := f.signUp(t, reachable("ada@example.com", true))
	for name, op := range map[string]func() error{
		"user":           func() error { _, err := f.User(ctx, u.ID); return err },
		"user of":        func() error { _, err := f.UserOf(ctx, u.Identities[0].Principal); return err },
		"users by email": func() error { _, err := f.UsersByEmail(ctx, "ada@example.com"); return err },
		"list users":     func() error { _, err := f.ListUsers(ctx, sessions.UserFilter{}, 10, ""); return err },
		"disabled keys":  func() error { _, err := f.DisabledKeys(ctx); return err },
	} {
		if err := op(); err != nil && !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want none or %v", name, err, gateward.ErrUnavailable)
		}
	}
	created := f.newUser()
	replaced := u
	disabled(&replaced)
	for name, op := range map[string]func() error{
		"create user": func() error {
			return done(f.CreateUser(ctx, created), func() { created.Revision = 1; f.kept(t, "created", created) })
		},
		"replace user": func() error {
			return done(f.ReplaceUser(ctx, replaced), func() { replaced.Revision = 2; f.kept(t, "replaced", replaced) })
		},
	} {
		if err := op(); err != nil && !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want none or %v", name, err, gateward.ErrUnavailable)
		}
	}
}

// done has check run if there is no error.
func done(err error, check func()) error {
	if err == nil {
		check()
	}
	return err
}

// userEverythingAtOnce is for the race detector, and for what must hold whatever
// else happens: nobody is enabled by what was read before.
func userEverythingAtOnce(t *testing.T, f *people) {
	ctx := t.Context()
	cancel := f.Subscribe(&ear{changed: make(chan struct{})})
	defer cancel()
	users := make([]sessions.User, 12)
	for i := range users {
		users[i] = f.newUser(reachable("all@example.com", false))
	}
	together(len(users), func(i int) {
		u := users[i]
		is(t, "create user", f.CreateUser(ctx, u), nil)
		for revision := range uint64(3) {
			together(4, func(j int) {
				put := u
				put.Revision = revision + 1
				put.Enabled = j%2 == 0
				if err := f.ReplaceUser(ctx, put); err != nil && !errors.Is(err, sessions.ErrConflict) {
					t.Errorf("replace user: %v", err)
				}
				_, err := f.UserOf(ctx, u.Identities[j%2].Principal)
				is(t, "user of", err, nil)
				_, err = f.ListUsers(ctx, sessions.UserFilter{Disabled: j%2 == 0}, 5, "")
				is(t, "list users", err, nil)
				_, err = f.UsersByEmail(ctx, "all@example.com")
				is(t, "users by email", err, nil)
				_, err = f.DisabledKeys(ctx)
				is(t, "disabled keys", err, nil)
			})
		}
	})
	var off []sessions.User
	for i := range users {
		got, err := f.User(ctx, users[i].ID)
		is(t, "user", err, nil)
		if got.Revision != 4 {
			t.Errorf("revision: got %d, want 4", got.Revision)
		}
		if !got.Enabled {
			off = append(off, got)
		}
	}
	f.deniesJust(t, off...)
}

func userSharedChecks() []userCheck {
	return []userCheck{
		{"SharedUsers", sharedUsers},
		{"SharedUserCreateOneWins", func(t *testing.T, f *people) { userCreateOneWins(t, f, f.Backend, f.other) }},
		{"SharedUserReplaceOneWins", func(t *testing.T, f *people) { userReplaceOneWins(t, f, f.Backend, f.other) }},
		{"SharedUserReplaceOneGetsTheIdentity", func(t *testing.T, f *people) { userClaimOneWins(t, f, f.Backend, f.other) }},
		{"SharedUserIsHeardOfElsewhere", sharedUserHeard},
		{"SharedUserOfAnother", sharedUserOfAnother},
	}
}

// elsewhere is f as the other replica sees it.
func (f *people) elsewhere() *people {
	return &people{&fixture{clock: f.clock, Backend: f.other, other: f.Backend}}
}

func sharedUsers(t *testing.T, f *people) {
	other := f.elsewhere()
	u := f.signUp(t, fullUser)
	other.kept(t, "user on the other", u)
	other.deniesJust(t, u)
	u = other.replaced(t, u, enabled, reachable("late@example.com", true))
	f.kept(t, "user", u)
	f.deniesJust(t)
	second := other.signUp(t)
	f.listed(t, sessions.UserFilter{}, u.ID, second.ID)
	taken := f.newUser(func(x *sessions.User) { x.Identities = u.Identities })
	is(t, "create user", f.CreateUser(t.Context(), taken), sessions.ErrConflict)
}

// hears waits until e has heard this.
func (e *ear) hears(t *testing.T, what string, changed bool, denied ...sessions.User) {
	t.Helper()
	e.wait(t, what, func() bool {
		return (!changed || e.users) && !slices.ContainsFunc(denied, func(u sessions.User) bool { return !e.deniesAll(u) })
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget()
}

func sharedUserHeard(t *testing.T, f *people) {
	e := listen(t, f.other)
	u := f.signUp(t, with(identity()))
	u = f.replaced(t, u, disabled)
	e.hears(t, "disabled", false, u)
	deniesJust(t, f.other, u)
	u = f.replaced(t, u, enabled)
	e.hears(t, "enabled", true)
	deniesJust(t, f.other)
	u = f.replaced(t, u, disabled, with(identity()))
	e.hears(t, "disabled, with one identity more", true, u)
	e.hears(t, "created waiting", false, f.signUp(t, waiting))
}

// sharedUserOfAnother: local listeners hear before it returns, also of a user whom
// only the other replica has seen.
func sharedUserOfAnother(t *testing.T, f *people) {
	e, other := listen(t, f.other), f.elsewhere()
	u := f.signUp(t)
	u = other.replaced(t, u, disabled)
	e.heardOf(t, "disabled", false, u)
	other.replaced(t, u, enabled)
	e.heardOf(t, "enabled", true)
}
