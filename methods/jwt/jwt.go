// Package jwt authenticates with JSON Web Tokens (RFC 7519) of configured
// issuers: which issuer a token is from, whether its claims hold now and here,
// and what identity they make.
//
// Signatures, keys and key sets are package internal/keyset's. Where a token is
// found in a request is decided before it gets here.
package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
)

// Options are the dependencies of a [Method]. Logger and Now are required.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
	// OnRefresh, if set, hears how every fetch of an issuer's key set ended and
	// when. It must not block and is safe for concurrent use: each issuer calls
	// it from a goroutine of its own.
	OnRefresh func(issuer string, ok bool, at time.Time)
	// Transport replaces the connections to key sets. For tests.
	Transport http.RoundTripper
	// Previous, if set, is the method that the new one replaces: an issuer of the
	// same name takes over its key set as it is, with everything in these
	// options that the set was made with, if address, authorities and algorithms
	// are the same. Both methods may be closed, in any order.
	Previous *Method
}

// Method authenticates JSON Web Tokens. It implements methods.Authenticator and
// is safe for concurrent use.
type Method struct {
	byIssuer map[string]*issuer
	// only is the one issuer whose iss is not configured, and that therefore
	// judges every token; nil otherwise.
	only     *issuer
	all      []*issuer
	warnings []*gateward.ConfigError
	now      func() time.Time
}

// issuer is one configured issuer with the source of its keys.
type issuer struct {
	Issuer
	source  keyset.Source
	mapping mapping
	logger  *slog.Logger
}

// New returns the method for c. The error joins one [gateward.ConfigError] per
// problem, with keys relative to the jwt block. No key set is fetched yet.
// Whatever runs in the background ends with ctx or [Method.Close]; a key set that
// is taken over from [Options] Previous, with the ctx that it was made with or
// when the last method that uses it is closed.
func New(ctx context.Context, c Config, o Options) (*Method, error) {
	m := &Method{byIssuer: make(map[string]*issuer, len(c.Issuers)), now: o.Now}
	problems := c.check()
	for _, ci := range c.Issuers {
		i, errs := newIssuer(ctx, ci, o)
		problems = append(problems, errs...)
		if i == nil {
			continue
		}
		m.all = append(m.all, i)
		if i.ValidateClaims.Issuer == "" {
			m.only = i
			continue
		}
		m.byIssuer[i.ValidateClaims.Issuer] = i
	}
	var errs []error
	for _, p := range problems {
		if p.Warning {
			m.warnings = append(m.warnings, p)
			continue
		}
		errs = append(errs, p)
	}
	if errs != nil {
		m.Close()
		return nil, errors.Join(errs...)
	}
	return m, nil
}

// Warnings returns what is risky about the configuration and used all the same,
// with keys relative to the jwt block.
func (m *Method) Warnings() []*gateward.ConfigError { return m.warnings }

// Close ends the background refresh of key sets, except of those that another
// method uses too. Requests that still come are judged with the keys that are
// there. Closing twice is harmless.
func (m *Method) Close() {
	for _, i := range m.all {
		i.source.Close()
	}
}

// Name returns "jwt".
func (*Method) Name() string { return "jwt" }

// Claims accepts everything under the JWT scheme, and what looks like a compact
// JWS as a bearer token. In the cookie it is not accepted: whatever is there
// must be revocable, and what a browser sends by itself needs more than a
// signature.
func (*Method) Claims(c gateward.Credential) bool {
	switch c.Scheme {
	case gateward.SchemeJWT:
		return true
	case gateward.SchemeBearer:
		return looksLikeJWS(c.Value.Reveal())
	case gateward.SchemeNone, gateward.SchemeBasic, gateward.SchemeCookie, gateward.SchemeAcceptedCookie:
	}
	return false
}

// looksLikeJWS reports whether s has two dots and begins like a JSON object in
// base64url: '{' is 'e' followed by one of the upper sixteen digits.
func looksLikeJWS(s string) bool {
	if len(s) < 2 || s[0] != 'e' {
		return false
	}
	if c := s[1]; (c < 'w' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
		return false
	}
	for dots := 0; ; dots++ {
		n := strings.IndexByte(s, '.')
		if n < 0 {
			return dots == 2
		}
		if dots == 2 {
			return false
		}
		s = s[n+1:]
	}
}

// Authenticate verifies c against the one issuer that its iss names exactly, and
// returns the identity that its claims make.
func (m *Method) Authenticate(ctx context.Context, c gateward.Credential) (gateward.Identity, error) {
	j, err := keyset.Parse(c.Value.Reveal())
	if err != nil {
		return gateward.Identity{}, fmt.Errorf("jwt: %w", err)
	}
	if !admittedType(j.Header.Type) {
		return gateward.Identity{}, invalid("token type is for another purpose")
	}
	claims, err := keyset.DecodeObject(j.UnverifiedPayload())
	if err != nil {
		return gateward.Identity{}, invalid("payload is not an unambiguous JSON object")
	}
	i, err := m.issuerOf(claims)
	if err != nil {
		return gateward.Identity{}, err
	}
	if err := i.source.Verify(ctx, j); err != nil {
		return gateward.Identity{}, fmt.Errorf("jwt: verify signature: %w", err)
	}
	expiry, err := i.validate(claims, m.now())
	if err != nil {
		return gateward.Identity{}, err
	}
	return i.identity(claims, expiry, m.now())
}

// issuerOf chooses by the unverified iss, compared exactly: what is chosen is
// the only issuer whose keys then count (RFC 8725 §3.8).
func (m *Method) issuerOf(claims map[string]any) (*issuer, error) {
	iss, ok := claims["iss"].(string)
	if _, present := claims["iss"]; present && !ok {
		return nil, invalid("iss is not a string")
	}
	if i := m.byIssuer[iss]; i != nil && ok {
		return i, nil
	}
	if m.only != nil {
		return m.only, nil
	}
	return nil, invalid("issuer not accepted")
}

// admittedType refuses tokens that are explicitly typed for another purpose
// (RFC 8725 §3.11), such as logout+jwt and dpop+jwt. Untyped ones, those that say
// no more than what they look like, and the access tokens of RFC 9068 are
// admitted. A type is compared without case, and application/ may be left out
// (RFC 7515 §4.1.9).
func admittedType(typ string) bool {
	if typ == "" {
		return true
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "jwt", "jose", "at+jwt":
		return true
	}
	return false
}

// invalid is the error for a token that its sender is to blame for. The reason
// is a constant: nothing of the token gets into an error.
func invalid(reason string) error {
	return fmt.Errorf("jwt: %s: %w", reason, gateward.ErrInvalidCredential)
}
