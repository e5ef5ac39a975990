package admit

import (
	"fmt"
	"strings"
)

// organizations compiles a list of names of organizations.
func (p *problems) organizations(list string, names []string) []string {
	return p.lowered(list, names, func(s string) (problem, remedy string) {
		switch {
		case strings.Contains(s, "/"):
			return fmt.Sprintf("%q is not an organization", s), "write its name alone, such as my-org; ORGANIZATION/TEAM belongs to teams"
		case !isMembershipName(s):
			return fmt.Sprintf("%q never matches", s), "write the organization's name as in its address, such as my-org"
		}
		return "", ""
	})
}

// teams compiles a list of ORGANIZATION/TEAM.
func (p *problems) teams(list string, names []string) []string {
	return p.lowered(list, names, func(s string) (problem, remedy string) {
		organization, team, ok := strings.Cut(s, "/")
		switch {
		case !ok:
			// Anybody can have a team of this name in an organization of theirs.
			return fmt.Sprintf("%q names no organization", s), "write ORGANIZATION/TEAM, such as my-org/my-team"
		case !isMembershipName(organization) || !isMembershipName(team):
			return fmt.Sprintf("%q never matches", s), "write ORGANIZATION/TEAM as in the team's address, such as my-org/my-team"
		}
		return "", ""
	})
}

// lowered checks every entry that is not empty, and returns them in lower case.
func (p *problems) lowered(list string, names []string, check func(string) (problem, remedy string)) []string {
	var all []string
	for i, s := range names {
		problem, remedy := "empty entry", "remove it"
		if s != "" {
			problem, remedy = check(s)
		}
		if problem != "" {
			p.add(list, i, problem, remedy)
		}
		all = append(all, LowerASCII(s))
	}
	return all
}

// isMembershipName reports whether s can be the name of an organization, or of a
// team as addresses have it.
func isMembershipName(s string) bool {
	for i := range len(s) {
		c := lower(s[i])
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}
