package clienttoken_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

const quarter = 15 * time.Minute

var errRemoved = fmt.Errorf("op: %w", &gateward.NotAdmittedError{Rule: "allowed_organizations", Reason: "You are no member."})

// TestSEC_E08_RemovedMemberIsOutAfterTheInterval: at the first request after it,
// however long ago the last one was, and whatever the tokens say.
func TestSEC_E08_RemovedMemberIsOutAfterTheInterval(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*sessions.Session){
		"token without an end": func(*sessions.Session) {},
		"never confirmed":      func(s *sessions.Session) { s.Identity.ConfirmedAt = time.Time{} },
		"tokens expire later": func(s *sessions.Session) {
			expiring(8 * time.Hour)(s)
		},
		"tokens have expired": func(s *sessions.Session) { expiring(time.Minute)(s) },
		"no tokens":           func(s *sessions.Session) { s.Tokens = gateward.Tokens{} },
	} {
		for _, after := range []time.Duration{0, 12 * time.Hour} {
			t.Run(fmt.Sprint(name, after), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, hub := newMembers(t)
					m := w.replica()
					c, s := w.begin(func(s *sessions.Session) { member(s); edit(s) })
					hub.err, hub.delay = errRemoved, 2*time.Second
					due := s.CreatedAt.Add(quarter)
					if id := must(t, m, c); !id.FreshUntil.Equal(due.Add(-time.Minute)) {
						t.Errorf("to be looked at again at %v", id.FreshUntil)
					}
					time.Sleep(quarter - 61*time.Second)
					must(t, m, c)
					synctest.Wait()
					if n := hub.count(); n != 0 {
						t.Errorf("asked %d times before it is due", n)
					}
					time.Sleep(61*time.Second + after)
					id := wantErr(t, m, c, gateward.ErrNotAdmitted)
					if id.Subject != "ada" || id.UserID != "user-1" || id.Method != "oidc" {
						t.Errorf("got %+v, want the person who is refused", id)
					}
					synctest.Wait()
					wantErr(t, m, c, gateward.ErrInvalidCredential)
					if n := hub.count(); n != 1 {
						t.Errorf("asked %d times", n)
					}
				})
			})
		}
	}
}

// TestSEC_E08_WithdrawnAuthorizationEndsTheSession: at once where no other replica
// can have replaced a token.
func TestSEC_E08_WithdrawnAuthorizationEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		m := w.replica()
		c, s := w.begin(member)
		hub.err = fmt.Errorf("op: bad credentials: %w", gateward.ErrInvalidCredential)
		time.Sleep(quarter)
		begun := time.Now()
		wantErr(t, m, c, gateward.ErrInvalidCredential)
		if took := time.Since(begun); took != 0 {
			t.Errorf("waited for %v", took)
		}
		synctest.Wait()
		if _, err := w.store.Get(t.Context(), s.ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("got %v, want it gone", err)
		}
	})
}

func TestRecheck_AnswerCountsForTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		a, b := w.replica(), w.replica()
		c, s := w.begin(member)
		var asked time.Time
		for round := range 3 {
			time.Sleep(quarter)
			asked = time.Now() // who waits for the other replica hears of it later
			for i, id := range together(t, 50, c, a, b) {
				if want := fmt.Sprintf("answer-%d", round+1); id.Organizations[0] != want || !id.ConfirmedAt.Equal(asked) ||
					!id.FreshUntil.Equal(asked.Add(quarter-time.Minute)) ||
					id.UserID != "user-1" || id.Method != "oidc" || id.Provider != "op" || !id.AllScopes || !id.AuthTime.Equal(s.Identity.AuthTime) {
					t.Errorf("round %d, request %d: got %+v", round, i, id)
				}
			}
			if n := hub.count(); n != round+1 {
				t.Errorf("asked %d times, want one question for all requests of all replicas", n)
			}
		}
		kept, err := w.store.Get(t.Context(), s.ID)
		if err != nil || kept.Tokens.AccessToken.Reveal() != "access-0" || !kept.Identity.ConfirmedAt.Equal(asked) || kept.Identity.UserID != "user-1" {
			t.Errorf("got %+v, %v", kept, err)
		}
	})
}

// TestRecheck_AheadInTheBackground: whoever is there before it is due waits for
// nothing, and who is not there is not asked about.
func TestRecheck_AheadInTheBackground(t *testing.T) {
	t.Parallel()
	for interval, ahead := range map[time.Duration]time.Duration{quarter: time.Minute, 100 * time.Second: 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w, hub := newMembers(t)
			hub.interval, hub.delay = interval, 3*time.Second
			m := w.replica()
			c, _ := w.begin(member)
			w.begin(member) // whom nobody hears of again
			time.Sleep(interval - ahead)
			now := time.Now()
			if id := must(t, m, c); id.Organizations[0] != "answer-0" || !id.FreshUntil.Equal(now.Add(5*time.Second)) || time.Since(now) != 0 {
				t.Errorf("got %v after %v, fresh until %v", id.Organizations, time.Since(now), id.FreshUntil)
			}
			time.Sleep(4 * time.Second)
			if id := must(t, m, c); id.Organizations[0] != "answer-1" || hub.count() != 1 {
				t.Errorf("got %v after %d questions", id.Organizations, hub.count())
			}
		})
	}
}

