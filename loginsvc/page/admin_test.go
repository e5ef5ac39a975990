package page_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gateward/gateward/loginsvc/page"
)

func TestPeople_Line(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).People(people()))
	var got []string
	for _, row := range all(all(root, "tbody")[0], "tr") {
		got = append(got, attr(row, "data-user")+": "+words(row))
	}
	want := []string{
		"3f0e1c9a-5d0e-4c55-9d3b-0a6a2f3f9c11: Ada Lovelaceada@example.comada@example.org GoogleGitHub Enabled 3 hours ago",
		"b: grace@example.com You Acme Staff Enabled just now",
		"c: c Disabled Unknown",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdmin_MarksWhereOneIs(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{})
	for name, tt := range map[string]struct {
		document page.Document
		want     []string
	}{
		"people":   {p.People(waitingPeople()), []string{"People", "Waiting"}},
		"person":   {p.Person(person()), nil},
		"sessions": {p.AllSessions(allSessions()), []string{"Sessions"}},
	} {
		var got []string
		for e := range elements(parse(t, tt.document)) {
			if attr(e, "aria-current") == "page" {
				got = append(got, words(e))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestSearch_KeepsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	form := all(parse(t, newPages(t, page.Site{}).People(waitingPeople())), "form")[0]
	got := map[string]string{}
	for _, input := range all(form, "input") {
		got[attr(input, "name")] = attr(input, "value")
	}
	for _, option := range all(form, "option") {
		if hasAttr(option, "selected") {
			got["by"] = attr(option, "value")
		}
	}
	if got["q"] != `charles "the" <b>` || got["show"] != "waiting" || got["by"] != "email" {
		t.Errorf("got %q", got)
	}
}

func TestPaging_SaysWhenASearchStopped(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{})
	for _, tt := range []struct {
		name   string
		paging page.Paging
		links  []string
		says   string
	}{
		{"all", page.Paging{}, nil, ""},
		{"first", page.Paging{NextURL: "/n"}, []string{"Next page"}, ""},
		{"last", page.Paging{FirstURL: "/"}, []string{"First page"}, ""},
		{"stopped", page.Paging{NextURL: "/n", Searched: 5000}, []string{"Search further"}, "5000 were searched. There are more."},
	} {
		root := parse(t, p.AllSessions(page.AllSessions{Paging: tt.paging}))
		var links []string
		for _, a := range all(root, "a") {
			links = append(links, words(a))
		}
		if !slices.Equal(links, tt.links) || tt.says != "" && !strings.Contains(words(root), tt.says) {
			t.Errorf("%s: got %q in %q", tt.name, links, words(all(root, "main")[0]))
		}
	}
}

// Without scripts, the button that cannot be taken back is behind another one.
func TestPerson_AsksBeforeItEndsAnything(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).Person(person()))
	hidden := map[string]bool{}
	for _, form := range all(root, "form") {
		inDetails := false
		for a := range form.Ancestors() {
			inDetails = inDetails || a.Data == "details"
		}
		hidden[attr(form, "action")] = inDetails
	}
	base := adaUser().URL
	for action, want := range map[string]bool{base + "/enable": false, base + "/disable": true, base + "/sessions/revoke-all": true} {
		if got, there := hidden[action]; !there || got != want {
			t.Errorf("%s: there %v, behind a confirmation %v, want %v", action, there, got, want)
		}
	}
	for _, form := range all(parse(t, newPages(t, page.Site{}).Person(self())), "form") {
		if a := attr(form, "action"); !strings.HasPrefix(a, "/auth/account/") {
			t.Errorf("a form that posts to %s on one's own page", a)
		}
	}
}

func TestSession_LinksToThePerson(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).AllSessions(allSessions()))
	lines := all(root, "li")
	for i, want := range []bool{true, true, false} {
		links := all(lines[i], "a")
		if (len(links) == 1) != want || !strings.Contains(words(lines[i]), "Ada Lovelace") {
			t.Errorf("line %d: %d links in %q", i, len(links), words(lines[i]))
		}
	}
	if b := all(lines[1], "button"); words(b[0]) != "End session: Ada Lovelace, Safari on iOS, 2001:db8::8a2e:370:7334" {
		t.Errorf("got %q", words(b[0]))
	}
}

func TestError_Reason(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{})
	for _, tt := range []struct {
		name, url string
		want      []string
	}{
		{"provider", "https://provider.example/sso", []string{"Continue at the provider", "Out"}},
		{"none", "", []string{"Out"}},
		{"no TLS", "http://provider.example/sso", []string{"Out"}},
		{"ours", "/auth/logout", []string{"Out"}},
		{"script", "javascript:alert(1)", []string{"Out"}},
		{"no host", "https:///x", []string{"Out"}},
	} {
		root := parse(t, p.Error(page.Error{Reason: "Ask there.", ReasonURL: tt.url, Actions: []page.Action{{"Out", "/out"}}}))
		var got []string
		for _, a := range all(root, "a") {
			got = append(got, words(a))
		}
		if !slices.Equal(got, tt.want) || !strings.Contains(words(root), "Ask there.") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	root := parse(t, newPages(t, page.Site{}).Waiting(page.Waiting{
		Account: "ada@example.com", RequestID: "id-1", Actions: []page.Action{{"Use another account", "/auth/login"}},
	}))
	main := words(all(root, "main")[0])
	for _, want := range []string{"Your account is waiting", "administrator has to enable", "ada@example.com", "id-1", "Use another account"} {
		if !strings.Contains(main, want) {
			t.Errorf("%q lacks %q", main, want)
		}
	}
	if slices.ContainsFunc(all(root, "p"), func(e *html.Node) bool { return strings.HasPrefix(words(e), "Error") }) {
		t.Error("to wait is no error")
	}
	if !strings.Contains(main, "You are logged in as") {
		t.Errorf("%q does not say whose session it is", main)
	}
	without := words(parse(t, newPages(t, page.Site{}).Waiting(page.Waiting{Account: "ada@example.com", NoSession: true})))
	if strings.Contains(without, "You are logged in") || !strings.Contains(without, "You came as") {
		t.Errorf("without a session: %q", without)
	}
}

func TestSEC_D08_NamesOfPeopleStayTexts(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{})
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	user := page.User{ID: evil, Name: evil, Emails: []string{evil}, Providers: []string{evil}, URL: "/auth/admin/users/x"}
	search := page.Search{Action: "/auth/admin", Name: "q", Text: evil}
	session := page.Session{ID: evil, Device: evil, Person: evil, Email: evil, Address: evil, RevokeURL: "/x"}
	for name, d := range map[string]page.Document{
		"people":   p.People(page.People{People: []page.User{user}, Search: search}),
		"person":   p.Person(page.Person{User: user, Sessions: []page.Session{session}}),
		"sessions": p.AllSessions(page.AllSessions{Sessions: []page.Session{session}, Search: search}),
	} {
		root := parse(t, d)
		if found := all(root, "script", "img"); len(found) != 0 {
			t.Errorf("%s: got %s", name, found[0].Data)
		}
		if !strings.Contains(words(root), evil) {
			t.Errorf("%s: the text is not shown", name)
		}
	}
}
