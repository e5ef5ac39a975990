package extauthz_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/methods"
)

// fixtureLogin is a login service at app.test, with a cookie for that host and
// those below it.
func fixtureLogin(c *extauthz.Config) {
	c.Login = &extauthz.Login{
		URL:    "https://app.test/auth/login",
		Covers: func(host string) bool { return host == "app.test" || strings.HasSuffix(host, ".app.test") },
	}
}

const html = "accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

// TestSEC_G21_WhoIsSentToTheLogin: whoever opens a page, and nobody else.
func TestSEC_G21_WhoIsSentToTheLogin(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, func(c *extauthz.Config) {
		fixtureLogin(c)
		c.Rules = []extauthz.Rule{
			{Name: "api", Match: extauthz.Match{Paths: []string{"/api/**"}}, Unauthenticated: "status"},
			{Name: "app", Match: extauthz.Match{Paths: []string{"/app/**"}}, Unauthenticated: "redirect"},
			{Name: "machines", Match: extauthz.Match{Paths: []string{"/machines/**"}}, Credentials: []string{"bearer", "basic"}},
			{Name: "closed", Match: extauthz.Match{Paths: []string{"/closed/**"}}, Access: extauthz.AccessDeny},
			{Name: "maybe", Match: extauthz.Match{Paths: []string{"/maybe"}}, Access: extauthz.AccessOptional},
			{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
		}
	})
	const badCookie = "cookie: gateward_client_token=s.over"
	for _, c := range []struct {
		name    string
		line    string
		headers []string
		want    int
	}{
		{"navigation", "GET app.test/", []string{"sec-fetch-mode: navigate"}, 302},
		{"navigation, by Accept", "GET app.test/", []string{html}, 302},
		{"HEAD", "HEAD app.test/", []string{html}, 302},
		{"host below the cookie's", "GET x.app.test/", []string{html}, 302},
		{"with a port", "GET app.test:8443/", []string{html}, 302},
		{"bad session cookie", "GET app.test/", []string{html, badCookie}, 302},
		{"malformed cookie", "GET app.test/", []string{html, "cookie: gateward_client_token=a b"}, 302},
		{"optional, bad session cookie", "GET app.test/maybe", []string{html, badCookie}, 302},

		{"fetch", "GET app.test/", []string{"sec-fetch-mode: cors", "accept: text/html"}, 401},
		{"curl", "GET app.test/", []string{"accept: */*"}, 401},
		{"nothing", "GET app.test/", nil, 401},
		{"XMLHttpRequest", "GET app.test/", []string{html, "x-requested-with: XMLHttpRequest"}, 401},
		{"prefetch", "GET app.test/", []string{"sec-fetch-mode: navigate", "sec-purpose: prefetch"}, 401},
		{"form", "POST app.test/", []string{"sec-fetch-mode: navigate", html}, 401},
		{"gRPC", "POST app.test/pkg.Service/Method", []string{"content-type: application/grpc", html}, 401},
		{"WebSocket", "GET app.test/", []string{"upgrade: websocket", "connection: Upgrade", html}, 401},
		{"other upgrade", "GET app.test/", []string{"upgrade: h2c", html}, 401},
		{"host that the cookie does not reach", "GET evil-app.test/", []string{html}, 401},
		{"two cookies", "GET app.test/", []string{html, "cookie: gateward_client_token=a; gateward_client_token=b"}, 401},
		{"too long a cookie, which may not be ours", "GET app.test/", []string{html, "cookie: gateward_client_token=" + strings.Repeat("a", 9000)}, 401},
		{"a header decides", "GET app.test/", []string{html, "authorization: Bearer nobody"}, 401},
		{"a malformed header decides", "GET app.test/", []string{html, "authorization: Bearer a b"}, 401},
		{"several headers decide", "GET app.test/", []string{html, "authorization: Bearer a,Bearer b"}, 401},

		{"rule without cookies", "GET app.test/machines/1", []string{html}, 401},
		{"forbidden", "GET app.test/admin", []string{html, sessionCookie}, 403},
		{"denied to all", "GET app.test/closed/x", []string{html}, 403},
		{"hostile", "GET app.test/..", []string{html}, 400},

		{"never", "GET app.test/api/x", []string{"sec-fetch-mode: navigate"}, 401},
		{"always", "GET app.test/app/x", []string{"sec-fetch-mode: cors"}, 302},
		{"always: navigation", "GET app.test/app/x", []string{html}, 302},
		{"always: HEAD", "HEAD app.test/app/x", nil, 302},
		{"always, but POST", "POST app.test/app/x", nil, 401},
		{"always, but gRPC", "GET app.test/app/x", []string{"content-type: application/grpc"}, 401},
		{"always, but WebSocket", "GET app.test/app/x", []string{"upgrade: websocket"}, 401},
		{"always, but an upgrade", "GET app.test/app/x", []string{"upgrade: h2c"}, 401},
		{"always, but elsewhere", "GET other.test/app/x", []string{html}, 401},
	} {
		got := e.check(t, req(c.line, c.headers...))
		if status(got) != c.want || (c.want == 302) != (sent(got, "location") != "") || sent(got, "set-cookie") != "" {
			t.Errorf("%s: got %d to %q, want %d", c.name, status(got), sent(got, "location"), c.want)
		}
		if (c.want == 401) != (sent(got, "www-authenticate") != "") {
			t.Errorf("%s: challenge %q with %d", c.name, sent(got, "www-authenticate"), status(got))
		}
	}
	without := newSessionEngine(t, nil)
	if got := without.check(t, req("GET app.test/", html)); status(got) != 401 || !strings.Contains(got.GetDeniedResponse().GetBody(), "<html") {
		t.Errorf("without a login: got %v", got)
	}
}

