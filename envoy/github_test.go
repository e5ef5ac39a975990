package envoy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// organization creates one at GitHub with these teams.
func (s *site) organization(name string, teams ...string) {
	s.github.AddOrganization(githubtest.Organization{Login: name})
	for _, team := range teams {
		s.github.AddTeam(name, team, "")
	}
}

// member adds somebody to GitHub who is in an organization in this state, and in
// these of its teams.
func (s *site) member(login, organization, state string, teams ...string) (subject string) {
	subject = s.person(login, login+"@example.com", true)
	s.github.SetMembership(organization, login, state)
	for _, team := range teams {
		s.github.SetTeam(organization, team, login, true)
	}
	return subject
}

// TestSEC_E01_E02_E04_LoginAtGitHub: who is an active member of the organization,
// however many others there are, and in its team, gets in as the number that the
// account has; nobody else does.
func TestSEC_E01_E02_E04_LoginAtGitHub(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{github: "allowed_organizations: [Target], allowed_teams: {Target: [Core-Team]}"})
	r := s.replicas[0]
	// Longer than a page, so that the one that counts is on the second.
	subject := s.person("ada", "ada@example.com", true)
	for i := range 130 {
		name := fmt.Sprintf("org-%03d", i)
		s.organization(name, "core-team")
		s.github.SetMembership(name, "ada", githubtest.Active)
		s.github.SetTeam(name, "core-team", "ada", true)
	}
	s.organization("target", "core-team", "others")
	s.github.SetMembership("target", "ada", githubtest.Active)
	s.github.SetTeam("target", "core-team", "ada", true)
	s.member("invited", "target", githubtest.Pending)
	s.member("elsewhere", "org-000", githubtest.Active, "core-team")
	s.member("other-team", "target", githubtest.Active, "others")
	s.person("stranger", "stranger@example.com", true)

	for login, want := range map[string][]string{
		"invited":    {"allowed_organizations", "Accept the invitation", s.githubURL + "/orgs/target/invitation"},
		"elsewhere":  {"allowed_organizations", "not an active member"},
		"other-team": {"allowed_teams", "not in a team"},
		"stranger":   {"allowed_organizations", "not an active member"},
	} {
		v := s.visit(t)
		v.keptOut(v.byGitHub(login), 403, append(want, login+"@example.com", "Use another account")...)
		script := s.visit(t).byGitHub(login, "Accept: application/json")
		if script.status != 403 || script.page() || !json.Valid([]byte(script.body)) || !strings.Contains(script.body, want[1]) {
			t.Errorf("%s: a script is told %d %s", login, script.status, script.body)
		}
	}
	if all := r.users(t); len(all) != 0 {
		t.Errorf("who was refused has a record: %+v", all)
	}

	v := s.visit(t)
	v.entered(v.byGitHub("ada"))
	r.admits(t, "ada", v.cookie())
	s.upstream.Requests()
	if got := v.open("/orders"); got.status != 200 {
		t.Fatalf("page: got %d", got.status)
	}
	for _, seen := range s.upstream.Requests() {
		for name, want := range map[string]string{"x-auth-request-user": subject, "x-auth-request-email": "ada@example.com", "x-auth-request-method": "github"} {
			if got := seen.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("the application saw %s %q, want %q", name, got, want)
			}
		}
	}
	// The code is bound to the login that it was asked for (PKCE), and to the browser.
	mallory, victim := s.visit(t), s.visit(t)
	begun := victim.redirected("/auth/v1/method/github/authorize?rd=/orders", http.StatusFound)
	q, err := url.Parse(begun)
	if err != nil || len(q.Query().Get("code_challenge")) != 43 || q.Query().Get("code_challenge_method") != "S256" || len(q.Query().Get("state")) < 22 {
		t.Errorf("authorization request: %s", begun)
	}
	callback, err := s.github.Authorize(begun, "ada")
	if err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(mallory.redirected("/auth/v1/method/github/authorize?rd=/orders", http.StatusFound))
	stolen, err2 := url.Parse(callback)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	mallory.keptOut(mallory.open(callback), 400, "did not work")
	mallory.keptOut(mallory.open(siteOrigin+stolen.Path+"?"+url.Values{"code": stolen.Query()["code"], "state": own.Query()["state"]}.Encode()), 400, "did not work")

	// A login is a name only: it can be given up, and somebody else can have it.
	s.github.Rename("ada", "countess")
	s.member("ada", "target", githubtest.Active, "core-team")
	renamed, other := s.visit(t), s.visit(t)
	renamed.entered(renamed.byGitHub("countess"))
	other.entered(other.byGitHub("ada"))
	if all := r.users(t); len(all) != 2 || len(r.tokens(t, v.bearer())) != 2 {
		t.Errorf("after renaming: %+v", all)
	}
}

