package redis_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

func enabled(u *sessions.User) { u.Enabled = true }

// TestSEC_G15_OldRecordOfUser puts an old record of a user back. Where it says
// otherwise than what is denied of the user, it is not believed, and cannot be
// replaced; what is denied stays so.
func TestSEC_G15_OldRecordOfUser(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, test := range map[string]struct{ before, after func(*sessions.User) }{
		"of when it was enabled":                         {enabled, disabled},
		"of when it was disabled":                        {disabled, enabled},
		"of when it was disabled, with an identity less": {func(u *sessions.User) { disabled(u); u.Identities = u.Identities[:1] }, func(u *sessions.User) { u.Identities = newUser().Identities }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, ctx, config := client(t, server), t.Context(), single(server.Addr)
			config.Prefix = strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")
			s := open(t, config, redis.Options{})
			u, other := signUp(t, s, test.before), signUp(t, s)
			key := config.Prefix + ":u:{users}:" + u.ID
			old, err := c.Dump(ctx, key).Result()
			if err != nil {
				t.Fatal(err)
			}
			now := replaceUser(t, s, u, test.after)
			if err := c.RestoreReplace(ctx, key, 0, old).Err(); err != nil {
				t.Fatal(err)
			}
			_, byID := s.User(ctx, u.ID)
			_, byIdentity := s.UserOf(ctx, now.Identities[0].Principal)
			_, byEmail := s.UsersByEmail(ctx, email)
			for how, err := range map[string]error{"by id": byID, "by identity": byIdentity, "by email": byEmail, "replaced": s.ReplaceUser(ctx, u)} {
				if !errors.Is(err, sessions.ErrTampered) {
					t.Errorf("%s: got error %v, want %v", how, err, sessions.ErrTampered)
				}
			}
			page, err := s.ListUsers(ctx, sessions.UserFilter{}, 10, "")
			if err != nil || len(page.Users) != 1 || page.Users[0].ID != other.ID {
				t.Errorf("listed %d users, %v, want the other", len(page.Users), err)
			}
			if page, err = s.ListUsers(ctx, sessions.UserFilter{Disabled: true}, 10, ""); err != nil || len(page.Users) != 0 {
				t.Errorf("listed %d disabled users, %v, want none", len(page.Users), err)
			}
			denies(t, s, !now.Enabled, now)
		})
	}
}

// TestSEC_G15_ListsOfDisabledDisagree: of somebody who is only in one of the two
// lists of those who are disabled, it is not known what holds.
func TestSEC_G15_ListsOfDisabledDisagree(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	for what, spoil := range map[string]func(u *sessions.User) error{
		"not listed":        func(u *sessions.User) error { return c.ZRem(ctx, usersPrefix+"disabled", u.ID).Err() },
		"nothing is denied": func(u *sessions.User) error { return c.HDel(ctx, usersPrefix+"denied", u.ID).Err() },
		"little is denied": func(u *sessions.User) error {
			return c.HSet(ctx, usersPrefix+"denied", u.ID, c.HGet(ctx, usersPrefix+"denied", u.ID).Val()[32:]).Err()
		},
	} {
		u := signUp(t, s, disabled)
		sameUser(t, s, u)
		if err := spoil(&u); err != nil {
			t.Fatal(err)
		}
		if _, err := s.User(ctx, u.ID); !errors.Is(err, sessions.ErrTampered) {
			t.Errorf("%s: got error %v, want %v", what, err, sessions.ErrTampered)
		}
	}
}

// TestSEC_G16_UserOfAnotherInstallation: who is a user of one installation is not
// one of another that has the same key, whatever is copied.
func TestSEC_G16_UserOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	o := redis.Options{Masters: sessions.ConfiguredMasters(gateward.NewSecret(strings.Repeat("1", 32)), nil)}
	config := single(server.Addr)
	s := open(t, config, o)
	config.Prefix = "gateward:u"
	u := signUp(t, open(t, config, o))
	if _, err := s.UserOf(ctx, u.Identities[0].Principal); !errors.Is(err, sessions.ErrNoUser) {
		t.Errorf("got error %v, want %v", err, sessions.ErrNoUser)
	}
	all, err := c.Keys(ctx, "gateward:u:u:*").Result()
	if err != nil || len(all) < 4 {
		t.Fatalf("keys %v, %v, want four at least", all, err)
	}
	for _, key := range all {
		if err := c.Copy(ctx, key, strings.Replace(key, "gateward:u:u:", "gateward:u:", 1), 0, true).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.UserOf(ctx, u.Identities[0].Principal); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("got error %v, want %v", err, sessions.ErrTampered)
	}
}

