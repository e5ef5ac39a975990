package oidc

import (
	"context"
	"crypto/subtle"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
)

const (
	// clockSkew is how far a provider's clock may be off.
	clockSkew = time.Minute
	// maxIDTokenAge is how long ago an ID token may have been issued that comes
	// from the token endpoint just now.
	maxIDTokenAge = 24 * time.Hour
	// loginPatience is what a person may take from the password to our callback,
	// on top of max_age.
	loginPatience = 2 * time.Minute
	// maxSubject is the longest sub, in bytes (OpenID Connect Core §2); for sid,
	// which has no such bound, it serves too.
	maxSubject = 255
	// maxDate is the last second of the year 9999.
	maxDate = 253402300799
)

// signature is one token, as a key set for go-oidc, which turns errors into text:
// it remembers whose fault it was.
type signature struct {
	jws     *keyset.JWS
	source  keyset.Source
	refused error // why, unless nil
}

// newSignature reads a token before anything else is made of it, so that what is
// too long, ambiguous or for another purpose costs nothing. types are the admitted
// values of typ (RFC 8725 §3.11), in lower case, beside its absence.
func newSignature(raw gateward.Secret, types ...string) (*signature, error) {
	j, err := keyset.Parse(raw.Reveal())
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	// Compared without case, application/ being left out or not (RFC 7515 §4.1.9).
	typ := strings.TrimPrefix(strings.ToLower(j.Header.Type), "application/")
	if typ != "" && !slices.Contains(types, typ) {
		return nil, invalid("the token's typ is for another purpose")
	}
	return &signature{jws: j}, nil
}

// VerifySignature implements go-oidc's KeySet. It is asked about its own token
// only.
func (s *signature) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	if s.refused = s.source.Verify(ctx, s.jws); s.refused != nil {
		return nil, s.refused
	}
	return s.jws.UnverifiedPayload(), nil
}

// claims returns the payload once it is verified.
func (s *signature) claims() (map[string]any, error) {
	claims, err := keyset.DecodeObject(s.jws.UnverifiedPayload())
	if err != nil {
		return nil, invalid("the payload is not an unambiguous JSON object")
	}
	return claims, nil
}

// verifier returns go-oidc's verifier over s.
func (p *Provider) verifier(s *signature) *gooidc.IDTokenVerifier {
	return gooidc.NewVerifier(p.config.IssuerURL, s, &gooidc.Config{
		ClientID:             p.config.ClientID,
		SupportedSigningAlgs: p.config.Algorithms,
		// A clock that is slow by clockSkew: in the token's favour.
		Now: func() time.Time { return p.now().Add(-clockSkew) },
	})
}

// keyed sets the provider's keys.
func (p *Provider) keyed(ctx context.Context, s *signature) error {
	if _, err := p.peer.metadata(ctx); err != nil {
		return err
	}
	s.source = p.peer.keySet()
	return nil
}

// verifyIDToken verifies an ID token in all but nonce, auth_time and acr (OpenID
// Connect Core §3.1.3.7), although it came over TLS, and returns its claims.
func (p *Provider) verifyIDToken(ctx context.Context, raw, access gateward.Secret) (map[string]any, error) {
	s, err := newSignature(raw, "jwt")
	if err != nil {
		return nil, err
	}
	if err := p.keyed(ctx, s); err != nil {
		return nil, err
	}
	t, err := p.verifier(s).Verify(ctx, raw.Reveal())
	switch {
	case s.refused != nil:
		return nil, fmt.Errorf("oidc: verify ID token: %w", s.refused)
	case err != nil:
		return nil, fmt.Errorf("oidc: verify ID token: %w: %w", gateward.ErrInvalidCredential, err)
	}
	claims, err := s.claims()
	if err != nil {
		return nil, err
	}
	if t.AccessTokenHash != "" && t.VerifyAccessToken(access.Reveal()) != nil {
		return nil, invalid("the ID token's at_hash is another access token's")
	}
	if err := p.checkParties(claims); err != nil {
		return nil, err
	}
	return claims, checkDates(claims, maxIDTokenAge, p.now())
}

