package redis_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSEC_G15_UserTampered: a user that is not what was kept is nobody, and
// stays denied.
func TestSEC_G15_UserTampered(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	u, other := signUp(t, s, disabled), signUp(t, s)
	key := usersPrefix + u.ID
	sealed, err := c.HGet(ctx, key, "v").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enabled := replaceUser(t, s, u, func(u *sessions.User) { u.Enabled = true })
	newer := c.HGetAll(ctx, key).Val()
	u = replaceUser(t, s, enabled, disabled)
	good := c.HGetAll(ctx, key).Val()
	tampered := func(what string) {
		t.Helper()
		_, byID := s.User(ctx, u.ID)
		_, byIdentity := s.UserOf(ctx, u.Identities[1].Principal)
		_, byEmail := s.UsersByEmail(ctx, email)
		for how, err := range map[string]error{
			"by id": byID, "by identity": byIdentity, "by email": byEmail, "replaced": s.ReplaceUser(ctx, u),
		} {
			if !errors.Is(err, sessions.ErrTampered) || errors.Is(err, gateward.ErrUnavailable) {
				t.Errorf("%s, %s: got error %v, want %v", what, how, err, sessions.ErrTampered)
			}
		}
		page, err := s.ListUsers(ctx, sessions.UserFilter{}, 10, "")
		if err != nil || len(page.Users) != 1 || page.Users[0].ID != other.ID {
			t.Errorf("%s: listed %d users, %v, want the other", what, len(page.Users), err)
		}
		if page, err = s.ListUsers(ctx, sessions.UserFilter{Disabled: true}, 10, ""); err != nil || len(page.Users) != 0 {
			t.Errorf("%s: listed %d disabled users, %v, want none", what, len(page.Users), err)
		}
		denies(t, s, true, u)
		denies(t, s, false, other)
		sameUser(t, s, other)
	}
	for i := 0; i < len(sealed); i += 23 {
		bad := []byte(good["v"])
		bad[i] ^= 1
		c.HSet(ctx, key, "v", bad)
		tampered("byte " + strconv.Itoa(i))
	}
	for what, bad := range map[string]string{"nothing": "", "short": "x", "long": good["v"] + "\x00", "another's": c.HGet(ctx, usersPrefix+other.ID, "v").Val(), "earlier": newer["v"]} {
		c.HSet(ctx, key, "v", bad)
		tampered(what)
	}
	c.HSet(ctx, key, good)
	sameUser(t, s, u)
	c.HSet(ctx, key, "r", "4")
	tampered("revision")
	c.HDel(ctx, key, "r")
	tampered("no revision")
	c.Del(ctx, key)
	c.Set(ctx, key, "x", 0)
	tampered("another type")
}

// TestSEC_G15_UserRecordIsGone: an identity whose user is not there is not free.
func TestSEC_G15_UserRecordIsGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	u := signUp(t, s, disabled)
	c.Del(ctx, usersPrefix+u.ID)
	if _, err := s.UserOf(ctx, u.Identities[0].Principal); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("user of: got error %v, want %v", err, sessions.ErrTampered)
	}
	if _, err := s.UsersByEmail(ctx, email); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("users by email: got error %v, want %v", err, sessions.ErrTampered)
	}
	again := newUser(func(again *sessions.User) { again.Identities = u.Identities })
	if err := s.CreateUser(ctx, again); !errors.Is(err, sessions.ErrConflict) {
		t.Errorf("create user: got error %v, want %v", err, sessions.ErrConflict)
	}
	denies(t, s, true, u)
}

// TestSEC_G16_IdentityLeadsToAnother: whoever makes an identity lead to somebody
// else does not become him.
func TestSEC_G16_IdentityLeadsToAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	mallory, admin := signUp(t, s), signUp(t, s)
	for field, id := range c.HGetAll(ctx, usersPrefix+"identities").Val() {
		for _, to := range []string{admin.ID, newUserID(), "", "*", "all"} {
			if id != mallory.ID {
				continue
			}
			c.HSet(ctx, usersPrefix+"identities", field, to)
			found := 0
			for i := range mallory.Identities {
				_, err := s.UserOf(ctx, mallory.Identities[i].Principal)
				if err == nil {
					found++
				} else if !errors.Is(err, sessions.ErrTampered) {
					t.Errorf("%q: got error %v, want %v", to, err, sessions.ErrTampered)
				}
			}
			if found != 1 {
				t.Errorf("%q: %d identities lead to a user, want 1", to, found)
			}
			c.HSet(ctx, usersPrefix+"identities", field, mallory.ID)
		}
	}
	sameUser(t, s, mallory)
}

