package target_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/gateward/gateward/extauthz/target"
)

func mustHost(t testing.TB, s string) target.HostPattern {
	t.Helper()
	p, err := target.CompileHost(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSEC_A08_HostIsCanonical(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	long := strings.Join([]string{label, label, label, label}, ".") // 255 bytes
	for raw, want := range map[string]string{
		"app.example.test":           "app.example.test",
		"App.Example.Test.:8080":     "app.example.test",
		"APP.EXAMPLE.TEST":           "app.example.test",
		"app.example.test.":          "app.example.test",
		"app.example.test:1":         "app.example.test",
		"app.example.test:65535":     "app.example.test",
		"localhost":                  "localhost",
		"my_service.default:80":      "my_service.default",
		"xn--caf-dma.example":        "xn--caf-dma.example",
		"10.0.0.1:10000":             "10.0.0.1",
		"[::1]":                      "[::1]",
		"[::1]:8080":                 "[::1]",
		"[2001:DB8:0:0:0:0:0:1]:443": "[2001:db8::1]",
		"[::ffff:10.0.0.1]":          "[::ffff:10.0.0.1]",
		label + ".x":                 label + ".x",
		long:                         long,
		long + ".:80":                long,
	} {
		got, ok := target.ParseHost(make([]byte, 3, 8), []byte(raw))
		if !ok || string(got) != want {
			t.Errorf("ParseHost(%q) is %q, %v, want %q", raw, got, ok, want)
		}
	}
	// The canonical form is what a pattern is compared with.
	for raw, want := range map[string]bool{
		"App.Example.Test.:8080": true, "evilapp.example.test": false, "app.example.test.evil.test": false, "example.test": false,
	} {
		host, _ := target.ParseHost(nil, []byte(raw))
		if got := mustHost(t, "app.example.test").Match(host); got != want {
			t.Errorf("app.example.test matches %q: %v, want %v", raw, got, want)
		}
	}
}

func TestSEC_A09_HostIsRefused(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for _, raw := range []string{
		"", "app.example.test,evil.test", "a, b", "a b", " a", "a ", "a\tb", "a\x00", "a\r\n", "user@app.example.test", "@", "a/b", "/",
		`a\b`, "a%2eb", "a%00", "caf\u00e9.example", "a\u3002b", "\uff41", "a\xff", "a#b", "a?b", "a;b", "a*b", "*.a", "a!b", "a+b",
		".", "..", ".a", "a..b", "a..", "a...", ":80", ".:80", "a:", "a:x", "a:8o", "a:80:80", "a:123456", "a:-1", "a:+1", "a: 80",
		"a.:", "::1", "[::1", "[::1]x", "[::1]:", "[::1]:x", "[::1]:123456", "[]", "[", "[::1%25eth0]", "[::1%eth0]", "[10.0.0.1]",
		"[::g]", "[a]", "x[::1]", "[[::1]]", "[::1].", "https://a", "a://b",
		label + "a", label + "a.x", "x." + label + "a", strings.Repeat("a.", 128) + "a",
	} {
		if host, ok := target.ParseHost(nil, []byte(raw)); ok || host != nil {
			t.Errorf("ParseHost(%q) is %q, %v, want none", raw, host, ok)
		}
	}
}

func TestSEC_A08_HostPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern  string
		yes, not []string
	}{
		{"app.example.com", []string{"app.example.com"}, []string{"x.app.example.com", "xapp.example.com", "app.example.com.evil", ""}},
		{"App.Example.COM.", []string{"app.example.com"}, nil},
		{"*.example.com", []string{"a.example.com", "a.b.example.com"}, []string{"example.com", "evilexample.com", ".example.com", "a.example.com.evil", ""}},
		{"*.com", []string{"a.com", "a.b.com"}, []string{"com"}},
		{"[2001:DB8::1]", []string{"[2001:db8::1]"}, []string{"[2001:db8::2]"}},
		{"my_service", []string{"my_service"}, []string{"my-service"}},
	} {
		p := mustHost(t, tt.pattern)
		for _, h := range tt.yes {
			if !p.Match([]byte(h)) {
				t.Errorf("%q does not match %q", tt.pattern, h)
			}
		}
		for _, h := range tt.not {
			if p.Match([]byte(h)) {
				t.Errorf("%q matches %q", tt.pattern, h)
			}
		}
	}
	if (target.HostPattern{}).Match(nil) || (target.HostPattern{}).Match([]byte("a")) {
		t.Error("the zero pattern matches")
	}
}