// checkIssuerAndAudience compares exactly. go-oidc has looked at both, with an
// exception for one provider, and at names without their case.
func (p *Provider) checkIssuerAndAudience(claims map[string]any) error {
	if claims["iss"] != p.config.IssuerURL {
		return invalid("the token is another issuer's")
	}
	audiences, _ := claims["aud"].([]any)
	if claims["aud"] != p.config.ClientID && !slices.Contains(audiences, any(p.config.ClientID)) {
		return invalid("the token is for another client")
	}
	return nil
}

// checkParties compares exactly who issued an ID token, for whom and about whom.
func (p *Provider) checkParties(claims map[string]any) error {
	if err := p.checkIssuerAndAudience(claims); err != nil {
		return err
	}
	azp, present := claims["azp"]
	audiences, _ := claims["aud"].([]any)
	if (present || len(audiences) > 1) && azp != p.config.ClientID {
		return invalid("the token was issued to another client: azp")
	}
	// What some providers sign with the same key for other uses.
	if _, ok := claims["events"]; ok {
		return invalid("a security event is no ID token")
	}
	switch claims["typ"] {
	case "Bearer", "Refresh", "Offline", "Logout":
		return invalid("the claim typ names another kind of token than an ID token")
	}
	if sub, _ := claims["sub"].(string); !validSubject(sub) {
		return invalid("the ID token has no usable sub")
	}
	return nil
}

// validSubject bounds a subject. The decoder writes U+FFFD for a broken escape,
// and two subjects that are broken differently would be one.
func validSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && !strings.ContainsRune(s, utf8.RuneError)
}

// checkDates requires exp to be a date to come, and iat to be neither in the future
// nor longer ago than age; numbers both, which go-oidc does not insist on.
func checkDates(claims map[string]any, age time.Duration, now time.Time) error {
	if exp, ok := numericDate(claims["exp"]); !ok || !now.Before(exp.Add(clockSkew)) {
		return invalid("exp is missing, not a date, or past")
	}
	at, ok := numericDate(claims["iat"])
	switch {
	case !ok:
		return invalid("iat is missing or not a date")
	case at.After(now.Add(clockSkew)):
		return invalid("iat is in the future: are the clocks right?")
	case now.Sub(at) >= age+clockSkew:
		return invalid("iat is too long ago")
	}
	return nil
}

// checkNonce ties an ID token to its attempt: one that was stolen or issued for
// another login does not count (OpenID Connect Core §3.1.3.7, 11).
func checkNonce(claims map[string]any, want string) error {
	got, _ := claims["nonce"].(string)
	if want == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return invalid("nonce is not that of this login")
	}
	return nil
}

// checkAuthTime sees to it that max_age was honoured: it is only a request, and
// travels through the browser (OpenID Connect Core §3.1.2.1).
func checkAuthTime(claims map[string]any, maxAge *time.Duration, now time.Time) error {
	v, present := claims["auth_time"]
	at, ok := numericDate(v)
	switch {
	case present && !ok:
		return invalid("auth_time is not a date")
	case ok && at.After(now.Add(clockSkew)):
		return invalid("auth_time is in the future: are the clocks right?")
	case maxAge == nil:
		return nil
	case !ok:
		return invalid("auth_time is missing, which max_age requires")
	case now.Sub(at) > *maxAge+loginPatience:
		return invalid("auth_time is longer ago than max_age")
	}
	return nil
}

// sidOf returns the provider's session id, "" if there is none.
func sidOf(claims map[string]any) string {
	sid, _ := claims["sid"].(string)
	if !validSubject(sid) {
		return ""
	}
	return sid
}

// unverifiedClaims returns the claims of a token as they are, nil if it is none.
func unverifiedClaims(raw gateward.Secret) map[string]any {
	j, err := keyset.Parse(raw.Reveal())
	if err != nil {
		return nil
	}
	claims, err := keyset.DecodeObject(j.UnverifiedPayload())
	if err != nil {
		return nil
	}
	return claims
}

// numericDate reads a NumericDate (RFC 7519 §2), fractions included.
func numericDate(v any) (time.Time, bool) {
	f, ok := v.(float64)
	if !ok || f < 0 || f > maxDate {
		return time.Time{}, false
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*float64(time.Second))), true
}
