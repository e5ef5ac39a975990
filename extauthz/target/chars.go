package target

import (
	"unicode"
)

// The plain ASCII characters as bit sets, one bit per character, of the first
// and the second 64: unreserved characters, sub-delims without the semicolon,
// colon and commercial at (RFC 3986 §2.2, §2.3, §3.3).
const (
	digits  uint64 = 0x3ff << '0'
	letters uint64 = 0x3ffffff<<('A'-64) | 0x3ffffff<<('a'-64)

	plainLow = digits | 1<<'-' | 1<<'.' | 1<<'!' | 1<<'$' | 1<<'&' | 1<<'\'' |
		1<<'(' | 1<<')' | 1<<'*' | 1<<'+' | 1<<',' | 1<<'=' | 1<<':'
	plainHigh = letters | 1<<('_'-64) | 1<<('~'-64) | 1<<('@'-64)
)

// isPlain reports whether c stands for itself in every reading. A slash and a
// question mark do not belong here: they shape the target.
func isPlain(c byte) bool { return has(plainLow, plainHigh, c) }

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric(c byte) bool {
	return has(digits, letters, c)
}

// has reports whether the bit of c is set. It compiles to a few instructions
// without a branch.
func has(low, high uint64, c byte) bool {
	set := low
	if c >= 64 {
		set = high
	}
	if c >= 128 {
		set = 0
	}
	return set>>(c&63)&1 != 0
}

// isControl reports whether c is an ASCII control character.
func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// isInvisible reports whether r has no appearance of its own, so that software
// may drop it: format characters and default ignorable code points.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// bestFit returns the ASCII character that conversions into a legacy code page
// make of r, where it shapes a path and NFKC does not already make it so, and 0
// for any other r. No letter, digit or mark is among them.
func bestFit(r rune) byte {
	switch r {
	case '\u2044', '\u2215', '\u29f8': // fraction slash, division slash, big solidus
		return '/'
	case '\u2216', '\u29f5', '\u00a5', '\u20a9': // set minus, reverse solidus operator, yen, won
		return '\\'
	case '\u3002': // ideographic full stop
		return '.'
	case '\u066a': // arabic percent sign
		return '%'
	}
	return 0
}

// triplet decodes the percent triplet at the beginning of s.
func triplet(s []byte) (c byte, ok bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	hi, lo := hexDigit(s[1]), hexDigit(s[2])
	return hi<<4 | lo&0xf, hi < 16 && lo < 16
}

// hexDigit returns the value of a hexadecimal digit, or 0xff.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// plainASCII reports whether path, which begins with a slash, is plain as it
// stands. It is all that most requests need.
func plainASCII(path []byte) bool {
	prev := byte('/')
	for _, c := range path[1:] {
		if !isPlain(c) && (c != '/' || prev == '/' || prev == '.') {
			return false
		}
		prev = c
	}
	return prev != '.'
}

// forbidden says why no part of a target may contain s, or "".
func forbidden(s []byte) string {
	for _, c := range s {
		if isControl(c) {
			return whyControl
		}
		if c == '#' {
			return whyFragment
		}
	}
	return ""
}
