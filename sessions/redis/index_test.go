package redis_test

import (
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// moved is a store on a server whose clock moves with the store's.
func moved(t *testing.T) (s *redis.Store, m *miniredis.Miniredis, advance func(d time.Duration), now func() time.Time) {
	t.Helper()
	m = miniredis.RunT(t)
	var mu sync.Mutex
	at := time.Now().UTC().Truncate(time.Microsecond)
	now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return at
	}
	advance = func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(d)
		m.FastForward(d)
	}
	return open(t, single(m.Addr()), redis.Options{Now: now, GracePeriod: time.Minute}), m, advance, now
}

func at(now time.Time, idle, lifetime time.Duration) func(*sessions.Session) {
	return func(s *sessions.Session) {
		s.CreatedAt, s.UpdatedAt, s.LastSeenAt = now, now, now
		s.ExpiresAt, s.IdleTimeout = now.Add(lifetime), idle
	}
}

// TestIndexesForgetWhatVanished: entries of sessions that nobody has ended do
// not pile up, and those of sessions in use stay.
func TestIndexesForgetWhatVanished(t *testing.T) {
	t.Parallel()
	s, m, advance, now := moved(t)
	used := create(t, s, at(now(), 10*time.Minute, 100*time.Hour))
	for range 200 {
		for range 3 {
			create(t, s, at(now(), 10*time.Minute, 100*time.Hour))
		}
		advance(time.Minute)
		if err := s.Touch(t.Context(), used.ID, now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range m.Keys() {
		if m.Type(key) != "zset" {
			continue
		}
		// Those of eleven minutes are there, and the one that is in use.
		if members, err := m.ZMembers(key); err != nil || len(members) > 50 {
			t.Errorf("%s has %d entries, %v", key, len(members), err)
		}
	}
	if n, err := s.Count(t.Context()); err != nil || n["oidc"] > 34 || n["oidc"] < 31 {
		t.Errorf("count: got %v, %v, want about 3 for each of 11 minutes", n, err)
	}
	page, err := s.List(t.Context(), sessions.Filter{Principal: used.Identity.Principal}, 1, "")
	if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ID != used.ID {
		t.Errorf("the session in use is not listed: %v, %v", page, err)
	}
	advance(101 * time.Hour)
	if keys := m.Keys(); len(keys) != 1 { // the key that seals
		t.Errorf("%d keys are left after everything is over: %v", len(keys), keys)
	}
}

// TestIndexesOfExpiredSessions: who is ended early is not counted until late.
func TestIndexesOfExpiredSessions(t *testing.T) {
	t.Parallel()
	s, _, advance, now := moved(t)
	for range 10 {
		made := create(t, s, at(now(), 0, 100*time.Hour))
		if err := s.Expire(t.Context(), made.ID, now()); err != nil {
			t.Fatal(err)
		}
	}
	advance(2 * time.Minute)
	if n, err := s.Count(t.Context()); err != nil || len(n) != 0 {
		t.Errorf("count: got %v, %v, want none", n, err)
	}
}

// TestLogoutDoesNotDependOnTheNumberOfSessions counts what a server does for it.
func TestLogoutDoesNotDependOnTheNumberOfSessions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	s := open(t, single(server.Addr), redis.Options{})
	cost := func() (commands int64) {
		t.Helper()
		made := create(t, s)
		before := processed(t, c)
		if err := s.Delete(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		return processed(t, c) - before
	}
	cost()
	few := cost()
	for range 300 {
		create(t, s)
	}
	if many := cost(); many > few {
		t.Errorf("%d commands with 300 sessions, %d with none", many, few)
	}
}

// processed is how many commands a server has run, in scripts too.
func processed(t *testing.T, c *goredis.Client) (n int64) {
	t.Helper()
	text, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`calls=(\d+)`).FindAllStringSubmatch(text, -1) {
		calls, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		n += calls
	}
	return n
}
