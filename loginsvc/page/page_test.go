package page_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func newPages(t testing.TB, s page.Site) *page.Pages {
	t.Helper()
	p, err := page.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPages_Golden(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := s.document(newPages(t, s.site)).HTML
			golden := filepath.Join("testdata", s.name+".golden.html")
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

// TestPages_AreAccessible holds what a machine can see of WCAG 2.2 AA, and that
// nothing is in a page that its policy forbids.
func TestPages_AreAccessible(t *testing.T) {
	t.Parallel()
	for _, s := range append(samples(), sample{"account_50", page.Site{}, crowd(50)}, sample{"people_50", page.Site{}, manyPeople(50)}) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := s.document(newPages(t, s.site))
			if err := unbalanced(d.HTML); err != nil {
				t.Error(err)
			}
			checkTree(t, d)
			checkControls(t, d)
			checkData(t, d)
		})
	}
}

func checkTree(t *testing.T, d page.Document) {
	t.Helper()
	root := parse(t, d)
	for _, tag := range []string{"html", "title", "main", "h1", "header"} {
		if found := all(root, tag); len(found) != 1 {
			t.Errorf("got %d of %s, want 1", len(found), tag)
		}
	}
	if lang := attr(all(root, "html")[0], "lang"); lang != "en" {
		t.Errorf("got lang %q", lang)
	}
	if words(all(root, "title")[0]) == "" || words(all(root, "h1")[0]) == "" {
		t.Error("no title")
	}
	meta := map[string]string{}
	for _, m := range all(root, "meta") {
		meta[attr(m, "name")] = attr(m, "content")
	}
	if meta["robots"] != "noindex" || !strings.Contains(meta["viewport"], "width=device-width") {
		t.Errorf("got meta %q", meta)
	}
	// It would override the header, which differs by page: after a callback the
	// address holds a code.
	if policy, ok := meta["referrer"]; ok {
		t.Errorf("SEC_D27: the page has a referrer policy of its own, %q", policy)
	}
	if found := all(root, "script", "iframe", "object", "embed", "base", "link", "template"); len(found) != 0 {
		t.Errorf("got %s", found[0].Data)
	}
	ids := map[string]bool{}
	for e := range elements(root) {
		for _, a := range e.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s has the attribute %s", e.Data, a.Key)
			}
		}
		if id := attr(e, "id"); id != "" && ids[id] {
			t.Errorf("id %q is there twice", id)
		} else if id != "" {
			ids[id] = true
		}
	}
	for e := range elements(root) {
		if ref := attr(e, "aria-labelledby"); ref != "" && !ids[ref] {
			t.Errorf("%s is labelled by %q, which is not there", e.Data, ref)
		}
	}
}

func checkControls(t *testing.T, d page.Document) {
	t.Helper()
	root := parse(t, d)
	for _, form := range all(root, "form") {
		buttons := all(form, "button")
		method := "post"
		if attr(form, "role") == "search" {
			method = "get" // it changes nothing
		}
		if attr(form, "method") != method || !browser.IsLink(attr(form, "action")) || len(buttons) != 1 {
			t.Errorf("form %+v with %d buttons", form.Attr, len(buttons))
		}
	}
	for _, details := range all(root, "details") {
		if s := all(details, "summary"); len(s) != 1 || words(s[0]) == "" || hasAttr(details, "open") {
			t.Error("a confirmation without a button that opens it, or open already")
		}
	}
	for _, nav := range all(root, "nav") {
		if attr(nav, "aria-label") == "" || len(all(nav, "a")) == 0 {
			t.Error("a navigation without a name or links")
		}
	}
	for _, control := range all(root, "a", "button") {
		if words(control) == "" {
			t.Errorf("a %s without a label", control.Data)
		}
		if control.Data == "a" && !browser.IsLink(attr(control, "href")) {
			t.Errorf("link to %q", attr(control, "href"))
		}
		if control.Data == "button" && (attr(control, "type") != "submit" || control.Parent.Data != "form") {
			t.Errorf("button %q does nothing", words(control))
		}
	}
	for _, picture := range all(root, "img", "svg") {
		hidden := attr(picture, "aria-hidden") == "true"
		for a := range picture.Ancestors() {
			hidden = hidden || attr(a, "aria-hidden") == "true"
		}
		if picture.Data == "svg" && !hidden || !hidden && !hasAttr(picture, "alt") {
			t.Errorf("%s says nothing, and is not hidden", picture.Data)
		}
	}
	for _, at := range all(root, "time") {
		if _, err := time.Parse(time.RFC3339, attr(at, "datetime")); err != nil || !strings.HasSuffix(attr(at, "title"), " UTC") || words(at) == "" {
			t.Errorf("time %+v %q: %v", at.Attr, words(at), err)
		}
	}
	for _, list := range all(root, "ul") {
		if attr(list, "role") != "list" { // without it, a list without bullets is none to VoiceOver
			t.Error("a list that is not announced")
		}
	}
}

