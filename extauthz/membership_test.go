package extauthz_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
)

// octo is grace, who belongs to something.
func octo() gateward.Identity {
	id := user()
	id.Groups = []string{"ops"}
	id.Organizations, id.Teams = []string{"octo-org", "other"}, []string{"octo-org/justice", "other/x"}
	return id
}

func memberRules(c *extauthz.Config) {
	path := func(p string) extauthz.Match { return extauthz.Match{Paths: []string{p}} }
	c.Rules = []extauthz.Rule{
		{Name: "org", Match: path("/org"), Require: extauthz.Require{Organizations: []string{"none", "Octo-Org"}}},
		{Name: "other-org", Match: path("/other-org"), Require: extauthz.Require{Organizations: []string{"octo"}}},
		{Name: "org-as-group", Match: path("/org-as-group"), Require: extauthz.Require{Groups: []string{"octo-org"}}},
		{Name: "group-as-org", Match: path("/group-as-org"), Require: extauthz.Require{Organizations: []string{"ops"}}},
		{Name: "team", Match: path("/team"), Require: extauthz.Require{Teams: []string{"Octo-Org/Justice"}}},
		{Name: "same-team-elsewhere", Match: path("/same-team-elsewhere"), Require: extauthz.Require{Teams: []string{"other/justice"}}},
		{Name: "both", Match: path("/both"), Require: extauthz.Require{Organizations: []string{"other"}, Teams: []string{"octo-org/lions"}}},
		{Name: "cel", Match: path("/cel"), Require: extauthz.Require{
			When: `"octo-org" in identity.organizations && "octo-org/justice" in identity.teams && identity.user_id != ""`,
		}},
		{Name: "cel-user", Match: path("/cel-user"), Require: extauthz.Require{When: `identity.user_id == "` + user().UserID + `"`}},
	}
	c.Upstream.IdentityHeaders.UserID = "X-Auth-Request-User-Id"
}

// TestSEC_E04_MembershipsOfRules: a team is one of its organization, an
// organization is no group.
func TestSEC_E04_MembershipsOfRules(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, memberRules)
	e.sessions.create("s.grace", octo())
	for path, want := range map[string]string{
		"/org":                 "",
		"/other-org":           "organization_not_allowed",
		"/org-as-group":        "group_not_allowed",
		"/group-as-org":        "organization_not_allowed",
		"/team":                "",
		"/same-team-elsewhere": "team_not_allowed",
		"/both":                "team_not_allowed",
		"/cel":                 "",
		"/cel-user":            "",
	} {
		for range 2 { // the second time from the cache
			got := e.check(t, req("GET app.test"+path, sessionCookie))
			if reason(got) != want || allowed(got) != (want == "") || want != "" && status(got) != http.StatusForbidden {
				t.Errorf("%s: got %d %s, want %s", path, status(got), reason(got), want)
			}
		}
		if got := e.check(t, req("GET app.test"+path, bearer)); allowed(got) {
			t.Errorf("%s: let in who belongs to nothing", path)
		}
	}
}

