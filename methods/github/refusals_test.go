package github_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		state  func(*world)
		reason string
		url    string // behind the server's address; "" for none
		silent string // what the reason must not hold
	}{
		"stranger":   {func(w *world) { w.hub.AddOrganization(githubtest.Organization{Login: "my-org"}) }, "not an active member", "", "my-org"},
		"invited":    {pendingIn("my-org"), "invited to the organization my-org", "/orgs/my-org/invitation", ""},
		"other team": {func(w *world) { w.organizations("my-org") }, "not in a team", "", "core"},
		"single sign-on": {func(w *world) {
			w.hub.AddOrganization(githubtest.Organization{ID: 55, Login: "my-org", SAML: true})
			w.hub.SetMembership("my-org", "Ada", githubtest.Active)
		}, "organization my-org on GitHub wants you to sign in", "/orgs/my-org/sso?authorization_request=A55", ""},
		"single sign-on, stranger": {func(w *world) {
			w.hub.AddOrganization(githubtest.Organization{Login: "my-org", SAML: true})
		}, "not an active member", "", "my-org"},
		"not approved": {func(w *world) {
			w.hub.AddOrganization(githubtest.Organization{Login: "my-org", RestrictsApps: true})
			w.hub.SetMembership("my-org", "Ada", githubtest.Active)
		}, "has not approved this application", "/settings/connections/applications/the-client", "my-org"},
		"another organization's single sign-on": {func(w *world) {
			w.hub.AddOrganization(githubtest.Organization{ID: 56, Login: "unrelated", SAML: true})
			w.hub.SetMembership("unrelated", "Ada", githubtest.Active)
		}, "(numbers 56)", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *github.Config) {
				c.AllowedOrganizations, c.AllowedTeams = []string{"my-org"}, map[string][]string{"my-org": {"core"}}
			}, withTLS)
			tt.state(w)
			id, tokens, err := w.login("Ada")
			w.refused(id, tokens, err, gateward.ErrNotAdmitted)
			said := notAdmitted(t, err)
			if !strings.Contains(said.Reason, tt.reason) || tt.silent != "" && strings.Contains(said.Reason, tt.silent) {
				t.Errorf("reason %q", said.Reason)
			}
			want := tt.url
			if want != "" {
				want = w.server.URL + want
			}
			if said.URL != want {
				t.Errorf("URL %q, want %q", said.URL, want)
			}
		})
	}
}

func TestSingleSignOnLetsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.hub.AddOrganization(githubtest.Organization{Login: "my-org", SAML: true})
	w.hub.SetMembership("my-org", "Ada", githubtest.Active)
	if _, _, err := w.login("Ada"); rule(err) != "allowed_organizations" {
		t.Errorf("without: %v", err)
	}
	w.hub.SignOn("my-org", "Ada", true)
	w.mustLogin("Ada")
}

// TestForeignAddressesAreNotPassedOn: a person is sent to GitHub, by https, or
// nowhere.
func TestForeignAddressesAreNotPassedOn(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://evil.example/sso", "http://127.0.0.1/sso", "javascript:alert(1)", "//evil.example", "https://user@127.0.0.1/", "",
	} {
		w := newWorld(t, allow("my-org"), withTLS)
		w.hub.Fail("/user/memberships/orgs", githubtest.Failure{
			Status: http.StatusForbidden, Header: http.Header{"X-Github-Sso": {"required; url=" + address}}, Body: `{"message":"canary"}`,
		})
		id, tokens, err := w.login("Ada")
		w.refused(id, tokens, err, gateward.ErrNotAdmitted)
		if said := notAdmitted(t, err); said.URL != "" || said.Rule != "allowed_organizations" || said.Reason == "" {
			t.Errorf("%s: said %+v", address, said)
		}
	}
}

