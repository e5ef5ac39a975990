// Package storetest is the conformance suite of sessions.Backend and
// sessions.Users: a check for every sentence of the contract. What a backend does when its storage fails,
// and what it keeps across a restart, is for its own tests.
package storetest

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// GracePeriod is how long the backends under test keep what is over.
const GracePeriod = 30 * time.Minute

// lifetime is that of the sessions that the suite makes.
const lifetime = 8 * time.Hour

// Options are what a backend under test is made with.
type Options struct {
	// Now is the clock that the backend judges by. The suite moves it, forwards
	// only. It begins near the real time.
	Now func() time.Time
	// GracePeriod is [GracePeriod].
	GracePeriod time.Duration
	// OnAdvance has f called whenever the suite has moved the clock, and before
	// it goes on. It is for storage with a clock of its own that can be moved.
	OnAdvance func(f func(d time.Duration))
	// FixedClock is to be called if the storage ends something by a clock that
	// cannot be moved: the checks that depend on it are skipped. Whether a session
	// is live does not depend on it.
	FixedClock func()
}

// A check is one statement about a backend.
type check struct {
	name string
	run  func(*testing.T, *fixture)
	// storageClock: the storage itself may end something here.
	storageClock bool
}

// Run checks the backends that newBackend makes: each check gets an empty one,
// which is closed at the end. The checks run in parallel if t does.
func Run(t *testing.T, newBackend func(t *testing.T, o Options) sessions.Backend) {
	t.Helper()
	for _, c := range slices.Concat(storeChecks(), replaceChecks(), registryChecks(), filterChecks(), coordinationChecks(), markChecks(), busChecks(), generalChecks()) {
		t.Run(c.name, func(t *testing.T) {
			k := newClock()
			f := &fixture{clock: k, Backend: newBackend(t, k.options())}
			t.Cleanup(func() { closed(t, f.Backend) })
			c.do(t, f)
		})
	}
}

// RunShared checks that two backends on one storage, as two replicas have them,
// are one: newPair makes them, on empty storage.
func RunShared(t *testing.T, newPair func(t *testing.T, o Options) (a, b sessions.Backend)) {
	t.Helper()
	for _, c := range sharedChecks() {
		t.Run(c.name, func(t *testing.T) {
			k := newClock()
			a, b := newPair(t, k.options())
			t.Cleanup(func() { closed(t, a); closed(t, b) })
			c.do(t, &fixture{clock: k, Backend: a, other: b})
		})
	}
}

func (c check) do(t *testing.T, f *fixture) {
	t.Helper()
	if c.storageClock && f.clock.fixed {
		t.Skip("storetest: the clock of this storage cannot be moved")
	}
	c.run(t, f)
}

func closed(t *testing.T, b sessions.Backend) {
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// A clock stands still until it is moved.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	on    []func(time.Duration)
	fixed bool
}

func newClock() *clock {
	now := time.Now()
	return &clock{at: now.UTC().Truncate(time.Microsecond)}
}

func (k *clock) options() Options {
	return Options{
		Now: k.now, GracePeriod: GracePeriod,
		OnAdvance:  func(f func(time.Duration)) { k.on = append(k.on, f) },
		FixedClock: func() { k.fixed = true },
	}
}

func (k *clock) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at
}

func (k *clock) advance(d time.Duration) {
	k.mu.Lock()
	k.at = k.at.Add(d)
	k.mu.Unlock()
	for _, f := range k.on {
		f(d)
	}
}

// A fixture is what a check has to work with.
type fixture struct {
	sessions.Backend
	clock *clock
	other sessions.Backend // the second replica, in RunShared
}

// session returns a new session of ada's that is not kept anywhere yet.
func (f *fixture) session(edit ...func(*sessions.Session)) sessions.Session {
	var key sessions.Key
	rand.Read(key[:])
	now := f.clock.now()
	s := sessions.Session{
		ID: sessions.IDOf(key), Key: key,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: "ada"},
			Method:    "oidc", Provider: "example", AllScopes: true,
		},
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(lifetime),
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

// create keeps a new session and returns it as it is kept.
func (f *fixture) create(t *testing.T, edit ...func(*sessions.Session)) sessions.Session {
	t.Helper()
	s := f.session(edit...)
	if err := f.Create(t.Context(), s); err != nil {
		t.Fatalf("create: %v", err)
	}
	s.Revision = 1
	return s
}

// get returns a live session.
func (f *fixture) get(t *testing.T, id string) sessions.Session {
	t.Helper()
	s, err := f.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return s
}

// gone requires that no live session has this id.
func (f *fixture) gone(t *testing.T, id string) {
	t.Helper()
	_, err := f.Get(t.Context(), id)
	is(t, "get", err, sessions.ErrNotFound)
}

func idle(d time.Duration) func(*sessions.Session) {
	return func(s *sessions.Session) { s.IdleTimeout = d }
}

func lasting(d time.Duration) func(*sessions.Session) {
	return func(s *sessions.Session) { s.ExpiresAt = s.CreatedAt.Add(d) }
}

func created(at time.Time) func(*sessions.Session) {
	return func(s *sessions.Session) { s.CreatedAt = at }
}

func of(subject string) func(*sessions.Session) {
	return func(s *sessions.Session) { s.Identity.Subject = subject }
}

// full has something in every field.
func full(s *sessions.Session) {
	at := s.CreatedAt
	s.Identity = gateward.Identity{
		Principal: gateward.Principal{Issuer: "https://op.example.com/a?b=ü", Subject: "ada\x00\"<&> \u2028"},
		Method:    "oidc", Provider: "example", Email: "ada@example.com", EmailVerified: true, Name: "Ada Lovelace ✓",
		Groups: []string{"staff", "a,b"}, Scopes: []string{"read", "write"}, AllScopes: true,
		Organizations: []string{"acme"}, Teams: []string{"acme/owners", "acme/ü"},
		Claims: map[string]any{
			"sub": "ada", "exp": 1.75e9, "admin": true, "none": nil, "list": []any{"x", 1.5, map[string]any{"k": "v"}},
		},
		Metadata: map[string]string{"io.flipt.auth.email": "ada@example.com", "team": ""},
		AuthTime: at.Add(-time.Minute), ConfirmedAt: at.Add(-time.Second), UserID: "c1f8f8c4-5e6b-4d0a-9d3b-0a4f1d6f2b11",
	}
	s.Tokens = gateward.Tokens{
		AccessToken: gateward.NewSecret("at-51f2c9"), RefreshToken: gateward.NewSecret("rt-51f2c9"),
		IDToken: gateward.NewSecret("it-51f2c9"), Expiry: at.Add(5 * time.Minute), SID: "sid-1",
	}
	s.UpdatedAt, s.LastSeenAt = at.Add(-time.Microsecond), at.Add(-2*time.Microsecond)
	s.ExpiresAt, s.IdleTimeout = at.Add(lifetime+time.Microsecond), time.Hour+time.Microsecond
	s.UserAgent, s.Address = "Mozilla/5.0 (X11; Linux x86_64)", "2001:db8::1"
}

// is requires an error, or none.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !sameError(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// same requires that a session, or a user, is kept as it was put.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s: %s: got %s, want %s", what, g.Type().Field(i).Name, text(g.Field(i)), text(w.Field(i)))
		}
	}
}

func text(v reflect.Value) string { return fmt.Sprintf("%+v", v.Interface()) }

// ids returns those of sessions.
func ids(ss []sessions.Session) []string {
	var all []string
	for i := range ss {
		all = append(all, ss[i].ID)
	}
	return all
}
