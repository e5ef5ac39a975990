package file

import (
	"context"
	"time"

	"github.com/gateward/gateward/sessions"
)

// Publish implements [sessions.Bus]. It never fails.
func (s *Store) Publish(ctx context.Context, r sessions.Revocation) error {
	return s.bus.Publish(ctx, r)
}

// Subscribe implements [sessions.Bus].
func (s *Store) Subscribe(l sessions.Listener) (cancel func()) { return s.bus.Subscribe(l) }

// Acquire implements [sessions.Leaser]. It never fails.
func (s *Store) Acquire(ctx context.Context, name string, ttl time.Duration) (sessions.Lease, error) {
	return s.leases.Acquire(ctx, name, ttl)
}
