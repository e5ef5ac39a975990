package extauthz_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// fakeSessions is a store of sessions and the method that looks into it. Client
// tokens begin with "s.".
type fakeSessions struct {
	mu    sync.Mutex
	table map[string]gateward.Identity // by client token
	err   error
	calls atomic.Int64
	// reading, unless nil, is called between what is read and its return.
	reading func()
}

func (*fakeSessions) Name() string { return "session" }

func (*fakeSessions) Claims(c gateward.Credential) bool {
	v := c.Value.Reveal()
	return (c.Scheme == gateward.SchemeCookie || c.Scheme == gateward.SchemeBearer) && len(v) > 2 && v[:2] == "s."
}

func (m *fakeSessions) Authenticate(ctx context.Context, c gateward.Credential) (gateward.Identity, error) {
	m.calls.Add(1)
	m.mu.Lock()
	id, ok := m.table[c.Value.Reveal()]
	err, reading := m.err, m.reading
	m.mu.Unlock()
	if reading != nil {
		reading()
	}
	switch {
	case ctx.Err() != nil:
		return gateward.Identity{}, ctx.Err()
	case err != nil:
		return id, err
	case !ok:
		return gateward.Identity{}, gateward.ErrInvalidCredential
	}
	return id, nil
}

func (m *fakeSessions) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *fakeSessions) create(token string, id gateward.Identity) {
	m.set(func() { m.table[token] = id })
}

func (m *fakeSessions) delete(token string) { m.set(func() { delete(m.table, token) }) }

func revocation(tokens ...string) sessions.Revocation {
	var r sessions.Revocation
	for _, t := range tokens {
		r.Keys = append(r.Keys, sessions.KeyOf([]byte(t)))
	}
	return r
}

// grace is somebody who logged in.
func grace() gateward.Identity {
	return gateward.Identity{
		Principal: gateward.Principal{Issuer: "https://op.test", Subject: "grace"},
		Method:    "oidc", Provider: "op", Email: "grace@example.com", EmailVerified: true,
		AllScopes: true, SessionID: "8d2f", Metadata: map[string]string{"io.flipt.auth.oidc.sub": "grace"},
		Claims: map[string]any{"sub": "grace"},
	}
}

const (
	sessionCookie = "cookie: gateward_client_token=s.grace"
	sessionBearer = "authorization: Bearer s.grace"
)

func sessionDefaults() extauthz.Config {
	c := defaults()
	c.Cache.MaxStaleness = 5 * time.Second
	c.SessionMethods = []string{"oidc", "github"}
	return c
}

// A sessionEngine is an engine with sessions, and a clock that stands still.
type sessionEngine struct {
	engine
	sessions *fakeSessions
	clock    *atomic.Int64
}

func (e sessionEngine) pass(d time.Duration) { e.clock.Add(int64(d)) }

