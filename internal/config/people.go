package config

import (
	"slices"
	"strings"
)

// People names people, in the blocks "authentication.admins" and
// "authentication.grants". Whoever fits any of the lists is one.
type People struct {
	Emails        []string `key:"emails"`
	Groups        []string `key:"groups"`
	Organizations []string `key:"organizations"`
	Teams         []string `key:"teams"`
	Subjects      []string `key:"subjects"`
}

func (p *People) empty() bool {
	return len(p.Emails)+len(p.Groups)+len(p.Organizations)+len(p.Teams)+len(p.Subjects) == 0
}

// Grant is one entry of the list "authentication.grants".
type Grant struct {
	People
	Scopes []string `key:"scopes"`
}

// UserFilter is one entry of the list "authentication.allowed_user_filters".
type UserFilter struct {
	Type     string   `key:"type" enum:"email|phone|id|group|organization|team"`
	Patterns []string `key:"patterns"`
}

// Limited reports whether it is limited who may log in, by whichever provider.
func (a *Authentication) Limited() bool {
	return len(a.AllowedDomains)+len(a.AllowedUserFilters) > 0 || a.SignUp != "open"
}

// filtersBy returns the index of the first filter of a type, or -1.
func (a *Authentication) filtersBy(types ...string) int {
	for i, f := range a.AllowedUserFilters {
		for _, typ := range types {
			if f.Type == typ {
				return i
			}
		}
	}
	return -1
}

// DecidesByEmail reports whether something that counts for all providers is
// decided by e-mail addresses.
func (c *Config) DecidesByEmail() bool { return c.decidedByEmail() != "" }

// NeedsEmail reports whether anything outside a provider's own block is decided by
// the addresses that the provider tells: what counts for all providers, or, with
// these as its email_authority, which accounts are linked.
func (c *Config) NeedsEmail(authority []string) bool {
	return c.DecidesByEmail() || len(authority) > 0 && c.Authentication.AccountLinking == "verified_email"
}

// DecidesByGroup reports whether something that counts for all providers is
// decided by groups.
func (c *Config) DecidesByGroup() bool {
	a := &c.Authentication
	return a.filtersBy("group") >= 0 || len(a.Admins.Groups) > 0 ||
		slices.ContainsFunc(a.Grants, func(g Grant) bool { return len(g.Groups) > 0 }) ||
		slices.ContainsFunc(c.Rules, func(r Rule) bool { return len(r.Require.Groups) > 0 || mentions(r.Require.When, "groups") })
}

// DecidesByOrganization reports whether something is decided by organizations or
// teams, beside what the block of GitHub says.
func (c *Config) DecidesByOrganization() bool { return c.decidedByOrganization() != "" }

// decidedByOrganization returns the first key that decides by an organization or
// a team, beside GitHub's own, or "".
func (c *Config) decidedByOrganization() string {
	a := &c.Authentication
	named := func(block string, organizations, teams []string) string {
		switch {
		case len(organizations) > 0:
			return block + ".organizations"
		case len(teams) > 0:
			return block + ".teams"
		}
		return ""
	}
	if i := a.filtersBy("organization", "team"); i >= 0 {
		return itemKey(filtersKey, i)
	}
	if key := named(adminsKey, a.Admins.Organizations, a.Admins.Teams); key != "" {
		return key
	}
	for i, g := range a.Grants {
		if key := named(itemKey(grantsKey, i), g.Organizations, g.Teams); key != "" {
			return key
		}
	}
	for i, r := range c.Rules {
		key := itemKey("rules", i) + ".require"
		if named := named(key, r.Require.Organizations, r.Require.Teams); named != "" {
			return named
		}
		if mentions(r.Require.When, "organizations", "teams") {
			return key + ".when"
		}
	}
	return ""
}

// mentions reports whether an expression may be about one of these attributes. It
// errs on the side of yes.
func mentions(when string, attributes ...string) bool {
	return slices.ContainsFunc(attributes, func(a string) bool { return strings.Contains(when, a) })
}

// decidedByEmail returns the first key that decides by an e-mail address
// whatever the provider, or "".
func (c *Config) decidedByEmail() string {
	a := &c.Authentication
	switch i := a.filtersBy("email"); {
	case len(a.AllowedDomains) > 0:
		return domainsKey
	case i >= 0:
		return itemKey(filtersKey, i)
	case len(a.Admins.Emails) > 0:
		return adminsKey + ".emails"
	}
	for i, g := range a.Grants {
		if len(g.Emails) > 0 {
			return itemKey(grantsKey, i) + ".emails"
		}
	}
	for i, r := range c.Rules {
		switch key := itemKey("rules", i) + ".require"; {
		case len(r.Require.Emails) > 0:
			return key + ".emails"
		case len(r.Require.Domains) > 0:
			return key + ".domains"
		case mentions(r.Require.When, "email"):
			return key + ".when"
		}
	}
	return ""
}
