package redis

import (
	"context"
	"time"

	"github.com/gateward/gateward/sessions"
)

// Use implements [sessions.Once].
func (s *Store) Use(ctx context.Context, name string, until time.Time) (bool, error) {
	nonce, err := s.nonce()
	if err != nil {
		return false, err
	}
	return s.obtain(ctx, "use once", s.names.once(name), nonce, until.Sub(s.now()))
}

// obtain reports whether a key is now the caller's.
func (s *Store) obtain(ctx context.Context, op, key, nonce string, ttl time.Duration) (bool, error) {
	c := call(s.scripts.take, key, nonce, exactly(ttl))
	err := s.runDurable(ctx, op, c)
	return err == nil && c.int() == 1, err
}

// exactly is a time to live in milliseconds, one at least.
func exactly(ttl time.Duration) int64 {
	if ttl < time.Second {
		return max(ttl.Milliseconds(), 1)
	}
	return milliseconds(ttl)
}

// A lease is one in Redis. It ends by the clock of Redis, which is the same for
// all replicas.
type lease struct {
	store *Store
	key   string
	nonce string
}

// Acquire implements [sessions.Leaser].
func (s *Store) Acquire(ctx context.Context, name string, ttl time.Duration) (sessions.Lease, error) {
	nonce, err := s.nonce()
	if err != nil {
		return nil, err
	}
	l := &lease{s, s.names.lease(name), nonce}
	if ok, err := s.obtain(ctx, "acquire lease", l.key, nonce, ttl); !ok {
		return nil, err
	}
	return l, nil
}

// Renew implements [sessions.Lease].
func (l *lease) Renew(ctx context.Context, ttl time.Duration) (bool, error) {
	c := call(l.store.scripts.renew, l.key, l.nonce, exactly(ttl))
	err := l.store.runDurable(ctx, "renew lease", c)
	return err == nil && c.int() == 1, err
}

// Release implements [sessions.Lease].
func (l *lease) Release(ctx context.Context) error {
	return l.store.run(ctx, "release lease", call(l.store.scripts.release, l.key, l.nonce))
}
