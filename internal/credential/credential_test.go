package credential_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/credential"
)

const (
	ours  = "gateward_client_token"
	flipt = "flipt_client_token"
)

func lines(s ...string) [][]byte {
	var b [][]byte
	for _, v := range s {
		b = append(b, []byte(v))
	}
	return b
}

func newFinder() *credential.Finder { return credential.NewFinder([]string{ours, flipt}) }

type findCase struct {
	name          string
	authorization [][]byte
	cookie        [][]byte
	admits        credential.Kinds // 0: All

	want    string // value; "" is none
	scheme  gateward.Scheme
	problem credential.Problem
}

func runFind(t *testing.T, tests []findCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			admits := tt.admits
			if admits == 0 {
				admits = credential.All
			}
			got, problem := newFinder().Find(tt.authorization, tt.cookie, admits)
			if problem != tt.problem {
				t.Fatalf("got problem %v, want %v", problem, tt.problem)
			}
			if string(got.Value) != tt.want || (got.Value == nil) != (tt.want == "") {
				t.Errorf("got value %q, want %q", got.Value, tt.want)
			}
			if got.Scheme != tt.scheme {
				t.Errorf("got scheme %v, want %v", got.Scheme, tt.scheme)
			}
		})
	}
}

func TestSEC_B01_MoreThanOneAuthorizationIsRefused(t *testing.T) {
	t.Parallel()
	c := lines(ours + "=good")
	runFind(t, []findCase{
		{name: "joined", authorization: lines("Bearer aaa,Bearer bbb"), problem: credential.Multiple},
		{name: "joined with a space", authorization: lines("Bearer a, Bearer b"), problem: credential.Multiple},
		{name: "two schemes", authorization: lines("Basic eDp5,Bearer y"), problem: credential.Multiple},
		{name: "trailing comma", authorization: lines("Bearer a,"), problem: credential.Multiple},
		{name: "leading comma", authorization: lines(",Bearer a"), problem: credential.Multiple},
		{name: "two values", authorization: lines("Bearer aaa", "Bearer bbb"), problem: credential.Multiple},
		{name: "the same twice", authorization: lines("Bearer aaa", "Bearer aaa"), problem: credential.Multiple},
		{name: "empty and good", authorization: lines("", "Bearer aaa"), problem: credential.Multiple},
		{name: "never rescued by a cookie", authorization: lines("Bearer a,Bearer b"), cookie: c, problem: credential.Multiple},
		{name: "scheme with parameters", authorization: lines(`Digest username="a", realm="b"`), problem: credential.Multiple},
	})
}

