package browser_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gateward/gateward/internal/browser"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestJSON(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		400: `{"code":3,"message":"request was not acceptable","details":[]}`,
		401: `{"code":16,"message":"request was not authenticated","details":[]}`,
		403: `{"code":7,"message":"permission denied","details":[]}`,
		405: `{"code":12,"message":"method not allowed","details":[]}`,
		429: `{"code":8,"message":"too many requests","details":[]}`,
		431: `{"code":8,"message":"request header is too large","details":[]}`,
		503: `{"code":14,"message":"service is temporarily unavailable","details":[]}`,
	} {
		p := browser.ProblemFor(status)
		if p.Status != status {
			t.Errorf("%d: got the problem of %d", status, p.Status)
		}
		if got := string(browser.JSON([]byte("x"), p)); got != "x"+want {
			t.Errorf("%d: got %s, want x%s", status, got, want)
		}
	}
	if n := len(browser.Statuses()); n != 7 {
		t.Errorf("got %d statuses, want 7", n)
	}
	if got := browser.JSON(nil, browser.Problem{Message: "a\"\n"}); !json.Valid(got) {
		t.Errorf("got %s", got)
	}
}

func TestProblemFor_UnknownStatusIsOurFault(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 302, 404, 500, 999} {
		if got := browser.ProblemFor(status); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%d: got status %d, want 503", status, got.Status)
		}
	}
}

func TestSEC_N07_AnswersSayNothingOfTheInside(t *testing.T) {
	t.Parallel()
	inside := regexp.MustCompile(`(?i)sql|redis|\.go:|dial tcp|goroutine|panic|jwks|issuer|envoy|gateward`)
	for _, status := range browser.Statuses() {
		p := browser.ProblemFor(status)
		if p.Title == "" || p.Advice == "" || p.Code == 0 {
			t.Errorf("%d: incomplete: %+v", status, p)
		}
		plain := browser.Plain(p)
		if plain == "" || len(plain) > 80 || strings.ContainsAny(plain, "{}<>\r\n%") {
			t.Errorf("%d: plain text %q", status, plain)
		}
		for _, body := range [][]byte{browser.JSON(nil, p), browser.Page(nil, p, "", browser.Detail{}), []byte(plain)} {
			if m := inside.Find(body); m != nil {
				t.Errorf("%d: %q in %s", status, m, body)
			}
		}
	}
}

