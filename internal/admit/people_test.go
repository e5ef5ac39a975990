package admit_test

import (
	"slices"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

func people(t testing.TB, c admit.PeopleConfig) *admit.People {
	t.Helper()
	p, err := admit.CompilePeople(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPeople_Has(t *testing.T) {
	t.Parallel()
	c := admit.PeopleConfig{
		Emails:        []string{"ada@example.com", "*@ops.example.com"},
		Groups:        []string{"Admins", "dev leads"},
		Organizations: []string{"My-Org"},
		Teams:         []string{"Other-Org/Ops"},
		Subjects:      []string{"token:boss", "oidc/google:1234", "kubernetes:system:serviceaccount:ops:deploy", "github:101"},
	}
	all := people(t, c)
	c.Groups[0], c.Organizations[0] = "changed", "changed"
	who := func(method, provider, subject string) *gateward.Identity {
		return &gateward.Identity{Principal: gateward.Principal{Issuer: "https://issuer.example", Subject: subject}, Method: method, Provider: provider}
	}
	for _, tt := range []struct {
		name string
		id   *gateward.Identity
		want bool
	}{
		{name: "nobody", id: nil},
		{name: "anonymous", id: &gateward.Identity{}},
		{name: "address", id: verified("Ada@Example.com"), want: true},
		{name: "address, not verified", id: &gateward.Identity{Email: "ada@example.com"}},
		{name: "address of a domain", id: verified("bob@ops.example.com"), want: true},
		{name: "address of the domain above", id: verified("bob@example.com")},
		{name: "address with two @", id: verified("ada@evil.example@ops.example.com")},
		{name: "no address", id: verified("")},
		{name: "group", id: &gateward.Identity{Groups: []string{"x", "dev leads"}}, want: true},
		{name: "group as it was configured", id: &gateward.Identity{Groups: []string{"Admins"}}, want: true},
		{name: "group, other case", id: &gateward.Identity{Groups: []string{"admins", "Dev leads"}}},
		{name: "group in one text", id: &gateward.Identity{Groups: []string{"x,Admins"}}},
		{name: "organization", id: &gateward.Identity{Organizations: []string{"x", "my-org"}}, want: true},
		{name: "organization that is a group", id: &gateward.Identity{Groups: []string{"my-org", "other-org/ops"}}},
		{name: "group that is an organization", id: &gateward.Identity{Organizations: []string{"Admins"}, Teams: []string{"Admins"}}},
		{name: "team", id: &gateward.Identity{Teams: []string{"other-org/ops"}}, want: true},
		{name: "team of the same name elsewhere", id: &gateward.Identity{Organizations: []string{"other-org"}, Teams: []string{"evil/ops"}}},
		{name: "subject", id: who("token", "", "boss"), want: true},
		{name: "subject of a provider", id: who("oidc", "google", "1234"), want: true},
		{name: "subject with colons", id: who("kubernetes", "", "system:serviceaccount:ops:deploy"), want: true},
		{name: "GitHub's number", id: who("github", "", "101"), want: true},
		{name: "the same subject of another provider", id: who("oidc", "other", "1234")},
		{name: "the same subject of another method", id: who("jwt", "", "boss")},
		{name: "subject without provider, identity with", id: who("token", "x", "boss")},
		{name: "longer subject", id: who("token", "", "boss2")},
		{name: "no subject", id: who("token", "", "")},
		{name: "name", id: &gateward.Identity{Name: "boss", Method: "token"}},
		{name: "scopes name nobody", id: &gateward.Identity{AllScopes: true, Scopes: []string{"Admins"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := all.Has(tt.id); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPeople_WithoutEntriesThereAreNone(t *testing.T) {
	t.Parallel()
	for _, all := range []*admit.People{nil, {}, people(t, admit.PeopleConfig{})} {
		for _, id := range []*gateward.Identity{
			nil,
			{},
			verified(""), verified("ada@example.com"),
			{Groups: []string{""}, Organizations: []string{""}, Teams: []string{""}, AllScopes: true},
			{Method: "token", Principal: gateward.Principal{Subject: "boss"}},
		} {
			if all.Has(id) {
				t.Errorf("%v: %+v is one", all, id)
			}
		}
	}
}

// badTeams and badOrganizations could never match, or not only what is meant.
var (
	badOrganizations = []string{"", " my-org", "my-org/my-team", "my org", "*", "my-*", "@my-org", "\u00f6rg"}
	badTeams         = []string{"", "my-team", "/my-team", "my-org/", "my-org/my team", "my-org/*", "a/b/c", " my-org/my-team", "*/my-team", "my-org /t"}
)

func TestCompilePeople_Problems(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", "boss", ":boss", "token:", "token: boss", " token:boss", "token:boss ", "token :boss", "oidc/:1", "/google:1", "oidc/ google:1",
		"oidc:1234", "/:1", "github:octocat", "github/x:1", "github:007",
	}
	got, err := admit.CompilePeople(admit.PeopleConfig{
		Emails: []string{"*", "ada@example.com", "example.com"}, Groups: []string{"", "a", " b"},
		Organizations: append(slices.Clone(badOrganizations), "My-Org", "a.b_c"), Teams: append(slices.Clone(badTeams), "My-Org/my_team", "a.b/c"),
		Subjects: append(slices.Clone(bad), "token:boss", "oidc/my.op:a b", "jwt:x/y", "jwt/a/b:c", "github:1"),
	})
	want := append([]string{"emails[0]", "emails[2]", "groups[0]", "groups[2]"}, indexes("subjects", len(bad))...)
	want = append(append(want, indexes("organizations", len(badOrganizations))...), indexes("teams", len(badTeams))...)
	slices.Sort(want)
	if k := keys(t, err); got != nil || !slices.Equal(k, want) {
		t.Errorf("got %v with problems at %v, want %v", got, k, want)
	}
}
