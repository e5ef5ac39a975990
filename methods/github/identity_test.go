package github_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	unfiltered := []string{"evil", "my-org", "third"}
	tests := map[string]struct {
		change        func(*github.Config)
		organizations []string
		teams         []string
		metadata      [2]string // organizations and teams, "" for none
	}{
		"everything": {nil, unfiltered, []string{"evil/core", "my-org/core", "my-org/sales"}, [2]string{
			`["My-Org","evil","third"]`, `{"My-Org":["core","sales"],"evil":["core"]}`,
		}},
		"allowed organizations": {allow("my-org", "third", "fourth"), []string{"my-org", "third"}, []string{"my-org/core", "my-org/sales"}, [2]string{
			`["My-Org","third"]`, `{"My-Org":["core","sales"]}`,
		}},
		"allowed teams": {func(c *github.Config) {
			c.AllowedOrganizations, c.AllowedTeams = []string{"my-org", "third"}, map[string][]string{"My-Org": {"Core"}, "third": {"x"}}
		}, []string{"my-org", "third"}, []string{"my-org/core"}, [2]string{`["My-Org","third"]`, `{"My-Org":["core"]}`}},
		"without the scope": {func(c *github.Config) { c.Scopes = []string{"user:email"} }, nil, nil, [2]string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.change)
			w.organizations("third", "evil", "My-Org")
			w.team("My-Org", "sales", "")
			w.team("My-Org", "core", "")
			w.team("evil", "core", "")
			id, _ := w.mustLogin("Ada")
			if !slices.Equal(id.Organizations, tt.organizations) || !slices.Equal(id.Teams, tt.teams) {
				t.Errorf("organizations %v, teams %v", id.Organizations, id.Teams)
			}
			if id.Method != "github" || id.Provider != "" || id.Name != "Ada Lovelace" || !id.AllScopes || !id.AuthTime.IsZero() || id.Claims != nil {
				t.Errorf("identity %+v", id)
			}
			want := map[string]string{
				"io.flipt.auth.email": "ada@example.com", "io.flipt.auth.github.email": "ada@example.com",
				"io.flipt.auth.name": "Ada Lovelace", "io.flipt.auth.github.name": "Ada Lovelace",
				"io.flipt.auth.picture":        "https://avatars.githubusercontent.com/u/101?v=4",
				"io.flipt.auth.github.picture": "https://avatars.githubusercontent.com/u/101?v=4",
				"io.flipt.auth.github.sub":     "101", "io.flipt.auth.github.preferred_username": "Ada",
			}
			for i, key := range []string{"organizations", "teams"} {
				if tt.metadata[i] != "" {
					want["io.flipt.auth.github."+key] = tt.metadata[i]
				}
			}
			if !maps.Equal(id.Metadata, want) {
				t.Errorf("metadata %v\nwant     %v", id.Metadata, want)
			}
		})
	}
}

// TestNullNameAndAddress is what Flipt makes of an account that shows neither.
func TestNullNameAndAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.AddUser(githubtest.User{ID: 7, Login: "mark"})
	w.hub.Fail("/user", githubtest.Failure{Status: http.StatusOK, Body: `{"login":"mark","id":7,"name":null,"email":null,"avatar_url":""}`})
	id, _ := w.mustLogin("mark")
	want := map[string]string{
		"io.flipt.auth.email": "7+mark@users.noreply.github.com", "io.flipt.auth.github.email": "7+mark@users.noreply.github.com",
		"io.flipt.auth.name": "mark", "io.flipt.auth.github.name": "mark",
		"io.flipt.auth.github.sub": "7", "io.flipt.auth.github.preferred_username": "mark",
	}
	if !maps.Equal(id.Metadata, want) || id.Email != "" || id.EmailVerified || id.Name != "mark" {
		t.Errorf("identity %+v", id)
	}
}

// TestNamesBeyondASCIIAreNotFolded: the Kelvin sign is no k.
func TestNamesBeyondASCIIAreNotFolded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("kelvin"))
	w.hub.Fail("/user/memberships/orgs", githubtest.Failure{
		Status: http.StatusOK, Body: `[{"state":"active","organization":{"id":1,"login":"\u212Aelvin"}}]`,
	})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrNotAdmitted)
}

func TestEnterpriseServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *github.Config) {
		c.APIURL, c.UsePKCE = "", nil
		c.AllowedOrganizations = []string{"my-org"}
	}, enterprise, withTLS)
	w.organizations(names(120)...)
	w.organizations("my-org")
	id, tokens := w.mustLogin("Ada")
	if id.Issuer != w.server.URL || !slices.Equal(id.Organizations, []string{"my-org"}) {
		t.Errorf("identity %+v", id)
	}
	w.hub.SetMembership("my-org", "Ada", "")
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("removed: %v", err)
	}
	// Its authority is not the system's.
	w.method = w.build(func(c *github.Config) { c.CAPath = "" }, nil)
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrUnavailable)
}

// TestGitHubApp: its tokens have no scopes, and what it may not read is refused.
func TestGitHubApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	_, own := w.mustLogin("Ada")
	w.server.Config.Handler = appTokens(w.hub, own.AccessToken.Reveal())
	w.hub.Fail("/user/emails", githubtest.Failure{Status: http.StatusForbidden, Body: `{"message":"Resource not accessible by integration"}`})
	id, tokens := w.mustLogin("Ada")
	if !strings.HasPrefix(tokens.AccessToken.Reveal(), "ghu_") || id.Email != "" || len(id.Organizations) != 1 {
		t.Errorf("identity %+v", id)
	}
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil {
		t.Error(err)
	}
}

// appTokens makes a server answer as to a GitHub App whose token stands for another
// one of an application.
func appTokens(hub http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login/oauth/access_token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"ghu_1","token_type":"bearer","scope":""}`))
			return
		}
		if r.Header.Get("Authorization") == "Bearer ghu_1" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		hub.ServeHTTP(&withoutScopes{w}, r)
	})
}

type withoutScopes struct{ http.ResponseWriter }

func (w *withoutScopes) WriteHeader(status int) {
	w.Header().Del("X-Oauth-Scopes")
	w.ResponseWriter.WriteHeader(status)
}

func (w *withoutScopes) Write(b []byte) (int, error) {
	w.Header().Del("X-Oauth-Scopes")
	return w.ResponseWriter.Write(b)
}
