package extauthz_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

// rules of a small site, in the order in which they are tried.
func siteRules(c *extauthz.Config) {
	c.Rules = []extauthz.Rule{
		{Name: "public", Match: extauthz.Match{Paths: []string{"/public/**", "/healthz"}}, Access: extauthz.AccessAnonymous},
		{Name: "maybe", Match: extauthz.Match{Paths: []string{"/maybe"}}, Access: extauthz.AccessOptional},
		{Name: "lenient", Match: extauthz.Match{Paths: []string{"/lenient"}}, Access: extauthz.AccessOptional, Invalid: "ignore"},
		{Name: "closed", Match: extauthz.Match{Paths: []string{"/closed/**"}}, Access: extauthz.AccessDeny},
		{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin", "/admin/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
		{Name: "write", Match: extauthz.Match{Paths: []string{"/write"}}, Require: extauthz.Require{Scopes: []string{"read", "write"}}},
		{Name: "team", Match: extauthz.Match{Paths: []string{"/team"}}, Require: extauthz.Require{Methods: []string{"fake"}, Groups: []string{"dev"}, Domains: []string{"example.com"}, Scopes: []string{"read"}}},
		{Name: "read-only", Match: extauthz.Match{Hosts: []string{"ro.test"}, Methods: []string{"GET"}}, Access: extauthz.AccessAnonymous},
		{Name: "cookie-only", Match: extauthz.Match{Hosts: []string{"cookie.test"}}, Credentials: []string{"cookie"}},
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, c := range []struct {
		name   string
		in     *authv3.CheckRequest
		status int
		reason string
		rule   string
	}{
		{"no credential", req("GET app.test/"), 401, "no_credential", "default:required"},
		{"bearer", req("GET app.test/", bearer), 200, "", "default:required"},
		{"own cookie", req("GET app.test/", "cookie: a=1; gateward_client_token=good"), 200, "", "default:required"},
		{"accepted cookie", req("GET app.test/", "cookie: flipt_client_token=good"), 200, "", "default:required"},
		{"unknown credential", req("GET app.test/", "authorization: Bearer nobody"), 401, "invalid_credential", "default:required"},
		{"anonymous", req("GET app.test/public/a"), 200, "", "public"},
		{"anonymous ignores a bad credential", req("GET app.test/public/a", "authorization: Bearer nobody"), 200, "", "public"},
		{"optional without", req("GET app.test/maybe"), 200, "", "maybe"},
		{"optional with", req("GET app.test/maybe", bearer), 200, "", "maybe"},
		{"deny, whoever it is", req("GET app.test/closed/x", bearer), 403, "rule_denies", "closed"},
		{"group lacking", req("GET app.test/admin", bearer), 403, "group_not_allowed", "admin"},
		{"scope lacking", req("GET app.test/write", bearer), 403, "insufficient_scope", "write"},
		{"everything required is there", req("GET app.test/team", bearer), 200, "", "team"},
		{"everything required is not there", req("GET app.test/team", "authorization: Bearer bob"), 403, "domain_not_allowed", "team"},
		{"method matches", req("GET ro.test/x"), 200, "", "read-only"},
		{"HEAD is GET", req("HEAD ro.test/x"), 200, "", "read-only"},
		{"other method falls through", req("POST ro.test/x"), 401, "no_credential", "default:required"},
		{"cookie only: header is the upstream's", req("GET cookie.test/", "authorization: Digest a=b, c=d", "cookie: gateward_client_token=good"), 200, "", "cookie-only"},
		{"not admitted", req("GET app.test/", "authorization: Bearer out"), 403, "not_admitted", "default:required"},
		{"login service", req("GET app.test/auth/login"), 200, "", "builtin:login"},
		{"csrf endpoint", req("GET app.test/api/csrf"), 200, "", "builtin:login"},
		{"not below auth", req("GET app.test/authority"), 401, "no_credential", "default:required"},
		{"named rule", naming(req("GET app.test/whatever", bearer), "admin"), 403, "group_not_allowed", "admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := e.check(t, c.in)
			if status(got) != c.status || reason(got) != c.reason || metadata(got, "rule") != c.rule {
				t.Errorf("got %d %q by %q, want %d %q by %q", status(got), reason(got), metadata(got, "rule"), c.status, c.reason, c.rule)
			}
		})
	}
}

// TestSEC_A04_QueryNeverMatches: rules look at the path only.
func TestSEC_A04_QueryNeverMatches(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, path := range []string{"/secret?x=/healthz", "/secret?/public/a", "/secret?/../public/a"} {
		if got := e.check(t, req("GET app.test"+path)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", path, status(got))
		}
	}
}

// TestSEC_A05_OnlyTheRequestItselfCounts: headers that claim another path, host
// or method are not believed.
func TestSEC_A05_OnlyTheRequestItselfCounts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, h := range []string{
		"x-forwarded-uri: /public/a", "x-original-url: /public/a", "x-original-uri: /public/a", "x-rewrite-url: /public/a",
		"x-forwarded-host: ro.test", "x-envoy-original-path: /public/a", "forwarded: host=ro.test",
		":path: /public/a", ":authority: ro.test", "x-forwarded-prefix: /public",
	} {
		if got := e.check(t, req("GET app.test/secret", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
	}
}

// TestSEC_A06_EveryReadingMustPass: an ambiguous target reaches nothing that
// one of its readings is protected from.
func TestSEC_A06_EveryReadingMustPass(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, c := range []struct {
		path            string
		anonymous, user int
	}{
		{"/public/x", 200, 200},
		{"/files/a%2fb", 401, 200},
		{"/@scope%2fpackage", 401, 200},
		{"/matrix;v=1", 401, 200},
		{"/caf%c3%a9", 401, 200},
		{"/public/a%2fb", 401, 200},
		{"/public//x", 401, 200},
		{"/public;x/y", 401, 200},
		{"/admin%2fx", 401, 403},
		{"//admin/x", 401, 403},
		{"/admin;x", 401, 403},
		{"/admin%23/public", 401, 403},
		{"/admin%3f/public", 401, 403},
		{"/public%2f..%2fadmin", 400, 400},
		{"/public/..;/admin", 400, 400},
		{"/public/%2e%2e/admin", 400, 400},
		{"/public/%252e%252e/admin", 400, 400},
		{"/public/%c0%ae%c0%ae/admin", 400, 400},
		{"/public/..%3b/admin", 400, 400},
		{"/public%5c..%5cadmin", 400, 400},
		{"/public\\..\\admin", 400, 400},
		{"/admin%00", 400, 400},
		{"/closed%2fx", 401, 403},
	} {
		if got := e.check(t, req("GET app.test"+c.path)); status(got) != c.anonymous && (c.anonymous != 401 || status(got) != 403) {
			t.Errorf("%s without credential: got %d %s, want %d", c.path, status(got), reason(got), c.anonymous)
		}
		if got := e.check(t, req("GET app.test"+c.path, bearer)); status(got) != c.user {
			t.Errorf("%s with credential: got %d %s, want %d", c.path, status(got), reason(got), c.user)
		}
	}
	refusing := newEngine(t, func(c *extauthz.Config) { siteRules(c); c.RefuseAmbiguous = true })
	if got := refusing.check(t, req("GET app.test/files/a%2fb", bearer)); status(got) != 400 || reason(got) != "ambiguous_target" {
		t.Errorf("refuse: got %d %s", status(got), reason(got))
	}
}

// TestSEC_A06_NotRequired: where nothing is required, an ambiguous target still
// gets no further than the rule of each reading.
func TestSEC_A06_NotRequired(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) { siteRules(c); c.Required = false })
	for path, want := range map[string]int{"/a%2fb": 200, "/admin%2fx": 401, "//admin/": 401, "/x": 200, "/closed%2fx": 403} {
		if got := e.check(t, req("GET app.test"+path)); status(got) != want {
			t.Errorf("%s: got %d, want %d", path, status(got), want)
		}
	}
}

