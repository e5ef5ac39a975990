package extauthz

import (
	"unicode/utf8"

	"github.com/gateward/gateward/extauthz/wire"
)

// allow encodes the answer that lets a request pass: who it is, and the
// removal of everything that the upstream must not see or believe. It reports
// false if that cannot be removed.
func (e *Engine) allow(q *request, d *decision) (wire.Encoded, bool) {
	identity, who := e.headers.anonymous, []byte(nil)
	if d.who != nil {
		identity, who = d.who.headers, d.who.metadata
	}
	var ok bool
	if q.extra, ok = e.headers.appendSpoofed(q.extra[:0], q.view.Headers); !ok {
		return nil, false
	}
	if !e.forwardCredentials && !d.rule.keepCredentials {
		e.withholdCredentials(q, d)
	}
	q.metadata = wire.AppendMetadataStruct(q.metadata[:0], metadataKey, d.rule.metadata, who)
	size := len(identity) + len(q.extra) + len(q.metadata) + 16
	return wire.AppendAllow(make([]byte, 0, size), q.metadata, identity, q.extra), true
}

// metadataKey is the field of the filter's dynamic metadata that holds ours.
const metadataKey = "gateward"

// withholdCredentials takes our cookie and the credential that was judged out
// of what goes upstream.
func (e *Engine) withholdCredentials(q *request, d *decision) {
	if d.judged.FromHeader {
		q.extra = wire.AppendRemoval(q.extra, "authorization")
	}
	if len(q.cookies) == 0 {
		return
	}
	rest, found := e.finder.StripCookies(q.scratch[:0], q.cookies)
	q.scratch = rest
	switch {
	case !found:
	case len(rest) == 0:
		q.extra = wire.AppendRemoval(q.extra, "cookie")
	default:
		q.extra = wire.AppendHeaderBytes(q.extra, "cookie", lossy(rest))
	}
}

// lossy replaces what a header value on the wire cannot carry: bytes that are
// not UTF-8, which protobuf refuses, and controls. It does so byte by byte
// with "!", as Envoy itself does, and in place.
func lossy(b []byte) []byte {
	valid := utf8.Valid(b)
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f || c >= utf8.RuneSelf && !valid {
			b[i] = '!'
		}
	}
	return b
}
