package browser

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OriginHeaderNames returns the names that [SameOrigin] asks for.
func OriginHeaderNames() []string { return []string{"sec-fetch-site", "origin", "upgrade"} }

// SameOrigin reports whether a request, whose credential a browser adds by
// itself (a cookie, Basic), may have been meant by whoever presents it: the
// protection from cross-site request forgery by origin.
//
// A safe method that is no upgrade to a WebSocket always passes. Anything else
// passes when Sec-Fetch-Site is same-origin or none, or when Origin is trusted;
// and where there is no Sec-Fetch-Site, also when Origin is one of our own.
// "null", and neither header, do not pass, nor does a sibling domain
// (same-site): it is not us.
//
// own and trusted are origins as [Origin] returns them; the empty string is
// none. Headers that came twice are joined, and so match nothing.
func SameOrigin(method string, h Headers, own, trusted []string) bool {
	if isSafe(method) && !isWebSocket(h) {
		return true
	}
	origin := ""
	if v, ok := h.Get("origin"); ok {
		origin = string(trim(v))
	}
	if origin == "null" {
		origin = ""
	}
	if origin != "" && slices.Contains(trusted, origin) {
		return true
	}
	if v, ok := h.Get("sec-fetch-site"); ok {
		site := string(trim(v))
		return site == "same-origin" || site == "none"
	}
	return origin != "" && slices.Contains(own, origin)
}

// isSafe reports whether method changes nothing (RFC 9110 §9.2.1). TRACE, which
// no browser sends, is left out.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func isWebSocket(h Headers) bool {
	v, ok := h.Get("upgrade")
	return ok && upgradesTo(v, "websocket")
}

// Origin returns the origin of a scheme and a host, which may have a port, as
// browsers write it (RFC 6454 §6.2): lower case, the default port left out. It
// returns "" if they make none.
func Origin(scheme, host string) string {
	a, ok := parseAuthority(host)
	scheme = lowerASCII(scheme)
	if !ok || (scheme != "http" && scheme != "https") {
		return ""
	}
	return origin{scheme, a.host, a.portOf(scheme)}.String()
}

// OriginOf returns the origin of an absolute URL, or "".
func OriginOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return Origin(u.Scheme, u.Host)
}

// HeadersOf returns the headers of an HTTP request in the form that [Classify]
// and [SameOrigin] read. Values that came on several lines are joined by a
// comma.
func HeadersOf(h http.Header) Headers { return httpHeaders(h) }

type httpHeaders http.Header

// Get implements [Headers].
func (h httpHeaders) Get(name string) ([]byte, bool) {
	values := http.Header(h).Values(name)
	if len(values) == 0 {
		return nil, false
	}
	return []byte(strings.Join(values, ",")), true
}
