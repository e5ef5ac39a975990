// Package gateward holds the vocabulary that every other package speaks: who
// made a request ([Identity]), what was presented ([Credential]), and whose
// fault a refusal is (the error sentinels). It imports only the standard
// library and is imported by everything else, so it stays small.
//
// How a credential is found in a request lives in internal/credential, how it
// is verified below methods, and what follows from it in extauthz.
package gateward

import (
	"time"
)

// A Principal names an entity. Subject is unique only within Issuer, so the two
// are never compared apart (RFC 7519 §4.1.2, OpenID Connect Core §5.7).
type Principal struct {
	// Issuer is the issuer identifier of a token, or "" where the method has
	// no issuer (a static token).
	Issuer string
	// Subject is locally unique in the context of Issuer.
	Subject string
}

// An Identity is what one successful authentication established: a principal
// and its attributes. It is immutable once an authenticator has returned it;
// its slices and maps are shared and must not be written to.
type Identity struct {
	Principal

	// Method is the method that established the identity: "token", "jwt".
	Method string
	// Provider is the configured name of the provider or issuer within Method,
	// or "" where the method has only one.
	Provider string

	// Email is an address as asserted; it counts for admission only when
	// EmailVerified is true.
	Email         string
	EmailVerified bool
	// Name is a display name, unfit for any decision.
	Name string

	Groups []string
	// Organizations are the names of the organizations that the person is an
	// active member of, in lower case, and Teams those of the teams, as
	// ORGANIZATION/TEAM. They are apart from Groups because anybody can found an
	// organization of any name.
	Organizations, Teams []string
	// Scopes are the scopes granted to the credential (RFC 6749 §3.3).
	Scopes []string
	// AllScopes: the credential is not limited by scopes, so that whatever asks
	// for one is content. A person's session is such unless scopes are granted to
	// people by configuration, a token never.
	AllScopes bool

	// Claims are the verified claims as the issuer sent them, JSON types; nil
	// where the method has none.
	Claims map[string]any
	// Metadata are method specific attributes, in Flipt's key names where
	// Flipt has them.
	Metadata map[string]string

	// AuthTime is when the end user authenticated, zero if unknown.
	AuthTime time.Time
	// ConfirmedAt is when the provider of a session last said all this: at the
	// login, or at the last refresh. Zero where there is no session.
	ConfirmedAt time.Time
	// Expiry is when the credential ceases to be valid, zero if it does not
	// expire. Nothing derived from the identity may live longer.
	Expiry time.Time
	// FreshUntil is when the credential has to be looked at again although it
	// may still be valid, zero if not before Expiry: a session is to be touched,
	// or its provider's tokens to be refreshed.
	FreshUntil time.Time

	// UserID is the id of the person's record ([sessions.User]), or "" where there
	// is none: only who has logged in has one.
	UserID string
	// SessionID is the public identifier of the session or API token behind
	// the credential, or "". It is not a secret and cannot be presented.
	SessionID string
}

// A Scheme is how a credential was presented.
type Scheme uint8

// The schemes. The cookies carry a client token; the others are authentication
// schemes of an Authorization header (RFC 9110 §11.1).
const (
	SchemeNone   Scheme = iota
	SchemeBearer        // Bearer, RFC 6750
	SchemeJWT           // JWT, as Flipt clients send it
	SchemeBasic         // Basic, RFC 7617
	SchemeCookie        // the cookie that is ours to set
	// SchemeAcceptedCookie is a cookie under another accepted name. Its name may
	// lack the prefix that keeps sibling domains from setting it (__Host-), so it
	// never carries a session.
	SchemeAcceptedCookie
)

// String returns the scheme's name as in configuration and logs.
func (s Scheme) String() string {
	switch s {
	case SchemeBearer:
		return "bearer"
	case SchemeJWT:
		return "jwt"
	case SchemeBasic:
		return "basic"
	case SchemeCookie, SchemeAcceptedCookie:
		return "cookie"
	case SchemeNone:
	}
	return "none"
}

// A Credential is what a request presented. Its value never reaches a log line
// or an error string.
type Credential struct {
	Scheme Scheme
	Value  Secret
}

// Tokens are what a provider's token endpoint returned (RFC 6749 §5.1), and the
// provider's id of the session. They stay on the server.
type Tokens struct {
	AccessToken, RefreshToken, IDToken Secret
	// Expiry is that of the access token, zero if unknown.
	Expiry time.Time
	// SID is the provider's session id (OpenID Connect Back-Channel Logout 1.0,
	// §2.1), or "".
	SID string
}
