package oidc

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

// The rules that keep a person out, as in [gateward.NotAdmittedError].
const (
	ruleEmailMatches  = "email_matches"
	ruleVerifiedEmail = "require_verified_email"
	ruleAllowedGroups = "allowed_groups"
	// ruleAllowedDomains is the provider's own list, see [ProviderConfig].
	ruleAllowedDomains = "allowed_domains"
	// ruleGroupsClaim: the provider did not say which groups the person is in.
	ruleGroupsClaim = "groups_claim"
)

// Admit implements [methods.Admitter]. An identity that another issuer gave, in
// the days when the provider of this name was another one, is nobody here:
// [gateward.ErrInvalidCredential].
func (p *Provider) Admit(id *gateward.Identity) error {
	if id.Issuer != p.config.IssuerURL {
		return fmt.Errorf("oidc: provider %s: identity of another issuer: %w", p.name, gateward.ErrInvalidCredential)
	}
	refusal := p.config.domains.refuses(id, p.DisplayName())
	if refusal == nil {
		rule := p.refuses(id)
		if rule == "" {
			return nil
		}
		refusal = &gateward.NotAdmittedError{Rule: rule}
	}
	return fmt.Errorf("oidc: provider %s: %w", p.name, refusal)
}

// refuses returns the rule about addresses and groups that keeps an identity out,
// or "".
func (p *Provider) refuses(id *gateward.Identity) string {
	if len(p.emails) > 0 {
		switch {
		case !p.emails.match(id.Email):
			return ruleEmailMatches
		case p.config.verifiedOnly && !id.EmailVerified:
			return ruleVerifiedEmail
		}
	}
	if len(p.config.AllowedGroups) == 0 {
		return ""
	}
	if slices.ContainsFunc(id.Groups, func(g string) bool { return slices.Contains(p.config.AllowedGroups, g) }) {
		return ""
	}
	// That a provider says nothing of groups is a mistake to be found, and not
	// the same as a person who is in none.
	if v, ok := p.config.mapping.groups.Find(id.Claims); len(id.Groups) == 0 && id.Claims != nil && !p.refersToGraph(id.Claims) {
		if _, isList := groupList(v); !ok || !isList {
			return ruleGroupsClaim
		}
	}
	return ruleAllowedGroups
}

// emailRules are the compiled email_matches.
type emailRules []*regexp.Regexp

func newEmailRules(patterns []string, p *problems) emailRules {
	var rules emailRules
	for i, s := range patterns {
		key := fmt.Sprintf("email_matches[%d]", i)
		if s == "" {
			p.add(key, "a pattern is empty", "remove it")
			continue
		}
		// By itself first: within a group an unbalanced ) would be balanced.
		if _, err := regexp.Compile(s); err != nil {
			p.add(key, fmt.Sprintf("failed compiling string for pattern: %s: %v", s, err), "")
			continue
		}
		rule, err := regexp.Compile(`\A(?:` + s + `)\z`)
		if err != nil {
			p.add(key, fmt.Sprintf("failed compiling string for pattern: %s: %v", s, err), "")
			continue
		}
		rules = append(rules, rule)
	}
	return rules
}

// match reports whether a rule matches the whole address as it is or, since
// domains have no case and nobody's local part does, in lower case.
func (r emailRules) match(address string) bool {
	if !admit.IsAddress(address) {
		return false
	}
	lowered := admit.LowerASCII(address)
	return slices.ContainsFunc(r, func(rule *regexp.Regexp) bool {
		return rule.MatchString(address) || rule.MatchString(lowered)
	})
}

// warnOfEmails points out where rules about addresses cannot admit anybody.
// matches says whether there are email_matches.
func (s *settings) warnOfEmails(matches bool, key func(string) string, p *problems) {
	domains := s.domains.allowed != nil && !s.domains.byHosted
	rule := ruleEmailMatches
	if domains {
		rule = ruleAllowedDomains
	}
	if !matches && !domains {
		return
	}
	if !slices.Contains(s.scopes, "email") {
		p.warn(key("scopes"), "lack email, so that most providers send no address and "+rule+" admits nobody", "add email")
	}
	if at := s.mapping.email; (s.verifiedOnly || domains) && (len(at) == 0 || at[len(at)-1] != "email") {
		remedy := "map email to a claim of that name"
		if !domains {
			remedy += ", or set require_verified_email: false if the provider verifies it"
		}
		p.warn(key("claims_mapping"), "takes the address from a claim that is never verified, so that "+rule+" admits nobody", remedy)
	}
	if domains && !s.verifiedOnly {
		p.warn(key("require_verified_email"), "has no effect on allowed_domains, which admits verified addresses only",
			"use email_matches or allowed_groups, if the provider never calls an address verified")
	}
}
