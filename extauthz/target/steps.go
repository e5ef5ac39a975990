package target

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A step is one thing that some upstream, or something in front of it, does to
// a path. A step applies to the whole path; doing it to a part is not a habit
// of any that we know, except where it is a step of its own.
type step uint8

const (
	decodeAll      step = iota // percent triplets, leniently: bad ones stay
	decodeNotSlash             // all but %2F
	decodeNotBoth              // all but %2F and %25
	foldCanonical              // NFC
	foldCompatible             // NFKC
	foldBestFit                // see bestFit
	stripInvisible             // see isInvisible
	cutParameters              // from a semicolon to the end of its segment
	cutLast                    // the same in the last segment only (RFC 1808 §2.4.5)
	cutRest                    // from the first semicolon on
	slashes                    // backslashes become slashes
	trimLeft                   // spaces at the beginning of every segment
	trimRight                  // spaces at the end of every segment
	trimLeftASCII              // the same, and no spaces but U+0020
	trimRightASCII
	trimDots      // at the end of every segment
	mergeSlashes  // drop empty segments
	mergeFirst    // drop those at the beginning
	dropAuthority // "//host/path" taken for a network-path reference (RFC 3986 §4.2)
	cutFragment   // from a number sign on, where decoding comes before splitting
	cutQuery      // the same with a question mark
	steps         // how many there are
)

// costOfWide is what a byte costs to inspect or to fold when there are
// characters beyond ASCII, compared with one byte of ASCII.
const costOfWide = 8

// needs returns the traits of which a text must have one for s to change it.
func (s step) needs() trait {
	switch s {
	case decodeAll:
		return encoded
	case decodeNotSlash, decodeNotBoth:
		return encodedSlash
	case foldCanonical, foldCompatible:
		return wide
	case foldBestFit:
		return misfit
	case stripInvisible:
		return invisible
	case cutParameters, cutLast, cutRest:
		return parameters
	case slashes:
		return backslash
	case trimLeft, trimRight, trimLeftASCII, trimRightASCII:
		return edgeSpace
	case trimDots:
		return edgeDot
	case mergeSlashes, mergeFirst, dropAuthority:
		return emptySegment
	case cutFragment:
		return fragment
	case cutQuery:
		return question
	case steps:
	}
	return 0
}

// cost returns what s costs for each byte, compared with copying ASCII.
func (s step) cost() int {
	if s.needs()&(wide|misfit|invisible) != 0 {
		return costOfWide
	}
	return 1
}

// apply appends to dst what s makes of text.
func (s step) apply(dst, text []byte) []byte {
	switch s {
	case decodeAll:
		return appendDecoded(dst, text, "")
	case decodeNotSlash:
		return appendDecoded(dst, text, "/")
	case decodeNotBoth:
		return appendDecoded(dst, text, "/%")
	case foldCanonical: // not with norm.Form.Append, which may change the end of dst
		return append(dst, norm.NFC.Bytes(text)...)
	case foldCompatible:
		return append(dst, norm.NFKC.Bytes(text)...)
	case foldBestFit, stripInvisible:
		return appendMapped(dst, text, s)
	case cutParameters, trimLeft, trimRight, trimLeftASCII, trimRightASCII, trimDots:
		return appendSegments(dst, text, s)
	case cutLast:
		last := bytes.LastIndexByte(text, '/') + 1
		return append(append(dst, text[:last]...), before(text[last:], ';')...)
	case cutRest:
		return append(dst, before(text, ';')...)
	case slashes:
		start := len(dst)
		dst = append(dst, text...)
		for i, c := range dst[start:] {
			if c == '\\' {
				dst[start+i] = '/'
			}
		}
		return dst
	case mergeSlashes:
		for i, c := range text {
			if c != '/' || i == 0 || text[i-1] != '/' {
				dst = append(dst, c)
			}
		}
		return dst
	case mergeFirst:
		return append(append(dst, '/'), bytes.TrimLeft(text, "/")...)
	case dropAuthority:
		return appendWithoutAuthority(dst, text)
	case cutFragment:
		return append(dst, before(text, '#')...)
	case cutQuery:
		return append(dst, before(text, '?')...)
	case steps:
	}
	return append(dst, text...)
}

// appendDecoded decodes the triplets of text but those of the characters in
// kept.
func appendDecoded(dst, text []byte, kept string) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if d, ok := triplet(text[i:]); ok {
			if strings.IndexByte(kept, d) >= 0 {
				dst = append(dst, text[i:i+3]...)
				i += 2
				continue
			}
			c, i = d, i+2
		}
		dst = append(dst, c)
	}
	return dst
}

// appendMapped applies a step that maps or drops single characters.
func appendMapped(dst, text []byte, s step) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case s == stripInvisible && isInvisible(r):
		case s == foldBestFit && bestFit(r) != 0:
			dst = append(dst, bestFit(r))
		default:
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}

// appendSegments applies a step that cuts something off each segment.
func appendSegments(dst, text []byte, s step) []byte {
	for len(text) > 0 { // text begins with a slash
		end := len(text)
		if i := bytes.IndexByte(text[1:], '/'); i >= 0 {
			end = i + 1
		}
		dst = append(append(dst, '/'), s.shorten(text[1:end])...)
		text = text[end:]
	}
	return dst
}

// shorten cuts off a segment what s cuts off.
func (s step) shorten(segment []byte) []byte {
	switch s { //nolint:exhaustive // only these are about segments
	case cutParameters:
		return before(segment, ';')
	case trimLeft:
		return bytes.TrimLeftFunc(segment, unicode.IsSpace)
	case trimRight:
		return bytes.TrimRightFunc(segment, unicode.IsSpace)
	case trimLeftASCII:
		return bytes.TrimLeft(segment, " ")
	case trimRightASCII:
		return bytes.TrimRight(segment, " ")
	case trimDots:
		return bytes.TrimRight(segment, ".")
	}
	return segment
}

// appendWithoutAuthority drops the slashes at the beginning and the name that
// follows them, if there is more than one slash.
func appendWithoutAuthority(dst, text []byte) []byte {
	rest := bytes.TrimLeft(text, "/")
	if len(text)-len(rest) < 2 {
		return append(dst, text...)
	}
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		return append(dst, rest[i:]...)
	}
	return append(dst, '/')
}

// before returns s up to the first c, or all of it.
func before(s []byte, c byte) []byte {
	if i := bytes.IndexByte(s, c); i >= 0 {
		return s[:i]
	}
	return s
}
