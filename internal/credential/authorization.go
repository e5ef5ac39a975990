package credential

import (
	"bytes"

	"github.com/gateward/gateward"
)

// maxHeader bounds an Authorization header before its scheme is known: the
// longest value and a generous prefix.
const maxHeader = MaxBearer + 64

// fromAuthorization reads one Authorization value: a scheme, one or more
// spaces, and a token68 (RFC 9110 §11.4, RFC 6750 §2.1, RFC 7617 §2).
func (f *Finder) fromAuthorization(h []byte, admits Kinds) (Found, Problem) {
	found := Found{FromHeader: true}
	if len(h) > maxHeader {
		return found, TooLong
	}
	// Envoy joins repeated headers with a comma, and no credential that we
	// admit contains one.
	if bytes.IndexByte(h, ',') >= 0 {
		return found, Multiple
	}
	n := 0
	for n < len(h) && isToken(h[n]) {
		n++
	}
	if n == 0 || (n < len(h) && h[n] != ' ') {
		return found, Malformed
	}
	scheme, kind, limit := schemeOf(h[:n])
	value := h[n:]
	for len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	if kind&admits == 0 {
		// Garbage stays garbage whatever its scheme.
		if !printable(value) {
			return found, Malformed
		}
		return found, Scheme
	}
	found.Scheme = scheme
	switch {
	case len(value) > limit:
		return found, TooLong
	case !f.token68(value):
		return found, Malformed
	}
	found.Value = value
	return found, None
}

// schemeOf returns what an authentication scheme means to us; kind 0 is a
// scheme that we do not know. Schemes compare without case (RFC 9110 §11.1).
func schemeOf(name []byte) (scheme gateward.Scheme, kind Kinds, limit int) {
	switch {
	case equalFold(name, "bearer"):
		return gateward.SchemeBearer, Bearer, MaxBearer
	case equalFold(name, "jwt"):
		return gateward.SchemeJWT, Bearer, MaxBearer
	case equalFold(name, "basic"):
		return gateward.SchemeBasic, Basic, MaxBasic
	}
	return gateward.SchemeNone, 0, 0
}

// equalFold compares b with a lower-case ASCII word. Unlike bytes.EqualFold it
// takes no letter from beyond ASCII, such as the Kelvin sign, for one within.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// token68 reports whether b is a token68: one or more of the characters of
// base64 in both alphabets, "." and "~", then padding (RFC 9110 §11.2).
func (f *Finder) token68(b []byte) bool {
	n := len(b)
	for n > 0 && b[n-1] == '=' {
		n--
	}
	if n == 0 {
		return false
	}
	for _, c := range b[:n] {
		if !f.token68Chars[c] {
			return false
		}
	}
	return true
}

// printable reports whether b consists of visible ASCII and spaces.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// isToken reports whether c is a tchar (RFC 9110 §5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
		c == '!', '#' <= c && c <= '\'', c == '*', c == '+', c == '-', c == '.',
		'^' <= c && c <= '`', c == '|', c == '~':
		return true
	}
	return false
}

// token68Table returns the characters of a token68 without its padding. On a
// token of a kilobyte a table is faster than masks or comparisons.
func token68Table() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/" {
		t[c] = true
	}
	return t
}
