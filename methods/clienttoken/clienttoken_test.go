package clienttoken_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/methods/methodtest"
	"github.com/gateward/gateward/sessions"
)

var _ methods.Authenticator = (*clienttoken.Method)(nil)

func TestMethod_IsAnAuthenticator(t *testing.T) {
	methodtest.Run(t, func(t *testing.T) methodtest.Case {
		t.Helper()
		w := newWorld(t)
		// The suite wants the method's own name in the identity; a session has that
		// of its login.
		m := clienttoken.New(clienttoken.Options{
			Store: w.store, Leaser: w.store, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Logins: func(string, string) methods.Login { return w.login },
		})
		t.Cleanup(func() { _ = m.Close() })
		named := func(s *sessions.Session) { s.Identity.Method = m.Name() }
		good, _ := w.begin(named)
		bearer, _ := w.begin(named)
		bearer.Scheme = gateward.SchemeBearer
		other := gateward.Credential{Scheme: gateward.SchemeCookie, Value: sessions.ClientToken([32]byte{1})}
		jwt, accepted := good, good
		jwt.Scheme, accepted.Scheme = gateward.SchemeJWT, gateward.SchemeAcceptedCookie
		return methodtest.Case{
			Method: m,
			Good:   []gateward.Credential{good, bearer},
			Bad:    []gateward.Credential{other},
			Foreign: []gateward.Credential{
				jwt, accepted,
				{Scheme: gateward.SchemeBearer, Value: gateward.NewSecret("a.b.c")},
				{Scheme: gateward.SchemeCookie, Value: gateward.NewSecret(strings.Repeat("a", 43))},
				{Scheme: gateward.SchemeBasic, Value: good.Value},
			},
		}
	})
}

func TestAuthenticate_Identity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(nil)
		want := s.Identity
		want.SessionID, want.Expiry = s.ID, s.ExpiresAt.UTC()
		got := must(t, m, c)
		want.AuthTime = got.AuthTime // the same instant, kept in UTC
		if !got.AuthTime.Equal(s.Identity.AuthTime) || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		w.login = plain{}
		if got := must(t, m, c); !reflect.DeepEqual(got, want) {
			t.Errorf("login without powers: got %+v, want %+v", got, want)
		}
	})
}

func must(t *testing.T, m *clienttoken.Method, c gateward.Credential) gateward.Identity {
	t.Helper()
	id, err := m.Authenticate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func wantErr(t *testing.T, m *clienttoken.Method, c gateward.Credential, want error) gateward.Identity {
	t.Helper()
	id, err := m.Authenticate(t.Context(), c)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	for _, other := range []error{gateward.ErrInvalidCredential, gateward.ErrNotAdmitted, gateward.ErrUnavailable} {
		if !errors.Is(want, other) && errors.Is(err, other) {
			t.Errorf("got %v, which is %v, too", err, other)
		}
	}
	if strings.Contains(err.Error(), c.Value.Reveal()) {
		t.Errorf("the error holds the token: %v", err)
	}
	return id
}

func TestSEC_G13_StoreFailuresAreOurFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		err, want error
	}{
		{name: "down", err: errDown, want: gateward.ErrUnavailable},
		{name: "says no more", err: errors.New("broken"), want: gateward.ErrUnavailable},
		{name: "timeout", err: context.DeadlineExceeded, want: gateward.ErrUnavailable},
		{name: "not found", err: sessions.ErrNotFound, want: gateward.ErrInvalidCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.replica()
			c, _ := w.begin(nil)
			w.store.set("get", tt.err)
			wantErr(t, m, c, tt.want)
			w.store.set("get", nil)
			must(t, m, c)
		})
	}
}

func TestSEC_G15_RecordsThatAreNotAuthenticAreInvalid(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*store){
		"tampered":            func(s *store) { s.set("get", sessions.ErrTampered) },
		"of another session":  func(s *store) { s.swap = func(got *sessions.Session) { got.Key = sessions.KeyOf([]byte("x")) } },
		"without a key":       func(s *store) { s.swap = func(got *sessions.Session) { got.Key = sessions.Key{} } },
		"with a key too many": func(s *store) { s.swap = func(got *sessions.Session) { got.Key[31]++ } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.replica()
			c, s := w.begin(nil)
			fault(w.store)
			wantErr(t, m, c, gateward.ErrInvalidCredential)
			if log := w.logs.String(); !strings.Contains(log, "session record is not authentic") || !strings.Contains(log, s.ID) {
				t.Errorf("got log %q", log)
			}
		})
	}
}

func TestAuthenticate_ProviderIsNotConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.replica()
	c, _ := w.begin(func(s *sessions.Session) { s.Identity.Provider = "former" })
	wantErr(t, m, c, gateward.ErrInvalidCredential)
}

