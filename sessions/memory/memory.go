// Package memory keeps sessions and users in the process: bounded, swept, and
// gone when the process ends. It is for one replica.
//
// What a backend promises is written in package sessions. Here, a session is a
// fixed-size entry that everything but its reading works on (table.go), and a
// compressed record (record.go): the garbage collector sees one pointer for each.
// Users are kept apart from them (users.go).
package memory

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// DefaultMaxSessions and DefaultMaxUsers are the caps where none are given.
const (
	DefaultMaxSessions = 1_000_000
	DefaultMaxUsers    = 1_000_000
)

// sweepInterval is how often what is over is removed, and sweepStep how many
// entries are looked at before others have their turn.
const (
	sweepInterval = time.Minute
	sweepStep     = 4096
)

// Options are what a [Store] is made with.
type Options struct {
	// Now and Random are required.
	Now    func() time.Time
	Random io.Reader
	// MaxSessions is how many sessions are kept at most, expired ones included;
	// zero means [DefaultMaxSessions].
	MaxSessions int
	// MaxUsers is how many users are kept at most; zero means [DefaultMaxUsers].
	MaxUsers int
	// GracePeriod is how long a session that is over is still listed.
	GracePeriod time.Duration
	// OnEvict, if any, is called for every live session that is dropped because
	// there are too many. It returns quickly.
	OnEvict func()
}

// A Store is a [sessions.Backend]. When it is full, a new session takes the place
// of one that is over; if none is, of the one created first, which is revoked: who
// logs in now is more likely there than who logged in first. Which was first does
// not depend on the clock.
type Store struct {
	o      Options
	pack   packer
	bus    sessions.LocalBus
	leases *sessions.LocalLeases

	mu    sync.RWMutex // over everything below
	table table
	used  map[string]map[string]time.Time // by kind and name, until when
	marks map[string]mark
	keys  map[string][]byte

	users userTable // has a lock of its own

	stop func()
}

