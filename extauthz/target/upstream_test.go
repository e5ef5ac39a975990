package target_test

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/gateward/gateward/extauthz/target"
)

// This file holds upstreams that see paths in their own way, written without
// any code of the package, and holds Parse to their answers: whatever one of
// them sees is the path of a plain target, and among the readings of an
// ambiguous one.

// A habit is what an upstream does to a path; ok is false when it refuses it.
type habit func(p string) (q string, ok bool)

func always(f func(string) string) habit {
	return func(p string) (string, bool) { return f(p), true }
}

// perSegment does f to every segment.
func perSegment(f func(string) string) habit {
	return always(func(p string) string {
		segments := strings.Split(p, "/")
		for i, s := range segments {
			segments[i] = f(s)
		}
		return strings.Join(segments, "/")
	})
}

var (
	tripletExpr = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	slashesExpr = regexp.MustCompile(`//+`)
	rawExpr     = regexp.MustCompile(`[^!-~]`)

	bestFits = strings.NewReplacer("\u2044", "/", "\u2215", "/", "\u29f8", "/", "\u2216", `\`, "\u29f5", `\`,
		"\u00a5", `\`, "\u20a9", `\`, "\u3002", ".", "\u066a", "%")
	specials = strings.NewReplacer("%", "%25", `\`, "%5C", "#", "%23", "?", "%3F")
)

func decodeTriplet(s string) string {
	n, _ := strconv.ParseUint(s[1:], 16, 8)
	return string([]byte{byte(n)})
}

func lenientDecode(p string) string { return tripletExpr.ReplaceAllStringFunc(p, decodeTriplet) }

func beforeAny(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

// decodes is the index in habits of the first habit that decodes all of a path.
const decodes = 0

var habits = []habit{
	always(lenientDecode),
	func(p string) (string, bool) { // strict
		q, err := url.PathUnescape(p)
		return q, err == nil
	},
	always(func(p string) string { // all but slashes
		return tripletExpr.ReplaceAllStringFunc(p, func(s string) string {
			if strings.EqualFold(s, "%2f") {
				return s
			}
			return decodeTriplet(s)
		})
	}),
	always(norm.NFC.String),
	always(norm.NFKC.String),
	perSegment(func(s string) string { return beforeAny(s, ";") }),
	always(func(p string) string { return beforeAny(p, ";") }),
	always(func(p string) string { // path;parameters, as in RFC 1808
		i := strings.LastIndexByte(p, '/') + 1
		return p[:i] + beforeAny(p[i:], ";")
	}),
	always(func(p string) string { return strings.ReplaceAll(p, `\`, "/") }),
	perSegment(strings.TrimSpace),
	perSegment(func(s string) string { return strings.Trim(s, " ") }),
	perSegment(func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }),
	perSegment(func(s string) string { return strings.TrimRight(s, " ") }),
	perSegment(func(s string) string { return strings.TrimRight(s, " .") }),
	always(func(p string) string { return "/" + strings.TrimLeft(p, "/") }),
	perSegment(func(s string) string { return strings.TrimRight(s, ".") }),
	always(func(p string) string { // format characters and other invisible ones
		return strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
				return -1
			}
			return r
		}, p)
	}),
	always(func(p string) string { // a conversion to a legacy code page
		return bestFits.Replace(p)
	}),
	always(func(p string) string { return slashesExpr.ReplaceAllLiteralString(p, "/") }),
	always(func(p string) string { return beforeAny(p, "#") }),
	always(func(p string) string { return beforeAny(p, "?") }),
	func(p string) (string, bool) { // network-path reference
		rest := strings.TrimLeft(p, "/")
		if len(p)-len(rest) < 2 {
			return p, true
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:], true
		}
		return "/", true
	},
	always(func(p string) string { // dot segments and slashes
		if c := path.Clean(p); c != "/" && strings.HasSuffix(p, "/") {
			return c + "/"
		}
		return path.Clean(p)
	}),
}

var specialExpr = regexp.MustCompile(`%[0-9A-Fa-f]{2}|[%\\#?]`)

// asText returns the canonical form of a path in which nothing is encoded, and
// asURI that of one in which triplets still stand for characters.
func asText(p string) string {
	return norm.NFC.String(specials.Replace(p))
}

func asURI(p string) string {
	return norm.NFC.String(specialExpr.ReplaceAllStringFunc(p, func(s string) string {
		if len(s) == 1 {
			return asText(s)
		}
		if c := decodeTriplet(s); !strings.Contains(`/\%#?`, c) {
			return c
		}
		return strings.ToUpper(s)
	}))
}

// run lets an upstream with some habits, indices into habits, see a path. It
// returns the canonical forms of what it sees, none when it refuses.
func run(p string, program []byte) (seen []string) {
	decoded := false
	for _, h := range program {
		i := int(h) % len(habits)
		next, ok := habits[i](p)
		if !ok {
			return nil
		}
		p = next
		decoded = decoded || i == decodes || i == decodes+1
	}
	seen = []string{asURI(p)}
	if decoded {
		seen = append(seen, asText(p))
	}
	return seen
}

// frameworks are upstreams as a whole, from the raw target. All of them end with
// path.Clean, which also merges slashes and drops the last one.
var frameworks = map[string]func(raw string) (string, bool){
	"url_request_uri": func(raw string) (string, bool) {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return "", false
		}
		return path.Clean(u.Path), true
	},
	"url_reference": func(raw string) (string, bool) {
		u, err := url.Parse(raw)
		if err != nil || u.Path == "" {
			return "", false
		}
		return path.Clean(u.Path), true
	},
	"servlet": func(raw string) (string, bool) {
		p, _ := habits[5](beforeAny(raw, "?#"))
		p, err := url.PathUnescape(p)
		return path.Clean(p), err == nil
	},
	"decode_twice": func(raw string) (string, bool) {
		return path.Clean(lenientDecode(lenientDecode(beforeAny(raw, "?#")))), true
	},
	"decode_before_split": func(raw string) (string, bool) {
		return path.Clean(beforeAny(lenientDecode(raw), "?#")), true
	},
	"windows": func(raw string) (string, bool) {
		p := strings.ReplaceAll(lenientDecode(beforeAny(raw, "?#")), `\`, "/")
		segments := strings.Split(p, "/")
		for i, s := range segments {
			if s != "." && s != ".." {
				segments[i] = strings.TrimRight(s, ". ")
			}
		}
		return path.Clean(strings.Join(segments, "/")), true
	},
	"compatible": func(raw string) (string, bool) {
		return path.Clean(norm.NFKC.String(lenientDecode(beforeAny(raw, "?#")))), true
	},
}

// agree checks everything that is known about the judgement of raw, with some
// programs for run.
func agree(t *testing.T, tg *target.Target, raw string, programs ...[]byte) {
	t.Helper()
	tg.Parse([]byte(raw))
	if tg.Class == target.Hostile {
		return
	}
	got := readings(tg)
	for _, program := range programs {
		for _, seen := range run(beforeAny(raw, "?"), program) {
			if !slices.Contains(got, seen) {
				t.Errorf("%q is %v; program %v sees %q, not among %q", raw, tg.Class, program, seen, got)
			}
		}
	}
	for name, f := range frameworks {
		p, ok := f(raw)
		if !ok {
			continue
		}
		seen := asText(p)
		if !slices.ContainsFunc(got, func(r string) bool { return path.Clean(r) == seen }) {
			t.Errorf("%q is %v; %s sees %q, not among %q", raw, tg.Class, name, seen, got)
		}
	}
	wellFormed(t, tg, raw)
}

var dotSegment = regexp.MustCompile(`(^|/)\.+(/|$)`)

// wellFormed checks what holds for readings whatever any upstream does.
func wellFormed(t *testing.T, tg *target.Target, raw string) {
	t.Helper()
	got := readings(tg)
	if len(got) == 0 || len(got) > target.MaxReadings {
		t.Errorf("%q is %v with %d readings", raw, tg.Class, len(got))
	}
	for i, r := range got {
		if r == "" || r[0] != '/' || dotSegment.MatchString(r) || strings.ContainsAny(r, "\\#?") ||
			strings.ContainsFunc(r, unicode.IsControl) || !norm.NFC.IsNormalString(r) || asURI(r) != r {
			t.Errorf("%q is %v with the reading %q", raw, tg.Class, r)
		}
		if slices.Contains(got[:i], r) {
			t.Errorf("%q has the reading %q twice", raw, r)
		}
	}
	if got[0] != asURI(beforeAny(raw, "?")) {
		t.Errorf("%q has the literal reading %q, want %q", raw, got[0], asURI(beforeAny(raw, "?")))
	}
	if tg.Class != target.Plain {
		return
	}
	if len(got) != 1 || got[0] != string(tg.Path()) || strings.ContainsAny(got[0], "%;") || strings.Contains(got[0], "//") ||
		!norm.NFKC.IsNormalString(got[0]) {
		t.Errorf("%q is plain with the path %q and the readings %q", raw, tg.Path(), got)
	}
	var again target.Target
	if again.Parse([]byte(escape(got[0]))); again.Class != target.Plain || string(again.Path()) != got[0] {
		t.Errorf("%q is plain with the path %q, which is %v with %q", raw, got[0], again.Class, again.Path())
	}
}

// escape encodes what a request may not contain as it is.
func escape(p string) string {
	return rawExpr.ReplaceAllStringFunc(p, url.PathEscape)
}

// tokens are what tricks are made of.
var tokens = []string{
	"/", ".", "..", "a", "public", "admin", ";", ";x=1", `\`, " ", "//", "?", "#", "%", "+", "\u00e9", "\u212a",
	"%2f", "%2F", "%5c", "%2e", "%2e%2e", "%25", "%3b", "%23", "%3f", "%20", "%41", "%00", "%09", "%0a",
	"%252f", "%252e", "%255c", "%253b", "%2523", "%253f", "%2520", "%2541", "%2525", "%25252e", "%25252f", "2e", "2f",
	"%e2%80%a4", "%e2%80%a5", "%ef%bc%8e", "%ef%bc%8f", "%ef%bc%bc", "%ef%bc%85", "%ef%bc%9b", "%cd%be", "%e2%88%95",
	"%d9%aa", "%c2%a5", "%e3%80%82", "%c2%ad", "%e2%80%8b", "%ef%b8%8f", "%cd%8f", "%c2%a0", "%e3%80%80", "%c3%a9",
	"e%cc%81", "%cc%b8", "=", "%c0%ae", "%e9", "%ef%ac%81", "%e2%84%aa", "%f0%9f%98%80", "%u002e", "%25u002e",
	"%25ef%25bc%258f", "%c2%85", "%e2%80%a8", "%40", ":", "http:",
}

func spell(choice []byte) string {
	var b strings.Builder
	for _, c := range choice {
		b.WriteString(tokens[int(c)%len(tokens)])
	}
	return b.String()
}

// All pairs of tokens between two names, as upstreams with three habits see them.
func TestSEC_A06_NoUpstreamIsConfused(t *testing.T) {
	t.Parallel()
	var tg target.Target
	counts := map[target.Class]int{}
	for i := range tokens {
		for j := range tokens {
			raw := "/public/" + spell([]byte{byte(i), byte(j)}) + "/admin"
			var programs [][]byte
			for h := range habits {
				programs = append(programs, []byte{byte(h), byte((h*7 + i + j) % len(habits)), byte((i*5 + j*3 + h) % len(habits))})
			}
			agree(t, &tg, raw, programs...)
			counts[tg.Class]++
		}
	}
	for _, c := range []target.Class{target.Plain, target.Ambiguous, target.Hostile} {
		if counts[c] < 50 {
			t.Errorf("only %d targets were %v: the test does not test", counts[c], c)
		}
	}
}

// FuzzUpstreams looks for a target that an upstream sees in a way that is not
// among the readings.
func FuzzUpstreams(f *testing.F) {
	f.Add([]byte{1, 0, 2, 0, 4}, []byte{0, 5, 17})
	f.Add([]byte{4, 17, 5, 38, 24, 3}, []byte{2, 14})
	f.Add([]byte{4, 49, 42, 49, 42, 0, 5}, []byte{0, 4, 0})
	f.Add([]byte{3, 27, 53, 7}, []byte{0, 3, 5})
	f.Add([]byte{10, 4, 0, 5}, []byte{16})
	f.Fuzz(func(t *testing.T, choice, program []byte) {
		if len(choice) > 40 || len(program) > 12 {
			return
		}
		var tg target.Target
		agree(t, &tg, "/"+spell(choice), program)
	})
}

// FuzzParse does the same with arbitrary bytes.
func FuzzParse(f *testing.F) {
	for _, raw := range []string{
		"/", "/a/b/?x=1", "/public/..;/admin", "/files/a%2fb", "/a%252f%2e", "/caf%c3%a9", "/cafe%cc%81", "/x;v=1", "//a///b",
		"/100%25", "/a%2525", "/%ef%bc%8f", "/a%20", "/a.", "/a%3fb%23c", "*", "http://a/b", "/a#b", "/%u002e", "/a%5cb",
	} {
		f.Add(raw, []byte{0, 4, 13})
	}
	f.Fuzz(func(t *testing.T, raw string, program []byte) {
		if len(raw) > 400 || len(program) > 12 {
			return
		}
		var tg target.Target
		agree(t, &tg, raw, program)
	})
}
