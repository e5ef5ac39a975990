package target_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/gateward/gateward/extauthz/target"
)

// A judgement is what a raw target is expected to be: plain with one reading,
// ambiguous with these readings in this order, or hostile with none.
type judgement struct {
	raw      string
	class    target.Class
	readings []string
}

func plain(raw, path string) judgement {
	return judgement{raw, target.Plain, []string{path}}
}

func ambiguous(raw string, readings ...string) judgement {
	return judgement{raw, target.Ambiguous, readings}
}

func hostile(raws ...string) (js []judgement) {
	for _, raw := range raws {
		js = append(js, judgement{raw, target.Hostile, nil})
	}
	return js
}

func readings(t *target.Target) (rs []string) {
	for _, r := range t.Readings() {
		rs = append(rs, string(r))
	}
	return rs
}

func check(t *testing.T, js []judgement) {
	t.Helper()
	var tg target.Target // reused, as the server does
	for _, j := range js {
		tg.Parse([]byte(j.raw))
		if tg.Class != j.class {
			t.Errorf("Parse(%.300q) is %v (%s, readings %.300q), want %v", j.raw, tg.Class, tg.Why(), readings(&tg), j.class)
			continue
		}
		if got := readings(&tg); j.readings != nil && !slices.Equal(got, j.readings) {
			t.Errorf("Parse(%q) has the readings %q, want %q", j.raw, got, j.readings)
		}
		if tg.Class == target.Hostile && (tg.Readings() != nil || tg.Path() != nil || tg.Why() == "") {
			t.Errorf("Parse(%q) is hostile and has readings %q, path %q, why %q", j.raw, readings(&tg), tg.Path(), tg.Why())
		}
		if tg.Class == target.Plain && string(tg.Path()) != j.readings[0] {
			t.Errorf("Parse(%q) has the path %q, want %q", j.raw, tg.Path(), j.readings[0])
		}
		if tg.Class == target.Ambiguous && tg.Path() != nil {
			t.Errorf("Parse(%q) is ambiguous and has the path %q", j.raw, tg.Path())
		}
	}
}

