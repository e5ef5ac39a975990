package memory

import (
	"context"
	"sync"
	"time"

	"github.com/gateward/gateward/sessions"
)

// leases are held by parts of this process.
type leases struct {
	now func() time.Time

	mu     sync.Mutex
	byName map[string]*lease
}

type lease struct {
	of    *leases
	name  string
	until time.Time
}

// Acquire implements [sessions.Leaser].
func (ls *leases) Acquire(_ context.Context, name string, ttl time.Duration) (sessions.Lease, error) {
	now := ls.now()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l, taken := ls.byName[name]; taken && now.Before(l.until) {
		return nil, nil //nolint:nilnil // the contract's way to say that somebody else has it
	}
	if ls.byName == nil {
		ls.byName = map[string]*lease{}
	}
	l := &lease{ls, name, now.Add(ttl)}
	ls.byName[name] = l
	return l, nil
}

// sweep drops the leases that are over.
func (ls *leases) sweep() {
	now := ls.now()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for name, l := range ls.byName {
		if !now.Before(l.until) {
			delete(ls.byName, name)
		}
	}
}

// Renew implements [sessions.Lease].
func (l *lease) Renew(_ context.Context, ttl time.Duration) (bool, error) {
	now := l.of.now()
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.byName[l.name] != l || !now.Before(l.until) {
		return false, nil
	}
	l.until = now.Add(ttl)
	return true, nil
}

// Release implements [sessions.Lease].
func (l *lease) Release(context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.byName[l.name] == l {
		delete(l.of.byName, l.name)
	}
	return nil
}
