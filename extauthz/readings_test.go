package extauthz_test

import (
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
)

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