// TestBlockedListsWithoutRules: where nothing here needs an organization, that one
// keeps a list back is no reason to refuse anybody, and not to be passed over.
func TestBlockedListsWithoutRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.Fail("/user/teams", githubtest.Failure{
		Status: http.StatusForbidden, Header: http.Header{"X-Github-Sso": {"required; url=https://github.com/orgs/x/sso"}}, Body: `{}`,
	})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrUnavailable)
}

// TestContradictionIsNoRefusal: lists are read page by page and may miss somebody
// while they change.
func TestContradictionIsNoRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	w.hub.Fail("/user/memberships/orgs", githubtest.Failure{Status: http.StatusOK, Body: `[]`})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrUnavailable)
}

func TestUnverifiedUserEmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, withTLS)
	w.hub.RequireVerifiedEmail()
	w.hub.SetEmails("Ada", githubtest.Email{Address: "a@x.test", Primary: true})
	_, tokens, err := w.login("Ada")
	wantKind(t, err, gateward.ErrNotAdmitted)
	if said := notAdmitted(t, err); said.Rule != "unverified_user_email" || !strings.Contains(said.Reason, "Verify") ||
		said.URL != w.server.URL+"/settings/emails" || tokens.AccessToken.Reveal() != "" {
		t.Errorf("said %+v", said)
	}
}

func TestWrongClient(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*github.Config)
		log    string
	}{
		"secret": {func(c *github.Config) { c.ClientSecret = gateward.NewSecret("canary-wrong") }, "GitHub does not accept the client secret"},
		"id":     {func(c *github.Config) { c.ClientID = "another" }, "there is no such application"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			a := newAttempt()
			c := w.authorize(a, "Ada")
			w.method = w.build(tt.change, nil)
			id, tokens, err := w.method.Exchange(t.Context(), c, a)
			w.refused(id, tokens, err, gateward.ErrUnavailable)
			if log := w.log.String(); !strings.Contains(log, tt.log) || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "remedy=") {
				t.Errorf("log %s", log)
			}
			if w.count("token failed") != 1 {
				t.Errorf("requests %v", w.counts)
			}
		})
	}
}

func TestCodesAreGoodOnceAndNotForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := newAttempt()
	c := w.authorize(a, "Ada")
	if _, _, err := w.method.Exchange(t.Context(), c, a); err != nil {
		t.Fatal(err)
	}
	id, tokens, err := w.method.Exchange(t.Context(), c, a)
	w.refused(id, tokens, err, gateward.ErrInvalidCredential)
	c = w.authorize(a, "Ada")
	w.pass(10 * time.Minute)
	id, tokens, err = w.method.Exchange(t.Context(), c, a)
	w.refused(id, tokens, err, gateward.ErrInvalidCredential)
}

func TestCallbacksThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := newAttempt()
	own, other := w.server.URL+"/login/oauth", "https://evil.example/login/oauth"
	c := w.authorize(a, "Ada")
	c.Issuer = &other
	id, tokens, err := w.method.Exchange(t.Context(), c, a)
	w.refused(id, tokens, err, gateward.ErrInvalidCredential)
	empty := c
	empty.Issuer, empty.Code = nil, gateward.Secret{}
	id, tokens, err = w.method.Exchange(t.Context(), empty, a)
	w.refused(id, tokens, err, gateward.ErrInvalidCredential)
	if n := w.hub.Requests("/login/oauth/access_token"); n != 0 {
		t.Errorf("%d token requests for no code of ours", n)
	}
	c.Issuer = &own
	if _, _, err := w.method.Exchange(t.Context(), c, a); err != nil {
		t.Errorf("with its own issuer: %v", err)
	}
}

func TestAdmitRefusesAnotherServersIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id, tokens := w.mustLogin("Ada")
	if err := w.method.Admit(&id); err != nil {
		t.Error(err)
	}
	id.Issuer = "https://github.com"
	wantKind(t, w.method.Admit(&id), gateward.ErrInvalidCredential)
	_, _, err := w.method.Refresh(t.Context(), id, tokens)
	wantKind(t, err, gateward.ErrInvalidCredential)
}