func TestOrdinaryTargetsWork(t *testing.T) {
	t.Parallel()
	check(t, []judgement{
		plain("/", "/"),
		plain("/a", "/a"),
		plain("/a/b/", "/a/b/"),
		plain("/a@b:c,d=e", "/a@b:c,d=e"),
		plain("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
		plain("/a.b/..c/d..e", "/a.b/..c/d..e"),
		plain("/~user/-_!$&'()*+,=", "/~user/-_!$&'()*+,="),
		plain("/flipt.evaluation.EvaluationService/Boolean", "/flipt.evaluation.EvaluationService/Boolean"),
		plain("/a%20b", "/a b"),
		plain("/%e4%bd%a0%e5%a5%bd", "/你好"),
		plain("/caf%c3%a9", "/café"),
		plain("/CAF%C3%89", "/CAFÉ"),
		plain("/cafe%cc%81", "/café"), // form D
		plain("/%d9%a3%e0%a4%95%e0%a4%bf", "/٣कि"),
		plain("/%41dmin", "/Admin"),
		ambiguous("/files/a%2fb", "/files/a%2Fb", "/files/a/b"),
		ambiguous("/@scope%2fpackage", "/@scope%2Fpackage", "/@scope/package"),
		ambiguous("/%40scope%2Fpackage", "/@scope%2Fpackage", "/@scope/package"),
		ambiguous("/x;v=1", "/x;v=1", "/x"),
		ambiguous("/x%3Bv=1", "/x;v=1", "/x"),
		ambiguous("/a//b", "/a//b", "/a/b"),
		ambiguous("/100%25", "/100%25"),
		ambiguous("/a%2525", "/a%2525", "/a%25"),
		ambiguous("/a%2541", "/a%2541", "/aA"),
		ambiguous("/a%252541", "/a%252541", "/a%2541", "/aA"),
		ambiguous("/%7euser", "/~user"),
		ambiguous("/a%2etxt", "/a.txt"),
		ambiguous("/a%2db%5fc", "/a-b_c"),
		ambiguous("/a%22b%3c%7c", "/a\"b<|"),
		ambiguous("/a[1]", "/a[1]"),
		ambiguous("/a%5b1%5D", "/a[1]"),
		ambiguous("/%f0%9f%98%80", "/😀"),
		ambiguous("/a.", "/a.", "/a"),
		ambiguous("/a%20/b", "/a /b", "/a/b"),
		ambiguous("/a/%20b", "/a/ b", "/a/b"),
		ambiguous("/caf\u00e9", "/café"), // not encoded
		ambiguous("/a b", "/a b"),        // not encoded
	})
}

// Every row of the table of what Envoy passes on, in all its forms.
func TestSEC_A06_EnvoyTable(t *testing.T) {
	t.Parallel()
	check(t, slices.Concat([]judgement{
		ambiguous("//a///b", "//a///b", "/a/b", "/a///b", "///b", "/b", "/"),
		plain("/a/b", "/a/b"),
		ambiguous("/a;jsessionid=1/b;x", "/a;jsessionid=1/b;x", "/a/b", "/a;jsessionid=1/b", "/a"),
		ambiguous("/public;x/admin", "/public;x/admin", "/public/admin", "/public"),
		ambiguous("/admin;x", "/admin;x", "/admin"),
		ambiguous("/admin.", "/admin.", "/admin"),
		plain("/PUBLIC/x", "/PUBLIC/x"),
		ambiguous("/admin%23/public", "/admin%23/public", "/admin"),
		ambiguous("/admin%3f/public", "/admin%3F/public", "/admin"),
		plain("/%70ublic/x", "/public/x"),
		plain("/%41dmin", "/Admin"),
		ambiguous("/%7euser", "/~user"),
		plain("/a?", "/a"),
		plain("/a?x=1&y=%20z", "/a"),
		plain("/a/admin", "/a/admin"),
	}, hostile("/a%2Fb%2f..%2fadmin", "/public/../admin", "/public/%2e%2e/admin", `/public\..\admin`,
		"/public%5C..%5Cadmin", "/public/..;/admin", "/public/..;a=b/admin", "/.;/admin", "/public/..%3b/admin",
		"/public/%252e%252e/admin", "/public/%c0%ae%c0%ae/admin", "/admin%09", "/a%00b", "/a#frag", "*", "foo", "?x",
		"http://other.test/abs", "http://user:pass@other.test/abs", "", "/a\xff")))
}

// The paths of all recorded CheckRequests named path_*.
func TestSEC_A06_RecordedPaths(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]target.Class{
		"/abs?x=1": target.Plain, "/abs": target.Plain, "/admin": target.Plain, `/public\..\admin`: target.Hostile,
		"/Admin": target.Plain, "/%41dmin": target.Plain, "/a%252e%252e/b": target.Ambiguous, "/a/b": target.Plain,
		"//a///b": target.Ambiguous, "/a/": target.Plain, "/./a/.": target.Hostile, "/.;/admin": target.Hostile,
		"/a?": target.Plain, "/a%00b": target.Hostile, "/admin%23/public": target.Ambiguous, "/a/admin": target.Plain,
		"/a%2Fb%2f..%2fadmin": target.Hostile, "/admin%3f/public": target.Ambiguous,
		"/public%5C..%5Cadmin": target.Hostile, "/%70ublic/x": target.Plain, "/admin+x": target.Plain,
		"/admin;x": target.Ambiguous, "/a;jsessionid=1/b;x": target.Ambiguous, "/public;x/admin": target.Ambiguous,
		"/admin%09": target.Hostile, "/admin.": target.Ambiguous, "/~user": target.Plain,
		"/%7euser": target.Ambiguous, "/PUBLIC/x": target.Plain,
	} {
		var tg target.Target
		if tg.Parse([]byte(raw)); tg.Class != want {
			t.Errorf("Parse(%q) is %v (%s), want %v", raw, tg.Class, tg.Why(), want)
		}
	}
}

