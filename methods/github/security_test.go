package github_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

func TestSEC_E01_PKCEAndState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *github.Config) { c.ServerURL, c.APIURL, c.UsePKCE = "", "", nil })
	a := newAttempt()
	address, err := w.method.AuthCodeURL(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(a.Verifier.Reveal()))
	q := u.Query()
	if u.Scheme+"://"+u.Host+u.Path != "https://github.com/login/oauth/authorize" || q.Get("state") != a.State ||
		q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("code_challenge_method") != "S256" {
		t.Errorf("address %s", address)
	}
	if strings.Contains(address, a.Verifier.Reveal()) || strings.Contains(address, "canary") {
		t.Errorf("a secret is in %s", address)
	}
	a.State = ""
	if _, err := w.method.AuthCodeURL(t.Context(), a); err == nil {
		t.Error("an attempt without state has an address")
	}

	// The server checks the verifier, so that a success shows that it was sent.
	w = newWorld(t, nil)
	w.mustLogin("Ada")
	a = newAttempt()
	c := w.authorize(a, "Ada")
	a.Verifier = gateward.NewSecret(random())
	id, tokens, err := w.method.Exchange(t.Context(), c, a)
	w.refused(id, tokens, err, gateward.ErrInvalidCredential)
}

func TestSEC_E02_SubjectIsTheNumericID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first, _ := w.mustLogin("Ada")
	if first.Subject != "101" || first.Issuer != w.server.URL {
		t.Fatalf("principal %+v", first.Principal)
	}
	w.hub.Rename("Ada", "countess")
	renamed, _ := w.mustLogin("countess")
	if renamed.Principal != first.Principal {
		t.Errorf("after a new login: %+v", renamed.Principal)
	}
	w.hub.AddUser(githubtest.User{ID: 102, Login: "Ada", Name: "Somebody"})
	other, _ := w.mustLogin("Ada")
	if other.Principal == first.Principal || other.Subject != "102" {
		t.Errorf("another account with the old login: %+v", other.Principal)
	}
	for name, body := range map[string]string{
		"empty": `{}`, "no id": `{"login":"Ada"}`, "id zero": `{"login":"Ada","id":0}`, "id negative": `{"login":"Ada","id":-1}`,
		"id a string": `{"login":"Ada","id":"101"}`, "id a fraction": `{"login":"Ada","id":101.5}`, "a list": `[]`, "nothing": `null`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.hub.Fail("/user", githubtest.Failure{Status: http.StatusOK, Body: body})
			id, tokens, err := w.login("Ada")
			w.refused(id, tokens, err, gateward.ErrUnavailable)
		})
	}
}

func TestSEC_E03_OnlyThePrimaryVerifiedAddressCounts(t *testing.T) {
	t.Parallel()
	many := make([]githubtest.Email, 120)
	for i := range many {
		many[i] = githubtest.Email{Address: fmt.Sprintf("ada%d@example.com", i), Verified: true}
	}
	many[110] = githubtest.Email{Address: "last@example.com", Primary: true, Verified: true}
	tests := map[string]struct {
		emails []githubtest.Email
		scopes []string
		want   string
	}{
		"primary verified":    {[]githubtest.Email{{Address: "a@x.test", Primary: true, Verified: true}}, nil, "a@x.test"},
		"primary unverified":  {[]githubtest.Email{{Address: "a@x.test", Primary: true}, {Address: "b@x.test", Verified: true}}, nil, ""},
		"public unverified":   {[]githubtest.Email{{Address: "ceo@x.test", Primary: true, Public: true}}, nil, ""},
		"none":                {nil, nil, ""},
		"second page":         {many, nil, "last@example.com"},
		"by the scope user":   {[]githubtest.Email{{Address: "a@x.test", Primary: true, Verified: true}}, []string{"user"}, "a@x.test"},
		"without the scope":   {[]githubtest.Email{{Address: "a@x.test", Primary: true, Verified: true, Public: true}}, []string{"read:org"}, ""},
		"of read:user public": {[]githubtest.Email{{Address: "a@x.test", Primary: true, Verified: true, Public: true}}, []string{"read:user"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *github.Config) {
				if tt.scopes != nil {
					c.Scopes = tt.scopes
				}
			})
			w.hub.SetEmails("Ada", tt.emails...)
			id, _ := w.mustLogin("Ada")
			if id.Email != tt.want || id.EmailVerified != (tt.want != "") {
				t.Errorf("address %q verified %v, want %q", id.Email, id.EmailVerified, tt.want)
			}
			address := tt.want
			if address == "" {
				address = "101+Ada@users.noreply.github.com"
			}
			if got := id.Metadata["io.flipt.auth.github.email"]; got != address {
				t.Errorf("metadata address %q, want %q", got, address)
			}
		})
	}
}

