package github_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// TestSEC_E04_RulesElsewhereSeeAll organizations and teams, so that one that wants
// somebody not to be in one is not met by everybody. Who enters, and Flipt's
// metadata, are the github block's.
func TestSEC_E04_RulesElsewhereSeeAll(t *testing.T) {
	t.Parallel()
	change := func(c *github.Config) {
		c.AllowedOrganizations, c.AllowedTeams = []string{"my-org"}, map[string][]string{"my-org": {"core"}}
		c.NeedsOrganizations = true
	}
	w := newWorld(t, change)
	w.organizations("My-Org", "Contractors")
	w.team("My-Org", "core", "")
	w.team("My-Org", "platform", "")
	w.team("Contractors", "night", "")
	want := func(id *gateward.Identity) {
		t.Helper()
		if !slices.Equal(id.Organizations, []string{"contractors", "my-org"}) ||
			!slices.Equal(id.Teams, []string{"contractors/night", "my-org/core", "my-org/platform"}) {
			t.Errorf("organizations %v, teams %v", id.Organizations, id.Teams)
		}
		if o, teams := id.Metadata["io.flipt.auth.github.organizations"], id.Metadata["io.flipt.auth.github.teams"]; o != `["My-Org"]` || teams != `{"My-Org":["core"]}` {
			t.Errorf("metadata %s, %s", o, teams)
		}
	}
	id, tokens := w.mustLogin("Ada")
	want(&id)
	if err := w.method.Admit(&id); err != nil {
		t.Error(err)
	}
	fresh, _, err := w.method.Refresh(t.Context(), id, tokens)
	if err != nil {
		t.Fatal(err)
	}
	want(&fresh)
	w.hub.SetTeam("My-Org", "core", "Ada", false)
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_teams" {
		t.Errorf("out of the team: %v", err)
	}
	w.hub.SetMembership("My-Org", "Ada", "")
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("out of the organization: %v", err)
	}
}

// TestSEC_E04_RulesElsewhereSeeAllOrNothing: a list that is too long is not cut to
// the organizations of the github block; whoever is in none of these is out.
func TestSEC_E04_RulesElsewhereSeeAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *github.Config) {
		c.AllowedOrganizations, c.NeedsOrganizations = []string{"my-org"}, true
	})
	w.organizations(names(990)...)
	w.organizations("my-org")
	id, tokens := w.mustLogin("Ada")
	if len(id.Organizations) != 991 {
		t.Errorf("%d organizations", len(id.Organizations))
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		w.hub.AddOrganization(githubtest.Organization{Login: name})
		w.hub.SetMembership(name, "Ada", githubtest.Active)
	}
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); !errors.Is(err, gateward.ErrUnavailable) || !personal(err) {
		t.Errorf("too many: %v", err)
	}
	w.hub.SetMembership("my-org", "Ada", "")
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("too many, and out: %v", err)
	}
}

// TestSEC_E01_OtherWritingsOfGitHub are github.com, too, where codes are bound to a
// verifier; what is no address of it is refused.
func TestSEC_E01_OtherWritingsOfGitHub(t *testing.T) {
	t.Parallel()
	off := false
	for address, issuer := range map[string]string{
		"https://github.com:443":     "https://github.com",
		"https://GitHub.com:443/":    "https://github.com",
		"https://github.com.":        "https://github.com",
		"https://github.com:":        "https://github.com",
		"https://x.ghe.com:443":      "https://x.ghe.com",
		"https://www.github.com":     "",
		"https://WWW.github.com:443": "",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			c := validConfig()
			c.ServerURL, c.UsePKCE = address, &off
			m, err := newMethod(c)
			if issuer == "" {
				e := (*gateward.ConfigError)(nil)
				if !errors.As(err, &e) || e.Key != "server_url" || e.Remedy != "write https://github.com, or remove it" {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Issuer() != issuer || len(m.Warnings()) != 1 || m.Warnings()[0].Key != "use_pkce" {
				t.Errorf("issuer %s, warnings %v", m.Issuer(), m.Warnings())
			}
			c.UsePKCE = nil
			if m, err = newMethod(c); err != nil {
				t.Fatal(err)
			}
			a := newAttempt()
			a.Verifier = gateward.Secret{}
			if _, err := m.AuthCodeURL(t.Context(), a); err == nil {
				t.Error("an attempt without a verifier has an address")
			}
		})
	}
}
