package github

import (
	"slices"
	"strings"
)

// The scopes that something here needs.
const (
	scopeEmail         = "user:email"
	scopeOrganizations = "read:org"
)

// appTokenPrefix is that of tokens of a GitHub App, which has permissions instead
// of scopes: what it may not do is refused by the API.
const appTokenPrefix = "ghu_"

// A scopeSet is what was granted.
type scopeSet struct {
	list []string
	all  bool // what was granted is not said by scopes
}

func scopesOf(list []string) scopeSet { return scopeSet{list: list} }

// parseScopes reads a list as GitHub writes it: with commas in a token response,
// with commas and spaces in X-OAuth-Scopes, with spaces in a request.
func parseScopes(s string) scopeSet {
	return scopesOf(strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' }))
}

// has reports whether a scope was granted by itself or by one that includes it:
// GitHub leaves out what is included.
func (s scopeSet) has(scope string) bool {
	if s.all || slices.Contains(s.list, scope) {
		return true
	}
	switch scope {
	case scopeEmail:
		return slices.Contains(s.list, "user")
	case scopeOrganizations:
		return slices.Contains(s.list, "write:org") || slices.Contains(s.list, "admin:org")
	}
	return false
}

// isScope reports whether s is a scope-token (RFC 6749 §3.3) without a comma.
func isScope(s string) bool {
	for n := range len(s) {
		if c := s[n]; c <= ' ' || c > '~' || c == '"' || c == '\\' || c == ',' {
			return false
		}
	}
	return s != ""
}
