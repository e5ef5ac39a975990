package browser

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a text on a page, in characters.
const maxText = 256

// maxMarks bounds the combining marks on one character: enough for every
// script, too few to paint over the lines above and below.
const maxMarks = 4

// Printable returns s as it may stand on a page, not yet escaped: only
// characters that print, without those that turn the direction of text, white
// space as single spaces, at most limit characters, "…" in place of the rest.
func Printable(s string, limit int) string {
	var b strings.Builder
	n, marks, space := 0, 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r):
			continue
		case unicode.IsMark(r):
			marks++
		default:
			marks = 0
		}
		if marks > maxMarks {
			continue
		}
		if space {
			n++
		}
		if n >= limit {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// text returns s for an element or a quoted attribute.
func text(s string) string { return html.EscapeString(Printable(s, maxText)) }

// IsLink reports whether s is an http or https URL or an absolute path, in
// visible ASCII. "//host" and "/\host" are paths to us and hosts to browsers.
func IsLink(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	if rest, ok := strings.CutPrefix(s, "/"); ok {
		return !strings.HasPrefix(rest, "/")
	}
	for _, scheme := range [...]string{"https://", "http://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return rest != "" && rest[0] != '/'
		}
	}
	return false
}

// SafeRequestID reports whether b may be repeated in an answer and a log: 1 to
// 128 letters, digits, ".", "_" and "-". Clients can choose their own.
func SafeRequestID(b []byte) bool {
	if len(b) == 0 || len(b) > 128 {
		return false
	}
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
