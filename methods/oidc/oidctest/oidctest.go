// Package oidctest is an OpenID provider for tests, in this process and on
// loopback: one client, one person at a time, real signatures and real redirects.
// It is strict about what a client sends, and does on demand what real providers
// were seen to do and what hostile or broken ones might.
//
// It shares no code with what it tests. A test without a browser logs in with
// [Provider.Authorize]; a browser, or a client that follows redirects, can be sent
// to the authorization endpoint, which answers at once with the redirect back.
package oidctest

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An Endpoint is one of the provider's addresses.
type Endpoint string

// The endpoints.
const (
	Discovery     Endpoint = "/.well-known/openid-configuration"
	Authorization Endpoint = "/authorize"
	Token         Endpoint = "/token"
	Userinfo      Endpoint = "/userinfo"
	Keys          Endpoint = "/keys"
	EndSession    Endpoint = "/end-session"
	// Graph is what Microsoft Graph has for the groups of whom an access token
	// belongs to; its base, for a configuration, is [Provider.GraphURL].
	Graph Endpoint = "/graph/me/getMemberObjects"
)

// endpoints are all of them.
var endpoints = []Endpoint{Discovery, Authorization, Token, Userinfo, Keys, EndSession, Graph}

// A User is who logs in.
type User struct {
	Subject, Email, Name, Picture string
	// EmailVerified is sent as it is: a bool, or whatever else providers send;
	// nil for none.
	EmailVerified any
	// Groups is sent unless nil.
	Groups []string
	// Claims are further claims, of the ID token and of userinfo.
	Claims map[string]any
}

// Ada is who logs in unless [Provider.SetUser] says otherwise.
func Ada() User {
	return User{
		Subject: "ada-1", Email: "ada@example.com", EmailVerified: true, Name: "Ada Lovelace",
		Picture: "https://example.com/ada.png", Groups: []string{"engineering", "staff"},
	}
}

// Behavior is what the provider does where specifications leave a choice, and
// where it breaks them. Functions change what is about to be sent; of the provider
// they may call [Provider.Sign] only.
type Behavior struct {
	// TokenLifetime is that of access and ID tokens.
	TokenLifetime time.Duration
	// AnswerWithIssuer sends iss with the code (RFC 9207) and says so in the
	// metadata.
	AnswerWithIssuer bool
	// AuthMethods are how the client may authenticate to the token endpoint:
	// client_secret_basic, client_secret_post. SilentAuthMethods keeps them out
	// of the metadata.
	AuthMethods       []string
	SilentAuthMethods bool
	// NoRefreshToken issues none. KeepRefreshToken issues one for good: a refresh
	// answers without a new one. Otherwise each is good once.
	NoRefreshToken, KeepRefreshToken bool
	// SameRefreshToken is KeepRefreshToken, with the token in every answer.
	SameRefreshToken bool
	// Offline, unless nil, decides by the parameters of the authorization request
	// whether there is a refresh token.
	Offline func(request url.Values) bool
	// NoRefreshedIDToken leaves the ID token out of refresh answers.
	NoRefreshedIDToken bool
	// UnsignedRefreshTokens makes them JWTs with alg none.
	UnsignedRefreshTokens bool
	// AuthTime puts auth_time into every ID token. Otherwise it is there only
	// where max_age asked for it, which is all that OpenID Connect Core §2 wants.
	AuthTime bool
	// UserinfoOnly are claims that are not in ID tokens.
	UserinfoOnly []string
	// ReplayError is the error for a code that comes twice, which also revokes
	// what it was redeemed for.
	ReplayError string
	// RefusalStatus is the status of a refused code or refresh token.
	RefusalStatus int
	// RedirectURIs are those that are registered; empty: any.
	RedirectURIs []string
	// Deny, if not empty, is the error that an authorization ends with.
	Deny string

	// Metadata, IDToken, TokenResponse, UserinfoClaims and Callback change the
	// document, claims, answer, claims and parameters of that name.
	Metadata       func(document map[string]any)
	IDToken        func(claims map[string]any)
	TokenResponse  func(answer map[string]any)
	UserinfoClaims func(claims map[string]any)
	Callback       func(parameters map[string]string)
	// KeySet replaces the entries of the key set.
	KeySet func(entries []map[string]any) []map[string]any
	// Sign replaces the signing of ID tokens: it returns the token.
	Sign func(claims map[string]any) string
}