// TestSEC_G16_OldRecordTakesNoIdentity: an old record of who once had an identity
// does not take it from who has it now.
func TestSEC_G16_OldRecordTakesNoIdentity(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	u := signUp(t, s)
	old := c.Dump(ctx, usersPrefix+u.ID).Val()
	now := replaceUser(t, s, u, func(u *sessions.User) { u.Identities = u.Identities[:1] })
	owner := signUp(t, s, func(o *sessions.User) { o.Identities = u.Identities[1:] })
	if err := c.RestoreReplace(ctx, usersPrefix+u.ID, 0, old).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceUser(ctx, u); !errors.Is(err, sessions.ErrConflict) {
		t.Errorf("replace user by what it was: got error %v, want %v", err, sessions.ErrConflict)
	}
	now.Revision = 1
	sameUser(t, s, replaceUser(t, s, now))
	sameUser(t, s, owner)
}

// TestUsers_FullServer: where there is no room, nothing at all is done.
func TestUsers_FullServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	on, off := signUp(t, s), signUp(t, s, disabled)
	if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	put := []sessions.User{on, off}
	put[0].Enabled, put[1].Enabled = false, true
	for i := range put {
		if err := s.ReplaceUser(ctx, put[i]); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("replace user: got error %v, want %v", err, gateward.ErrUnavailable)
		}
	}
	sameUser(t, s, on)
	sameUser(t, s, off)
	denies(t, s, false, on)
	denies(t, s, true, off)
	c.ConfigSet(ctx, "maxmemory", "0")
	sameUser(t, s, replaceUser(t, s, on, disabled))
}

// TestUsers_NotAllowed: who may not read users does not take them for tampered
// with, nor for unknown.
func TestUsers_NotAllowed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HMGET", "HGET", "ZSCORE"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c, ctx := client(t, server), t.Context()
			s := open(t, single(server.Addr), redis.Options{})
			u := signUp(t, s)
			if err := c.Do(ctx, "acl", "setuser", "default", "-"+name).Err(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.User(ctx, u.ID); !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, sessions.ErrTampered) {
				t.Errorf("got error %v, want %v", err, gateward.ErrUnavailable)
			}
		})
	}
}

// TestUsers_ManyIdentities has more identities than keys go into a message.
func TestUsers_ManyIdentities(t *testing.T) {
	t.Parallel()
	const many = 2300
	server := redistest.Start(t)
	s, other := open(t, single(server.Addr), redis.Options{}), open(t, single(server.Addr), redis.Options{})
	e := listen(other)
	e.wait(t, "hearing", func() bool { return e.hearing })
	u := signUp(t, s, disabled, func(u *sessions.User) {
		for range many {
			u.Identities = append(u.Identities, newUser().Identities[0])
		}
	})
	e.wait(t, "what is denied", func() bool { return len(e.denied) == many+3 })
	for i, k := range u.Keys() {
		if !slices.Contains(e.denied, k) {
			t.Errorf("key %d was not heard", i)
		}
	}
	sameUser(t, other, u)
	denies(t, other, true, u)
	gone := u
	u = replaceUser(t, other, u, func(u *sessions.User) { u.Identities = u.Identities[:many/2] })
	gone.Identities = gone.Identities[many/2:]
	sameUser(t, s, u)
	denies(t, s, true, u)
	keys, err := s.DisabledKeys(t.Context())
	if err != nil || len(slices.Compact(keys[1:])) != 1+many/2 { // that of the id is named twice
		t.Errorf("%d keys are denied, %v, want %d", len(keys)-1, err, 1+many/2)
	}
	if _, err := s.UserOf(t.Context(), gone.Identities[many/2].Principal); !errors.Is(err, sessions.ErrNoUser) {
		t.Errorf("got error %v, want %v", err, sessions.ErrNoUser)
	}
}
