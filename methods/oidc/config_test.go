package oidc_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	c := oidc.ProviderConfig{
		IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test/",
		AllowFrontChannelLogout: true,
	}
	named := c
	named.DisplayName = "Example Inc."
	m, err := oidc.New(t.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"z": c, "a": named, "m": c}},
		oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var got []string
	for _, p := range m.Providers() {
		got = append(got, p.Method()+" "+p.Name()+" "+p.DisplayName())
	}
	if want := "oidc a Example Inc.|oidc m m|oidc z z"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if allowed, issuer := m.Providers()[0].FrontChannel(); !allowed || issuer != "https://issuer.test" {
		t.Errorf("front channel %v, %q", allowed, issuer)
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	minus := -time.Second
	tests := map[string]struct {
		change func(*oidc.Config, *oidc.ProviderConfig)
		want   string // beginning of the error's text
	}{
		"issuer_url missing":      {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "" }, "providers.op.issuer_url: non-empty value is required"},
		"discovery_url alone":     {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL, p.DiscoveryURL = "", "https://x.test" }, "providers.op.issuer_url: non-empty value is required"},
		"issuer_url http":         {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "http://issuer.test" }, "providers.op.issuer_url: is plain http"},
		"issuer_url query":        {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "https://issuer.test?x" }, "providers.op.issuer_url: an issuer has neither"},
		"issuer_url no URL":       {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "issuer.test" }, "providers.op.issuer_url: is not an https address"},
		"issuer_url user":         {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "https://canary@issuer.test" }, "providers.op.issuer_url: holds user information"},
		"discovery_url":           {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.DiscoveryURL = "http://x.test" }, "providers.op.discovery_url: is plain http"},
		"client_id":               {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.ClientID = "" }, "providers.op.client_id: non-empty value is required"},
		"client_secret":           {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.ClientSecret = gateward.Secret{} }, "providers.op.client_secret: non-empty value is required"},
		"redirect_address":        {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.RedirectAddress = "" }, "providers.op.redirect_address: non-empty value is required"},
		"redirect_address no URL": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.RedirectAddress = "app.test" }, "providers.op.redirect_address: is not the address of a site"},
		"redirect_address query":  {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.RedirectAddress = "https://a.test/?x" }, "providers.op.redirect_address: is not the address of a site"},
		"scope":                   {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Scopes = []string{"a b"} }, "providers.op.scopes[0]: "},
		"HS256":                   {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Algorithms = []string{"RS256", "HS256"} }, "providers.op.algorithms[1]: unknown or symmetric"},
		"none":                    {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Algorithms = []string{"none"} }, "providers.op.algorithms[0]: "},
		"claims_mapping key":      {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.ClaimsMapping = map[string]string{"x": "y"} }, `providers.op.claims_mapping: invalid claim key "x"`},
		"claims_mapping pointer":  {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.ClaimsMapping = map[string]string{"name": "/a~2"} }, `providers.op.claims_mapping: invalid expression for key "name"`},
		"claims_mapping /":        {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.ClaimsMapping = map[string]string{"name": "/"} }, `providers.op.claims_mapping: invalid expression for key "name"`},
		"groups_claim":            {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.GroupsClaim = "/" }, "providers.op.groups_claim: "},
		"allowed_groups":          {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{""} }, "providers.op.allowed_groups: a group is empty"},
		"ca_path missing":         {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.CAPath = pem + ".none" }, "providers.op.ca_path: "},
		"ca_path empty":           {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.CAPath = pem }, "providers.op.ca_path: "},
		"max_age":                 {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.MaxAge = &minus }, "providers.op.max_age: "},
		"cache_ttl":               {func(c *oidc.Config, _ *oidc.ProviderConfig) { c.CacheTTL = -1 }, "cache_ttl: "},
		"email_matches":           {func(c *oidc.Config, _ *oidc.ProviderConfig) { c.EmailMatches = []string{"^a$", "a(("} }, "email_matches[1]: failed compiling string for pattern: a((: error parsing regexp"},
		"email_matches closed":    {func(c *oidc.Config, _ *oidc.ProviderConfig) { c.EmailMatches = []string{"a)|(?:b"} }, "email_matches[0]: failed compiling"},
		"email_matches empty":     {func(c *oidc.Config, _ *oidc.ProviderConfig) { c.EmailMatches = []string{""} }, "email_matches[0]: a pattern is empty"},
		"max_age parameter":       {parameter("max_age", "soon"), `providers.op.authorize_parameters["max_age"]: `},
		"prompt":                  {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Prompt = "login none" }, "providers.op.prompt: none forbids"},
		"prompt parameter":        {parameter("prompt", "none"), `providers.op.authorize_parameters["prompt"]: none forbids`},
		"acr_values empty":        {parameter("acr_values", " "), `providers.op.authorize_parameters["acr_values"]: is empty`},
		"acr_values twice": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.AuthorizeParameters = map[string]string{"acr_values": "a", "ACR_VALUES": "b"}
		}, `providers.op.authorize_parameters["acr_values"]: is empty, or there twice`},
		"scope parameter": {parameter("scope", "profile"), `providers.op.authorize_parameters["scope"]: `},
	}
	for _, name := range []string{"state", "nonce", "redirect_uri", "response_type", "client_id", "code_challenge", "code_challenge_method", "response_mode", "request", "request_uri", "Nonce"} {
		tests[name+" parameter"] = struct {
			change func(*oidc.Config, *oidc.ProviderConfig)
			want   string
		}{parameter(name, "x"), `providers.op.authorize_parameters["` + name + `"]: `}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := configure(t, tt.change)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %s", err, tt.want)
			}
			if m != nil {
				t.Error("a method beside an error")
			}
			if ce := (*gateward.ConfigError)(nil); !errors.As(err, &ce) || ce.Warning {
				t.Errorf("%T is no problem of the configuration", err)
			}
		})
	}
}

