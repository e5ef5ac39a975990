package clienttoken_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

func TestRefresh_Bounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		var all []gateward.Credential
		for range 200 {
			c, _ := w.begin(expiring(time.Hour))
			all = append(all, c)
		}
		w.op.set(func(p *provider) { p.delay = 10 * time.Second })
		time.Sleep(time.Hour - 30*time.Second)
		for _, c := range all {
			must(t, m, c)
		}
		synctest.Wait()
		if w.op.peak() != 64 {
			t.Errorf("%d refreshes at once, want 64", w.op.peak())
		}
		time.Sleep(11 * time.Second)
		for _, c := range all {
			must(t, m, c)
		}
		synctest.Wait()
		if w.op.peak() != 64 || w.op.count() != 128 {
			t.Errorf("%d refreshes at once, %d in all", w.op.peak(), w.op.count())
		}
	})
}

// hangs is a provider that does not answer.
type hangs struct{ refresher }

func (hangs) Name() string { return "hangs" }

func (hangs) Refresh(ctx context.Context, _ gateward.Identity, _ gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	<-ctx.Done()
	return gateward.Identity{}, gateward.Tokens{}, fmt.Errorf("op: %w: %w", gateward.ErrUnavailable, ctx.Err())
}

func TestSEC_D18_OneProviderStarvesNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := clienttoken.New(clienttoken.Options{
			Store: w.store, Leaser: w.store, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Logins: func(_, provider string) methods.Login {
				if provider == "hangs" {
					return hangs{refresher{w.op}}
				}
				return w.login
			},
		})
		t.Cleanup(func() { _ = m.Close() })
		var hanging []gateward.Credential
		for range 600 {
			c, _ := w.begin(func(s *sessions.Session) { expiring(-time.Second)(s); s.Identity.Provider = "hangs" })
			hanging = append(hanging, c)
		}
		ahead, _ := w.begin(expiring(30 * time.Second))
		away, _ := w.begin(expiring(-10 * time.Minute))
		var wg sync.WaitGroup
		for _, c := range hanging {
			wg.Go(func() { _, _ = m.Authenticate(context.Background(), c) })
		}
		synctest.Wait()
		if id := must(t, m, away); !strings.HasPrefix(id.Groups[0], "fresh") {
			t.Errorf("back after a while: got %v", id.Groups)
		}
		time.Sleep(28 * time.Second) // to be renewed, and valid
		must(t, m, ahead)
		synctest.Wait()
		if id := must(t, m, ahead); !strings.HasPrefix(id.Groups[0], "fresh") {
			t.Errorf("ahead: got %v", id.Groups)
		}
		wg.Wait()
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		delay, late, want time.Duration
		kept              uint64
	}{
		{name: "it may finish", delay: time.Second, want: time.Second, kept: 2},
		{name: "the token is replaced, the answer is late", late: 8 * time.Second, want: 8 * time.Second, kept: 2},
		{name: "it has to end", delay: time.Minute, want: 9 * time.Second, kept: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.replica()
				c, s := w.begin(expiring(time.Hour))
				time.Sleep(time.Hour - time.Second)
				w.op.set(func(p *provider) { p.delay, p.late = tt.delay, tt.late })
				must(t, m, c)
				synctest.Wait()
				begun := time.Now()
				if err := m.Close(); err != nil || time.Since(begun) != tt.want {
					t.Errorf("got %v after %v, want %v", err, time.Since(begun), tt.want)
				}
				if kept, err := w.store.Get(t.Context(), s.ID); err != nil || kept.Revision != tt.kept {
					t.Errorf("got %v, revision %d, want %d", err, kept.Revision, tt.kept)
				}
				begun = time.Now()
				if err := m.Close(); err != nil || time.Since(begun) != 0 {
					t.Errorf("again: got %v after %v", err, time.Since(begun))
				}
				time.Sleep(2 * time.Hour)
				n := w.op.count()
				if _, err := m.Authenticate(t.Context(), c); !errors.Is(err, gateward.ErrUnavailable) || w.op.count() != n {
					t.Errorf("after Close: got %v, asked %d times more", err, w.op.count()-n)
				}
			})
		})
	}
}

func TestClose_AtOnceWhenNothingRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, _ := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		must(t, m, c)
		synctest.Wait()
		begun := time.Now()
		if err := m.Close(); err != nil || time.Since(begun) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}

// TestSEC_D18_CloseKeepsRotatedTokens: the store takes them only when the flight
// has been told to end.
func TestSEC_D18_CloseKeepsRotatedTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.store.set("replace", errDown)
		must(t, m, c)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(9*time.Second - time.Millisecond)
		w.store.set("replace", nil)
		wg.Wait()
		if kept, err := w.store.Get(t.Context(), s.ID); err != nil || kept.Revision != 2 {
			t.Errorf("got %v, revision %d, want 2", err, kept.Revision)
		}
	})
}

// TestClose_WaitsForNobodyElse: neither for another replica nor for a store that
// does not delete, and nothing is asked that could come too late.
func TestClose_WaitsForNobodyElse(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(t *testing.T, w *world, s sessions.Session){
		"another replica has the lease": func(t *testing.T, w *world, s sessions.Session) {
			if l, err := w.store.Acquire(t.Context(), "refresh:"+s.ID, time.Minute); err != nil || l == nil {
				t.Errorf("got %v, %v", l, err)
			}
		},
		"refused, and another replica may have fresh tokens": func(_ *testing.T, w *world, _ sessions.Session) {
			w.op.set(func(p *provider) { clear(p.valid) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.replica()
				c, s := w.begin(expiring(time.Hour))
				fault(t, w, s)
				time.Sleep(time.Hour - time.Second)
				must(t, m, c)
				synctest.Wait()
				begun := time.Now()
				if err := m.Close(); err != nil || time.Since(begun) != 0 {
					t.Errorf("got %v after %v", err, time.Since(begun))
				}
				if _, err := w.store.Get(t.Context(), s.ID); err != nil {
					t.Errorf("the session: got %v", err)
				}
			})
		})
	}
}
