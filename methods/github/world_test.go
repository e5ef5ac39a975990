package github_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// A world is a GitHub server, on which ada has an account, and the method that
// logs people in there.
type world struct {
	t      *testing.T
	hub    *githubtest.Server
	server *httptest.Server
	ca     string // file with the server's certificate, "" for plain http
	method *github.Method
	log    *syncBuffer

	mu     sync.Mutex
	ahead  time.Duration
	counts map[string]int // "operation ok" and "operation failed"
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

// start is an instant that no test depends on.
func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return start().Add(w.ahead)
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

func (w *world) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[what]
}

type worldOptions struct {
	hub githubtest.Options
	tls bool
}

// newWorld starts a server and a method; change, unless nil, changes the method's
// configuration, which asks for addresses and organizations and limits nothing.
func newWorld(t *testing.T, change func(*github.Config), options ...func(*worldOptions)) *world {
	t.Helper()
	w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
	o := worldOptions{hub: githubtest.Options{
		ClientID: "the-client", ClientSecret: "canary-client-secret", Now: w.now,
		CallbackURL: "https://app.example.com" + github.CallbackPath(),
	}}
	for _, option := range options {
		option(&o)
	}
	w.hub = githubtest.New(o.hub)
	if o.tls {
		w.server = httptest.NewTLSServer(w.hub)
		w.ca = filepath.Join(t.TempDir(), "ca.pem")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
		if err := os.WriteFile(w.ca, text, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		w.server = httptest.NewServer(w.hub)
	}
	t.Cleanup(w.server.Close)
	w.hub.AddUser(githubtest.User{
		ID: 101, Login: "Ada", Name: "Ada Lovelace",
		Emails: []githubtest.Email{
			{Address: "old@example.org", Verified: true},
			{Address: "ada@example.com", Primary: true, Verified: true},
		},
	})
	w.method = w.build(change, nil)
	return w
}

func withTLS(o *worldOptions) { o.tls = true }

func enterprise(o *worldOptions) { o.hub.Enterprise = true }

func expiring(o *worldOptions) { o.hub.ExpiringTokens = true }

func (w *world) config() github.Config {
	pkce := true
	return github.Config{
		ClientID: "the-client", ClientSecret: gateward.NewSecret("canary-client-secret"),
		RedirectAddress: "https://app.example.com", Scopes: []string{"read:org", "user:email"},
		ServerURL: w.server.URL, APIURL: w.server.URL, UsePKCE: &pkce, RecheckInterval: 15 * time.Minute,
		CAPath: w.ca,
	}
}

func (w *world) options(previous *github.Method) github.Options {
	return github.Options{
		Logger: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.now, Previous: previous,
		OnRequest: func(provider, operation string, ok bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if provider != "github" {
				w.t.Errorf("request of provider %q", provider)
			}
			w.counts[operation+map[bool]string{true: " ok", false: " failed"}[ok]]++
		},
	}
}

func (w *world) build(change func(*github.Config), previous *github.Method) *github.Method {
	w.t.Helper()
	c := w.config()
	if change != nil {
		change(&c)
	}
	m, err := github.New(c, w.options(previous))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(m.Close)
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

// authorize sends a person through GitHub and returns the callback.
func (w *world) authorize(a methods.Attempt, login string) methods.Callback {
	w.t.Helper()
	address, err := w.method.AuthCodeURL(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	location, err := w.hub.Authorize(address, login)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		w.t.Fatal(err)
	}
	if u.Query().Get("state") != a.State {
		w.t.Fatalf("callback %s has another state", location)
	}
	return methods.Callback{Code: gateward.NewSecret(u.Query().Get("code"))}
}

// login logs in the person of that login.
func (w *world) login(login string) (gateward.Identity, gateward.Tokens, error) {
	w.t.Helper()
	a := newAttempt()
	return w.method.Exchange(w.t.Context(), w.authorize(a, login), a)
}

func (w *world) mustLogin(login string) (gateward.Identity, gateward.Tokens) {
	w.t.Helper()
	id, tokens, err := w.login(login)
	if err != nil {
		w.t.Fatalf("login: %v", err)
	}
	return id, tokens
}

// refused checks whose fault an error is, that nothing comes beside it that should
// not, and that neither it nor the log holds a secret.
func (w *world) refused(id gateward.Identity, tokens gateward.Tokens, err, want error) {
	w.t.Helper()
	wantKind(w.t, err, want)
	if (id.Subject != "") != errors.Is(want, gateward.ErrNotAdmitted) {
		w.t.Errorf("identity beside the error %v: %+v", err, id)
	}
	if tokens.AccessToken.Reveal()+tokens.RefreshToken.Reveal() != "" {
		w.t.Error("tokens beside the error")
	}
	w.quiet(err)
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
func (w *world) quiet(err error) {
	w.t.Helper()
	text := w.log.String()
	if err != nil {
		text += err.Error()
	}
	for _, secret := range []string{"canary", "gho_", "ghr_"} {
		if strings.Contains(text, secret) {
			w.t.Errorf("%s is in an error or the log: %s", secret, text)
		}
	}
}

// rule returns the rule that an error names, or "".
func rule(err error) string {
	if e := (*gateward.NotAdmittedError)(nil); errors.As(err, &e) {
		return e.Rule
	}
	return ""
}

// notAdmitted returns what an error says to the person.
func notAdmitted(t *testing.T, err error) *gateward.NotAdmittedError {
	t.Helper()
	e := (*gateward.NotAdmittedError)(nil)
	if !errors.As(err, &e) {
		t.Fatalf("error %v says nothing to the person", err)
	}
	return e
}

// retryAfter returns after how long an error says to try again.
func retryAfter(err error) time.Duration {
	if e := (*gateward.UnavailableError)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return -1
}

func allow(organizations ...string) func(*github.Config) {
	return func(c *github.Config) { c.AllowedOrganizations = organizations }
}

// organizations creates organizations with ada in them.
func (w *world) organizations(names ...string) {
	for _, name := range names {
		w.hub.AddOrganization(githubtest.Organization{Login: name})
		w.hub.SetMembership(name, "Ada", githubtest.Active)
	}
}
