package envoy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_D18_D19_LoginAtGitLab: with its page that asks, the groups of userinfo, a refresh
// that replaces both tokens, and errors in its form.
func TestSEC_D18_D19_LoginAtGitLab(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{
		provider: []oidctest.Option{oidctest.GitLab()},
		op:       "groups_claim: groups, allowed_groups: [compilers/cobol], display_name: GitLab",
		rules:    `- {name: cobol, match: {paths: [/cobol]}, require: {groups: [compilers/cobol]}}` + "\n" + `- {name: owners, match: {paths: [/owners]}, require: {groups: [owners]}}`,
	})
	r := s.replicas[0]
	s.provider.Registered(siteOrigin + "/auth/v1/method/oidc/op/callback")
	s.provider.SetUser(oidctest.Grace())

	v := s.visit(t)
	if got := v.logIn("/cobol"); got != "/cobol" { // from a page, and by the page that asks
		t.Errorf("came back to %s", got)
	}
	s.upstream.Requests()
	if got := v.open("/cobol"); got.status != 200 {
		t.Fatalf("page: got %d %s", got.status, got.text())
	}
	for _, seen := range s.upstream.Requests() {
		if u, g := seen.Values("x-auth-request-user"), seen.Values("x-auth-request-groups"); !slices.Equal(u, []string{"1207"}) || !slices.Equal(g, []string{"compilers,compilers/cobol"}) {
			t.Errorf("the application saw user %q, groups %q", u, g)
		}
	}
	if got := v.open("/owners"); got.status != 403 || !got.page() || !strings.Contains(got.body, "grace@example.com") {
		t.Errorf("a group that Grace is not in: got %d", got.status)
	}

	// Who may not enter is told so.
	ada := oidctest.Ada()
	ada.Subject = "1208"
	other := s.visit(t)
	other.keptOut(other.byOP(ada), 403, "ada@example.com", "allowed_groups", "Use another account")
	// Who does not agree is sent back, too.
	s.provider.Configure(func(b *oidctest.Behavior) { b.Deny = "access_denied" })
	other.keptOut(other.byOP(oidctest.Grace()), 400, "The login was cancelled", "GitLab", "Try again")
	s.provider.Configure(func(b *oidctest.Behavior) { b.Deny = "" })
	if all := r.users(t); len(all) != 1 || len(all[0].Identities) != 1 || all[0].Identities[0].Subject != "1207" {
		t.Errorf("users: %+v", all)
	}

	s.refreshesAtGitLab(t)

	// There is no end-session endpoint: a logout is ours alone.
	if got := v.do("POST", "/auth/logout", append(navigation(), "Sec-Fetch-Site: same-origin")...); got.status != http.StatusSeeOther || !strings.Contains(got.location(), "/auth/login") {
		t.Errorf("logout: got %d to %q", got.status, got.location())
	}
}

// refreshesAtGitLab: groups are read again, and a refresh that is refused ends the
// session.
func (s *site) refreshesAtGitLab(t *testing.T) {
	t.Helper()
	r := s.replicas[0]
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = short })
	all := make([]*visitor, 2)
	for i := range all {
		all[i] = s.visit(t)
		all[i].entered(all[i].byOP(oidctest.Grace()))
	}
	expired := time.Now().Add(short)
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = 2 * time.Hour })
	promoted := oidctest.Grace()
	promoted.Groups = append(promoted.Groups, "owners")
	s.provider.SetUser(promoted)
	passed(t, expired)
	if got := r.call(t, "GET", "/owners", "", all[0].cookie()); got.Status != 200 {
		t.Errorf("after a refresh with a new group: got %d", got.Status)
	}
	s.provider.Revoke()
	r.becomes(t, all[1].cookie(), 401)
	r.admits(t, "whose tokens are still good", all[0].cookie())
}
