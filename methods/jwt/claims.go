package jwt

import (
	"math"
	"slices"
	"time"
)

// maxDate is the last second of the year 9999, beyond which a date is a mistake
// or an attack.
const maxDate = 253402300799

// validate checks the claims that decide whether a verified token counts here
// and now, each strictly of its type (RFC 7519 §4.1), and returns exp.
func (i *issuer) validate(claims map[string]any, now time.Time) (time.Time, error) {
	if err := purpose(claims); err != nil {
		return time.Time{}, err
	}
	expiry, err := i.dates(claims, now)
	if err != nil {
		return time.Time{}, err
	}
	want := i.ValidateClaims
	// The choice of the issuer has compared iss already; once more, so that no
	// change there can undo it.
	if iss, _ := claims["iss"].(string); want.Issuer != "" && iss != want.Issuer {
		return time.Time{}, invalid("issuer not accepted")
	}
	if sub, ok := claims["sub"].(string); want.Subject != "" && (!ok || sub != want.Subject) {
		return time.Time{}, invalid("subject not accepted")
	}
	audiences, ok := audience(claims)
	if !ok {
		return time.Time{}, invalid("aud is neither a string nor strings")
	}
	if len(want.Audiences) > 0 && !slices.ContainsFunc(audiences, func(a string) bool {
		return slices.Contains(want.Audiences, a)
	}) {
		return time.Time{}, invalid("audience not accepted")
	}
	return expiry, nil
}

// purpose refuses what an issuer signs with the same key and for another use.
func purpose(claims map[string]any) error {
	// Security event tokens, of which logout tokens are a kind (RFC 8417 §2.2,
	// OpenID Connect Back-Channel Logout §2.4).
	if _, ok := claims["events"]; ok {
		return invalid("a security event is no credential")
	}
	// Bound to a key or certificate, whose possession nobody has proven here
	// (RFC 7800 §3.1, RFC 8705 §3.1, RFC 9449 §6.1).
	if _, ok := claims["cnf"]; ok {
		return invalid("token is bound to a key and cannot be used as a bearer token")
	}
	return nil
}

// dates requires exp, and that nbf and iat are not in the future. The skew of
// clocks is granted in the token's favour, and only here: an identity's expiry is
// exp itself.
func (i *issuer) dates(claims map[string]any, now time.Time) (time.Time, error) {
	expiry, ok := numericDate(claims["exp"])
	if !ok {
		return time.Time{}, invalid("exp is missing or not a date")
	}
	if !now.Before(expiry.Add(i.ClockSkew)) {
		return time.Time{}, invalid("token expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		v, present := claims[name]
		if !present {
			continue
		}
		at, ok := numericDate(v)
		if !ok {
			return time.Time{}, invalid(name + " is not a date")
		}
		if at.After(now.Add(i.ClockSkew)) {
			return time.Time{}, invalid("token not valid yet: " + name + " is in the future")
		}
	}
	return expiry, nil
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

// audience reads aud, a string or an array of strings; a token may have none.
func audience(claims map[string]any) ([]string, bool) {
	v, present := claims["aud"]
	if !present {
		return nil, true
	}
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	return stringList(v)
}

// stringList reads an array of strings and nothing else (never a lone string:
// "admin,dev" must not become a list by accident).
func stringList(v any) ([]string, bool) {
	array, ok := v.([]any)
	if !ok {
		return nil, false
	}
	list := make([]string, len(array))
	for n, element := range array {
		if list[n], ok = element.(string); !ok {
			return nil, false
		}
	}
	return list, true
}
