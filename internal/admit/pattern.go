package admit

import (
	"fmt"
	"strings"
	"unicode"
)

// A domainPattern matches one domain or the domains below it.
type domainPattern struct {
	domain string // lower case
	below  bool   // one or more labels in front, instead of the domain itself
}

func (p domainPattern) matches(domain string) bool {
	if !p.below {
		return equalFold(domain, p.domain)
	}
	dot := len(domain) - len(p.domain) - 1
	return dot > 0 && domain[dot] == '.' && equalFold(domain[dot+1:], p.domain)
}

// An emailPattern matches one address, or every address of a domain.
type emailPattern struct {
	local  string // lower case; "" is any
	domain domainPattern
}

// matches reports whether a is meant. The local part is compared without case
// too: RFC 5321 §2.4 lets a host tell Ada from ada, and none that people log in
// with does.
func (p emailPattern) matches(a address) bool {
	return p.domain.matches(a.domain) && (p.local == "" || equalFold(a.local, p.local))
}

func matchesAny(patterns []emailPattern, a address) bool {
	for _, p := range patterns {
		if p.matches(a) {
			return true
		}
	}
	return false
}

const (
	emailForms  = "write ada@example.com, *@example.com or *@*.example.com"
	domainForms = "write example.com or *.example.com"
)

// parseEmailPattern returns the pattern that s means, or what is wrong with it
// and what to do.
func parseEmailPattern(s string) (p emailPattern, problem, remedy string) {
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case s == "":
		return p, "empty entry", "remove it"
	case !ok:
		return p, fmt.Sprintf("%q is not an e-mail address", s), emailForms + "; domains alone belong to domains"
	case strings.Contains(domain, "@"):
		return p, fmt.Sprintf("%q has more than one @", s), emailForms
	case local == "*":
		local = ""
	case strings.Contains(local, "*"):
		return p, fmt.Sprintf("%q has a * that is not the whole local part", s), emailForms
	case !isLocalPart(local):
		return p, fmt.Sprintf("%q has a local part that never matches", s), "use an address without quotes, spaces and controls"
	case strings.Contains(domain, "*"):
		return p, fmt.Sprintf("%q has a * in the domain of one address", s), emailForms
	case len(s) > maxAddress:
		return p, fmt.Sprintf("address of %d bytes", len(s)), fmt.Sprintf("an address has at most %d", maxAddress)
	}
	p.local = LowerASCII(local)
	p.domain, problem, remedy = parseDomainPattern(domain)
	if problem != "" {
		return p, fmt.Sprintf("%q: %s", s, problem), strings.Replace(remedy, domainForms, emailForms, 1)
	}
	return p, "", ""
}

// parseDomainPattern returns the pattern that s means, or what is wrong with it
// and what to do.
func parseDomainPattern(s string) (p domainPattern, problem, remedy string) {
	domain, below := strings.CutPrefix(s, "*.")
	switch {
	case s == "":
		return p, "empty domain", "remove it, or " + domainForms
	case strings.Contains(domain, "@"):
		return p, fmt.Sprintf("%q is not a domain", s), domainForms + "; addresses belong to emails"
	case strings.HasSuffix(domain, "."):
		return p, fmt.Sprintf("%q ends with a dot", s), "remove the dot"
	case !isASCII(domain):
		return p, fmt.Sprintf("%q is not in ASCII", s), "write the domain in its xn-- form"
	case !isDomain(domain):
		return p, fmt.Sprintf("%q is not a domain", s), domainForms
	case below && !strings.Contains(domain, "."):
		// "*.com" would admit whoever can register a domain.
		return p, fmt.Sprintf("%q covers a whole top-level domain", s), "name at least two labels after *."
	}
	return domainPattern{domain: LowerASCII(domain), below: below}, "", ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

func hasOuterSpace(s string) bool { return strings.TrimSpace(s) != s }

// isScope reports whether s is a scope-token (RFC 6749 §3.3).
func isScope(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	}) < 0
}