// TestMembership_Misconfigured: a team without its organization never matches.
func TestMembership_Misconfigured(t *testing.T) {
	t.Parallel()
	for key, rule := range map[string]extauthz.Rule{
		"rules[0].require.teams[0]":         {Name: "a", Require: extauthz.Require{Teams: []string{"justice"}}},
		"rules[0].require.organizations[1]": {Name: "a", Require: extauthz.Require{Organizations: []string{"a", ""}}},
		"rules[0].require":                  {Name: "a", Access: extauthz.AccessOptional, Require: extauthz.Require{Teams: []string{"a/b"}}},
	} {
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{rule}
		if _, err := extauthz.New(cfg, nil, options(t)); err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

// TestSEC_J01_UserIDHeader: it is ours alone, whether there is a user or not.
func TestSEC_J01_UserIDHeader(t *testing.T) {
	t.Parallel()
	const header = "x-auth-request-user-id"
	e := newSessionEngine(t, func(c *extauthz.Config) { memberRules(c); siteRules(c) })
	e.sessions.create("s.grace", octo())
	for _, path := range []string{"/", "/maybe", "/public/x"} {
		for _, credential := range []string{sessionCookie, bearer} {
			got := e.check(t, req("GET app.test"+path, credential, header+": evil", "X_Auth-Request.User_Id: evil"))
			has := credential == sessionCookie && path != "/public/x"
			if !allowed(got) || has && sent(got, header) != user().UserID || !has && !removed(got, header) || !removed(got, "X_Auth-Request.User_Id") {
				t.Errorf("%s, %s: got %v", path, credential, got)
			}
		}
	}
}

// TestScopesOfPeople: a session with grants has these scopes and no others, and is
// told which it lacks.
func TestScopesOfPeople(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, siteRules)
	for _, tt := range []struct {
		scopes []string
		want   int
	}{{nil, 403}, {[]string{"read"}, 403}, {[]string{"read", "write"}, 200}} {
		token := fmt.Sprint("s.", len(tt.scopes))
		id := user()
		id.Scopes, id.AllScopes = tt.scopes, false
		e.sessions.create(token, id)
		got := e.check(t, req("GET app.test/write", "cookie: gateward_client_token="+token))
		if status(got) != tt.want {
			t.Errorf("%v: got %d %s", tt.scopes, status(got), reason(got))
		}
		if challenge := sent(got, "www-authenticate"); tt.want == 403 && challenge != `Bearer realm="gateward", error="insufficient_scope", scope="read write"` {
			t.Errorf("%v: got challenge %s", tt.scopes, challenge)
		}
		if got := sent(got, "x-auth-request-scopes"); tt.want == 200 && got != "read,write" {
			t.Errorf("%v: upstream gets %q", tt.scopes, got)
		}
	}
}

// TestSEC_E05_RefusalSaysWhatToDo: why, and where to do something about it, if that
// is an address to go to.
func TestSEC_E05_RefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const reason = `You are no member of "octo-org" & co.`
	for address, want := range map[string]string{
		"https://hub.test/orgs/octo-org/sso?a=b&c": `href="https://hub.test/orgs/octo-org/sso?a=b&amp;c">Continue at hub.test</a>`,
		"":                       "Use another account",
		"http://hub.test/":       "Use another account",
		"javascript:alert(1)":    "Use another account",
		"https://hub.test/ x\"'": "Use another account",
		"https://":               "Use another account",
		"%":                      "Use another account",
	} {
		e := newSessionEngine(t, fixtureLogin)
		e.sessions.err = fmt.Errorf("session: %w", &gateward.NotAdmittedError{Rule: "allowed_organizations", Reason: reason, URL: address})
		check := func(headers ...string) *authv3.CheckResponse {
			return e.check(t, req("GET app.test/", append(headers, sessionCookie)...))
		}
		for range 2 {
			page := check(html).GetDeniedResponse().GetBody()
			for _, part := range []string{want, "You are no member of &#34;octo-org&#34; &amp; co.", "allowed_organizations", "grace@example.com"} {
				if !strings.Contains(page, part) {
					t.Errorf("%q: no %s in %s", address, part, page)
				}
			}
			if strings.Contains(page, "javascript:") || strings.Contains(page, `"http://`) {
				t.Errorf("%q: got %s", address, page)
			}
			script := check("accept: application/json")
			if got := script.GetDeniedResponse().GetBody(); status(script) != 403 ||
				got != `{"code":7,"message":"You are no member of \"octo-org\" \u0026 co.","details":[]}` {
				t.Errorf("got %d %s", status(script), got)
			}
			if got := check("content-type: application/grpc").GetDeniedResponse().GetBody(); got != "permission denied" {
				t.Errorf("got %s", got)
			}
		}
		// Without a reason the texts are those of every refusal.
		e.sessions.set(func() { e.sessions.err = &gateward.NotAdmittedError{Rule: "email_matches"} })
		got := e.check(t, req("GET app.test/", "cookie: gateward_client_token=s.other", "accept: application/json"))
		if body := got.GetDeniedResponse().GetBody(); body != `{"code":7,"message":"permission denied","details":[]}` {
			t.Errorf("got %s", body)
		}
	}
}
