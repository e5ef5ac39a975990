package memory_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
)

// kept requires that the sessions with these numbers can be used, and no others.
func kept(t *testing.T, s *memory.Store, of int, want func(i int) bool) {
	t.Helper()
	for i := range of {
		_, err := s.Get(t.Context(), typical(i).ID)
		if errors.Is(err, sessions.ErrNotFound) == want(i) {
			t.Errorf("session %d: got %v, want it there: %v", i, err, want(i))
		}
	}
}

func TestSEC_G12_WhatIsOverMakesRoomFirst(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(t *testing.T, s *memory.Store, one sessions.Session){
		"absolute": func(t *testing.T, s *memory.Store, one sessions.Session) {
			one.ExpiresAt = start.Add(time.Minute)
			create(t, s, one)
		},
		"idle": func(t *testing.T, s *memory.Store, one sessions.Session) {
			one.IdleTimeout = time.Minute
			create(t, s, one)
		},
		"expired": func(t *testing.T, s *memory.Store, one sessions.Session) {
			create(t, s, one)
			if err := s.Expire(t.Context(), one.ID, start.Add(time.Minute)); err != nil {
				t.Error(err)
			}
		},
		"shortened": func(t *testing.T, s *memory.Store, one sessions.Session) {
			create(t, s, one)
			one.Revision, one.ExpiresAt = 1, start.Add(time.Minute)
			if err := s.Replace(t.Context(), one); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var evicted atomic.Int32
			now := start
			s := newStore(t, memory.Options{
				Now: func() time.Time { return now }, MaxSessions: 100, GracePeriod: time.Hour,
				OnEvict: func() { evicted.Add(1) },
			})
			for i := range 100 {
				one := typical(i)
				one.CreatedAt, one.LastSeenAt, one.IdleTimeout = start, start, time.Hour
				if i >= 60 && i < 80 {
					over(t, s, one)
				} else {
					create(t, s, one)
				}
			}
			now = start.Add(30 * time.Minute)
			for i := 100; i < 120; i++ {
				create(t, s, typical(i))
			}
			kept(t, s, 120, func(i int) bool { return i < 60 || i >= 80 })
			if n := evicted.Load(); n != 0 {
				t.Errorf("%d sessions evicted although others were over", n)
			}
			// None is over any more: whoever came first is next.
			create(t, s, typical(120))
			kept(t, s, 121, func(i int) bool { return i > 0 && i < 60 || i >= 80 })
			if n, _, _ := s.Sizes(); n != 100 || evicted.Load() != 1 {
				t.Errorf("got %d sessions, %d evicted, want 100 and 1", n, evicted.Load())
			}
		})
	}
}

func TestSEC_G12_UsedSessionsAreNotOver(t *testing.T) {
	t.Parallel()
	now := start
	s := newStore(t, memory.Options{Now: func() time.Time { return now }, MaxSessions: 10, GracePeriod: time.Hour})
	for i := range 10 {
		one := typical(i)
		one.CreatedAt, one.LastSeenAt, one.IdleTimeout = start, start, 10*time.Minute
		create(t, s, one)
	}
	now = start.Add(9 * time.Minute)
	for i := range 10 {
		if i == 7 {
			continue
		}
		if err := s.Touch(t.Context(), typical(i).ID, now); err != nil {
			t.Fatal(err)
		}
	}
	now = start.Add(11 * time.Minute)
	create(t, s, typical(10))
	kept(t, s, 11, func(i int) bool { return i != 7 })
}

func TestSEC_L13_ClockSetBackEvictsNoneOfTheNewest(t *testing.T) {
	t.Parallel()
	now := start
	s := newStore(t, memory.Options{Now: func() time.Time { return now }, MaxSessions: 100})
	fill(t, s, 100)
	now = start.Add(-time.Hour)
	for i := 100; i < 150; i++ {
		one := typical(i)
		one.CreatedAt, one.LastSeenAt = now, now
		create(t, s, one)
	}
	kept(t, s, 150, func(i int) bool { return i >= 50 })
}

// TestSEC_G12_RoomIsMadeInOrder compares which sessions make room, after any
// changes of their deadlines, with a plain list.
func TestSEC_G12_RoomIsMadeInOrder(t *testing.T) {
	t.Parallel()
	drawn := uint64(0)
	draw := func(n int) int { // the same every time
		drawn++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, drawn))
		return int(binary.BigEndian.Uint32(sum[:]) % uint32(n))
	}
	now := start
	s := newStore(t, memory.Options{Now: func() time.Time { return now }, MaxSessions: 64, GracePeriod: 24 * time.Hour})
	type known struct {
		n   int
		end time.Time
	}
	var list []known // in the order in which they came
	for n := range 3000 {
		now = now.Add(time.Duration(draw(1000)) * time.Millisecond)
		if len(list) == 64 {
			gone := 0
			for i, k := range list {
				if !now.Before(k.end) && (now.Before(list[gone].end) || k.end.Before(list[gone].end)) {
					gone = i
				}
			}
			list = append(list[:gone:gone], list[gone+1:]...)
		}
		one := typical(n)
		one.CreatedAt, one.LastSeenAt, one.IdleTimeout = now, now, 0
		// No two end at once, or either could make room.
		one.ExpiresAt = now.Add(time.Duration(1+draw(60))*time.Second + time.Duration(n)*time.Microsecond)
		create(t, s, one)
		list = append(list, known{n, one.ExpiresAt})
		if i := draw(len(list)); draw(3) == 0 && now.Before(list[i].end) {
			end := now.Add(list[i].end.Sub(now)/2 + time.Duration(n)*time.Microsecond)
			if end = end.Truncate(time.Microsecond); end.Before(list[i].end) {
				list[i].end = end
			}
			if err := s.Expire(t.Context(), typical(list[i].n).ID, end); err != nil {
				t.Fatal(err)
			}
		}
		if n%50 != 0 {
			continue
		}
		page, err := s.List(t.Context(), sessions.Filter{Expired: true}, 1000, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Sessions) != len(list) {
			t.Fatalf("after %d: got %d sessions, want %d", n, len(page.Sessions), len(list))
		}
		for i, k := range list {
			if got := page.Sessions[i].ID; got != typical(k.n).ID {
				t.Fatalf("after %d: got another session than %d at %d", n, k.n, i)
			}
		}
	}
}
