package browser

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDecoding is how often a path may be percent-decoded on its way before
// somebody reads it.
const maxDecoding = 2

// loginSegment begins the paths of the login service.
const loginSegment = "auth"

// isTargetText reports whether s can be escaped to something that means the same
// to everybody: valid UTF-8 without controls and without spaces around it.
// Browsers cut those off, tabs and newlines from the middle, too.
func isTargetText(s string) bool {
	if !utf8.ValidString(s) || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) < 0
}

// isTargetPath reports whether path, which begins with "/", is one that
// everybody on the way finds in the same place: in no reading does it have
// controls or dot segments, begin with two slashes, or lie below /auth.
func isTargetPath(path string) bool {
	if !isTargetText(path) || strings.Contains(path, `\`) || !isPercentEncoded(path) {
		return false
	}
	for range maxDecoding {
		if !isPlainReading(path) {
			return false
		}
		next := decodeOnce(path)
		if next == path {
			return true
		}
		path = next
	}
	return isPlainReading(path)
}

// isPlainReading judges one reading of a path.
func isPlainReading(path string) bool {
	path = strings.ReplaceAll(path, `\`, "/")
	if strings.HasPrefix(path, "//") {
		return false
	}
	first := true
	for segment := range strings.SplitSeq(path, "/") {
		if strings.IndexFunc(segment, unicode.IsControl) >= 0 {
			return false
		}
		segment, _, _ = strings.Cut(segment, ";")
		switch segment = strings.TrimSpace(segment); segment {
		case "":
			continue
		case ".", "..":
			return false
		case loginSegment:
			if first {
				return false
			}
		}
		first = false
	}
	return true
}

// isPercentEncoded reports whether every "%" of s begins an escape.
func isPercentEncoded(s string) bool {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	return true
}

// decodeOnce decodes what can be decoded.
func decodeOnce(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// appendEscaped appends s with everything percent-encoded that cannot stand in a
// URI (RFC 3986 §2), as browsers do. "%" stays.
func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