// TestSEC_A06_NamedRules: a route was chosen by one reading of the path, so a
// rule that it names opens nothing that another reading protects.
func TestSEC_A06_NamedRules(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin", "/admin/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
			{Name: "open", Access: extauthz.AccessAnonymous},
			{Name: "reader", Require: extauthz.Require{Groups: []string{"dev"}}},
			{Name: "by path", Require: extauthz.Require{When: `!request.path.startsWith("/admin")`}},
		}
	})
	for _, path := range []string{"/;/admin/x", "/;a=b/admin/x", "/%2fadmin/x", "/%2561dmin/x", "/%ef%bc%8fadmin", "/admin;x/y", "/admin%20/x", "/admin%3fx", "/admin.", "//admin/x"} {
		for rule, want := range map[string]int{"open": 400, "reader": 403, "by path": 403, "admin": 403} {
			if got := e.check(t, naming(req("GET app.test"+path, bearer), rule)); status(got) != want && status(got) != 400 {
				t.Errorf("%s by %q: got %d %s, want %d", path, rule, status(got), reason(got), want)
			}
		}
	}
	for path, want := range map[string]map[string]int{
		"/files/x":     {"open": 200, "reader": 200, "by path": 200},
		"/files/a%2fb": {"open": 400, "reader": 200, "by path": 200},
		"/f;v=1":       {"open": 400, "reader": 200, "by path": 200},
	} {
		for rule, status200 := range want {
			if got := e.check(t, naming(req("GET app.test"+path, bearer), rule)); status(got) != status200 {
				t.Errorf("%s by %q: got %d %s, want %d", path, rule, status(got), reason(got), status200)
			}
		}
	}
}

