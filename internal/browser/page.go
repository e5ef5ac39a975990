package browser

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a text on a page, in characters.
const maxText = 256

// A Detail is what an error page says beside its fixed texts. Every field may
// be empty, and is then left out. Values are escaped, stripped of everything
// that does not print, and cut to 256 characters.
type Detail struct {
	// Site is the name of the site, for the title bar.
	Site string
	// Account says who the person is, to that person: an e-mail address or a
	// name.
	Account string
	// Rule is the name of the rule that decided.
	Rule string
	// LinkText and LinkURL make one link, such as to switch account. LinkURL is
	// an http or https URL or an absolute path; anything else makes no link.
	LinkText, LinkURL string
}

// style is the only style of a page. Its hash is in the policy: a test says the
// new one when it changes.
const style = `:root{color-scheme:light dark}` +
	`body{margin:0;font:1.0625rem/1.6 system-ui,sans-serif;color:#1b1f24;background:#fff}` +
	`main{max-width:36rem;margin:12vh auto;padding:0 1.5rem}` +
	`h1{font-size:1.625rem;line-height:1.25;margin:0 0 1rem}` +
	`dl{margin:2rem 0 0;padding:1rem 0 0;border-top:1px solid #c9ced6;font-size:.9375rem}` +
	`dt{color:#57606a}dd{margin:0 0 .75rem;overflow-wrap:anywhere}` +
	`a{color:#0550ae}` +
	`@media(prefers-color-scheme:dark){body{color:#e6e9ed;background:#14171b}` +
	`dl{border-color:#3a4149}dt{color:#a3adb8}a{color:#8cbcff}}`

const styleHash = "sha256-j9VREtzKCOtXZW/J5upMmE3LrUh8nQFRKXML3MGGcbA="

// PageCSP returns the Content-Security-Policy of a page: nothing but its own
// style, never in a frame.
func PageCSP() string {
	return "default-src 'none'; style-src '" + styleHash + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
}

// Page appends a small page without scripts: what happened, what to do, and a
// request id to ask for help with. An id that is not [SafeRequestID] is left
// out.
func Page(dst []byte, p Problem, requestID string, d Detail) []byte {
	title := text(p.Title)
	dst = append(dst, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<meta name=\"robots\" content=\"noindex\">\n<title>"...)
	dst = append(dst, title...)
	if site := text(d.Site); site != "" {
		dst = append(append(dst, " · "...), site...)
	}
	dst = append(dst, "</title>\n<style>"+style+"</style>\n</head>\n<body>\n<main>\n<h1>"...)
	dst = append(dst, title...)
	dst = append(dst, "</h1>\n<p>"...)
	dst = append(dst, text(p.Advice)...)
	dst = append(dst, "</p>\n"...)
	if label := text(d.LinkText); label != "" && isLink(d.LinkURL) {
		dst = append(dst, `<p><a href="`...)
		dst = append(dst, html.EscapeString(d.LinkURL)...)
		dst = append(dst, `">`...)
		dst = append(dst, label...)
		dst = append(dst, "</a></p>\n"...)
	}
	if !SafeRequestID([]byte(requestID)) {
		requestID = ""
	}
	dst = appendList(dst, [][2]string{
		{"You are logged in as", d.Account},
		{"Rule", d.Rule},
		{"Request id, should you ask for help", requestID},
	})
	return append(dst, "</main>\n</body>\n</html>\n"...)
}

// appendList appends the labelled values that are not empty.
func appendList(dst []byte, rows [][2]string) []byte {
	open := false
	for _, row := range rows {
		value := text(row[1])
		if value == "" {
			continue
		}
		if !open {
			dst = append(dst, "<dl>\n"...)
			open = true
		}
		dst = append(dst, "<dt>"...)
		dst = append(dst, row[0]...)
		dst = append(dst, "</dt><dd><bdi>"...)
		dst = append(dst, value...)
		dst = append(dst, "</bdi></dd>\n"...)
	}
	if open {
		dst = append(dst, "</dl>\n"...)
	}
	return dst
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

// text returns s for an element or a quoted attribute. Characters that do not
// print go, the ones that turn the direction of text among them.
func text(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == maxText {
			b.WriteString("…")
			break
		}
		if r != utf8.RuneError && unicode.IsPrint(r) {
			b.WriteRune(r)
			n++
		}
	}
	return html.EscapeString(strings.TrimSpace(b.String()))
}

// isLink reports whether s is an http or https URL or an absolute path, in
// visible ASCII. "//host" and "/\host" are paths to us and hosts to browsers.
func isLink(s string) bool {
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
