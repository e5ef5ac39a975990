package clienttoken_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

func TestRefresh_CancelledRequestDoesNotEndIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, _ := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.delay = time.Second })
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := m.Authenticate(ctx, c); !errors.Is(err, gateward.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if id := must(t, m, c); id.Groups[0] != "fresh-1" || w.op.count() != 1 {
			t.Errorf("got %v, asked %d times", id.Groups, w.op.count())
		}
	})
}

func TestRefresh_LeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.replica(), w.replica()
		c, _ := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.delay = 25 * time.Second })
		time.Sleep(time.Hour)
		for range 24 { // the lease alone lasts for ten seconds
			must(t, a, c)
			must(t, b, c)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Second)
		for _, m := range []*clienttoken.Method{a, b} {
			if id := must(t, m, c); id.Groups[0] != "fresh-1" {
				t.Errorf("got %v", id.Groups)
			}
		}
		if n := w.op.count(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestRefresh_ReplicaDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		if l, err := w.store.Acquire(t.Context(), "refresh:"+s.ID, 10*time.Second); err != nil || l == nil {
			t.Fatalf("got %v, %v", l, err)
		}
		begun := time.Now()
		if id := must(t, m, c); id.Groups[0] != "dev" || time.Since(begun) > 4*time.Second {
			t.Errorf("got %v after %v", id.Groups, time.Since(begun))
		}
		time.Sleep(10 * time.Second)
		if id := must(t, m, c); id.Groups[0] != "fresh-1" {
			t.Errorf("got %v", id.Groups)
		}
	})
}

func TestRefresh_SomebodyElseWasFaster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		// Another replica, which has lost its lease, replaces the session while the
		// provider answers us: with success, or by refusing the token that it
		// replaced.
		for _, refuse := range []bool{false, true} {
			c, s := w.begin(expiring(time.Hour))
			time.Sleep(time.Hour)
			w.op.set(func(p *provider) {
				p.during = func() {
					s.Identity.Groups = []string{"theirs"}
					s.Tokens.Expiry, s.Revision = time.Now().Add(time.Hour), 1
					if err := w.store.Replace(context.Background(), s); err != nil {
						t.Error(err)
					}
					if refuse {
						w.op.set(func(p *provider) { clear(p.valid) })
					}
				}
			})
			if id := must(t, m, c); id.Groups[0] != "theirs" {
				t.Errorf("got %v", id.Groups)
			}
		}
	})
}

func TestRefresh_BetweenTheLookAndTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.store.acquiring = func() {
			s.Identity.Groups = []string{"theirs"}
			s.Tokens.Expiry, s.Revision = time.Now().Add(time.Hour), 1
			if err := w.store.Replace(context.Background(), s); err != nil {
				t.Error(err)
			}
		}
		if id := must(t, m, c); id.Groups[0] != "theirs" || w.op.count() != 0 {
			t.Errorf("got %v, asked %d times", id.Groups, w.op.count())
		}

		// Nor does what it has read before count when the session ends earlier now.
		c, s = w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		end := time.Now().Add(time.Minute)
		w.store.acquiring = func() {
			if err := w.store.Expire(context.Background(), s.ID, end); err != nil {
				t.Error(err)
			}
		}
		if id := must(t, m, c); id.Groups[0] != "fresh-1" || !id.Expiry.Equal(end) {
			t.Errorf("got %v, expiry %v, want %v", id.Groups, id.Expiry, end)
		}
	})
}

func TestRefresh_SessionEndsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.op.during = func() {
			if err := w.store.Store.Delete(context.Background(), s.ID); err != nil {
				t.Error(err)
			}
		}
		wantErr(t, m, c, gateward.ErrInvalidCredential)
		wantErr(t, m, c, gateward.ErrInvalidCredential)
	})
}

func TestRefresh_SessionIsShortenedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		end := time.Now().Add(time.Minute)
		w.op.during = func() {
			if err := w.store.Expire(context.Background(), s.ID, end); err != nil {
				t.Error(err)
			}
		}
		must(t, m, c)
		if id := must(t, m, c); !id.Expiry.Equal(end) {
			t.Errorf("got expiry %v, want %v", id.Expiry, end)
		}
	})
}

func TestSEC_D18_RotatedTokensSurviveTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.store.set("replace", errDown)
		for range 30 { // seconds
			if id := must(t, m, c); id.Groups[0] != "fresh-1" {
				t.Errorf("got %v", id.Groups)
			}
			time.Sleep(time.Second)
		}
		w.store.set("replace", nil)
		time.Sleep(3 * time.Second)
		kept, err := w.store.Get(t.Context(), s.ID)
		if err != nil || kept.Revision != 2 || !strings.HasPrefix(kept.Tokens.RefreshToken.Reveal(), "refresh-1") {
			t.Errorf("got %v, revision %d", err, kept.Revision)
		}
		if must(t, m, c); w.op.count() != 1 {
			t.Errorf("asked %d times", w.op.count())
		}

		// For longer than a minute it is not tried.
		c, _ = w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.store.set("replace", errHangs)
		must(t, m, c)
		time.Sleep(65 * time.Second)
		n := w.store.count("replace")
		time.Sleep(time.Minute)
		if w.store.count("replace") != n || !strings.Contains(w.logs.String(), "refreshed tokens are lost") {
			t.Errorf("tried %d times, then %d", n, w.store.count("replace"))
		}
	})
}

func TestRefresh_NoLeaseToBeHad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, _ := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.store.set("acquire", errHangs)
		if id := must(t, m, c); id.Groups[0] != "dev" {
			t.Errorf("got %v", id.Groups)
		}
		w.store.set("acquire", nil)
		time.Sleep(10 * time.Second)
		if id := must(t, m, c); id.Groups[0] != "fresh-1" {
			t.Errorf("got %v", id.Groups)
		}
	})
}

func TestSEC_D18_RefusalCountsThoughNothingCanBeDeleted(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"down": errDown, "hangs": errHangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.replica()
				c, s := w.begin(expiring(time.Hour))
				time.Sleep(time.Hour)
				w.store.set("delete", fault)
				w.op.set(func(p *provider) { clear(p.valid) })
				must(t, m, c) // another replica may come up with fresh tokens
				time.Sleep(5 * time.Second)
				for range 40 { // seconds
					wantErr(t, m, c, gateward.ErrInvalidCredential)
					time.Sleep(time.Second)
				}
				if n := w.op.count(); n != 1 {
					t.Errorf("asked %d times", n)
				}
				w.store.set("delete", nil)
				time.Sleep(5 * time.Second)
				if _, err := w.store.Get(t.Context(), s.ID); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("got %v, want it gone", err)
				}
				wantErr(t, m, c, gateward.ErrInvalidCredential)
			})
		})
	}
}

func TestSEC_A03_PanicInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, _ := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.op.during = func() { panic("in a provider") }
		if id := must(t, m, c); id.Groups[0] != "dev" {
			t.Errorf("got %v", id.Groups)
		}
		w.op.set(func(p *provider) { p.during = nil })
		time.Sleep(6 * time.Second)
		if id := must(t, m, c); id.Groups[0] != "fresh-2" {
			t.Errorf("got %v: the lease of the one that panicked is not released", id.Groups)
		}
		if !strings.Contains(w.logs.String(), "refresh of session panicked") {
			t.Error("not logged")
		}
	})
}
