package main

import (
	"testing"

	"github.com/gateward/gateward/internal/config"
)

// TestNeedsOfLogins: a login is told what is decided outside its own block.
func TestNeedsOfLogins(t *testing.T) {
	t.Parallel()
	require := func(r config.Require) func(*config.Config) {
		return func(c *config.Config) { c.Rules = []config.Rule{{Name: "a"}, {Name: "b", Require: r}} }
	}
	link := func(c *config.Config) { c.Authentication.AccountLinking = "verified_email" }
	for name, tt := range map[string]struct {
		change                       func(*config.Config)
		email, groups, believed, hub bool // needed of corp, and of its address of those that are believed
	}{
		"nothing":   {change: func(*config.Config) {}},
		"groups":    {change: require(config.Require{Groups: []string{"a"}}), groups: true},
		"condition": {change: require(config.Require{When: `!("a" in identity.groups)`}), groups: true},
		"admins":    {change: func(c *config.Config) { c.Authentication.Admins.Groups = []string{"a"} }, groups: true},
		"addresses": {change: require(config.Require{Emails: []string{"a@example.com"}}), email: true, believed: true, hub: true},
		"linking":   {change: link, believed: true},
		"linking at GitHub": {change: func(c *config.Config) {
			link(c)
			c.Authentication.Methods.GitHub.EmailAuthority = []string{"example.com"}
		}, believed: true, hub: true},
	} {
		c := config.Default()
		c.Authentication.Methods.OIDC.Providers = map[string]config.OIDCProvider{"corp": {}, "believed": {EmailAuthority: []string{"example.com"}}}
		tt.change(&c)
		got := oidcConfig(&c).Providers
		for provider, email := range map[string]bool{"corp": tt.email, "believed": tt.believed} {
			if p := got[provider]; p.NeedsEmail != email || p.NeedsGroups != tt.groups {
				t.Errorf("%s: %s needs an address: %v, groups: %v", name, provider, p.NeedsEmail, p.NeedsGroups)
			}
		}
		if hub := githubConfig(&c); hub.NeedsEmail != tt.hub {
			t.Errorf("%s: GitHub needs an address: %v", name, hub.NeedsEmail)
		}
	}
}