func TestSEC_B02_DifferentCookieValuesAreRefused(t *testing.T) {
	t.Parallel()
	ck := gateward.SchemeCookie
	runFind(t, []findCase{
		{name: "semicolon", cookie: lines("a=1; " + ours + "=good; " + ours + "=evil; b=2"), scheme: ck, problem: credential.Conflict},
		{name: "comma", cookie: lines("a=1; " + ours + "=good," + ours + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "comma and space", cookie: lines(ours + "=good,  " + ours + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "comma and space before =", cookie: lines(ours + "=good," + ours + " =evil"), scheme: ck, problem: credential.Conflict},
		{name: "another between", cookie: lines(ours + "=good,b=2," + ours + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "two lines", cookie: lines("a=1; "+ours+"=good", ours+"=evil"), scheme: ck, problem: credential.Conflict},
		{name: "two names", cookie: lines(ours + "=good; " + flipt + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "space before =", cookie: lines(ours + "=good; " + ours + " =evil"), scheme: ck, problem: credential.Conflict},
		{name: "case of the value counts", cookie: lines(ours + "=good; " + ours + "=Good"), scheme: ck, problem: credential.Conflict},
		{name: "second malformed", cookie: lines(ours + "=good; " + ours + "=b@d"), scheme: ck, problem: credential.Conflict},

		{name: "same twice", cookie: lines(ours + "=good; " + ours + "=good"), scheme: ck, want: "good"},
		{name: "same by comma", cookie: lines(ours + "=good," + ours + "=good"), scheme: ck, want: "good"},
		{name: "same in two names", cookie: lines(ours + "=good; " + flipt + "=good"), scheme: ck, want: "good"},
		{name: "same, once quoted", cookie: lines(ours+`="good"`, ours+"=good"), scheme: ck, want: "good"},
		{name: "one is empty", cookie: lines(ours + "=; " + ours + "=good"), scheme: ck, want: "good"},
	})
}

func TestSEC_B03_AuthorizationSyntax(t *testing.T) {
	t.Parallel()
	bearer, malformed, scheme := gateward.SchemeBearer, credential.Malformed, credential.Scheme
	runFind(t, []findCase{
		{name: "plain", authorization: lines("Bearer tok"), want: "tok", scheme: bearer},
		{name: "mixed case", authorization: lines("bEaReR tok"), want: "tok", scheme: bearer},
		{name: "several spaces", authorization: lines("Bearer   tok"), want: "tok", scheme: bearer},
		{name: "every character", authorization: lines("Bearer aZ09-._~+/=="), want: "aZ09-._~+/==", scheme: bearer},
		{name: "jwt", authorization: lines("JWT a.b.c"), want: "a.b.c", scheme: gateward.SchemeJWT},
		{name: "jwt, lower case", authorization: lines("jwt a.b.c"), want: "a.b.c", scheme: gateward.SchemeJWT},
		{name: "basic", authorization: lines("basic dTpw"), want: "dTpw", scheme: gateward.SchemeBasic},

		{name: "empty", authorization: lines(""), problem: malformed},
		{name: "spaces only", authorization: lines("  "), problem: malformed},
		{name: "leading space", authorization: lines(" Bearer tok"), problem: malformed},
		{name: "no value", authorization: lines("Bearer"), scheme: bearer, problem: malformed},
		{name: "no value after space", authorization: lines("Bearer "), scheme: bearer, problem: malformed},
		{name: "inner space", authorization: lines("Bearer a b"), scheme: bearer, problem: malformed},
		{name: "trailing space", authorization: lines("Bearer tok "), scheme: bearer, problem: malformed},
		{name: "tab", authorization: lines("Bearer\ttok"), problem: malformed},
		{name: "space and tab", authorization: lines("Bearer \ttok"), scheme: bearer, problem: malformed},
		{name: "bad character", authorization: lines("Bearer tok!"), scheme: bearer, problem: malformed},
		{name: "quotes", authorization: lines(`Bearer "tok"`), scheme: bearer, problem: malformed},
		{name: "padding inside", authorization: lines("Bearer a=b"), scheme: bearer, problem: malformed},
		{name: "padding only", authorization: lines("Bearer =="), scheme: bearer, problem: malformed},
		{name: "colon", authorization: lines("Bearer: tok"), problem: malformed},
		{name: "newline", authorization: lines("Bearer tok\n"), scheme: bearer, problem: malformed},
		{name: "NUL", authorization: lines("Bearer tok\x00"), scheme: bearer, problem: malformed},
		{name: "bare token", authorization: lines("tok"), problem: scheme},
		{name: "unknown scheme", authorization: lines("Negotiate abc"), problem: scheme},
		{name: "longer scheme", authorization: lines("Bearerx abc"), problem: scheme},
		{name: "basic with colon", authorization: lines("Basic u:p"), scheme: gateward.SchemeBasic, problem: malformed},
	})
}

func TestSEC_B05_OneCredentialDecides(t *testing.T) {
	t.Parallel()
	c := lines(ours + "=alice")
	runFind(t, []findCase{
		{name: "header before cookie", authorization: lines("Bearer bob"), cookie: c, want: "bob", scheme: gateward.SchemeBearer},
		{name: "bad header, good cookie", authorization: lines("Bearer b b"), cookie: c, scheme: gateward.SchemeBearer, problem: credential.Malformed},
		{name: "empty header, good cookie", authorization: lines(""), cookie: c, problem: credential.Malformed},
		{name: "unknown scheme, good cookie", authorization: lines("Digest x"), cookie: c, problem: credential.Scheme},
		{name: "basic not admitted", authorization: lines("Basic dTpw"), cookie: c, admits: credential.Cookie | credential.Bearer, problem: credential.Scheme},
		{name: "bearer not admitted", authorization: lines("Bearer bob"), cookie: c, admits: credential.Cookie | credential.Basic, problem: credential.Scheme},
		{name: "jwt not admitted", authorization: lines("JWT bob"), admits: credential.Basic, problem: credential.Scheme},
		{name: "cookies only: header is the upstream's", authorization: lines("Bearer bob"), cookie: c, admits: credential.Cookie, want: "alice", scheme: gateward.SchemeCookie},
		{name: "cookies only: even several headers", authorization: lines("x,y", "z"), cookie: c, admits: credential.Cookie, want: "alice", scheme: gateward.SchemeCookie},
		{name: "cookie not admitted", cookie: c, admits: credential.Bearer | credential.Basic},
		{name: "no header", cookie: c, want: "alice", scheme: gateward.SchemeCookie},
		{name: "nothing"},
	})
	t.Run("who decided", func(t *testing.T) {
		t.Parallel()
		f := newFinder()
		if got, _ := f.Find(lines("Bearer x y"), c, credential.All); !got.FromHeader {
			t.Error("a refused header is not reported as ours")
		}
		if got, _ := f.Find(lines("Bearer x"), c, credential.Cookie); got.FromHeader {
			t.Error("a header that the rule does not admit is reported as ours")
		}
		if got, _ := f.Find(nil, c, 0); got.Value != nil {
			t.Errorf("a rule that admits nothing found %q", got.Value)
		}
	})
}

func TestSEC_G02_CookiesUnderOtherNamesAreOnlyAccepted(t *testing.T) {
	t.Parallel()
	const host, secure = "__Host-" + ours, "__Secure-" + ours
	ck, accepted := gateward.SchemeCookie, gateward.SchemeAcceptedCookie
	for _, tt := range []struct {
		name, ours, cookie string
		scheme             gateward.Scheme // SchemeNone: nothing is found
		problem            credential.Problem
	}{
		{name: "ours", ours: host, cookie: host + "=x", scheme: ck},
		{name: "ours, for a domain", ours: secure, cookie: secure + "=x", scheme: ck},
		{name: "another", ours: host, cookie: flipt + "=x", scheme: accepted},
		{name: "another, for a domain", ours: secure, cookie: flipt + "=x", scheme: accepted},
		{name: "both, the same", ours: host, cookie: flipt + "=x; " + host + "=x", scheme: ck},
		{name: "both, the other way round", ours: host, cookie: host + `="x", ` + flipt + "=x", scheme: ck},
		{name: "ours is empty", ours: host, cookie: host + "=; " + flipt + "=x", scheme: accepted},
		{name: "longer than ours", ours: host, cookie: host + "2=x; " + flipt + "=x", scheme: accepted},
		{name: "both, different", ours: host, cookie: host + "=x; " + flipt + "=y", scheme: ck, problem: credential.Conflict},
		{name: "bare", ours: host, cookie: ours + "=x"},
		{name: "bare, beside ours", ours: host, cookie: ours + "=evil; " + host + "=x", scheme: ck},
		{name: "the other prefix", ours: host, cookie: secure + "=x"},
		{name: "prefix in another case", ours: host, cookie: "__host-" + ours + "=x"},
		{name: "ours has no prefix", ours: ours, cookie: flipt + "=x", scheme: ck},
		{name: "nothing but a prefix", ours: "__Host-", cookie: flipt + "=x", scheme: ck},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := credential.NewFinder([]string{tt.ours, flipt})
			got, problem := f.Find(nil, lines(tt.cookie), credential.All)
			want := ""
			if tt.scheme != gateward.SchemeNone && tt.problem == credential.None {
				want = "x"
			}
			if got.Scheme != tt.scheme || problem != tt.problem || string(got.Value) != want {
				t.Errorf("%q: got %v %q, %v, want %v %q, %v", tt.cookie, got.Scheme, got.Value, problem, tt.scheme, want, tt.problem)
			}
		})
	}
}

func TestSEC_B07_BytesBeyondASCII(t *testing.T) {
	t.Parallel()
	bearer, malformed := gateward.SchemeBearer, credential.Malformed
	runFind(t, []findCase{
		{name: "value", authorization: lines("Bearer \xff\xfe"), scheme: bearer, problem: malformed},
		{name: "as Envoy replaces it", authorization: lines("Bearer !!"), scheme: bearer, problem: malformed},
		{name: "UTF-8", authorization: lines("Bearer töken"), scheme: bearer, problem: malformed},
		{name: "scheme", authorization: lines("B\u00e9arer tok"), problem: malformed},
		{name: "Kelvin sign in scheme", authorization: lines("\u212aerberos tok"), problem: malformed},
		{name: "long s in basic", authorization: lines("Ba\u017fic dTpw"), problem: malformed},
		{name: "no-break space", authorization: lines("Bearer\u00a0tok"), problem: malformed},
		{name: "unknown scheme", authorization: lines("Negotiate \xff"), problem: malformed},
		{name: "cookie", cookie: lines(ours + "=t\xffk"), scheme: gateward.SchemeCookie, problem: malformed},
		{name: "cookie as Envoy replaces it", cookie: lines(ours + "=t!k"), scheme: gateward.SchemeCookie, problem: malformed},
	})
}

func TestSEC_B08_LongCredentials(t *testing.T) {
	t.Parallel()
	n := func(n int) string { return strings.Repeat("a", n) }
	bearer, basic, cookie := gateward.SchemeBearer, gateward.SchemeBasic, gateward.SchemeCookie
	long := credential.TooLong
	runFind(t, []findCase{
		{name: "bearer at the limit", authorization: lines("Bearer " + n(16<<10)), want: n(16 << 10), scheme: bearer},
		{name: "bearer above", authorization: lines("Bearer " + n(16<<10+1)), scheme: bearer, problem: long},
		{name: "bearer far above", authorization: lines("Bearer " + n(60<<10)), problem: long},
		{name: "dots", authorization: lines("Bearer " + strings.Repeat(".", 60<<10)), problem: long},
		{name: "commas", authorization: lines("Bearer " + strings.Repeat(",", 60<<10)), problem: long},
		{name: "spaces", authorization: lines("Bearer " + strings.Repeat(" ", 60<<10) + "tok"), problem: long},
		{name: "basic at the limit", authorization: lines("Basic " + n(1<<10)), want: n(1 << 10), scheme: basic},
		{name: "basic above", authorization: lines("Basic " + n(1<<10+1)), scheme: basic, problem: long},
		{name: "cookie at the limit", cookie: lines(ours + "=" + n(4<<10)), want: n(4 << 10), scheme: cookie},
		{name: "cookie above", cookie: lines(ours + "=" + n(4<<10+1)), scheme: cookie, problem: long},
		{name: "another cookie may be longer", cookie: lines("a=" + n(8<<10) + "; " + ours + "=x"), want: "x", scheme: cookie},
	})
}

func TestFind_CookieSyntax(t *testing.T) {
	t.Parallel()
	ck, malformed := gateward.SchemeCookie, credential.Malformed
	runFind(t, []findCase{
		{name: "among others", cookie: lines("a=1; " + ours + "=good; b=2"), scheme: ck, want: "good"},
		{name: "without spaces", cookie: lines("a=1;" + ours + "=good;b=2"), scheme: ck, want: "good"},
		{name: "tabs", cookie: lines("a=1;\t" + ours + "\t=\tgood\t; b=2"), scheme: ck, want: "good"},
		{name: "quoted", cookie: lines(ours + `="good"`), scheme: ck, want: "good"},
		{name: "first of two lines joined", cookie: lines(ours + "=good,b=2; c=3"), scheme: ck, want: "good"},
		{name: "second of two lines joined", cookie: lines("a=1," + ours + "=good"), scheme: ck, problem: credential.Conflict},
		{name: "after commas", cookie: lines(`p={"x":1,"y":2}; ` + ours + "=good"), scheme: ck, want: "good"},
		{name: "inside another", cookie: lines(`p={"x":1,"y":2}, ` + ours + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "inside another, and alone", cookie: lines("p=1," + ours + "=good; " + ours + "=good"), scheme: ck, want: "good"},
		{name: "inside another, twice", cookie: lines("p=1,"+ours+"=evil", "q=1,"+ours+"=evil"), scheme: ck, problem: credential.Conflict},
		{name: "alone, and inside another", cookie: lines(ours + "=good; p=1," + ours + "=evil"), scheme: ck, problem: credential.Conflict},
		{name: "padding", cookie: lines(ours + "=YQ=="), scheme: ck, want: "YQ=="},

		{name: "empty", cookie: lines(ours + "=")},
		{name: "empty, quoted", cookie: lines(ours + `=""`)},
		{name: "no =", cookie: lines(ours)},
		{name: "no lines"},
		{name: "empty line", cookie: lines("", ";;, ,")},
		{name: "prefix", cookie: lines("x" + ours + "=good")},
		{name: "suffix", cookie: lines(ours + "2=good")},
		{name: "other case", cookie: lines(strings.ToUpper(ours) + "=good")},
		{name: "in another value", cookie: lines("a=" + ours + "=good")},
		{name: "after white space only", cookie: lines("a=1 " + ours + "=good")},
		{name: "as PHP would name it", cookie: lines("gateward.client.token=good")},

		{name: "half quoted", cookie: lines(ours + `="good`), scheme: ck, problem: malformed},
		{name: "quoted twice", cookie: lines(ours + `=""good""`), scheme: ck, problem: malformed},
		{name: "inner space", cookie: lines(ours + "=go od"), scheme: ck, problem: malformed},
		{name: "comma without a pair", cookie: lines(ours + "=good,evil"), scheme: ck, problem: malformed},
		{name: "percent", cookie: lines(ours + "=%67ood"), scheme: ck, problem: malformed},
		{name: "fixture ckquoted", cookie: lines(ours + `="quo;ted"; a=b=c; =novalue; noequals; ; ` + ours + "=2"), scheme: ck, problem: credential.Conflict},
	})
}

func TestFind_ValueAliasesTheRequest(t *testing.T) {
	t.Parallel()
	h := lines("Bearer tok")
	got, _ := newFinder().Find(h, nil, credential.All)
	h[0][7] = 'T'
	if string(got.Value) != "Tok" {
		t.Errorf("got %q, want the bytes of the request", got.Value)
	}
}

func TestParseKinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		in    []string
		want  credential.Kinds
		wants []string // keys of the problems
	}{
		{name: "all", in: []string{"cookie", "bearer", "basic"}, want: credential.All},
		{name: "one", in: []string{"bearer"}, want: credential.Bearer},
		{name: "repeated", in: []string{"basic", "basic"}, want: credential.Basic},
		{name: "none", in: nil, want: 0},
		{name: "unknown", in: []string{"mtls", "cookie", "Cookie"}, wants: []string{"credentials[0]", "credentials[2]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := credential.ParseKinds(tt.in)
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if keys := configKeys(err); strings.Join(keys, " ") != strings.Join(tt.wants, " ") {
				t.Errorf("got problems at %v, want %v", keys, tt.wants)
			}
		})
	}
}

func configKeys(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var keys []string
	for _, e := range joined.Unwrap() {
		var ce *gateward.ConfigError
		if errors.As(e, &ce) && ce.Remedy != "" {
			keys = append(keys, ce.Key)
		}
	}
	return keys
}

func TestProblem_StringsAreStable(t *testing.T) {
	t.Parallel()
	want := []string{"none", "multiple_credentials", "malformed_credential", "credential_too_long", "scheme_not_admitted", "conflicting_cookies"}
	for i, w := range want {
		if got := credential.Problem(i).String(); got != w {
			t.Errorf("problem %d: got %q, want %q", i, got, w)
		}
	}
}
