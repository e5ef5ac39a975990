package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// documentedSite serves one of Flipt's documented examples, character by character;
// what it lacks for a login is in the environment.
func documentedSite(t *testing.T, example string) *site {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(envoytest.Root(t), "internal/config/testdata/documented", example))
	if err != nil {
		t.Fatal(err)
	}
	s := startSite(t, siteOptions{config: func(*site) string { return string(text) }, env: githubEnv})
	for _, o := range []string{"my-org", "my-other-org", "elsewhere"} {
		s.github.AddOrganization(githubtest.Organization{Login: o})
	}
	s.github.AddTeam("my-org", "my-team", "")
	s.github.AddTeam("my-other-org", "my-other-team", "")
	s.github.AddTeam("elsewhere", "my-team", "")
	return s
}

// join gives somebody an account and puts them into an organization and, unless it
// is "", one of its teams.
func (g *github) join(login, organization, state, team string) {
	g.addUser(login, login+"@example.com", true)
	g.SetMembership(organization, login, state)
	if team != "" {
		g.SetTeam(organization, team, login, true)
	}
}

// refused checks the page for somebody who has logged in and may not enter: it says
// why, and there is no session, though the cookie of one that has ended may be there.
func (t *tab) refused(s *site, because string) {
	t.tb.Helper()
	if got := t.status(); got != http.StatusForbidden {
		t.tb.Errorf("at %s: got %d, want 403:\n%s", t.address(), got, t.text())
	}
	t.shows("This account does not have access", because, "Use another account")
	for _, cookie := range t.soon().MustCookies(s.origin) {
		if cookie.Name == cookieName && s.status(t.tb, s.client(t.tb), "/", cookie.Value) != http.StatusUnauthorized {
			t.tb.Error("who may not enter has a session")
		}
	}
}

// TestDocumentedGitHubOrganizations: the documented example with organizations lets
// their members in, and tells everybody else why not.
func TestDocumentedGitHubOrganizations(t *testing.T) {
	t.Parallel()
	s := documentedSite(t, "github-orgs.yaml")
	c := startChromium(t, s.spki)

	t.Run("member of an organization on page 2", func(t *testing.T) {
		s.github.addUser("ada", "ada@example.com", true)
		for i := range 130 { // GitHub lists a hundred at once, in this order
			name := fmt.Sprintf("club-%d", i)
			s.github.AddOrganization(githubtest.Organization{Login: name})
			s.github.SetMembership(name, "ada", githubtest.Active)
		}
		s.github.AddOrganization(githubtest.Organization{Login: "My-Other-Org"})
		s.github.SetMembership("my-other-org", "ada", githubtest.Active)
		tab := c.person(t).open(s.origin + "/reports/7?from=a%20mail&b=1")
		tab.chooseAt(s.github, "ada")
		if got, want := tab.address(), s.origin+"/reports/7?from=a%20mail&b=1"; got != want {
			t.Errorf("came back to %s, want %s", got, want)
		}
		tab.shows("GET /reports/7?from=a%20mail&b=1", "x-auth-request-user: ", "x-auth-request-method: github")
	})
	t.Run("invited and not a member yet", func(t *testing.T) {
		s.github.join("penny", "my-org", githubtest.Pending, "")
		tab := c.person(t).open(s.origin + "/")
		tab.chooseAt(s.github, "penny")
		tab.refused(s, "You are invited to the organization my-org on GitHub, and not a member yet.")
		// Having accepted, she needs no help to come in.
		s.github.SetMembership("my-org", "penny", githubtest.Active)
		tab.visit(s.origin + "/now")
		tab.shows("GET /now", "x-auth-request-method: github")
	})
	t.Run("member of another organization", func(t *testing.T) {
		s.github.join("linus", "elsewhere", githubtest.Active, "my-team")
		tab := c.person(t).open(s.origin + "/")
		tab.chooseAt(s.github, "linus")
		tab.refused(s, "You are not an active member of an organization on GitHub that may enter.")
	})
	t.Run("use another account", func(t *testing.T) {
		s.github.join("grace", "my-org", githubtest.Active, "")
		tab := c.person(t).open(s.origin + "/deep?link=1")
		tab.chooseAt(s.github, "linus")
		tab.refused(s, "")
		tab.visit(s.origin + "/deep?link=1")
		tab.refused(s, "") // GitHub knows the browser, and does not ask again by itself
		tab.clickText("a", "Use another account")
		tab.chooseAt(s.github, "grace")
		tab.shows("GET /deep?link=1", "x-auth-request-method: github")
	})
}

// TestDocumentedGitHubTeams: the documented example with teams. A team is one of its
// organization's, whatever others are called.
func TestDocumentedGitHubTeams(t *testing.T) {
	t.Parallel()
	s := documentedSite(t, "github-teams.yaml")
	c := startChromium(t, s.spki)
	s.github.join("ada", "my-org", githubtest.Active, "my-team")
	s.github.join("bob", "my-other-org", githubtest.Active, "my-other-team")
	s.github.join("linus", "elsewhere", githubtest.Active, "my-team")
	// Mallory has a team of the right name, though not in the organization that she
	// is a member of; Oscar is in no team at all.
	s.github.join("mallory", "elsewhere", githubtest.Active, "my-team")
	s.github.SetMembership("my-org", "mallory", githubtest.Active)
	s.github.join("oscar", "my-org", githubtest.Active, "")
	for login, because := range map[string]string{
		"ada": "", "bob": "",
		"linus":   "You are not an active member of an organization on GitHub that may enter.",
		"mallory": "You are not in a team on GitHub that may enter.",
		"oscar":   "You are not in a team on GitHub that may enter.",
	} {
		tab := c.person(t).open(s.origin + "/")
		tab.chooseAt(s.github, login)
		if because == "" {
			tab.shows("GET /", "x-auth-request-method: github")
			continue
		}
		tab.refused(s, because)
	}
}

// TestRemovedMemberLosesAccess: who is removed from the organization is out when the
// membership is checked again, and is told why at the next login, which GitHub makes
// without a question.
func TestRemovedMemberLosesAccess(t *testing.T) {
	t.Parallel()
	s := documentedSite(t, "github-orgs.yaml")
	s.github.join("ada", "my-org", githubtest.Active, "")
	tab := startChromium(t, s.spki).person(t).open(s.origin + "/")
	tab.chooseAt(s.github, "ada")
	tab.shows("x-auth-request-method: github")
	token, client := tab.clientToken(s.origin), s.client(t)

	s.github.SetMembership("my-org", "ada", "")
	again := time.Now().Add(time.Minute) // recheck_interval
	envoytest.Eventually(t, "the end of the session", time.Minute+patience, func(context.Context) error {
		if time.Now().Before(again) {
			return errors.New("not yet")
		}
		if status := s.status(t, client, "/", token); status != http.StatusUnauthorized {
			return fmt.Errorf("got %d, want 401", status)
		}
		return nil
	})
	tab.visit(s.origin + "/")
	tab.refused(s, "You are not an active member of an organization on GitHub that may enter.")
}
