package memory_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions/memory"
)

// TestSEC_G12_MarksAreSwept has the Store sweep by itself.
func TestSEC_G12_MarksAreSwept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Options{Now: time.Now, Random: rand.Reader})
		defer s.Close()
		now := time.Now()
		for name, d := range map[string]time.Duration{"a": time.Minute, "b": 10 * time.Minute} {
			if err := s.Mark(t.Context(), name, now, now.Add(d)); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			after time.Duration
			marks int
		}{{0, 2}, {3 * time.Minute, 1}, {12 * time.Minute, 0}} {
			time.Sleep(step.after - time.Since(now)) // the bubble's clock
			synctest.Wait()
			if n := s.Marks(); n != step.marks {
				t.Errorf("after %v: %d marks, want %d", step.after, n, step.marks)
			}
		}
	})
}

// TestSEC_D26_MarksAreBounded: whoever marks too much does not fill the memory,
// and what is marked already can be marked again.
func TestSEC_D26_MarksAreBounded(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memory.New(memory.Options{Now: func() time.Time { return now }, Random: rand.Reader})
	defer s.Close()
	until := now.Add(time.Minute)
	if err := s.Mark(ctx, "known", now, until); err != nil {
		t.Fatal(err)
	}
	s.MarkAll(until)
	if err := s.Mark(ctx, "one more", now, until); !errors.Is(err, gateward.ErrUnavailable) {
		t.Errorf("one more: got error %v, want %v", err, gateward.ErrUnavailable)
	}
	if err := s.Mark(ctx, "known", now, until); err != nil {
		t.Errorf("again: %v", err)
	}
	now = now.Add(2 * time.Minute)
	s.Sweep()
	if err := s.Mark(ctx, "one more", now, now.Add(time.Minute)); err != nil {
		t.Errorf("after the sweep: %v", err)
	}
}
