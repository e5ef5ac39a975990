package admit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

func admissionOf(t testing.TB, c admit.AdmissionConfig) *admit.Admission {
	t.Helper()
	a, err := admit.CompileAdmission(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// admits reports whether id may come in, and looks at the error otherwise.
func admits(t testing.TB, a *admit.Admission, id *gateward.Identity, rule string) bool {
	t.Helper()
	err := a.Admit(id)
	if err == nil {
		return true
	}
	var refused *gateward.NotAdmittedError
	if !errors.As(err, &refused) || !errors.Is(err, gateward.ErrNotAdmitted) || refused.Rule != rule {
		t.Errorf("got %v, want a refusal by %s", err, rule)
	}
	return false
}

func phone(number, verified any) *gateward.Identity {
	return &gateward.Identity{Claims: map[string]any{"phone_number": number, "phone_number_verified": verified}}
}

func TestAdmission_Admit(t *testing.T) {
	t.Parallel()
	filters := func(kind string, patterns ...string) admit.AdmissionConfig {
		return admit.AdmissionConfig{Filters: []admit.FilterConfig{{Type: kind, Patterns: patterns}}}
	}
	subject := func(s string) *gateward.Identity {
		return &gateward.Identity{Principal: gateward.Principal{Issuer: "https://op.example", Subject: s}}
	}
	domains := admit.AdmissionConfig{Domains: []string{"Example.com", "*.example.org"}}
	emails := filters("email", "*@example.com", "Ada@other.example")
	phones := filters("phone", "+49 (30) 1*", "+1 555-0100", "123456789")
	groups := filters("group", "Ops", "dev-*")
	for _, tt := range []struct {
		name string
		c    admit.AdmissionConfig
		id   *gateward.Identity
		want bool
	}{
		{name: "domain", c: domains, id: verified("ada@EXAMPLE.com"), want: true},
		{name: "domain below", c: domains, id: verified("ada@eu.example.org"), want: true},
		{name: "domain above", c: domains, id: verified("ada@example.org")},
		{name: "domain, not verified", c: domains, id: &gateward.Identity{Email: "ada@example.com"}},
		{name: "domain, two @", c: domains, id: verified("ada@evil.example@example.com")},
		{name: "domain, none", c: domains, id: verified("")},
		{name: "nobody", c: domains, id: nil},

		{name: "email pattern", c: emails, id: verified("bob@example.com"), want: true},
		{name: "email", c: emails, id: verified("ada@OTHER.example"), want: true},
		{name: "email of another", c: emails, id: verified("bob@other.example")},
		{name: "email, not verified", c: emails, id: &gateward.Identity{Email: "bob@example.com"}},

		{name: "phone", c: phones, id: phone("+15550100", true), want: true},
		{name: "phone as people write it", c: phones, id: phone("+1 (555) 01-00", true), want: true},
		{name: "phone by its beginning", c: phones, id: phone("+49-30-123456", true), want: true},
		{name: "phone written as a number", c: phones, id: phone("123456789", true), want: true},
		{name: "phone, longer", c: phones, id: phone("+155501000", true)},
		{name: "phone, other place", c: phones, id: phone("+4940123", true)},
		{name: "phone without +", c: phones, id: phone("15550100", true)},
		{name: "phone, not verified", c: phones, id: phone("+15550100", false)},
		{name: "phone, verified in words", c: phones, id: phone("+15550100", "true")},
		{name: "phone, verified missing", c: phones, id: phone("+15550100", nil)},
		{name: "phone, no text", c: phones, id: phone(15550100, true)},
		{name: "phone with an extension", c: phones, id: phone("+49301;ext=1", true)},
		{name: "phone with letters", c: phones, id: phone("+4930 1A", true)},
		{name: "phone beyond measure", c: phones, id: phone("+49301"+strings.Repeat(" ", 100), true)},
		{name: "phone, no claims", c: phones, id: &gateward.Identity{}},

		{name: "id", c: filters("id", "123456789", "ada"), id: subject("123456789"), want: true},
		{name: "id, longer", c: filters("id", "123456789"), id: subject("1234567890")},
		{name: "id, other case", c: filters("id", "ada"), id: subject("Ada")},
		{name: "id, none", c: filters("id", "ada"), id: subject("")},

		{name: "group", c: groups, id: &gateward.Identity{Groups: []string{"x", "Ops"}}, want: true},
		{name: "group by its beginning", c: groups, id: &gateward.Identity{Groups: []string{"dev-db"}}, want: true},
		{name: "group, other case", c: groups, id: &gateward.Identity{Groups: []string{"ops", "Dev-db"}}},
		{name: "group, not its beginning", c: groups, id: &gateward.Identity{Groups: []string{"xdev-db", "Ops2"}}},
		{name: "group from claims", c: groups, id: &gateward.Identity{Claims: map[string]any{"groups": []any{"Ops"}}}},

		{name: "organization", c: filters("organization", "My-Org"), id: &gateward.Identity{Organizations: []string{"my-org"}}, want: true},
		{name: "organization that is a group", c: filters("organization", "my-org"), id: &gateward.Identity{Groups: []string{"my-org"}}},
		{name: "team", c: filters("team", "My-Org/Ops"), id: &gateward.Identity{Teams: []string{"my-org/ops"}}, want: true},
		{name: "team of the same name elsewhere", c: filters("team", "my-org/ops"), id: &gateward.Identity{Organizations: []string{"my-org"}, Teams: []string{"evil/ops"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := "allowed_user_filters"
			if len(tt.c.Domains) > 0 {
				rule = "allowed_domains"
			}
			if got := admits(t, admissionOf(t, tt.c), tt.id, rule); got != tt.want {
				t.Errorf("admitted %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAdmission_EitherListSuffices(t *testing.T) {
	t.Parallel()
	a := admissionOf(t, admit.AdmissionConfig{
		Domains: []string{"example.com"},
		Filters: []admit.FilterConfig{{Type: "group", Patterns: []string{"guests"}}, {Type: "id", Patterns: []string{"7"}}},
	})
	const both = "allowed_domains or allowed_user_filters"
	for _, tt := range []struct {
		id   *gateward.Identity
		want bool
	}{
		{verified("ada@example.com"), true},
		{&gateward.Identity{Groups: []string{"guests"}}, true},
		{&gateward.Identity{Principal: gateward.Principal{Subject: "7"}}, true},
		{verified("ada@example.org"), false},
		{&gateward.Identity{}, false},
		{nil, false},
	} {
		if got := admits(t, a, tt.id, both); got != tt.want {
			t.Errorf("%+v: admitted %v, want %v", tt.id, got, tt.want)
		}
	}
}

func TestAdmission_WithoutListsThereIsNoLimit(t *testing.T) {
	t.Parallel()
	if a := admissionOf(t, admit.AdmissionConfig{}); a != nil || a.Admit(&gateward.Identity{}) != nil {
		t.Error("refused without lists")
	}
	if new(admit.Admission).Admit(verified("ada@example.com")) == nil {
		t.Error("the zero admission admits")
	}
}

func TestAdmission_SaysWhyAnAddressDoesNotCount(t *testing.T) {
	t.Parallel()
	byEmail := admissionOf(t, admit.AdmissionConfig{Domains: []string{"example.com"}})
	byGroup := admissionOf(t, admit.AdmissionConfig{Filters: []admit.FilterConfig{{Type: "group", Patterns: []string{"ops"}}}})
	for _, tt := range []struct {
		name string
		a    *admit.Admission
		id   *gateward.Identity
		want string
	}{
		{name: "not verified", a: byEmail, id: &gateward.Identity{Email: "ada@example.com"}, want: "has not verified"},
		{name: "none", a: byEmail, id: &gateward.Identity{}, want: "did not tell"},
		{name: "of another domain", a: byEmail, id: verified("ada@example.org")},
		{name: "nothing to do with addresses", a: byGroup, id: &gateward.Identity{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var refused *gateward.NotAdmittedError
			if err := tt.a.Admit(tt.id); !errors.As(err, &refused) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(refused.Reason, tt.want) || (refused.Reason == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", refused.Reason, tt.want)
			}
		})
	}
}

func TestCompileAdmission_Problems(t *testing.T) {
	t.Parallel()
	bad := []admit.FilterConfig{
		{Type: "email", Patterns: []string{"", "*", "example.com", "*@*", "a*@example.com", "*@*.com"}},
		{Type: "phone", Patterns: []string{"", "*", "+*", "+", "call me", "+49*30", "*30", "+49**", "+49;30", " +49", "()"}},
		{Type: "id", Patterns: []string{"", "*", "12*", "1*2", " 12"}},
		{Type: "group", Patterns: []string{"", "*", "**", "a*b", "*a", "a ", "a**"}},
		{Type: "organization", Patterns: badOrganizations},
		{Type: "team", Patterns: badTeams},
		{Type: "email"},
		{Type: "E-Mail", Patterns: []string{"*@example.com"}},
		{Patterns: []string{"*@example.com"}},
		{},
	}
	var want []string
	for i, f := range bad {
		for j := range f.Patterns {
			if i < 6 {
				want = append(want, fmt.Sprintf("allowed_user_filters[%d].patterns[%d]", i, j))
			}
		}
	}
	want = append(want, "allowed_user_filters[6].patterns", "allowed_user_filters[7].type", "allowed_user_filters[8].type", "allowed_user_filters[9].type",
		"allowed_domains[0]", "allowed_domains[1]", "allowed_domains[2]")
	slices.Sort(want)
	got, err := admit.CompileAdmission(admit.AdmissionConfig{Domains: []string{"*", "*.com", "ada@example.com", "example.com"}, Filters: bad})
	if k := keys(t, err); got != nil || !slices.Equal(k, want) {
		t.Errorf("got %v with problems at\n%v, want\n%v", got, k, want)
	}
}

func TestDomains_Match(t *testing.T) {
	t.Parallel()
	d, err := admit.CompileDomains([]string{"Example.com", "*.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for email, want := range map[string]bool{
		"ada@example.COM": true, "ada@eu.example.org": true,
		"": false, "example.com": false, "@example.com": false, "ada@example.org": false, "ada@eu.example.com": false,
		"ada@evil.example@example.com": false, "ada@example.com ": false, `"a"@example.com`: false,
	} {
		if got := d.Match(email); got != want {
			t.Errorf("%q: got %v, want %v", email, got, want)
		}
		if (*admit.Domains)(nil).Match(email) || new(admit.Domains).Match(email) {
			t.Errorf("%q is in none", email)
		}
	}
	none, err := admit.CompileDomains([]string{"*", "example.com", ""})
	if k := keys(t, err); none != nil || !slices.Equal(k, []string{"[0]", "[2]"}) {
		t.Errorf("got %v with problems at %v", none, k)
	}
}

// FuzzFilter: a pattern without * admits exactly itself, one with * only what
// begins so, and none admits everybody.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"ops", "dev-*", "+4930*", "+49 (30) 1-2", "123456789", "my-org", "My-Org/Ops", "*", "a*b", "\u212a", "+"} {
		f.Add(s, s)
		f.Add(s, strings.TrimSuffix(s, "*")+"1")
	}
	bare := func(s string) string { return strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(s) }
	same := func(s string) string { return s }
	f.Fuzz(func(t *testing.T, pattern, value string) {
		for _, tt := range []struct {
			kind string
			id   *gateward.Identity
			fold func(string) string
		}{
			{"phone", phone(value, true), bare},
			{"id", &gateward.Identity{Principal: gateward.Principal{Subject: value}}, same},
			{"group", &gateward.Identity{Groups: []string{value}}, same},
			{"organization", &gateward.Identity{Organizations: []string{strings.ToLower(value)}}, strings.ToLower},
			{"team", &gateward.Identity{Teams: []string{strings.ToLower(value)}}, strings.ToLower},
		} {
			a, err := admit.CompileAdmission(admit.AdmissionConfig{Filters: []admit.FilterConfig{{Type: tt.kind, Patterns: []string{pattern}}}})
			if err != nil {
				continue
			}
			begin, begins := strings.CutSuffix(tt.fold(pattern), "*")
			got := admits(t, a, tt.id, "allowed_user_filters")
			switch {
			case begin == "":
				t.Errorf("%s %q may be everybody", tt.kind, pattern)
			case got && begins && !strings.HasPrefix(tt.fold(value), begin), got && !begins && tt.fold(value) != begin:
				t.Errorf("%s %q admits %q", tt.kind, pattern, value)
			case !got && tt.fold(value) == begin && len(value) < 64:
				t.Errorf("%s %q does not admit %q", tt.kind, pattern, value)
			}
			if admits(t, a, &gateward.Identity{}, "allowed_user_filters") {
				t.Errorf("%s %q admits nobody", tt.kind, pattern)
			}
		}
	})
}