func parameter(name, value string) func(*oidc.Config, *oidc.ProviderConfig) {
	return func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AuthorizeParameters = map[string]string{name: value} }
}

// configure builds a method that never asks its provider.
func configure(t *testing.T, change func(*oidc.Config, *oidc.ProviderConfig)) (*oidc.Method, error) {
	t.Helper()
	pc := oidc.ProviderConfig{
		IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("canary"),
		RedirectAddress: "https://app.test", Scopes: []string{"email"},
	}
	c := oidc.Config{}
	change(&c, &pc)
	c.Providers = map[string]oidc.ProviderConfig{"op": pc}
	m, err := oidc.New(t.Context(), c, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if m != nil {
		t.Cleanup(m.Close)
	}
	return m, err
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	match := func(patterns ...string) func(*oidc.Config, *oidc.ProviderConfig) {
		return func(c *oidc.Config, _ *oidc.ProviderConfig) { c.EmailMatches = patterns }
	}
	tests := map[string]struct {
		change func(*oidc.Config, *oidc.ProviderConfig)
		want   string // part of the only warning, "" for none
	}{
		"nothing":        {func(*oidc.Config, *oidc.ProviderConfig) {}, ""},
		"nonce":          {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Nonce = "static" }, "providers.op.nonce: has no effect"},
		"use_pkce false": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.UsePKCE = no() }, "providers.op.use_pkce: "},
		"use_pkce true":  {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.UsePKCE = yes() }, ""},
		"http":           {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.RedirectAddress = "http://app.test" }, "providers.op.redirect_address: "},
		"http loopback":  {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.RedirectAddress = "http://localhost:8080" }, ""},
		"scopes lack email": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			c.EmailMatches, p.Scopes = []string{`^.*@example\.com$`}, nil
		}, "providers.op.scopes: lack email"},
		"address from upn": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			c.EmailMatches, p.ClaimsMapping = []string{`^.*@example\.com$`}, map[string]string{"email": "upn"}
		}, "providers.op.claims_mapping: takes the address"},
		"prompt login": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Prompt = "consent login" }, "providers.op.prompt: login is only asked for"},
		"prompt login and max_age": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.Prompt, p.AuthorizeParameters = "login", map[string]string{"max_age": "60"}
		}, ""},
		"prompt, a parameter":  {parameter("prompt", "login"), "providers.op.prompt: login is only asked for"},
		"prompt of other uses": {parameter("prompt", "consent select_account"), ""},
		"acr_values":           {parameter("acr_values", "urn:mfa"), ""},
		"hd":                   {parameter("hd", "example.com"), `providers.op.authorize_parameters["hd"]: admits only ID tokens with this claim hd`},
		"hd at google": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			parameter("hd", "example.com")(c, p)
			p.IssuerURL = "https://accounts.google.com"
		}, ""},
		"allowed_domains without email": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.Scopes, p.AllowedDomains = nil, []string{"example.com"}
		}, "providers.op.scopes: lack email, so that most providers send no address and allowed_domains admits nobody"},
		"allowed_domains without email at google": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.IssuerURL, p.Scopes, p.AllowedDomains = "https://accounts.google.com", nil, []string{"example.com"}
		}, ""},
		"allowed_domains of unverified addresses": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.RequireVerifiedEmail, p.AllowedDomains = no(), []string{"example.com"}
		}, "providers.op.require_verified_email: has no effect on allowed_domains"},
		"graph_url and another claim": {func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.GraphURL, p.GroupsClaim = "https://graph.microsoft.com/v1.0", "roles"
		}, "providers.op.graph_url: has no effect"},
		"organization": {parameter("organization", "org_1"), `providers.op.authorize_parameters["organization"]: is only asked for`},
		"organization and domains": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			parameter("organization", "org_1")(c, p)
			p.AllowedDomains = []string{"example.com"}
		}, ""},
		"organization and groups": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			parameter("organization", "org_1")(c, p)
			p.AllowedGroups = []string{"staff"}
		}, ""},
		"claims": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			parameter("claims", `{"id_token":{"acr":{"essential":true}}}`)(c, p)
			match(`^.*@example\.com$`)(c, p)
		}, `providers.op.authorize_parameters["claims"]: is only asked for`},
		"display":      {parameter("display", "page"), ""},
		"good pattern": {match(`^.*@example\.com$`, `\A[a.b]+@x\.test\z`), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := configure(t, tt.change)
			if err != nil {
				t.Fatal(err)
			}
			w := m.Warnings()
			if tt.want == "" && len(w) > 0 || tt.want != "" && (len(w) != 1 || !strings.Contains(w[0].Error(), tt.want) || !w[0].Warning) {
				t.Errorf("warnings %v, want %q", w, tt.want)
			}
		})
	}
	m, err := oidc.New(t.Context(), oidc.Config{}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil || len(m.Warnings()) != 1 {
		t.Errorf("no provider: %v", err)
	}
}

func TestProviderNames(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"google": "", "a.b-c_D~1": "", "": `providers[""]`, "a/b": `providers["a/b"]`, "..": `providers[".."]`, "ü": `providers["ü"]`, "a?b": `providers["a?b"]`} {
		c := oidc.ProviderConfig{IssuerURL: "https://i.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://a.test"}
		_, err := oidc.New(t.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{name: c}}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if key == "" && err != nil || key != "" && (err == nil || !strings.HasPrefix(err.Error(), key+": ")) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