func TestCompileHost_Refuses(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "is not a host name", "*": "leave hosts out", "*.": "is not a host name", "a.*": "not its first label",
		"*a.com": "not its first label", "*.*.com": "not its first label", "a*": "not its first label", "**.com": "not its first label",
		"app.example.com:8080": "has a port; leave it out", "*.example.com:80": "has a port", "[::1]:80": "has a port",
		"https://app.example.com": "is a URL", "app.example.com/a": "is a URL", "caf\u00e9.example": `"xn--..."`,
		"a,b": "is not a host name", "a b": "is not a host name", "a..b": "is not a host name", "*..a": "is not a host name",
		"*.[::1]": "is not a host name", "::1": "IPv6 in brackets", ".example.com": "is not a host name",
	} {
		_, err := target.CompileHost(s)
		refused(t, "host", s, err, want)
	}
}

func TestHostPattern_Covers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p, q string
		want bool
	}{
		{"a.b", "A.B.", true},
		{"a.b", "b", false},
		{"*.b", "a.b", true},
		{"*.b", "b", false},
		{"*.b", "*.b", true},
		{"*.b", "*.a.b", true},
		{"*.a.b", "*.b", false},
		{"*.b", "*.ab", false},
		{"a.b", "*.a.b", false},
	} {
		if got := mustHost(t, tt.p).Covers(mustHost(t, tt.q)); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
	if p := mustHost(t, "a"); !p.Covers(target.HostPattern{}) || (target.HostPattern{}).Covers(p) {
		t.Error("the zero pattern covers something, or is not covered")
	}
}

func TestParseHostDoesNotAllocate(t *testing.T) {
	p, buf := mustHost(t, "*.example.test"), make([]byte, 0, 255)
	for _, raw := range []string{"App.Example.Test.:8080", "a,b", "app.example.test"} {
		b := []byte(raw)
		if n := testing.AllocsPerRun(100, func() {
			if host, ok := target.ParseHost(buf, b); ok != p.Match(host) {
				t.Errorf("ParseHost(%q) is %q, %v", b, host, ok)
			}
		}); n != 0 {
			t.Errorf("ParseHost(%q) and Match: %v allocations, want 0", raw, n)
		}
	}
}

var hostForm = regexp.MustCompile(`^([a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\])$`)

// FuzzHost checks the form of hosts, that the canonical form is its own, and
// that Covers is sound.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"App.Example.Test.:8080", "[::1]:80", "a,b", "a..b", "a@b", "[1:2::ffff:1.2.3.4]", "a.", ":1", "b.a"} {
		f.Add(s, "*.a", "*.b.a")
	}
	f.Fuzz(func(t *testing.T, raw, ps, qs string) {
		host, ok := target.ParseHost(nil, []byte(raw))
		if !ok {
			return
		}
		if !hostForm.Match(host) || len(host) > 255 {
			t.Errorf("ParseHost(%q) is %q", raw, host)
		}
		if again, ok := target.ParseHost(nil, host); !ok || string(again) != string(host) {
			t.Errorf("ParseHost(%q) is %q, and then %q", raw, host, again)
		}
		p, err := target.CompileHost(ps)
		q, err2 := target.CompileHost(qs)
		if err != nil || err2 != nil {
			return
		}
		for _, h := range []string{string(host), string(host) + strings.TrimPrefix(q.String(), "*")} {
			if p.Covers(q) && q.Match([]byte(h)) && !p.Match([]byte(h)) {
				t.Errorf("%v covers %v, but does not match %q", p, q, h)
			}
		}
		if again, err := target.CompileHost(p.String()); err != nil || again != p {
			t.Errorf("%v is compiled to %v (%v)", p, again, err)
		}
	})
}

func BenchmarkParseHost(b *testing.B) {
	buf, raw := make([]byte, 0, 255), []byte("App.Example.Test:8443")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := target.ParseHost(buf, raw); !ok {
			b.Fatal("refused")
		}
	}
}
