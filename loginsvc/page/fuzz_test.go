package page_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
)

// text are the texts of a view.
type text struct{ site, name, email, address, link, id string }

// plain returns harmless texts that take the same places.
func (v text) plain() text {
	return text{
		site: plainText(v.site, 80), name: plainText(v.name, 120), email: plainText(v.email, 254), address: plainText(v.address, 80),
		link: plainLink(v.link), id: plainID(v.id),
	}
}

// plainText keeps what decides how a page is made: whether there is a text,
// and whether an avatar finds a letter in what is shown of it.
func plainText(s string, limit int) string {
	s = browser.Printable(s, limit)
	local, _, _ := strings.Cut(s, "@")
	switch {
	case s == "":
		return ""
	case strings.ContainsFunc(local, unicode.IsLetter):
		return "x"
	}
	return "1"
}

func plainLink(s string) string {
	if browser.IsLink(s) {
		return "/x"
	}
	return ""
}

func plainID(s string) string {
	if browser.SafeRequestID([]byte(s)) {
		return "x"
	}
	return ""
}

// documents makes every page with every text of v in every place. The picture
// is given apart: whether it is one is the page's to say.
func (v text) documents(t *testing.T, picture string) map[string]page.Document {
	t.Helper()
	p := newPages(t, page.Site{Name: v.site})
	notice := page.Notice{Kind: page.NoticeError, Title: v.name, Text: v.email}
	session := page.Session{ID: v.id, Current: true, Device: v.name, Address: v.address, LastSeenAt: now, RevokeURL: v.link}
	theirs := session
	theirs.Person, theirs.Email, theirs.PersonURL, theirs.Provider = v.name, v.email, v.link, v.address
	admin := page.Admin{PeopleURL: v.link, SessionsURL: "/x", AccountURL: v.link, Notice: notice, Now: now}
	user := page.User{ID: v.address, Name: v.name, Emails: []string{v.email}, Providers: []string{v.address, v.name}, URL: v.link, LastLoginAt: now}
	identities := []page.Identity{{Provider: v.address, Name: v.name, Email: v.email, Issuer: v.email, Subject: v.email, LastLoginAt: now}}
	search := page.Search{
		Action: v.link, Label: v.address, Name: "q", Text: v.email, ClearURL: v.link, Hidden: []page.Parameter{{"show", v.email}},
		Choice: page.Choice{Label: v.address, Name: "by", Value: v.address, Options: []page.Option{{v.name, v.address}}},
	}
	paging := page.Paging{FirstURL: v.link, NextURL: v.link, Searched: 5000}
	return map[string]page.Document{
		"login": p.Login(page.Login{Providers: []page.Provider{{v.name, v.link}, {v.email, v.link}}, Notice: notice, RequestID: v.id}),
		"account": p.Account(page.Account{
			Name: v.name, Email: v.email, Picture: picture, Provider: v.address, Sessions: []page.Session{session, session},
			Notice: notice, LogoutURL: v.link, RevokeOthersURL: v.link, RevokeAllURL: v.link, AdminURL: v.link, Identities: identities,
			FormOrigins: []string{v.link, picture}, Now: now,
		}),
		"logout": p.Logout(page.Logout{Account: v.email, ActionURL: v.link, CancelURL: v.link, FormOrigins: []string{v.link}}),
		"error": p.Error(page.Error{
			Status: 403, Title: v.name, Text: v.email, Account: v.email, Rule: v.address, RequestID: v.id,
			Reason: v.email, Actions: []page.Action{{v.name, v.link}, {v.address, v.link}},
		}),
		"waiting": p.Waiting(page.Waiting{Account: v.email, RequestID: v.id, Actions: []page.Action{{v.name, v.link}}}),
		"people": p.People(page.People{
			Admin: admin, Tabs: []page.Tab{{v.name, v.link, true}, {v.address, v.link, false}}, Search: search,
			People: []page.User{user, {ID: v.id}}, Empty: v.email, Paging: paging,
		}),
		"person": p.Person(page.Person{
			Admin: admin, User: user, Identities: identities, Sessions: []page.Session{theirs}, Paging: paging,
			EnableURL: v.link, DisableURL: v.link, RevokeAllURL: v.link,
		}),
		"sessions": p.AllSessions(page.AllSessions{Admin: admin, Search: search, Sessions: []page.Session{theirs}, Empty: v.email, Paging: paging}),
	}
}

// FuzzPages: whatever the texts, a page has the elements and attributes that
// it has with harmless texts in the same places, and its policy the same
// directives.
func FuzzPages(f *testing.F) {
	f.Add("Example", "Ada Lovelace", "ada@example.com", "203.0.113.7", "/auth/x?a=b&c=d", "https://p.example/ada", "id-1")
	f.Add("</title><script>", `"><img src=x onerror=y>`, "</bdi></main>", "'\"`", `/"><script>`, `https://a.example/"><x>`, "<")
	f.Add("{{.}}", "</style>", "<!--", "]]>", "javascript:alert(1)", "https://a.example; script-src *", "")
	f.Add("\xff\x00", "\u202egro.live", "\u2028", " ", "https://a:b@c/", "data:image/png,", "a b")
	f.Add("1", "@", "#", "&lt;<", "//evil.example", "https://[::1]/", "&")
	source := regexp.MustCompile(`^(https?://[a-z0-9._-]+(:[0-9]{1,5})?|'self'|'none'|'sha256-[A-Za-z0-9+/=]+')$`)
	f.Fuzz(func(t *testing.T, site, name, email, address, link, picture, id string) {
		v := text{site, name, email, address, link, id}
		got := v.documents(t, picture)
		plainPicture := ""
		if strings.Contains(got["account"].CSP, "img-src ") {
			plainPicture = "https://x.example/"
		}
		for name, want := range v.plain().documents(t, plainPicture) {
			d := got[name]
			if !utf8.Valid(d.HTML) || strings.ContainsFunc(string(d.HTML), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("%s: characters that do not print: %q", name, d.HTML)
			}
			if err := unbalanced(d.HTML); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got, want := skeleton(parse(t, d)), skeleton(parse(t, want)); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
			gotPolicy, wantPolicy := directives(t, d.CSP), directives(t, want.CSP)
			for directive, value := range gotPolicy {
				if _, ok := wantPolicy[directive]; !ok {
					t.Errorf("%s: directive %q in %q", name, directive, d.CSP)
				}
				for s := range strings.SplitSeq(value, " ") {
					if !source.MatchString(s) {
						t.Errorf("%s: source %q in %q", name, s, d.CSP)
					}
				}
			}
		}
	})
}