// TestSEC_E08_WhoeverIsDueWaits: as long as the provider may take, or the request
// has time.
func TestSEC_E08_WhoeverIsDueWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		m := w.replica()
		c, _ := w.begin(member)
		hub.delay = 3900 * time.Millisecond
		time.Sleep(time.Hour)
		for i, id := range together(t, 20, c, m) {
			if id.Organizations[0] != "answer-1" {
				t.Errorf("request %d: got %v", i, id.Organizations)
			}
		}
		if hub.count() != 1 {
			t.Errorf("asked %d times", hub.count())
		}

		time.Sleep(time.Hour)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		id, err := m.Authenticate(ctx, c)
		if err != nil || ctx.Err() != nil || id.Organizations[0] != "answer-1" || time.Since(begun) < 900*time.Millisecond {
			t.Errorf("got %v, %v after %v", id.Organizations, err, time.Since(begun))
		}
		if id := must(t, m, c); id.Organizations[0] != "answer-2" {
			t.Errorf("got %v", id.Organizations)
		}
	})
}

// TestRecheck_LastAnswerCountsWhileTheProviderIsDown: for hours, though the tokens
// have expired, and as long as the session lives; and not when it is back.
func TestRecheck_LastAnswerCountsWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*members){
		"refuses":    func(m *members) { m.err = errors.New("connection refused") },
		"says so":    func(m *members) { m.err = &gateward.UnavailableError{Reason: "rate limit", RetryAfter: time.Hour} },
		"slow error": func(m *members) { m.err, m.delay = errDown, 3*time.Second },
		"hangs":      func(m *members) { m.delay = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, hub := newMembers(t)
				m := w.replica()
				c, s := w.begin(func(s *sessions.Session) { member(s); expiring(time.Hour)(s) })
				hub.set(edit)
				time.Sleep(quarter)
				end := time.Now().Add(3 * time.Hour)
				longest := time.Duration(0)
				for first := true; time.Now().Before(end); first = false {
					begun := time.Now()
					id := must(t, m, c)
					if !first {
						longest = max(longest, time.Since(begun))
					}
					if id.Organizations[0] != "answer-0" || !id.ConfirmedAt.Equal(s.Identity.ConfirmedAt) {
						t.Fatalf("got %+v", id)
					}
					if left := time.Until(id.FreshUntil); left <= 0 || left > 5*time.Second {
						t.Fatalf("fresh for %v", left)
					}
					time.Sleep(7 * time.Second)
				}
				if longest > 500*time.Millisecond {
					t.Errorf("a request waited for %v", longest)
				}
				if n := hub.count(); n < 200 || n > 3*720 {
					t.Errorf("asked %d times in three hours", n)
				}
				hub.set(func(m *members) { m.err, m.delay = errRemoved, 100*time.Millisecond })
				time.Sleep(time.Minute) // the last flight lands
				wantErr(t, m, c, gateward.ErrNotAdmitted)
			})
		})
	}
}

// TestRecheck_SessionsStillEnd: whatever the provider says.
func TestRecheck_SessionsStillEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		m := w.replica()
		c, _ := w.begin(func(s *sessions.Session) { member(s); s.ExpiresAt = s.CreatedAt.Add(time.Hour) })
		hub.err = errDown
		time.Sleep(time.Hour - time.Second)
		if id := must(t, m, c); id.Expiry.After(time.Now().Add(time.Second)) || !id.FreshUntil.IsZero() {
			t.Errorf("expires %v, fresh until %v", id.Expiry, id.FreshUntil)
		}
		time.Sleep(time.Second)
		wantErr(t, m, c, gateward.ErrInvalidCredential)
	})
}

