package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// maxTokenLifetime bounds what a provider says of an access token. Some say
	// nanoseconds; a session is to be looked at again all the same.
	maxTokenLifetime = 24 * time.Hour
	// defaultTokenLifetime is assumed where a provider gives a refresh token and
	// no lifetime.
	defaultTokenLifetime = time.Hour
)

// redeem exchanges a code for tokens (RFC 6749 §4.1.3).
func (p *Provider) redeem(ctx context.Context, m *metadata, code, verifier gateward.Secret) (gateward.Tokens, error) {
	t, err := p.requestTokens(ctx, m, opToken, func(ctx context.Context, c *oauth2.Config) (*oauth2.Token, error) {
		if p.config.pkce {
			return c.Exchange(ctx, code.Reveal(), oauth2.VerifierOption(verifier.Reveal()))
		}
		return c.Exchange(ctx, code.Reveal())
	})
	if err == nil {
		return t, nil
	}
	r := p.refusalOf(err)
	p.logger.LogAttrs(ctx, slog.LevelWarn, "authorization code not redeemed", slog.Any("err", r))
	switch {
	case r.transient(), r.blamesClient(), r.code == "":
		return gateward.Tokens{}, fmt.Errorf("oidc: redeem code at %s: %w: %w", p.name, gateward.ErrUnavailable, r)
	}
	return gateward.Tokens{}, fmt.Errorf("oidc: redeem code at %s: %w: %w", p.name, gateward.ErrInvalidCredential, r)
}

// renew exchanges a refresh token for tokens (RFC 6749 §6). What is in force when
// the answer has none is for the caller, except the refresh token.
func (p *Provider) renew(ctx context.Context, m *metadata, refresh gateward.Secret) (gateward.Tokens, error) {
	t, err := p.requestTokens(ctx, m, opRefresh, func(ctx context.Context, c *oauth2.Config) (*oauth2.Token, error) {
		return c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh.Reveal()}).Token()
	})
	if err == nil {
		return t, nil
	}
	r := p.refusalOf(err)
	if !r.transient() && r.endsGrant() {
		return gateward.Tokens{}, fmt.Errorf("oidc: refresh tokens at %s: %w: %w", p.name, gateward.ErrInvalidCredential, r)
	}
	p.logger.LogAttrs(ctx, slog.LevelWarn, "tokens not refreshed", slog.Any("err", r))
	return gateward.Tokens{}, fmt.Errorf("oidc: refresh tokens at %s: %w: %w", p.name, gateward.ErrUnavailable, r)
}

type tokenRequest func(context.Context, *oauth2.Config) (*oauth2.Token, error)

// requestTokens makes one request to the token endpoint. Only where the metadata
// is silent about how our secret is to be sent, and the provider has refused us,
// not the code, there is a second one in the other way.
func (p *Provider) requestTokens(ctx context.Context, m *metadata, operation string, request tokenRequest) (gateward.Tokens, error) {
	style := m.style
	guess := style == oauth2.AuthStyleAutoDetect
	if guess {
		style = oauth2.AuthStyle(p.peer.style.Load())
		if style == oauth2.AuthStyleAutoDetect {
			style = oauth2.AuthStyleInHeader
		}
	}
	t, err := p.ask(ctx, m, style, request)
	if guess && err != nil && p.refusalOf(err).blamesClient() {
		other := oauth2.AuthStyleInHeader + oauth2.AuthStyleInParams - style
		if t, err = p.ask(ctx, m, other, request); err == nil {
			p.peer.style.Store(int32(other))
		}
	}
	if err != nil {
		r := p.refusalOf(err)
		p.peer.onRequest(operation, r.code != "" && !r.transient() && !r.blamesClient())
		return gateward.Tokens{}, err
	}
	p.peer.onRequest(operation, true)
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") {
		// How such a token is used we do not know (RFC 6749 §7.1).
		return gateward.Tokens{}, errTokenType
	}
	return p.tokens(t), nil
}

var errTokenType = errors.New("token type is not Bearer")

