package extauthz_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

// TestMistakesAreNamed: everything that is wrong is reported at once, each
// with its key.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	cfg.Exclude = extauthz.Exclude{Evaluation: true, OFREP: true, Hosts: []string{"no host"}}
	cfg.Rules = []extauthz.Rule{
		{Name: "a", Match: extauthz.Match{Hosts: []string{"ok.test", "*"}, Paths: []string{"/a*b", "b"}, Methods: []string{"get"}}},
		{Name: "a", Access: "sometimes"},
		{Name: "c", Access: extauthz.AccessAnonymous, Require: extauthz.Require{Groups: []string{"g"}}},
		{Name: "d", Credentials: []string{"query"}, Invalid: "ignore"},
		{Name: "e", Access: extauthz.AccessOptional, Invalid: "perhaps"},
		{Name: "f", Require: extauthz.Require{Methods: []string{"oidc"}, Emails: []string{"@"}, When: `identity.subjct == "x"`}},
		{Name: "g", Require: extauthz.Require{When: `identity.subject`}},
		{Name: "h", Require: extauthz.Require{When: `1 +`}},
		{},
		{Name: "j", Unauthenticated: "login"},
		{Name: "k", Unauthenticated: "redirect", Credentials: []string{"bearer"}},
		{Name: "l", Unauthenticated: "status", Access: extauthz.AccessAnonymous},
		{Name: "m", Unauthenticated: "auto", Access: extauthz.AccessDeny},
		{Name: "n", Unauthenticated: "redirect", Access: extauthz.AccessOptional},
		{Name: "o", Require: extauthz.Require{MaxAuthAge: -1}},
		{Name: "p", Require: extauthz.Require{MaxAuthAge: time.Hour}, Access: extauthz.AccessOptional},
	}
	cfg.Upstream.IdentityHeaders.Issuer = "x-auth-request-USER"
	cfg.Login = &extauthz.Login{URL: "app.test"}
	_, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
	got := keys(err)
	want := []string{
		"authentication.exclude.hosts[0]",
		"rules[0].match.hosts[1]", "rules[0].match.methods[0]", "rules[0].match.paths[0]", "rules[0].match.paths[1]",
		"rules[1].access", "rules[1].name",
		"rules[10].unauthenticated", "rules[11].unauthenticated", "rules[14].require.max_auth_age", "rules[15].require", "rules[9].unauthenticated", "server.public_url",
		"rules[2].require", "rules[3].credentials[0]", "rules[3].invalid",
		"rules[4].invalid", "rules[5].require.emails[0]", "rules[5].require.when",
		"rules[6].require.when", "rules[7].require.when", "rules[8].name", "upstream.identity_headers.issuer",
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q\n%v", got, want, err)
	}
}

func keys(err error) []string {
	var out []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, keys(e)...)
		}
	}
	var ce *gateward.ConfigError
	if out == nil && errors.As(err, &ce) {
		out = []string{ce.Key}
	}
	slices.Sort(out)
	return out
}

// TestOpenSlashes: a path that is protected without its trailing slash and open
// with it is pointed out.
func TestOpenSlashes(t *testing.T) {
	t.Parallel()
	protect := func(paths ...string) extauthz.Rule {
		return extauthz.Rule{Name: "protect", Match: extauthz.Match{Paths: paths}, Require: extauthz.Require{Groups: []string{"admin"}}}
	}
	open := extauthz.Rule{Name: "open", Access: extauthz.AccessAnonymous}
	for _, c := range []struct {
		name     string
		required bool
		rules    []extauthz.Rule
		want     string // key of the warning
	}{
		{"opened by a rule", true, []extauthz.Rule{protect("/x", "/admin"), open}, "rules[0].match.paths[0] rules[0].match.paths[1]"},
		{"opened by default", false, []extauthz.Rule{protect("/admin")}, "rules[0].match.paths[0]"},
		{"closed by default", true, []extauthz.Rule{protect("/admin")}, ""},
		{"covered", true, []extauthz.Rule{protect("/admin", "/admin/**"), open}, ""},
		{"covered by a later rule", true, []extauthz.Rule{protect("/admin"), {Name: "later", Match: extauthz.Match{Paths: []string{"/admin/**"}}, Access: extauthz.AccessDeny}, open}, ""},
		{"in shadow mode", true, []extauthz.Rule{{Name: "s", Match: extauthz.Match{Paths: []string{"/a"}}, Shadow: true}, open}, ""},
		{"opened elsewhere", true, []extauthz.Rule{protect("/admin"), {Name: "o", Access: extauthz.AccessAnonymous, Match: extauthz.Match{Hosts: []string{"other.test"}}}}, ""},
		{"opening itself", true, []extauthz.Rule{{Name: "o", Access: extauthz.AccessAnonymous, Match: extauthz.Match{Paths: []string{"/a"}}}, open}, ""},
	} {
		cfg := defaults()
		cfg.Required, cfg.Rules = c.required, c.rules
		e, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, w := range e.Warnings() {
			got = append(got, w.Key)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %q", c.name, e.Warnings(), c.want)
		}
	}
}

