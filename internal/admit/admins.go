package admit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

// AdminsConfig names the administrators. Any entry of any list suffices; without
// entries there are none.
type AdminsConfig struct {
	// Emails are addresses or patterns as in [Config]; only verified addresses
	// count.
	Emails []string
	// Groups are compared exactly, case included.
	Groups []string
	// Subjects are METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as token:boss,
	// github:101 or oidc/google:1234, compared exactly. A subject means something
	// only where it was given, so that an identity with a provider is never named
	// without it.
	Subjects []string
}

// Admins knows who is an administrator. It is immutable and safe for concurrent
// use; the zero value and nil know nobody.
type Admins struct {
	emails   []emailPattern
	groups   []string
	subjects []adminSubject
}

type adminSubject struct{ method, provider, subject string }

// CompileAdmins returns the administrators that c names. Problems are joined
// [gateward.ConfigError] values with keys such as "subjects[0]", all of them at
// once; an entry that could never match, or match too much, is one.
func CompileAdmins(c AdminsConfig) (*Admins, error) {
	a := &Admins{groups: slices.Clone(c.Groups)}
	var p problems
	a.emails = p.emailPatterns(c.Emails)
	p.checkNames("groups", c.Groups)
	for i, s := range c.Subjects {
		subject, problem, remedy := parseAdminSubject(s)
		if problem != "" {
			p.add("subjects", i, problem, remedy)
		}
		a.subjects = append(a.subjects, subject)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return a, nil
}

// Is reports whether id is an administrator.
func (a *Admins) Is(id *gateward.Identity) bool {
	if a == nil || id == nil {
		return false
	}
	if id.EmailVerified && matchesAny(a.emails, parseAddress(id.Email)) {
		return true
	}
	if slices.ContainsFunc(a.groups, func(g string) bool { return slices.Contains(id.Groups, g) }) {
		return true
	}
	return id.Subject != "" && slices.Contains(a.subjects, adminSubject{id.Method, id.Provider, id.Subject})
}

const subjectForms = "write METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as token:boss or oidc/google:1234"

// parseAdminSubject returns the subject that s names, or what is wrong with it
// and what to do. Only the first ":" counts: subjects have their own, providers
// none.
func parseAdminSubject(s string) (a adminSubject, problem, remedy string) {
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
	}
	return adminSubject{method, provider, subject}, "", ""
}
