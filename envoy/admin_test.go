package envoy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// form sends one of our pages' forms, from this site.
func (v *visitor) form(target, site string) *answer {
	v.t.Helper()
	return v.do(http.MethodPost, target, append(navigation(), "Sec-Fetch-Site: "+site)...)
}

// TestSEC_P04_AdministratorsAtTheirPages: they find people, end sessions and
// disable users; nobody else does, nor another site in an administrator's browser.
func TestSEC_P04_AdministratorsAtTheirPages(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{admins: `subjects: ["token:boss"], emails: [boss@example.com]`})
	r, admin, ada, elsewhere, grace := s.replicas[0], s.visit(t), s.visit(t), s.visit(t), s.visit(t)
	admin.entered(admin.byOP(boss()))
	ada.entered(ada.byOP(oidctest.Ada()))
	elsewhere.entered(elsewhere.byOP(oidctest.Ada()))
	grace.entered(grace.byOP(oidctest.Grace()))
	for _, v := range []*visitor{ada, elsewhere, grace} {
		r.admits(t, "before", v.cookie())
	}
	person := "/auth/admin/users/" + r.userOf(t, "ada-1").ID
	session := r.self(t, ada.bearer()).ID
	s.closedToOthers(t, grace, person, session)

	found := admin.open("/auth/admin?q=" + url.QueryEscape("ada@example.com") + "&by=email")
	if found.status != 200 || !strings.Contains(found.body, `href="`+person+`"`) || strings.Contains(found.body, "grace@example.com") {
		t.Errorf("search: %d %s", found.status, found.text())
	}
	for _, target := range []string{"/auth/admin", "/auth/admin/sessions", person} {
		page := admin.open(target)
		if page.status != 200 || !page.page() || !strings.Contains(page.body, "ada@example.com") {
			t.Errorf("%s: %d %s", target, page.status, page.text())
		}
		for _, v := range []*visitor{admin, ada, grace} {
			if strings.Contains(page.body, v.token()) {
				t.Errorf("%s shows a client token", target)
			}
		}
		if !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", target, page.header.Get("Content-Security-Policy"))
		}
	}

	if got := admin.form("/auth/admin/sessions/"+session+"/revoke", "same-origin"); got.status != http.StatusSeeOther {
		t.Errorf("end a session: %d %s", got.status, got.text())
	}
	r.refuses(t, "a session that was ended", ada.cookie())
	r.admits(t, "the other one", elsewhere.cookie())
	if got := admin.form(person+"/disable", "same-origin"); got.status != http.StatusSeeOther {
		t.Errorf("disable: %d %s", got.status, got.text())
	}
	r.refuses(t, "a session of who is disabled", elsewhere.cookie())
	again := s.visit(t)
	again.keptOut(again.byOP(oidctest.Ada()), 403, "This account has been disabled")
	if got := admin.open(person); !strings.Contains(got.body, "Disabled") || !strings.Contains(got.body, person+"/enable") {
		t.Errorf("the page of who is disabled: %s", got.text())
	}
	if got := admin.form(person+"/enable", "same-origin"); got.status != http.StatusSeeOther {
		t.Errorf("enable: %d %s", got.status, got.text())
	}
	again.entered(again.byOP(oidctest.Ada()))
	if got := admin.form(person+"/sessions/revoke-all", "same-origin"); got.status != http.StatusSeeOther {
		t.Errorf("end all sessions: %d %s", got.status, got.text())
	}
	r.refuses(t, "all sessions", again.cookie())
	r.admits(t, "somebody else", grace.cookie())

	self := "/auth/admin/users/" + r.userOf(t, "boss-1").ID
	if got := admin.form(self+"/disable", "same-origin"); got.status != 400 || !strings.Contains(got.body, "This is yourself") {
		t.Errorf("an administrator disables themselves: %d %s", got.status, got.text())
	}
	if got := r.call(t, "PATCH", "/auth/v1/users/"+r.userOf(t, "boss-1").ID, `{"enabled": false}`, admin.bearer(), "Content-Type: application/json"); got.Status != 400 {
		t.Errorf("and by the API: %d %s", got.Status, got.Body)
	}
	r.admits(t, "the administrator", admin.cookie())

	// Who is no longer an administrator is none on the next request.
	r.reload(t, strings.Replace(r.config, "emails: [boss@example.com]", "emails: []", 1))
	if got := admin.open("/auth/admin"); got.status != 403 {
		t.Errorf("no longer an administrator: %d", got.status)
	}
	if got := admin.form(person+"/disable", "same-origin"); got.status != 403 {
		t.Errorf("no longer an administrator, form: %d", got.status)
	}
	if got := r.call(t, "GET", "/auth/v1/users", "", admin.bearer()); got.Status != 403 {
		t.Errorf("no longer an administrator, API: %d", got.Status)
	}
}

// closedToOthers: what only administrators may do, for somebody else, a stranger
// and another site.
func (s *site) closedToOthers(t *testing.T, other *visitor, person, session string) {
	t.Helper()
	r, stranger := s.replicas[0], s.visit(t)
	for _, target := range []string{"/auth/admin", "/auth/admin/sessions", person, person + "x"} {
		if got := other.open(target); got.status != 403 || !strings.Contains(got.body, "This page is for administrators") || !strings.Contains(got.body, "grace@example.com") || strings.Contains(got.body, "ada@") {
			t.Errorf("%s for somebody else: %d %s", target, got.status, got.text())
		}
		if got := stranger.open(target); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location(), "/auth/login?") {
			t.Errorf("%s for a stranger: %d to %q", target, got.status, got.location())
		}
	}
	admin := s.visit(t)
	admin.entered(admin.byOP(boss()))
	for _, target := range []string{person + "/disable", person + "/sessions/revoke-all", person + "/sessions/" + session + "/revoke", "/auth/admin/sessions/" + session + "/revoke"} {
		if got := other.form(target, "same-origin"); got.status != 403 {
			t.Errorf("%s by somebody else: %d", target, got.status)
		}
		for _, site := range []string{"cross-site", "same-site"} {
			if got := admin.form(target, site); got.status != 403 {
				t.Errorf("%s by %s: %d", target, site, got.status)
			}
		}
		if got := admin.open(target); got.status != http.StatusMethodNotAllowed {
			t.Errorf("GET of %s: %d", target, got.status)
		}
	}
	for _, header := range []string{other.bearer(), "Authorization: Bearer " + staticToken} {
		for _, target := range []string{"/auth/v1/users", "/auth/v1/users/" + strings.TrimPrefix(person, "/auth/admin/users/")} {
			if got := r.call(t, "GET", target, "", header); got.Status != 403 || strings.Contains(string(got.Body), "ada") {
				t.Errorf("%s with %.30s: %d %s", target, header, got.Status, got.Body)
			}
		}
	}
	if n := len(r.tokens(t, asBoss)); n != 5 {
		t.Errorf("%d sessions after what was refused, want 5", n)
	}
}
