package credential

import (
	"slices"
	"strings"
)

// namePrefixes are those that browsers enforce something for
// (draft-ietf-httpbis-rfc6265bis §4.1.3), and none.
const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"
)

const (
	tokenSuffix = "_client_token"
	stateSuffix = "_client_state_"
)

// bareName returns a cookie name without its prefix, if something is left then.
func bareName(name string) string {
	for _, p := range [...]string{hostPrefix, securePrefix} {
		if bare, ok := strings.CutPrefix(name, p); ok && bare != "" {
			return bare
		}
	}
	return name
}

// A stripper knows what never goes upstream.
type stripper struct {
	names    []string // exactly these
	prefixes []string // whatever begins like these
	// begins are the bytes that one of either can begin with in some reading.
	begins [256]bool
}

// newStripper returns a stripper for the accepted names, of which the first is
// ours. Those of attempts are made of ours as the login service does it:
// PREFIX_client_token and PREFIX_client_state_ID.
func newStripper(names []string) stripper {
	s := stripper{names: slices.Clone(names)}
	if len(names) == 0 {
		return s
	}
	bare := bareName(names[0])
	attempt, ok := strings.CutSuffix(bare, tokenSuffix)
	for _, prefix := range []string{"", hostPrefix, securePrefix} {
		if name := prefix + bare; !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
		if ok {
			s.prefixes = append(s.prefixes, prefix+attempt+stateSuffix)
		}
	}
	s.begins['%'] = true
	for _, n := range slices.Concat(s.names, s.prefixes) {
		s.begins[n[0]] = true
		if n[0] == '_' {
			for c := range 256 {
				s.begins[c] = s.begins[c] || becomesUnderscore(byte(c))
			}
		}
	}
	return s
}

// match returns how many bytes of b somebody may read as one of the names, or
// -1.
func (s *stripper) match(b []byte) int {
	for _, name := range s.names {
		if n := matchLoosely(b, name); n >= 0 {
			return n
		}
	}
	for _, prefix := range s.prefixes {
		if n := matchPrefix(b, prefix); n >= 0 {
			return n
		}
	}
	return -1
}
