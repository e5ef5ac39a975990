package target

import (
	"bytes"
	"net/netip"
	"strings"
)

// Limits of a host name in bytes (RFC 1035 §2.3.4).
const (
	maxHost  = 255
	maxLabel = 63
)

// ParseHost brings a Host or :authority value into canonical form: lower case,
// without port and without one trailing dot; an IPv6 address stays in brackets
// and is written as RFC 5952 says. The result is written over dst[:0] and
// returned; nothing is allocated when it fits. ok is false for whatever is not a
// host name of letters, digits, hyphens and underscores, an IP address, or one
// of them with a port: an empty value, two hosts joined by a comma, user
// information, a path, percent-encoding, anything beyond ASCII, an empty label.
func ParseHost(dst, raw []byte) (host []byte, ok bool) {
	dst = dst[:0]
	if len(raw) > 0 && raw[0] == '[' {
		return parseIPv6(dst, raw)
	}
	name := raw
	if i := bytes.IndexByte(raw, ':'); i >= 0 {
		if !isPort(raw[i+1:]) {
			return nil, false
		}
		name = raw[:i]
	}
	name = bytes.TrimSuffix(name, []byte("."))
	if len(name) == 0 || len(name) > maxHost {
		return nil, false
	}
	label := 0 // length of the label so far
	for _, c := range name {
		switch {
		case c == '.':
			if label == 0 {
				return nil, false
			}
			label = -1
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case !isAlphanumeric(c) && c != '-' && c != '_':
			return nil, false
		}
		if label++; label > maxLabel {
			return nil, false
		}
		dst = append(dst, c)
	}
	if label == 0 {
		return nil, false
	}
	return dst, true
}

// parseIPv6 is ParseHost for a value that begins with a bracket.
func parseIPv6(dst, raw []byte) (host []byte, ok bool) {
	end := bytes.IndexByte(raw, ']')
	if end < 0 || len(raw) > end+1 && (raw[end+1] != ':' || !isPort(raw[end+2:])) {
		return nil, false
	}
	addr, err := netip.ParseAddr(string(raw[1:end]))
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return nil, false
	}
	return append(addr.AppendTo(append(dst, '[')), ']'), true
}

// isPort reports whether s is made of one to five digits.
func isPort(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 5
}

// A HostPattern matches hosts in the form that [ParseHost] returns. The zero
// value matches nothing. Patterns can be compared with ==.
type HostPattern struct {
	// text is the host, or what follows the asterisk, with its leading dot.
	text string
	wild bool
}

// CompileHost compiles the pattern of a host: a host, or "*.example.com" for
// hosts with one or more labels in front of example.com, which itself is not
// among them. Case and a trailing dot do not matter; a port is not part of a
// pattern. The error is a [*gateward.ConfigError] without a key.
func CompileHost(s string) (HostPattern, error) {
	name, wild := strings.CutPrefix(s, "*.")
	host, ok := ParseHost(nil, []byte(name))
	switch {
	case s == "*":
		return HostPattern{}, patternError("host", s, "matches every host", "leave hosts out")
	case strings.Contains(name, "*"):
		return HostPattern{}, patternError("host", s, "has a wildcard that is not its first label",
			`write "*." and the end of the host`)
	case strings.Contains(name, "://"), strings.Contains(name, "/"):
		return HostPattern{}, patternError("host", s, "is a URL", "write the host alone; a path belongs into paths")
	case strings.IndexFunc(name, func(r rune) bool { return r > '~' }) >= 0:
		return HostPattern{}, patternError("host", s, "is not ASCII", `write the name as requests have it ("xn--...")`)
	case !ok || wild && host[0] == '[':
		return HostPattern{}, patternError("host", s, "is not a host name",
			`write labels of letters, digits, "-" and "_", or an IP address (IPv6 in brackets)`)
	case hasPort([]byte(name)):
		return HostPattern{}, patternError("host", s, "has a port", "leave it out; a pattern matches every port")
	case wild:
		return HostPattern{text: "." + string(host), wild: true}, nil
	}
	return HostPattern{text: string(host)}, nil
}

// hasPort reports whether a host that ParseHost accepts has a port.
func hasPort(host []byte) bool {
	return bytes.LastIndexByte(host, ':') > bytes.LastIndexByte(host, ']')
}

// Match reports whether p matches a host that ParseHost returned. It does not
// allocate.
func (p HostPattern) Match(host []byte) bool {
	if !p.wild {
		return len(host) > 0 && string(host) == p.text
	}
	n := len(host) - len(p.text)
	return n > 0 && string(host[n:]) == p.text
}

// Covers reports whether p matches every host that q matches.
func (p HostPattern) Covers(q HostPattern) bool {
	switch {
	case q.text == "":
		return true
	case q.wild:
		return p.wild && strings.HasSuffix(q.text, p.text)
	}
	return p.Match([]byte(q.text))
}

// String returns the pattern in canonical form, as CompileHost takes it.
func (p HostPattern) String() string {
	if p.wild {
		return "*" + p.text
	}
	return p.text
}