// TestSEC_A06_ExpressionsSeeEveryReading: a rule whose expression looks at the
// path is asked about each one, by match and by name.
func TestSEC_A06_ExpressionsSeeEveryReading(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "no admin", Match: extauthz.Match{Hosts: []string{"app.test"}}, Require: extauthz.Require{When: `!request.path.startsWith("/admin")`}},
		}
	})
	for path, want := range map[string]int{"/x": 200, "/x%2fy": 200, "/;/admin/x": 403, "//admin/x": 403, "/%2fadmin": 403} {
		if got := e.check(t, req("GET app.test"+path, bearer)); status(got) != want {
			t.Errorf("%s: got %d, want %d", path, status(got), want)
		}
		if got := e.check(t, naming(req("GET other.test"+path, bearer), "no admin")); status(got) != want {
			t.Errorf("%s, named: got %d, want %d", path, status(got), want)
		}
	}
}

// TestSEC_A06_NamedRuleAndSpelling: a route that was chosen from the path as it
// was sent opens nothing that the path is protected from in another spelling.
func TestSEC_A06_NamedRuleAndSpelling(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "tried", Match: extauthz.Match{Paths: []string{"/**"}}, Access: extauthz.AccessDeny, Shadow: true},
			{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin/**", "/café/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
			{Name: "open", Access: extauthz.AccessAnonymous},
			{Name: "reader", Require: extauthz.Require{Groups: []string{"dev"}}},
			{Name: "everything else", Access: extauthz.AccessDeny},
		}
	})
	for path, want := range map[string]int{"/%61dmin/x": 403, "/caf%c3%a9/x": 403, "/%61/x": 200, "/a%20b": 200, "/x": 200} {
		for _, rule := range []string{"open", "reader"} {
			if got := e.check(t, naming(req("GET app.test"+path, bearer), rule)); status(got) != want {
				t.Errorf("%s by %q: got %d %s, want %d", path, rule, status(got), reason(got), want)
			}
		}
	}
	// Where the ambiguous target is nobody's, the named rule alone decides.
	if got := e.check(t, naming(req("GET app.test/f;v=1", bearer), "reader")); status(got) != 200 {
		t.Errorf("got %d %s", status(got), reason(got))
	}
}

// TestSEC_A06_IdentityOfAnyReading: where one reading needs no credential and
// another does, the request passes as who was identified.
func TestSEC_A06_IdentityOfAnyReading(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Required = false
		c.Rules = []extauthz.Rule{
			{Name: "a", Match: extauthz.Match{Paths: []string{"/a/b"}}},
			{Name: "c", Match: extauthz.Match{Paths: []string{"/c/**"}}, Credentials: []string{"cookie"}},
		}
	})
	if got := e.check(t, req("GET app.test/a%2fb", bearer)); sent(got, "x-auth-request-user") != "ada" {
		t.Errorf("got %v", got)
	}
	// The literal reading is of nobody's rule, and its credential is the header.
	if got := e.check(t, req("GET app.test/c%2fb", bearer)); status(got) != 401 {
		t.Errorf("got %d", status(got))
	}
}

// TestRequestsAreApart: a request's expression never sees an earlier one.
func TestRequestsAreApart(t *testing.T) {
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{{Name: "r", Require: extauthz.Require{When: `request.headers["x-a"] == "1" && request.query["q"][0] == "1"`}}}
	})
	for range 50 { // one after the other, on the same pooled request
		if got := e.check(t, req("GET app.test/?q=1", bearer, "x-a: 1")); status(got) != 200 {
			t.Fatalf("got %d", status(got))
		}
		if got := e.check(t, req("GET app.test/?q=2", bearer, "x-a: 1")); status(got) != 403 {
			t.Fatalf("query of an earlier request: got %d", status(got))
		}
		if got := e.check(t, req("GET app.test/?q=1", bearer, "x-a: 2")); status(got) != 403 {
			t.Fatalf("headers of an earlier request: got %d", status(got))
		}
		if got := e.check(t, req("GET app.test/?q=1", "x-a: 1")); status(got) != 401 {
			t.Fatalf("credential of an earlier request: got %d", status(got))
		}
	}
}

// TestSEC_A06_OneCaller: readings that would let the request pass as different
// people let it pass as nobody.
func TestSEC_A06_OneCaller(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "a", Match: extauthz.Match{Paths: []string{"/a/**"}}, Credentials: []string{"bearer"}},
			{Name: "rest", Credentials: []string{"cookie"}},
		}
	})
	both := []string{bearer, "cookie: gateward_client_token=bob"}
	if got := e.check(t, req("GET app.test/;/a/x", both...)); status(got) != 400 {
		t.Errorf("two callers: got %d", status(got))
	}
	e.fake.table["othermethod"] = gateward.Identity{Principal: gateward.Principal{Issuer: "https://issuer.test", Subject: "ada"}, Method: "other"}
	if got := e.check(t, req("GET app.test/;/a/x", bearer, "cookie: gateward_client_token=othermethod")); status(got) == 200 {
		t.Error("one subject of two methods is one caller")
	}
	same := e.check(t, req("GET app.test/;/a/x", bearer, "cookie: gateward_client_token=good"))
	if status(same) != 200 || !removed(same, "authorization") || !removed(same, "cookie") {
		t.Errorf("one caller: got %v", same)
	}
}

// TestSEC_A07_FragmentNeverReachesMatching: no proxy sends one, so who does is
// refused.
func TestSEC_A07_FragmentNeverReachesMatching(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, path := range []string{"/secret#/public/a", "/public/a#x", "/public/?#"} {
		if got := e.check(t, req("GET app.test"+path)); status(got) != 400 {
			t.Errorf("%s: got %d, want 400", path, status(got))
		}
	}
}

// TestSEC_A08_Hosts: hosts are compared canonically, by whole labels.
func TestSEC_A08_Hosts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{
			{Name: "exact", Match: extauthz.Match{Hosts: []string{"app.example.test"}}, Access: extauthz.AccessAnonymous},
			{Name: "wild", Match: extauthz.Match{Hosts: []string{"*.wild.test"}}, Access: extauthz.AccessAnonymous},
		}
	})
	for host, want := range map[string]int{
		"app.example.test": 200, "App.Example.TEST.:8080": 200, "evilapp.example.test": 401, "app.example.test.evil": 401,
		"a.wild.test": 200, "a.b.wild.test": 200, "wild.test": 401, "evilwild.test": 401,
	} {
		if got := e.check(t, req("GET "+host+"/")); status(got) != want {
			t.Errorf("%s: got %d, want %d", host, status(got), want)
		}
	}
}

// TestSEC_A09_OddHostsAreRefused, also with a valid credential.
func TestSEC_A09_OddHostsAreRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, host := range []string{"app.test,evil.test", "a b", "user@app.test", "app\\test", "", "a..b", "app.test:x", "é.test"} {
		r := req("GET x/", bearer)
		r.Attributes.Request.Http.Host = host
		if got := e.check(t, r); status(got) != 400 || reason(got) != "invalid_host" {
			t.Errorf("%q: got %d %s", host, status(got), reason(got))
		}
	}
}

// TestSEC_A10_DefaultDeny: what no rule matches is not let in, unless the
// configuration says so.
func TestSEC_A10_DefaultDeny(t *testing.T) {
	t.Parallel()
	for required, want := range map[bool]int{true: 401, false: 200} {
		e := newEngine(t, func(c *extauthz.Config) { c.Required = required })
		if got := e.check(t, req("GET nowhere.test/x")); status(got) != want {
			t.Errorf("required %v: got %d, want %d", required, status(got), want)
		}
		if got := e.check(t, req("GET nowhere.test/x", bearer)); sent(got, "x-auth-request-user") != "ada" {
			t.Errorf("required %v: a valid credential does not identify", required)
		}
		if got := e.check(t, req("GET nowhere.test/x", "authorization: Bearer nobody")); status(got) != 401 {
			t.Errorf("required %v: a bad credential got %d", required, status(got))
		}
	}
}

// TestSEC_A11_FirstMatchWins, both ways round.
func TestSEC_A11_FirstMatchWins(t *testing.T) {
	t.Parallel()
	protected := extauthz.Rule{Name: "api", Match: extauthz.Match{Paths: []string{"/api/**"}}}
	public := extauthz.Rule{Name: "pub", Match: extauthz.Match{Paths: []string{"/api/public"}}, Access: extauthz.AccessAnonymous}
	for want, rules := range map[int][]extauthz.Rule{401: {protected, public}, 200: {public, protected}} {
		e := newEngine(t, func(c *extauthz.Config) { c.Rules = rules })
		if got := e.check(t, req("GET app.test/api/public")); status(got) != want {
			t.Errorf("%s first: got %d, want %d", rules[0].Name, status(got), want)
		}
		if n := len(e.Warnings()); (want == 401) != (n == 1) {
			t.Errorf("%s first: %d warnings about rules that never match", rules[0].Name, n)
		}
	}
}

// TestSEC_A12_Methods: methods are compared exactly, and some never pass.
func TestSEC_A12_Methods(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for method, want := range map[string]int{"get": 405, "Get": 405, "TRACE": 405, "CONNECT": 405, "trace": 405, "GETX": 401} {
		if got := e.check(t, req(method+" ro.test/x")); status(got) != want {
			t.Errorf("%s: got %d, want %d", method, status(got), want)
		}
	}
	got := e.check(t, req("POST ro.test/x", "x-http-method-override: GET"))
	if status(got) != 401 {
		t.Errorf("override: got %d, want 401", status(got))
	}
	if got := e.check(t, req("POST app.test/x", bearer, "x-http-method-override: DELETE")); !removed(got, "x-http-method-override") {
		t.Error("the upstream may see another method than was judged")
	}
}

// TestSEC_A15_UnknownRule: a route that names a rule which does not exist is a
// mistake of ours, and closed.
func TestSEC_A15_UnknownRule(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, name := range []string{"typo", "", "builtin:login", "none", "default:optional"} {
		if got := e.check(t, naming(req("GET app.test/public/x", bearer), name)); status(got) != 503 || reason(got) != "unknown_rule" {
			t.Errorf("%q: got %d %s", name, status(got), reason(got))
		}
	}
}

// TestSEC_B01_B02_B05: several credentials are no credential, and precedence
// is fixed.
func TestSEC_B01_SeveralCredentials(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		reason  string
	}{
		{"comma", []string{"authorization: Bearer good,Bearer bob"}, "multiple_credentials"},
		{"same twice", []string{"authorization: Bearer good,Bearer good"}, "multiple_credentials"},
		{"two headers", []string{bearer, "authorization: Bearer bob"}, "multiple_credentials"},
		{"two kinds", []string{"authorization: Basic YTpi, Bearer good"}, "multiple_credentials"},
		{"bad header, good cookie", []string{"authorization: Bearer nobody", "cookie: gateward_client_token=good"}, "invalid_credential"},
		{"empty header, good cookie", []string{"authorization: ", "cookie: gateward_client_token=good"}, "malformed_credential"},
	} {
		got := e.check(t, req("GET app.test/", c.headers...))
		if status(got) != 401 || reason(got) != c.reason {
			t.Errorf("%s: got %d %s, want 401 %s", c.name, status(got), reason(got), c.reason)
		}
	}
}

// TestSEC_B02_ConflictingCookies: planted cookies do not choose the session.
func TestSEC_B02_ConflictingCookies(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"semicolon", []string{"cookie: gateward_client_token=good; gateward_client_token=bob"}, 401},
		{"comma", []string{"cookie: a=1; gateward_client_token=good,gateward_client_token=bob"}, 401},
		{"two entries", []string{"cookie: gateward_client_token=good", "cookie: gateward_client_token=bob"}, 401},
		{"two names", []string{"cookie: gateward_client_token=good; flipt_client_token=bob"}, 401},
		{"inside another cookie's value", []string{"cookie: a=1,gateward_client_token=bob"}, 401},
		{"same twice", []string{"cookie: gateward_client_token=good; gateward_client_token=good"}, 200},
	} {
		got := e.check(t, req("GET app.test/", c.headers...))
		if status(got) != c.want {
			t.Errorf("%s: got %d, want %d", c.name, status(got), c.want)
		}
		if sent(got, "set-cookie") != "" {
			t.Errorf("%s: clears a cookie, which can only be the genuine one", c.name)
		}
	}
}

// TestSEC_B04_BadIsNotAnonymous: a bad credential is refused on optional rules
// too, unless the rule says otherwise; then it identifies nobody.
func TestSEC_B04_BadIsNotAnonymous(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, h := range []string{"authorization: Bearer nobody", "authorization: Bearer a b", "authorization: Basic !", "cookie: gateward_client_token=nobody", "cookie: gateward_client_token=a b"} {
		if got := e.check(t, req("GET app.test/maybe", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
		got := e.check(t, req("GET app.test/lenient", h))
		if status(got) != 200 || sent(got, "x-auth-request-user") != "" || !removed(got, "x-auth-request-user") {
			t.Errorf("%s, ignored: got %v", h, got)
		}
		if strings.HasPrefix(h, "auth") && !removed(got, "authorization") {
			t.Errorf("%s, ignored: the judged credential goes upstream", h)
		}
	}
	for _, h := range []string{"authorization: Bearer down", "authorization: Bearer out"} {
		if got := e.check(t, req("GET app.test/lenient", h)); allowed(got) {
			t.Errorf("%s: only bad credentials are ignored, got %d", h, status(got))
		}
	}
}

// TestSEC_B06_NoTokensInTheQuery or in a form.
func TestSEC_B06_NoTokensInTheQuery(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, q := range []string{"access_token=good", "token=good", "authorization=Bearer%20good"} {
		if got := e.check(t, req("GET app.test/?"+q)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", q, status(got))
		}
	}
}

// TestSEC_B07_ReplacedBytes: a credential with bytes that Envoy had to replace
// is none.
func TestSEC_B07_ReplacedBytes(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, v := range []string{"Bearer g\xc3\xb6od", "Bearer !!", "Bearer good!", "Bearer good\x00"} {
		if got := e.check(t, req("GET app.test/", "authorization: "+v)); status(got) != 401 || e.fake.calls.Load() != 0 {
			t.Errorf("%q: got %d after %d look-ups", v, status(got), e.fake.calls.Load())
		}
	}
}

// TestSEC_B08_LongCredentials are refused before anything is done with them.
func TestSEC_B08_LongCredentials(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	long := strings.Repeat("a", 60<<10)
	for _, h := range []string{"authorization: Bearer " + long, "authorization: Basic " + long, "cookie: gateward_client_token=" + long} {
		if got := e.check(t, req("GET app.test/", h)); status(got) != 401 || reason(got) != "credential_too_long" {
			t.Errorf("%.20s: got %d %s", h, status(got), reason(got))
		}
	}
}

// TestSEC_B14_Challenge: every 401 says how to do better, and no more.
func TestSEC_B14_Challenge(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, c := range []struct {
		name   string
		in     *authv3.CheckRequest
		status int
		want   string
	}{
		{"none", req("GET app.test/"), 401, `Bearer realm="gateward"`},
		{"invalid", req("GET app.test/", "authorization: Bearer nobody"), 401, `Bearer realm="gateward", error="invalid_token"`},
		{"several", req("GET app.test/", "authorization: Bearer a, Bearer b"), 401, `Bearer realm="gateward", error="invalid_request"`},
		{"scope", req("GET app.test/write", bearer), 403, `Bearer realm="gateward", error="insufficient_scope", scope="read write"`},
	} {
		got := e.check(t, c.in)
		if status(got) != c.status || sent(got, "www-authenticate") != c.want {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status(got), sent(got, "www-authenticate"), c.status, c.want)
		}
	}
}

// TestSEC_B15_PrincipalIsNoCredential: neither a certificate nor a header that
// claims one lets anybody in by itself.
func TestSEC_B15_PrincipalIsNoCredential(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	r := req("GET app.test/", "x-forwarded-client-cert: URI=spiffe://cluster.local/ns/default/sa/client")
	if got := e.check(t, r); status(got) != 401 {
		t.Errorf("header: got %d", status(got))
	}
	r.Attributes.Source = &authv3.AttributeContext_Peer{Principal: "spiffe://cluster.local/ns/default/sa/client"}
	if got := e.check(t, r); status(got) != 401 {
		t.Errorf("principal: got %d", status(got))
	}
}

// TestSEC_P03_HealthChecksAreNoException, whatever calls itself one.
func TestSEC_P03_HealthChecksAreNoException(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	for _, h := range []string{"user-agent: GoogleHC/1.0", "user-agent: kube-probe/1.30", "x-envoy-internal: true"} {
		if got := e.check(t, req("GET app.test/healthz", h)); status(got) != 401 {
			t.Errorf("%s: got %d, want 401", h, status(got))
		}
	}
}

func TestExclude(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		c.Exclude = extauthz.Exclude{Evaluation: true, OFREP: true, Hosts: []string{"flags.test"}}
		c.Rules = []extauthz.Rule{{Name: "first", Match: extauthz.Match{Paths: []string{"/evaluate/v1/secret"}}}}
	})
	for target, want := range map[string]int{
		"flags.test/evaluate/v1/boolean":                                200,
		"flags.test/client/v2/environments/default":                     200,
		"flags.test/internal/v1/evaluation":                             200,
		"flags.test/flipt.evaluation.EvaluationService/Boolean":         200,
		"flags.test/flipt.evaluation.v2.ClientEvaluationService/Stream": 200,
		"flags.test/ofrep/v1/evaluate/flags":                            200,
		"flags.test/evaluate/v1/secret":                                 401, // configured rules come first
		"other.test/evaluate/v1/boolean":                                401,
		"flags.test/flipt.evaluationX/Boolean":                          401,
		"flags.test/api/v2/environments":                                401,
		"flags.test/x/flipt.evaluation.EvaluationService/Boolean":       401,
	} {
		if got := e.check(t, req("POST "+target)); status(got) != want {
			t.Errorf("%s: got %d, want %d", target, status(got), want)
		}
	}
	off := newEngine(t, nil)
	if got := off.check(t, req("POST flags.test/ofrep/v1/evaluate/flags")); status(got) != 401 {
		t.Errorf("not excluded: got %d", status(got))
	}
}

// TestSEC_L02_FaultsAreClosed: whatever fails, nothing passes, and it is not
// blamed on the client.
func TestSEC_L02_FaultsAreClosed(t *testing.T) {
	t.Parallel()
	for _, asErrors := range []bool{false, true} {
		e := newEngine(t, func(c *extauthz.Config) { siteRules(c); c.FaultsAsErrors = asErrors })
		for token, want := range map[string]string{"down": "unavailable", "odd": "internal", "boom": "internal"} {
			for _, path := range []string{"/", "/maybe", "/lenient", "/admin"} {
				got := e.check(t, req("GET app.test"+path, "authorization: Bearer "+token))
				if status(got) != 503 || reason(got) != want || (got.GetErrorResponse() != nil) != asErrors {
					t.Errorf("%s on %s: got %d %s", token, path, status(got), reason(got))
				}
				if !asErrors && (sent(got, "retry-after") == "" || sent(got, "www-authenticate") != "" || sent(got, "set-cookie") != "") {
					t.Errorf("%s on %s: got %v", token, path, got)
				}
			}
		}
		if got := e.check(t, req("GET app.test/public/x", "authorization: Bearer down")); status(got) != 200 {
			t.Errorf("anonymous needs no method: got %d", status(got))
		}
		if got := e.check(t, req("GET app.test/", bearer)); status(got) != 200 {
			t.Errorf("after the faults: got %d", status(got))
		}
	}
}

// TestSEC_L07_PendingVerificationsAreBounded: credentials that cannot be judged
// yet do not pile up, and do not stand in the way of another method.
func TestSEC_L07_PendingVerificationsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &fakeMethod{name: "slow", table: map[string]any{}}
		for i := range 6000 {
			slow.table[fmt.Sprint("slow", i)] = func(ctx context.Context) (gateward.Identity, error) {
				<-ctx.Done()
				return gateward.Identity{}, ctx.Err()
			}
		}
		quick := newFake()
		inner, err := extauthz.New(defaults(), []methods.Authenticator{slow, quick}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, quick}
		reasons := make(chan string, 6000)
		for i := range 6000 {
			go func() {
				reasons <- reason(e.check(t, req("GET app.test/", fmt.Sprint("authorization: Bearer slow", i))))
			}()
		}
		synctest.Wait()
		if n := slow.calls.Load(); n != 4096 {
			t.Errorf("%d verifications under way, want 4096", n)
		}
		if got := e.check(t, req("GET app.test/", bearer)); status(got) != 200 {
			t.Errorf("another method: got %d %s", status(got), reason(got))
		}
		count := map[string]int{}
		for range 6000 {
			count[<-reasons]++
		}
		if count["overloaded"] != 6000-4096 || count["deadline"] != 4096 {
			t.Errorf("got %v", count)
		}
		time.Sleep(time.Minute) // in the bubble, until all of them have given up
		if got := e.check(t, req("GET app.test/", "authorization: Bearer slow0")); reason(got) != "deadline" {
			t.Errorf("afterwards: got %d %s, though nothing is under way", status(got), reason(got))
		}
		time.Sleep(time.Minute)
	})
}

// TestSEC_L01_DeadlineIsKept: the answer comes before Envoy gives up, and the
// verdict is not lost.
func TestSEC_L01_DeadlineIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		fake := newFake()
		fake.table["slow"] = func(ctx context.Context) (gateward.Identity, error) {
			select {
			case <-release:
				return ada(), nil
			case <-ctx.Done():
				return gateward.Identity{}, ctx.Err()
			}
		}
		inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		r := req("GET app.test/", "authorization: Bearer slow")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if got := e.checkContext(ctx, t, r); status(got) != 503 || reason(got) != "deadline" {
			t.Errorf("got %d %s", status(got), reason(got))
		}
		if ctx.Err() != nil {
			t.Error("the answer came after the deadline")
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if got := e.checkContext(gone, t, r); status(got) != 503 {
			t.Errorf("caller gone: got %d", status(got))
		}
		tiny, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		if got := e.checkContext(tiny, t, r); status(got) != 503 || tiny.Err() != nil {
			t.Errorf("with little time: got %d, %v", status(got), tiny.Err())
		}
		time.Sleep(time.Second) // in the bubble; all who asked are gone
		close(release)
		if got := e.check(t, r); status(got) != 200 || fake.calls.Load() != 1 {
			t.Errorf("got %d after %d calls, want 200 after 1: who leaves must not spoil it for others", status(got), fake.calls.Load())
		}
	})
}
