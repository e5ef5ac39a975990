package admit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

func inGroups(n int) *gateward.Identity {
	id := &gateward.Identity{Method: "jwt", Email: "Ada@Example.com", EmailVerified: true, Scopes: []string{"read", "write"}}
	for i := range n {
		id.Groups = append(id.Groups, fmt.Sprintf("group-%06d", i))
		id.Organizations = append(id.Organizations, fmt.Sprintf("org-%06d", i))
		id.Teams = append(id.Teams, fmt.Sprintf("org-%06d/team", i))
	}
	return id
}

// demanding looks at everything; its groups stand nowhere or last.
func demanding(t testing.TB, n int) *admit.Requirement {
	return compile(t, admit.Config{
		Methods: []string{"jwt"}, Emails: []string{"*@example.com"}, Domains: []string{"*.example.org", "example.com"},
		Groups: []string{"nobody-1", "nobody-2", fmt.Sprintf("group-%06d", n-1)}, Scopes: []string{"read", "write"},
		Organizations: []string{"nobody", fmt.Sprintf("ORG-%06d", n-1)}, Teams: []string{"nobody/x", fmt.Sprintf("Org-%06d/Team", n-1)},
	})
}

func TestCheck_DoesNotAllocate(t *testing.T) {
	for _, n := range []int{1, 1000} {
		id, r := inGroups(n), demanding(t, n)
		all := people(t, admit.PeopleConfig{Emails: []string{"*@x.example"}, Groups: []string{"x"}, Teams: []string{"x/y"}, Subjects: []string{"jwt:x"}})
		if got := testing.AllocsPerRun(100, func() { all.Has(id) }); got != 0 {
			t.Errorf("%d groups, people: got %v allocations, want 0", n, got)
		}
		f := admit.NewFacts(id)
		if got := check(t, r, id); got != admit.None {
			t.Fatalf("got %v, want none", got)
		}
		if got := testing.AllocsPerRun(100, func() { r.Check(id) }); got != 0 {
			t.Errorf("%d groups: got %v allocations, want 0", n, got)
		}
		if got := testing.AllocsPerRun(100, func() { r.CheckFacts(&f) }); got != 0 {
			t.Errorf("%d groups, facts: got %v allocations, want 0", n, got)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		id, r := inGroups(n), demanding(b, n)
		f := admit.NewFacts(id)
		b.Run(fmt.Sprintf("identity/%d", n), func(b *testing.B) {
			for b.Loop() {
				r.Check(id)
			}
		})
		b.Run(fmt.Sprintf("facts/%d", n), func(b *testing.B) {
			for b.Loop() {
				r.CheckFacts(&f)
			}
		})
	}
}

// FuzzEmail: only an address with one "@" whose domain is the pattern's, byte
// for byte but for ASCII case, is ever admitted.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{
		"ada@company.com", "a@evil.com@company.com", `"a@x"@company.com`, "a@company.com.evil.com", "a@x.company.com",
		"A@COMPANY.COM", "a@company.com\n", "a\x00@company.com", "\u212a@company.com", "a@.company.com", "@company.com",
	} {
		f.Add(s, s)
	}
	all := compile(f, admit.Config{Emails: []string{"*@company.com", "*@*.company.com"}})
	domains := compile(f, admit.Config{Domains: []string{"company.com", "*.company.com"}})
	f.Fuzz(func(t *testing.T, email, pattern string) {
		admitted := check(t, all, verified(email)) == admit.None
		if byDomain := check(t, domains, verified(email)) == admit.None; byDomain != admitted {
			t.Errorf("%q: by e-mail %v, by domain %v", email, admitted, byDomain)
		}
		lowered := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, email)
		_, domain, _ := strings.Cut(lowered, "@")
		if admitted && domain != "company.com" && !strings.HasSuffix(domain, ".company.com") {
			t.Errorf("%q is admitted", email)
		}
		if admitted && (strings.Count(email, "@") != 1 || strings.ContainsAny(email, "\"(),:;<>[\\] \t\r\n\x00")) {
			t.Errorf("%q is admitted", email)
		}
		// A pattern that is one address admits that address, and no other.
		r, err := admit.Compile(admit.Config{Emails: []string{pattern}})
		if err != nil || strings.HasPrefix(pattern, "*@") {
			return
		}
		if check(t, r, verified(pattern)) != admit.None {
			t.Errorf("%q does not admit itself", pattern)
		}
		if check(t, r, verified(email)) == admit.None && !strings.EqualFold(email, pattern) {
			t.Errorf("%q admits %q", pattern, email)
		}
	})
}
