package file

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// touched are the sessions that were used and whose record does not say so yet.
// Whatever reads a record looks here, too.
type touched struct {
	mu   sync.Mutex
	seen map[id]int64
}

// lastTouch returns when a session was last touched, in microseconds; before all
// time if there is nothing to add to its record.
func (t *touched) lastTouch(b id) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.seen[b]; ok {
		return at
	}
	return -1 << 63
}

// Touch implements [sessions.Store]. It does not wait for the disk: a session
// whose last use is lost is at worst idle a second too early.
func (s *Store) Touch(ctx context.Context, text string, seen time.Time) error {
	b, ok := parseID(text)
	if !ok {
		return nil
	}
	return s.view(ctx, func(tx *bbolt.Tx) error {
		record := bucket(tx, inSessions).Get(b[:])
		if record == nil {
			return nil
		}
		f, err := s.facts(b, record)
		if at := seen.UnixMicro(); err == nil && f.live(s.o.Now()) && at > f.seen {
			s.mu.Lock()
			s.seen[b] = max(at, s.seen[b])
			s.mu.Unlock()
		}
		return nil
	})
}

// maxFlush bounds the touches that are written in one transaction.
const maxFlush = 1000

// flush writes what was touched.
func (s *Store) flush(ctx context.Context) {
	for s.flushSome(ctx) {
	}
}

// flushSome writes some of what was touched, and reports whether there is more.
// What cannot be written now is tried again.
func (s *Store) flushSome(ctx context.Context) (more bool) {
	now := map[id]int64{}
	s.mu.Lock()
	for b, at := range s.seen {
		if len(now) == maxFlush {
			more = true
			break
		}
		now[b] = at
	}
	s.mu.Unlock()
	if len(now) == 0 {
		return false
	}
	err := s.transact(func(tx *bbolt.Tx) error {
		for b := range now {
			record := bucket(tx, inSessions).Get(b[:])
			if record == nil {
				continue
			}
			one, err := s.open(ctx, b, record)
			if err != nil {
				continue // it is of no use to anybody
			}
			if _, err := s.rewrite(ctx, tx, b, &one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for b, at := range now {
		if s.seen[b] == at {
			delete(s.seen, b)
		}
	}
	return more
}