func TestSEC_E04_MembershipIsActiveAndBoundToItsOrganization(t *testing.T) {
	t.Parallel()
	teams := func(c *github.Config) {
		c.AllowedOrganizations = []string{"my-org", "third"}
		c.AllowedTeams = map[string][]string{"my-org": {"Core"}}
	}
	tests := map[string]struct {
		config func(*github.Config)
		state  func(*world)
		rule   string // "" if the person enters
	}{
		"member":                     {allow("my-org"), func(w *world) { w.organizations("my-org") }, ""},
		"names have no case":         {allow("MY-Org"), func(w *world) { w.organizations("My-oRG") }, ""},
		"in none":                    {allow("my-org"), func(w *world) { w.hub.AddOrganization(githubtest.Organization{Login: "my-org"}) }, "allowed_organizations"},
		"in another":                 {allow("my-org"), func(w *world) { w.organizations("my-org2", "my", "org") }, "allowed_organizations"},
		"organization on page 2":     {allow("my-org"), func(w *world) { w.organizations(names(130)...); w.organizations("my-org") }, ""},
		"pending":                    {allow("my-org"), pendingIn("my-org"), "allowed_organizations"},
		"in the team":                {teams, func(w *world) { w.organizations("my-org"); w.team("my-org", "core", "") }, ""},
		"in a child of the team":     {teams, func(w *world) { w.organizations("my-org"); w.childTeam("my-org", "core", "kernel") }, ""},
		"in no team":                 {teams, func(w *world) { w.organizations("my-org") }, "allowed_teams"},
		"in another team":            {teams, func(w *world) { w.organizations("my-org"); w.team("my-org", "sales", "") }, "allowed_teams"},
		"same team elsewhere":        {teams, func(w *world) { w.organizations("my-org", "evil"); w.team("evil", "core", "") }, "allowed_teams"},
		"organization without teams": {teams, func(w *world) { w.organizations("third"); w.team("third", "core", "") }, "allowed_teams"},
		"team of a pending member":   {teams, func(w *world) { pendingIn("my-org")(w); w.team("my-org", "core", "") }, "allowed_organizations"},
		"team on page 2": {teams, func(w *world) {
			w.organizations("my-org")
			for _, slug := range names(120) {
				w.team("my-org", slug, "")
			}
			w.team("my-org", "core", "")
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.config)
			tt.state(w)
			id, tokens, err := w.login("Ada")
			if tt.rule == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := w.method.Admit(&id); err != nil {
					t.Errorf("admitted at login, and then: %v", err)
				}
				return
			}
			w.refused(id, tokens, err, gateward.ErrNotAdmitted)
			if rule(err) != tt.rule {
				t.Errorf("refused by %s, want %s", rule(err), tt.rule)
			}
			if rule(w.method.Admit(&id)) != tt.rule {
				t.Error("refused at login, and admitted later")
			}
		})
	}
}

// TestSEC_E04_StateIsReadNotAskedFor: a server that takes no notice of the
// parameter state lists invitations, too.
func TestSEC_E04_StateIsReadNotAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.hub.Fail("/user/memberships/orgs", githubtest.Failure{
		Status: http.StatusOK, Body: `[{"state":"pending","organization":{"id":1,"login":"my-org"}}]`,
	})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrNotAdmitted)
}

func TestSEC_E04_ListsAreReadToTheEndOrNotAtAll(t *testing.T) {
	t.Parallel()
	endless := func(w *world, link string) githubtest.Failure {
		return githubtest.Failure{
			Status: http.StatusOK, Body: `[{"state":"active","organization":{"id":1,"login":"my-org"}}]`,
			Header: http.Header{"Link": {fmt.Sprintf(link, w.server.URL)}},
		}
	}
	tests := map[string]string{
		"endless":        `<%s/user/memberships/orgs?page=7>; rel="next"`,
		"another host":   `<https://evil.example/%.0s?page=2>; rel="next"`,
		"another scheme": `<ftp://127.0.0.1/%.0s?page=2>; rel="next"`,
		"relative":       `</user/memberships/orgs%.0s?page=2>; rel="next"`,
		"user in it":     `<http://canary@127.0.0.1/%.0s?page=2>; rel="next"`,
	}
	for name, link := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, change := range []func(*github.Config){nil, allow("my-org")} {
				w := newWorld(t, change)
				w.hub.Fail("/user/memberships/orgs", endless(w, link))
				id, tokens, err := w.login("Ada")
				want := gateward.ErrUnavailable
				if name == "endless" && change != nil {
					want = gateward.ErrNotAdmitted // the organization itself is asked about
				}
				w.refused(id, tokens, err, want)
				if n := w.hub.Requests("/user/memberships/orgs"); n > 50 {
					t.Errorf("%d requests", n)
				}
			}
		})
	}
}

// TestSEC_E04_TokenStaysAtItsHost: the next page is asked for where the first was,
// or not at all.
func TestSEC_E04_TokenStaysAtItsHost(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the token went to another host")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`[{"state":"active","organization":{"id":1,"login":"my-org"}}]`))
	}))
	t.Cleanup(elsewhere.Close)
	for name, f := range map[string]githubtest.Failure{
		"link":     {Status: http.StatusOK, Body: `[]`, Header: http.Header{"Link": {`<` + elsewhere.URL + `/user/memberships/orgs?page=2>; rel="next"`}}},
		"redirect": {Status: http.StatusTemporaryRedirect, Body: `{}`, Header: http.Header{"Location": {elsewhere.URL}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allow("my-org"))
			w.hub.Fail("/user/memberships/orgs", f)
			id, tokens, err := w.login("Ada")
			w.refused(id, tokens, err, gateward.ErrUnavailable)
		})
	}
	w := newWorld(t, nil)
	w.hub.Fail("/login/oauth/access_token", githubtest.Failure{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere.URL}}})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrUnavailable)
}

// names returns n names of organizations or teams.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("group-%03d", i)
	}
	return all
}

func pendingIn(organization string) func(*world) {
	return func(w *world) {
		w.hub.AddOrganization(githubtest.Organization{Login: organization})
		w.hub.SetMembership(organization, "Ada", githubtest.Pending)
	}
}

// team creates a team with ada in it.
func (w *world) team(organization, slug, parent string) {
	w.hub.AddTeam(organization, slug, parent)
	w.hub.SetTeam(organization, slug, "Ada", true)
}

// childTeam creates a team and one below it, with ada in the latter only.
func (w *world) childTeam(organization, parent, child string) {
	w.hub.AddTeam(organization, parent, "")
	w.team(organization, child, parent)
}