func TestSEC_A06_HostileTargets(t *testing.T) {
	t.Parallel()
	check(t, hostile(
		// Dot segments, spelled in every way that some decoder understands.
		"/.", "/..", "/./", "/a/..", "/a/.?x", "/...", "/a/..../b", "/.%2e", "/public/.%2e/", "/public/%2e./",
		"/%2e%2e%2f", "/%2E", "/public/%2e%2e%3b/admin", "/public/..%3Bx/admin", "/public/x;/../admin",
		"/public;%2f..%2fadmin", "/public;%252f..%252fadmin", "/..%2f", "/a/..%5cb", "/a%5c..", "/a%5c.%5cb",
		"/public/%25252e%25252e/admin", "/public/%2525252e%2525252e/admin", "/public/..%252f", "/public/..%255c",
		"/public/%25%32%65%25%32%65/admin", "/public/%%32%65", "/public/.%252e;x/admin",
		"/public/.%3b%2e/admin", "/public/..;%2f/admin", "/a/..%23/b", "/a/..%3fx", "/a/..%2523",
		// Trimmed.
		"/public/..%20/admin", "/public/%20../admin", "/public/.%20./admin%20/..%20", "/public/. ./../x",
		"/public/..%20%20", "/public/%2e%2e%20", "/public/..%c2%a0/admin", "/public/..%e3%80%80/admin",
		"/public/..%e1%9a%80/admin", "/public/..%20;x", "/public/..%20./admin", "/public/.%20./admin",
		// Folded.
		"/public/%ef%bc%8e%ef%bc%8e/admin", "/public/%e2%80%a4%e2%80%a4/admin", "/public/%e2%80%a4./admin",
		"/public/%e2%80%a5/admin", "/public/%e2%80%a6/admin", "/public/..%ef%bc%8fadmin", "/public/..%ef%bc%bcadmin",
		"/public/..%ef%b9%a8admin", "/public/%ef%bc%852e%ef%bc%852e/admin", "/public/%ef%b9%92./admin",
		"/public/..%e2%88%95admin", "/public/..%e2%81%84admin", "/public/..%e2%88%96admin", "/public/..%c2%a5admin",
		"/public/..%e2%82%a9admin", "/public/%e3%80%82%e3%80%82/admin", "/public/%ef%bd%a1%ef%bd%a1/admin",
		"/public/..%cd%bex/admin", "/public/%d9%aa2e./admin", "/public/%25ef%25bc%258e./admin",
		// Stripped.
		"/public/.%e2%80%8b./admin", "/public/..%ef%bb%bf/admin", "/public/%c2%ad../admin", "/public/.%e2%80%ae./admin",
		"/public/..%ef%b8%8f/admin", "/public/.%cd%8f./admin", "/public/..%f3%a0%84%80/admin",
		"/public/..%e3%85%a4/admin", "/public/..%252%e2%80%8bf",
		// Control characters.
		"/a\x00", "/a\tb", "/a\r\n", "/a\x7f", "/a%00", "/a%0a", "/a%0D%0A", "/a%7F", "/a%c2%85", "/a%2500", "/a%25250a",
		"/public/..%00/", "/public/..%09/", "/a?x=\x00", "/a?x\r\ny", "/a?\x7f", "/a%ef%bc%850a",
		// Bad percent sequences and encodings.
		"/%", "/a%2", "/a%zz", "/%u002e%u002e/admin", "/%25u002e%25u002e/admin", "/%25U002F", "/100%", "/%-1",
		"/%c0%ae", "/%c0%af", "/%c1%9c", "/public/%e0%80%ae", "/%e0%80%af", "/%f0%80%80%ae", "/%ed%a0%80",
		"/%ed%a0%80%ed%b0%80", "/%f4%90%80%80", "/%ff", "/%80", "/caf%e9", "/%e4%bd", "/a%25c0%25ae", "/a%2525ff", "/\xc3",
		// Forms other than origin-form, fragments, backslashes.
		"", "*", "a", "?", "?/a", "a/b", "http://a/b", "//a\\b", `\a`, `/\a`, "/#", "/a#/b", "/foo/secret#/bar",
		"/a?#", "/a?x#y", "\x00/a", " /a",
	))
}

