package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

// Provider is login with one OpenID provider. It implements methods.Login and
// every optional interface beside it, and is safe for concurrent use.
type Provider struct {
	config settings
	name   string
	emails emailRules
	peer   *peerUse
	logger *slog.Logger
	now    func() time.Time
}

var (
	_ methods.Login               = (*Provider)(nil)
	_ methods.Admitter            = (*Provider)(nil)
	_ methods.Refresher           = (*Provider)(nil)
	_ methods.EndSessionURLer     = (*Provider)(nil)
	_ methods.LogoutTokenVerifier = (*Provider)(nil)
)

// newProvider returns the provider of that name, or nil if any of its problems is
// not a warning.
func newProvider(ctx context.Context, name string, c Config, rules emailRules, o Options, p *problems) *Provider {
	before := len(p.errs)
	s := c.Providers[name].check(name, p)
	if len(p.errs) > before {
		return nil
	}
	s.redirectURI += CallbackPath(name)
	s.mapping.needsEmail = s.mapping.needsEmail || len(rules) > 0 || s.domains.allowed != nil && !s.domains.byHosted
	s.warnOfEmails(len(rules) > 0, keyOf(name), p)
	s.warnOfParameters(keyOf(name), len(rules)+len(s.AllowedGroups)+len(s.AllowedDomains) > 0, p)
	provider := &Provider{
		config: s, name: name, emails: rules, now: o.Now,
		logger: o.Logger.With(slog.String("provider", name)),
	}
	ttl := cmp.Or(c.CacheTTL, DefaultCacheTTL)
	if provider.peer = o.Previous.share(originOf(name, &s, ttl)); provider.peer == nil {
		provider.peer = newPeer(ctx, name, &s, ttl, o)
	}
	return provider
}

// Method returns "oidc".
func (*Provider) Method() string { return name }

// Name returns the provider's name in the configuration.
func (p *Provider) Name() string { return p.name }

// DisplayName returns what a person reads, the name if nothing is configured.
func (p *Provider) DisplayName() string { return cmp.Or(p.config.DisplayName, p.name) }

// FrontChannel reports whether the provider may end sessions through the browser
// (OpenID Connect Front-Channel Logout 1.0), and which issuer it must name then.
func (p *Provider) FrontChannel() (allowed bool, issuer string) {
	return p.config.AllowFrontChannelLogout, p.config.IssuerURL
}

