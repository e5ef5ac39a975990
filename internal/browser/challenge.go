package browser

import (
	"strings"
	"unicode/utf8"
)

// maxRealm bounds a realm, in characters.
const maxRealm = 128

// An ErrorCode is what a Bearer challenge says is wrong (RFC 6750 §3.1).
type ErrorCode uint8

// The error codes.
const (
	// NoCredential is no code: the request had no credential, and RFC 6750 §3.1
	// wants nothing said then.
	NoCredential ErrorCode = iota
	// InvalidRequest: several credentials, or a malformed header.
	InvalidRequest
	// InvalidToken: malformed, unknown, expired or revoked.
	InvalidToken
	// InsufficientScope: valid, and without a scope that is needed. 403.
	InsufficientScope
)

// String returns the code as in the challenge, "" for [NoCredential].
func (c ErrorCode) String() string {
	switch c {
	case InvalidRequest:
		return "invalid_request"
	case InvalidToken:
		return "invalid_token"
	case InsufficientScope:
		return "insufficient_scope"
	case NoCredential:
		return ""
	}
	return "invalid_token"
}

// Challenge appends the value of a WWW-Authenticate header for bearer tokens.
// scopes are those that are needed; they are said with [InsufficientScope] only.
// Whatever cannot stand in a header is replaced in the realm, and left out of
// the scopes. There is no description: why a token is invalid is not the
// client's to know.
func Challenge(dst []byte, realm string, code ErrorCode, scopes []string) []byte {
	dst = append(dst, "Bearer realm="...)
	dst = appendQuoted(dst, realm)
	if code == NoCredential {
		return dst
	}
	dst = append(dst, `, error="`...)
	dst = append(dst, code.String()...)
	dst = append(dst, '"')
	if code != InsufficientScope {
		return dst
	}
	first := true
	for _, s := range scopes {
		if !isScope(s) {
			continue
		}
		if first {
			dst = append(dst, `, scope="`...)
			first = false
		} else {
			dst = append(dst, ' ')
		}
		dst = append(dst, s...)
	}
	if !first {
		dst = append(dst, '"')
	}
	return dst
}

// BasicChallenge appends the value of a WWW-Authenticate header for user names
// and passwords (RFC 7617 §2).
func BasicChallenge(dst []byte, realm string) []byte {
	dst = append(dst, "Basic realm="...)
	dst = appendQuoted(dst, realm)
	return append(dst, `, charset="UTF-8"`...)
}

// appendQuoted appends s as a quoted-string (RFC 9110 §5.6.4), with "?" for
// every character that is not visible ASCII or a space.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	n := 0
	for _, r := range s {
		if n == maxRealm {
			break
		}
		n++
		switch {
		case r < ' ' || r > '~':
			dst = append(dst, '?')
		case r == '"' || r == '\\':
			dst = utf8.AppendRune(append(dst, '\\'), r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// isScope reports whether s is a scope-token (RFC 6749 §3.3), none of whose
// characters needs escaping.
func isScope(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	}) < 0
}