// Provider is a running provider. Its methods are safe for concurrent use.
type Provider struct {
	// Issuer, ClientID and ClientSecret are what a configuration needs.
	Issuer, ClientID, ClientSecret string

	tb     testing.TB
	server *httptest.Server
	paths  map[Endpoint]string // from the root of the server
	manner manner
	now    func() time.Time

	key       atomic.Int32 // index into the pool of keys
	mu        sync.Mutex
	behavior  Behavior
	user      User
	down      bool
	faults    map[Endpoint]http.HandlerFunc
	requests  map[Endpoint]int
	refreshes int
	serial    int
	grants    map[string]*grant // by code, refresh token and access token
	sid       string            // of the last authorization
	approved  map[string]bool   // subjects who let the client in, where that is asked
}

// An Option is a choice that cannot change while the provider runs.
type Option func(*start)

type start struct {
	tls       bool
	path      string
	issuer    string
	paths     map[Endpoint]string
	manner    manner
	behaviors []func(*Provider, *Behavior)
	now       func() time.Time
}

// A manner is how a provider does what others do differently; nil is the usual.
type manner struct {
	// authorize answers an authorization request that is in order, if it is not
	// to be granted at once; it reports whether it has.
	authorize func(p *Provider, w http.ResponseWriter, r *http.Request) bool
	// refuse answers a token request with an error of RFC 6749 §5.2.
	refuse func(w http.ResponseWriter, status int, code string)
	// unauthorized answers a request with an access token that is no good.
	unauthorized func(w http.ResponseWriter)
}

// WithTLS serves https, with a certificate that [Provider.Authorities] verifies.
func WithTLS() Option { return func(s *start) { s.tls = true } }

// WithIssuerPath makes the issuer end with path, such as "/" or "/realms/test".
func WithIssuerPath(path string) Option { return func(s *start) { s.path = path } }

// WithIssuer makes the provider call itself issuer, wherever it runs: a
// configuration then needs [Provider.Address] of [Discovery] as discovery_url.
func WithIssuer(issuer string) Option { return func(s *start) { s.issuer = issuer } }

// WithClock makes now the provider's clock.
func WithClock(now func() time.Time) Option { return func(s *start) { s.now = now } }

// Start returns a provider that runs until the test ends.
func Start(tb testing.TB, options ...Option) *Provider {
	tb.Helper()
	s := start{now: time.Now}
	for _, o := range options {
		o(&s)
	}
	p := &Provider{
		ClientID: "gateward", ClientSecret: "client-secret-canary-8d1f:%&", tb: tb, now: s.now,
		manner: s.manner, paths: map[Endpoint]string{}, user: Ada(), approved: map[string]bool{},
		faults: map[Endpoint]http.HandlerFunc{}, requests: map[Endpoint]int{}, grants: map[string]*grant{},
		behavior: Behavior{
			TokenLifetime: time.Hour, AnswerWithIssuer: true, ReplayError: "invalid_grant", RefusalStatus: http.StatusBadRequest,
			AuthMethods: []string{"client_secret_basic", "client_secret_post"},
		},
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if s.tls {
		p.server.StartTLS()
	} else {
		p.server.Start()
	}
	tb.Cleanup(p.server.Close)
	p.Issuer = cmp.Or(s.issuer, p.server.URL+s.path)
	for _, e := range endpoints {
		p.paths[e] = cmp.Or(s.paths[e], strings.TrimSuffix(s.path, "/")+string(e))
	}
	for _, change := range s.behaviors {
		p.Configure(func(b *Behavior) { change(p, b) })
	}
	return p
}

// Address returns where an endpoint is.
func (p *Provider) Address(e Endpoint) string { return p.server.URL + p.paths[e] }

// GraphURL returns the base of Microsoft Graph, which [Graph] is below.
func (p *Provider) GraphURL() string {
	return strings.TrimSuffix(p.Address(Graph), "/me/getMemberObjects")
}

// Configure changes the behavior.
func (p *Provider) Configure(change func(*Behavior)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.behavior)
}

