package oidc

import (
	"errors"
	"strconv"
	"strings"
)

// expression says where in the claims a value is: the reference tokens of a JSON
// pointer, or the name of one claim. Empty, it finds nothing.
type expression []string

// parseExpression reads "/user/email" as a JSON pointer (RFC 6901) and anything
// else as the name of a claim, dots and slashes within it included.
func parseExpression(s string) (expression, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return expression{s}, nil
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

// find returns the value in claims, or false if it is not there.
func (e expression) find(claims map[string]any) (any, bool) {
	if len(e) == 0 {
		return nil, false
	}
	var v any = claims
	for _, t := range e {
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

// findString returns the value if it is a string, and "" otherwise.
func (e expression) findString(claims map[string]any) string {
	v, _ := e.find(claims)
	s, _ := v.(string)
	return s
}

// sibling returns where another member of the same object is.
func (e expression) sibling(name string) expression {
	return append(append(expression{}, e[:len(e)-1]...), name)
}