// TestSEC_I08_FormOfTheRedirect: what a browser and a cache need to know.
func TestSEC_I08_FormOfTheRedirect(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, fixtureLogin)
	got := e.check(t, req("GET app.test/a?b=1", html, "x-request-id: 8-9", "cookie: gateward_client_token=s.over"))
	for name, want := range map[string]string{
		"location": "https://app.test/auth/login?rd=/a%3Fb%3D1", "cache-control": "no-store", "vary": "Cookie",
		"content-type": "text/plain; charset=utf-8", "x-request-id": "8-9", "www-authenticate": "", "referrer-policy": "no-referrer",
	} {
		if v := sent(got, name); v != want {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
	if status(got) != 302 || got.GetStatus().GetCode() != 16 || reason(got) != "invalid_credential" || metadata(got, "decision_id") != sent(got, "x-gateward-decision-id") {
		t.Errorf("got %v", got)
	}
	if body := got.GetDeniedResponse().GetBody(); body == "" || strings.Contains(body, "/a") {
		t.Errorf("body %q", body)
	}
}

// TestSEC_I05_WhereToGoBack: the request as it was, if that is not too long.
func TestSEC_I05_WhereToGoBack(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, fixtureLogin)
	long := "/" + strings.Repeat("a", 2047)
	for _, c := range []struct{ name, host, path, want string }{
		{"root", "app.test", "/", "/"},
		{"query", "app.test", "/a/b?c=d&e=%20f+g", "/a/b?c=d&e=%20f+g"},
		{"encoded", "app.test", "/a%2fb;c", "/a%2fb;c"},
		{"address in the query", "app.test", "/?rd=https://evil.test/", "/?rd=https://evil.test/"},
		{"host in capitals", "APP.test.", "/x", "/x"},
		{"default port", "app.test:443", "/x", "/x"},
		{"other port", "app.test:8443", "/x?y", "https://app.test:8443/x?y"},
		{"port of another scheme", "app.test:80", "/x", "https://app.test:80/x"},
		{"other host", "X.app.test", "/x", "https://x.app.test/x"},
		{"two slashes", "app.test", "//evil.test/x", "/"},
		{"two slashes elsewhere", "x.app.test", "//evil.test/x", "https://x.app.test/"},
		{"raw UTF-8", "app.test", "/\u00e9?\u00e9", "/\u00e9?\u00e9"},
		{"longest", "app.test", long, long},
		{"too long", "app.test", long + "a", "/"},
		{"longest elsewhere", "x.app.test", long[:2048-18], "https://x.app.test" + long[:2048-18]},
		{"too long elsewhere", "x.app.test", long[:2048-17], "https://x.app.test/"},
		{"much too long", "app.test", "/?" + strings.Repeat("%20", 3000), "/"},
	} {
		got := e.check(t, req("GET "+c.host+c.path, html))
		u, err := url.Parse(sent(got, "location"))
		if err != nil || status(got) != 302 || u.Host != "app.test" || u.Path != "/auth/login" || u.Query().Get("rd") != c.want || len(u.Query()) != 1 {
			t.Errorf("%s: got %d to %.200q (rd %.99q), want rd %.99q", c.name, status(got), sent(got, "location"), u.Query().Get("rd"), c.want)
		}
	}
}

