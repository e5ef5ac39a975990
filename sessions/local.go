package sessions

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A LocalBus is the [Bus] of a backend that one process uses: there are no other
// listeners than those of this process, and who listens hears everything at once.
// The zero value is ready for use.
type LocalBus struct {
	mu        sync.Mutex
	listeners []*localListener // replaced, never written to
}

var _ Bus = (*LocalBus)(nil)

type localListener struct{ Listener }

// Publish implements [Bus]. It never fails.
func (b *LocalBus) Publish(_ context.Context, r Revocation) error {
	b.Tell(r)
	return nil
}

// Tell is Publish for a backend that has revoked something itself. Its locks are
// not held then, or a listener could not come back to it.
func (b *LocalBus) Tell(r Revocation) {
	b.mu.Lock()
	all := b.listeners
	b.mu.Unlock()
	for _, l := range all {
		l.Revoked(r)
	}
}

// Subscribe implements [Bus]. The listener is told that it hears before Subscribe
// returns, and nothing takes that back.
func (b *LocalBus) Subscribe(l Listener) (cancel func()) {
	mine := &localListener{l}
	b.mu.Lock()
	b.listeners = append(slices.Clone(b.listeners), mine)
	b.mu.Unlock()
	l.Hearing(true)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listeners = slices.DeleteFunc(slices.Clone(b.listeners), func(o *localListener) bool { return o == mine })
	}
}

// LocalLeases is the [Leaser] of a backend that one process uses: parts of this
// process hold the leases, which end with it.
type LocalLeases struct {
	now func() time.Time

	mu     sync.Mutex
	byName map[string]*localLease
}

var _ Leaser = (*LocalLeases)(nil)

// NewLocalLeases returns a LocalLeases in which nothing is held.
func NewLocalLeases(now func() time.Time) *LocalLeases {
	return &LocalLeases{now: now, byName: map[string]*localLease{}}
}

type localLease struct {
	of    *LocalLeases
	name  string
	until time.Time
}

// Acquire implements [Leaser]. It never fails.
func (ls *LocalLeases) Acquire(_ context.Context, name string, ttl time.Duration) (Lease, error) {
	now := ls.now()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l, taken := ls.byName[name]; taken && now.Before(l.until) {
		return nil, nil //nolint:nilnil // the contract's way to say that somebody else has it
	}
	l := &localLease{ls, name, now.Add(ttl)}
	ls.byName[name] = l
	return l, nil
}

// Sweep forgets the leases that are over without having been released.
func (ls *LocalLeases) Sweep() {
	now := ls.now()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for name, l := range ls.byName {
		if !now.Before(l.until) {
			delete(ls.byName, name)
		}
	}
}

// Len returns how many leases are remembered, those included that are over and
// that [LocalLeases.Sweep] has not met yet.
func (ls *LocalLeases) Len() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.byName)
}

// Renew implements [Lease].
func (l *localLease) Renew(_ context.Context, ttl time.Duration) (bool, error) {
	now := l.of.now()
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.byName[l.name] != l || !now.Before(l.until) {
		return false, nil
	}
	l.until = now.Add(ttl)
	return true, nil
}

// Release implements [Lease].
func (l *localLease) Release(context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.byName[l.name] == l {
		delete(l.of.byName, l.name)
	}
	return nil
}
