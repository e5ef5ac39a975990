package loginsvc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

// A provider is a methods.Login whose person always logs in. Its codes are
// good once, for the attempt that they were made for.
type provider struct {
	w             *world
	name, display string

	mu        sync.Mutex
	codes     map[string]string // to the nonce and challenge they are for
	issued    int
	subject   string
	authErr   error
	exchange  error // what Exchange ends with
	endpoint  string
	endErr    error
	exchanges atomic.Int64
	attempts  []methods.Attempt
	front     bool
	// authority is what the addresses that it is believed end with; "" is none.
	authority string
	// sid is the session's at the provider, "sid-" and the subject if nil.
	sid *string
	// during is called in the middle of an exchange; change, on its identity.
	during func()
	change func(*gateward.Identity)
}

func newProvider(w *world, name, display string) *provider {
	return &provider{w: w, name: name, display: display, codes: map[string]string{}, subject: "ada"}
}

func (p *provider) Method() string      { return "oidc" }
func (p *provider) Name() string        { return p.name }
func (p *provider) DisplayName() string { return p.display }
func (p *provider) issuer() string      { return "https://" + p.name + ".idp.test" }

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *provider) AuthCodeURL(_ context.Context, a methods.Attempt) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts = append(p.attempts, a)
	q := url.Values{"state": {a.State}, "nonce": {a.Nonce}, "code_challenge": {challenge(a.Verifier.Reveal())}}
	if a.Prompt != "" {
		q.Set("prompt", a.Prompt)
	}
	return p.issuer() + "/authorize?" + q.Encode(), p.authErr
}

// code is what the person brings back after logging in at address.
func (p *provider) code(address string) (code, state string) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, p.issuer()+"/authorize?") {
		p.w.t.Fatalf("not an address of %s: %q", p.name, address)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issued++
	code = fmt.Sprintf("code-%d", p.issued)
	p.codes[code] = u.Query().Get("nonce") + " " + u.Query().Get("code_challenge")
	return code, u.Query().Get("state")
}

func (p *provider) callback(code, state string) string {
	return "/auth/v1/method/oidc/" + p.name + "/callback?" + url.Values{"code": {code}, "state": {state}}.Encode()
}

func (p *provider) identity() gateward.Identity {
	return gateward.Identity{
		Principal: gateward.Principal{Issuer: p.issuer(), Subject: p.subject},
		Method:    "oidc", Provider: p.name, Email: p.subject + "@example.com", EmailVerified: true, Name: "Ada Lovelace",
		AllScopes: true, AuthTime: p.w.now(),
		Metadata: map[string]string{
			"io.flipt.auth.oidc.provider": p.name, "io.flipt.auth.oidc.sub": p.subject, "io.flipt.auth.claims": `{"sub":"` + p.subject + `"}`,
		},
	}
}

func (p *provider) Exchange(_ context.Context, c methods.Callback, a methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	p.exchanges.Add(1)
	if p.during != nil {
		p.during()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Issuer != nil && *c.Issuer != p.issuer() {
		return gateward.Identity{}, gateward.Tokens{}, fmt.Errorf("test: iss: %w", gateward.ErrInvalidCredential)
	}
	want, ok := p.codes[c.Code.Reveal()]
	delete(p.codes, c.Code.Reveal())
	if !ok || want != a.Nonce+" "+challenge(a.Verifier.Reveal()) {
		return gateward.Identity{}, gateward.Tokens{}, fmt.Errorf("test: invalid_grant: %w", gateward.ErrInvalidCredential)
	}
	if p.exchange != nil {
		return p.identity(), gateward.Tokens{}, p.exchange
	}
	id, sid := p.identity(), "sid-"+p.subject
	if p.sid != nil {
		sid = *p.sid
	}
	if p.change != nil {
		p.change(&id)
	}
	return id, gateward.Tokens{IDToken: gateward.NewSecret("id-token-canary"), SID: sid}, nil
}

func (p *provider) EndSessionURL(context.Context, gateward.Tokens) (string, error) {
	return p.endpoint, p.endErr
}

func (p *provider) Authoritative(email string) bool {
	return p.authority != "" && strings.HasSuffix(email, p.authority)
}

func (p *provider) FrontChannel() (bool, string) { return p.front, p.issuer() }

// VerifyLogoutToken understands "sid=… sub=… jti=…".
func (p *provider) VerifyLogoutToken(_ context.Context, raw gateward.Secret) (methods.LogoutToken, error) {
	if raw.Reveal() == "unavailable" {
		return methods.LogoutToken{}, gateward.ErrUnavailable
	}
	q, err := url.ParseQuery(strings.ReplaceAll(raw.Reveal(), " ", "&"))
	if err != nil || q.Get("jti") == "" {
		return methods.LogoutToken{}, gateward.ErrInvalidCredential
	}
	return methods.LogoutToken{
		Principal: gateward.Principal{Issuer: p.issuer(), Subject: q.Get("sub")}, SID: q.Get("sid"), JTI: q.Get("jti"),
		Expiry: p.w.now().Add(time.Minute),
	}, nil
}

var _ methods.Login = (*provider)(nil)

var _ methods.EmailAuthority = (*provider)(nil)

var _ methods.EndSessionURLer = (*provider)(nil)

var _ methods.LogoutTokenVerifier = (*provider)(nil)