// SetUser changes who logs in, and what is said of whom at the next refresh if
// the subject is the same.
func (p *Provider) SetUser(u User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.user = u
}

// Down makes every connection break, or ends that.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Fault makes an endpoint answer with h, or as usual again if h is nil.
func (p *Provider) Fault(e Endpoint, h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[e] = h
}

// Status is a fault: that status and an HTML page.
func Status(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html>provider-page-canary</html>"))
	}
}

// OAuthError is a fault: an error of RFC 6749 §5.2 with that status.
func OAuthError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, status, map[string]any{"error": code, "error_description": "provider-description-canary"})
	}
}

// Hang is a fault: no answer before the client has gone or release is closed.
func Hang(release <-chan struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		// Go notices that a client has gone only once the body is read.
		_ = r.ParseForm()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}

// Requests returns how many requests an endpoint has had, faults included.
func (p *Provider) Requests(e Endpoint) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[e]
}

// Refreshes returns how many refreshes have succeeded.
func (p *Provider) Refreshes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes
}

// Revoke ends every grant: refresh tokens are refused with invalid_grant, access
// tokens with 401.
func (p *Provider) Revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.grants)
	clear(p.approved)
}

// RotateKeys signs with another key from now on and withdraws the one before.
func (p *Provider) RotateKeys() {
	p.key.Add(1)
}

// Authorities returns the certificate of a provider that was started [WithTLS],
// in PEM form.
func (p *Provider) Authorities() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// Client returns an HTTP client that trusts the provider.
func (p *Provider) Client() *http.Client { return p.server.Client() }

// Authorize does what a person does who logs in: it opens the address, agrees if
// there is a page that asks ([GitLab]), and returns where the provider sends the browser then, without going there. It returns ""
// and reports an error of the test if the provider answers otherwise; a test may
// call it from any goroutine.
func (p *Provider) Authorize(address string) (callback string) {
	p.tb.Helper()
	req, err := http.NewRequestWithContext(p.tb.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.tb.Errorf("oidctest: authorize: %v", err)
		return ""
	}
	c := http.Client{
		Transport:     p.server.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := c.Do(req)
	if err != nil {
		p.tb.Errorf("oidctest: authorize: %v", err)
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	if form := p.consent(res); form != nil {
		req, err = http.NewRequestWithContext(p.tb.Context(), http.MethodPost, p.Address(Authorization), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err = c.Do(req)
		}
		if err != nil {
			p.tb.Errorf("oidctest: agree: %v", err)
			return ""
		}
		defer func() { _ = res.Body.Close() }()
	}
	if res.StatusCode != http.StatusFound {
		p.tb.Errorf("oidctest: authorize: status %d for %s", res.StatusCode, address)
		return ""
	}
	return res.Header.Get("Location")
}

// LogoutToken returns a logout token for the last session, changed by change
// unless that is nil; a claim that is set to nil is left out.
func (p *Provider) LogoutToken(change func(claims map[string]any)) string {
	p.tb.Helper()
	p.mu.Lock()
	p.serial++
	now := p.now()
	claims := map[string]any{
		"iss": p.Issuer, "aud": p.ClientID, "sub": p.user.Subject, "sid": p.sid,
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": fmt.Sprintf("jti-%d", p.serial),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	p.mu.Unlock()
	if change != nil {
		change(claims)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return p.Sign(map[string]any{"typ": "logout+jwt"}, claims)
}