// TestSEC_E05_E06_E07_RefusalsOfGitHub: each is a page that says what to do, and
// no session.
func TestSEC_E05_E06_E07_RefusalsOfGitHub(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{github: "allowed_organizations: [target]"})
	r := s.replicas[0]
	s.organization("target")
	s.member("ada", "target", githubtest.Active)
	s.member("busy", "target", githubtest.Active) // for an hour, whatever becomes of the server
	const token = "/login/oauth/access_token"
	for _, tt := range []struct {
		name   string
		status int
		begin  func()
		want   []string
	}{
		{"single sign-on", 403, func() { s.github.ChangeOrganization("target", true, false) }, []string{"allowed_organizations", "single sign-on", s.githubURL + "/orgs/target/sso"}},
		{"application not approved", 403, func() { s.github.ChangeOrganization("target", false, true) }, []string{"allowed_organizations", "has not approved this application"}},
		{"scope not granted", 403, func() { s.github.GrantOnly("user:email") }, []string{"scope read:org"}},
		{"rate limit", 503, func() { s.github.GrantOnly("user:email", "read:org"); s.github.LimitRate("busy", 1) }, []string{"Try again"}},
		{"broken", 503, func() { s.github.Fail("/user/memberships/orgs", githubtest.Failure{Status: 502, Body: "<html>"}) }, []string{"could not be finished"}},
		{"hanging up", 503, func() {
			s.github.Fail(token, githubtest.Failure{Handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }})
		}, []string{"could not be finished"}},
		{"error with 200", 400, func() {
			s.github.Fail(token, githubtest.Failure{Status: 200, Body: `{"error":"bad_verification_code","error_description":"canary"}`})
		}, []string{"did not work"}},
	} {
		tt.begin()
		v, login := s.visit(t), "ada"
		if tt.name == "rate limit" {
			login = "busy"
		}
		got := v.byGitHub(login)
		v.keptOut(got, tt.status, tt.want...)
		if strings.Contains(got.body, "canary") {
			t.Errorf("%s: the page repeats what GitHub said", tt.name)
		}
		after, err := strconv.Atoi(got.header.Get("Retry-After"))
		if (tt.status == 503) != (err == nil && after > 0) {
			t.Errorf("%s: Retry-After %q", tt.name, got.header.Get("Retry-After"))
		}
		if tt.name == "rate limit" && (after < 3000 || after > 3600 || !strings.Contains(got.body, "GitHub")) {
			t.Errorf("%s: Retry-After %d, want the end of GitHub's hour\n%s", tt.name, after, got.text())
		}
		if script := s.visit(t).byGitHub(login, "Accept: application/json"); script.status != tt.status || script.page() || !json.Valid([]byte(script.body)) {
			t.Errorf("%s: a script is told %d %s", tt.name, script.status, script.body)
		}
		s.github.ChangeOrganization("target", false, false)
		s.github.Recover()
	}
	if n, m := len(r.users(t)), len(r.tokens(t, asBoss)); n != 0 || m != 0 {
		t.Errorf("%d users and %d sessions after refusals", n, m)
	}
	v := s.visit(t)
	v.entered(v.byGitHub("ada"))
}

