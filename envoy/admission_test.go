package envoy_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_D11_D14_Admission: who does not fit is told by which rule, leaves no record, and is
// judged again on every check.
func TestSEC_D11_D14_Admission(t *testing.T) {
	t.Parallel()
	const allowed = "  allowed_domains: [example.com]"
	s := startSite(t, siteOptions{people: allowed, matches: anyExample, op: "require_verified_email: false"})
	r, ada := s.replicas[0], s.visit(t)
	ada.entered(ada.byOP(oidctest.Ada()))
	r.admits(t, "ada", ada.cookie())
	for _, tt := range []struct {
		name, rule, people string
		ada                bool
		grace              bool
	}{
		{"domain", "allowed_domains", "  allowed_domains: [example.org]", false, false},
		{"below a domain", "allowed_domains", `  allowed_domains: ["*.example.com"]`, false, false},
		{"e-mail", "allowed_user_filters", `  allowed_user_filters: [{type: email, patterns: ["ada@example.com"]}]`, true, false},
		{"id", "allowed_user_filters", `  allowed_user_filters: [{type: id, patterns: [1207]}]`, false, true},
		{"group", "allowed_user_filters", `  allowed_user_filters: [{type: group, patterns: ["eng*"]}]`, true, false},
		{"domain or id", "allowed_domains or allowed_user_filters", "  allowed_domains: [example.org]\n  allowed_user_filters: [{type: id, patterns: [ada-1]}]", true, false},
		{"neither", "allowed_domains or allowed_user_filters", "  allowed_domains: [example.org]\n  allowed_user_filters: [{type: id, patterns: [ada-2]}]", false, false},
		{"domain again", "", allowed, true, true},
	} {
		r.reload(t, strings.Replace(r.config, allowed, tt.people, 1))
		s.judgesCheck(t, ada, tt.name, tt.rule, tt.ada)
		s.judgesLogin(t, oidctest.Grace(), tt.name, tt.rule, tt.grace)
	}
	// The address counts only if the provider has verified it.
	eve := oidctest.User{Subject: "eve-1", Email: "ada@example.com", EmailVerified: false, Name: "Eve"}
	r.reload(t, strings.Replace(strings.Replace(r.config, anyExample, "", 1), allowed, `  allowed_user_filters: [{type: email, patterns: ["ada@example.com"]}]`, 1))
	s.judgesLogin(t, eve, "unverified", "allowed_user_filters", false)
}

// judgesCheck checks what becomes of a live session.
func (s *site) judgesCheck(t *testing.T, v *visitor, name, rule string, admitted bool) {
	t.Helper()
	r := s.replicas[0]
	if admitted {
		r.admits(t, name+": cookie", v.cookie())
		r.admits(t, name+": bearer", v.bearer())
		return
	}
	page := v.open("/orders")
	if page.status != 403 || !page.page() {
		t.Errorf("%s: the page is %d %s", name, page.status, page.text())
	}
	for _, want := range []string{"ada@example.com", rule, page.header.Get("X-Request-Id"), "prompt=select_account"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%s: the page lacks %q\n%s", name, want, page.text())
		}
	}
	for range 2 {
		script := envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/orders", v.bearer(), "Accept: application/json", "Connection: close"))
		if script.Status != 403 || !json.Valid(script.Body) || !strings.HasPrefix(script.Get("content-type"), "application/json") {
			t.Errorf("%s: a script is told %d %s", name, script.Status, script.Body)
		}
	}
	if v.token() == "" {
		t.Errorf("%s: the cookie is gone, though rules may change back", name)
	}
}

// judgesLogin checks what becomes of a login.
func (s *site) judgesLogin(t *testing.T, u oidctest.User, name, rule string, admitted bool) {
	t.Helper()
	r, v := s.replicas[0], s.visit(t)
	before := r.users(t)
	if admitted {
		v.entered(v.byOP(u))
		return
	}
	sessions := len(r.tokens(t, asBoss))
	v.keptOut(v.byOP(u), 403, u.Email, rule, "Use another account", "prompt=select_account")
	s.provider.SetUser(u)
	script := s.visit(t).logInBy("oidc/op", s.provider.Authorize, "Accept: application/json")
	if script.status != 403 || script.page() || !json.Valid([]byte(script.body)) {
		t.Errorf("%s: a script is told %d %s", name, script.status, script.body)
	}
	same := slices.EqualFunc(before, r.users(t), func(a, b user) bool { return a.ID == b.ID })
	if !same || len(r.tokens(t, asBoss)) != sessions {
		t.Errorf("%s: a refused login has left something: %+v", name, r.users(t))
	}
}

