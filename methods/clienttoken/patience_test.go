package clienttoken_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

func TestSEC_L04_SlowProviderHoldsNoRequestUp(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var all []*clienttoken.Method
			for range replicas {
				all = append(all, w.replica())
			}
			c, _ := w.begin(expiring(time.Hour))
			w.op.set(func(p *provider) { p.delay = 20 * time.Second })
			time.Sleep(time.Hour)

			// A request that has little time gets its answer within it.
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if id, err := all[0].Authenticate(ctx, c); err != nil || id.Groups[0] != "dev" || ctx.Err() != nil {
				t.Errorf("got %v, %v after %v", id.Groups, err, time.Since(begun))
			}
			// Those that have more wait for half a second.
			begun = time.Now()
			for i, id := range together(t, 20, c, all...) {
				if id.Groups[0] != "dev" || time.Until(id.FreshUntil) > time.Second || !id.FreshUntil.After(time.Now()) {
					t.Errorf("request %d: got %v, fresh for %v", i, id.Groups, time.Until(id.FreshUntil))
				}
			}
			if took := time.Since(begun); took > 500*time.Millisecond {
				t.Errorf("waited for %v", took)
			}
			// Nobody waits again for what is slow.
			begun = time.Now()
			for _, id := range together(t, 20, c, all...) {
				if !id.FreshUntil.Equal(begun.Add(time.Second)) {
					t.Errorf("fresh for %v", id.FreshUntil.Sub(begun))
				}
			}
			if took := time.Since(begun); took != 0 {
				t.Errorf("waited once more, for %v", took)
			}
			time.Sleep(25 * time.Second)
			for _, m := range all {
				if id := must(t, m, c); id.Groups[0] != "fresh-1" || w.op.count() != 1 {
					t.Errorf("got %v, asked %d times", id.Groups, w.op.count())
				}
			}
		})
	}
}

// TestRefresh_SlowFromBefore: a refresh that was begun ahead has had its time when
// the token expires.
func TestRefresh_SlowFromBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, _ := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.delay = 20 * time.Second })
		time.Sleep(time.Hour - 5*time.Second)
		must(t, m, c)
		time.Sleep(5 * time.Second)
		begun := time.Now()
		if id := must(t, m, c); id.Groups[0] != "dev" || time.Since(begun) != 0 {
			t.Errorf("got %v after %v", id.Groups, time.Since(begun))
		}
	})
}

func TestRefresh_SlowBeyondTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		w.op.set(func(p *provider) { p.delay = 20 * time.Second })
		for name, after := range map[string]time.Duration{
			"hours":                    3 * time.Hour,
			"it ends while one waits":  5*time.Minute - 200*time.Millisecond,
			"it ends as the wait does": 5*time.Minute - 500*time.Millisecond,
		} {
			c, _ := w.begin(expiring(time.Hour))
			time.Sleep(time.Hour + after)
			begun := time.Now()
			wantErr(t, m, c, gateward.ErrUnavailable)
			if took := time.Since(begun); took != 4*time.Second {
				t.Errorf("%s: waited for %v, want four seconds", name, took)
			}
			time.Sleep(17 * time.Second)
			must(t, m, c)
		}
	})
}

func TestSEC_G07_NotGivenOutIfItEndsWhileRequestsWait(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*sessions.Session){
		"absolute": func(s *sessions.Session) { s.ExpiresAt = s.CreatedAt.Add(time.Hour) },
		"idle":     func(s *sessions.Session) { s.IdleTimeout = time.Hour },
	} {
		for what, delay := range map[string]time.Duration{"in vain": 20 * time.Second, "for a refresh": 400 * time.Millisecond} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					m := w.replica()
					w.op.set(func(p *provider) { p.delay = delay })
					c, _ := w.begin(func(s *sessions.Session) { expiring(59 * time.Minute)(s); edit(s) })
					time.Sleep(time.Hour - 300*time.Millisecond)
					done := make(chan struct{})
					go func() {
						defer close(done)
						_, _ = m.Authenticate(context.Background(), c)
					}()
					time.Sleep(100 * time.Millisecond)
					wantErr(t, m, c, gateward.ErrInvalidCredential)
					<-done
				})
			})
		}
	}
}

// TestSEC_G07_TouchOfWhatIsGoneProlongsNothing: the session ends between the look
// at it and the touch, of which the store says nothing.
func TestSEC_G07_TouchOfWhatIsGoneProlongsNothing(t *testing.T) {
	t.Parallel()
	idle := func(s *sessions.Session) { s.IdleTimeout = 10 * time.Minute }
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.replica()
			c, s := w.begin(idle)
			time.Sleep(5 * time.Minute)
			w.op.admit = func(*gateward.Identity) error {
				return w.store.Store.Delete(context.Background(), s.ID)
			}
			wantErr(t, m, c, gateward.ErrInvalidCredential)
		})
	})
	t.Run("shortened", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.replica()
			c, s := w.begin(idle)
			time.Sleep(5 * time.Minute)
			end := time.Now().Add(time.Minute)
			w.op.admit = func(*gateward.Identity) error {
				return w.store.Expire(context.Background(), s.ID, end)
			}
			if id := must(t, m, c); !id.Expiry.Equal(end) {
				t.Errorf("got expiry %v, want %v", id.Expiry, end)
			}
		})
	})
	t.Run("the store cannot say", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.replica()
			c, s := w.begin(idle)
			time.Sleep(5 * time.Minute)
			w.op.admit = func(*gateward.Identity) error { w.store.set("get", errHangs); return nil }
			if id := must(t, m, c); !id.Expiry.Equal(s.LastSeenAt.Add(s.IdleTimeout)) {
				t.Errorf("got expiry %v, want %v", id.Expiry, s.LastSeenAt.Add(s.IdleTimeout))
			}
		})
	})
	t.Run("over while the touch is waited for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.replica()
			c, _ := w.begin(idle)
			time.Sleep(10*time.Minute - 100*time.Millisecond)
			w.store.set("touch", errHangs)
			wantErr(t, m, c, gateward.ErrInvalidCredential)
		})
	})
}
