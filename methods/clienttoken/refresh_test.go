package clienttoken_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

// together has n requests come at once, one by one on each replica.
func together(t *testing.T, n int, c gateward.Credential, replicas ...*clienttoken.Method) []gateward.Identity {
	t.Helper()
	ids := make([]gateward.Identity, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id, err := replicas[i%len(replicas)].Authenticate(t.Context(), c)
			if err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	return ids
}

func TestSEC_D18_OneRefreshForAllRequests(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 2, 3} {
		for _, tt := range []struct{ delay, after time.Duration }{
			{delay: 0, after: time.Second},
			{delay: 300 * time.Millisecond, after: time.Second}, // it has just expired
			{delay: 3 * time.Second, after: time.Hour},          // it cannot be used without
		} {
			t.Run(fmt.Sprintf("%d replicas, %v", replicas, tt.delay), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.op.set(func(p *provider) { p.delay = tt.delay })
					var all []*clienttoken.Method
					for range replicas {
						all = append(all, w.replica())
					}
					c, s := w.begin(expiring(time.Hour))
					time.Sleep(time.Hour + tt.after)
					for i, id := range together(t, 100, c, all...) {
						if id.Groups[0] != "fresh-1" || !id.AllScopes || !id.AuthTime.Equal(s.Identity.AuthTime) || id.Method != "oidc" || id.Provider != "op" {
							t.Errorf("request %d: got %+v", i, id)
						}
					}
					if n := w.op.count(); n != 1 {
						t.Errorf("the provider was asked %d times", n)
					}
					kept, err := w.store.Get(t.Context(), s.ID)
					if err != nil || kept.Revision != 2 || !strings.HasPrefix(kept.Tokens.RefreshToken.Reveal(), "refresh-1") {
						t.Errorf("got %v, revision %d", err, kept.Revision)
					}
					if kept.Tokens.SID != "sid-0" || kept.Tokens.IDToken.Reveal() != "id-0" {
						t.Errorf("what the provider did not send again is lost: %q", kept.Tokens.SID)
					}
					// And so on: each new token is used once.
					time.Sleep(time.Hour)
					together(t, 20, c, all...)
					if n := w.op.count(); n != 2 {
						t.Errorf("the provider was asked %d times", n)
					}
				})
			})
		}
	}
}

func TestRefresh_AheadInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		due := s.Tokens.Expiry.Add(-time.Minute)
		if id := must(t, m, c); !id.FreshUntil.Equal(due) {
			t.Errorf("got fresh until %v, want %v", id.FreshUntil, due)
		}
		time.Sleep(time.Until(due) - time.Second)
		must(t, m, c)
		synctest.Wait()
		if n := w.op.count(); n != 0 {
			t.Errorf("asked %d times before it is due", n)
		}
		w.op.set(func(p *provider) { p.delay = 20 * time.Second })
		time.Sleep(time.Second)
		now := time.Now()
		for range 10 {
			if id := must(t, m, c); id.Groups[0] != "dev" || !id.FreshUntil.Equal(now.Add(5*time.Second)) {
				t.Errorf("got %v, fresh until %v", id.Groups, id.FreshUntil)
			}
		}
		if took := time.Since(now); took != 0 {
			t.Errorf("requests waited for %v", took)
		}
		time.Sleep(21 * time.Second)
		if id := must(t, m, c); id.Groups[0] != "fresh-1" {
			t.Errorf("got %v", id.Groups)
		}
		if n := w.op.count(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestRefresh_ShortTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(100 * time.Second))
		if id := must(t, m, c); !id.FreshUntil.Equal(s.Tokens.Expiry.Add(-10 * time.Second)) {
			t.Errorf("got fresh until %v", id.FreshUntil)
		}
	})
}

