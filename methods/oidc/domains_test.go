package oidc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const google = "https://accounts.google.com"

// domainsOf returns a login that never asks its provider.
func domainsOf(t *testing.T, change func(*oidc.ProviderConfig)) *oidc.Provider {
	t.Helper()
	m, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { change(p) })
	if err != nil {
		t.Fatal(err)
	}
	return m.Providers()[0]
}

func TestSEC_D14_AllowedDomains(t *testing.T) {
	t.Parallel()
	type person struct {
		email    string
		verified bool
		hd       any
	}
	elsewhere := func(p *oidc.ProviderConfig) { p.AllowedDomains = []string{"Example.com", "*.example.org"} }
	atGoogle := func(p *oidc.ProviderConfig) {
		p.IssuerURL, p.AllowedDomains = google, []string{"example.com", "*.example.org"}
	}
	asked := func(domain string) func(*oidc.ProviderConfig) {
		return func(p *oidc.ProviderConfig) {
			p.IssuerURL, p.AuthorizeParameters = google, map[string]string{"hd": domain}
		}
	}
	tests := map[string]struct {
		change func(*oidc.ProviderConfig)
		person person
		rule   string
	}{
		"a domain":                   {elsewhere, person{email: "ada@example.com", verified: true}, ""},
		"without case":               {elsewhere, person{email: "ada@EXAMPLE.COM", verified: true}, ""},
		"below":                      {elsewhere, person{email: "ada@a.example.org", verified: true}, ""},
		"not itself":                 {elsewhere, person{email: "ada@example.org", verified: true}, "allowed_domains"},
		"not verified":               {elsewhere, person{email: "ada@example.com"}, "allowed_domains"},
		"no address":                 {elsewhere, person{verified: true}, "allowed_domains"},
		"another":                    {elsewhere, person{email: "ada@evil.test", verified: true}, "allowed_domains"},
		"two @":                      {elsewhere, person{email: "ada@evil.test@example.com", verified: true}, "allowed_domains"},
		"at the end of another":      {elsewhere, person{email: "ada@notexample.com", verified: true}, "allowed_domains"},
		"with more behind":           {elsewhere, person{email: "ada@example.com.evil.test", verified: true}, "allowed_domains"},
		"hd elsewhere":               {elsewhere, person{hd: "example.com"}, "allowed_domains"},
		"google: hd":                 {atGoogle, person{email: "ada@alias.test", verified: true, hd: "example.com"}, ""},
		"google: hd below":           {atGoogle, person{hd: "a.example.org"}, ""},
		"google: the address only":   {atGoogle, person{email: "ada@example.com", verified: true}, "allowed_domains"},
		"google: another hd":         {atGoogle, person{email: "ada@example.com", verified: true, hd: "evil.test"}, "allowed_domains"},
		"google: hd with @":          {atGoogle, person{hd: "evil.test@example.com"}, "allowed_domains"},
		"google: hd no string":       {atGoogle, person{hd: []any{"example.com"}}, "allowed_domains"},
		"google: hd empty":           {atGoogle, person{hd: ""}, "allowed_domains"},
		"parameter":                  {asked("example.com"), person{hd: "Example.com"}, ""},
		"parameter, another":         {asked("example.com"), person{email: "ada@example.com", verified: true, hd: "a.example.com"}, "hd"},
		"parameter, none":            {asked("example.com"), person{email: "ada@example.com", verified: true}, "hd"},
		"parameter for any":          {asked("*"), person{hd: "whatever.test"}, ""},
		"parameter for any, none":    {asked("*"), person{email: "ada@example.com", verified: true}, "hd"},
		"parameter for any, no text": {asked("*"), person{hd: true}, "hd"},
		"parameter for any, empty":   {asked("*"), person{hd: ""}, "hd"},
		"nothing configured":         {func(*oidc.ProviderConfig) {}, person{}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := domainsOf(t, tt.change)
			_, issuer := p.FrontChannel()
			id := gateward.Identity{
				Principal: gateward.Principal{Issuer: issuer, Subject: "1"}, Email: tt.person.email, EmailVerified: tt.person.verified,
				Claims: claims{},
			}
			if tt.person.hd != nil {
				id.Claims["hd"] = tt.person.hd
			}
			err := p.Admit(&id)
			if rule(err) != tt.rule || (err != nil) != (tt.rule != "") {
				t.Fatalf("%v, want %q", err, tt.rule)
			}
			if ne := (*gateward.NotAdmittedError)(nil); errors.As(err, &ne) && (ne.Reason == "" || strings.Contains(ne.Reason, "example")) {
				t.Errorf("reason %q", ne.Reason)
			}
			id.Claims = nil
			if err := p.Admit(&id); tt.person.hd != nil && tt.rule == "" && err == nil {
				t.Error("admitted without claims")
			}
		})
	}
}

