package admit

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of RFC 5321 §4.5.3.1, in bytes: beyond them nothing is an address.
const (
	maxAddress = 254
	maxDomain  = 253
)

// An address is a verified e-mail address taken apart at its only "@". The zero
// address matches nothing.
type address struct{ local, domain string }

// IsAddress reports whether s is an e-mail address that is safe to decide by:
// plain, of bounded length, in ASCII behind its only "@".
func IsAddress(s string) bool { return parseAddress(s) != address{} }

// parseAddress returns the parts of s, or the zero address if s is none that is
// safe to decide by. Only plain addresses are: another "@", quotes, comments,
// spaces and controls are ways to have a mail system and us read two different
// domains, and a domain beyond ASCII one that only looks like another.
func parseAddress(s string) address {
	if len(s) > maxAddress {
		return address{}
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !isLocalPart(local) || !isDomain(domain) {
		return address{}
	}
	return address{local, domain}
}

// isLocalPart reports whether s is a sequence of the characters of a dot-atom
// (RFC 5322 §3.2.3) or printable ones beyond ASCII (RFC 6531 §3.3).
func isLocalPart(s string) bool {
	for _, r := range s {
		switch {
		case r == utf8.RuneError, r <= ' ', r == 0x7f:
			return false
		case r < 0x7f:
			if strings.ContainsRune(`"(),:;<>@[\]`, r) {
				return false
			}
		case !unicode.IsPrint(r):
			return false
		}
	}
	return s != ""
}

// isDomain reports whether s is a host name: labels of ASCII letters, digits
// and inner hyphens (RFC 1123 §2.1). No address literal, no final dot.
func isDomain(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	for len(s) > 0 {
		label, rest, more := strings.Cut(s, ".")
		if !isLabel(label) || (more && rest == "") {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
	return false
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := lower(s[i])
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// equalFold compares s with a lower-case string, without the case of ASCII
// letters. Other letters are not folded: Unicode folds the Kelvin sign to "k",
// and so one person to another.
func equalFold(s, lowered string) bool {
	if len(s) != len(lowered) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lowered[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// LowerASCII returns s with its ASCII letters in lower case, the form in which
// addresses and names without case are kept and compared. Other letters are not
// folded: Unicode folds the Kelvin sign to "k", and so one name to another.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
