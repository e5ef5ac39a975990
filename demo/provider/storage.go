package provider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var errGone = errors.New("no such thing, or no longer")

// refreshLifetime is how long a refresh token can be used.
const refreshLifetime = 24 * time.Hour

// storage is what the provider library keeps, in memory.
type storage struct {
	config Config
	client client
	key    signingKey

	mu       sync.Mutex
	requests map[string]*authRequest
	codes    map[string]string // to ids of requests
	tokens   map[string]grant  // by id of the access token
	refresh  map[string]grant  // by refresh token
	sessions map[string]providerSession
}

// providerSession is a browser that has said who it is.
type providerSession struct {
	account string
	at      time.Time
}

// grant is what tokens stand for.
type grant struct {
	account  string
	scopes   []string
	audience []string
	authTime time.Time
	until    time.Time
}

func newStorage(c Config) (*storage, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &storage{
		config: c, client: client{c}, key: signingKey{rand.Text(), key},
		requests: map[string]*authRequest{}, codes: map[string]string{}, tokens: map[string]grant{},
		refresh: map[string]grant{}, sessions: map[string]providerSession{},
	}, nil
}

func (s *storage) request(id string) (authRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return authRequest{}, false
	}
	return *r, true
}

// authenticated notes who a request is for.
func (s *storage) authenticated(id, account string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if ok {
		r.account, r.authTime = account, at
	}
	return ok
}

func (s *storage) session(value string) (providerSession, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.sessions[value]
	return v, ok
}

func (s *storage) addSession(value string, v providerSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[value] = v
}

func (s *storage) removeSession(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, value)
}

// The methods below are op.Storage, whose documentation says when each is
// called.

func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if slices.Contains(r.Prompt, oidc.PromptNone) {
		return nil, oidc.ErrLoginRequired()
	}
	a := &authRequest{AuthRequest: r, id: rand.Text(), hint: r.LoginHint}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[a.id] = a
	return a, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	r, ok := s.request(id)
	if !ok {
		return nil, errGone
	}
	return &r, nil
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	delete(s.codes, code)
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	g, id := s.grantFor(r), rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = g
	return id, g.until, nil
}

func (s *storage) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	g, id, next := s.grantFor(r), rand.Text(), rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.refresh[current]; current != "" && !ok {
		return "", "", time.Time{}, op.ErrInvalidRefreshToken
	}
	delete(s.refresh, current)
	s.tokens[id] = g
	kept := g
	kept.until = time.Now().Add(refreshLifetime)
	s.refresh[next] = kept
	return id, next, g.until, nil
}

func (s *storage) grantFor(r op.TokenRequest) grant {
	g := grant{
		account: r.GetSubject(), scopes: r.GetScopes(), audience: r.GetAudience(),
		authTime: time.Now(), until: time.Now().Add(s.config.AccessTokenLifetime),
	}
	if timed, ok := r.(interface{ GetAuthTime() time.Time }); ok {
		g.authTime = timed.GetAuthTime()
	}
	return g
}

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refresh[token]
	if !ok || time.Now().After(g.until) {
		return nil, op.ErrInvalidRefreshToken
	}
	return &refreshRequest{g, s.config.ClientID}, nil
}

func (s *storage) TerminateSession(_ context.Context, account, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kept := range []map[string]grant{s.tokens, s.refresh} {
		for token, g := range kept {
			if g.account == account {
				delete(kept, token)
			}
		}
	}
	return nil
}

func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
	delete(s.refresh, token)
	return nil
}

func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refresh[token]
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}
	return g.account, token, nil
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.config.ClientID {
		return nil, errGone
	}
	return s.client, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != s.config.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.config.ClientSecret)) != 1 {
		return errGone
	}
	return nil
}

func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	p, ok := find(r.GetSubject())
	if !ok {
		return errGone
	}
	p.claims(info, scopes)
	return nil
}

func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, token, _, _ string) error {
	s.mu.Lock()
	g, ok := s.tokens[token]
	s.mu.Unlock()
	p, known := find(g.account)
	if !ok || !known || time.Now().After(g.until) {
		return errGone
	}
	p.claims(info, g.scopes)
	return nil
}

func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errGone
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return map[string]any{}, nil
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errGone
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errGone
}

func (s *storage) Health(context.Context) error { return nil }
