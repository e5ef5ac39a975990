// Package wire is Envoy's ext_authz protocol as bytes: it reads the few fields
// of a CheckRequest that a decision needs in place, without unmarshalling the
// message, and writes CheckResponses field by field. The gRPC codec that hands
// the one over and passes the other through is here as well.
//
// What a request means and what it is answered lives in package extauthz. The
// field numbers are those of envoy.service.auth.v3, envoy.config.core.v3 and
// google.rpc; tests hold every function here against the generated messages.
package wire

import (
	"bytes"
	"errors"
)

// Limits on the headers of a CheckRequest. Envoy's own defaults are 60 KiB and
// 100 headers.
const (
	MaxHeaderBytes = 128 << 10
	MaxHeaders     = 500
)

// RuleKey is the key of context_extensions by which a route names a rule.
const RuleKey = "gateward.rule"

var (
	// ErrMalformed says that the bytes are not a CheckRequest.
	ErrMalformed = errors.New("wire: malformed check request")
	// ErrNoHTTP says that the request has no HTTP attributes, as one from a TCP
	// filter.
	ErrNoHTTP = errors.New("wire: check request without http attributes")
	// ErrTooLarge says that there are more headers than MaxHeaders, or that they
	// are larger than MaxHeaderBytes.
	ErrTooLarge = errors.New("wire: request headers exceed the limit")
)

// A Header is one header of the request. Both slices alias the message.
type Header struct{ Name, Value []byte }

// A View is what a decision needs from a CheckRequest. All its slices alias
// the message and are valid only as long as that is. A View is reused: Scan
// resets it.
type View struct {
	// Method, Path, Host and Scheme are attributes.request.http.*; Path holds
	// the query.
	Method, Path, Host, Scheme []byte
	// StreamID is attributes.request.http.id, Envoy's own number.
	StreamID []byte
	// SourceAddress is the peer's address, always the direct TCP peer.
	SourceAddress []byte
	// Principal is attributes.source.principal: the identity in the peer's
	// verified certificate.
	Principal []byte
	// Rule is context_extensions["gateward.rule"], and RuleNamed whether the
	// key is there at all.
	Rule      []byte
	RuleNamed bool
	// Headers are the request headers from headers or header_map, in wire
	// order, without pseudo-headers. A name that occurs twice stands twice.
	Headers []Header

	headerBytes int
	http        bool
}

// Get returns the value of the first header called name, which is in lower
// case, and whether there is one.
func (v *View) Get(name string) ([]byte, bool) {
	for i := range v.Headers {
		if equalFold(v.Headers[i].Name, name) {
			return v.Headers[i].Value, true
		}
	}
	return nil, false
}

// Values appends to dst the values of all headers called name, which is in
// lower case.
func (v *View) Values(dst [][]byte, name string) [][]byte {
	for i := range v.Headers {
		if equalFold(v.Headers[i].Name, name) {
			dst = append(dst, v.Headers[i].Value)
		}
	}
	return dst
}

// equalFold reports whether name, compared without ASCII case, is lower.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range name {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Clone returns a copy that does not alias the message.
func (v *View) Clone() *View {
	c := *v
	for _, field := range []*[]byte{&c.Method, &c.Path, &c.Host, &c.Scheme, &c.StreamID, &c.SourceAddress, &c.Principal, &c.Rule} {
		*field = bytes.Clone(*field)
	}
	c.Headers = make([]Header, len(v.Headers))
	for i, h := range v.Headers {
		c.Headers[i] = Header{bytes.Clone(h.Name), bytes.Clone(h.Value)}
	}
	return &c
}

func (v *View) reset() {
	headers := v.Headers[:0]
	*v = View{Headers: headers}
}
