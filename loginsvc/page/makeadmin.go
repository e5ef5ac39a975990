package page

import (
	"cmp"
	"time"

	"github.com/gateward/gateward/internal/browser"
)

// maxSearch bounds the text of a search, in characters: that of an address.
const maxSearch = maxEmail

type (
	// adminFrame is what the views of the pages for administrators share.
	adminFrame struct {
		frame
		Areas  []Tab
		Notice *noticeView
	}
	peopleView struct {
		adminFrame
		Tabs           []Tab
		Search         *searchView
		People         []userView
		Caption, Empty string
		Paging         *Paging
	}
	userView struct {
		ID, Name, State, URL string
		Emails, Providers    []string
		Others               []string // of Emails, those beside the name
		Disabled, Self       bool
		Created, LastLogin   *moment
	}
	personView struct {
		adminFrame
		Person                              userView
		Identities                          []identityView
		Sessions                            []sessionView
		Paging                              *Paging
		EnableURL, DisableURL, RevokeAllURL string
	}
	identityView struct {
		Provider, Name, Email, Issuer, Subject string
		LastLogin                              *moment
	}
	allSessionsView struct {
		adminFrame
		Search   *searchView
		Sessions []sessionView
		Empty    string
		Paging   *Paging
	}
	searchView struct {
		Action, Label, Name, Text, ClearURL string
		Choice                              *choiceView
		Hidden                              []Parameter
	}
	choiceView struct {
		Label, Name string
		Options     []optionView
	}
	optionView struct {
		Label, Value string
		Selected     bool
	}
)

// People returns the page that lists users.
func (p *Pages) People(v People) Document {
	view := peopleView{
		adminFrame: p.adminFrame("People", v.Admin, areaPeople), Tabs: viewTabs(v.Tabs), Search: viewSearch(v.Search),
		Caption: "People", Empty: browser.Printable(v.Empty, maxProse), Paging: viewPaging(v.Paging),
	}
	for _, tab := range view.Tabs {
		if tab.Current {
			view.Caption = "People: " + tab.Label
		}
	}
	for i := range v.People {
		view.People = append(view.People, viewUser(&v.People[i], v.Now))
	}
	return p.document(p.people, view, p.policy("", nil))
}

// Person returns the page of one user.
func (p *Pages) Person(v Person) Document {
	user := viewUser(&v.User, v.Now)
	return p.document(p.person, personView{
		adminFrame: p.adminFrame(user.Name, v.Admin, areaPerson),
		Person:     user, Identities: viewIdentities(v.Identities, v.Now),
		Sessions: viewSessions(v.Sessions, v.Now), Paging: viewPaging(v.Paging),
		EnableURL: link(v.EnableURL), DisableURL: link(v.DisableURL), RevokeAllURL: link(v.RevokeAllURL),
	}, p.policy("", nil))
}

// AllSessions returns the page that lists everybody's sessions.
func (p *Pages) AllSessions(v AllSessions) Document {
	return p.document(p.sessions, allSessionsView{
		adminFrame: p.adminFrame("Sessions", v.Admin, areaSessions), Search: viewSearch(v.Search),
		Sessions: viewSessions(v.Sessions, v.Now), Empty: browser.Printable(v.Empty, maxProse), Paging: viewPaging(v.Paging),
	}, p.policy("", nil))
}

// An area is a page for administrators, as the links at its top see it.
type area uint8

const (
	areaPerson area = iota // none of the links
	areaPeople
	areaSessions
)

func (p *Pages) adminFrame(title string, v Admin, here area) adminFrame {
	return adminFrame{frame: p.titled(title), Notice: viewNotice(v.Notice), Areas: viewTabs([]Tab{
		{Label: "People", URL: v.PeopleURL, Current: here == areaPeople},
		{Label: "Sessions", URL: v.SessionsURL, Current: here == areaSessions},
		{Label: "Your account", URL: v.AccountURL},
	})}
}

func viewTabs(all []Tab) []Tab {
	var tabs []Tab
	for _, t := range all {
		if label := browser.Printable(t.Label, maxLabel); label != "" && browser.IsLink(t.URL) {
			tabs = append(tabs, Tab{Label: label, URL: t.URL, Current: t.Current})
		}
	}
	return tabs
}

func viewUser(u *User, now time.Time) userView {
	view := userView{
		ID: browser.Printable(u.ID, maxName), Name: browser.Printable(u.Name, maxName), URL: link(u.URL),
		Emails: printables(u.Emails, maxEmail), Providers: printables(u.Providers, maxLabel), Self: u.Self,
		Created: momentOf(u.CreatedAt, now), LastLogin: momentOf(earlier(u.LastLoginAt, now), now),
	}
	view.Others = view.Emails
	if view.Name == "" && len(view.Emails) > 0 {
		view.Name, view.Others = view.Emails[0], view.Emails[1:]
	}
	view.Name = cmp.Or(view.Name, view.ID, "No name given")
	switch u.State {
	case UserEnabled:
		view.State = "Enabled"
	case UserWaiting:
		view.State = "Waiting"
	case UserDisabled:
		view.State, view.Disabled = "Disabled", true
	}
	return view
}

func viewIdentities(all []Identity, now time.Time) []identityView {
	var views []identityView
	for i := range all {
		id := &all[i]
		views = append(views, identityView{
			Provider: cmp.Or(browser.Printable(id.Provider, maxLabel), "Unknown provider"),
			Name:     browser.Printable(id.Name, maxName), Email: browser.Printable(id.Email, maxEmail),
			Issuer: browser.Printable(id.Issuer, maxEmail), Subject: browser.Printable(id.Subject, maxEmail),
			LastLogin: momentOf(earlier(id.LastLoginAt, now), now),
		})
	}
	return views
}

func viewSearch(v Search) *searchView {
	if !browser.IsLink(v.Action) {
		return nil
	}
	view := searchView{
		Action: v.Action, Label: cmp.Or(browser.Printable(v.Label, maxLabel), "Search for"), Name: browser.Printable(v.Name, maxLabel),
		Text: browser.Printable(v.Text, maxSearch), ClearURL: link(v.ClearURL),
	}
	for _, h := range v.Hidden {
		view.Hidden = append(view.Hidden, Parameter{browser.Printable(h.Name, maxLabel), browser.Printable(h.Value, maxSearch)})
	}
	if len(v.Choice.Options) == 0 {
		return &view
	}
	view.Choice = &choiceView{Label: cmp.Or(browser.Printable(v.Choice.Label, maxLabel), "Choose"), Name: browser.Printable(v.Choice.Name, maxLabel)}
	for _, o := range v.Choice.Options {
		view.Choice.Options = append(view.Choice.Options, optionView{
			Label: browser.Printable(o.Label, maxLabel), Value: browser.Printable(o.Value, maxLabel), Selected: o.Value == v.Choice.Value,
		})
	}
	return &view
}

func viewPaging(v Paging) *Paging {
	v.FirstURL, v.NextURL = link(v.FirstURL), link(v.NextURL)
	return &v
}

// printables returns what of all texts may be shown, without those of which
// nothing may.
func printables(all []string, limit int) []string {
	var shown []string
	for _, s := range all {
		if s = browser.Printable(s, limit); s != "" {
			shown = append(shown, s)
		}
	}
	return shown
}

// earlier is t, or now if t is later: noted by a replica whose clock is ahead.
func earlier(t, now time.Time) time.Time {
	if !now.IsZero() && t.After(now) {
		return now
	}
	return t
}
