package oidc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/methods"
)

const (
	// googleIssuer is where anybody can register any address that they can read:
	// only the claim hd says that an organization has given an account.
	googleIssuer = "https://accounts.google.com"
	hostedDomain = "hd"
)

// domainRules are what the configuration says about domains.
type domainRules struct {
	// allowed limits who may enter, unless nil: by the claim hd if byHosted, or
	// else by the verified address.
	allowed  *admit.Domains
	byHosted bool
	// hosted is the domain that the claim hd must name, anyHosted that it must
	// name one.
	hosted    *admit.Domains
	anyHosted bool
	// authority are the domains whose addresses are believed, see
	// [methods.EmailAuthority].
	authority *admit.Domains
}

var _ methods.EmailAuthority = (*Provider)(nil)

// Authoritative implements [methods.EmailAuthority].
func (p *Provider) Authoritative(email string) bool { return p.config.domains.authority.Match(email) }

// takeDomains reads what the configuration says about domains, and asks for the
// only one that there is.
func (s *settings) takeDomains(key func(string) string, p *problems) {
	d := &s.domains
	d.byHosted = s.IssuerURL == googleIssuer
	if len(s.AllowedDomains) > 0 {
		d.allowed = p.domains(key("allowed_domains"), s.AllowedDomains)
	}
	d.authority = p.domains(key("email_authority"), s.EmailAuthority)
	asked := s.takeHosted(key, p)
	if d.byHosted && !asked && len(s.AllowedDomains) == 1 && !strings.HasPrefix(s.AllowedDomains[0], "*") {
		further := maps.Clone(s.AuthorizeParameters)
		if further == nil {
			further = map[string]string{}
		}
		further[hostedDomain] = s.AllowedDomains[0]
		s.AuthorizeParameters = further
	}
	if d.byHosted && !asked && d.allowed == nil && slices.ContainsFunc(s.EmailAuthority, isNotMail) {
		p.add(key("email_authority"), "at Google an address says nothing about its domain: anybody who can read mail there can register it",
			"set allowed_domains of the provider, or name gmail.com only")
	}
}

// isNotMail reports whether a domain is none whose addresses Google gives away.
func isNotMail(domain string) bool {
	return !strings.EqualFold(domain, "gmail.com") && !strings.EqualFold(domain, "googlemail.com")
}

// takeHosted reads the parameter hd, which a browser can leave out: it counts
// because the ID token is checked for it. It reports whether there is one.
func (s *settings) takeHosted(key func(string) string, p *problems) (asked bool) {
	for _, param := range slices.Sorted(maps.Keys(s.AuthorizeParameters)) {
		if !strings.EqualFold(param, hostedDomain) {
			continue
		}
		at, value := parameterKey(key, param), s.AuthorizeParameters[param]
		if asked {
			p.add(at, "is there twice", "remove one")
		}
		asked = true
		if value == "*" {
			s.domains.anyHosted = true
			continue
		}
		if strings.HasPrefix(value, "*") {
			p.add(at, fmt.Sprintf("%q is not a domain", value), "write one domain, or * for any; use allowed_domains for several")
			continue
		}
		before := len(p.errs)
		s.domains.hosted = p.compileDomains([]string{value}, func(string) string { return at })
		if len(p.errs) == before && !s.domains.byHosted {
			p.warn(at, "admits only ID tokens with this claim hd, which not every provider sends",
				"use allowed_domains of the provider, unless its ID tokens have it")
		}
	}
	return asked
}

// domains compiles a list, whose problems are at its key.
func (p *problems) domains(key string, list []string) *admit.Domains {
	return p.compileDomains(list, func(entry string) string { return key + entry })
}

// compileDomains compiles a list; keyOf makes the key of an entry, such as "[0]".
func (p *problems) compileDomains(list []string, keyOf func(entry string) string) *admit.Domains {
	d, err := admit.CompileDomains(list)
	if err == nil {
		return d
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, one := range all {
		if ce := (*gateward.ConfigError)(nil); errors.As(one, &ce) {
			p.add(keyOf(ce.Key), ce.Problem, ce.Remedy)
		} else {
			p.add(keyOf(""), one.Error(), "")
		}
	}
	return nil
}

// refuses returns what keeps id out, or nil. name is the provider's for people.
func (d *domainRules) refuses(id *gateward.Identity, name string) *gateward.NotAdmittedError {
	if d.allowed == nil && d.hosted == nil && !d.anyHosted {
		return nil
	}
	hosted, _ := id.Claims[hostedDomain].(string)
	// An address in the domain, for what judges addresses.
	mailbox := "hd@" + hosted
	if d.anyHosted && !admit.IsAddress(mailbox) || d.hosted != nil && !d.hosted.Match(mailbox) {
		return &gateward.NotAdmittedError{Rule: hostedDomain, Reason: ownAccount(name)}
	}
	refusal := &gateward.NotAdmittedError{Rule: ruleAllowedDomains}
	switch {
	case d.allowed == nil, d.byHosted && d.allowed.Match(mailbox):
		return nil
	case d.byHosted:
		refusal.Reason = ownAccount(name)
	case id.Email == "":
		refusal.Reason = name + " did not tell your e-mail address. Allow it to, or add an address to your account there, and log in again."
	case !id.EmailVerified:
		refusal.Reason = name + " has not verified your e-mail address. Verify it there, and log in again."
	case d.allowed.Match(id.Email):
		return nil
	default:
		refusal.Reason = "Addresses of your domain are not admitted. Log in with another account."
	}
	return refusal
}

func ownAccount(provider string) string {
	return "Log in with the account that your organization has given to you at " + provider + "."
}