func (p *Provider) ask(ctx context.Context, m *metadata, style oauth2.AuthStyle, request tokenRequest) (*oauth2.Token, error) {
	return request(context.WithValue(ctx, oauth2.HTTPClient, p.peer.tokens), &oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: p.config.ClientSecret.Reveal(),
		RedirectURL:  p.config.redirectURI,
		Endpoint:     oauth2.Endpoint{TokenURL: m.tokenURL, AuthStyle: style},
	})
}

// tokens takes over what there is to keep.
func (p *Provider) tokens(t *oauth2.Token) gateward.Tokens {
	out := gateward.Tokens{AccessToken: gateward.NewSecret(t.AccessToken), RefreshToken: gateward.NewSecret(t.RefreshToken)}
	if raw, ok := t.Extra("id_token").(string); ok {
		out.IDToken = gateward.NewSecret(raw)
	}
	switch {
	case t.ExpiresIn > 0:
		lifetime := maxTokenLifetime
		if t.ExpiresIn < int64(maxTokenLifetime/time.Second) {
			lifetime = time.Duration(t.ExpiresIn) * time.Second
		}
		out.Expiry = p.now().Add(lifetime)
	case t.RefreshToken != "":
		out.Expiry = p.now().Add(defaultTokenLifetime)
	}
	return out
}

// A refusal is how a token request ended otherwise than with tokens. It holds
// nothing that the provider wrote but a code of RFC 6749 §5.2.
type refusal struct {
	status int    // 0 without an answer
	code   string // "" without one
	cause  error  // where there was no answer to speak of
}

func (r *refusal) Error() string {
	switch {
	case r.code != "":
		return fmt.Sprintf("the provider answered %s (status %d)", r.code, r.status)
	case r.status != 0:
		return fmt.Sprintf("the provider answered with status %d", r.status)
	}
	return r.cause.Error()
}

// Unwrap returns the cause, so that a cancelled context is told apart.
func (r *refusal) Unwrap() error { return r.cause }

// refusalOf reads an error of x/oauth2, whose own text quotes the answer.
func (p *Provider) refusalOf(err error) *refusal {
	if re := (*oauth2.RetrieveError)(nil); errors.As(err, &re) {
		r := &refusal{status: re.Response.StatusCode}
		if outbound.IsJSON(re.Response.Header) && validErrorCode(re.ErrorCode) {
			r.code = re.ErrorCode
		}
		return r
	}
	for _, known := range []error{outbound.ErrNotJSON, outbound.ErrTooLong, errTokenType, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return &refusal{cause: known}
		}
	}
	if unwrapped := outbound.WithoutAddress(err); unwrapped != err { //nolint:errorlint // whether there was an address
		return &refusal{cause: unwrapped}
	}
	return &refusal{cause: errors.New("the answer is not that of a token endpoint")}
}

// validErrorCode reports whether s may be read by an operator as it is.
func validErrorCode(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// transient reports whether the same request may well succeed later.
func (r *refusal) transient() bool {
	switch r.code {
	case "temporarily_unavailable", "server_error", "slow_down":
		return true
	}
	return r.status == 0 || r.status >= http.StatusInternalServerError ||
		r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout
}

// blamesClient reports whether the provider does not take our word for who we are
// (RFC 6749 §5.2), which is nobody's fault but ours. Some have other words for it;
// 401 is for nothing else.
func (r *refusal) blamesClient() bool {
	switch r.code {
	case "", "unauthorized_client", "access_denied":
		return r.status == http.StatusUnauthorized
	}
	return r.code == "invalid_client"
}

// endsGrant reports whether a refusal means that the refresh token will never be
// honoured again. That our own secret is wrong does not: a mistake in our
// configuration must not log everybody out.
func (r *refusal) endsGrant() bool {
	if r.blamesClient() {
		return false
	}
	switch r.code {
	case "invalid_grant", // RFC 6749 §5.2
		"unauthorized_client", // a token that was used or revoked, at some providers
		"access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return true
	}
	return false
}