// checkData looks at fields and tables.
func checkData(t *testing.T, d page.Document) {
	t.Helper()
	root := parse(t, d)
	for _, field := range all(root, "input", "select") {
		labels := 0
		for _, label := range all(root, "label") {
			if id := attr(field, "id"); id != "" && attr(label, "for") == id && words(label) != "" {
				labels++
			}
		}
		if attr(field, "name") == "" || attr(field, "type") != "hidden" && labels != 1 {
			t.Errorf("%s %+v has %d labels", field.Data, field.Attr, labels)
		}
	}
	for _, table := range all(root, "table") {
		if c := all(table, "caption"); len(c) != 1 || words(c[0]) == "" || table.FirstChild.NextSibling != c[0] {
			t.Error("a table without a caption at its beginning")
		}
		// Narrow screens show it as a list, which would take its meaning away.
		for tag, role := range map[string]string{"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"} {
			for _, e := range all(table.Parent, tag) {
				if attr(e, "role") != role {
					t.Errorf("%s has the role %q, want %q", tag, attr(e, "role"), role)
				}
			}
		}
		for _, th := range all(table, "th") {
			if want := map[string]string{"col": "columnheader", "row": "rowheader"}[attr(th, "scope")]; want == "" || attr(th, "role") != want {
				t.Errorf("header %q with scope %q and role %q", words(th), attr(th, "scope"), attr(th, "role"))
			}
		}
	}
}

func TestPages_UseOnlyColoursOfThePalette(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).Login(page.Login{}))
	styles := all(root, "style")
	if len(styles) != 2 {
		t.Fatalf("got %d styles, want 2", len(styles))
	}
	own := styles[1].FirstChild.Data
	for _, m := range regexp.MustCompile(`var\((--[a-z-]+)\)`).FindAllStringSubmatch(own, -1) {
		if !strings.Contains(browser.Style(), m[1]+":") {
			t.Errorf("%s is in no palette", m[1])
		}
	}
	if m := regexp.MustCompile(`#[0-9a-f]{3,8}\b|rgb`).FindString(own); m != "" {
		t.Errorf("%s is a colour beside the palette", m)
	}
}

func TestAccount_NamesEachButton(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).Account(ada()))
	var got []string
	for _, b := range all(root, "button") {
		got = append(got, words(b))
	}
	want := []string{
		"Log out", "End all other sessions",
		"End session: Safari on iOS, 2001:db8::8a2e:370:7334", "End session: Unknown device, Unknown address",
	}
	if len(all(root, "nav")) != 0 {
		t.Error("who is no administrator is led to the administration")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	lines := all(root, "li")
	if len(lines) != 3 || attr(lines[0], "data-session") != "0b6f" || !strings.Contains(words(lines[0]), "This device") || strings.Contains(words(lines[1]), "This device") {
		t.Errorf("the sessions are not in order, or not marked")
	}
}

func TestAccount_Picture(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, account, email, picture, initials, src string }{
		{"picture", "Ada Lovelace", "", "https://p.example/a?s=96", "AL", "https://p.example/a?s=96"},
		{"three names", "Ada King Lovelace", "", "", "AL", ""},
		{"one name", "ada", "", "", "A", ""},
		{"address", "", "ada.lovelace@example.com", "", "A", ""},
		{"brackets", "Ada (she) 1815", "", "", "AS", ""},
		{"not Latin", "Ἀδα Лавлейс", "", "", "ἈЛ", ""},
		{"no letters", "007", "", "", "", ""},
		{"nobody", "", "", "", "", ""},
		{"no TLS", "Ada", "", "http://p.example/a", "A", ""},
		{"a path of ours", "Ada", "", "/auth/logout", "A", ""},
		{"a script", "Ada", "", "javascript:alert(1)", "A", ""},
		{"inline", "Ada", "", "data:image/png;base64,AAAA", "A", ""},
		{"endless", "Ada", "", "https://p.example/" + strings.Repeat("a", 2048), "A", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := parse(t, newPages(t, page.Site{}).Account(page.Account{Name: tt.account, Email: tt.email, Picture: tt.picture}))
			initials, src := "", ""
			for _, span := range all(root, "span") {
				if attr(span, "class") == "avatar" {
					initials = words(span)
				}
			}
			if images := all(root, "img"); len(images) > 0 {
				src = attr(images[0], "src")
			}
			if initials != tt.initials || src != tt.src {
				t.Errorf("got %q and %q, want %q and %q", initials, src, tt.initials, tt.src)
			}
		})
	}
}

