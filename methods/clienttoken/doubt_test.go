package clienttoken_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

var errPersonal = fmt.Errorf("op: %w", &gateward.UnavailableError{Reason: "rate limit", RetryAfter: time.Hour, Personal: true})

func (m *members) fail(err error) { m.set(func(m *members) { m.err = err }) }

// TestSEC_E08_PersonalFailuresKeepNobodyIn: whoever can make the provider have no
// answer about them keeps access for an hour or four intervals, tokens that are
// renewed meanwhile or not.
func TestSEC_E08_PersonalFailuresKeepNobodyIn(t *testing.T) {
	t.Parallel()
	renewed := gateward.Tokens{AccessToken: gateward.NewSecret("access-1"), RefreshToken: gateward.NewSecret("refresh-1"), Expiry: time.Now().Add(1e6 * time.Hour)}
	for interval, bound := range map[time.Duration]time.Duration{time.Minute: time.Hour, quarter: time.Hour, time.Hour: 4 * time.Hour} {
		for name, tokens := range map[string]gateward.Tokens{"": {}, "half renewed": renewed} {
			t.Run(fmt.Sprint(interval, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, hub := newMembers(t)
					hub.interval, hub.err, hub.tokens = interval, errPersonal, tokens
					m := w.replica()
					c, s := w.begin(member)
					end := s.CreatedAt.Add(bound)
					time.Sleep(interval)
					for time.Now().Before(end) {
						id := must(t, m, c)
						if id.Organizations[0] != "answer-0" || id.FreshUntil.After(end) || time.Until(id.FreshUntil) > 5*time.Second {
							t.Fatalf("got %v, fresh until %v", id.Organizations, id.FreshUntil)
						}
						time.Sleep(min(7*time.Second, time.Until(end)))
					}
					for range 100 { // with a new question, and without
						wantErr(t, m, c, gateward.ErrUnavailable)
						time.Sleep(3 * time.Second)
					}
					if _, err := w.store.Get(t.Context(), s.ID); err != nil {
						t.Errorf("the session: %v", err)
					}
					hub.fail(nil)
					time.Sleep(5 * time.Second)
					must(t, m, c)
					// The new answer counts as any other.
					hub.set(func(m *members) { m.err, m.tokens = errDown, gateward.Tokens{} })
					time.Sleep(bound + time.Hour)
					must(t, m, c)
				})
			})
		}
	}
}

// TestSEC_E08_OutagesEndNoDoubt: whatever follows a failure that is the person's,
// and on whichever replica.
func TestSEC_E08_OutagesEndNoDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		a, b := w.replica(), w.replica()
		c, s := w.begin(member)
		time.Sleep(quarter)
		for i := 0; time.Since(s.CreatedAt) < time.Hour; i++ {
			hub.fail([]error{errPersonal, errDown}[i%2])
			for _, m := range []*clienttoken.Method{a, b} {
				must(t, m, c)
				time.Sleep(min(6*time.Second, time.Until(s.CreatedAt.Add(time.Hour))))
			}
		}
		for _, err := range []error{errDown, errPersonal, errDown} {
			hub.fail(err)
			for range 60 {
				wantErr(t, a, c, gateward.ErrUnavailable)
				wantErr(t, b, c, gateward.ErrUnavailable)
				time.Sleep(6 * time.Second)
			}
		}
		hub.fail(nil)
		time.Sleep(6 * time.Second)
		must(t, a, c)
		must(t, b, c)
	})
}

