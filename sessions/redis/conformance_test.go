package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
	"github.com/gateward/gateward/sessions/storetest"
)

// netTimeout is long: nothing here is about how fast the machine is.
const netTimeout = 5 * time.Second

// prefixes makes tests that share a server see nothing of one another.
func prefixes() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("test%d", n.Add(1)) }
}

func single(addr string) redis.Config {
	return redis.Config{Addresses: []string{addr}, NetTimeout: netTimeout}
}

// open returns a store that is closed at the end.
func open(t *testing.T, c redis.Config, o redis.Options) *redis.Store {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := redis.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// conform runs all suites against the server that c names.
func conform(t *testing.T, c redis.Config) {
	t.Helper()
	prefix := prefixes()
	backend := func(t *testing.T, o storetest.Options) sessions.Backend {
		o.FixedClock()
		c := c
		c.Prefix = prefix()
		return open(t, c, redis.Options{Now: o.Now, GracePeriod: o.GracePeriod})
	}
	pair := func(t *testing.T, o storetest.Options) (a, b sessions.Backend) {
		o.FixedClock()
		c := c
		c.Prefix = prefix()
		opts := redis.Options{Now: o.Now, GracePeriod: o.GracePeriod}
		return open(t, c, opts), open(t, c, opts)
	}
	conformAll(t, backend, pair)
}

// conformAll runs the suites against what one and pair make.
func conformAll(t *testing.T, one func(t *testing.T, o storetest.Options) sessions.Backend, pair func(t *testing.T, o storetest.Options) (a, b sessions.Backend)) {
	t.Helper()
	storetest.Run(t, one)
	storetest.RunShared(t, pair)
	storetest.RunUsers(t, one)
	storetest.RunUsersShared(t, pair)
}

func TestConformance_Single(t *testing.T) {
	t.Parallel()
	conform(t, single(redistest.Start(t).Addr))
}

func TestConformance_Cluster(t *testing.T) {
	t.Parallel()
	conform(t, cluster(redistest.StartCluster(t)))
}

func cluster(c *redistest.Cluster) redis.Config {
	return redis.Config{Mode: redis.ModeCluster, Addresses: c.Addrs, NetTimeout: netTimeout}
}

func TestConformance_Sentinel(t *testing.T) {
	t.Parallel()
	conform(t, sentinel(redistest.StartSentinel(t)))
}

func sentinel(s *redistest.Sentinel) redis.Config {
	return redis.Config{Mode: redis.ModeSentinel, MasterName: redistest.MasterName, Addresses: s.Addrs, NetTimeout: netTimeout}
}

// TestConformance_Clock moves the clock of the storage, too, which a real server
// does not have.
func TestConformance_Clock(t *testing.T) {
	t.Parallel()
	newServer := func(t *testing.T, o storetest.Options) redis.Config {
		m := miniredis.RunT(t)
		o.OnAdvance(m.FastForward)
		return single(m.Addr())
	}
	conformAll(t, func(t *testing.T, o storetest.Options) sessions.Backend {
		return open(t, newServer(t, o), redis.Options{Now: o.Now, GracePeriod: o.GracePeriod})
	}, func(t *testing.T, o storetest.Options) (a, b sessions.Backend) {
		c, opts := newServer(t, o), redis.Options{Now: o.Now, GracePeriod: o.GracePeriod}
		return open(t, c, opts), open(t, c, opts)
	})
}

// session returns a new session, and its client token.
func session(t *testing.T, edit ...func(*sessions.Session)) (sessions.Session, string) {
	t.Helper()
	return newSession(edit...)
}

func get(t *testing.T, s *redis.Store, id string) sessions.Session {
	t.Helper()
	got, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return got
}

func create(t *testing.T, s *redis.Store, edit ...func(*sessions.Session)) sessions.Session {
	t.Helper()
	made, _ := session(t, edit...)
	if err := s.Create(t.Context(), made); err != nil {
		t.Fatalf("create: %v", err)
	}
	return made
}

// signUp keeps a new user and returns it as it is kept.
func signUp(t *testing.T, s *redis.Store, edit ...func(*sessions.User)) sessions.User {
	t.Helper()
	u := newUser(edit...)
	if err := s.CreateUser(t.Context(), u); err != nil {
		t.Fatalf("create user: %v", err)
	}
	u.Revision = 1
	return u
}

// replaceUser changes a kept user and returns it as it is kept then.
func replaceUser(t *testing.T, s *redis.Store, u sessions.User, edit ...func(*sessions.User)) sessions.User {
	t.Helper()
	u.Identities = slices.Clone(u.Identities)
	for _, e := range edit {
		e(&u)
	}
	if err := s.ReplaceUser(t.Context(), u); err != nil {
		t.Fatalf("replace user: %v", err)
	}
	u.Revision++
	return u
}

// denies requires that all keys of these users are among the disabled ones, or,
// unless want, none.
func denies(t *testing.T, s *redis.Store, want bool, all ...sessions.User) {
	t.Helper()
	keys, err := s.DisabledKeys(t.Context())
	if err != nil {
		t.Fatalf("disabled keys: %v", err)
	}
	for i := range all {
		for n, k := range all[i].Keys() {
			if slices.Contains(keys, k) != want {
				t.Errorf("user %d: key %d is denied: %v, want %v", i, n, !want, want)
			}
		}
	}
}

// eventually polls f until it returns nil.
func eventually(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s: %v", what, err)
		}
	}
}
