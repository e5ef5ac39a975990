package loginsvc_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
)

const (
	publicURL   = "https://app.example.com"
	tokenCookie = "__Host-gateward_client_token"
	stateCookie = "__Host-gateward_client_state_"
)

// A world is a login service with everything around it.
type world struct {
	t       testing.TB
	service *loginsvc.Service
	store   *watchedStore
	google  *provider
	corp    *provider
	metrics *metrics
	logs    *bytes.Buffer
	config  loginsvc.Config
	options loginsvc.Options

	mu    sync.Mutex
	clock time.Time
}

// newWorld starts a service with two providers, google and corp, at app.example.com.
func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC), metrics: &metrics{}, logs: &bytes.Buffer{}}
	kept := memory.New(memory.Options{Now: w.now, Random: rand.Reader, GracePeriod: 30 * time.Minute})
	t.Cleanup(func() { _ = kept.Close() })
	w.store = &watchedStore{keeper: kept}
	w.google, w.corp = newProvider(w, "google", "Google"), newProvider(w, "corp", "Example Corp")
	public, err := url.Parse(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := browser.NewReturnTargets(public, []string{"https://*.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	admins, err := admit.CompilePeople(admit.PeopleConfig{Subjects: []string{"token:boss"}})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.New(page.Site{Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	w.config = loginsvc.Config{
		PublicURL: public, TokenLifetime: 24 * time.Hour, IdleTimeout: time.Hour, StateLifetime: 10 * time.Minute,
		EnabledMethods: []string{"token", "oidc"}, StartedAt: w.clock.Add(-time.Hour), RedirectsPerMinute: 3,
	}
	w.options = loginsvc.Options{
		Logger:  slog.New(slog.NewJSONHandler(&locked{w: w.logs}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: w.metrics, Now: w.now, Random: rand.Reader,
		Store: w.store, Identifier: &identifier{store: w.store, admit: func(*gateward.Identity) error { return nil }},
		Attempts: sessions.NewSealer("attempt", sessions.ConfiguredMasters(gateward.NewSecret(strings.Repeat("k", 32)), nil), rand.Reader),
		Cookies: browser.NewCookies(browser.CookieConfig{
			Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true,
		}),
		ReturnTargets: targets, ClientIP: browser.NewClientIP(0, nil), Pages: pages, Admins: admins,
		Logins: []methods.Login{w.google, w.corp},
	}
	for _, c := range change {
		c(w)
	}
	w.start()
	return w
}

// start makes the service anew, as a reload does.
func (w *world) start() {
	w.t.Helper()
	var err error
	if w.service, err = loginsvc.New(w.config, w.options); err != nil {
		w.t.Fatal(err)
	}
}

func onlyGoogle(w *world) { w.options.Logins = []methods.Login{w.google} }

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// sessions returns all live sessions.
func (w *world) sessions() []sessions.Session {
	w.t.Helper()
	p, err := w.store.keeper.List(w.t.Context(), sessions.Filter{}, 1000, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Sessions
}

func (w *world) identifier() *identifier { return w.options.Identifier.(*identifier) }

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

type metrics struct {
	mu          sync.Mutex
	logins      []string
	revocations map[string]int
}

func (m *metrics) Login(provider, result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logins = append(m.logins, provider+" "+result)
}

func (m *metrics) Revocations(cause string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revocations == nil {
		m.revocations = map[string]int{}
	}
	m.revocations[cause] += n
}

func (m *metrics) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.logins) == 0 {
		return ""
	}
	return m.logins[len(m.logins)-1]
}

// An identifier does what the check path does, for sessions and two static
// tokens, "boss" and "ci".
type identifier struct {
	store sessions.Store
	admit func(*gateward.Identity) error
}

func (i *identifier) Identify(ctx context.Context, authorization, cookies [][]byte) (gateward.Identity, gateward.Scheme, error) {
	if len(authorization) > 0 {
		token, ok := strings.CutPrefix(string(authorization[0]), "Bearer ")
		if !ok || len(authorization) > 1 {
			return gateward.Identity{}, gateward.SchemeBearer, gateward.ErrInvalidCredential
		}
		id, err := i.judge(ctx, token)
		return id, gateward.SchemeBearer, err
	}
	value := ""
	for _, line := range cookies {
		for _, pair := range strings.Split(string(line), "; ") {
			if v, ok := strings.CutPrefix(pair, tokenCookie+"="); ok && v != "" {
				if value != "" && value != v {
					return gateward.Identity{}, gateward.SchemeCookie, gateward.ErrInvalidCredential
				}
				value = v
			}
		}
	}
	if value == "" {
		return gateward.Identity{}, gateward.SchemeNone, gateward.ErrNoCredential
	}
	id, err := i.judge(ctx, value)
	return id, gateward.SchemeCookie, err
}

func (i *identifier) judge(ctx context.Context, token string) (gateward.Identity, error) {
	switch token {
	case "boss", "ci":
		return gateward.Identity{
			Principal: gateward.Principal{Subject: token}, Method: "token", Metadata: map[string]string{"team": "build"},
		}, nil
	case "jwt":
		return gateward.Identity{Principal: gateward.Principal{Issuer: "https://jwt.test", Subject: "u"}, Method: "jwt"}, nil
	}
	s, err := i.store.Get(ctx, sessions.IDOf(sessions.KeyOf([]byte(token))))
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return gateward.Identity{}, fmt.Errorf("test: %w", gateward.ErrInvalidCredential)
	case err != nil:
		return gateward.Identity{}, err
	}
	id := s.Identity
	id.SessionID, id.Expiry = s.ID, s.Deadline()
	return id, i.admit(&id)
}

// keylessSealer returns a sealer whose key cannot be had.
func keylessSealer() *sessions.Sealer {
	return sessions.NewSealer("attempt", func(context.Context) ([][]byte, error) {
		return nil, fmt.Errorf("test: no key: %w", gateward.ErrUnavailable)
	}, rand.Reader)
}

// nobody identifies everybody as somebody without a name.
type nobody struct{}

func (nobody) Identify(context.Context, [][]byte, [][]byte) (gateward.Identity, gateward.Scheme, error) {
	return gateward.Identity{Method: "oidc"}, gateward.SchemeJWT, nil
}
