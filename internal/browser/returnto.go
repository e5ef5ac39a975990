package browser

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gateward/gateward"
)

// maxTarget is the longest return target, in bytes.
const maxTarget = 2 << 10

// ReturnTargets says where a browser may go after a login or logout. It is
// immutable and safe for concurrent use.
type ReturnTargets struct {
	own     origin
	allowed []originPattern
}

// NewReturnTargets returns the targets on the origin of public, and on those
// that patterns name: a scheme, a host or "*." and the domain that one or more
// labels stand in front of, and a port unless it is the scheme's default.
// Problems are joined [gateward.ConfigError] values with keys such as
// "return_to[0]".
func NewReturnTargets(public *url.URL, patterns []string) (*ReturnTargets, error) {
	t := &ReturnTargets{}
	var errs []error
	own, problem := parseOriginPattern(OriginOf(public))
	if problem != "" || own.below {
		errs = append(errs, &gateward.ConfigError{
			Problem: "the public URL has no origin", Remedy: "write it like https://app.example.com",
		})
	}
	t.own = own.origin
	for i, s := range patterns {
		p, problem := parseOriginPattern(s)
		if problem != "" {
			errs = append(errs, &gateward.ConfigError{
				Key: fmt.Sprintf("return_to[%d]", i), Problem: problem,
				Remedy: "write https://app.example.com or https://*.example.com",
			})
		}
		t.allowed = append(t.allowed, p)
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

// Check returns the target that raw, which anybody may have written, names: an
// absolute path on our own origin, or a URL on an allowed one. What it returns
// is put together anew from parts that every browser reads alike, without a
// fragment, at most 2 KiB long. Where raw names none it returns "/" and false.
//
// Targets below /auth are none, on any host: they would lead back to the login,
// or to where a session ends.
func (t *ReturnTargets) Check(raw string) (target string, ok bool) {
	if raw == "" || len(raw) > maxTarget {
		return "/", false
	}
	raw, _, _ = strings.Cut(raw, "#")
	base, rest := "", raw
	if !strings.HasPrefix(raw, "/") {
		o, after, ok := cutOrigin(raw)
		if !ok || !t.allows(o) {
			return "/", false
		}
		base, rest = o.String(), after
		if !strings.HasPrefix(rest, "/") {
			rest = "/" + rest // nothing, or a query
		}
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if !isTargetPath(path) || !isTargetText(query) {
		return "/", false
	}
	b := appendEscaped([]byte(base), path)
	if hasQuery {
		b = appendEscaped(append(b, '?'), query)
	}
	if len(b) > maxTarget {
		return "/", false
	}
	return string(b), true
}

func (t *ReturnTargets) allows(o origin) bool {
	if o == t.own {
		return true
	}
	for _, p := range t.allowed {
		if p.matches(o) {
			return true
		}
	}
	return false
}

// An origin is a scheme, a host and a port (RFC 6454 §4), normalised: port is
// never empty.
type origin struct{ scheme, host, port string }

// String returns the origin as browsers write it.
func (o origin) String() string {
	s := o.scheme + "://" + o.host
	if o.port != defaultPort(o.scheme) {
		s += ":" + o.port
	}
	return s
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// An originPattern is one origin, or those of the hosts below a domain.
type originPattern struct {
	origin
	below bool
}

func (p originPattern) matches(o origin) bool {
	if !p.below {
		return p.origin == o
	}
	label, ok := strings.CutSuffix(o.host, "."+p.host)
	return ok && label != "" && p.scheme == o.scheme && p.port == o.port
}

// parseOriginPattern returns the pattern that s means, or what is wrong with it.
func parseOriginPattern(s string) (p originPattern, problem string) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || (scheme != "https" && scheme != "http") {
		return p, fmt.Sprintf("%q does not begin with https:// or http://", s)
	}
	if strings.ContainsAny(rest, "/?#@\\") {
		return p, fmt.Sprintf("%q has more than scheme, host and port", s)
	}
	rest, p.below = strings.CutPrefix(rest, "*.")
	if strings.Contains(rest, "*") {
		return p, fmt.Sprintf("%q has a * that is not the whole first label", s)
	}
	a, ok := parseAuthority(rest)
	if !ok {
		return p, fmt.Sprintf("%q has no host in ASCII, or a port that is none", s)
	}
	if p.below && (!strings.Contains(a.host, ".") || isIP(a.host)) {
		return p, fmt.Sprintf("%q covers more than one domain", s) // a top-level one
	}
	p.origin = origin{scheme, a.host, a.portOf(scheme)}
	return p, ""
}

// cutOrigin returns the origin that raw begins with, and the rest. Only the full
// form counts: browsers read "https:evil" and "https:/evil", too.
func cutOrigin(raw string) (o origin, rest string, ok bool) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || len(scheme) > len("https") {
		return o, "", false
	}
	scheme = lowerASCII(scheme)
	if scheme != "https" && scheme != "http" {
		return o, "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	a, ok := parseAuthority(rest[:end])
	if !ok {
		return o, "", false
	}
	return origin{scheme, a.host, a.portOf(scheme)}, rest[end:], true
}

// An authority is a host, lower case, and a port, "" if there is none.
type authority struct{ host, port string }

func (a authority) portOf(scheme string) string {
	if a.port == "" {
		return defaultPort(scheme)
	}
	return a.port
}

// parseAuthority reads a host and a port of which there are no two readings:
// user names, percent-encoding, a final dot, characters beyond ASCII, numbers
// that browsers take for IPv4 addresses, and ports with zeros in front are
// none.
func parseAuthority(s string) (a authority, ok bool) {
	host, port, hasPort := strings.Cut(s, ":")
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']') + 1
		host = s[:end] // nothing, if it is not closed
		port, hasPort = strings.CutPrefix(s[end:], ":")
		if !hasPort && port != "" {
			return a, false
		}
	}
	if hasPort && !isPort(port) {
		return a, false
	}
	host = lowerASCII(host)
	if !isHost(host) {
		return a, false
	}
	return authority{host, port}, true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}

// isHost reports whether s is a lower-case host name, or an IP address in the
// form in which browsers write it.
func isHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, _ = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return err == nil && a.Is6() && !a.Is4In6() && a.Zone() == "" && a.String() == inner
	}
	if s == "" || len(s) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if !isHostLabel(label) {
			return false
		}
		last = label
	}
	if '0' <= last[0] && last[0] <= '9' { // an IPv4 address, in one of many forms
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4()
	}
	return true
}

func isHostLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// lowerASCII lowers the ASCII letters of s. Unicode lowers others to them, the
// Kelvin sign among them.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