func TestAccount_SaysWhen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		view page.Session
		now  time.Time
		want string
	}{
		{"now", page.Session{LastSeenAt: now}, now, "Last used just now"},
		{"a clock ahead", page.Session{LastSeenAt: now.Add(time.Hour)}, now, "Last used just now"},
		{"a minute", page.Session{LastSeenAt: now.Add(-119 * time.Second)}, now, "Last used 1 minute ago"},
		{"minutes", page.Session{LastSeenAt: now.Add(-5 * time.Minute)}, now, "Last used 5 minutes ago"},
		{"an hour", page.Session{CreatedAt: now.Add(-time.Hour)}, now, "Logged in 1 hour ago"},
		{"a day", page.Session{CreatedAt: now.Add(-47 * time.Hour)}, now, "Logged in 1 day ago"},
		{"thirty days", page.Session{CreatedAt: now.Add(-30 * 24 * time.Hour)}, now, "Logged in 30 days ago"},
		{"a date", page.Session{CreatedAt: now.Add(-31 * 24 * time.Hour)}, now, "Logged in on 11 February 2026"},
		{"soon", page.Session{ExpiresAt: now.Add(30 * time.Second)}, now, "Ends within a minute"},
		{"later", page.Session{ExpiresAt: now.Add(3 * time.Hour)}, now, "Ends in 3 hours"},
		{"another zone", page.Session{ExpiresAt: now.Add(60 * 24 * time.Hour).In(time.FixedZone("", 14*3600))}, now, "Ends on 13 May 2026"},
		{"no now", page.Session{LastSeenAt: now}, time.Time{}, "Last used on 14 March 2026"},
		{"never", page.Session{}, now, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := parse(t, newPages(t, page.Site{}).Account(page.Account{Sessions: []page.Session{tt.view}, Now: tt.now}))
			got := ""
			for _, at := range all(root, "time") {
				got += words(at.Parent)
				if tt.view.LastSeenAt.Equal(now) && (attr(at, "datetime") != "2026-03-14T15:09:26Z" || attr(at, "title") != "14 March 2026, 15:09:26 UTC") {
					t.Errorf("got %+v", at.Attr)
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLogin_Buttons(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{})
	root := parse(t, p.Login(page.Login{Providers: []page.Provider{
		{"Google", "/auth/v1/method/oidc/google/authorize?rd=%2Fa&x=1"}, {"", "/x"}, {"Evil", "javascript:alert(1)"}, {"Evil", "//evil.example"},
	}}))
	links := all(root, "a")
	if len(links) != 1 || words(links[0]) != "Login with Google" || attr(links[0], "href") != "/auth/v1/method/oidc/google/authorize?rd=%2Fa&x=1" ||
		attr(links[0], "class") != "button primary" {
		t.Errorf("got %d links", len(links))
	}
	root = parse(t, p.Login(page.Login{Providers: []page.Provider{{"A", "/a"}, {"B", "/b"}}}))
	for _, l := range all(root, "a") {
		if attr(l, "class") != "button" {
			t.Errorf("%q stands out among equals", words(l))
		}
	}
	if got := words(all(root, "ul")[0]); got != "Login with A Login with B" {
		t.Errorf("got %q, want the order of the configuration", got)
	}
}

func TestNotice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		notice page.Notice
		role   string
	}{
		{"none", page.Notice{Title: "Oh"}, ""},
		{"empty", page.Notice{Kind: page.NoticeError}, ""},
		{"information", page.Notice{Kind: page.NoticeInfo, Title: "You are logged out"}, "status"},
		{"error", page.Notice{Kind: page.NoticeError, Text: "It did not work."}, "alert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPages(t, page.Site{})
			for _, d := range []page.Document{p.Login(page.Login{Notice: tt.notice}), p.Account(page.Account{Notice: tt.notice})} {
				role, said := "", ""
				for e := range elements(parse(t, d)) {
					if r := attr(e, "role"); r == "status" || r == "alert" {
						role, said = r, words(e)
					}
				}
				if role != tt.role || tt.role != "" && said != tt.notice.Title+tt.notice.Text {
					t.Errorf("got %q saying %q, want %q", role, said, tt.role)
				}
			}
		})
	}
}