// TestSEC_R08_NeverMatching: a rule behind one that matches everything it
// matches is pointed out.
func TestSEC_R08_NeverMatching(t *testing.T) {
	t.Parallel()
	anonymous := extauthz.AccessAnonymous
	for _, c := range []struct {
		name        string
		first, then extauthz.Rule
		want        bool
	}{
		{"everything first", extauthz.Rule{}, extauthz.Rule{Match: extauthz.Match{Paths: []string{"/a"}}}, true},
		{"below", extauthz.Rule{Match: extauthz.Match{Paths: []string{"/a/**"}}}, extauthz.Rule{Match: extauthz.Match{Paths: []string{"/a/b", "/a/c/*"}}}, true},
		{"not all of it", extauthz.Rule{Match: extauthz.Match{Paths: []string{"/a/**"}}}, extauthz.Rule{Match: extauthz.Match{Paths: []string{"/a", "/a/b"}}}, false},
		{"other host", extauthz.Rule{Match: extauthz.Match{Hosts: []string{"a.test"}}}, extauthz.Rule{}, false},
		{"wild host", extauthz.Rule{Match: extauthz.Match{Hosts: []string{"*.test"}}}, extauthz.Rule{Match: extauthz.Match{Hosts: []string{"a.test"}}}, true},
		{"other method", extauthz.Rule{Match: extauthz.Match{Methods: []string{"GET"}}}, extauthz.Rule{Match: extauthz.Match{Methods: []string{"GET", "POST"}}}, false},
		{"plain targets only", extauthz.Rule{Access: anonymous}, extauthz.Rule{}, false},
		{"never plain", extauthz.Rule{Access: anonymous, Match: extauthz.Match{Paths: []string{"/a%2fb"}}}, extauthz.Rule{}, true},
		{"the login service's", extauthz.Rule{Match: extauthz.Match{Paths: []string{"/auth/admin/**"}}}, extauthz.Rule{}, true},
		{"not the login service's", extauthz.Rule{Match: extauthz.Match{Paths: []string{"/authors/**", "/api/csrf/x"}}}, extauthz.Rule{}, false},
		{"loosening both", extauthz.Rule{Access: anonymous}, extauthz.Rule{Access: anonymous, Match: extauthz.Match{Paths: []string{"/a"}}}, true},
	} {
		c.first.Name, c.then.Name = "first", "then"
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{c.first, c.then}
		e, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := len(e.Warnings()) == 1; got != c.want {
			t.Errorf("%s: got %v", c.name, e.Warnings())
		}
	}
}

// TestWarnings: what is suspicious is said, and used all the same.
func TestWarnings(t *testing.T) {
	t.Parallel()
	on := func(paths []string, hosts ...string) extauthz.Rule {
		return extauthz.Rule{Match: extauthz.Match{Hosts: hosts, Paths: paths}}
	}
	require := func(r extauthz.Require) extauthz.Rule { return extauthz.Rule{Require: r} }
	for _, c := range []struct {
		name string
		rule extauthz.Rule
		want string
	}{
		{"method of an authenticator", require(extauthz.Require{Methods: []string{"fake"}}), ""},
		{"method of sessions", require(extauthz.Require{Methods: []string{"oidc", "github"}}), ""},
		{"no such method", require(extauthz.Require{Methods: []string{"oidc", "mtls"}}), "rules[0].require.methods[1]"},
		{"long enough", require(extauthz.Require{MaxAuthAge: time.Minute}), ""},
		{"over at once", require(extauthz.Require{MaxAuthAge: 30 * time.Second}), "rules[0].require.max_auth_age"},
		{"login service", on([]string{"/auth/admin/**"}), "rules[0].match.paths[0]"},
		{"login service, by host", on([]string{"/x", "/auth"}, "other.test", "app.test"), "rules[0].match.paths[1]"},
		{"login service, by wildcard", on([]string{"/auth/**"}, "*.test"), "rules[0].match.paths[0]"},
		{"not its host", on([]string{"/auth/**"}, "other.test", "*.app.test"), ""},
		{"csrf on any host", on([]string{"/api/csrf"}, "other.test"), "rules[0].match.paths[0]"},
		{"neither", on([]string{"/authors/**", "/api/csrf/x"}), ""},
	} {
		cfg := sessionDefaults()
		fixtureLogin(&cfg)
		c.rule.Name = "a"
		cfg.Rules = []extauthz.Rule{c.rule}
		e, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, w := range e.Warnings() {
			got = append(got, w.Key)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %q", c.name, e.Warnings(), c.want)
		}
	}
}
