// Package browser knows what kind of client is asking, and the form that an
// error answer has for it: JSON, a page, or the short text of a gRPC status;
// and the challenges of RFC 6750 and RFC 7617.
//
// Which answer a request gets is decided by extauthz and loginsvc; the pages of
// the login itself are loginsvc's.
package browser

import "bytes"

// Headers are the request headers that [Classify] reads. Get returns the only
// value of a header, or the first or the joined ones, and whether the header is
// there at all; names are lower case.
type Headers interface {
	Get(name string) (value []byte, ok bool)
}

// HeaderNames returns the names that [Classify] asks for.
func HeaderNames() []string {
	return []string{
		"content-type", "upgrade", "x-requested-with",
		"sec-purpose", "purpose", "x-moz",
		"sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user",
		"accept",
	}
}

// A Client is the kind of client that sent a request, as far as the form of an
// answer goes. It is a guess from headers that anybody can send, fit for
// choosing between a redirect and a status, and for nothing else.
type Client uint8

// The clients.
const (
	// Script is everything that is none of the others: fetch, curl, an image.
	Script Client = iota
	// Navigation opens a page: the answer will be shown to a person, and a
	// redirect to a login will be followed by one.
	Navigation
	// GRPC is a gRPC call, whose answer is a status in trailers.
	GRPC
	// WebSocket is an upgrade to a WebSocket (RFC 6455 §4.1). Envoy shows the
	// extended CONNECT of HTTP/2 (RFC 8441) in the same form.
	WebSocket
)

// String returns the name as in logs.
func (c Client) String() string {
	switch c {
	case Navigation:
		return "navigation"
	case GRPC:
		return "grpc"
	case WebSocket:
		return "websocket"
	case Script:
	}
	return "script"
}

// Classify returns the kind of client that sent a request with this method and
// these headers.
//
// A navigation is GET or HEAD with Sec-Fetch-Mode: navigate or, without any
// Sec-Fetch header, with an Accept that names text/html; and no upgrade of any
// kind, no X-Requested-With, and no prefetch: a redirect followed before
// anybody asked for the page would use up a login attempt.
func Classify(method []byte, h Headers) Client {
	if v, ok := h.Get("content-type"); ok && isGRPC(v) {
		return GRPC
	}
	if v, ok := h.Get("upgrade"); ok {
		if upgradesTo(v, "websocket") {
			return WebSocket
		}
		return Script
	}
	if string(method) != "GET" && string(method) != "HEAD" {
		return Script
	}
	if _, ok := h.Get("x-requested-with"); ok || isPrefetch(h) {
		return Script
	}
	if v, ok := h.Get("sec-fetch-mode"); ok {
		if string(trim(v)) == "navigate" {
			return Navigation
		}
		return Script
	}
	for _, name := range [...]string{"sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"} {
		if _, ok := h.Get(name); ok {
			return Script
		}
	}
	if v, ok := h.Get("accept"); ok && acceptsHTML(v) {
		return Navigation
	}
	return Script
}

// isGRPC reports whether a content type is application/grpc, with a suffix or
// parameters or without. application/grpc-web is plain HTTP: its client reads
// the HTTP status.
func isGRPC(contentType []byte) bool {
	const grpc = "application/grpc"
	if len(contentType) < len(grpc) || !equalFold(contentType[:len(grpc)], grpc) {
		return false
	}
	rest := contentType[len(grpc):]
	if len(rest) > 0 && rest[0] == '+' {
		return true
	}
	rest = trim(rest)
	return len(rest) == 0 || rest[0] == ';'
}

// upgradesTo reports whether an Upgrade header lists protocol, with a version
// or without (RFC 9110 §7.8).
func upgradesTo(upgrade []byte, protocol string) bool {
	for item := range bytes.SplitSeq(upgrade, []byte{','}) {
		name, _, _ := bytes.Cut(item, []byte{'/'})
		if equalFold(trim(name), protocol) {
			return true
		}
	}
	return false
}

// isPrefetch reports whether the client fetches ahead of a person's wish:
// Sec-Purpose, and the headers that browsers sent before it.
func isPrefetch(h Headers) bool {
	for _, name := range [...]string{"sec-purpose", "purpose", "x-moz"} {
		v, ok := h.Get(name)
		if !ok {
			continue
		}
		for item := range bytes.SplitSeq(v, []byte{','}) {
			token, _, _ := bytes.Cut(item, []byte{';'})
			if equalFold(trim(token), "prefetch") {
				return true
			}
		}
	}
	return false
}

// acceptsHTML reports whether an Accept header names the media range text/html
// with a weight other than zero (RFC 9110 §12.5.1). */* and text/* do not count:
// every script sends them.
func acceptsHTML(accept []byte) bool {
	for item := range bytes.SplitSeq(accept, []byte{','}) {
		media, params, _ := bytes.Cut(item, []byte{';'})
		if equalFold(trim(media), "text/html") && !weightIsZero(params) {
			return true
		}
	}
	return false
}

// weightIsZero reports whether parameters hold a weight of zero, or one that
// makes no sense.
func weightIsZero(params []byte) bool {
	for p := range bytes.SplitSeq(params, []byte{';'}) {
		name, q, ok := bytes.Cut(p, []byte{'='})
		if !ok || !equalFold(trim(name), "q") {
			continue
		}
		q = trim(q)
		if len(q) == 0 || len(bytes.Trim(q, "0123456789.")) > 0 {
			return true
		}
		return len(bytes.Trim(q, "0.")) == 0
	}
	return false
}

// equalFold compares b with a lower-case ASCII word; unlike bytes.EqualFold it
// takes no letter from beyond ASCII for one within.
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

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }
