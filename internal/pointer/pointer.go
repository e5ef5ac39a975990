// Package pointer finds values in the claims of a token or of a userinfo answer,
// by name or by JSON pointer. What they mean is decided by the methods that ask.
package pointer

import (
	"errors"
	"strconv"
	"strings"
)

// A Path says where in the claims a value is: the reference tokens of a JSON
// pointer, or the name of one claim. Empty, it finds nothing.
type Path []string

// Parse reads "/user/email" as a JSON pointer (RFC 6901) and anything else as the
// name of a claim, dots and slashes within it included. Its errors complete a
// sentence that begins with s.
func Parse(s string) (Path, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return Path{s}, nil
	}
	if s == "/" {
		return nil, errors.New("names no member")
	}
	tokens := strings.Split(s[1:], "/")
	for i, t := range tokens {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(t); strings.Contains(rest, "~") {
			return nil, errors.New("has a ~ that is neither ~0 nor ~1")
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, nil
}

// Find returns the value in claims, or false if it is not there.
func (p Path) Find(claims map[string]any) (any, bool) {
	if len(p) == 0 {
		return nil, false
	}
	var v any = claims
	for _, t := range p {
		switch parent := v.(type) {
		case map[string]any:
			child, ok := parent[t]
			if !ok {
				return nil, false
			}
			v = child
		case []any:
			n, err := strconv.ParseUint(t, 10, 16)
			if err != nil || n >= uint64(len(parent)) || strconv.FormatUint(n, 10) != t {
				return nil, false
			}
			v = parent[n]
		default:
			return nil, false
		}
	}
	return v, true
}

// FindString returns the value if it is a string, and "" otherwise.
func (p Path) FindString(claims map[string]any) string {
	v, _ := p.Find(claims)
	s, _ := v.(string)
	return s
}

// Sibling returns where another member of the same object is.
func (p Path) Sibling(name string) Path {
	return append(append(Path{}, p[:len(p)-1]...), name)
}