// AuthCodeURL implements [methods.Login].
func (p *Provider) AuthCodeURL(ctx context.Context, a methods.Attempt) (string, error) {
	if a.State == "" || a.Nonce == "" || p.config.pkce && a.Verifier.Reveal() == "" {
		return "", errors.New("oidc: the attempt lacks state, nonce or verifier")
	}
	m, err := p.peer.metadata(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(m.authorizationURL)
	if err != nil {
		return "", fmt.Errorf("oidc: authorization endpoint of %s: %w", p.name, gateward.ErrUnavailable)
	}
	// Set, never added: of a parameter that is there twice nobody knows which
	// counts (RFC 6749 §3.1). The endpoint's own are kept.
	v := u.Query()
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, value := range p.config.AuthorizeParameters {
		v.Set(name, value)
	}
	p.config.demands.with(a).ask(v)
	set("login_hint", a.LoginHint)
	set("response_type", "code")
	set("client_id", p.config.ClientID)
	set("redirect_uri", p.config.redirectURI)
	set("scope", strings.Join(p.config.scopes, " "))
	set("state", a.State)
	set("nonce", a.Nonce)
	if p.config.pkce {
		// Whatever the metadata says of methods: plain would give the verifier
		// to whoever sees this address, and who does not know S256 ignores it.
		set("code_challenge", oauth2.S256ChallengeFromVerifier(a.Verifier.Reveal()))
		set("code_challenge_method", "S256")
	}
	u.RawQuery = v.Encode()
	return u.String(), nil
}

// Exchange implements [methods.Login].
func (p *Provider) Exchange(ctx context.Context, c methods.Callback, a methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	m, err := p.peer.metadata(ctx)
	if err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if err := p.checkIssuer(c.Issuer, m); err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if c.Code.Reveal() == "" {
		return gateward.Identity{}, gateward.Tokens{}, invalid("the callback has no code")
	}
	t, err := p.redeem(ctx, m, c.Code, a.Verifier)
	if err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if t.IDToken.Reveal() == "" {
		return gateward.Identity{}, gateward.Tokens{}, invalid("the provider sent no ID token")
	}
	claims, err := p.verifyIDToken(ctx, t.IDToken, t.AccessToken)
	if err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if err := checkNonce(claims, a.Nonce); err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if err := p.config.demands.with(a).check(claims, p.now()); err != nil {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	t.SID = sidOf(claims)
	id, err := p.establish(ctx, m, known{claims: claims}, t.AccessToken)
	if err != nil {
		return id, gateward.Tokens{}, err
	}
	return id, t, nil
}

// checkIssuer is the defence against mix-up (RFC 9207 §2.4): a code that another
// provider has issued is never sent to this one.
func (p *Provider) checkIssuer(got *string, m *metadata) error {
	switch {
	case got != nil && *got != p.config.IssuerURL:
		return invalid("the callback's iss is another issuer")
	case got == nil && m.answersWithIssuer:
		return invalid("the callback lacks iss, which the provider says it sends")
	}
	return nil
}

// establish makes the identity of what is known, asks the userinfo endpoint for
// the rest, and admits it or not. With [gateward.ErrNotAdmitted] the identity is
// filled in.
func (p *Provider) establish(ctx context.Context, m *metadata, k known, access gateward.Secret) (gateward.Identity, error) {
	info, err := p.userinfo(ctx, m, k, access)
	if err != nil {
		return gateward.Identity{}, err
	}
	said := p.config.mapping.after(k, info).String()
	claims := k.claims
	if k.stale {
		claims, info = p.config.mapping.renewed(k, info), nil
	}
	id, err := p.identity(claims, info)
	if err != nil {
		return gateward.Identity{}, err
	}
	if said != "" {
		id.Metadata[toldKey] = said
	}
	id.Groups, err = p.groups(ctx, claims, info, access, k.insist)
	switch {
	case errors.Is(err, gateward.ErrNotAdmitted):
		return id, err
	case err != nil:
		return gateward.Identity{}, err
	}
	return id, p.Admit(&id)
}

const (
	// refreshTimeout bounds the whole of a refresh, as [methods.Refresher] says.
	refreshTimeout = 8 * time.Second
	// refreshPatience is how long it waits for metadata: the token request, whose
	// answer must not be missed, has its full time after it.
	refreshPatience = refreshTimeout - requestTimeout
)

// Refresh implements [methods.Refresher]. It makes one request at a time and
// leaves it to the caller that there is only one.
func (p *Provider) Refresh(ctx context.Context, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	fail := func(err error) (gateward.Identity, gateward.Tokens, error) {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	if t.RefreshToken.Reveal() == "" {
		return fail(errors.New("oidc: there is no refresh token"))
	}
	if id.Issuer != p.config.IssuerURL {
		return fail(invalid("the session is another issuer's"))
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	hasty, stop := context.WithTimeout(ctx, refreshPatience)
	m, err := p.peer.metadata(hasty)
	stop()
	if err != nil {
		return fail(err)
	}
	next, err := p.renew(ctx, m, t.RefreshToken)
	if err != nil {
		return fail(err)
	}
	var fresh gateward.Identity
	k, err := p.refreshedClaims(ctx, id, t, &next)
	if err == nil {
		fresh, err = p.establish(ctx, m, k, next.AccessToken)
	}
	switch {
	case errors.Is(err, gateward.ErrInvalidCredential):
		return fail(err)
	case err != nil && !errors.Is(err, gateward.ErrNotAdmitted):
		// The old refresh token may be of no use any more.
		return gateward.Identity{}, next, err
	}
	// When the person authenticated does not change by a refresh, and what the
	// session is to us does not either (OpenID Connect Core §12.2).
	fresh.AuthTime, fresh.SessionID, fresh.Expiry, fresh.FreshUntil = id.AuthTime, id.SessionID, id.Expiry, id.FreshUntil
	return fresh, next, err
}

// refreshedClaims returns the claims of the new ID token or, if the provider sent
// none, of the one that it sent last, and completes next with what stays as it was.
func (p *Provider) refreshedClaims(ctx context.Context, id gateward.Identity, old gateward.Tokens, next *gateward.Tokens) (known, error) {
	raw := next.IDToken
	// Until the new one is verified: next is kept even if that cannot be done.
	next.IDToken, next.SID = old.IDToken, old.SID
	if raw.Reveal() == "" {
		// Nobody but userinfo can say that this is still so.
		return known{claims: lastClaims(id, old), stale: true, told: toldBefore(&id), insist: true}, nil
	}
	claims, err := p.verifyIDToken(ctx, raw, next.AccessToken)
	if err != nil {
		return known{}, err
	}
	if claims["sub"] != id.Subject {
		return known{}, invalid("the refreshed ID token is about somebody else")
	}
	next.IDToken, next.SID = raw, cmp.Or(sidOf(claims), old.SID)
	return known{claims: claims, insist: p.toldBeside(&id, claims)}, nil
}

// lastClaims returns the claims of the ID token that came last, or what a session
// has of them.
func lastClaims(id gateward.Identity, old gateward.Tokens) map[string]any {
	// It was verified when it came, and has been ours since.
	if claims := unverifiedClaims(old.IDToken); claims != nil && claims["sub"] == id.Subject {
		return claims
	}
	if id.Claims["sub"] != id.Subject {
		return map[string]any{"iss": id.Issuer, "sub": id.Subject}
	}
	return id.Claims
}

// EndSessionURL implements [methods.EndSessionURLer]. A provider that does not
// answer has no such address: a logout does not wait for it, and never fails.
//
// There is no parameter state, which is optional (OpenID Connect RP-Initiated
// Logout 1.0 §2): it would carry something over to the address that the browser
// comes back to. That one is always redirect_address, where nothing happens that
// depends on the logout, and our session has ended before the browser leaves.
func (p *Provider) EndSessionURL(ctx context.Context, t gateward.Tokens) (string, error) {
	if !p.config.UseEndSessionEndpoint {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, endSessionPatience)
	defer cancel()
	m, err := p.peer.metadata(ctx)
	if err != nil || m.endSessionURL == "" {
		return "", nil // the failure has been logged and counted
	}
	u, err := url.Parse(m.endSessionURL)
	if err != nil {
		return "", fmt.Errorf("oidc: end session endpoint of %s: %w", p.name, gateward.ErrUnavailable)
	}
	v := u.Query()
	if raw := t.IDToken.Reveal(); raw != "" {
		v.Set("id_token_hint", raw)
	}
	v.Set("client_id", p.config.ClientID)
	v.Set("post_logout_redirect_uri", p.config.RedirectAddress)
	u.RawQuery = v.Encode()
	return u.String(), nil
}

// endSessionPatience is how long a logout waits for a provider's metadata.
const endSessionPatience = 2 * time.Second

// invalid is the error for what a provider or a browser sent and we refuse. The
// reason is a constant: nothing of a token gets into an error.
func invalid(reason string) error {
	return fmt.Errorf("oidc: %s: %w", reason, gateward.ErrInvalidCredential)
}
