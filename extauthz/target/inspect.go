package target

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// A trait is something in a text that an upstream may read in its own way.
type trait uint16

const (
	encoded      trait = 1 << iota // a percent triplet
	encodedSlash                   // %2F
	wide                           // a character beyond ASCII
	invisible                      // see isInvisible
	misfit                         // see bestFit
	parameters                     // a semicolon
	backslash                      // a backslash, from decoding
	fragment                       // a number sign, from decoding
	question                       // a question mark, from decoding
	edgeSpace                      // a segment that begins or ends with a space
	edgeDot                        // a segment that ends with a dot
	emptySegment                   // an empty segment before the last
)

// inspect returns the traits of a text, or why it is hostile: a dot segment, a
// control character or invalid UTF-8.
func inspect(text []byte) (traits trait, why string) {
	start := 1
	for i := 1; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				return 0, whyUTF8
			case unicode.IsControl(r):
				return 0, whyControl
			}
			traits |= wide | traitOf(r)
			i += n
			continue
		}
		switch {
		case isPlain(c):
		case c == '/':
			if i == start {
				traits |= emptySegment
			}
			t, dots := inspectSegment(text[start:i])
			if dots {
				return 0, whyDots
			}
			traits |= t
			start = i + 1
		case isControl(c):
			return 0, whyControl
		case c == '%':
			t, ok := inspectPercent(text[i:])
			if !ok {
				return 0, whyPercent
			}
			traits |= t
		default:
			traits |= traitOf(rune(c))
		}
		i++
	}
	t, dots := inspectSegment(text[start:])
	if dots {
		return 0, whyDots
	}
	return traits | t, ""
}

// traitOf returns the trait of one character, whatever stands around it.
func traitOf(r rune) trait {
	switch r {
	case ';':
		return parameters
	case '\\':
		return backslash
	case '#':
		return fragment
	case '?':
		return question
	}
	if r < utf8.RuneSelf {
		return 0
	}
	var t trait
	if isInvisible(r) {
		t |= invisible
	}
	if bestFit(r) != 0 {
		t |= misfit
	}
	return t
}

// inspectPercent returns the traits of a percent sign with what follows it. A
// sequence of the form %uXXXX, which some decoders know, is not ok; any other
// percent sign without two digits is one that decoding left behind.
func inspectPercent(s []byte) (t trait, ok bool) {
	if c, isTriplet := triplet(s); isTriplet {
		if c == '/' {
			return encoded | encodedSlash, true
		}
		return encoded, true
	}
	if len(s) < 6 || s[1]|0x20 != 'u' {
		return 0, true
	}
	for _, c := range s[2:6] {
		if hexDigit(c) > 15 {
			return 0, true
		}
	}
	return 0, false
}

// inspectSegment returns the traits of the edges of a segment, and whether it is
// a dot segment. Three and more dots count as one: there are file systems where
// they lead upwards, or are nothing.
func inspectSegment(s []byte) (t trait, dots bool) {
	if len(s) == 0 {
		return 0, false
	}
	if s[len(s)-1] == '.' {
		if len(bytes.TrimRight(s, ".")) == 0 {
			return 0, true
		}
		t = edgeDot
	}
	first, _ := utf8.DecodeRune(s)
	last, _ := utf8.DecodeLastRune(s)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		t |= edgeSpace
	}
	return t, false
}
