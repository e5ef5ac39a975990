package clienttoken_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
)

// errHiccup is what a login says whose provider has replaced the refresh token,
// and does not say who the person is.
var errHiccup = fmt.Errorf("op: userinfo: %w", gateward.ErrUnavailable)

// TestSEC_D18_WhatFollowsTheRotationFails: the old refresh token is of no use, so
// that the session goes on only if the new one was kept.
func TestSEC_D18_WhatFollowsTheRotationFails(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]time.Duration{"expired": 0, "in the background": 30 * time.Second} {
		for replicas := 1; replicas <= 2; replicas++ {
			t.Run(fmt.Sprintf("%s, %d replicas", name, replicas), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					var all []*clienttoken.Method
					for range replicas {
						all = append(all, w.replica())
					}
					c, s := w.begin(expiring(time.Hour))
					w.op.set(func(p *provider) { p.then = errHiccup })
					time.Sleep(time.Hour - before)
					for range 30 { // seconds
						for _, m := range all {
							if id := must(t, m, c); id.Groups[0] != "dev" || time.Until(id.FreshUntil) > 5*time.Second {
								t.Fatalf("got %v, fresh for %v", id.Groups, time.Until(id.FreshUntil))
							}
						}
						time.Sleep(time.Second)
					}
					if n := w.op.count(); n < 5 || n > 6*replicas+1 {
						t.Errorf("asked %d times in half a minute, want one in five seconds for each replica", n)
					}
					kept, err := w.store.Get(t.Context(), s.ID)
					if err != nil || kept.Tokens.RefreshToken.Reveal() == s.Tokens.RefreshToken.Reveal() ||
						kept.Tokens.IDToken.Reveal() != "id-0" || kept.Tokens.SID != "sid-0" || kept.Identity.Groups[0] != "dev" {
						t.Errorf("got %+v, %v: want the new tokens for the old identity", kept, err)
					}
					if kept.Tokens.Expiry.After(s.Tokens.Expiry) {
						t.Error("the grace is longer than that of the old token")
					}
					w.op.set(func(p *provider) { p.then = nil })
					time.Sleep(5 * time.Second)
					for _, m := range all {
						if id := must(t, m, c); !strings.HasPrefix(id.Groups[0], "fresh-") {
							t.Errorf("got %v", id.Groups)
						}
					}
				})
			})
		}
	}
}

// TestSEC_D18_HalfRenewedHasNoMoreGrace: however often the provider replaces the
// tokens, five minutes after the end of the old one it has to say for whom.
func TestSEC_D18_HalfRenewedHasNoMoreGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.replica(), w.replica()
		c, s := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.then = errHiccup })
		time.Sleep(time.Hour)
		end := s.Tokens.Expiry.Add(5 * time.Minute)
		for time.Now().Before(end) {
			for _, m := range []*clienttoken.Method{a, b} {
				if id := must(t, m, c); id.Groups[0] != "dev" || id.FreshUntil.After(end) {
					t.Fatalf("got %v, fresh until %v", id.Groups, id.FreshUntil)
				}
			}
			time.Sleep(time.Second)
		}
		// At once, so that the one waits for the other's refresh.
		w.op.set(func(p *provider) { p.delay = time.Second })
		for range 10 {
			var wg sync.WaitGroup
			for _, m := range []*clienttoken.Method{a, b} {
				wg.Go(func() { wantErr(t, m, c, gateward.ErrUnavailable) })
			}
			wg.Wait()
			time.Sleep(6 * time.Second)
		}
		w.op.set(func(p *provider) { p.then = nil })
		time.Sleep(10 * time.Second)
		if id := must(t, a, c); !strings.HasPrefix(id.Groups[0], "fresh-") {
			t.Errorf("got %v", id.Groups)
		}
	})
}

// TestSEC_D18_HalfRenewedSurvivesTheStore: nor are such tokens lost when the store
// does not take them at first, nor when the process ends.
func TestSEC_D18_HalfRenewedSurvivesTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.replica(), w.replica()
		c, _ := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.then = errHiccup })
		w.store.set("replace", errDown)
		time.Sleep(time.Hour)
		if id := must(t, a, c); id.Groups[0] != "dev" {
			t.Errorf("got %v", id.Groups)
		}
		w.op.set(func(p *provider) { p.then = nil })
		time.Sleep(3 * time.Second)
		w.store.set("replace", nil)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if id := must(t, b, c); id.Groups[0] != "fresh-2" {
			t.Errorf("got %v", id.Groups)
		}
	})
}

// TestSEC_D18_RefusalAfterTheRotation: what the provider says for good counts, with
// tokens beside it or not.
func TestSEC_D18_RefusalAfterTheRotation(t *testing.T) {
	t.Parallel()
	for _, want := range []error{gateward.ErrInvalidCredential, gateward.ErrNotAdmitted} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.replica()
			c, _ := w.begin(expiring(time.Hour))
			w.op.set(func(p *provider) { p.then = fmt.Errorf("op: %w", want) })
			time.Sleep(time.Hour)
			_, _ = m.Authenticate(t.Context(), c)
			time.Sleep(10 * time.Second)
			wantErr(t, m, c, gateward.ErrInvalidCredential)
			if n := w.op.count(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
