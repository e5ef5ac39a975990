package target_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/target"
)

func mustPath(t testing.TB, s string) target.PathPattern {
	t.Helper()
	p, err := target.CompilePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// literal is the literal reading of a target, and nil of a hostile one.
func literal(raw string) []byte {
	var tg target.Target
	if tg.Parse([]byte(raw)); tg.Class == target.Hostile {
		return nil
	}
	return slices.Clone(tg.Readings()[0])
}

func TestPathPattern_Match(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern  string
		yes, not []string // raw targets, by their literal reading
	}{
		{"/", []string{"/", "/?x"}, []string{"/a", "//"}},
		{"/a/b", []string{"/a/b", "/%61/b"}, []string{"/a/b/", "/a", "/a/b/c", "/A/b", "/a%2Fb", "/a/bc"}},
		{"/a/", []string{"/a/"}, []string{"/a", "/a/b"}},
		{"/a/*", []string{"/a/b", "/a/b%2fc", "/a/b%20c", "/a/*"}, []string{"/a/", "/a", "/a/b/", "/a/b/c", "/ab", "/b/a/c"}},
		{"/*", []string{"/a", "/%c3%a9"}, []string{"/", "/a/", "/a/b"}},
		{"/a/**", []string{"/a/", "/a/b", "/a/b/c/", "/a//"}, []string{"/a", "/ab", "/b/a/", "/A/b"}},
		{"/**", []string{"/", "/a", "/a/b/", "//", "/%2F"}, nil},
		{"/caf\u00e9/*", []string{"/caf%c3%a9/x", "/cafe%cc%81/x"}, []string{"/cafe/x"}},
		{"/cafe\u0301", []string{"/caf%c3%a9", "/cafe%cc%81"}, nil},
		{"/caf%C3%a9", []string{"/caf%c3%a9"}, nil},
		{"/a b", []string{"/a%20b"}, []string{"/a+b", "/a%2520b"}},
		{"/a%2fb", []string{"/a%2Fb", "/a%2fb"}, []string{"/a/b", "/a%252fb"}},
		{"/100%25", []string{"/100%25"}, []string{"/100%2525"}},
		{"/x;v=1/**", []string{"/x;v=1/y", "/x%3bv=1/y"}, []string{"/x/y"}},
		{"/a%2A", []string{"/a*", "/a%2a"}, []string{"/ab"}},
		{"/a/%2A%2A", []string{"/a/**"}, []string{"/a/b"}},
		{"/%40scope/*", []string{"/@scope/package", "/%40scope/package"}, nil},
		{"/[x]", []string{"/[x]", "/%5bx%5D"}, nil},
		{"/a%23%3F%5c", []string{"/a%23%3f%5C"}, nil},
	} {
		p := mustPath(t, tt.pattern)
		for _, raw := range tt.yes {
			if !p.Match(literal(raw)) {
				t.Errorf("%q does not match %q", tt.pattern, raw)
			}
		}
		for _, raw := range tt.not {
			if p.Match(literal(raw)) {
				t.Errorf("%q matches %q", tt.pattern, raw)
			}
		}
		if p.Match(nil) {
			t.Errorf("%q matches no path", tt.pattern)
		}
	}
}

// A pattern is no expression: it always matches the whole path, from its
// beginning, and in one pass.
func TestSEC_A14_PatternsAreAnchored(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"/foo", "/foo/*", "/foo/**"} {
		p := mustPath(t, s)
		for _, raw := range []string{"/x/foo/a", "/x/foo", "/xfoo/a", "/foobar/", "/bar/foo/a/bar/z"} {
			if p.Match(literal(raw)) {
				t.Errorf("%q matches %q", s, raw)
			}
		}
	}
	if _, err := target.CompilePath("/foo/.*/bar"); err == nil {
		t.Error("an expression compiles")
	}
	if dot := mustPath(t, "/a.c/**"); dot.Match(literal("/abc/")) {
		t.Error("a dot matches any character")
	}
}

func TestCompilePath_Refuses(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":            "does not begin with a slash; begin with \"/\"",
		"a":           "does not begin with a slash",
		"*":           "does not begin with a slash",
		"**":          "does not begin with a slash",
		"app.com/a":   "a host belongs into hosts",
		"//":          "has an empty segment",
		"/a//b":       "has an empty segment",
		"/a//**":      "has an empty segment",
		"//*":         "has an empty segment",
		"/a?x=1":      "write %3F",
		"/a#b":        "write %23",
		"/a*":         "has a wildcard inside",
		"/*/b":        "has a wildcard inside",
		"/**/b":       "has a wildcard inside",
		"/a/***":      "has a wildcard inside",
		"/a**":        "has a wildcard inside",
		"/*/**":       "has a wildcard inside",
		`/a\b`:        "write \"/\", or %5C",
		"/100%":       "write %25",
		"/%zz":        "write %25",
		"/..":         "(dot segment); write the path",
		"/a/./b":      "(dot segment)",
		"/a/%2e%2e/b": "(dot segment)",
		"/a/..%2f/b":  "(dot segment)",
		"/../**":      "(dot segment)",
		"/a/..;/**":   "(dot segment)",
		"/a\x00":      "(control character)",
		"/a\nb":       "(control character)",
		"/a%0a":       "(control character)",
		"/a\xff":      "(invalid UTF-8)",
		"/%c0%ae":     "(invalid UTF-8)",
		"/" + strings.Repeat("a", target.MaxPath): "(path is too long)",
	} {
		_, err := target.CompilePath(s)
		refused(t, "path", s, err, want)
	}
}

