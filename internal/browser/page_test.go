package browser_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gateward/gateward/internal/browser"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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
			`<main class="card">`, fmt.Sprintf("Error %d<", status), "<h1>" + p.Title + "</h1>", p.Advice, "color-scheme:light dark", "prefers-color-scheme:dark",
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
		if strings.Contains(page, "</svg><bdi>") {
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
		for _, c := range []string{"<", ">", `"`, "'", "<script", "<dl "} {
			if got, want := strings.Count(page, c), strings.Count(want, c); got != want {
				t.Errorf("got %d of %s, want %d, in %s", got, c, want, page)
			}
		}
	})
}
