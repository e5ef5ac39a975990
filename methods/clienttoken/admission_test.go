package clienttoken_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
)

// admitter is an admission as configured.
type admitter func(*gateward.Identity) error

func (a admitter) Admit(id *gateward.Identity) error { return a(id) }

// granter gives scopes to people.
type granter func(*gateward.Identity)

func (g granter) Apply(id *gateward.Identity) { g(id) }

// TestSEC_D14_AdmissionCountsOnEveryLook: whichever the login, after its own rules.
func TestSEC_D14_AdmissionCountsOnEveryLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var closed atomic.Bool
		w.options = func(o *clienttoken.Options) {
			o.Admission = admitter(func(id *gateward.Identity) error {
				if closed.Load() && id.Groups[0] == "dev" {
					return &gateward.NotAdmittedError{Rule: "allowed_domains"}
				}
				return nil
			})
		}
		m := w.replica()
		c, s := w.begin(nil)
		rule := func(want string) {
			t.Helper()
			id, err := m.Authenticate(t.Context(), c)
			var by *gateward.NotAdmittedError
			if !errors.As(err, &by) || by.Rule != want || id.Subject != "ada" || id.SessionID != s.ID {
				t.Errorf("got %+v, %v, want %s", id, err, want)
			}
		}
		must(t, m, c)
		closed.Store(true)
		rule("allowed_domains")
		w.op.set(func(p *provider) {
			p.admit = func(*gateward.Identity) error { return &gateward.NotAdmittedError{Rule: "email_matches"} }
		})
		rule("email_matches")
		w.op.set(func(p *provider) { p.admit = nil })
		w.login = plain{} // which knows nothing of admission
		rule("allowed_domains")
		closed.Store(false)
		must(t, m, c) // rules can change back

		// What a refresh brings is judged, not what was there before.
		w.login = refresher{w.op}
		closed.Store(true)
		c, s = w.begin(expiring(time.Hour))
		rule("allowed_domains")
		time.Sleep(time.Hour)
		if id := must(t, m, c); id.Groups[0] == "dev" {
			t.Errorf("got %v", id.Groups)
		}
	})
}

// TestGrants: they decide about the scopes on every look, whatever was kept.
func TestGrants(t *testing.T) {
	t.Parallel()
	limited := func(s *sessions.Session) {
		expiring(time.Hour)(s)
		s.Identity.Scopes, s.Identity.AllScopes = []string{"kept"}, false
	}
	unlimited := func(s *sessions.Session) {
		expiring(time.Hour)(s)
		s.Identity.Scopes, s.Identity.AllScopes = []string{"kept"}, true
	}
	byGroup := granter(func(id *gateward.Identity) {
		id.Scopes, id.AllScopes = []string{"of " + id.Groups[0]}, false
	})
	for _, tt := range []struct {
		name          string
		grants        clienttoken.Granter
		kept          func(*sessions.Session)
		before, after []string
		limited       bool
	}{
		{name: "none", kept: limited},
		{name: "none, kept without limit", kept: unlimited},
		{name: "some", grants: byGroup, kept: limited, before: []string{"of dev"}, after: []string{"of fresh-1"}, limited: true},
		{name: "some, kept without limit", grants: byGroup, kept: unlimited, before: []string{"of dev"}, after: []string{"of fresh-1"}, limited: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.options = func(o *clienttoken.Options) { o.Grants = tt.grants }
				m := w.replica()
				c, s := w.begin(tt.kept)
				if id := must(t, m, c); !slices.Equal(id.Scopes, tt.before) || id.AllScopes == tt.limited {
					t.Errorf("got %v, all %v", id.Scopes, id.AllScopes)
				}
				time.Sleep(time.Hour)
				if id := must(t, m, c); !slices.Equal(id.Scopes, tt.after) || id.AllScopes == tt.limited {
					t.Errorf("refreshed: got %v, all %v", id.Scopes, id.AllScopes)
				}
				if kept, err := w.store.Get(t.Context(), s.ID); err != nil || slices.Contains(kept.Identity.Scopes, "of fresh-1") {
					t.Errorf("got %v, %v: scopes are not kept", kept.Identity.Scopes, err)
				}
			})
		})
	}
}