func newSessionEngine(tb testing.TB, change func(*extauthz.Config)) sessionEngine {
	tb.Helper()
	cfg := sessionDefaults()
	if change != nil {
		change(&cfg)
	}
	e := sessionEngine{sessions: newFakeSessions(), clock: &atomic.Int64{}}
	e.clock.Store(time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	o := options(tb)
	o.Now = func() time.Time { return time.Unix(0, e.clock.Load()) }
	fake := newFake()
	inner, err := extauthz.New(cfg, []methods.Authenticator{e.sessions, fake}, o)
	if err != nil {
		tb.Fatal(err)
	}
	inner.Hearing(true)
	e.engine = engine{inner, fake}
	return e
}

func newFakeSessions() *fakeSessions {
	return &fakeSessions{table: map[string]gateward.Identity{"s.grace": grace()}}
}

// statusOf is the status of a check with these headers.
func (e sessionEngine) statusOf(tb testing.TB, headers ...string) int {
	tb.Helper()
	return status(e.check(tb, req("GET app.test/", headers...)))
}

// TestSEC_K01_NothingButIdentitiesIsShared: a warm cache decides as a cold one,
// whichever input of a decision differs.
func TestSEC_K01_NothingButIdentitiesIsShared(t *testing.T) {
	t.Parallel()
	rules := func(c *extauthz.Config) { siteRules(c); fixtureLogin(c) }
	warm := newSessionEngine(t, rules)
	cold := newSessionEngine(t, func(c *extauthz.Config) { rules(c); c.Cache.Size = 0 })
	lines := []string{}
	for _, method := range []string{"GET", "POST"} {
		for _, host := range []string{"app.test", "ro.test", "cookie.test", "elsewhere.example"} {
			for _, path := range []string{"/", "/public/x", "/maybe", "/lenient", "/closed/x", "/admin", "/write", "/team", "/auth/login", "/a%2fb"} {
				lines = append(lines, method+" "+host+path)
			}
		}
	}
	for _, h := range []string{
		"x: y", bearer, "cookie: gateward_client_token=good", "authorization: Bearer bob", "authorization: JWT good", "authorization: Basic Z29vZA==",
		"authorization: Bearer nobody", "cookie: gateward_client_token=nobody", "authorization: Bearer down", "authorization: Bearer out",
		sessionCookie, sessionBearer, "authorization: JWT s.grace", "cookie: flipt_client_token=s.nobody",
	} {
		for _, line := range lines {
			for _, accept := range []string{"accept: */*", "accept: text/html"} {
				r := req(line, h, accept)
				got, want := warm.check(t, r), cold.check(t, r)
				if status(got) != status(want) || reason(got) != reason(want) || metadata(got, "rule") != metadata(want, "rule") ||
					sent(got, "x-auth-request-user") != sent(want, "x-auth-request-user") || sent(got, "location") != sent(want, "location") {
					t.Errorf("%s, %s, %s: warm %d %s, cold %d %s", line, h, accept, status(got), reason(got), status(want), reason(want))
				}
			}
		}
	}
}

// TestSEC_K02_SessionsEndInTime: whatever the time to live says.
func TestSEC_K02_SessionsEndInTime(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	id := grace()
	id.Expiry = time.Unix(0, e.clock.Load()).Add(2 * time.Second)
	e.sessions.create("s.grace", id)
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Fatalf("got %d", got)
	}
	e.sessions.delete("s.grace") // it ends by itself, which nobody publishes
	e.pass(2*time.Second - 1)
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("just before its end: got %d", got)
	}
	e.pass(1)
	if got := e.statusOf(t, sessionCookie); got != 401 {
		t.Errorf("at its end: got %d", got)
	}

	id.FreshUntil, id.Expiry = time.Unix(0, e.clock.Load()).Add(30*time.Second), time.Time{}
	e.sessions.create("s.fresh", id)
	before := e.sessions.calls.Load()
	for i, want := range []int64{1, 1, 2} {
		if got := e.statusOf(t, "cookie: gateward_client_token=s.fresh"); got != 200 || e.sessions.calls.Load()-before != want {
			t.Errorf("check %d: got %d after %d look-ups, want %d", i, got, e.sessions.calls.Load()-before, want)
		}
		e.pass(15 * time.Second)
	}
}

// TestSEC_L03_StoreDown: without the store, whoever does not need it is let in.
func TestSEC_L03_StoreDown(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, fixtureLogin)
	e.sessions.err = gateward.ErrUnavailable
	for h, want := range map[string]int{sessionCookie: 503, sessionBearer: 503, bearer: 200, "x: y": 302} {
		got := e.check(t, req("GET app.test/", h, "accept: text/html"))
		if status(got) != want || sent(got, "set-cookie") != "" {
			t.Errorf("%s: got %d %v, want %d", h, status(got), got, want)
		}
	}
	e.sessions.set(func() { e.sessions.err = nil })
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("it is back: got %d", got)
	}
}

// TestSEC_N08_ChecksAreCountedByMethod: by that of the identity, or else by who
// was asked.
func TestSEC_N08_ChecksAreCountedByMethod(t *testing.T) {
	t.Parallel()
	cfg, store, o := sessionDefaults(), newFakeSessions(), options(t)
	odd := grace()
	odd.Method = "made-up"
	store.create("s.odd", odd)
	inner, err := extauthz.New(cfg, []methods.Authenticator{newFake(), store}, o)
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, nil}
	for _, h := range []string{sessionCookie, bearer, "authorization: Bearer s.none", "authorization: Bearer s.odd", "x: y"} {
		e.check(t, req("GET app.test/", h))
	}
	text := scrape(t, o.Metrics)
	for _, want := range []string{
		`method="oidc",outcome="allow",reason="identified",rule="default:required"} 1`, `method="fake",outcome="allow",reason="identified",rule="default:required"} 1`,
		`method="session",outcome="deny",reason="invalid_credential",rule="default:required"} 1`, `method="session",outcome="allow",reason="identified",rule="default:required"} 1`,
		`method="none",outcome="deny",reason="no_credential",rule="default:required"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "made-up") {
		t.Error("a method that nobody configured is a label")
	}
}

// TestSessionsAreNotLimitedByScopes: those of people are not.
func TestSessionsAreNotLimitedByScopes(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, siteRules)
	if got := e.check(t, req("GET app.test/write", sessionCookie)); status(got) != 200 {
		t.Errorf("got %d %s", status(got), reason(got))
	}
}