// TestSEC_G16_AddressLeadsToAnother: who is listed under an address does not have
// it for that.
func TestSEC_G16_AddressLeadsToAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	owner := signUp(t, s)
	mallory := signUp(t, s, func(u *sessions.User) { u.Identities[0].Email = "" })
	lists, err := c.Keys(ctx, usersPrefix+"e:*").Result()
	if err != nil || len(lists) != 1 {
		t.Fatalf("lists %v, %v, want one", lists, err)
	}
	c.ZAdd(ctx, lists[0], goredis.Z{Score: 1, Member: mallory.ID})
	if all, err := s.UsersByEmail(ctx, email); err != nil || len(all) != 1 || all[0].ID != owner.ID {
		t.Errorf("got %d users, %v, want the owner", len(all), err)
	}
}

// TestSEC_G15_JunkInListsOfUsers: what is no entry ends no list.
func TestSEC_G15_JunkInListsOfUsers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	const many = 140 // more than are read at once
	var all []sessions.User
	for range many {
		all = append(all, signUp(t, s, disabled))
	}
	for _, list := range []string{"all", "disabled"} {
		for _, z := range []goredis.Z{
			{Score: 1, Member: "junk"},
			{Score: 1.5, Member: newUserID()},
			{Score: 2, Member: ""},
			{Score: float64(all[70].CreatedAt.UnixMicro()), Member: strings.ToUpper(all[0].ID)},
			{Score: 1e300, Member: "late"},
		} {
			c.ZAdd(ctx, usersPrefix+list, z)
		}
	}
	for _, f := range []sessions.UserFilter{{}, {Disabled: true}} {
		if page, err := s.ListUsers(ctx, f, 1000, ""); err != nil || len(page.Users) != many || page.Next != "" {
			t.Errorf("%+v: listed %d, %v, want %d", f, len(page.Users), err, many)
		}
	}
	c.HSet(ctx, usersPrefix+"denied", all[3].ID, "short", all[4].ID, "")
	c.HDel(ctx, usersPrefix+"denied", all[5].ID)
	denies(t, s, true, slices.Concat(all[:3], all[6:])...)
	keys, err := s.DisabledKeys(ctx)
	for _, u := range all[3:6] {
		if !slices.Contains(keys, sessions.KeyOfUser(u.ID)) {
			t.Errorf("the key of a user's id is not denied: %v", err)
		}
	}
}

// TestUsers_KeyRollsOut: a replica that has not got the key of a user leaves the
// user as it is, and denies who is disabled all the same.
func TestUsers_KeyRollsOut(t *testing.T) {
	t.Parallel()
	_, old, fresh := rollout(t, redis.Options{})
	before, after := signUp(t, old, disabled), signUp(t, fresh, disabled)
	sameUser(t, fresh, before)
	if _, err := old.UserOf(t.Context(), after.Identities[0].Principal); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("got error %v, want %v", err, sessions.ErrTampered)
	}
	if err := old.ReplaceUser(t.Context(), after); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("replace user: got error %v, want %v", err, sessions.ErrTampered)
	}
	denies(t, old, true, before, after)
	sameUser(t, fresh, after)
}

// TestSEC_N01_UserErrorsTellNothing: errors name no person.
func TestSEC_N01_UserErrorsTellNothing(t *testing.T) {
	t.Parallel()
	var more []string
	for _, name := range []string{"EVALSHA", "EVAL", "HMGET", "HGET", "ZRANGE"} {
		more = append(more, "--rename-command", name, "")
	}
	s := open(t, single(redistest.Start(t, redistest.Options{More: more}).Addr),
		redis.Options{Masters: sessions.ConfiguredMasters(gateward.NewSecret(strings.Repeat("1", 32)), nil)})
	u, ctx := newUser(), t.Context()
	for name, op := range map[string]func() error{
		"create":   func() error { return s.CreateUser(ctx, u) },
		"bad id":   func() error { return s.CreateUser(ctx, newUser(func(u *sessions.User) { u.ID = "ada" })) },
		"user":     func() error { _, err := s.User(ctx, u.ID); return err },
		"user of":  func() error { _, err := s.UserOf(ctx, u.Identities[0].Principal); return err },
		"by email": func() error { _, err := s.UsersByEmail(ctx, email); return err },
		"list":     func() error { _, err := s.ListUsers(ctx, sessions.UserFilter{}, 10, ""); return err },
		"disabled": func() error { _, err := s.DisabledKeys(ctx); return err },
	} {
		err := op()
		if !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want %v", name, err, gateward.ErrUnavailable)
			continue
		}
		for _, secret := range []string{"ada", "Ada", u.ID, "github", usersPrefix} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells of the user: %v", name, err)
			}
		}
	}
}