// A browser can leave the parameter out, so the ID token decides, userinfo does not.
func TestSEC_D14_HostedDomainOfTheIDToken(t *testing.T) {
	t.Parallel()
	f := setupAs(t, func(_ *fixture, _ *oidc.Config, p *oidc.ProviderConfig) {
		p.AllowedDomains, p.FetchExtraUserInfo = []string{"example.com"}, true
	}, oidctest.Google(), oidctest.WithIssuer(google))
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("hd", "example.com") })
	id, tokens, err := f.exchange()
	f.refused(id, tokens, err, gateward.ErrNotAdmitted)
	if rule(err) != "allowed_domains" || id.Subject == "" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestHostedDomainIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		issuer  string
		domains []string
		params  map[string]string
		want    []string
	}{
		"one domain":       {google, []string{"example.com"}, nil, []string{"example.com"}},
		"beside others":    {google, []string{"example.com"}, map[string]string{"access_type": "offline"}, []string{"example.com"}},
		"already asked":    {google, []string{"example.com"}, map[string]string{"hd": "*"}, []string{"*"}},
		"two domains":      {google, []string{"example.com", "example.org"}, nil, nil},
		"domains below":    {google, []string{"*.example.com"}, nil, nil},
		"nothing":          {google, nil, nil, nil},
		"another provider": {"https://id.example.com", []string{"example.com"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params := tt.params
			f := setupAs(t, func(_ *fixture, _ *oidc.Config, p *oidc.ProviderConfig) {
				p.AllowedDomains, p.AuthorizeParameters = tt.domains, params
			}, oidctest.WithIssuer(tt.issuer))
			address, err := f.login.AuthCodeURL(t.Context(), newAttempt())
			if err != nil {
				t.Fatal(err)
			}
			if got := queryOf(t, address)["hd"]; !slices.Equal(got, tt.want) {
				t.Errorf("hd %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEmailAuthority(t *testing.T) {
	t.Parallel()
	p := domainsOf(t, func(p *oidc.ProviderConfig) { p.EmailAuthority = []string{"example.com", "*.example.org"} })
	for email, want := range map[string]bool{
		"ada@example.com": true, "Ada@Example.COM": true, "ada@x.example.org": true,
		"ada@example.org": false, "ada@evil.test": false, "": false, "ada@evil.test@example.com": false, `"a@b"@example.com`: false,
	} {
		if p.Authoritative(email) != want {
			t.Errorf("%q: %v", email, !want)
		}
	}
	if domainsOf(t, func(*oidc.ProviderConfig) {}).Authoritative("ada@example.com") {
		t.Error("authoritative without being called so")
	}
}

func TestDomainProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*oidc.ProviderConfig)
		want   string // beginning of the error's text, "" for none
	}{
		"allowed_domains":        {func(p *oidc.ProviderConfig) { p.AllowedDomains = []string{"example.com", "*"} }, "providers.op.allowed_domains[1]: "},
		"allowed_domains, empty": {func(p *oidc.ProviderConfig) { p.AllowedDomains = []string{""} }, "providers.op.allowed_domains[0]: "},
		"email_authority":        {func(p *oidc.ProviderConfig) { p.EmailAuthority = []string{"a@example.com"} }, "providers.op.email_authority[0]: "},
		"hd":                     {func(p *oidc.ProviderConfig) { p.AuthorizeParameters = map[string]string{"hd": "a b"} }, `providers.op.authorize_parameters["hd"]: `},
		"hd empty":               {func(p *oidc.ProviderConfig) { p.AuthorizeParameters = map[string]string{"hd": ""} }, `providers.op.authorize_parameters["hd"]: `},
		"hd below":               {func(p *oidc.ProviderConfig) { p.AuthorizeParameters = map[string]string{"hd": "*.example.com"} }, `providers.op.authorize_parameters["hd"]: "*.example.com" is not a domain`},
		"hd twice": {func(p *oidc.ProviderConfig) {
			p.AuthorizeParameters = map[string]string{"hd": "a.test", "HD": "b.test"}
		}, `providers.op.authorize_parameters["hd"]: is there twice`},
		"authority at google": {func(p *oidc.ProviderConfig) {
			p.IssuerURL, p.EmailAuthority = google, []string{"gmail.com", "example.com"}
		}, "providers.op.email_authority: at Google an address says nothing"},
		"authority at google over gmail.com": {func(p *oidc.ProviderConfig) {
			p.IssuerURL, p.EmailAuthority = google, []string{"gmail.com", "GoogleMail.com"}
		}, ""},
		"authority at google with domains": {func(p *oidc.ProviderConfig) {
			p.IssuerURL, p.EmailAuthority, p.AllowedDomains = google, []string{"example.com"}, []string{"example.com"}
		}, ""},
		"graph_url":       {func(p *oidc.ProviderConfig) { p.GraphURL = "http://graph.test" }, "providers.op.graph_url: is plain http"},
		"graph_url query": {func(p *oidc.ProviderConfig) { p.GraphURL = "https://graph.test/v1.0?a" }, "providers.op.graph_url: holds a query"},
	} {
		_, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { tt.change(p) })
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
