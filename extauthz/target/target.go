// Package target decides what a request is aimed at: it brings the path and the
// host of a request into one canonical form, and matches the patterns of rules
// against that form. Nothing else in Gateward may interpret a path or a host.
//
// Behind Envoy stands an upstream that we do not know. It may decode a path
// twice, cut parameters, merge slashes or fold characters, and whoever can make
// us and it disagree reaches a path under another path's rule. So a target is
// not merely decoded, it is judged. It is [Plain] when no such habit changes
// it, [Ambiguous] when different upstreams may see different paths in it (then
// all of them are its readings, and every one of them has to be allowed), and
// [Hostile] when one of the readings is never an honest one.
//
// # The canonical form
//
// Percent triplets of everything that cannot change the shape of a path are
// decoded, and text is in Unicode normalization form C. What remains encoded is
// a slash, a backslash, a percent sign, a number sign and a question mark that
// belong to a name, in capital hexadecimal digits (RFC 3986 §6.2.2). Patterns
// are brought into the same form, so both spellings of a pattern match both
// spellings of a target.
//
// # What this package does not do
//
// Matching is case-sensitive, letters are never folded into other letters, and
// a trailing slash counts. An upstream that ignores case, accents or a trailing
// slash needs rules that cover each spelling (protect "/admin" together with
// "/admin/**"), best with a protecting rule behind all others. A plus sign is a
// plus sign, not a space. The query takes no part in matching.
//
// Which rule applies, and what access it gives, is decided in package extauthz.
// All functions are pure; everything but a [Target] is safe for concurrent use.
package target

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a target, so that hostile input costs a bounded amount of time.
const (
	// MaxPath is the length in bytes beyond which a path is hostile, as it
	// stands in the request and without its query.
	MaxPath = 8 << 10
	// MaxReadings is the number of readings beyond which a target is hostile.
	MaxReadings = 64
)

// A Class says how far a target can be trusted to mean one thing.
type Class uint8

// The classes. The zero value is the one that is refused.
const (
	// Hostile: no honest client sends it; 400 whatever the rule.
	Hostile Class = iota
	// Ambiguous: upstreams may disagree about the path. It matches no rule
	// that loosens, and passes only if the rule of every reading lets it.
	Ambiguous
	// Plain: every upstream sees the same path.
	Plain
)

// String returns "plain", "ambiguous" or "hostile".
func (c Class) String() string {
	switch c {
	case Plain:
		return "plain"
	case Ambiguous:
		return "ambiguous"
	case Hostile:
	}
	return "hostile"
}

// Why a target is hostile.
const (
	whyForm      = "path does not begin with a slash"
	whyLength    = "path is too long"
	whyControl   = "control character"
	whyFragment  = "number sign outside of the path"
	whyBackslash = "backslash"
	whyPercent   = "bad percent sequence"
	whyUTF8      = "invalid UTF-8"
	whyDots      = "dot segment"
	whyReadings  = "too many readings"
)

// A Target is the target of one request, judged. The zero value is hostile. A
// Target is meant to be reused: [Target.Parse] overwrites it and keeps its
// buffers, so nothing that its methods return may be used after the next Parse.
// It must not be used concurrently.
type Target struct {
	// Class is set by Parse.
	Class Class

	why         string
	path, query []byte

	one     [1][]byte // Readings of a plain target
	decoded []byte
	folded  []byte
	closure closure
}

// Parse judges raw, a path with an optional query as Envoy sends it
// (AttributeContext.HttpRequest.path). A plain target without percent signs is
// not copied: its path aliases raw, as the query always does. Nothing is
// allocated but buffers that the next Parse uses again, except where text has to
// be normalized.
func (t *Target) Parse(raw []byte) {
	t.Class, t.why, t.path, t.query = Hostile, "", nil, nil
	t.closure.reset()

	path := raw
	if i := bytes.IndexByte(raw, '?'); i >= 0 {
		path, t.query = raw[:i], raw[i+1:]
	}
	switch {
	case len(path) > MaxPath:
		t.why = whyLength
	case len(path) == 0 || path[0] != '/':
		t.why = whyForm
	default:
		t.why = forbidden(t.query)
	}
	if t.why != "" {
		return
	}
	if plainASCII(path) {
		t.Class, t.path = Plain, path
		return
	}
	t.judge(path)
}

// Path returns the canonical path of a plain target, and nil for any other:
// those have no one path.
func (t *Target) Path() []byte { return t.path }

// Query returns the query as it was sent, without the question mark. It is nil
// when there is none.
func (t *Target) Query() []byte { return t.query }

// Readings returns every path that an upstream may see in the target, each in
// canonical form and none twice: the path of a plain target, all readings of an
// ambiguous one, and none of a hostile one. The first is the literal reading.
func (t *Target) Readings() [][]byte {
	switch t.Class {
	case Plain:
		t.one[0] = t.path
		return t.one[:]
	case Ambiguous:
		return t.closure.readings
	case Hostile:
	}
	return nil
}

// Why says in a few constant words, fit for a log, why the target is hostile.
// It is "" when it is not.
func (t *Target) Why() string { return t.why }

// judge classifies a path that is not plain at first sight.
func (t *Target) judge(path []byte) {
	if t.why = forbidden(path); t.why != "" {
		return
	}
	if bytes.IndexByte(path, '\\') >= 0 {
		t.why = whyBackslash
		return
	}
	plain, ok := t.decode(path)
	if !ok {
		t.why = whyPercent
		return
	}
	if plain && t.settle() {
		return
	}
	if t.why = t.closure.read(path); t.why == "" {
		t.Class = Ambiguous
	}
}

// decode decodes every triplet of path into t.decoded. It reports whether all
// of the path is made of what a plain one may be made of, as far as single
// bytes tell, and whether all triplets are well formed.
func (t *Target) decode(path []byte) (plain, ok bool) {
	plain = true
	t.decoded = t.decoded[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			plain = plain && (c == '/' || isPlain(c))
			t.decoded = append(t.decoded, c)
			continue
		}
		if c, ok = triplet(path[i:]); !ok {
			return false, false
		}
		plain = plain && (c >= 0x80 || c == ' ' || isAlphanumeric(c))
		t.decoded = append(t.decoded, c)
		i += 2
	}
	return plain, true
}

// settle makes a plain target of t.decoded, if it is one.
func (t *Target) settle() bool {
	traits, why := inspect(t.decoded)
	if why != "" || traits&^wide != 0 {
		return false
	}
	text := t.decoded
	if traits&wide != 0 {
		if !plainRunes(text) {
			return false
		}
		if !norm.NFC.IsNormal(text) {
			t.folded = norm.NFC.Append(t.folded[:0], text...)
			text = t.folded
			// Composition can leave the letters: "=" and U+0338 are U+2260.
			if !plainRunes(text) {
				return false
			}
		}
		if !norm.NFKC.IsNormal(text) {
			return false
		}
	}
	t.Class, t.path = Plain, text
	return true
}

// plainRunes reports whether every character beyond ASCII is a letter, a digit
// or a mark that can be seen.
func plainRunes(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r < utf8.RuneSelf {
			continue
		}
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) || isInvisible(r) || r == kelvin {
			return false
		}
	}
	return true
}

// kelvin is the only letter, digit or mark beyond ASCII whose form C is ASCII:
// a name spelled with it is not what it seems.
const kelvin = '\u212a'