func TestSEC_D14_RulesCountOnEveryLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.replica()
	c, s := w.begin(nil)
	must(t, m, c)
	w.op.set(func(p *provider) {
		p.admit = func(id *gateward.Identity) error {
			if id.Subject != "ada" {
				t.Errorf("asked about %q", id.Subject)
			}
			return &gateward.NotAdmittedError{Rule: "email_matches"}
		}
	})
	id := wantErr(t, m, c, gateward.ErrNotAdmitted)
	if id.Subject != "ada" || id.SessionID != s.ID {
		t.Errorf("got %+v, want the person who is refused", id)
	}
	_, err := m.Authenticate(t.Context(), c)
	var rule *gateward.NotAdmittedError
	if !errors.As(err, &rule) || rule.Rule != "email_matches" {
		t.Errorf("got %v, want the rule", err)
	}
	w.op.set(func(p *provider) { p.admit = nil })
	must(t, m, c) // rules can change back
}

func TestSEC_G07_IdleAndAbsoluteTimeouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		begun := time.Now()
		c, s := w.begin(func(s *sessions.Session) { s.IdleTimeout, s.ExpiresAt = 10*time.Minute, begun.Add(time.Hour) })
		for time.Since(begun) < 59*time.Minute {
			id := must(t, m, c)
			if id.Expiry.After(s.ExpiresAt) || !id.FreshUntil.IsZero() && !id.FreshUntil.Before(id.Expiry) {
				t.Fatalf("after %v: expires %v, fresh until %v", time.Since(begun), id.Expiry, id.FreshUntil)
			}
			if id.FreshUntil.IsZero() && time.Until(id.Expiry) > time.Minute {
				t.Fatalf("after %v: never to be looked at again", time.Since(begun))
			}
			time.Sleep(50 * time.Second)
		}
		// Every other look is less than a minute after the use that was noted.
		if n := w.store.count("touch"); n < 30 || n > 40 {
			t.Errorf("noted %d times in an hour", n)
		}
		time.Sleep(time.Minute)
		wantErr(t, m, c, gateward.ErrInvalidCredential)

		c, _ = w.begin(func(s *sessions.Session) { s.IdleTimeout = 10 * time.Minute })
		must(t, m, c)
		time.Sleep(10*time.Minute + time.Second)
		wantErr(t, m, c, gateward.ErrInvalidCredential)
	})
}

func TestTouch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		idle, _ := w.begin(func(s *sessions.Session) { s.IdleTimeout = 10 * time.Minute })
		short, _ := w.begin(func(s *sessions.Session) { s.IdleTimeout = 20 * time.Second })
		plainly, p := w.begin(nil)
		begun := time.Now()

		if id := must(t, m, idle); !id.FreshUntil.Equal(begun.Add(time.Minute)) || !id.Expiry.Equal(begun.Add(10*time.Minute)) {
			t.Errorf("got fresh until %v, expiry %v", id.FreshUntil, id.Expiry)
		}
		if id := must(t, m, short); !id.FreshUntil.Equal(begun.Add(10 * time.Second)) {
			t.Errorf("short: got fresh until %v", id.FreshUntil)
		}
		if id := must(t, m, plainly); !id.FreshUntil.IsZero() {
			t.Errorf("nothing depends on its use, and it is fresh until %v", id.FreshUntil)
		}
		if n := w.store.count("touch"); n != 0 {
			t.Errorf("noted %d times within a minute", n)
		}
		time.Sleep(time.Minute)
		at := time.Now()
		if id := must(t, m, idle); !id.FreshUntil.Equal(at.Add(time.Minute)) || !id.Expiry.Equal(at.Add(10*time.Minute)) {
			t.Errorf("got fresh until %v, expiry %v", id.FreshUntil, id.Expiry)
		}
		must(t, m, plainly) // for whoever looks at the list of sessions
		if s, err := w.store.Get(t.Context(), p.ID); err != nil || !s.LastSeenAt.Equal(at) {
			t.Errorf("got last seen at %v, %v", s.LastSeenAt, err)
		}

		// It fails, and the request does not.
		time.Sleep(time.Minute)
		now := time.Now()
		w.store.set("touch", errHangs)
		id := must(t, m, idle)
		if took := time.Since(now); took > 300*time.Millisecond {
			t.Errorf("waited for %v", took)
		}
		if !id.Expiry.Equal(at.Add(10*time.Minute)) || !id.FreshUntil.Equal(now.Add(10*time.Second)) {
			t.Errorf("got expiry %v, fresh until %v", id.Expiry, id.FreshUntil)
		}
		must(t, m, plainly)
		if n := strings.Count(w.logs.String(), "use of session cannot be noted"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}
