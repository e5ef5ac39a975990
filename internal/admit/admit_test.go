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

func compile(t testing.TB, c admit.Config) *admit.Requirement {
	t.Helper()
	r, err := admit.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// check asks for the verdict in both ways, which must agree.
func check(t testing.TB, r *admit.Requirement, id *gateward.Identity) admit.Lack {
	t.Helper()
	got := r.Check(id)
	f := admit.NewFacts(id)
	if byFacts := r.CheckFacts(&f); byFacts != got {
		t.Errorf("by identity %v, by facts %v", got, byFacts)
	}
	return got
}

func verified(email string) *gateward.Identity {
	return &gateward.Identity{Email: email, EmailVerified: true}
}

func TestRequirement_Check(t *testing.T) {
	t.Parallel()
	ada := &gateward.Identity{
		Method: "jwt", Email: "Ada@Example.com", EmailVerified: true,
		Groups: []string{"dev", "Domain Admins"}, Scopes: []string{"read", "write"},
		Organizations: []string{"my-org", "other"}, Teams: []string{"my-org/ops"},
	}
	for _, tt := range []struct {
		name string
		c    admit.Config
		want admit.Lack
	}{
		{name: "nothing required", c: admit.Config{}},
		{name: "everything met", c: admit.Config{
			Methods: []string{"token", "jwt"}, Emails: []string{"x@y.org", "ada@example.com"}, Domains: []string{"example.com"},
			Groups: []string{"ops", "dev"}, Scopes: []string{"write", "read"},
			Organizations: []string{"x", "My-Org"}, Teams: []string{"x/y", "MY-ORG/Ops"},
		}},
		{name: "method", c: admit.Config{Methods: []string{"token"}}, want: admit.Method},
		{name: "method, other case", c: admit.Config{Methods: []string{"JWT"}}, want: admit.Method},
		{name: "email", c: admit.Config{Emails: []string{"bob@example.com"}}, want: admit.Email},
		{name: "domain", c: admit.Config{Domains: []string{"example.org"}}, want: admit.Domain},
		{name: "group", c: admit.Config{Groups: []string{"ops"}}, want: admit.Group},
		{name: "group, other case", c: admit.Config{Groups: []string{"Dev"}}, want: admit.Group},
		{name: "group, part of a name", c: admit.Config{Groups: []string{"Domain", "Admins"}}, want: admit.Group},
		{name: "group with a space", c: admit.Config{Groups: []string{"Domain Admins"}}},
		{name: "organization", c: admit.Config{Organizations: []string{"my-org-2", "my"}}, want: admit.Organization},
		{name: "organization that is a group", c: admit.Config{Organizations: []string{"dev"}}, want: admit.Organization},
		{name: "group that is an organization", c: admit.Config{Groups: []string{"my-org"}}, want: admit.Group},
		{name: "team", c: admit.Config{Teams: []string{"my-org/op", "my-org/ops2"}}, want: admit.Team},
		{name: "team of the same name elsewhere", c: admit.Config{Teams: []string{"other/ops"}}, want: admit.Team},
		{name: "organizations before teams", c: admit.Config{Organizations: []string{"x"}, Teams: []string{"x/y"}, Scopes: []string{"admin"}}, want: admit.Organization},
		{name: "teams before scopes", c: admit.Config{Teams: []string{"x/y"}, Scopes: []string{"admin"}}, want: admit.Team},
		{name: "scope", c: admit.Config{Scopes: []string{"admin"}}, want: admit.Scope},
		{name: "one of two scopes", c: admit.Config{Scopes: []string{"read", "admin"}}, want: admit.Scope},
		{name: "scope, other case", c: admit.Config{Scopes: []string{"Read"}}, want: admit.Scope},
		{name: "one list met, another not", c: admit.Config{Domains: []string{"example.com"}, Groups: []string{"ops"}}, want: admit.Group},
		{name: "scopes come last", c: admit.Config{Groups: []string{"ops"}, Scopes: []string{"admin"}}, want: admit.Group},
		{name: "method comes first", c: admit.Config{Methods: []string{"token"}, Emails: []string{"*@x.org"}}, want: admit.Method},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := check(t, compile(t, tt.c), ada); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRequirement_NoIdentityIsNeverAdmitted(t *testing.T) {
	t.Parallel()
	r := compile(t, admit.Config{})
	if got := check(t, r, nil); got == admit.None {
		t.Error("no identity is admitted")
	}
	if got := r.CheckFacts(nil); got == admit.None {
		t.Error("no facts are admitted")
	}
	if got := r.CheckFacts(&admit.Facts{}); got == admit.None {
		t.Error("zero facts are admitted")
	}
}

func TestSEC_D14_OnlyTheVerifiedAddressCounts(t *testing.T) {
	t.Parallel()
	company := admit.Config{Emails: []string{"*@company.com"}}
	below := admit.Config{Emails: []string{"*@*.company.com"}}
	exact := admit.Config{Emails: []string{"Ada.L+x@Company.com"}}
	for _, tt := range []struct {
		name  string
		c     admit.Config
		email string
		want  bool
	}{
		{name: "member", c: company, email: "ada@company.com", want: true},
		{name: "case", c: company, email: "ADA@COMPANY.COM", want: true},
		{name: "local part beyond ASCII", c: company, email: "zoë@company.com", want: true},
		{name: "two @", c: company, email: "a@evil.com@company.com"},
		{name: "two @, other order", c: company, email: "a@company.com@evil.com"},
		{name: "quoted @", c: company, email: `"a@x"@company.com`},
		{name: "quotes", c: company, email: `"a"@company.com`},
		{name: "suffix", c: company, email: "a@company.com.evil.com"},
		{name: "prefix", c: company, email: "a@evilcompany.com"},
		{name: "subdomain", c: company, email: "a@eu.company.com"},
		{name: "final dot", c: company, email: "a@company.com."},
		{name: "no local part", c: company, email: "@company.com"},
		{name: "no domain", c: company, email: "ada@"},
		{name: "no @", c: company, email: "company.com"},
		{name: "empty", c: company, email: ""},
		{name: "space before", c: company, email: " ada@company.com"},
		{name: "space after", c: company, email: "ada@company.com "},
		{name: "space inside", c: company, email: "a da@company.com"},
		{name: "newline", c: company, email: "evil@evil.com\n@company.com"},
		{name: "newline in local part", c: company, email: "a\n@company.com"},
		{name: "NUL", c: company, email: "ada@company.com\x00.evil.com"},
		{name: "NUL in local part", c: company, email: "evil\x00@company.com"},
		{name: "comment", c: company, email: "ada@company.com(x)"},
		{name: "display name", c: company, email: "Ada <ada@company.com>"},
		{name: "list", c: company, email: "evil@evil.com,ada@company.com"},
		{name: "look-alike domain", c: company, email: "a@c\u043empany.com"},
		{name: "full-width dot", c: company, email: "a@company\uff0ecom"},
		{name: "zero-width space", c: company, email: "a\u200b@company.com"},
		{name: "no-break space", c: company, email: "a\u00a0@company.com"},
		{name: "bad UTF-8", c: company, email: "a\xff@company.com"},
		{name: "address literal", c: company, email: "a@[127.0.0.1]"},
		{name: "too long", c: company, email: strings.Repeat("a", 300) + "@company.com"},

		{name: "one label in front", c: below, email: "a@eu.company.com", want: true},
		{name: "two labels in front", c: below, email: "a@x.EU.company.com", want: true},
		{name: "none in front", c: below, email: "a@company.com"},
		{name: "half a label in front", c: below, email: "a@evilcompany.com"},
		{name: "empty label in front", c: below, email: "a@.company.com"},

		{name: "exact, other case", c: exact, email: "ada.l+X@company.com", want: true},
		{name: "exact, without tag", c: exact, email: "ada.l@company.com"},
		{name: "exact, without dot", c: exact, email: "adal+x@company.com"},
		{name: "Kelvin sign", c: admit.Config{Emails: []string{"kim@company.com"}}, email: "\u212aim@company.com"},
		{name: "long s", c: admit.Config{Emails: []string{"sam@company.com"}}, email: "\u017fam@company.com"},

		{name: "domain", c: admit.Config{Domains: []string{"Company.com"}}, email: "a@cOmpany.com", want: true},
		{name: "domain, two @", c: admit.Config{Domains: []string{"company.com"}}, email: "a@evil.com@company.com"},
		{name: "domain, subdomain", c: admit.Config{Domains: []string{"company.com"}}, email: "a@eu.company.com"},
		{name: "domain, below", c: admit.Config{Domains: []string{"*.company.com"}}, email: "a@eu.company.com", want: true},
		{name: "domain, below, itself", c: admit.Config{Domains: []string{"*.company.com"}}, email: "a@company.com"},
		{name: "domain, suffix", c: admit.Config{Domains: []string{"company.com"}}, email: "a@company.com.evil.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := compile(t, tt.c)
			if got := check(t, r, verified(tt.email)) == admit.None; got != tt.want {
				t.Errorf("%q: admitted %v, want %v", tt.email, got, tt.want)
			}
			if check(t, r, &gateward.Identity{Email: tt.email}) == admit.None {
				t.Errorf("%q: admitted unverified", tt.email)
			}
		})
	}
}

func TestSEC_C22_MissingAttributesAreRefused(t *testing.T) {
	t.Parallel()
	// Claims of the wrong type are no attributes: only what a method put into
	// the typed fields counts.
	id := &gateward.Identity{
		Email: "ada@example.com",
		Claims: map[string]any{
			"groups": "admin", "scope": "read", "email_verified": "true", "email": "ada@example.com",
		},
		Metadata: map[string]string{"groups": "admin", "email": "ada@example.com"},
	}
	for _, tt := range []struct {
		c    admit.Config
		want admit.Lack
	}{
		{admit.Config{Methods: []string{"jwt"}}, admit.Method},
		{admit.Config{Emails: []string{"*@example.com"}}, admit.Email},
		{admit.Config{Domains: []string{"example.com"}}, admit.Domain},
		{admit.Config{Groups: []string{"admin"}}, admit.Group},
		{admit.Config{Organizations: []string{"admin"}}, admit.Organization},
		{admit.Config{Teams: []string{"admin/ops"}}, admit.Team},
		{admit.Config{Scopes: []string{"read"}}, admit.Scope},
	} {
		if got := check(t, compile(t, tt.c), id); got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.c, got, tt.want)
		}
	}
}