// TestSEC_E08_MembershipDuringTheSession: whoever is removed loses access once it
// is asked again, a minute later; while GitHub cannot be asked, its last answer
// counts.
func TestSEC_E08_MembershipDuringTheSession(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{
		github: "allowed_organizations: [target], recheck_interval: 1m",
		rules:  `- {name: team, match: {paths: [/team]}, require: {teams: [target/core]}}`,
	})
	r := s.replicas[0]
	s.organization("target", "core")
	in := func(login string) *visitor {
		t.Helper()
		s.member(login, "target", githubtest.Active, "core")
		v := s.visit(t)
		return v.entered(v.byGitHub(login))
	}
	stays, goes, leavesTeam, revokes, limited := in("stays"), in("goes"), in("leaves-team"), in("revokes"), in("limited")
	all := []*visitor{stays, goes, leavesTeam, revokes, limited}
	for _, v := range all {
		r.admits(t, "before", v.cookie())
	}
	asked := s.github.Requests("/user")
	s.github.Fail("/user", githubtest.Failure{Status: 503})
	s.github.SetMembership("target", "goes", "")
	s.github.SetTeam("target", "core", "leaves-team", false)
	envoytest.Eventually(t, "question to GitHub about each", 3*time.Minute, func(context.Context) error {
		for _, v := range all {
			if got := r.status(t, v.cookie()); got != 200 {
				t.Fatalf("while GitHub is down: got %d\n%s", got, r.gateward.Log())
			}
		}
		if n := s.github.Requests("/user") - asked; n < 2*len(all) {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	s.github.Recover()
	s.github.LimitRate("limited", 0)
	s.github.RevokeTokens("revokes")
	for what, v := range map[string]*visitor{"who was removed": goes, "who revoked the application": revokes} {
		r.becomesRefused(t, v.cookie())
		r.refuses(t, what, v.cookie())
	}
	envoytest.Eventually(t, "new teams", time.Minute, func(context.Context) error {
		if got := r.call(t, "GET", "/team", "", leavesTeam.cookie()); got.Status != 403 {
			return fmt.Errorf("got %d", got.Status)
		}
		return nil
	})
	r.admits(t, "who left a team, elsewhere", leavesTeam.cookie())
	r.admits(t, "whom GitHub answers no more this hour", limited.cookie())
	if got := r.call(t, "GET", "/team", "", stays.cookie()); got.Status != 200 {
		t.Errorf("who stays: got %d", got.Status)
	}
	again := s.visit(t)
	again.keptOut(again.byGitHub("goes"), 403, "allowed_organizations")
}

// TestRulesByOrganizationAndTeam: a team is its organization's, and case does not
// count.
func TestRulesByOrganizationAndTeam(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{github: "allowed_organizations: []", rules: `- {name: organization, match: {paths: [/organization]}, require: {organizations: [TARGET]}}
- {name: team, match: {paths: [/team]}, require: {teams: [Target/Core]}}`})
	r := s.replicas[0]
	s.organization("target", "core", "others")
	s.organization("second", "core")
	byOP := s.visit(t)
	byOP.logInBy("oidc/op", s.provider.Authorize)
	headers := map[string]string{"by another provider": byOP.cookie(), "static token": "Authorization: Bearer " + staticToken}
	for login, add := range map[string]func(login string){
		"in":          func(login string) { s.member(login, "target", githubtest.Active, "core") },
		"other team":  func(login string) { s.member(login, "target", githubtest.Active, "others") },
		"namesake":    func(login string) { s.member(login, "second", githubtest.Active, "core") },
		"invited":     func(login string) { s.member(login, "target", githubtest.Pending) },
		"member only": func(login string) { s.member(login, "Target", githubtest.Active) },
	} {
		add(login)
		v := s.visit(t)
		headers[login] = v.entered(v.byGitHub(login)).cookie()
	}
	for who, want := range map[string][2]int{
		"in": {200, 200}, "other team": {200, 403}, "namesake": {403, 403}, "invited": {403, 403}, "member only": {200, 403},
		"by another provider": {403, 403}, "static token": {403, 403},
	} {
		for i, target := range []string{"/organization", "/team"} {
			if got := r.call(t, "GET", target, "", headers[who]); got.Status != want[i] {
				t.Errorf("%s: %s: got %d, want %d", who, target, got.Status, want[i])
			}
		}
	}
}

// TestPeopleOfGitHub: admission, grants and administrators by what GitHub says.
func TestPeopleOfGitHub(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{
		github: "allowed_organizations: []", admins: `subjects: ["token:boss"], teams: [Target/Owners]`,
		people: `  allowed_domains: [example.org]
  allowed_user_filters: [{type: organization, patterns: [TARGET]}, {type: team, patterns: [second/Core]}]
  grants: [{teams: [target/core], scopes: [write]}, {organizations: [Target], scopes: [read]}]`,
		rules: `- {name: write, match: {paths: [/write]}, require: {scopes: [write]}}
- {name: read, match: {paths: [/read]}, require: {scopes: [read]}}`,
	})
	r := s.replicas[0]
	s.organization("target", "core", "owners")
	s.organization("second", "core", "others")
	for _, tt := range []struct {
		login, address        string
		verified              bool
		organization, team    string
		in, read, write, boss int
	}{
		{"owner", "owner@example.com", true, "target", "owners", 303, 200, 403, 200},
		{"core", "core@example.com", true, "target", "core", 303, 200, 200, 403},
		{"second", "second@example.com", true, "second", "core", 303, 403, 403, 403},
		{"others", "others@example.com", true, "second", "others", 403, 0, 0, 0},
		{"address", "address@example.org", true, "", "", 303, 403, 403, 403},
		{"unverified", "unverified@example.org", false, "", "", 403, 0, 0, 0},
	} {
		s.person(tt.login, tt.address, tt.verified)
		s.github.SetMembership(tt.organization, tt.login, githubtest.Active)
		s.github.SetTeam(tt.organization, tt.team, tt.login, true)
		v := s.visit(t)
		got := v.byGitHub(tt.login)
		if tt.in == 403 {
			v.keptOut(got, 403, "allowed_domains or allowed_user_filters", "Use another account")
			continue
		}
		v.entered(got)
		if read, write := r.call(t, "GET", "/read", "", v.cookie()).Status, r.call(t, "GET", "/write", "", v.cookie()).Status; read != tt.read || write != tt.write {
			t.Errorf("%s: read %d, write %d, want %d and %d", tt.login, read, write, tt.read, tt.write)
		}
		if page, api := v.open("/auth/admin").status, r.call(t, "GET", "/auth/v1/users", "", v.bearer()).Status; page != tt.boss || api != tt.boss {
			t.Errorf("%s: for administrators: page %d, API %d, want %d", tt.login, page, api, tt.boss)
		}
	}
	if n := len(r.users(t)); n != 4 {
		t.Errorf("%d users, want 4", n)
	}
}
