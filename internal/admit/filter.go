package admit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

// The types of filters.
const (
	// FilterEmail: verified e-mail addresses, with the patterns of [Config.Emails].
	FilterEmail = "email"
	// FilterPhone: verified phone numbers (the claims phone_number and
	// phone_number_verified, OpenID Connect Core §5.1), whole or, with * at the
	// end, by their beginning; without spaces, hyphens and parentheses.
	FilterPhone = "phone"
	// FilterID: subjects, compared exactly. Two providers may give the same
	// subject to two people.
	FilterID = "id"
	// FilterGroup: groups, compared exactly or, with * at the end, by their
	// beginning; case included.
	FilterGroup = "group"
	// FilterOrganization: organizations, as in [Config].
	FilterOrganization = "organization"
	// FilterTeam: teams, as in [Config].
	FilterTeam = "team"
)

// FilterTypes returns the types of filters, in the order of the documentation.
func FilterTypes() []string {
	return []string{FilterEmail, FilterPhone, FilterID, FilterGroup, FilterOrganization, FilterTeam}
}

// A FilterConfig selects people by one attribute. Any pattern suffices.
type FilterConfig struct {
	// Type is one of the Filter constants.
	Type string
	// Patterns are in the form that the type has.
	Patterns []string
}

// A filter is one pattern of one type.
type filter struct {
	kind  string
	email emailPattern
	text  textPattern
}

// A textPattern is a whole text or its beginning.
type textPattern struct {
	text   string
	begins bool
}

func (p textPattern) matches(s string) bool {
	if p.begins {
		return strings.HasPrefix(s, p.text)
	}
	return s != "" && s == p.text
}

func (p filter) matches(f *Facts) bool {
	switch p.kind {
	case FilterEmail:
		return p.email.matches(f.email)
	case FilterPhone:
		phone := verifiedPhone(f.id)
		return phone != "" && p.text.matches(phone)
	case FilterID:
		return p.text.matches(f.id.Subject)
	case FilterGroup:
		return slices.ContainsFunc(f.id.Groups, p.text.matches)
	case FilterOrganization:
		return f.organizations.has(p.text.text)
	case FilterTeam:
		return f.teams.has(p.text.text)
	}
	return false
}

// verifiedPhone returns the bare number, or "" if there is none that counts.
func verifiedPhone(id *gateward.Identity) string {
	if ok, is := id.Claims["phone_number_verified"].(bool); !is || !ok {
		return ""
	}
	number, _ := id.Claims["phone_number"].(string)
	bare, ok := barePhone(number)
	if !ok {
		return ""
	}
	return bare
}

// maxPhone bounds a phone number as it is written, in bytes; E.164 has 15
// digits.
const maxPhone = 64

// barePhone returns s without what people put between digits, and whether it is
// a number: digits, after a + or not.
func barePhone(s string) (string, bool) {
	if len(s) > maxPhone {
		return "", false
	}
	bare := make([]byte, 0, maxPhone)
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '-' || c == '(' || c == ')':
		case c == '+' && len(bare) == 0, '0' <= c && c <= '9':
			bare = append(bare, c)
		default:
			return "", false
		}
	}
	return string(bare), len(bare) > 0 && bare[len(bare)-1] != '+'
}

// filter compiles the patterns of c, whose block is key.
func (p *problems) filter(key string, c FilterConfig) []filter {
	list := key + ".patterns"
	if !slices.Contains(FilterTypes(), c.Type) {
		problem := fmt.Sprintf("there is no filter %q", c.Type)
		if c.Type == "" {
			problem = "a filter without a type"
		}
		p.addKey(key+".type", problem, "write one of "+strings.Join(FilterTypes(), ", "))
		return nil
	}
	if len(c.Patterns) == 0 {
		p.addKey(list, "a filter without patterns admits nobody", "name patterns, or remove the filter")
	}
	var all []filter
	switch c.Type {
	case FilterEmail:
		for _, e := range p.emailPatterns(list, c.Patterns) {
			all = append(all, filter{kind: c.Type, email: e})
		}
	case FilterOrganization:
		all = textFilters(c.Type, p.organizations(list, c.Patterns))
	case FilterTeam:
		all = textFilters(c.Type, p.teams(list, c.Patterns))
	default:
		for i, s := range c.Patterns {
			text, problem, remedy := parseTextPattern(c.Type, s)
			if problem != "" {
				p.add(list, i, problem, remedy)
			}
			all = append(all, filter{kind: c.Type, text: text})
		}
	}
	return all
}

func textFilters(kind string, names []string) []filter {
	var all []filter
	for _, s := range names {
		all = append(all, filter{kind: kind, text: textPattern{text: s}})
	}
	return all
}

// parseTextPattern returns the phone, id or group pattern that s means, or what
// is wrong with it and what to do.
func parseTextPattern(kind, s string) (p textPattern, problem, remedy string) {
	begin, begins := strings.CutSuffix(s, "*")
	switch {
	case s == "":
		return p, "empty entry", "remove it"
	case hasOuterSpace(s):
		return p, fmt.Sprintf("%q has white space around it", s), "remove the white space"
	case begin == "":
		return p, fmt.Sprintf("%q admits everybody", s), "name whom you mean, or remove the lists"
	case kind == FilterID && strings.Contains(s, "*"):
		return p, fmt.Sprintf("%q has a *, and subjects are compared exactly", s), "write the whole subject"
	case strings.Contains(begin, "*"):
		return p, fmt.Sprintf("%q has a * that is not at the end", s), "write one * at the end, or none"
	}
	if kind == FilterPhone {
		bare, ok := barePhone(begin)
		if !ok {
			return p, fmt.Sprintf("%q is not a phone number", s), "write +49301234567, or +4930* for all that begin so"
		}
		begin = bare
	}
	return textPattern{text: begin, begins: begins}, "", ""
}
