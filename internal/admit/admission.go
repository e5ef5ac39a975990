package admit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gateward/gateward"
)

// AdmissionConfig says who may come in at all. Any entry of either list
// suffices; without entries everybody may.
type AdmissionConfig struct {
	// Domains are those of verified e-mail addresses, as in [Config].
	Domains []string
	// Filters select people.
	Filters []FilterConfig
}

// An Admission judges who may come in. It is immutable and safe for concurrent
// use. Nil admits everybody, the zero value nobody.
type Admission struct {
	domains *Domains
	filters []filter
	rule    string // the lists that have entries
	byEmail bool   // an address could have helped
}

// CompileAdmission returns the admission that c describes, nil if both lists are
// empty. Problems are joined [gateward.ConfigError] values with keys such as
// "allowed_domains[0]" and "allowed_user_filters[0].patterns[1]", all of them at
// once; an entry that could never match, or match everybody, is one.
func CompileAdmission(c AdmissionConfig) (*Admission, error) {
	if len(c.Domains) == 0 && len(c.Filters) == 0 {
		return nil, nil //nolint:nilnil // documented: a nil admission admits
	}
	var p problems
	var rules []string
	a := &Admission{domains: p.domains("allowed_domains", c.Domains)}
	if len(c.Domains) > 0 {
		rules = append(rules, "allowed_domains")
		a.byEmail = true
	}
	for i, f := range c.Filters {
		a.filters = append(a.filters, p.filter(fmt.Sprintf("allowed_user_filters[%d]", i), f)...)
		a.byEmail = a.byEmail || f.Type == FilterEmail
	}
	if len(c.Filters) > 0 {
		rules = append(rules, "allowed_user_filters")
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	a.rule = strings.Join(rules, " or ")
	return a, nil
}

// Admit returns nil if id may come in, and otherwise a
// [gateward.NotAdmittedError] that names the lists which have entries.
func (a *Admission) Admit(id *gateward.Identity) error {
	if a == nil {
		return nil
	}
	if id == nil {
		return &gateward.NotAdmittedError{Rule: a.rule}
	}
	f := factsOf(id)
	if a.domains.matches(f.email) {
		return nil
	}
	for _, one := range a.filters {
		if one.matches(&f) {
			return nil
		}
	}
	return &gateward.NotAdmittedError{Rule: a.rule, Reason: a.reason(&f)}
}

// reason says what a person can do about an address that does not count.
func (a *Admission) reason(f *Facts) string {
	switch {
	case !a.byEmail || f.email != address{}:
		return ""
	case f.id.Email == "":
		return "The provider did not tell your e-mail address. Allow it to, or add an address to your account there, and log in again."
	case !f.id.EmailVerified:
		return "The provider has not verified your e-mail address. Verify it there, and log in again."
	}
	return ""
}

// Domains are those of e-mail addresses. They are immutable and safe for
// concurrent use; nil and the zero value have none.
type Domains struct{ all []domainPattern }

// CompileDomains returns the domains of the list, as in [Config]. Problems are
// joined [gateward.ConfigError] values with keys such as "[0]", all of them at
// once; an entry that could never match, or match too much, is one.
func CompileDomains(list []string) (*Domains, error) {
	var p problems
	d := p.domains("", list)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return d, nil
}

// Match reports whether email is an address in one of the domains. Whether it is
// verified is the caller's to know; what is not safe to decide by, see
// [IsAddress], is in none.
func (d *Domains) Match(email string) bool { return d.matches(parseAddress(email)) }

// any reports whether there are domains. Nil has none.
func (d *Domains) any() bool { return d != nil && len(d.all) > 0 }

func (d *Domains) matches(a address) bool {
	if d == nil {
		return false
	}
	for _, p := range d.all {
		if p.matches(a.domain) {
			return true
		}
	}
	return false
}