// refused checks the error of a pattern that does not compile.
func refused(t *testing.T, kind, s string, err error, want string) {
	t.Helper()
	var ce *gateward.ConfigError
	if !errors.As(err, &ce) {
		t.Errorf("%s %.80q compiles, or fails otherwise: %v", kind, s, err)
		return
	}
	if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), kind+" pattern \"") || ce.Remedy == "" {
		t.Errorf("%s %.80q: %.300q, want %q and a remedy", kind, s, err, want)
	}
}

func TestSegmentPrefix(t *testing.T) {
	t.Parallel()
	p := target.SegmentPrefix("flipt.evaluation.")
	for raw, want := range map[string]bool{
		"/flipt.evaluation.EvaluationService/Boolean":   true,
		"/flipt.evaluation.v2.EvaluationService/Stream": true,
		"/flipt.evaluation/Boolean":                     false,
		"/fliptXevaluation.Service/Boolean":             false,
		"/x/flipt.evaluation.EvaluationService/Boolean": false,
		"/flipt.Flipt/ListFlags":                        false,
		"/Flipt.evaluation.Service/Boolean":             false,
	} {
		if got := p.Match(literal(raw)); got != want {
			t.Errorf("match %q: %v, want %v", raw, got, want)
		}
	}
	for _, prefix := range []string{"", "a/", "/a", "a%41", "a b", "caf\u00e9", "a*"} {
		if p := target.SegmentPrefix(prefix); p != (target.PathPattern{}) || p.Match([]byte("/"+prefix+"x")) {
			t.Errorf("SegmentPrefix(%q) matches something", prefix)
		}
	}
}

func TestPathPattern_MatchesPlain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"/": true, "/a/b": true, "/a/*": true, "/a/**": true, "/**": true, "/caf\u00e9": true, "/a b": true, "/%40a": true,
		"/a%2fb": false, "/a;x/**": false, "/a.": false, "/100%25/*": false, "/a%20/b": false,
	} {
		if got := mustPath(t, s).MatchesPlain(); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	if !target.SegmentPrefix("a.").MatchesPlain() || (target.PathPattern{}).MatchesPlain() {
		t.Error("segment prefix or zero pattern: wrong")
	}
}

func TestPathPattern_Covers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p    string
		q    string
		want bool
	}{
		{"/**", "/**", true},
		{"/**", "/a/**", true},
		{"/**", "/a/*", true},
		{"/**", "/*", true},
		{"/**", "/", true},
		{"/a/**", "/a/", true},
		{"/a/**", "/a", false},
		{"/a/**", "/a/*", true},
		{"/a/**", "/a/b/**", true},
		{"/a/**", "/ab/**", false},
		{"/a/**", "/**", false},
		{"/a/*", "/a/*", true},
		{"/a/*", "/a/b", true},
		{"/a/*", "/a/b%2fc", true},
		{"/a/*", "/a/", false},
		{"/a/*", "/a/b/*", false},
		{"/a/*", "/a/**", false},
		{"/a/b", "/a/b", true},
		{"/a/b", "/%61/b", true},
		{"/a/b", "/a/*", false},
		{"/a/b", "/a/b/", false},
	} {
		if got := mustPath(t, tt.p).Covers(mustPath(t, tt.q)); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
	grpc, all, never := target.SegmentPrefix("a.b."), mustPath(t, "/**"), target.PathPattern{}
	for i, ok := range []bool{
		all.Covers(grpc), !grpc.Covers(all), grpc.Covers(grpc), grpc.Covers(mustPath(t, "/a.b.c/d")),
		grpc.Covers(mustPath(t, "/a.b.c/**")), !mustPath(t, "/a.b.c/**").Covers(grpc), !mustPath(t, "/a.b./**").Covers(grpc),
		target.SegmentPrefix("a.").Covers(grpc), !grpc.Covers(target.SegmentPrefix("a.")),
		all.Covers(never), never.Covers(never), !never.Covers(all),
	} {
		if !ok {
			t.Errorf("case %d is wrong", i)
		}
	}
}

