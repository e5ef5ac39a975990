package extauthz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

// identify calls Identify with headers as a test writes them.
func (e engine) identify(ctx context.Context, headers ...string) (gateward.Identity, gateward.Scheme, error) {
	var authorization, cookies [][]byte
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "cookie" {
			cookies = append(cookies, []byte(value))
		} else {
			authorization = append(authorization, []byte(value))
		}
	}
	return e.Identify(ctx, authorization, cookies)
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		subject string
		scheme  gateward.Scheme
		err     error
	}{
		{"none", nil, "", gateward.SchemeNone, gateward.ErrNoCredential},
		{"other cookies", []string{"cookie: a=b"}, "", gateward.SchemeNone, gateward.ErrNoCredential},
		{"session", []string{sessionCookie}, "grace", gateward.SchemeCookie, nil},
		{"session as bearer", []string{sessionBearer}, "grace", gateward.SchemeBearer, nil},
		{"token", []string{bearer}, "ada", gateward.SchemeBearer, nil},
		{"the header decides", []string{bearer, sessionCookie}, "ada", gateward.SchemeBearer, nil},
		{"a bad header decides", []string{"authorization: Bearer nobody", sessionCookie}, "", gateward.SchemeBearer, gateward.ErrInvalidCredential},
		{"unknown scheme", []string{"authorization: Digest x"}, "", gateward.SchemeNone, gateward.ErrInvalidCredential},
		{"two values", []string{bearer, bearer}, "", gateward.SchemeNone, gateward.ErrInvalidCredential},
		{"two cookies", []string{"cookie: gateward_client_token=a; gateward_client_token=b"}, "", gateward.SchemeCookie, gateward.ErrInvalidCredential},
		{"not admitted", []string{"authorization: Bearer out"}, "", gateward.SchemeBearer, gateward.ErrNotAdmitted},
		{"unavailable", []string{"authorization: Bearer down"}, "", gateward.SchemeBearer, gateward.ErrUnavailable},
		{"some other error", []string{"authorization: Bearer odd"}, "", gateward.SchemeBearer, gateward.ErrUnavailable},
		{"panic", []string{"authorization: Bearer boom"}, "", gateward.SchemeBearer, gateward.ErrUnavailable},
	} {
		for range 2 {
			id, scheme, err := e.identify(t.Context(), c.headers...)
			if id.Subject != c.subject || scheme != c.scheme || !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Errorf("%s: got %q by %v, %v; want %q by %v, %v", c.name, id.Subject, scheme, err, c.subject, c.scheme, c.err)
			}
			for _, other := range []error{gateward.ErrNoCredential, gateward.ErrInvalidCredential, gateward.ErrNotAdmitted, gateward.ErrUnavailable} {
				if !errors.Is(other, c.err) && errors.Is(err, other) {
					t.Errorf("%s: %v is also %v", c.name, err, other)
				}
			}
		}
	}
}

// TestIdentify_Whole: the login service sees what the cache does without.
func TestIdentify_Whole(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"", "true"} {
		e := newSessionEngine(t, func(c *extauthz.Config) {
			c.Rules = []extauthz.Rule{{Name: "a", Require: extauthz.Require{When: when}}}
		})
		for i := range 3 {
			if got := e.statusOf(t, sessionCookie); got != 200 {
				t.Fatalf("got %d", got)
			}
			id, _, err := e.identify(t.Context(), sessionCookie)
			if err != nil || id.Metadata["io.flipt.auth.oidc.sub"] != "grace" || id.Claims["sub"] != "grace" || id.SessionID == "" {
				t.Errorf("when %q, call %d: got %+v, %v", when, i, id, err)
			}
		}
		want := int64(4) // the check's, and one for each call
		if when != "" {
			want = 1
		}
		if n := e.sessions.calls.Load(); n != want {
			t.Errorf("when %q: %d look-ups, want %d", when, n, want)
		}
	}
}

// TestIdentify_NotAdmitted: who is refused can be told by name.
func TestIdentify_NotAdmitted(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	e.sessions.err = fmt.Errorf("session: %w", &gateward.NotAdmittedError{Rule: "email_matches"})
	for range 2 {
		id, _, err := e.identify(t.Context(), sessionCookie)
		var by *gateward.NotAdmittedError
		if !errors.As(err, &by) || by.Rule != "email_matches" || id.Email != "grace@example.com" {
			t.Errorf("got %+v, %v", id, err)
		}
	}
	if got := e.check(t, req("GET app.test/", sessionCookie)); status(got) != 403 || allowed(got) {
		t.Errorf("got %d", status(got))
	}
}

// TestSEC_L02_IdentifyBlamesTheRightOne: an error that is ours by any reading
// is nobody else's, or somebody would lose a cookie by it.
func TestSEC_L02_IdentifyBlamesTheRightOne(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	for _, ours := range []error{
		errors.Join(gateward.ErrInvalidCredential, gateward.ErrUnavailable),
		errors.Join(gateward.ErrInvalidCredential, context.DeadlineExceeded),
	} {
		e.sessions.set(func() { e.sessions.err = ours })
		if _, _, err := e.identify(t.Context(), sessionCookie); !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, gateward.ErrInvalidCredential) {
			t.Errorf("%v: got %v", ours, err)
		}
	}
}

// TestSEC_L01_IdentifyIsInTime: like a check.
func TestSEC_L01_IdentifyIsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		fake.table["slow"] = func(ctx context.Context) (gateward.Identity, error) {
			<-ctx.Done()
			return gateward.Identity{}, ctx.Err()
		}
		inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := (engine{inner, fake}).identify(ctx, "authorization: Bearer slow"); !errors.Is(err, gateward.ErrUnavailable) || ctx.Err() != nil {
			t.Errorf("got %v, %v", err, ctx.Err())
		}
		start := time.Now()
		if _, _, err := (engine{inner, fake}).identify(t.Context(), "authorization: Bearer slow"); !errors.Is(err, gateward.ErrUnavailable) || time.Since(start) > 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute) // in the bubble, until all have given up
	})
}

// TestSEC_K07_IdentifyAfterRevocation: the login service does not see what was
// revoked either.
func TestSEC_K07_IdentifyAfterRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newSessionEngine(t, nil)
		release := make(chan struct{})
		e.sessions.reading = func() { <-release }
		before := make(chan error, 1)
		go func() { _, _, err := e.identify(t.Context(), sessionCookie); before <- err }()
		synctest.Wait()
		e.sessions.set(func() { delete(e.sessions.table, "s.grace"); e.sessions.reading = nil })
		e.Revoked(revocation("s.grace"))
		if _, _, err := e.identify(t.Context(), sessionCookie); !errors.Is(err, gateward.ErrInvalidCredential) {
			t.Errorf("after: got %v", err)
		}
		close(release)
		if err := <-before; err != nil {
			t.Errorf("before: got %v", err)
		}
	})
}
