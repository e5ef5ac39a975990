package browser

import (
	_ "embed" // the style
	"html"
	"strconv"
)

// A Detail is what an error page says beside its fixed texts. Every field may
// be empty, and is then left out. Values are escaped, stripped of everything
// that does not print, and cut to 256 characters.
type Detail struct {
	// Site is the name of the site, above the page and in the title bar.
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

//go:embed style.css
var style string

// Style returns the look that every page of ours has: the palette of both
// schemes, the card, the buttons. It holds no comments and nothing that would
// have to be escaped in a style element.
func Style() string { return style }

// StyleHash is the hash of [Style] as it stands in a Content-Security-Policy,
// without the quotes. A test says the new one when the style changes.
const StyleHash = "sha256-UwPsCPKr823yJU8eKusN7yblSxQvRlZ7PAsjqmv3qaI="

// Emblem is what stands above a page for which no logo is configured.
const Emblem = `<svg viewBox="0 0 24 24" width="28" height="28" fill="none" stroke="currentColor" stroke-width="1.75" ` +
	`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` +
	`<path d="M12 3 4.5 5.7v5.5c0 4.7 3.1 8.2 7.5 9.8 4.4-1.6 7.5-5.1 7.5-9.8V5.7z"/><path d="m9 12 2.1 2.1L15.2 10"/></svg>`

// PageCSP returns the Content-Security-Policy of a page: nothing but its own
// style, never in a frame.
func PageCSP() string {
	return "default-src 'none'; style-src '" + StyleHash + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
}

// Page appends a small page without scripts: what happened, what to do, and a
// request id to ask for help with. An id that is not [SafeRequestID] is left
// out.
func Page(dst []byte, p Problem, requestID string, d Detail) []byte {
	title, site := text(p.Title), text(d.Site)
	dst = append(dst, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n"+
		"<meta name=\"robots\" content=\"noindex\">\n<title>"...)
	dst = append(dst, title...)
	if site != "" {
		dst = append(append(dst, " · "...), site...)
	}
	dst = append(append(dst, "</title>\n<style>"...), style...)
	dst = append(dst, "</style>\n</head>\n<body>\n<header class=\"brand\">"+Emblem...)
	if site != "" {
		dst = append(append(append(dst, "<bdi>"...), site...), "</bdi>"...)
	}
	dst = append(dst, "</header>\n<main class=\"card\">\n"...)
	if p.Status != 0 {
		dst = append(dst, `<p class="status">Error `...)
		dst = append(strconv.AppendInt(dst, int64(p.Status), 10), "</p>\n"...)
	}
	dst = append(append(dst, "<h1>"...), title...)
	dst = append(append(dst, "</h1>\n<p>"...), text(p.Advice)...)
	dst = append(dst, "</p>\n"...)
	if label := text(d.LinkText); label != "" && IsLink(d.LinkURL) {
		dst = append(dst, `<p class="actions"><a class="button primary" href="`...)
		dst = append(dst, html.EscapeString(d.LinkURL)...)
		dst = append(append(dst, `">`...), label...)
		dst = append(dst, "</a></p>\n"...)
	}
	if !SafeRequestID([]byte(requestID)) {
		requestID = ""
	}
	dst = appendFacts(dst, [...][2]string{
		{"You are logged in as", d.Account},
		{"Rule", d.Rule},
		{"Request id, should you ask for help", requestID},
	})
	return append(dst, "</main>\n</body>\n</html>\n"...)
}

// appendFacts appends the labelled values that are not empty.
func appendFacts(dst []byte, facts [3][2]string) []byte {
	open := false
	for _, fact := range facts {
		value := text(fact[1])
		if value == "" {
			continue
		}
		if !open {
			dst = append(dst, "<dl class=\"facts\">\n"...)
			open = true
		}
		dst = append(append(dst, "<div><dt>"...), fact[0]...)
		dst = append(append(dst, "</dt><dd><bdi>"...), value...)
		dst = append(dst, "</bdi></dd></div>\n"...)
	}
	if open {
		dst = append(dst, "</dl>\n"...)
	}
	return dst
}