// TestGrantsGiveScopesToSessions: judged on every check, by whom they fit; without
// any, people are not limited.
func TestGrantsGiveScopesToSessions(t *testing.T) {
	t.Parallel()
	const none = "  grants: []"
	s := startSite(t, siteOptions{people: none, rules: `- {name: write, match: {paths: [/write]}, require: {scopes: [write]}}
- {name: remove, match: {paths: [/remove]}, require: {scopes: [write, remove]}}
- {name: compilers, match: {paths: [/compilers]}, require: {groups: [compilers]}}`})
	r, ada, grace := s.replicas[0], s.visit(t), s.visit(t)
	ada.entered(ada.byOP(oidctest.Ada()))
	grace.entered(grace.byOP(oidctest.Grace()))
	expect := func(when string, v *visitor, want map[string]int) {
		t.Helper()
		for target, status := range want {
			got := r.call(t, "GET", target, "", v.bearer())
			if got.Status != status {
				t.Errorf("%s: %s: got %d %s", when, target, got.Status, got.Body)
			}
			if status == 403 && target != "/compilers" && !strings.Contains(got.Get("www-authenticate"), "insufficient_scope") {
				t.Errorf("%s: %s: challenge %q", when, target, got.Get("www-authenticate"))
			}
		}
	}
	expect("no grants", ada, map[string]int{"/write": 200, "/remove": 200, "/orders": 200, "/compilers": 403})
	r.reload(t, strings.Replace(r.config, none, `  grants:
  - {groups: [engineering], scopes: [write]}
  - {emails: ["*@example.com"], scopes: [read]}
  - {subjects: ["oidc/op:1207"], scopes: [remove, write]}`, 1))
	expect("granted to a group", ada, map[string]int{"/write": 200, "/remove": 403, "/orders": 200, "/compilers": 403})
	expect("granted to a subject", grace, map[string]int{"/write": 200, "/remove": 200, "/orders": 200, "/compilers": 200})
	s.upstream.Requests()
	r.admits(t, "scopes for the application", ada.cookie())
	for _, seen := range s.upstream.Requests() {
		if got := seen.Values("x-auth-request-scopes"); len(got) != 1 || strings.Join(strings.FieldsFunc(got[0], func(c rune) bool { return c == ',' || c == ' ' }), " ") != "read write" {
			t.Errorf("the application saw scopes %q", got)
		}
	}
	page := ada.open("/remove")
	if page.status != 403 || !page.page() || !strings.Contains(page.body, "ada@example.com") || !strings.Contains(page.body, "remove") {
		t.Errorf("page: %d %s", page.status, page.text())
	}
	r.reload(t, strings.Replace(r.config, none, `  grants: [{subjects: ["oidc/op:1207"], scopes: [read]}]`, 1))
	expect("granted no longer", ada, map[string]int{"/write": 403, "/remove": 403, "/orders": 200})
	expect("granted less", grace, map[string]int{"/write": 403, "/orders": 200})
}

var switchLink = regexp.MustCompile(`href="([^"]*prompt=select_account[^"]*)"`)

// TestSwitchAccount: who is logged in as somebody who may not enter comes in as
// somebody else, by the link on the page.
func TestSwitchAccount(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	r, v := s.replicas[0], s.visit(t)
	v.entered(v.byOP(oidctest.Ada()))
	r.reload(t, strings.Replace(r.config, "  methods:", "  allowed_user_filters: [{type: id, patterns: [1207]}]\n  methods:", 1))
	before := v.token()
	follow := func(page *answer) *answer {
		t.Helper()
		link := switchLink.FindStringSubmatch(page.body)
		if page.status != 403 || link == nil {
			t.Fatalf("got %d\n%s", page.status, page.text())
		}
		at := html.UnescapeString(link[1])
		for range 3 {
			if strings.HasPrefix(at, s.provider.Issuer) {
				break
			}
			at = v.redirected(at, http.StatusFound)
		}
		if u, err := url.Parse(at); err != nil || u.Query().Get("prompt") != "select_account" {
			t.Errorf("the provider is asked %s", at)
		}
		return v.open(s.provider.Authorize(at))
	}
	again := follow(v.open("/reports/7")) // as Ada once more
	if again.status != 403 || v.token() != before {
		t.Errorf("the same account: got %d", again.status)
	}
	s.provider.SetUser(oidctest.Grace())
	if got := follow(again); got.status != http.StatusSeeOther || got.location() != "/reports/7" {
		t.Errorf("another account: got %d to %q\n%s", got.status, got.location(), got.text())
	}
	if got := v.open("/reports/7"); got.status != 200 {
		t.Errorf("page: got %d", got.status)
	}
	r.refuses(t, "the session of before", "Cookie: "+tokenCookie+"="+before)
}
