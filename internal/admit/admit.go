// Package admit judges identities by what is configured: whether one meets what
// a rule requires of it ([Requirement]: method, verified e-mail, its domain,
// groups, organizations, teams, scopes), whether a person may come in at all
// ([Admission]), which scopes a person has ([Grants]), and whether it is one of
// the people that a list names ([People]), such as the administrators.
//
// Conditions in CEL, the age of a login and everything about the request are
// the rule's own, in extauthz; which methods exist is known to whoever reads
// the configuration.
package admit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gateward/gateward"
)

// Config is what a rule requires. Empty lists require nothing; within a list
// any entry suffices, except that all Scopes are needed; all lists that are not
// empty must be met.
type Config struct {
	// Methods are names of authentication methods, compared exactly.
	Methods []string
	// Emails are addresses, "*@example.com" or "*@*.example.com", without case.
	Emails []string
	// Domains are those of e-mail addresses: "example.com" or "*.example.com",
	// the latter for one or more labels in front; without case.
	Domains []string
	// Groups are compared exactly, case included.
	Groups []string
	// Organizations are names of organizations, without case.
	Organizations []string
	// Teams are ORGANIZATION/TEAM, without case.
	Teams []string
	// Scopes are compared exactly (RFC 6749 §3.3). An identity with AllScopes has
	// every one.
	Scopes []string
}

// A Requirement is a compiled [Config]. It is immutable and safe for concurrent
// use.
type Requirement struct {
	methods       []string
	emails        []emailPattern
	domains       *Domains
	groups        []string
	organizations []string // lower case
	teams         []string // lower case
	scopes        []string
}

// Compile returns the requirement that c describes. Problems are joined
// [gateward.ConfigError] values with keys such as "emails[0]", all of them at
// once; an entry that could never match, or match too much, is one.
func Compile(c Config) (*Requirement, error) {
	var p problems
	p.checkNames("methods", c.Methods)
	p.checkNames("groups", c.Groups)
	r := &Requirement{
		methods:       slices.Clone(c.Methods),
		emails:        p.emailPatterns("emails", c.Emails),
		domains:       p.domains("domains", c.Domains),
		groups:        slices.Clone(c.Groups),
		organizations: p.organizations("organizations", c.Organizations),
		teams:         p.teams("teams", c.Teams),
		scopes:        p.scopes("scopes", c.Scopes),
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return r, nil
}

// Scopes returns the scopes that are needed, in configured order, for a
// challenge. The caller must not write to it.
func (r *Requirement) Scopes() []string { return r.scopes }

// A Lack is the first requirement that an identity does not meet.
type Lack uint8

// The lacks, in the order in which they are looked for. Scope is the last, so
// that a challenge never asks for scopes that would not help.
const (
	// None: every requirement is met.
	None Lack = iota
	// Method: the method of authentication is not listed.
	Method
	// Email: there is no verified e-mail address that is listed.
	Email
	// Domain: there is no verified e-mail address in a listed domain.
	Domain
	// Group: the identity is in none of the listed groups.
	Group
	// Organization: the identity is in none of the listed organizations.
	Organization
	// Team: the identity is in none of the listed teams.
	Team
	// Scope: the credential lacks one of the listed scopes.
	Scope
)

// String returns the reason token, stable for logs and metric labels.
func (l Lack) String() string {
	switch l {
	case None:
		return "none"
	case Method:
		return "method_not_allowed"
	case Email:
		return "email_not_allowed"
	case Domain:
		return "domain_not_allowed"
	case Group:
		return "group_not_allowed"
	case Organization:
		return "organization_not_allowed"
	case Team:
		return "team_not_allowed"
	case Scope:
		return "insufficient_scope"
	}
	return "not_admitted"
}

// Check returns what id lacks, without allocating. Where the same identity is
// checked again and again, make its [Facts] once and use [Requirement.CheckFacts].
// A nil identity lacks everything.
func (r *Requirement) Check(id *gateward.Identity) Lack {
	if id == nil {
		return Method
	}
	f := factsOf(id)
	return r.CheckFacts(&f)
}

// CheckFacts is [Requirement.Check] on facts that were made before: its time
// does not grow with the number of groups and scopes of the identity. Nil and
// zero facts lack everything.
func (r *Requirement) CheckFacts(f *Facts) Lack {
	if f == nil || f.id == nil {
		return Method
	}
	switch {
	case len(r.methods) > 0 && !slices.Contains(r.methods, f.id.Method):
		return Method
	case len(r.emails) > 0 && !matchesAny(r.emails, f.email):
		return Email
	case r.domains.any() && !r.domains.matches(f.email):
		return Domain
	case len(r.groups) > 0 && !f.groups.hasAny(r.groups):
		return Group
	case len(r.organizations) > 0 && !f.organizations.hasAny(r.organizations):
		return Organization
	case len(r.teams) > 0 && !f.teams.hasAny(r.teams):
		return Team
	}
	if f.id.AllScopes {
		return None
	}
	for _, s := range r.scopes {
		if !f.scopes.has(s) {
			return Scope
		}
	}
	return None
}

// problems collects configuration errors.
type problems struct{ errs []error }

func (p *problems) addKey(key, problem, remedy string) {
	p.errs = append(p.errs, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy})
}

func (p *problems) add(list string, i int, problem, remedy string) {
	p.addKey(fmt.Sprintf("%s[%d]", list, i), problem, remedy)
}

func (p *problems) emailPatterns(list string, entries []string) []emailPattern {
	var all []emailPattern
	for i, s := range entries {
		pattern, problem, remedy := parseEmailPattern(s)
		if problem != "" {
			p.add(list, i, problem, remedy)
		}
		all = append(all, pattern)
	}
	return all
}

func (p *problems) domains(list string, entries []string) *Domains {
	d := &Domains{}
	for i, s := range entries {
		pattern, problem, remedy := parseDomainPattern(s)
		if problem != "" {
			p.add(list, i, problem, remedy)
		}
		d.all = append(d.all, pattern)
	}
	return d
}

// scopes returns a copy of entries.
func (p *problems) scopes(list string, entries []string) []string {
	for i, s := range entries {
		if !isScope(s) {
			p.add(list, i, fmt.Sprintf("%q is not a scope", s), "use printable characters without spaces, quotes and backslashes")
		}
	}
	return slices.Clone(entries)
}

// checkNames refuses names that are empty or have white space around them,
// which would quietly never match.
func (p *problems) checkNames(list string, names []string) {
	for i, s := range names {
		switch {
		case s == "":
			p.add(list, i, "empty entry", "remove it")
		case hasOuterSpace(s):
			p.add(list, i, fmt.Sprintf("%q has white space around it", s), "remove the white space")
		}
	}
}