// New returns an empty Store.
func New(o Options) *Store {
	if o.MaxSessions <= 0 {
		o.MaxSessions = DefaultMaxSessions
	}
	if o.MaxUsers <= 0 {
		o.MaxUsers = DefaultMaxUsers
	}
	s := &Store{
		o: o, table: newTable(), leases: sessions.NewLocalLeases(o.Now), used: map[string]map[string]time.Time{},
		marks: map[string]mark{}, keys: map[string][]byte{}, users: newUserTable(),
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	s.stop = sync.OnceFunc(func() {
		close(stop)
		<-stopped
	})
	go func() {
		defer close(stopped)
		s.sweepUntil(stop)
	}()
	return s
}

var _ sessions.Backend = (*Store)(nil)

// Create implements [sessions.Store].
func (s *Store) Create(_ context.Context, n sessions.Session) error {
	n.Revision = 1
	text, err := s.pack.pack(&n)
	if err != nil {
		return err
	}
	now := s.o.Now()
	s.mu.Lock()
	dropped, live := s.makeRoom(now)
	s.table.insert(&n, text)
	s.mu.Unlock()
	for range live {
		if s.o.OnEvict != nil {
			s.o.OnEvict()
		}
	}
	if len(dropped) > 0 {
		s.bus.Tell(sessions.Revocation{Keys: dropped})
	}
	return nil
}

// makeRoom drops sessions until there is room for one more. It returns their
// keys, and how many of them were live.
func (s *Store) makeRoom(now time.Time) (dropped []sessions.Key, live int) {
	for s.table.len() >= s.o.MaxSessions {
		i, ok := s.table.dispensable(now)
		if !ok {
			break
		}
		e := s.table.at(i)
		if e.live(now) {
			live++
		}
		dropped = append(dropped, e.key)
		s.table.remove(i)
	}
	return dropped, live
}

// Get implements [sessions.Store].
func (s *Store) Get(_ context.Context, id string) (sessions.Session, error) {
	now := s.o.Now()
	s.mu.RLock()
	_, e, ok := s.live(id, now)
	var kept entry
	if ok {
		kept = *e
	}
	s.mu.RUnlock()
	if !ok {
		return sessions.Session{}, sessions.ErrNotFound
	}
	return kept.session()
}

// live returns the entry of a session that can be used at now.
func (s *Store) live(id string, now time.Time) (uint32, *entry, bool) {
	i, ok := s.table.find(id)
	if !ok {
		return none, nil, false
	}
	e := s.table.at(i)
	return i, e, e.live(now)
}

// Touch implements [sessions.Store].
func (s *Store) Touch(_ context.Context, id string, seen time.Time) error {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, e, ok := s.live(id, now); ok {
		e.seen = max(e.seen, micro(seen))
		s.table.rescheduled(i)
	}
	return nil
}

// Replace implements [sessions.Store].
func (s *Store) Replace(_ context.Context, with sessions.Session) error {
	now := s.o.Now()
	s.mu.RLock()
	_, e, err := s.ofRevision(&with, now)
	var kept entry
	if err == nil {
		kept = *e
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	was, err := kept.session()
	if err != nil {
		return err
	}
	merged := sessions.Merge(&was, &with, now)
	text, err := s.pack.pack(&merged)
	if err != nil {
		return err
	}
	s.mu.Lock()
	i, e, err := s.ofRevision(&with, now)
	if err != nil { // somebody was faster
		s.mu.Unlock()
		return err
	}
	s.table.replace(with.ID, &merged, text)
	e.revision, e.updated, e.expires = merged.Revision, micro(now), min(e.expires, micro(with.ExpiresAt))
	s.table.rescheduled(i)
	s.mu.Unlock()
	s.bus.Tell(sessions.Revocation{Keys: []sessions.Key{kept.key}})
	return nil
}

// ofRevision returns the entry of a live session that has not been replaced
// since it was read.
func (s *Store) ofRevision(read *sessions.Session, now time.Time) (uint32, *entry, error) {
	i, e, ok := s.live(read.ID, now)
	switch {
	case !ok:
		return none, nil, sessions.ErrNotFound
	case e.revision != read.Revision:
		return none, nil, sessions.ErrConflict
	}
	return i, e, nil
}

// Expire implements [sessions.Store].
func (s *Store) Expire(_ context.Context, id string, at time.Time) error {
	now := s.o.Now()
	s.mu.Lock()
	i, e, ok := s.live(id, now)
	if !ok {
		s.mu.Unlock()
		return sessions.ErrNotFound
	}
	if end := micro(at); end < e.expires {
		e.expires, e.updated = end, micro(now)
		s.table.rescheduled(i)
	}
	key := e.key
	s.mu.Unlock()
	s.bus.Tell(sessions.Revocation{Keys: []sessions.Key{key}})
	return nil
}

// Delete implements [sessions.Store].
func (s *Store) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	i, ok := s.table.find(id)
	if !ok {
		s.mu.Unlock()
		return nil
	}
	key := s.table.at(i).key
	s.table.remove(i)
	s.mu.Unlock()
	s.bus.Tell(sessions.Revocation{Keys: []sessions.Key{key}})
	return nil
}

// maxUsed bounds the used names of one kind that are remembered: each login adds
// one, for as long as it may take. Kinds, which end at a name's first colon, have
// bounds of their own: many logins are no reason to refuse a logout.
const maxUsed = 1 << 20

// Use implements [sessions.Once].
func (s *Store) Use(_ context.Context, name string, until time.Time) (bool, error) {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, _, _ := strings.Cut(name, ":")
	used := s.used[kind]
	if end, ok := used[name]; ok && now.Before(end) {
		return false, nil
	}
	if len(used) >= maxUsed {
		return false, fmt.Errorf("memory: %d names of the kind %s are in use: %w", len(used), kind, gateward.ErrUnavailable)
	}
	if used == nil {
		used = map[string]time.Time{}
		s.used[kind] = used
	}
	used[name] = until
	return true, nil
}

// Key implements [sessions.Keys]. The secret is as old as the process.
func (s *Store) Key(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[name]
	if !ok {
		k = make([]byte, 32)
		if _, err := io.ReadFull(s.o.Random, k); err != nil {
			return nil, fmt.Errorf("memory: make key: %w: %w", gateward.ErrUnavailable, err)
		}
		s.keys[name] = k
	}
	return append([]byte(nil), k...), nil
}

// Ping implements [sessions.Backend]. There is nothing that could be down.
func (*Store) Ping(context.Context) error { return nil }

// Close implements [sessions.Backend]. It ends the sweeping; the sessions stay
// until nobody refers to the Store.
func (s *Store) Close() error {
	s.stop()
	return nil
}

func (s *Store) sweepUntil(stop <-chan struct{}) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			s.sweep()
		}
	}
}

// sweep removes what nothing may find any more.
func (s *Store) sweep() {
	now := s.o.Now()
	over := now.Add(-s.o.GracePeriod)
	for from, more := 0, true; more; from += sweepStep {
		s.mu.Lock()
		more = s.table.sweep(from, from+sweepStep, over)
		s.mu.Unlock()
	}
	s.mu.Lock()
	for _, used := range s.used {
		maps.DeleteFunc(used, func(_ string, until time.Time) bool { return !now.Before(until) })
	}
	s.sweepMarks(now)
	s.mu.Unlock()
	s.leases.Sweep()
}