// TestSEC_E08_ReplicaThatHasNotAsked judges by an answer of its own, and by none as
// long as it cannot have one.
func TestSEC_E08_ReplicaThatHasNotAsked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want error
	}{
		"the person's": {errPersonal, gateward.ErrUnavailable},
		"an outage":    {errDown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, hub := newMembers(t)
				c, _ := w.begin(member)
				other, _ := w.begin(member)
				time.Sleep(2 * time.Hour)
				// An outage that others met is no answer about this person.
				m := w.replica()
				hub.fail(errDown)
				must(t, m, other)
				hub.fail(tt.err)
				for range 3 {
					if _, err := m.Authenticate(t.Context(), c); !errors.Is(err, tt.want) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				}
				for range 3 { // each new
					if _, err := w.replica().Authenticate(t.Context(), c); !errors.Is(err, tt.want) {
						t.Errorf("new: got %v, want %v", err, tt.want)
					}
				}
			})
		})
	}
	t.Run("another replica asks and asks", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, hub := newMembers(t)
			m := w.replica()
			c, s := w.begin(member)
			lease, err := w.store.Acquire(t.Context(), "refresh:"+s.ID, 100*time.Hour)
			if err != nil || lease == nil {
				t.Fatalf("got %v, %v", lease, err)
			}
			time.Sleep(time.Hour - 10*time.Second)
			must(t, m, c)
			time.Sleep(10 * time.Second)
			for range 100 {
				wantErr(t, m, c, gateward.ErrUnavailable)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if _, err := m.Authenticate(ctx, c); !errors.Is(err, gateward.ErrUnavailable) {
					t.Errorf("in a hurry: %v", err)
				}
				cancel()
				time.Sleep(3 * time.Second)
			}
			if hub.count() != 0 {
				t.Errorf("asked %d times", hub.count())
			}
		})
	})
}

// TestSEC_E08_WhereNoQuestionMayBegin an old answer does not count: there are too
// many on their way.
func TestSEC_E08_WhereNoQuestionMayBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		hub.delay = 20 * time.Second
		m := w.replica()
		c, _ := w.begin(member)
		var hanging []gateward.Credential
		for range 512 {
			one, _ := w.begin(member)
			hanging = append(hanging, one)
		}
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		for _, one := range hanging {
			all.Go(func() {
				if _, err := m.Authenticate(ctx, one); err != nil {
					t.Errorf("whose answer is on its way: %v", err)
				}
			})
		}
		all.Wait()
		wantErr(t, m, c, gateward.ErrUnavailable)
		if hub.count() != 512 {
			t.Errorf("asked %d times", hub.count())
		}
		time.Sleep(20 * time.Second)
		must(t, m, c)
	})
}

// TestSEC_E08_SlowQuestionsKeepNobodyIn: an answer that is long in coming is none.
func TestSEC_E08_SlowQuestionsKeepNobodyIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		hub.err, hub.delay = errPersonal, 25*time.Second
		m := w.replica()
		c, _ := w.begin(member)
		time.Sleep(2 * time.Hour)
		begun := time.Now()
		for time.Since(begun) < 10*time.Minute {
			_, err := m.Authenticate(t.Context(), c)
			if took := time.Since(begun); (err == nil) != (took < 12*time.Second) || err != nil && !errors.Is(err, gateward.ErrUnavailable) {
				t.Fatalf("after %v: %v", took, err)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestSEC_E08_DoubtNeedsAClock: of an answer from the future it is not known how
// long it has counted.
func TestSEC_E08_DoubtNeedsAClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		m := w.replica()
		c, _ := w.begin(func(s *sessions.Session) { member(s); s.Identity.ConfirmedAt = s.CreatedAt.Add(10 * time.Hour) })
		hub.fail(errPersonal)
		wantErr(t, m, c, gateward.ErrUnavailable)
		wantErr(t, m, c, gateward.ErrUnavailable)
	})
}

// TestRecheck_LastAnswerCountsWhileTheStoreTakesNothing, which is nobody's doing.
func TestRecheck_LastAnswerCountsWhileTheStoreTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newMembers(t)
		m := w.replica()
		c, _ := w.begin(member)
		w.store.set("acquire", errDown)
		time.Sleep(3 * time.Hour)
		for range 10 {
			must(t, m, c)
			time.Sleep(3 * time.Second)
		}
	})
}

// TestRecheck_AnotherReplicasAnswerEndsTheDoubt here, too.
func TestRecheck_AnotherReplicasAnswerEndsTheDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		a, b := w.replica(), w.replica()
		c, _ := w.begin(member)
		hub.fail(errPersonal)
		time.Sleep(quarter)
		must(t, a, c)
		hub.fail(nil)
		must(t, b, c)
		hub.fail(errDown)
		time.Sleep(3 * time.Hour)
		must(t, a, c)
	})
}
