package oidc

import (
	"context"
	"fmt"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

const (
	// logoutEvent is the one event of a logout token (Back-Channel Logout §2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutAge is how long ago a logout token may have been issued, and so
	// how long its jti has to be remembered.
	maxLogoutAge = 10 * time.Minute
)

// VerifyLogoutToken implements [methods.LogoutTokenVerifier] (OpenID Connect
// Back-Channel Logout 1.0 §2.6).
func (p *Provider) VerifyLogoutToken(ctx context.Context, raw gateward.Secret) (methods.LogoutToken, error) {
	s, err := newSignature(raw, "logout+jwt", "jwt")
	if err != nil {
		return methods.LogoutToken{}, err
	}
	if err := p.keyed(ctx, s); err != nil {
		return methods.LogoutToken{}, err
	}
	_, err = p.verifier(s).VerifyLogout(ctx, raw.Reveal())
	switch {
	case s.refused != nil:
		return methods.LogoutToken{}, fmt.Errorf("oidc: verify logout token: %w", s.refused)
	case err != nil:
		return methods.LogoutToken{}, fmt.Errorf("oidc: verify logout token: %w: %w", gateward.ErrInvalidCredential, err)
	}
	claims, err := s.claims()
	if err != nil {
		return methods.LogoutToken{}, err
	}
	if err := p.checkLogout(claims); err != nil {
		return methods.LogoutToken{}, err
	}
	// All of them are there and of their type: checkLogout has seen to it.
	issued, _ := numericDate(claims["iat"])
	expiry, _ := numericDate(claims["exp"])
	if last := issued.Add(maxLogoutAge); last.Before(expiry) {
		expiry = last
	}
	subject, _ := claims["sub"].(string)
	jti, _ := claims["jti"].(string)
	return methods.LogoutToken{
		Principal: gateward.Principal{Issuer: p.config.IssuerURL, Subject: subject},
		SID:       sidOf(claims),
		JTI:       jti,
		Expiry:    expiry.Add(clockSkew),
	}, nil
}

// checkLogout is strict where go-oidc is not: an ID token, or any other token of
// the same provider, must never end a session.
func (p *Provider) checkLogout(claims map[string]any) error {
	if err := p.checkIssuerAndAudience(claims); err != nil {
		return err
	}
	events, _ := claims["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return invalid("the logout token's events lack the logout event, an object")
	}
	// Its mere presence counts, null included: it would be an ID token.
	if _, ok := claims["nonce"]; ok {
		return invalid("a logout token has no nonce")
	}
	if jti, _ := claims["jti"].(string); !validSubject(jti) {
		return invalid("the logout token has no usable jti")
	}
	named := false
	for _, member := range []string{"sub", "sid"} {
		v, present := claims[member]
		if !present {
			continue
		}
		if s, _ := v.(string); !validSubject(s) {
			return invalid("the logout token has no usable " + member)
		}
		named = true
	}
	if !named {
		return invalid("the logout token names neither sub nor sid")
	}
	return checkDates(claims, maxLogoutAge, p.now())
}