func TestRefresh_NotWithoutTokens(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*sessions.Session){
		"no refresh token": func(s *sessions.Session) { s.Tokens.RefreshToken = gateward.Secret{} },
		"no expiry":        func(s *sessions.Session) { s.Tokens.Expiry = time.Time{} },
		"no tokens":        func(s *sessions.Session) { s.Tokens = gateward.Tokens{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				m := w.replica()
				c, _ := w.begin(func(s *sessions.Session) { expiring(time.Hour)(s); edit(s) })
				time.Sleep(3 * time.Hour)
				if id := must(t, m, c); !id.FreshUntil.IsZero() || w.op.count() != 0 {
					t.Errorf("fresh until %v, asked %d times", id.FreshUntil, w.op.count())
				}
			})
		})
	}
}

func TestSEC_D18_RefusalEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*provider){
		"invalid_grant": func(p *provider) { clear(p.valid) },
		"another person": func(p *provider) {
			p.edit = func(id *gateward.Identity, _ *gateward.Tokens) { id.Subject = "eve" }
		},
		"another issuer": func(p *provider) {
			p.edit = func(id *gateward.Identity, _ *gateward.Tokens) { id.Issuer = "https://other.example" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.replica(), w.replica()
				c, s := w.begin(expiring(time.Hour))
				w.op.set(edit)
				w.op.set(func(p *provider) { p.delay = time.Second })
				time.Sleep(2 * time.Hour)
				// Beyond the grace nobody is told of an outage: all of them wait for the
				// verdict, and are to log in.
				var wg sync.WaitGroup
				for range 10 {
					for _, m := range []*clienttoken.Method{a, b} {
						wg.Go(func() { wantErr(t, m, c, gateward.ErrInvalidCredential) })
					}
				}
				wg.Wait()
				synctest.Wait()
				if _, err := w.store.Get(t.Context(), s.ID); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("got %v, want it gone", err)
				}
				if n := w.op.count(); n != 1 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

func TestSEC_D19_WhoMayNotEnterAnyLongerIsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		// The provider itself finds out, for instance by its membership API.
		w.op.err = fmt.Errorf("op: %w", &gateward.NotAdmittedError{Rule: "allowed_groups"})
		time.Sleep(time.Hour)
		if id := wantErr(t, m, c, gateward.ErrNotAdmitted); id.Subject != "ada" || id.SessionID != s.ID {
			t.Errorf("got %+v, want the person who is refused", id)
		}
		synctest.Wait()
		wantErr(t, m, c, gateward.ErrInvalidCredential)

		// The rule finds out, from the groups that the refresh brought.
		w.op.set(func(p *provider) { p.err = nil })
		w.op.admit = func(id *gateward.Identity) error {
			if id.Groups[0] != "dev" {
				return &gateward.NotAdmittedError{Rule: "allowed_groups"}
			}
			return nil
		}
		c, _ = w.begin(expiring(time.Hour))
		must(t, m, c)
		time.Sleep(time.Hour)
		wantErr(t, m, c, gateward.ErrNotAdmitted)
	})
}

func TestSEC_D18_NetworkFailureEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		w.op.set(func(p *provider) { p.err = errors.New("connection refused") })
		time.Sleep(time.Hour)
		end := s.Tokens.Expiry.Add(5 * time.Minute)
		for time.Now().Before(end) {
			id := must(t, m, c)
			if id.Groups[0] != "dev" || id.FreshUntil.After(end) || !id.FreshUntil.After(time.Now()) {
				t.Fatalf("got %v, fresh until %v", id.Groups, id.FreshUntil)
			}
			time.Sleep(250 * time.Millisecond)
		}
		if n := w.op.count(); n < 50 || n > 61 {
			t.Errorf("asked %d times in five minutes, want one in five seconds", n)
		}
		if n := strings.Count(w.logs.String(), "session cannot be refreshed"); n < 20 || n > 31 {
			t.Errorf("logged %d times in five minutes, want one in ten seconds", n)
		}
		for range 20 {
			wantErr(t, m, c, gateward.ErrUnavailable)
			time.Sleep(time.Second)
		}
		w.op.set(func(p *provider) { p.err = nil })
		time.Sleep(5 * time.Second)
		if id := must(t, m, c); !strings.HasPrefix(id.Groups[0], "fresh-") {
			t.Errorf("got %v", id.Groups)
		}
	})
}
