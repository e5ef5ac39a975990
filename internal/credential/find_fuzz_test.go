package credential_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/credential"
)

func TestFind_DoesNotAllocate(t *testing.T) {
	f := newFinder()
	bearer := lines("Bearer " + strings.Repeat("a", 1100))
	cookies := lines(`_ga=GA1.2.3; pref={"a":1,"b":2}; ` + ours + "=" + strings.Repeat("b", 43) + "; theme=dark")
	dst := make([]byte, 0, 4<<10)
	for name, fn := range map[string]func(){
		"bearer":    func() { f.Find(bearer, cookies, credential.All) },
		"cookie":    func() { f.Find(nil, cookies, credential.All) },
		"malformed": func() { f.Find(cookies, nil, credential.All) },
		"none":      func() { f.Find(nil, nil, credential.All) },
		"strip":     func() { f.StripCookies(dst, cookies) },
		"no strip":  func() { f.StripCookies(nil, bearer) },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	f := newFinder()
	bearer := lines("Bearer " + strings.Repeat("a", 1100))
	cookies := lines(`_ga=GA1.2.3; pref={"a":1,"b":2}; ` + ours + "=" + strings.Repeat("b", 43) + "; theme=dark")
	b.Run("bearer", func(b *testing.B) {
		for b.Loop() {
			f.Find(bearer, nil, credential.All)
		}
	})
	b.Run("cookie", func(b *testing.B) {
		for b.Loop() {
			f.Find(nil, cookies, credential.All)
		}
	})
	b.Run("strip", func(b *testing.B) {
		dst := make([]byte, 0, 1<<10)
		for b.Loop() {
			f.StripCookies(dst, cookies)
		}
	})
}

// FuzzFind: whatever arrives, a value is one token68 that the request contains,
// two credentials never yield one, and what a cookie yielded is stripped.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"", "Bearer tok", "bEaReR  tok", "Bearer a,Bearer b", "Basic dTpw", "JWT a.b.c", "Bearer \xff", "Bearer\ttok"} {
		f.Add([]byte(s), []byte("Bearer x"), []byte(ours+"=good"), []byte(""), uint8(7))
		f.Add([]byte(s), []byte(""), []byte(ours+`="a"; b=2`), []byte(flipt+"=b,"+ours+" = c"), uint8(1))
	}
	f.Add([]byte(""), []byte(""), []byte("a=1,"+ours+"=good;"+ours+"=good,b=2"), []byte(""), uint8(1))
	finder := newFinder()
	f.Fuzz(func(t *testing.T, auth1, auth2, cookie1, cookie2 []byte, kinds uint8) {
		admits := credential.Kinds(kinds) & credential.All
		cookies := [][]byte{cookie1, cookie2}

		got, problem := finder.Find([][]byte{auth1}, cookies, admits)
		checkFound(t, got, problem)
		if got.FromHeader && got.Value != nil && !bytes.HasSuffix(auth1, got.Value) {
			t.Errorf("%q is not from %q", got.Value, auth1)
		}
		if got.FromHeader != (admits&(credential.Bearer|credential.Basic) != 0) {
			t.Errorf("header decided: %v, rule admits %b", got.FromHeader, admits)
		}

		joined := bytes.Join([][]byte{auth1, auth2}, []byte(","))
		for _, two := range [][][]byte{{auth1, auth2}, {joined}} {
			if got, _ := finder.Find(two, cookies, credential.Bearer|credential.Basic); got.Value != nil {
				t.Errorf("two credentials %q yielded %q", two, got.Value)
			}
		}

		got, problem = finder.Find(nil, cookies, credential.Cookie)
		checkFound(t, got, problem)
		rest, found := finder.StripCookies(nil, cookies)
		if (got.Value != nil || problem != credential.None) && !found {
			t.Errorf("%q: read and not stripped", cookies)
		}
		if got, problem := finder.Find(nil, [][]byte{rest}, credential.Cookie); found && (got.Value != nil || problem != credential.None) {
			t.Errorf("%q: still read after stripping: %q", cookies, rest)
		}
	})
}

func checkFound(t *testing.T, got credential.Found, problem credential.Problem) {
	t.Helper()
	if problem != credential.None && got.Value != nil {
		t.Errorf("%v with value %q", problem, got.Value)
	}
	if got.Value == nil {
		return
	}
	if got.Scheme == gateward.SchemeNone {
		t.Errorf("value %q without a scheme", got.Value)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
	body := strings.TrimRight(string(got.Value), "=")
	if body == "" || strings.Trim(body, alphabet) != "" {
		t.Errorf("value %q is no token68", got.Value)
	}
}
