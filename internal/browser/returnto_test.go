package browser_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
)

func newTargets(t testing.TB, public string, patterns ...string) *browser.ReturnTargets {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := browser.NewReturnTargets(u, patterns)
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

type targetCase struct{ name, in, want string } // want "": refused

func runTargets(t *testing.T, tests []targetCase) {
	t.Helper()
	targets := newTargets(t, "https://app.example.com", "https://*.apps.example.com", "https://one.example.com:8443", "http://localhost:3000")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := targets.Check(tt.in)
			if ok != (tt.want != "") {
				t.Fatalf("%q: got %q, %v", tt.in, got, ok)
			}
			if !ok {
				tt.want = "/"
			}
			if got != tt.want {
				t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestSEC_I01_ReturnTargets(t *testing.T) {
	t.Parallel()
	runTargets(t, []targetCase{
		{name: "root", in: "/", want: "/"},
		{name: "path and query", in: "/a/b?x=/y&z=%2F%0d", want: "/a/b?x=/y&z=%2F%0d"},
		{name: "empty query", in: "/a?", want: "/a?"},
		{name: "fragment goes", in: "/a?b#c", want: "/a?b"},
		{name: "own origin", in: "https://app.example.com/a", want: "https://app.example.com/a"},
		{name: "own origin, written otherwise", in: "HTTPS://App.Example.COM:443/A?b", want: "https://app.example.com/A?b"},
		{name: "own origin, no path", in: "https://app.example.com", want: "https://app.example.com/"},
		{name: "own origin, query only", in: "https://app.example.com?a=1", want: "https://app.example.com/?a=1"},
		{name: "allowed", in: "https://x.apps.example.com/a", want: "https://x.apps.example.com/a"},
		{name: "allowed, two labels", in: "https://x.y.apps.example.com/", want: "https://x.y.apps.example.com/"},
		{name: "allowed, port", in: "https://one.example.com:8443/", want: "https://one.example.com:8443/"},
		{name: "allowed, http", in: "http://localhost:3000/", want: "http://localhost:3000/"},
		{name: "encoded path", in: "/gr%C3%B6%C3%9Fe/a%20b", want: "/gr%C3%B6%C3%9Fe/a%20b"},
		{name: "characters beyond ASCII", in: "/größe?q=ü", want: "/gr%C3%B6%C3%9Fe?q=%C3%BC"},
		{name: "space, quotes and brackets", in: `/a b/"<{|}>?q="a b"\`, want: "/a%20b/%22%3C%7B%7C%7D%3E?q=%22a%20b%22%5C"},
		{name: "URL in the query", in: "/?u=https://evil.example", want: "/?u=https://evil.example"},
		{name: "dots in names", in: "/a..b/.well-known/...", want: "/a..b/.well-known/..."},
		{name: "loose percent in the query", in: "/?q=100%", want: "/?q=100%"},

		{name: "empty", in: ""},
		{name: "two slashes", in: "//evil"},
		{name: "three slashes", in: "///evil"},
		{name: "backslash", in: `/\evil`},
		{name: "two backslashes", in: `\\evil`},
		{name: "backslash later", in: `/a\..\b`},
		{name: "encoded tab", in: "/%09/evil"},
		{name: "tab", in: "/\t/evil"},
		{name: "newline", in: "/\n/evil"},
		{name: "encoded slash first", in: "/%2fevil"},
		{name: "encoded backslash first", in: "/%5Cevil"},
		{name: "encoded twice", in: "/%252fevil"},
		{name: "dot segment and slashes", in: "/.//evil"},
		{name: "dot segments", in: "/a/../b"},
		{name: "encoded dot segments", in: "/a/%2e%2E/b"},
		{name: "dot segments encoded twice", in: "/a/%252e%252e/b"},
		{name: "dot segment with parameter", in: "/a/..;x/b"},
		{name: "bad percent", in: "/a%zz"},
		{name: "leading space", in: " https://app.example.com/"},
		{name: "leading control", in: "\x01/a"},
		{name: "trailing space", in: "/a "},
		{name: "NUL", in: "/a\x00"},
		{name: "encoded NUL", in: "/a%00"},
		{name: "not UTF-8", in: "/a\xff"},
		{name: "next line", in: "/a\u0085"},
		{name: "relative", in: "a/b"},
		{name: "query only", in: "?a"},
		{name: "fragment only", in: "#a"},

		{name: "scheme without slashes", in: "https:evil"},
		{name: "scheme with one slash", in: "https:/evil"},
		{name: "scheme with three slashes", in: "https:///evil"},
		{name: "scheme with backslashes", in: `https:\\app.example.com`},
		{name: "scheme, own host, no slashes", in: "https:app.example.com"},
		{name: "user", in: "https://app.example.com@evil"},
		{name: "user of our host", in: "https://evil@app.example.com"},
		{name: "backslash and user", in: `https://app.example.com\@evil`},
		{name: "fragment and user", in: "https://evil#@app.example.com"},
		{name: "query and user", in: "https://evil?@app.example.com"},
		{name: "our name in front", in: "https://app.example.com.evil"},
		{name: "our name behind", in: "https://evilapp.example.com"},
		{name: "javascript", in: "javascript:alert(1)"},
		{name: "javascript with slashes", in: "javascript://app.example.com/%0aalert(1)"},
		{name: "data", in: "data:text/html,x"},
		{name: "other scheme", in: "http://app.example.com/"},
		{name: "other port", in: "https://app.example.com:8443/"},
		{name: "empty port", in: "https://app.example.com:/"},
		{name: "port with a zero", in: "https://app.example.com:0443/"},
		{name: "port with a sign", in: "https://app.example.com:+443/"},
		{name: "port too large", in: "https://app.example.com:65979/"},
		{name: "allowed host, default port", in: "https://one.example.com/"},
		{name: "the wildcard's own domain", in: "https://apps.example.com/"},
		{name: "wildcard without label", in: "https://.apps.example.com/"},
		{name: "wildcard, glued", in: "https://evilapps.example.com/"},
		{name: "wildcard, empty label", in: "https://a..apps.example.com/"},
		{name: "wildcard, port", in: "https://x.apps.example.com:8443/"},
		{name: "final dot", in: "https://app.example.com./"},
		{name: "encoded host", in: "https://app%2eexample.com/"},
		{name: "encoded slash in the host", in: "https://evil%2f.apps.example.com/"},
		{name: "host beyond ASCII", in: "https://\u212a.apps.example.com/"},
		{name: "full stop of another script", in: "https://evil\u3002apps.example.com/"},
		{name: "soft hyphen in the host", in: "https://app\u00ad.example.com/"},
		{name: "tab in the host", in: "https://app.exa\tmple.com/"},
		{name: "semicolon in the host", in: "https://evil;.apps.example.com/"},
		{name: "absolute with two slashes in the path", in: "https://app.example.com//evil"},
	})
}

func TestSEC_I02_NoControlsInTargets(t *testing.T) {
	t.Parallel()
	runTargets(t, []targetCase{
		{name: "encoded in the path", in: "/a%0d%0aSet-Cookie:x"},
		{name: "encoded twice in the path", in: "/a%250d%250aSet-Cookie:x"},
		{name: "in the path", in: "/a\r\nSet-Cookie:x"},
		{name: "in the query", in: "/a?b\r\nSet-Cookie:x"},
		{name: "encoded in the query stays encoded", in: "/a?b%0d%0aSet-Cookie:x", want: "/a?b%0d%0aSet-Cookie:x"},
		{name: "line separator", in: "/a\u2028b"},
		{name: "delete", in: "/a\x7f"},
	})
}

func TestSEC_I05_LongTargetsAreRefused(t *testing.T) {
	t.Parallel()
	longest := "/" + strings.Repeat("a", 2047)
	runTargets(t, []targetCase{
		{name: "at the limit", in: longest, want: longest},
		{name: "above", in: longest + "a"},
		{name: "far above", in: "/" + strings.Repeat("a", 10<<10)},
		{name: "too long once escaped", in: "/" + strings.Repeat("é", 1000)},
		{name: "too long by the path that is added", in: "https://app.example.com?" + strings.Repeat("a", 2048-24)},
	})
}

func TestSEC_I06_TargetsAreNotTheLogin(t *testing.T) {
	t.Parallel()
	runTargets(t, []targetCase{
		{name: "login", in: "/auth/login"},
		{name: "logout", in: "/auth/logout?rd=/"},
		{name: "itself", in: "/auth"},
		{name: "final slash", in: "/auth/"},
		{name: "query", in: "/auth?x"},
		{name: "absolute", in: "https://app.example.com/auth/login"},
		{name: "another host", in: "https://x.apps.example.com/auth/login"},
		{name: "encoded", in: "/%61uth/login"},
		{name: "encoded twice", in: "/%2561uth/login"},
		{name: "encoded slash", in: "/auth%2flogin"},
		{name: "encoded backslash", in: "/auth%5clogin"},
		{name: "parameter", in: "/auth;a=b/login"},
		{name: "encoded parameter", in: "/auth%3ba/login"},
		{name: "space", in: "/auth%20/login"},
		{name: "inner slashes of a parameter", in: "/;/auth/login"},

		{name: "only begins like it", in: "/authors", want: "/authors"},
		{name: "further down", in: "/a/auth/login", want: "/a/auth/login"},
		{name: "another case", in: "/Auth/login", want: "/Auth/login"},
		{name: "in the query", in: "/?/auth/login", want: "/?/auth/login"},
	})
}

func TestNewReturnTargets_Problems(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", "app.example.com", "ftp://app.example.com", "https://", "https://*", "https://*.com", "https://*.", "https://a.*.example.com",
		"https://*a.example.com", "https://app.example.com/", "https://app.example.com/x", "https://a@b", "https://app.example.com:x", "https://app.example.com:*",
		"https://größe.example", "https://*.10.0.0.1", "https://127.1", "https://app.example.com.", "HTTPS://app.example.com", "https://a?b", "//app.example.com", "null",
		"https://[::ffff:1.2.3.4]", "https://[::1%25lo]", "https://[0:0::1]", "https://[::1", "https://app.example.com:0443", "https://app.example.com:0",
	}
	_, err := browser.NewReturnTargets(&url.URL{Scheme: "https", Host: "app.example.com"}, append(bad, "https://Fine.example:8443", "https://*.fine.example", "http://[::1]:80"))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, e := range joined.Unwrap() {
		var ce *gateward.ConfigError
		if !errors.As(e, &ce) || ce.Problem == "" || ce.Remedy == "" || ce.Warning {
			t.Fatalf("got %v, want a ConfigError", e)
		}
		got = append(got, ce.Key)
	}
	var want []string
	for i := range bad {
		want = append(want, "return_to["+itoa(i)+"]")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got problems at %v, want %v", got, want)
	}
	for _, public := range []*url.URL{nil, {}, {Scheme: "https"}, {Scheme: "file", Path: "/x"}, {Scheme: "https", Host: "*.example.com"}} {
		if got, err := browser.NewReturnTargets(public, nil); err == nil || got != nil {
			t.Errorf("%v: got %v, %v", public, got, err)
		}
	}
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

// resolve is an independent, small reading of https://url.spec.whatwg.org/ for
// special schemes: the origin that a browser on base goes to, "" if none.
func resolve(scheme, host, input string) string {
	input = strings.TrimFunc(input, func(r rune) bool { return r <= ' ' })
	input = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(input)
	slash := func(i int) bool { return i < len(input) && (input[i] == '/' || input[i] == '\\') }
	if colon := strings.IndexByte(input, ':'); colon > 0 && isScheme(input[:colon]) {
		own := scheme
		scheme = strings.ToLower(input[:colon])
		input = input[colon+1:]
		if scheme != "http" && scheme != "https" {
			return scheme + ":"
		}
		if scheme == own && !strings.HasPrefix(input, "//") {
			if !slash(0) || !slash(1) {
				return scheme + "://" + host
			}
		}
		input = strings.TrimLeft(input, `/\`)
	} else {
		if !slash(0) || !slash(1) {
			return scheme + "://" + host
		}
		input = strings.TrimLeft(input, `/\`)
	}
	if end := strings.IndexAny(input, `/\?#`); end >= 0 {
		input = input[:end]
	}
	input = input[strings.LastIndexByte(input, '@')+1:]
	input = strings.TrimSuffix(strings.ToLower(input), map[string]string{"https": ":443", "http": ":80"}[scheme])
	input = strings.TrimSuffix(input, ":")
	if u, err := url.PathUnescape(input); err == nil {
		input = u
	}
	return scheme + "://" + input
}

func isScheme(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return true
}

func TestResolve_IsLikeABrowser(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a": "https://app.example.com", "//evil": "https://evil", `/\evil`: "https://evil", "/\t/evil": "https://evil",
		"https:evil": "https://app.example.com", "http:evil": "http://evil", "https:///evil": "https://evil", " https://evil": "https://evil",
		"https://a@evil": "https://evil", `https://a\@evil`: "https://a", "javascript:x": "javascript:", "https:/\\evil": "https://evil",
		"https://evil#@a": "https://evil", "https://app.example.com:443": "https://app.example.com", "https://e%76il": "https://evil",
	} {
		if got := resolve("https", "app.example.com", in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzReturnTargets: a browser that gets an accepted target, or the raw one,
// goes to an allowed origin and not to the login; nothing in it can end a
// header.
func FuzzReturnTargets(f *testing.F) {
	for _, s := range []string{
		"/", "/a?b#c", "//evil", `/\evil`, "https://app.example.com/a", "https://x.apps.example.com:443/?q", "https:evil", "https://app.example.com@evil",
		"/%09/evil", "/auth/login", "/%61uth", " https://evil", "https://app.example.com\\@evil", "/größe", "/a%0d%0ab", "https://[::1]", "https://127.1",
		"/..;/auth/x", "https://x.apps.example.com.", "https://one.example.com:8443/%2e%2e/", "http:app.example.com",
	} {
		f.Add(s)
	}
	targets := newTargets(f, "https://app.example.com", "https://*.apps.example.com", "https://one.example.com:8443")
	f.Fuzz(func(t *testing.T, raw string) {
		got, ok := targets.Check(raw)
		if !ok {
			if got != "/" {
				t.Errorf("%q is refused, and %q returned", raw, got)
			}
			return
		}
		for _, s := range []string{raw, got} {
			o := resolve("https", "app.example.com", s)
			host, below := strings.CutSuffix(o, ".apps.example.com")
			below = below && strings.HasPrefix(host, "https://") && len(host) > len("https://")
			if o != "https://app.example.com" && o != "https://one.example.com:8443" && !below {
				t.Errorf("%q leads to %q", s, o)
			}
		}
		if strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 || len(got) > 2048 {
			t.Errorf("%q becomes %q", raw, got)
		}
		if again, ok := targets.Check(got); !ok || again != got {
			t.Errorf("%q becomes %q becomes %q, %v", raw, got, again, ok)
		}
		// As Go resolves it, and as a server behind it cleans it.
		u, err := (&url.URL{Scheme: "https", Host: "app.example.com", Path: "/auth/v1/callback"}).Parse(got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if p := u.JoinPath().Path; p == "/auth" || strings.HasPrefix(p, "/auth/") {
			t.Errorf("%q leads to %q", raw, p)
		}
	})
}