func TestPage_Golden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		id     string
		d      browser.Detail
	}{
		{name: "401_plain", status: 401, id: "5f2c-1"},
		{name: "403_full", status: 403, id: "5f2c-1", d: browser.Detail{
			Site: "Example", Account: "ada@example.com", Rule: "reports", LinkText: "Use another account", LinkURL: "/auth/logout?rd=%2F&x=1",
		}},
		{name: "503_bare", status: 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := browser.Page(nil, browser.ProblemFor(tt.status), tt.id, tt.d)
			golden := filepath.Join("testdata", tt.name+".golden.html")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestPage_IsAccessible(t *testing.T) {
	t.Parallel()
	for _, status := range browser.Statuses() {
		p := browser.ProblemFor(status)
		page := string(browser.Page(nil, p, "id", browser.Detail{}))
		for _, want := range []string{
			`<html lang="en">`, `<meta charset="utf-8">`, `name="viewport"`, "<title>" + p.Title + "</title>",
			"<main>", "<h1>" + p.Title + "</h1>", p.Advice, "color-scheme:light dark", "prefers-color-scheme:dark",
		} {
			if strings.Count(page, want) != 1 {
				t.Errorf("%d: want one %q in %s", status, want, page)
			}
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "style=") || strings.Contains(page, "src=") {
			t.Errorf("%d: something that the policy forbids: %s", status, page)
		}
	}
}

func TestPageCSP_AllowsTheStyleAndNothingElse(t *testing.T) {
	t.Parallel()
	page := browser.Page(nil, browser.ProblemFor(401), "", browser.Detail{})
	_, rest, _ := bytes.Cut(page, []byte("<style>"))
	style, _, ok := bytes.Cut(rest, []byte("</style>"))
	if !ok {
		t.Fatalf("no style in %s", page)
	}
	sum := sha256.Sum256(style)
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
	if got := browser.PageCSP(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for contentType, got := range map[string][]browser.Header{
		"application/json":          browser.JSONHeaders(),
		"text/plain; charset=utf-8": browser.PlainHeaders(),
		"text/html; charset=utf-8":  browser.PageHeaders(),
	} {
		h := map[string]string{}
		for _, e := range got {
			if e.Name != strings.ToLower(e.Name) || h[e.Name] != "" || e.Value == "" {
				t.Errorf("%s: bad or repeated header %q", contentType, e)
			}
			h[e.Name] = e.Value
		}
		for name, want := range map[string]string{
			"content-type": contentType, "cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
		} {
			if h[name] != want {
				t.Errorf("%s: %s: got %q, want %q", contentType, name, h[name], want)
			}
		}
		if page := contentType == "text/html; charset=utf-8"; (h["content-security-policy"] == browser.PageCSP()) != page {
			t.Errorf("%s: got policy %q", contentType, h["content-security-policy"])
		}
	}
}

func TestPage_LinksGoNowhereElse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"/auth/logout":              true,
		"/":                         true,
		"https://app.example.com/x": true,
		"http://localhost:8080/":    true,
		"":                          false,
		"//evil.example":            false,
		`/\evil.example`:            false,
		"javascript:alert(1)":       false,
		"JAVASCRIPT:alert(1)":       false,
		"data:text/html,x":          false,
		"https://":                  false,
		"https:///evil.example":     false,
		"/a b":                      false,
		"/a\n/b":                    false,
		"/\t/evil.example":          false,
		"relative":                  false,
		"/ü":                        false,
	} {
		page := string(browser.Page(nil, browser.ProblemFor(403), "", browser.Detail{LinkText: "Go", LinkURL: url}))
		if got := strings.Contains(page, "<a "); got != want {
			t.Errorf("%q: link %v, want %v", url, got, want)
		}
	}
}

func TestSafeRequestID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"617f9443-f420-45e4-b52b-26a0809b1287": true,
		"A_b.9":                                true,
		strings.Repeat("a", 128):               true,
		strings.Repeat("a", 129):               false,
		"":                                     false,
		"a b":                                  false,
		"a\r\nb":                               false,
		"<b>":                                  false,
		"ä":                                    false,
	} {
		if got := browser.SafeRequestID([]byte(id)); got != want {
			t.Errorf("%q: got %v, want %v", id, got, want)
		}
		page := browser.Page(nil, browser.ProblemFor(403), id, browser.Detail{})
		if got := bytes.Contains(page, []byte("Request id")); got != want {
			t.Errorf("%q: on the page %v, want %v", id, got, want)
		}
	}
}

// FuzzPage: no text adds markup to a page. A page with any texts has as many
// angle brackets and quotes as one with harmless texts in the same places.
func FuzzPage(f *testing.F) {
	f.Add("Example", "ada@example.com", "reports", "Go on", "/auth/logout", "id-1", "Oh", "Do")
	f.Add("</title><script>", `"><img src=x onerror=y>`, "</dd></main>", "'\"", `/"><script>`, "<", "</h1>", "&lt;<")
	f.Add("\xff\x00", "\u202egro.live", "\u2028", " ", "javascript:x", "", "\u00a0", "&")
	f.Fuzz(func(t *testing.T, site, account, rule, label, url, id, title, advice string) {
		d := browser.Detail{Site: site, Account: account, Rule: rule, LinkText: label, LinkURL: url}
		page := string(browser.Page(nil, browser.Problem{Title: title, Advice: advice}, id, d))
		if !utf8.ValidString(page) || strings.ContainsAny(page, "\x00\r\u202e\u2028") {
			t.Errorf("characters that do not print: %q", page)
		}
		var plain browser.Detail
		if strings.Contains(page, " · ") {
			plain.Site = "x"
		}
		if strings.Contains(page, "<a ") {
			plain.LinkText, plain.LinkURL = "x", "/"
		}
		if strings.Contains(page, "<dt>You are") {
			plain.Account = "x"
		}
		if strings.Contains(page, "<dt>Rule") {
			plain.Rule = "x"
		}
		if !strings.Contains(page, "<dt>Request id") {
			id = ""
		}
		want := string(browser.Page(nil, browser.Problem{Title: "x", Advice: "x"}, id, plain))
		for _, c := range []string{"<", ">", `"`, "'", "<script", "<dl>"} {
			if got, want := strings.Count(page, c), strings.Count(want, c); got != want {
				t.Errorf("got %d of %s, want %d, in %s", got, c, want, page)
			}
		}
	})
}