func TestSEC_A06_AmbiguousTargets(t *testing.T) {
	t.Parallel()
	check(t, []judgement{
		ambiguous("/public%2fadmin", "/public%2Fadmin", "/public/admin"),
		ambiguous("/public%252fadmin", "/public%252fadmin", "/public%2Fadmin", "/public/admin"),
		ambiguous("/public%25252fadmin", "/public%25252fadmin", "/public%252fadmin", "/public%2Fadmin", "/public/admin"),
		ambiguous("/public%5cadmin", "/public%5Cadmin", "/public/admin"),
		ambiguous("/%61dmin%3bx", "/admin;x", "/admin"),
		ambiguous("/public;/admin", "/public;/admin", "/public/admin", "/public"),
		ambiguous("/public;%2fadmin", "/public;%2Fadmin", "/public;/admin", "/public", "/public/admin"),
		ambiguous("/;/admin", "/;/admin", "//admin", "/", "/admin"),
		ambiguous("/admin%2523/x", "/admin%2523/x", "/admin%23/x", "/admin"),
		ambiguous("/admin%20", "/admin ", "/admin"),
		ambiguous("/admin%c2%a0", "/admin\u00a0", "/admin ", "/admin"),
		ambiguous("/%20%c2%a0admin", "/ \u00a0admin", "/  admin", "/admin", "/\u00a0admin", "/ admin"),
		ambiguous("/e" + strings.Repeat("%cc%81", 40)), // normalization separates so many marks, invisibly
		ambiguous("/admin.%20.", "/admin. .", "/admin. ", "/admin.", "/admin"),
		ambiguous("/admin..", "/admin..", "/admin"),
		ambiguous("/%ef%bd%81dmin", "/ａdmin", "/admin"),
		ambiguous("/%ef%ac%81le", "/ﬁle", "/file"),
		ambiguous("/a%ef%bc%8fb", "/a／b", "/a/b"),
		ambiguous("/a%e2%88%95b", "/a∕b", "/a/b"),
		ambiguous("/ad%c2%admin", "/ad\u00admin", "/admin"),
		ambiguous("/ad%e2%80%8bmin", "/ad\u200bmin", "/admin"),
		ambiguous("/ad%e2%80%aemin", "/ad\u202emin", "/admin"),
		ambiguous("/%ef%bb%bfadmin", "/\ufeffadmin", "/admin"),
		ambiguous("/%e2%84%aaey", "/Key"),
		ambiguous("/a=%cc%b8b", "/a≠b"),
		ambiguous("/x%2Fy%2541%23z", "/x%2Fy%2541%23z", "/x/yA%23z", "/x/y%2541%23z", "/x%2FyA%23z", "/x/yA",
			"/x/y%2541", "/x%2FyA", "/x%2Fy%2541"),
		ambiguous("//public/admin", "//public/admin", "/public/admin", "/admin"),
		ambiguous("//", "//", "/"),
		ambiguous("/%2fpublic/admin", "/%2Fpublic/admin", "//public/admin", "/public/admin", "/admin"),
		ambiguous("/%5cpublic/admin", "/%5Cpublic/admin", "//public/admin", "/public/admin", "/admin"),
		ambiguous("/ﬁ%cd%bex", "/ﬁ;x", "/fi;x", "/ﬁ", "/fi"),
	})
}

func TestSEC_A04_QueryTakesNoPart(t *testing.T) {
	t.Parallel()
	healthz, err := target.CompilePath("/healthz")
	if err != nil {
		t.Fatal(err)
	}
	for raw, query := range map[string]string{
		"/admin?x=/healthz": "x=/healthz", "/admin?/healthz": "/healthz", "/admin?/../healthz": "/../healthz",
		"/admin??": "?", "/admin?%zz;\\//%00": "%zz;\\//%00",
	} {
		var tg target.Target
		tg.Parse([]byte(raw))
		if tg.Class != target.Plain || string(tg.Path()) != "/admin" || healthz.Match(tg.Path()) {
			t.Errorf("Parse(%q) is %v with path %q", raw, tg.Class, tg.Path())
		}
		if string(tg.Query()) != query {
			t.Errorf("Parse(%q) has the query %q, want %q", raw, tg.Query(), query)
		}
	}
	var tg target.Target
	if tg.Parse([]byte("/a")); tg.Query() != nil {
		t.Errorf("query %q where there is none", tg.Query())
	}
	if tg.Parse([]byte("/a?")); tg.Query() == nil {
		t.Error("no query where there is an empty one")
	}
}

func TestSEC_A07_FragmentIsHostile(t *testing.T) {
	t.Parallel()
	check(t, hostile("/foo/secret#/bar", "/#", "/a?b#c", "/a/#/b", "#"))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("a", target.MaxPath-1)
	check(t, slices.Concat([]judgement{
		plain(long, long),
		plain(long+"?"+long, long),
		ambiguous("/"+strings.Repeat("%25", 2000), "/"+strings.Repeat("%25", 2000)),
		ambiguous("/"+strings.Repeat("%e4%bd%a0", 900)+"%2fa", "/"+strings.Repeat("你", 900)+"%2Fa", "/"+strings.Repeat("你", 900)+"/a"),
		ambiguous("/" + strings.Repeat("a;v=1/", 1000) + "%20%23"),
	}, hostile(
		long+"a",
		"/%"+strings.Repeat("25", 1000),
		"/a"+strings.Repeat(".%20", 100),
		"/"+strings.Repeat("%ef%b7%ba", 900), // one character that folds to eighteen
	)))
}

