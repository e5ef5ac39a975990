package github

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSEC_E08_TurnsOfOnePerson: whoever waits for others about the same person
// keeps nobody else waiting, and is told apart from who waits for GitHub.
func TestSEC_E08_TurnsOfOnePerson(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"answered": true, "hanging": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlots()
				waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var ends []func(bool)
				for range maxOwn {
					end, late, err := s.turn(waiting, "1")
					if err != nil || late {
						t.Fatalf("late %v: %v", late, err)
					}
					ends = append(ends, end)
				}
				type result struct {
					late bool
					err  error
				}
				results := make(chan result)
				for range 2 {
					go func() {
						_, late, err := s.turn(waiting, "1")
						results <- result{late, err}
					}()
				}
				synctest.Wait()
				if _, late, err := s.turn(waiting, "2"); err != nil || late {
					t.Fatalf("somebody else: late %v: %v", late, err)
				}
				ends[0](answered)
				if r := <-results; r.err != nil || r.late != answered {
					t.Errorf("the next: late %v: %v", r.late, r.err)
				}
				if r := <-results; !errors.Is(r.err, context.DeadlineExceeded) || r.late != answered {
					t.Errorf("the last: late %v: %v", r.late, r.err)
				}
			})
		})
	}
}

// TestSlotsAreGivenBack, with all that is remembered of a person.
func TestSlotsAreGivenBack(t *testing.T) {
	t.Parallel()
	s := newSlots()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var ends []func(bool)
	for _, who := range []string{"1", "", "1", "", ""} {
		end, _, err := s.turn(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, late, err := s.turn(over, "1"); !errors.Is(err, context.Canceled) || late {
		t.Errorf("beyond its own: late %v: %v", late, err)
	}
	for _, end := range ends {
		end(true)
	}
	if len(s.people) != 0 {
		t.Errorf("%d people are left", len(s.people))
	}
	for range maxConcurrent {
		if err := s.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.take(over); !errors.Is(err, context.Canceled) {
		t.Errorf("no slot left: %v", err)
	}
	s.give()
	if err := s.take(t.Context()); err != nil {
		t.Error(err)
	}
}
