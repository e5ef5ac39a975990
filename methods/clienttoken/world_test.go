package clienttoken_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
)

// A world is a store, a provider, and any number of replicas.
type world struct {
	t     *testing.T
	store *store
	op    *provider
	login methods.Login // what is configured as oidc/op
	logs  logs
	n     uint16
	// options, unless nil, changes those of a replica.
	options func(*clienttoken.Options)
}

// logs is a buffer that replicas share.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, op: &provider{valid: map[string]bool{}}}
	w.login = refresher{w.op}
	backend := memory.New(memory.Options{Now: time.Now, Random: rand.Reader, GracePeriod: time.Hour})
	t.Cleanup(func() { _ = backend.Close() })
	w.store = &store{Store: backend, fails: map[string]error{}, calls: map[string]int{}}
	return w
}

func (w *world) replica() *clienttoken.Method {
	o := clienttoken.Options{
		Store: w.store, Leaser: w.store, Now: time.Now,
		Logger: slog.New(slog.NewJSONHandler(&w.logs, nil)),
		Logins: func(method, provider string) methods.Login {
			if method == "oidc" && provider == "op" {
				return w.login
			}
			return nil
		},
	}
	if w.options != nil {
		w.options(&o)
	}
	m := clienttoken.New(o)
	w.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return m
}

// begin begins a session of Ada's and returns its credential. edit may be nil.
func (w *world) begin(edit func(*sessions.Session)) (gateward.Credential, sessions.Session) {
	w.t.Helper()
	w.n++
	token := sessions.ClientToken(sha256.Sum256([]byte{byte(w.n), byte(w.n >> 8)}))
	now := time.Now()
	key := sessions.KeyOf([]byte(token.Reveal()))
	s := sessions.Session{
		ID: sessions.IDOf(key), Key: key,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: "https://op.example", Subject: "ada"}, Method: "oidc", Provider: "op",
			Groups: []string{"dev"}, AllScopes: true, AuthTime: now,
		},
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}
	if edit != nil {
		edit(&s)
	}
	if s.Tokens.RefreshToken.Reveal() != "" {
		w.op.allow(s.Tokens.RefreshToken.Reveal())
	}
	if err := w.store.Create(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
	return gateward.Credential{Scheme: gateward.SchemeCookie, Value: token}, s
}

// expiring gives a session tokens that are valid for d.
func expiring(d time.Duration) func(*sessions.Session) {
	return func(s *sessions.Session) {
		s.Tokens = gateward.Tokens{
			AccessToken: gateward.NewSecret("access-0"), RefreshToken: gateward.NewSecret("refresh-0 of " + s.ID),
			IDToken: gateward.NewSecret("id-0"), Expiry: time.Now().Add(d), SID: "sid-0",
		}
	}
}

// store is a backend with faults.
type store struct {
	*memory.Store
	mu    sync.Mutex
	fails map[string]error
	calls map[string]int
	swap  func(*sessions.Session) // what Get returns
	// acquiring is called before a lease is taken.
	acquiring func()
	// lost: leases are given to everybody, as if each had lost theirs.
	lost bool
}

func (s *store) set(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[op] = err
}

func (s *store) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

func (s *store) call(ctx context.Context, op string) error {
	s.mu.Lock()
	s.calls[op]++
	err := s.fails[op]
	s.mu.Unlock()
	if errors.Is(err, errHangs) {
		<-ctx.Done()
		return fmt.Errorf("store: %w: %w", gateward.ErrUnavailable, ctx.Err())
	}
	if err == nil && ctx.Err() != nil {
		return fmt.Errorf("store: %w: %w", gateward.ErrUnavailable, ctx.Err())
	}
	return err
}

var (
	errHangs = errors.New("hangs")
	errDown  = fmt.Errorf("store is down: %w", gateward.ErrUnavailable)
)