// What plainRunes takes for granted about Unicode.
func TestKelvinIsTheOnlyLetterThatIsASCII(t *testing.T) {
	t.Parallel()
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if c := norm.NFC.String(string(r)); len(c) == 1 && unicode.In(r, unicode.L, unicode.Nd, unicode.M) && r != '\u212a' {
			t.Errorf("form C of the letter %U is %q", r, c)
		}
		if c := norm.NFC.String(string(r)); len(c) == 1 && strings.ContainsAny(c, "/\\.%#?") {
			t.Errorf("form C of %U is %q, so a canonical path would change its shape", r, c)
		}
	}
}

func TestZeroTargetIsHostile(t *testing.T) {
	t.Parallel()
	var tg target.Target
	if tg.Class != target.Hostile || tg.Readings() != nil || tg.Path() != nil {
		t.Errorf("zero target is %v with readings %q", tg.Class, readings(&tg))
	}
}

func TestClassNames(t *testing.T) {
	t.Parallel()
	for c, want := range map[target.Class]string{
		target.Plain: "plain", target.Ambiguous: "ambiguous", target.Hostile: "hostile", 9: "hostile",
	} {
		if got := c.String(); got != want {
			t.Errorf("Class(%d) is %q, want %q", c, got, want)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	pattern, err := target.CompilePath("/api/**")
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"/api/v1/users/17?x=1", "/api/caf%C3%A9/a%20b", "/api/" + strings.Repeat("%e4%bd%a0%e5%a5%bd", 50), "/api/a%2fb", "/api/x;v=1"} {
		var tg target.Target
		b := []byte(raw)
		if n := testing.AllocsPerRun(100, func() {
			tg.Parse(b)
			for _, r := range tg.Readings() {
				if !pattern.Match(r) {
					t.Errorf("%q does not match", r)
				}
			}
		}); n != 0 {
			t.Errorf("Parse(%q) and Match: %v allocations, want 0", raw, n)
		}
	}
	b := []byte("/api/v1/users/17?x=1")
	if n := testing.AllocsPerRun(100, func() {
		var tg target.Target
		if tg.Parse(b); !pattern.Match(tg.Path()) {
			t.Error("no match")
		}
	}); n != 0 {
		t.Errorf("Parse into a new target: %v allocations, want 0", n)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bm := range []struct{ name, raw string }{
		{"plain", "/api/v1/organizations/17/repositories/gateward?per_page=100"},
		{"encoded", "/api/v1/caf%C3%A9/a%20b"},
		{"decomposed", "/api/v1/cafe%CC%81/a%20b"},
		{"chinese", "/" + strings.Repeat("%e4%bd%a0%e5%a5%bd", 15)},
		{"slash", "/@scope%2fpackage"},
		{"parameters", "/a;jsessionid=1/b;x"},
		{"hostile", "/public/..%3b/admin"},
		{"worst_percent", "/" + strings.Repeat("%25", 2700)},
		{"worst_levels", "/%" + strings.Repeat("25", 4000)},
		{"worst_levels_short", "/%" + strings.Repeat("25", 400)},
		{"worst_mixed", "/" + strings.Repeat("a%2525;%25%2520%252f%2E%5C%23%3f//.", 230)},
		{"worst_mixed_short", "/" + strings.Repeat("a%2525;%25%2520%252f%2E%5C%23%3f//.", 8)},
		{"worst_mixed_middle", "/" + strings.Repeat("a%2525;%25%2520%252f%2E%5C%23%3f//.", 40)},
		{"worst_trims", "/a" + strings.Repeat(".%20", 2000)},
		{"worst_wide", "/" + strings.Repeat("%ef%bd%81%e2%88%95%c2%ad;", 320)},
		{"worst_wide_middle", "/" + strings.Repeat("%ef%bd%81%e2%88%95%c2%ad;", 40)},
		{"worst_expanding", "/" + strings.Repeat("%ef%b7%ba", 900)},
		{"worst_marks", "/" + strings.Repeat("%cc%b8%cc%80%cd%8f", 450)},
		{"worst_marks_kept", "/%25" + strings.Repeat("%cc%b8%cc%80%cd%85", 450)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var tg target.Target
			raw := []byte(bm.raw)
			b.ReportAllocs()
			for b.Loop() {
				tg.Parse(raw)
			}
			b.ReportMetric(float64(len(tg.Readings())), "readings")
		})
	}
}
