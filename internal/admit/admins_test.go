package admit_test

import (
	"slices"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

func TestAdmins_Is(t *testing.T) {
	t.Parallel()
	c := admit.AdminsConfig{
		Emails:   []string{"ada@example.com", "*@ops.example.com"},
		Groups:   []string{"Admins", "dev leads"},
		Subjects: []string{"token:boss", "oidc/google:1234", "kubernetes:system:serviceaccount:ops:deploy"},
	}
	admins, err := admit.CompileAdmins(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Groups[0] = "changed"
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
		{name: "subject", id: who("token", "", "boss"), want: true},
		{name: "subject of a provider", id: who("oidc", "google", "1234"), want: true},
		{name: "subject with colons", id: who("kubernetes", "", "system:serviceaccount:ops:deploy"), want: true},
		{name: "the same subject of another provider", id: who("oidc", "other", "1234")},
		{name: "the same subject of another method", id: who("jwt", "", "boss")},
		{name: "subject without provider, identity with", id: who("token", "x", "boss")},
		{name: "longer subject", id: who("token", "", "boss2")},
		{name: "no subject", id: who("token", "", "")},
		{name: "name", id: &gateward.Identity{Name: "boss", Method: "token"}},
		{name: "scopes are no administration", id: &gateward.Identity{AllScopes: true, Scopes: []string{"Admins"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := admins.Is(tt.id); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAdmins_WithoutEntriesThereAreNone(t *testing.T) {
	t.Parallel()
	compiled, err := admit.CompileAdmins(admit.AdminsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, admins := range []*admit.Admins{nil, {}, compiled} {
		for _, id := range []*gateward.Identity{
			nil,
			{},
			verified(""), verified("ada@example.com"),
			{Groups: []string{""}, AllScopes: true},
			{Method: "token", Principal: gateward.Principal{Subject: "boss"}},
		} {
			if admins.Is(id) {
				t.Errorf("%v: %+v is one", admins, id)
			}
		}
	}
}

func TestCompileAdmins_Problems(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", "boss", ":boss", "token:", "token: boss", " token:boss", "token:boss ", "token :boss", "oidc/:1", "/google:1", "oidc/ google:1", "oidc:1234", "/:1",
	}
	got, err := admit.CompileAdmins(admit.AdminsConfig{
		Emails: []string{"*", "ada@example.com", "example.com"}, Groups: []string{"", "a", " b"},
		Subjects: append(bad, "token:boss", "oidc/my.op:a b", "jwt:x/y", "jwt/a/b:c"),
	})
	want := append([]string{"emails[0]", "emails[2]", "groups[0]", "groups[2]"}, indexes("subjects", len(bad))...)
	slices.Sort(want)
	if k := keys(t, err); got != nil || !slices.Equal(k, want) {
		t.Errorf("got %v with problems at %v, want %v", got, k, want)
	}
}

func TestRequirement_AllScopes(t *testing.T) {
	t.Parallel()
	person := &gateward.Identity{Method: "oidc", AllScopes: true}
	if got := check(t, compile(t, admit.Config{Scopes: []string{"read", "gateward:admin"}}), person); got != admit.None {
		t.Errorf("got %v, want none", got)
	}
	if got := check(t, compile(t, admit.Config{Groups: []string{"ops"}, Scopes: []string{"read"}}), person); got != admit.Group {
		t.Errorf("got %v: scopes are not groups", got)
	}
	if got := check(t, compile(t, admit.Config{Methods: []string{"jwt"}}), person); got != admit.Method {
		t.Errorf("got %v", got)
	}
}
