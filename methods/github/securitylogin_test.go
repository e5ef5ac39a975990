package github_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

func TestSEC_E05_FailuresCloseTheLogin(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) githubtest.Failure {
		return githubtest.Failure{Status: status, Body: body}
	}
	for _, path := range []string{"/user", "/user/emails", "/user/memberships/orgs", "/user/teams"} {
		for name, f := range map[string]githubtest.Failure{
			"500":             answer(500, `{"message":"canary"}`),
			"502":             answer(502, `<html>canary`),
			"403":             answer(403, `{"message":"canary"}`),
			"404":             answer(404, `{"message":"Not Found"}`),
			"redirect":        {Status: 302, Header: http.Header{"Location": {"https://evil.example/"}}},
			"not JSON":        {Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "[]"},
			"truncated":       answer(200, `[{"state":"active"`),
			"something else":  answer(200, `"canary"`),
			"null":            answer(200, `null`),
			"304 unasked for": {Status: 304},
			"too long":        answer(200, `[]`+strings.Repeat(" ", 5<<20)),
			"gone away": {Handler: func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			}},
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, allow("my-org"))
				w.organizations("my-org")
				w.hub.Fail(path, f)
				id, tokens, err := w.login("Ada")
				w.refused(id, tokens, err, gateward.ErrUnavailable)
				if e := (*gateward.UnavailableError)(nil); !errors.As(err, &e) || e.Reason == "" {
					t.Errorf("nothing for the person to read in %v", err)
				}
			})
		}
	}
}

func TestSEC_E06_GrantedScopesAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config  func(*github.Config)
		granted []string
		rule    string
	}{
		"all":                               {allow("my-org"), []string{"read:org", "user:email"}, ""},
		"no read:org":                       {allow("my-org"), []string{"user:email"}, "scopes"},
		"nothing":                           {allow("my-org"), nil, "scopes"},
		"implied by admin:org":              {allow("my-org"), []string{"admin:org"}, ""},
		"implied by write:org":              {allow("my-org"), []string{"write:org"}, ""},
		"not implied by user":               {allow("my-org"), []string{"user"}, "scopes"},
		"no read:org, which nobody needs":   {nil, []string{"user:email"}, ""},
		"no read:org, needed elsewhere":     {func(c *github.Config) { c.NeedsOrganizations = true }, []string{"user:email"}, "scopes"},
		"no user:email, which nobody needs": {nil, []string{"read:org"}, ""},
		"no user:email, needed elsewhere":   {func(c *github.Config) { c.NeedsEmail = true }, []string{"read:org"}, "scopes"},
		"user:email implied by user":        {func(c *github.Config) { c.NeedsEmail = true }, []string{"user"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.config, withTLS)
			w.organizations("my-org")
			w.hub.GrantOnly(tt.granted...)
			id, tokens, err := w.login("Ada")
			if tt.rule == "" {
				if err != nil {
					t.Fatal(err)
				}
				granted := slices.ContainsFunc(tt.granted, func(scope string) bool { return strings.HasSuffix(scope, ":org") })
				if (len(id.Organizations) == 1) != granted {
					t.Errorf("organizations %v", id.Organizations)
				}
				if (id.Email != "") != slices.ContainsFunc(tt.granted, func(scope string) bool { return strings.HasPrefix(scope, "user") }) {
					t.Errorf("address %q", id.Email)
				}
				return
			}
			w.refused(id, tokens, err, gateward.ErrNotAdmitted)
			said := notAdmitted(t, err)
			if said.Rule != tt.rule || !strings.Contains(said.Reason, "scope") ||
				said.URL != w.server.URL+"/settings/connections/applications/the-client" {
				t.Errorf("said %+v", said)
			}
		})
	}
}

// TestSEC_E06_ScopesFromTheHeader: where the token response is silent, the API says
// what was granted.
func TestSEC_E06_ScopesFromTheHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	id, tokens := w.mustLogin("Ada")
	w.hub.Fail("/user", githubtest.Failure{
		Status: http.StatusOK, Body: `{"id":101,"login":"Ada"}`, Header: http.Header{"X-Oauth-Scopes": {"repo, user:email"}}, Times: 1,
	})
	_, _, err := w.method.Refresh(t.Context(), id, tokens)
	if rule(err) != "scopes" {
		t.Errorf("a token that has lost read:org: %v", err)
	}
}