func (s *store) Get(ctx context.Context, id string) (sessions.Session, error) {
	if err := s.call(ctx, "get"); err != nil {
		return sessions.Session{}, err
	}
	got, err := s.Store.Get(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.swap != nil {
		s.swap(&got)
	}
	return got, err
}

func (s *store) Touch(ctx context.Context, id string, seen time.Time) error {
	if err := s.call(ctx, "touch"); err != nil {
		return err
	}
	return s.Store.Touch(ctx, id, seen)
}

func (s *store) Replace(ctx context.Context, with sessions.Session) error {
	if err := s.call(ctx, "replace"); err != nil {
		return err
	}
	return s.Store.Replace(ctx, with)
}

func (s *store) Delete(ctx context.Context, id string) error {
	if err := s.call(ctx, "delete"); err != nil {
		return err
	}
	return s.Store.Delete(ctx, id)
}

func (s *store) Acquire(ctx context.Context, name string, ttl time.Duration) (sessions.Lease, error) {
	if err := s.call(ctx, "acquire"); err != nil {
		return nil, err
	}
	if s.acquiring != nil {
		s.acquiring()
	}
	s.mu.Lock()
	if s.lost {
		s.calls["lost"]++
		name = fmt.Sprint(name, s.calls["lost"])
	}
	s.mu.Unlock()
	return s.Store.Acquire(ctx, name, ttl)
}

// provider is an OpenID provider that rotates its refresh tokens: each can be
// used once.
type provider struct {
	mu     sync.Mutex
	valid  map[string]bool
	calls  int
	active int
	most   int
	delay  time.Duration
	err    error
	then   error         // what follows the rotation fails
	late   time.Duration // from the rotation to the answer
	edit   func(*gateward.Identity, *gateward.Tokens)
	admit  func(*gateward.Identity) error
	during func()
}

func (p *provider) allow(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.valid[token] = true
}

func (p *provider) set(f func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// peak is how many refreshes there were at once.
func (p *provider) peak() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

func (p *provider) refresh(ctx context.Context, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	p.mu.Lock()
	p.calls++
	p.active++
	p.most = max(p.most, p.active)
	n, delay, during := p.calls, p.delay, p.during
	p.mu.Unlock()
	defer p.set(func(p *provider) { p.active-- })
	if during != nil {
		during()
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return gateward.Identity{}, gateward.Tokens{}, ctx.Err()
		}
	}
	id, t, err := p.answer(n, id, t)
	p.mu.Lock()
	late := p.late
	p.mu.Unlock()
	if late > 0 {
		select {
		case <-time.After(late):
		case <-ctx.Done():
			return gateward.Identity{}, gateward.Tokens{}, ctx.Err()
		}
	}
	return id, t, err
}

func (p *provider) answer(n int, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return gateward.Identity{}, gateward.Tokens{}, p.err
	}
	if !p.valid[t.RefreshToken.Reveal()] {
		return gateward.Identity{}, gateward.Tokens{}, fmt.Errorf("op: invalid_grant: %w", gateward.ErrInvalidCredential)
	}
	delete(p.valid, t.RefreshToken.Reveal())
	next := fmt.Sprintf("refresh-%d of %s", n, t.RefreshToken.Reveal())
	p.valid[next] = true
	id.Groups, id.AuthTime, id.AllScopes, id.Method, id.Provider = []string{fmt.Sprintf("fresh-%d", n)}, time.Time{}, false, "", ""
	t = gateward.Tokens{AccessToken: gateward.NewSecret("access"), RefreshToken: gateward.NewSecret(next), Expiry: time.Now().Add(time.Hour)}
	if p.edit != nil {
		p.edit(&id, &t)
	}
	if p.then != nil {
		return gateward.Identity{}, t, p.then
	}
	return id, t, nil
}

// plain is a login that can do nothing more.
type plain struct{}

func (plain) Method() string      { return "oidc" }
func (plain) Name() string        { return "op" }
func (plain) DisplayName() string { return "OP" }

func (plain) AuthCodeURL(context.Context, methods.Attempt) (string, error) { panic("not a login") }

func (plain) Exchange(context.Context, methods.Callback, methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	panic("not a login")
}

// refresher is a login that admits and refreshes.
type refresher struct{ *provider }

func (refresher) Method() string      { return "oidc" }
func (refresher) Name() string        { return "op" }
func (refresher) DisplayName() string { return "OP" }

func (refresher) AuthCodeURL(ctx context.Context, a methods.Attempt) (string, error) {
	return plain{}.AuthCodeURL(ctx, a)
}

func (refresher) Exchange(ctx context.Context, c methods.Callback, a methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	return plain{}.Exchange(ctx, c, a)
}

func (r refresher) Admit(id *gateward.Identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.admit == nil {
		return nil
	}
	return r.admit(id)
}

func (r refresher) Refresh(ctx context.Context, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	return r.refresh(ctx, id, t)
}
