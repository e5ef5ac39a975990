package oidc_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// A fixture is a provider and the method that knows it as "op".
type fixture struct {
	t      *testing.T
	op     *oidctest.Provider
	method *oidc.Method
	login  *oidc.Provider
	clock  *clock
	log    *syncBuffer
	mu     sync.Mutex
	counts map[string]int // "operation ok" and "operation failed"
}

// A clock is the real one until it is stopped, moved on by what a test wants.
type clock struct {
	mu      sync.Mutex
	ahead   time.Duration
	stopped time.Time // zero while it runs
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.ahead)
	}
	return time.Now().Add(c.ahead)
}

// Stop stops the clock at a whole second.
func (c *clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now().Truncate(time.Second)
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// configOf returns what is needed to log in at op.
func configOf(op *oidctest.Provider) oidc.ProviderConfig {
	return oidc.ProviderConfig{
		IssuerURL: op.Issuer, ClientID: op.ClientID, ClientSecret: gateward.NewSecret(op.ClientSecret),
		RedirectAddress: "https://app.example.com", Scopes: []string{"email", "profile"},
	}
}

// setup starts a provider and a method for it; change, unless nil, changes the
// configuration.
func setup(t *testing.T, change func(*oidc.Config, *oidc.ProviderConfig), options ...oidctest.Option) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{}, log: &syncBuffer{}, counts: map[string]int{}}
	f.op = oidctest.Start(t, append([]oidctest.Option{oidctest.WithClock(f.clock.Now)}, options...)...)
	f.method = f.build(change, nil)
	f.login = f.method.Providers()[0]
	return f
}

func (f *fixture) options() oidc.Options {
	return oidc.Options{
		Logger: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: f.clock.Now,
		OnRequest: func(provider, operation string, ok bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if provider != "op" {
				f.t.Errorf("request of provider %q", provider)
			}
			f.counts[operation+map[bool]string{true: " ok", false: " failed"}[ok]]++
		},
	}
}

func (f *fixture) build(change func(*oidc.Config, *oidc.ProviderConfig), previous *oidc.Method) *oidc.Method {
	f.t.Helper()
	c, pc := oidc.Config{}, configOf(f.op)
	if change != nil {
		change(&c, &pc)
	}
	c.Providers = map[string]oidc.ProviderConfig{"op": pc}
	o := f.options()
	o.Previous = previous
	m, err := oidc.New(f.t.Context(), c, o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(m.Close)
	return m
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func newAttempt() methods.Attempt {
	return methods.Attempt{State: random(), Nonce: random(), Verifier: gateward.NewSecret(random())}
}

// authorize sends a person through the provider and returns the callback.
func (f *fixture) authorize(a methods.Attempt) methods.Callback {
	f.t.Helper()
	address, err := f.login.AuthCodeURL(f.t.Context(), a)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.callback(f.op.Authorize(address), a)
}

func (f *fixture) callback(location string, a methods.Attempt) methods.Callback {
	f.t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		f.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("state") != a.State {
		f.t.Fatalf("callback %s has another state", location)
	}
	c := methods.Callback{Code: gateward.NewSecret(q.Get("code"))}
	if q.Has("iss") {
		iss := q.Get("iss")
		c.Issuer = &iss
	}
	return c
}

// exchange logs in.
func (f *fixture) exchange() (gateward.Identity, gateward.Tokens, error) {
	f.t.Helper()
	a := newAttempt()
	return f.login.Exchange(f.t.Context(), f.authorize(a), a)
}

// mustExchange logs in successfully.
func (f *fixture) mustExchange() (gateward.Identity, gateward.Tokens) {
	f.t.Helper()
	id, tokens, err := f.exchange()
	if err != nil {
		f.t.Fatalf("login: %v", err)
	}
	return id, tokens
}

// refused checks whose fault an error is, that nothing comes beside it, and that
// neither it nor the log holds what is nobody's business.
func (f *fixture) refused(id gateward.Identity, tokens gateward.Tokens, err, want error) {
	f.t.Helper()
	wantKind(f.t, err, want)
	if id.Subject != "" && !errors.Is(want, gateward.ErrNotAdmitted) {
		f.t.Errorf("an identity beside the error: %+v", id)
	}
	if tokens.AccessToken.Reveal()+tokens.RefreshToken.Reveal()+tokens.IDToken.Reveal() != "" && !errors.Is(want, gateward.ErrNotAdmitted) {
		f.t.Error("tokens beside the error")
	}
	f.quiet(err)
}

// wantKind checks that an error is of one kind and of no other.
func wantKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range []error{gateward.ErrInvalidCredential, gateward.ErrNotAdmitted, gateward.ErrUnavailable} {
		if errors.Is(err, kind) != errors.Is(want, kind) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
}

// quiet checks that nothing secret is in an error or the log.
func (f *fixture) quiet(err error) {
	f.t.Helper()
	text := f.log.String()
	if err != nil {
		text += err.Error()
	}
	if strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
		f.t.Errorf("a secret or an answer is in an error or the log: %s", text)
	}
}

// hang makes an endpoint hang, and returns what receives when a request is there.
func (f *fixture) hang(e oidctest.Endpoint) <-chan struct{} {
	arrived, hang := make(chan struct{}, 8), oidctest.Hang(nil)
	f.op.Fault(e, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		hang(w, r)
	})
	return arrived
}

func (f *fixture) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[what]
}

func rule(err error) string {
	if e := (*gateward.NotAdmittedError)(nil); errors.As(err, &e) {
		return e.Rule
	}
	return ""
}

func yes() *bool { b := true; return &b }

func no() *bool { b := false; return &b }

type claims = map[string]any

// set returns a change of claims: v, or no such claim if v is nil.
func set(name string, v any) func(claims) {
	return func(c claims) {
		c[name] = v
		if v == nil {
			delete(c, name)
		}
	}
}

func manyGroups(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "/company/team-" + string(rune('a'+i%26)) + "/" + strings.Repeat("x", i%10)
	}
	return all
}

func raw(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		_, _ = w.Write([]byte(body))
	}
}

func dropNil(c claims) { maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil }) }

func setupTLS(t *testing.T) *fixture {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	f := setup(t, nil, oidctest.WithTLS())
	if err := os.WriteFile(path, f.op.Authorities(), 0o600); err != nil {
		t.Fatal(err)
	}
	f.method = f.build(func(_ *oidc.Config, p *oidc.ProviderConfig) { p.CAPath, p.FetchExtraUserInfo = path, true }, nil)
	f.login = f.method.Providers()[0]
	return f
}
