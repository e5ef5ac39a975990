package redis_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestKey_LostIsPutBack: a server that comes back empty gets the key that is in
// use, so that a replica which starts then goes on with the same.
func TestKey_LostIsPutBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, single(server.Addr), redis.Options{})
	e := listen(s)
	before, err := s.Key(t.Context(), "csrf")
	if err != nil {
		t.Fatal(err)
	}
	server.Restart() // it keeps nothing
	c := client(t, server)
	eventually(t, "the key", func(ctx context.Context) error {
		return c.Get(ctx, "gateward:k:csrf").Err()
	})
	e.wait(t, "hearing", func() bool { return e.hearing })
	after, err := open(t, single(server.Addr), redis.Options{}).Key(t.Context(), "csrf")
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("another key after the loss: %v", err)
	}
}

// TestKey_AnotherWasMade: replicas do not go on with different keys, and what
// was sealed with the lost one is still read by who knew it.
func TestKey_AnotherWasMade(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	p := redistest.NewProxy(t, server.Addr)
	s, elsewhere := open(t, single(p.Addr), redis.Options{}), open(t, single(server.Addr), redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	old := create(t, s)
	p.Set(redistest.Cut)
	e.wait(t, "deaf", func() bool { return !e.hearing })
	c, ctx := client(t, server), t.Context()
	if n, err := c.Del(ctx, "gateward:k:"+redis.MasterKey).Result(); n != 1 || err != nil {
		t.Fatalf("there was no key: %d, %v", n, err)
	}
	theirs := create(t, elsewhere) // makes another
	p.Set(redistest.Open)
	eventually(t, "the other's session", func(ctx context.Context) error {
		_, err := s.Get(ctx, theirs.ID)
		return err
	})
	get(t, s, old.ID)
	if _, err := elsewhere.Get(ctx, old.ID); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("with a key that it cannot know: got error %v, want %v", err, sessions.ErrTampered)
	}
	get(t, elsewhere, create(t, s).ID)
}

func TestKey_WhatIsNoKey(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	if err := client(t, server).Set(t.Context(), "gateward:k:csrf", "short", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if k, err := open(t, single(server.Addr), redis.Options{}).Key(t.Context(), "csrf"); err == nil {
		t.Errorf("got a key of %d bytes", len(k))
	}
}
