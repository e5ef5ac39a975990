package target

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gateward/gateward"
)

// A PathPattern matches canonical paths: the readings of a [Target]. The zero
// value matches nothing. Patterns can be compared with ==.
type PathPattern struct {
	kind pathKind
	// text is the canonical path for exact, and for the others what a path
	// begins with; it ends with a slash for segment and tree.
	text string
}

type pathKind uint8

const (
	never   pathKind = iota
	exact            // "/a/b"
	segment          // "/a/*"
	tree             // "/a/**"
	begins           // SegmentPrefix
)

// CompilePath compiles the pattern of a path. There are three kinds:
//
//	/a/b    that path, without a trailing slash
//	/a/*    one more segment, not empty
//	/a/**   /a/ and everything below, but not /a; /** is everything
//
// Text may be written as it is or percent-encoded; a percent-encoded slash (or
// backslash, percent sign, number sign, question mark) belongs to a name and is
// matched by the literal reading of a target. %2A is an asterisk that belongs to
// a name. The error is a [*gateward.ConfigError] without a key.
func CompilePath(s string) (PathPattern, error) {
	base, kind := s, exact
	switch {
	case strings.HasSuffix(s, "/**"):
		base, kind = s[:len(s)-2], tree
	case strings.HasSuffix(s, "/*"):
		base, kind = s[:len(s)-1], segment
	}
	if problem, remedy := pathFault(base); problem != "" {
		return PathPattern{}, patternError("path", s, problem, remedy)
	}
	var t Target
	t.Parse(escapePattern(base))
	if t.Class == Hostile {
		return PathPattern{}, patternError("path", s,
			"can never match, requests with such a path are refused ("+t.Why()+")",
			"write the path that a request is to have")
	}
	return PathPattern{kind: kind, text: string(t.Readings()[0])}, nil
}

// SegmentPrefix returns the pattern of all paths whose first segment begins with
// prefix, as the methods of all gRPC services of a package do:
// SegmentPrefix("flipt.evaluation."). The prefix is made of letters, digits and
// dots; any other, and the empty one, gives the pattern that matches nothing.
func SegmentPrefix(prefix string) PathPattern {
	for _, c := range []byte(prefix) {
		if c != '.' && !isAlphanumeric(c) {
			return PathPattern{}
		}
	}
	if prefix == "" {
		return PathPattern{}
	}
	return PathPattern{kind: begins, text: "/" + prefix}
}

// Match reports whether p matches a canonical path. It does not allocate.
func (p PathPattern) Match(path []byte) bool {
	switch p.kind {
	case exact:
		return string(path) == p.text
	case segment:
		return len(path) > len(p.text) && string(path[:len(p.text)]) == p.text &&
			bytes.IndexByte(path[len(p.text):], '/') < 0
	case tree, begins:
		return len(path) >= len(p.text) && string(path[:len(p.text)]) == p.text
	case never:
	}
	return false
}

// Covers reports whether p matches every path that q matches, so that q behind p
// is never reached.
func (p PathPattern) Covers(q PathPattern) bool {
	switch q.kind {
	case never:
		return true
	case exact:
		return p.Match([]byte(q.text))
	case segment:
		if p.kind == segment {
			return p.text == q.text
		}
	case tree, begins:
	}
	return (p.kind == tree || p.kind == begins) && strings.HasPrefix(q.text, p.text)
}

// MatchesPlain reports whether a plain target can match p. A rule that loosens
// and has no such pattern can never match.
func (p PathPattern) MatchesPlain() bool {
	if p.kind == never {
		return false
	}
	path := p.text
	if p.kind != exact {
		path += "x"
	}
	var t Target
	t.Parse(escapePattern(path))
	return t.Class == Plain
}

// String returns the pattern in canonical form, as CompilePath takes it; a
// [SegmentPrefix] is shown as "/prefix...".
func (p PathPattern) String() string {
	text := strings.ReplaceAll(p.text, "*", "%2A")
	switch p.kind {
	case exact:
		return text
	case segment:
		return text + "*"
	case tree:
		return text + "**"
	case begins:
		return text + "..."
	case never:
	}
	return ""
}

// pathFault says what is wrong with the text of a pattern without its wildcard,
// and what to write instead.
func pathFault(base string) (problem, remedy string) {
	switch {
	case !strings.HasPrefix(base, "/"):
		return "does not begin with a slash", `begin with "/"; a host belongs into hosts`
	case strings.Contains(base, "//"):
		return "has an empty segment", `write one "/"; targets with more are judged by every reading`
	case strings.ContainsAny(base, "?"):
		return "has a query, which takes no part in matching", "leave it out, or write %3F for a question mark in a name"
	case strings.ContainsAny(base, "#"):
		return "has a fragment, which no request has", "leave it out, or write %23 for a number sign in a name"
	case strings.ContainsAny(base, "*"):
		return "has a wildcard inside", `end with "/*" for one more segment or "/**" for everything below, or write %2A for an asterisk in a name`
	case strings.ContainsAny(base, `\`):
		return "has a backslash", `write "/", or %5C for a backslash in a name`
	}
	for i := range len(base) {
		if base[i] == '%' {
			if _, ok := triplet([]byte(base[i:])); !ok {
				return "has a percent sign without two hexadecimal digits", "write %25 for a percent sign"
			}
		}
	}
	return "", ""
}

// escapePattern percent-encodes what a pattern may contain as it is and a
// request may not.
func escapePattern(s string) []byte {
	escaped := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c == ' ' || c >= 0x80 {
			escaped = fmt.Appendf(escaped, "%%%02X", c)
		} else {
			escaped = append(escaped, c)
		}
	}
	return escaped
}

// patternError says what is wrong with a pattern.
func patternError(kind, pattern, problem, remedy string) error {
	return &gateward.ConfigError{
		Problem: fmt.Sprintf("%s pattern %q %s", kind, pattern, problem),
		Remedy:  remedy,
	}
}
