package admit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

// PeopleConfig names people, by what a provider says of them. Any entry of any
// list suffices; without entries nobody is named.
type PeopleConfig struct {
	// Emails are addresses or patterns as in [Config]; only verified addresses
	// count.
	Emails []string
	// Groups are compared exactly, case included.
	Groups []string
	// Organizations and Teams are as in [Config].
	Organizations, Teams []string
	// Subjects are METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as token:boss,
	// github:101 or oidc/google:1234, compared exactly. A subject means something
	// only where it was given, so that an identity with a provider is never named
	// without it.
	Subjects []string
}

// People knows whom a [PeopleConfig] names. It is immutable and safe for
// concurrent use; the zero value and nil know nobody.
type People struct {
	emails        []emailPattern
	groups        []string
	organizations []string // lower case
	teams         []string // lower case
	subjects      []namedSubject
}

type namedSubject struct{ method, provider, subject string }

// CompilePeople returns the people that c names. Problems are joined
// [gateward.ConfigError] values with keys such as "subjects[0]", all of them at
// once; an entry that could never match, or match too much, is one.
func CompilePeople(c PeopleConfig) (*People, error) {
	var p problems
	people := p.people("", c)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return people, nil
}

// people compiles c, whose keys stand below prefix.
func (p *problems) people(prefix string, c PeopleConfig) *People {
	all := &People{groups: slices.Clone(c.Groups)}
	all.emails = p.emailPatterns(prefix+"emails", c.Emails)
	p.checkNames(prefix+"groups", c.Groups)
	all.organizations = p.organizations(prefix+"organizations", c.Organizations)
	all.teams = p.teams(prefix+"teams", c.Teams)
	for i, s := range c.Subjects {
		subject, problem, remedy := parseNamedSubject(s)
		if problem != "" {
			p.add(prefix+"subjects", i, problem, remedy)
		}
		all.subjects = append(all.subjects, subject)
	}
	return all
}

// Has reports whether id is one of the people. Nil is not.
func (a *People) Has(id *gateward.Identity) bool {
	if a == nil || id == nil {
		return false
	}
	f := factsOf(id)
	return a.hasFacts(&f)
}

// hasFacts is [People.Has] on facts that are not zero.
func (a *People) hasFacts(f *Facts) bool {
	return matchesAny(a.emails, f.email) || f.groups.hasAny(a.groups) ||
		f.organizations.hasAny(a.organizations) || f.teams.hasAny(a.teams) ||
		f.id.Subject != "" && slices.Contains(a.subjects, namedSubject{f.id.Method, f.id.Provider, f.id.Subject})
}

const subjectForms = "write METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as github:101 or oidc/google:1234"

// parseNamedSubject returns the subject that s names, or what is wrong with it
// and what to do. Only the first ":" counts: subjects have their own, providers
// none.
func parseNamedSubject(s string) (a namedSubject, problem, remedy string) {
	who, subject, ok := strings.Cut(s, ":")
	method, provider, named := strings.Cut(who, "/")
	switch {
	case s == "":
		return a, "empty entry", "remove it"
	case hasOuterSpace(s):
		return a, fmt.Sprintf("%q has white space around it", s), "remove the white space"
	case !ok:
		return a, fmt.Sprintf("%q names no method", s), subjectForms
	case subject == "" || hasOuterSpace(subject):
		return a, fmt.Sprintf("%q names no subject", s), subjectForms
	case method == "" || hasOuterSpace(method) || named && (provider == "" || hasOuterSpace(provider)):
		return a, fmt.Sprintf("%q names no method or provider", s), subjectForms
	case method == "oidc" && !named:
		// Its providers always have names, and their subjects differ.
		return a, fmt.Sprintf("%q names no provider", s), "write oidc/PROVIDER:" + subject
	case method == "github" && named:
		return a, fmt.Sprintf("%q names a provider, and there is one GitHub only", s), "write github:" + subject
	case method == "github" && !isNumber(subject):
		// A login can be renamed and taken by somebody else.
		return a, fmt.Sprintf("%q is not the number of a GitHub account", s), "write github:ID; the id is in https://api.github.com/users/LOGIN"
	}
	return namedSubject{method, provider, subject}, "", ""
}

// isNumber reports whether s is decimal, as GitHub's ids are written.
func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && s[0] != '0'
}
