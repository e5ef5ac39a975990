package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSEC_G14_TTLOfMarks: a mark is gone when the latest until is over, whatever
// is marked in which order.
func TestSEC_G14_TTLOfMarks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	now := time.Now()
	for _, step := range []struct {
		at, until, want time.Duration
	}{
		{0, 10 * time.Minute, 10 * time.Minute},
		{time.Second, 5 * time.Minute, 10 * time.Minute},
		{-time.Second, time.Hour, time.Hour},
		{-time.Second, -time.Hour, time.Hour},
	} {
		if err := s.Mark(ctx, "a", now.Add(step.at), now.Add(step.until)); err != nil {
			t.Fatal(err)
		}
		keys, err := c.Keys(ctx, "gateward:m:*").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("got keys %v, %v, want one", keys, err)
		}
		if ttl, err := c.PTTL(ctx, keys[0]).Result(); err != nil || ttl > step.want || ttl < step.want-4*time.Minute {
			t.Errorf("%v until %v: time to live %v, %v, want about %v", step.at, step.until, ttl, err, step.want)
		}
	}
}

// TestSEC_G13_WhatIsNoMarkIsNoAnswer: nobody takes it for "has not happened".
func TestSEC_G13_WhatIsNoMarkIsNoAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	now := time.Now().Truncate(time.Microsecond)
	if err := s.Mark(ctx, "a", now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	key := c.Keys(ctx, "gateward:m:*").Val()[0]
	for _, bad := range []string{"", "soon", "1.5"} {
		c.Set(ctx, key, bad, time.Hour)
		if at, err := s.Marked(ctx, "a"); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%q: got %v, %v, want %v", bad, at, err, gateward.ErrUnavailable)
		}
	}
	if err := s.Mark(ctx, "a", now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if at, err := s.Marked(ctx, "a"); !at.Equal(now) || err != nil {
		t.Errorf("marked again: got %v, %v, want %v", at, err, now)
	}
}