func TestSEC_A12_Methods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern  string
		yes, not []string
	}{
		{"GET", []string{"GET", "HEAD"}, []string{"get", "Get", "head", "POST", "OPTIONS", "", "GET "}},
		{"HEAD", []string{"HEAD"}, []string{"GET", "head", ""}},
		{"POST", []string{"POST"}, []string{"post", "PUT", "GET", "HEAD"}},
		{"M-SEARCH", []string{"M-SEARCH"}, []string{"m-search"}},
	} {
		p, err := target.CompileMethod(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tt.yes {
			if !p.Match([]byte(m)) {
				t.Errorf("%q does not match %q", tt.pattern, m)
			}
		}
		for _, m := range tt.not {
			if p.Match([]byte(m)) {
				t.Errorf("%q matches %q", tt.pattern, m)
			}
		}
		if p.String() != tt.pattern {
			t.Errorf("String() is %q, want %q", p, tt.pattern)
		}
	}
	for s, want := range map[string]string{
		"get": "write GET", "Get": "write GET", "TRACE": "requests with it are refused", "CONNECT": "requests with it are refused",
		"trace": "upper case", "": "is not the name of a method", "GET,POST": "one name", "GET POST": "one name", "*": "leave methods out",
		"\u00c9": "one name",
	} {
		_, err := target.CompileMethod(s)
		refused(t, "method", s, err, want)
	}
	for m, want := range map[string]bool{
		"TRACE": true, "CONNECT": true, "trace": true, "Connect": true, "GET": false, "": false, "TRACER": false,
	} {
		if got := target.RefusedMethod([]byte(m)); got != want {
			t.Errorf("RefusedMethod(%q) is %v, want %v", m, got, want)
		}
	}
}

func TestMethodPattern_Covers(t *testing.T) {
	t.Parallel()
	get, _ := target.CompileMethod("GET")
	head, _ := target.CompileMethod("HEAD")
	var never target.MethodPattern
	for i, ok := range []bool{
		get.Covers(get), get.Covers(head), !head.Covers(get), head.Covers(head), get.Covers(never), !never.Covers(get),
		!never.Match(nil), !never.Match([]byte("GET")),
	} {
		if !ok {
			t.Errorf("case %d is wrong", i)
		}
	}
}

// fromTokens is a pattern of any kind, or false if it does not compile.
func fromTokens(choice []byte) (target.PathPattern, bool) {
	if len(choice) > 0 && choice[0]%5 == 0 {
		return target.SegmentPrefix(strings.Repeat("a", int(choice[0]%2)) + "."), true
	}
	p, err := target.CompilePath("/" + patternText(choice))
	return p, err == nil
}

func patternText(choice []byte) string {
	parts := []string{"a", "b", ".", "/", "/", "*", "**", "%2f", "%61", "\u00e9", "%2A"}
	var b strings.Builder
	for _, c := range choice {
		b.WriteString(parts[int(c)%len(parts)])
	}
	return b.String()
}

// FuzzPathPattern checks that Covers is sound, that what a pattern covers it
// also matches, and that String is the same pattern.
func FuzzPathPattern(f *testing.F) {
	f.Add([]byte{1, 4, 6}, []byte{1, 4, 5}, []byte{0, 3, 1})
	f.Add([]byte{6}, []byte{5}, []byte{0})
	f.Add([]byte{2, 4, 5}, []byte{11, 4, 7}, []byte{9, 3, 10})
	f.Add([]byte{11, 2, 0}, []byte{1, 2, 0, 4, 6}, []byte{0, 2, 1, 3})
	f.Fuzz(func(t *testing.T, pc, qc, rc []byte) {
		if len(pc)+len(qc)+len(rc) > 100 {
			return
		}
		p, ok := fromTokens(pc)
		q, ok2 := fromTokens(qc)
		if !ok || !ok2 {
			return
		}
		// A path near the patterns: random ones match nothing.
		for _, raw := range []string{
			"/" + patternText(rc), q.String() + patternText(rc), strings.TrimRight(q.String(), "*") + patternText(rc),
		} {
			path := literal(escape(raw))
			if path != nil && p.Covers(q) && q.Match(path) && !p.Match(path) {
				t.Errorf("%v covers %v, but does not match %q", p, q, path)
			}
		}
		if !p.Covers(p) {
			t.Errorf("%v does not cover itself", p)
		}
		if !strings.HasSuffix(p.String(), "...") {
			again, err := target.CompilePath(p.String())
			if err != nil || again != p {
				t.Errorf("%v is compiled to %v (%v)", p, again, err)
			}
		}
	})
}

func BenchmarkPathPattern(b *testing.B) {
	p, path := mustPath(b, "/api/v1/**"), []byte("/api/v1/organizations/17/repositories/gateward")
	b.ReportAllocs()
	for b.Loop() {
		if !p.Match(path) {
			b.Fatal("no match")
		}
	}
}
