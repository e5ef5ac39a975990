package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/gateward/gateward"
)

// A mark is when something happened last, and until when that is remembered.
type mark struct{ at, until time.Time }

// maxMarks bounds the marks that are remembered: each logout that a provider
// tells of adds some, for about as long as a login may take.
const maxMarks = 1 << 20

// Mark implements [sessions.Marks].
func (s *Store) Mark(_ context.Context, name string, at, until time.Time) error {
	at = at.UTC().Truncate(time.Microsecond)
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.marks[name]
	if !known && len(s.marks) >= maxMarks {
		return fmt.Errorf("memory: %d names are marked: %w", len(s.marks), gateward.ErrUnavailable)
	}
	if now.Before(m.until) {
		if m.at.After(at) {
			at = m.at
		}
		if m.until.After(until) {
			until = m.until
		}
	}
	s.marks[name] = mark{at, until}
	return nil
}

// Marked implements [sessions.Marks].
func (s *Store) Marked(_ context.Context, name string) (time.Time, error) {
	now := s.o.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.marks[name]; now.Before(m.until) {
		return m.at, nil
	}
	return time.Time{}, nil
}

// sweepMarks forgets the marks whose time is over.
func (s *Store) sweepMarks(now time.Time) {
	for name, m := range s.marks {
		if !now.Before(m.until) {
			delete(s.marks, name)
		}
	}
}