func TestCheck_GroupsWithCommasStayWhole(t *testing.T) {
	t.Parallel()
	id := &gateward.Identity{Groups: []string{"a,admin"}, Scopes: []string{"read write"}}
	if got := check(t, compile(t, admit.Config{Groups: []string{"admin", "a"}}), id); got != admit.Group {
		t.Errorf("got %v, want %v", got, admit.Group)
	}
	if got := check(t, compile(t, admit.Config{Scopes: []string{"read"}}), id); got != admit.Scope {
		t.Errorf("got %v, want %v", got, admit.Scope)
	}
}

func TestCompile_Problems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    admit.Config
		want []string // keys
	}{
		{name: "empty entries", c: admit.Config{
			Methods: []string{""}, Emails: []string{""}, Domains: []string{""}, Groups: []string{"a", ""}, Scopes: []string{""},
		}, want: []string{"domains[0]", "emails[0]", "groups[1]", "methods[0]", "scopes[0]"}},
		{name: "white space", c: admit.Config{Methods: []string{"jwt "}, Groups: []string{"\ta"}, Scopes: []string{"a b"}}, want: []string{"groups[0]", "methods[0]", "scopes[0]"}},
		{name: "not a scope", c: admit.Config{Scopes: []string{"ok", `"`, `\`, "é"}}, want: []string{"scopes[1]", "scopes[2]", "scopes[3]"}},
		{
			name: "organizations and teams", c: admit.Config{Organizations: badOrganizations, Teams: badTeams},
			want: append(indexes("organizations", len(badOrganizations)), indexes("teams", len(badTeams))...),
		},
		{name: "emails", c: admit.Config{Emails: []string{
			"*", "*@*", "@example.com", "a*@example.com", "a@*.example.com", "*@*example.com", "*@a.*.com", "example.com",
			"a@b@example.com", `"a"@example.com`, "a b@example.com", "*@*.com", "a@example.com.", "a@exämple.com", "a@", "*@.example.com",
			"a@-x.com", strings.Repeat("a", 250) + "@example.com", "**@example.com", "a@[::1]", "a@" + strings.Repeat("a", 64) + ".com",
		}}, want: indexes("emails", 21)},
		{name: "domains", c: admit.Config{Domains: []string{
			"*", "*.", "*.com", "@example.com", "a@example.com", "*@example.com", "*example.com", "a.*.com", "*.*.example.com", ".example.com",
			"example.com.", "exämple.com", "a b.com", "a..com", "https://example.com", "example.com:443", strings.Repeat("a.", 130) + "com",
		}}, want: indexes("domains", 17)},
		{name: "fine", c: admit.Config{
			Methods: []string{"jwt"}, Emails: []string{"a@b", "*@example.com", "*@*.Example.co.uk", "ö@xn--exmple-cua.com"},
			Domains: []string{"localhost", "EXAMPLE.com", "*.example.com"}, Groups: []string{"Domain Admins", "a,b"}, Scopes: []string{"repo:read", "https://x/y"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := admit.Compile(tt.c)
			if got := keys(t, err); !slices.Equal(got, tt.want) {
				t.Errorf("got problems at %v, want %v: %v", got, tt.want, err)
			}
			if (r == nil) != (err != nil) {
				t.Errorf("got requirement %v with error %v", r, err)
			}
		})
	}
}

func indexes(list string, n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("%s[%d]", list, i))
	}
	slices.Sort(keys)
	return keys
}

func keys(t *testing.T, err error) (keys []string) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		var ce *gateward.ConfigError
		if !errors.As(e, &ce) || ce.Problem == "" || ce.Remedy == "" || ce.Warning {
			t.Errorf("got %v, want a ConfigError with problem and remedy", e)
			continue
		}
		keys = append(keys, ce.Key)
	}
	slices.Sort(keys)
	return keys
}

func TestRequirement_Scopes(t *testing.T) {
	t.Parallel()
	c := admit.Config{Scopes: []string{"write", "read"}}
	r := compile(t, c)
	c.Scopes[0] = "changed"
	if got := r.Scopes(); !slices.Equal(got, []string{"write", "read"}) {
		t.Errorf("got %v", got)
	}
}

func TestLack_StringsAreStable(t *testing.T) {
	t.Parallel()
	want := []string{"none", "method_not_allowed", "email_not_allowed", "domain_not_allowed", "group_not_allowed", "organization_not_allowed", "team_not_allowed", "insufficient_scope"}
	for i, w := range want {
		if got := admit.Lack(i).String(); got != w {
			t.Errorf("lack %d: got %q, want %q", i, got, w)
		}
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