// FuzzRedirect sends people who are not logged in to any target: whatever it
// is, they get to the login page, and back no further than to where they were.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"/", "/a?b", "//evil.test", "/\\evil.test", "/%0d%0aset-cookie:x", "/a%2f..%2f", "/?rd=//evil", "/#x", "/\u00e9", "/\xff", "/;/"} {
		f.Add("app.test", s)
		f.Add("x.app.test:8443", s)
	}
	e := newSessionEngine(f, fixtureLogin)
	f.Fuzz(func(t *testing.T, host, path string) {
		r := req("GET app.test/", html)
		r.Attributes.Request.Http.Host, r.Attributes.Request.Http.Path = host, path
		b, err := proto.Marshal(r)
		if err != nil {
			return // not UTF-8
		}
		got := e.checkBytes(t.Context(), t, b)
		if status(got) != 302 {
			return
		}
		location := sent(got, "location")
		u, err := url.Parse(location)
		if err != nil || strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
			t.Fatalf("location %q: %v", location, err)
		}
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil || u.Scheme+u.Host+u.Path != "httpsapp.test/auth/login" || len(query) != 1 || len(query["rd"]) != 1 {
			t.Fatalf("location %q: %v", location, err)
		}
		back := query.Get("rd")
		if at, ok := strings.CutPrefix(back, "https://"); ok {
			name, rest, _ := strings.Cut(at, "/")
			name, _, _ = strings.Cut(name, ":")
			if back = "/" + rest; name != "app.test" && !strings.HasSuffix(name, ".app.test") {
				t.Fatalf("back to %q", query.Get("rd"))
			}
		}
		if back != "/" && back != path || strings.HasPrefix(back, "//") || strings.HasPrefix(back, `/\`) || len(query.Get("rd")) > 2048 {
			t.Fatalf("back to %q from %q", query.Get("rd"), path)
		}
	})
}

// TestSEC_K08_RedirectsAreNotShared: nobody gets the address of another. The
// race detector judges too.
func TestSEC_K08_RedirectsAreNotShared(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, fixtureLogin)
	var wg sync.WaitGroup
	for _, path := range []string{"/a", "/b?secret", "/c/d"} {
		b, err := proto.Marshal(req("GET app.test"+path, html, "cookie: gateward_client_token=s.over"))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			var v wire.View
			for range 200 {
				answer := e.Decide(t.Context(), &v, wire.Scan(b, &v))
				var got authv3.CheckResponse
				if err := proto.Unmarshal(answer, &got); err != nil || sent(&got, "location") != "https://app.test/auth/login?rd="+strings.NewReplacer("?", "%3F").Replace(path) {
					t.Errorf("%s: got %v, %v", path, &got, err)
				}
				clear(answer)
			}
		})
	}
	wg.Wait()
}

// TestMaxAuthAge: a login that is too long ago is asked for again, where a login
// helps.
func TestMaxAuthAge(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, func(c *extauthz.Config) {
		fixtureLogin(c)
		age := extauthz.Require{MaxAuthAge: 10 * time.Minute}
		group := age
		group.Groups = []string{"admin"}
		never := age
		never.When = "false"
		c.Rules = []extauthz.Rule{
			{Name: "status", Match: extauthz.Match{Paths: []string{"/status"}}, Require: age, Unauthenticated: "status"},
			{Name: "group", Match: extauthz.Match{Paths: []string{"/group"}}, Require: group},
			{Name: "when", Match: extauthz.Match{Paths: []string{"/when"}}, Require: never},
			{Name: "recent", Require: age},
		}
	})
	now := time.Unix(0, e.clock.Load())
	for token, at := range map[string]time.Time{
		"s.young": now.Add(-9 * time.Minute), "s.edge": now.Add(-10 * time.Minute), "s.old": now.Add(-10*time.Minute - 1),
		"s.unknown": {}, "s.ahead": now.Add(time.Minute),
	} {
		id := grace()
		id.AuthTime = at
		e.sessions.create(token, id)
	}
	const challenge = `Bearer realm="gateward", error="insufficient_user_authentication", max_age="600"`
	const location = "https://app.test/auth/login?rd=/x%3Fy&max_age=600"
	cookie := func(token string) string { return "cookie: gateward_client_token=" + token }
	for _, c := range []struct {
		name, path, credential, accept string
		status                         int
		reason                         string
	}{
		{"young", "/x?y", cookie("s.young"), html, 200, ""},
		{"just young enough", "/x?y", cookie("s.edge"), html, 200, ""},
		{"clock ahead", "/x?y", cookie("s.ahead"), html, 200, ""},
		{"old", "/x?y", cookie("s.old"), html, 302, "auth_too_old"},
		{"unknown", "/x?y", cookie("s.unknown"), html, 302, "auth_too_old"},
		{"old, script", "/x?y", cookie("s.old"), "accept: */*", 401, "auth_too_old"},
		{"old, as bearer", "/x?y", "authorization: Bearer s.old", html, 401, "auth_too_old"},
		{"old, never redirected", "/status", cookie("s.old"), html, 401, "auth_too_old"},
		{"a token, by header", "/x?y", bearer, html, 401, "auth_too_old"},
		{"a token, by cookie", "/x?y", cookie("good"), html, 401, "auth_too_old"},
		{"something else is lacking", "/group", cookie("s.old"), html, 403, "group_not_allowed"},
		{"something else is wrong", "/when", cookie("s.old"), html, 403, "condition_false"},
	} {
		got := e.check(t, req("GET app.test"+c.path, c.credential, c.accept))
		if status(got) != c.status || reason(got) != c.reason {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status(got), reason(got), c.status, c.reason)
		}
		if c.status == 302 && sent(got, "location") != location {
			t.Errorf("%s: got %s", c.name, sent(got, "location"))
		}
		if c.status == 401 && sent(got, "www-authenticate") != challenge {
			t.Errorf("%s: got %s", c.name, sent(got, "www-authenticate"))
		}
	}
	// It gets old while it is in the cache.
	e.pass(time.Minute)
	if got := e.check(t, req("GET app.test/", cookie("s.young"), html)); status(got) != 200 {
		t.Errorf("still young: got %d", status(got))
	}
	e.pass(1)
	if got := e.check(t, req("GET app.test/", cookie("s.young"), html)); status(got) != 302 {
		t.Errorf("not any longer: got %d", status(got))
	}
	if n := e.sessions.calls.Load(); n > 7 {
		t.Errorf("%d look-ups", n)
	}
}

// TestSwitchAccount: a person who may not enter is told who they are to us, by
// what rule, and how to come as somebody else.
func TestSwitchAccount(t *testing.T) {
	t.Parallel()
	admin := func(c *extauthz.Config) {
		c.Rules = []extauthz.Rule{{Name: "admins-only", Match: extauthz.Match{Paths: []string{"/admin"}}, Require: extauthz.Require{Groups: []string{"admin"}}}}
	}
	e := newSessionEngine(t, func(c *extauthz.Config) { fixtureLogin(c); admin(c) })
	refused := grace()
	refused.Email = "mallory@example.com"
	const link = `href="https://app.test/auth/login?rd=/admin&amp;prompt=select_account"`
	page := func(headers ...string) string {
		t.Helper()
		got := e.check(t, req("GET app.test/admin", append(headers, html)...))
		if status(got) != 403 {
			t.Errorf("%s: got %d", headers, status(got))
		}
		return got.GetDeniedResponse().GetBody()
	}
	if body := page(sessionCookie); !strings.Contains(body, "grace@example.com") || !strings.Contains(body, "admins-only") || !strings.Contains(body, link) {
		t.Errorf("session: got %s", body)
	}
	if body := page(sessionBearer); strings.Contains(body, link) {
		t.Errorf("session as bearer, which a login does not change: got %s", body)
	}
	if body := page("cookie: gateward_client_token=good"); strings.Contains(body, link) {
		t.Errorf("token: got %s", body)
	}
	e.sessions.set(func() {
		e.sessions.table["s.refused"], e.sessions.err = refused, &gateward.NotAdmittedError{Rule: "email_matches"}
	})
	for range 2 { // the second from the cache
		body := page("cookie: gateward_client_token=s.refused")
		if !strings.Contains(body, "mallory@example.com") || !strings.Contains(body, "email_matches") || strings.Contains(body, "admins-only") || !strings.Contains(body, link) {
			t.Errorf("not admitted: got %s", body)
		}
	}
	script := e.check(t, req("GET app.test/admin", "cookie: gateward_client_token=s.refused"))
	if strings.Contains(script.String(), "mallory") || sent(script, "location") != "" {
		t.Errorf("script: got %v", script)
	}
}

// TestLoginPathsAreThoseOfItsHost: elsewhere, the rules decide.
func TestLoginPathsAreThoseOfItsHost(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, fixtureLogin)
	for line, want := range map[string]int{
		"GET app.test/auth": 200, "GET app.test/auth/v1/self": 200, "POST APP.test:8443/auth/logout": 200, "GET app.test/authority": 401,
		"GET x.app.test/auth/login": 401, "GET other.test/auth/login": 401,
		"GET app.test/api/csrf": 200, "GET other.test/api/csrf": 200, "GET other.test/api/csrf/x": 401,
	} {
		got := e.check(t, req(line, "x-auth-request-user: evil", "authorization: Bearer nobody", sessionCookie))
		if status(got) != want || want == 200 && (metadata(got, "rule") != "builtin:login" || !removed(got, "x-auth-request-user") || removed(got, "cookie") || removed(got, "authorization")) {
			t.Errorf("%s: got %v, want %d", line, got, want)
		}
	}
}

// TestCookieOfOneHost: without more being said, the cookie is that of the login
// service's host.
func TestCookieOfOneHost(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, func(c *extauthz.Config) { c.Login = &extauthz.Login{URL: "http://localhost:10000/auth/login"} })
	for host, want := range map[string]string{
		"localhost:10000": "http://localhost:10000/auth/login?rd=/x", "LOCALHOST": "http://localhost:10000/auth/login?rd=http%3A//localhost/x",
		"x.localhost:10000": "", "127.0.0.1:10000": "",
	} {
		if got := sent(e.check(t, req("GET "+host+"/x", html)), "location"); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

// TestLoginIsChecked: what is wrong about it is said when it is configured.
func TestLoginIsChecked(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://app.test/auth/login": true, "http://localhost:10000/auth/login": true, "https://[::1]:8443/auth/login": true,
		"": false, "/auth/login": false, "ftp://app.test/auth/login": false, "https:///auth/login": false, "https://u@app.test/auth/login": false,
		"https://app.test/auth/login?x": false, "https://app.test/auth/login#x": false, "https://a b/auth/login": false, "https://app.test/a\u00e9": false,
	} {
		cfg := sessionDefaults()
		fixtureLogin(&cfg)
		cfg.Login.URL = address
		_, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
		if got := keys(err); ok != (err == nil) || !ok && strings.Join(got, " ") != "server.public_url" {
			t.Errorf("%q: got %v", address, err)
		}
	}
}