func TestSEC_E07_TokenErrorsComeWithStatus200(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want error
		log  string
	}{
		"bad_verification_code":        {`{"error":"bad_verification_code","error_description":"canary"}`, gateward.ErrInvalidCredential, ""},
		"bad_code_verifier":            {`{"error":"bad_code_verifier"}`, gateward.ErrInvalidCredential, ""},
		"incorrect_client_credentials": {`{"error":"incorrect_client_credentials"}`, gateward.ErrUnavailable, "compare client_id and client_secret"},
		"redirect_uri_mismatch":        {`{"error":"redirect_uri_mismatch"}`, gateward.ErrUnavailable, "register https://app.example.com/auth/v1/method/github/callback"},
		"application_suspended":        {`{"error":"application_suspended"}`, gateward.ErrUnavailable, "suspended"},
		"something else":               {`{"error":"canary<script>"}`, gateward.ErrUnavailable, ""},
		"an error beside a token":      {`{"error":"bad_verification_code","access_token":"gho_canary","token_type":"bearer"}`, gateward.ErrInvalidCredential, ""},
		"no token":                     {`{"token_type":"bearer","scope":""}`, gateward.ErrUnavailable, ""},
		"another type":                 {`{"token_type":"mac","access_token":"gho_canary"}`, gateward.ErrUnavailable, ""},
		"no type":                      {`{"access_token":"gho_canary"}`, gateward.ErrUnavailable, ""},
		"a list":                       {`[]`, gateward.ErrUnavailable, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			var accept string
			w.hub.Fail("/login/oauth/access_token", githubtest.Failure{Handler: func(rw http.ResponseWriter, r *http.Request) {
				accept = r.Header.Get("Accept")
				rw.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = rw.Write([]byte(tt.body))
			}})
			id, tokens, err := w.login("Ada")
			w.refused(id, tokens, err, tt.want)
			if accept != "application/json" {
				t.Errorf("Accept: %s", accept)
			}
			if !strings.Contains(w.log.String(), tt.log) {
				t.Errorf("the log does not say %q: %s", tt.log, w.log)
			}
			if w.hub.Requests("/user") != 0 {
				t.Error("the API was asked all the same")
			}
		})
	}
}

func TestSEC_E08_RemovedMembersLoseAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *github.Config) {
		c.AllowedOrganizations, c.AllowedTeams = []string{"my-org"}, map[string][]string{"my-org": {"core"}}
	})
	w.organizations("my-org")
	w.team("my-org", "core", "")
	id, tokens := w.mustLogin("Ada")
	if w.method.RecheckInterval() != 15*time.Minute {
		t.Errorf("asked again every %v", w.method.RecheckInterval())
	}
	id.UserID, id.SessionID, id.AuthTime = "user-1", "session-1", start()
	fresh, same, err := w.method.Refresh(t.Context(), id, tokens)
	if err != nil || fresh.UserID != "user-1" || fresh.SessionID != "session-1" || !fresh.AuthTime.Equal(start()) || fresh.Subject != "101" {
		t.Fatalf("still a member: %+v, %v", fresh, err)
	}
	if same.AccessToken.Reveal() != tokens.AccessToken.Reveal() {
		t.Error("a token that does not expire was replaced")
	}
	w.hub.SetTeam("my-org", "core", "Ada", false)
	fresh, _, err = w.method.Refresh(t.Context(), id, tokens)
	if rule(err) != "allowed_teams" || fresh.Subject != "101" {
		t.Errorf("removed from the team: %+v, %v", fresh, err)
	}
	w.hub.SetMembership("my-org", "Ada", "")
	if _, _, err = w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("removed from the organization: %v", err)
	}
	w.hub.SetMembership("my-org", "Ada", githubtest.Pending)
	if _, _, err = w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("invited again: %v", err)
	}
	w.hub.RevokeTokens("Ada")
	_, none, err := w.method.Refresh(t.Context(), id, tokens)
	wantKind(t, err, gateward.ErrInvalidCredential)
	if none.AccessToken.Reveal() != "" {
		t.Error("tokens beside the error")
	}
}
