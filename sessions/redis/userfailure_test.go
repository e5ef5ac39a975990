package redis_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSEC_G15_FailureOnTheWay: whatever a change of a user would fail at, nothing at
// all is done. Who was denied stays so, and afterwards everybody can be read and
// changed.
func TestSEC_G15_FailureOnTheWay(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, c *goredis.Client) (mend func() error){}
	for _, command := range []string{"HSET", "HDEL", "ZADD", "ZREM", "PUBLISH"} {
		tests["without "+command] = func(t *testing.T, c *goredis.Client) func() error { return forbid(t, c, command) }
	}
	for _, key := range []string{"e:*", "all", "disabled", "denied", "identities"} {
		tests["another type of "+key] = func(t *testing.T, c *goredis.Client) func() error { return spoil(t, c, key) }
	}
	for name, breaks := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c, ctx := client(t, server), t.Context()
			s := open(t, single(server.Addr), redis.Options{})
			on, off := signUp(t, s), signUp(t, s, disabled)
			lone := signUp(t, s, func(u *sessions.User) { u.Identities = u.Identities[:1] })
			before := dumpUsers(t, c)
			mend := breaks(t, c)
			added := newUser()
			changes := map[string]func() error{
				"disable":    func() error { u := on; u.Enabled = false; return s.ReplaceUser(ctx, u) },
				"enable":     func() error { u := off; u.Enabled = true; return s.ReplaceUser(ctx, u) },
				"unlink":     func() error { u := on; u.Identities = u.Identities[1:]; return s.ReplaceUser(ctx, u) },
				"link":       func() error { u := lone; u.Identities = newUser().Identities; return s.ReplaceUser(ctx, u) },
				"create":     func() error { return s.CreateUser(ctx, added) },
				"create off": func() error { return s.CreateUser(ctx, newUser(disabled)) },
			}
			if name == "without PUBLISH" {
				delete(changes, "create") // of which nobody has to hear
			}
			for what, change := range changes {
				if err := change(); !errors.Is(err, gateward.ErrUnavailable) {
					t.Errorf("%s: got error %v, want %v", what, err, gateward.ErrUnavailable)
				}
			}
			if err := mend(); err != nil {
				t.Fatal(err)
			}
			if after := dumpUsers(t, c); !maps.Equal(after, before) {
				t.Errorf("what is kept is another: keys %q, were %q", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
			}
			denies(t, s, false, on, lone)
			denies(t, s, true, off)
			for _, u := range []sessions.User{on, off, lone} {
				sameUser(t, s, u)
				sameUser(t, s, replaceUser(t, s, u, func(u *sessions.User) { u.Enabled = !u.Enabled }))
			}
			if err := s.CreateUser(ctx, added); err != nil {
				t.Errorf("create user: %v", err)
			}
		})
	}
}

// forbid takes a permission away, and returns what gives it back.
func forbid(t *testing.T, c *goredis.Client, command string) (mend func() error) {
	t.Helper()
	set := func(rule string) error { return c.Do(t.Context(), "acl", "setuser", "default", rule).Err() }
	if err := set("-" + command); err != nil {
		t.Fatal(err)
	}
	return func() error { return set("+" + command) }
}

// spoil makes the only key of users of this pattern one of another type, and
// returns what puts it back.
func spoil(t *testing.T, c *goredis.Client, pattern string) (mend func() error) {
	t.Helper()
	keys := c.Keys(t.Context(), usersPrefix+pattern).Val()
	if len(keys) != 1 {
		t.Fatalf("keys %q, want one", keys)
	}
	old := c.Dump(t.Context(), keys[0]).Val()
	if err := c.Set(t.Context(), keys[0], "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	return func() error { return c.RestoreReplace(t.Context(), keys[0], 0, old).Err() }
}

// dumpUsers returns all that is kept of users.
func dumpUsers(t *testing.T, c *goredis.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, key := range c.Keys(t.Context(), usersPrefix+"*").Val() {
		all[key] = c.Dump(t.Context(), key).Val()
	}
	if len(all) == 0 {
		t.Fatal("nothing is kept of users")
	}
	return all
}
