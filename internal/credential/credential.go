// Package credential finds the one credential of a request that counts, and
// takes our cookies out of what goes upstream. It also owns the limits and the
// syntax that every credential must meet before anything is hashed, decoded or
// compared.
//
// Verifying a credential is the business of the packages below methods; turning
// a [Problem] into an answer is extauthz's and loginsvc's.
package credential

import (
	"errors"
	"fmt"

	"github.com/gateward/gateward"
)

// The longest credentials that are looked at, in bytes, without the name of
// the scheme or cookie. They bound the work that a stranger can cause.
const (
	MaxCookie = 4 << 10
	MaxBearer = 16 << 10
	MaxBasic  = 1 << 10
)

// Kinds is the set of credential kinds that a rule admits. The zero value
// admits none.
type Kinds uint8

// The kinds. Bearer covers the schemes Bearer and JWT; a client certificate is
// no kind, because it is not found in headers.
const (
	Cookie Kinds = 1 << iota
	Bearer
	Basic

	All = Cookie | Bearer | Basic
)

// ParseKinds returns the set that a rule's list "credentials" names: "cookie",
// "bearer", "basic". An empty list is the empty set: the default is the
// caller's, so that a list that named only other kinds never becomes it.
// Problems are joined [gateward.ConfigError] values with keys such as
// "credentials[0]".
func ParseKinds(names []string) (Kinds, error) {
	var k Kinds
	var errs []error
	for i, name := range names {
		switch name {
		case "cookie":
			k |= Cookie
		case "bearer":
			k |= Bearer
		case "basic":
			k |= Basic
		default:
			errs = append(errs, &gateward.ConfigError{
				Key:     fmt.Sprintf("credentials[%d]", i),
				Problem: fmt.Sprintf("unknown kind of credential %q", name),
				Remedy:  "use cookie, bearer or basic",
			})
		}
	}
	if len(errs) > 0 {
		return 0, errors.Join(errs...)
	}
	return k, nil
}

// A Problem is why the credential of a request cannot be used. All of them are
// the client's fault: 401.
type Problem uint8

// The problems.
const (
	// None: the credential is well formed, or there is none.
	None Problem = iota
	// Multiple: more than one Authorization value, or one with a comma.
	Multiple
	// Malformed: the syntax of the header or value is wrong.
	Malformed
	// TooLong: the value exceeds its limit.
	TooLong
	// Scheme: an authentication scheme that is unknown or that the rule does
	// not admit.
	Scheme
	// Conflict: our cookies have two different values.
	Conflict
)

// String returns the reason token, stable for logs and metric labels.
func (p Problem) String() string {
	switch p {
	case None:
		return "none"
	case Multiple:
		return "multiple_credentials"
	case Malformed:
		return "malformed_credential"
	case TooLong:
		return "credential_too_long"
	case Scheme:
		return "scheme_not_admitted"
	case Conflict:
		return "conflicting_cookies"
	}
	return "malformed_credential"
}

// Found is the credential that counts.
type Found struct {
	// Scheme is how the credential was presented; SchemeNone if there is none,
	// or if a refused one has no scheme that we know.
	Scheme gateward.Scheme
	// Value is the credential without scheme or quotes. It aliases the request,
	// and is nil when there is no credential and whenever there is a Problem.
	Value []byte
	// FromHeader reports that an Authorization header decided, so that the
	// header is ours to withhold from the upstream. Set with a Problem too.
	FromHeader bool
}

// A Finder finds credentials. It is immutable and safe for concurrent use.
type Finder struct {
	names []string
	// prefixed: the first of names has a prefix that browsers enforce, so that a
	// cookie of another name may have been set by somebody else.
	prefixed     bool
	token68Chars [256]bool
	strip        stripper
}

// NewFinder returns a Finder that reads the cookies of the given names; the
// first is ours. Names are compared exactly, as cookie names are (RFC 6265
// §4.1.1); empty ones are dropped. Without names no cookie is a credential.
//
// If ours begins with "__Host-" or "__Secure-", what only a cookie of another
// name carried is found with [gateward.SchemeAcceptedCookie].
func NewFinder(cookieNames []string) *Finder {
	f := &Finder{token68Chars: token68Table()}
	for _, n := range cookieNames {
		if n != "" {
			f.names = append(f.names, n)
		}
	}
	if len(f.names) > 0 {
		f.prefixed = bareName(f.names[0]) != f.names[0]
	}
	f.strip = newStripper(f.names)
	return f
}

// Find returns the credential that counts among the values of the Authorization
// and Cookie headers of one request, as they arrived, joined or not.
//
// Where admits names a kind that travels in Authorization, such a header
// decides alone, so a bad one is never rescued by a cookie; otherwise it
// belongs to the upstream and is not looked at. Find does not allocate.
func (f *Finder) Find(authorization, cookie [][]byte, admits Kinds) (Found, Problem) {
	if admits&(Bearer|Basic) != 0 && len(authorization) > 0 {
		if len(authorization) > 1 {
			return Found{FromHeader: true}, Multiple
		}
		return f.fromAuthorization(authorization[0], admits)
	}
	if admits&Cookie != 0 {
		return f.fromCookies(cookie)
	}
	return Found{}, None
}
