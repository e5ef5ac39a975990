package credential

import (
	"bytes"

	"github.com/gateward/gateward"
)

// fromCookies reads the accepted cookies in all Cookie values.
func (f *Finder) fromCookies(lines [][]byte) (Found, Problem) {
	var found Found
	planted := false // every occurrence so far may be part of another cookie
	ours := false    // one of them has our own name
	for _, line := range lines {
		for c := (cursor{rest: line}); ; {
			value, name := f.nextCookie(&c)
			if name < 0 {
				break
			}
			value = unquote(trim(value))
			switch {
			case len(value) == 0:
				continue // a cleared cookie is no credential
			case len(value) > MaxCookie:
				return Found{Scheme: gateward.SchemeCookie}, TooLong
			case found.Value == nil:
				found, planted = Found{Scheme: gateward.SchemeCookie, Value: value}, c.joined
			case !bytes.Equal(found.Value, value):
				// A sibling domain can plant a cookie beside ours: choosing one
				// would let it log its victim in as somebody else.
				return Found{Scheme: gateward.SchemeCookie}, Conflict
			}
			planted = planted && c.joined
			ours = ours || name == 0
		}
	}
	if planted {
		// A sibling domain can set a cookie of its own with a comma and our
		// name in its value, which no prefix of the name protects from.
		return Found{Scheme: gateward.SchemeCookie}, Conflict
	}
	if found.Value == nil {
		return found, None
	}
	if !f.token68(found.Value) {
		return Found{Scheme: gateward.SchemeCookie}, Malformed
	}
	if f.prefixed && !ours {
		found.Scheme = gateward.SchemeAcceptedCookie
	}
	return found, None
}

// A cursor walks over the cookies of a line.
type cursor struct {
	rest []byte
	// joined: the cookie that was returned last began after a comma.
	joined bool
	// comma: rest begins after one.
	comma bool
}

// advance moves to behind the separator at rest[i], if there is one.
func (c *cursor) advance(i int) {
	c.comma = i < len(c.rest) && c.rest[i] == ','
	c.rest = c.rest[min(i+1, len(c.rest)):]
}

// nextCookie returns the raw value of the next accepted cookie and the index of
// its name, which is -1 if there is none.
//
// A cookie begins at the start, after ";" and after ",": two Cookie lines of
// HTTP/1 arrive joined by a comma (`a=1; sess=good,sess=evil`). Spaces and
// tabs around name and value do not count, as in net/http.
func (f *Finder) nextCookie(c *cursor) (value []byte, name int) {
	for len(c.rest) > 0 {
		c.rest = trimLeft(c.rest)
		if name, n := f.nameAt(c.rest); name >= 0 {
			end := valueEnd(c.rest, n)
			value, c.joined = c.rest[n:end], c.comma
			c.advance(end)
			return value, name
		}
		i := 0
		for i < len(c.rest) && c.rest[i] != ';' && c.rest[i] != ',' {
			i++
		}
		c.advance(i)
	}
	return nil, -1
}

// nameAt returns the index of the accepted name that line begins with and where
// its value begins, or -1.
func (f *Finder) nameAt(line []byte) (name, value int) {
	for i, s := range f.names {
		if len(line) <= len(s) || string(line[:len(s)]) != s {
			continue
		}
		n := len(s)
		for n < len(line) && isBlank(line[n]) {
			n++
		}
		if n < len(line) && line[n] == '=' {
			return i, n + 1
		}
	}
	return -1, 0
}

// valueEnd returns where the value of one of our cookies, which begins at i,
// ends: at ";", or at a comma that begins another pair. Our own values have no
// comma, so one that begins no pair stays, and makes the value malformed.
func valueEnd(line []byte, i int) int {
	for ; i < len(line); i++ {
		if line[i] == ';' || (line[i] == ',' && beginsPair(line[i+1:])) {
			return i
		}
	}
	return len(line)
}

// beginsPair reports whether b begins with `name=`.
func beginsPair(b []byte) bool {
	b = trimLeft(b)
	n := 0
	for n < len(b) && isToken(b[n]) {
		n++
	}
	if n == 0 {
		return false
	}
	for n < len(b) && isBlank(b[n]) {
		n++
	}
	return n < len(b) && b[n] == '='
}

// unquote takes one pair of double quotes off (RFC 6265 §4.1.1).
func unquote(b []byte) []byte {
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		return b[1 : len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

func trim(b []byte) []byte {
	b = trimLeft(b)
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
