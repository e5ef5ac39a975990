package browser_test

import (
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

func TestSEC_B14_Challenge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		realm  string
		code   browser.ErrorCode
		scopes []string
		want   string
	}{
		{name: "no credential, no error", realm: "gateward", code: browser.NoCredential, scopes: []string{"read"}, want: `Bearer realm="gateward"`},
		{name: "invalid token", realm: "gateward", code: browser.InvalidToken, scopes: []string{"read"}, want: `Bearer realm="gateward", error="invalid_token"`},
		{name: "several credentials", realm: "gateward", code: browser.InvalidRequest, want: `Bearer realm="gateward", error="invalid_request"`},
		{name: "scope", realm: "a b", code: browser.InsufficientScope, scopes: []string{"read", "repo:write"}, want: `Bearer realm="a b", error="insufficient_scope", scope="read repo:write"`},
		{name: "no scopes", realm: "x", code: browser.InsufficientScope, want: `Bearer realm="x", error="insufficient_scope"`},
		{
			name: "scopes of no sense", realm: "x", code: browser.InsufficientScope,
			scopes: []string{"", "a b", `q"`, "\r\n", "é", "ok", `\`}, want: `Bearer realm="x", error="insufficient_scope", scope="ok"`,
		},
		{name: "escaped", realm: `a"b\c`, want: `Bearer realm="a\"b\\c"`},
		{name: "response splitting", realm: "a\r\nx-injected: 1\x00é", want: `Bearer realm="a??x-injected: 1??"`},
		{name: "empty", realm: "", want: `Bearer realm=""`},
		{name: "long", realm: strings.Repeat("a", 1000), want: `Bearer realm="` + strings.Repeat("a", 128) + `"`},
		{name: "unknown code says nothing new", realm: "x", code: browser.ErrorCode(99), want: `Bearer realm="x", error="invalid_token"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(browser.Challenge([]byte("x"), tt.realm, tt.code, tt.scopes)); got != "x"+tt.want {
				t.Errorf("got  %s\nwant x%s", got, tt.want)
			}
		})
	}
}

func TestBasicChallenge(t *testing.T) {
	t.Parallel()
	const want = `Basic realm="a\"?b", charset="UTF-8"`
	if got := string(browser.BasicChallenge(nil, "a\"\nb")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzChallenge: a realm and scopes never leave their quotes.
func FuzzChallenge(f *testing.F) {
	f.Add("gateward", "read")
	f.Add("\\\"\r\n", "\" error=\"")
	f.Add("\xff\u2028", "a\\")
	f.Fuzz(func(t *testing.T, realm, scope string) {
		got := string(browser.Challenge(nil, realm, browser.InsufficientScope, []string{scope, "z"}))
		inQuotes := false
		for i := 0; i < len(got); i++ {
			switch c := got[i]; {
			case c < ' ' || c > '~':
				t.Fatalf("byte %#x in %q", c, got)
			case c == '\\' && inQuotes:
				i++
			case c == '"':
				inQuotes = !inQuotes
			case !inQuotes && !strings.ContainsRune("Bearer realm=, error=scope", rune(c)):
				t.Fatalf("%q outside of quotes in %q", c, got)
			}
		}
		if inQuotes || !strings.Contains(got, `error="insufficient_scope"`) || !strings.HasSuffix(got, `z"`) {
			t.Errorf("got %q", got)
		}
	})
}