// TestSEC_E08_NothingPutsTheQuestionOff: neither shortening a session nor using it
// confirms anything; nor does a clock that was wrong.
func TestSEC_E08_NothingPutsTheQuestionOff(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*sessions.Session){
		func(*sessions.Session) {},
		func(s *sessions.Session) { s.Identity.ConfirmedAt = time.Time{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, hub := newMembers(t)
			m := w.replica()
			c, s := w.begin(func(s *sessions.Session) { member(s); s.IdleTimeout = time.Hour; edit(s) })
			hub.err = errRemoved
			for i := range 13 {
				time.Sleep(time.Minute)
				must(t, m, c)
				if err := w.store.Expire(t.Context(), s.ID, s.ExpiresAt.Add(-time.Duration(i+1)*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := w.store.Get(t.Context(), s.ID)
			if err != nil || !kept.UpdatedAt.After(s.UpdatedAt) || !kept.Identity.ConfirmedAt.Equal(s.Identity.ConfirmedAt) {
				t.Errorf("got %v, updated at %v, confirmed at %v", err, kept.UpdatedAt, kept.Identity.ConfirmedAt)
			}
			time.Sleep(2 * time.Minute)
			wantErr(t, m, c, gateward.ErrNotAdmitted)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		m := w.replica()
		c, _ := w.begin(func(s *sessions.Session) { member(s); s.Identity.ConfirmedAt = s.CreatedAt.Add(10 * time.Hour) })
		if id := must(t, m, c); id.Organizations[0] != "answer-1" || !id.ConfirmedAt.Equal(time.Now()) {
			t.Errorf("got %v, confirmed at %v", id.Organizations, id.ConfirmedAt)
		}
		must(t, m, c)
		if n := hub.count(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		// Clocks of replicas may differ a little.
		c, _ = w.begin(func(s *sessions.Session) { member(s); s.Identity.ConfirmedAt = s.CreatedAt.Add(30 * time.Second) })
		if must(t, m, c); hub.count() != 1 {
			t.Error("asked because of some seconds")
		}
	})
}

// TestSEC_E08_HalfRenewedConfirmsNobody: tokens that come without an answer are
// kept as they are, and the person is asked about again.
func TestSEC_E08_HalfRenewedConfirmsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		a, b := w.replica(), w.replica()
		c, s := w.begin(func(s *sessions.Session) { member(s); expiring(10 * time.Minute)(s) })
		time.Sleep(quarter)
		expiry := time.Now().Add(8 * time.Hour)
		hub.set(func(m *members) {
			m.err = errHiccup
			m.tokens = gateward.Tokens{AccessToken: gateward.NewSecret("access-1"), RefreshToken: gateward.NewSecret("refresh-1"), Expiry: expiry}
		})
		for range 30 { // seconds
			for _, m := range []*clienttoken.Method{a, b} {
				if id := must(t, m, c); id.Organizations[0] != "answer-0" || time.Until(id.FreshUntil) > 5*time.Second {
					t.Fatalf("got %v, fresh for %v", id.Organizations, time.Until(id.FreshUntil))
				}
			}
			time.Sleep(time.Second)
		}
		if n := hub.count(); n < 5 || n > 13 {
			t.Errorf("asked %d times in half a minute", n)
		}
		kept, err := w.store.Get(t.Context(), s.ID)
		if err != nil || kept.Tokens.AccessToken.Reveal() != "access-1" || kept.Tokens.RefreshToken.Reveal() != "refresh-1" ||
			!kept.Tokens.Expiry.Equal(expiry) || !kept.Identity.ConfirmedAt.Equal(s.Identity.ConfirmedAt) || kept.Identity.Organizations[0] != "answer-0" {
			t.Errorf("got %+v, %v: want the new tokens for the old identity", kept, err)
		}
		hub.set(func(m *members) { m.err = nil })
		time.Sleep(5 * time.Second)
		for _, m := range []*clienttoken.Method{a, b} {
			if id := must(t, m, c); !strings.HasPrefix(id.Organizations[0], "answer-") || id.Organizations[0] == "answer-0" {
				t.Errorf("got %v", id.Organizations)
			}
		}
	})
}

// TestRecheck_NotAtAll: an interval of zero asks nothing, tokens that expire or not.
func TestRecheck_NotAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		hub.interval = 0
		m := w.replica()
		c, _ := w.begin(func(s *sessions.Session) { member(s); expiring(time.Hour)(s) })
		time.Sleep(12 * time.Hour)
		if id := must(t, m, c); !id.FreshUntil.IsZero() || hub.count() != 0 {
			t.Errorf("fresh until %v, asked %d times", id.FreshUntil, hub.count())
		}
	})
}

// TestSEC_L04_RechecksAreBounded: at most 64 questions are on their way that nobody
// waits for.
func TestSEC_L04_RechecksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hub := newMembers(t)
		hub.delay = 10 * time.Second
		m := w.replica()
		var all []gateward.Credential
		for range 200 {
			c, _ := w.begin(member)
			all = append(all, c)
		}
		time.Sleep(quarter - 30*time.Second)
		for _, c := range all {
			must(t, m, c)
		}
		time.Sleep(11 * time.Second)
		hub.set(func(m *members) {
			if m.peak != 64 || m.calls != 64 {
				t.Errorf("%d questions at once, %d in all", m.peak, m.calls)
			}
		})
	})
}
