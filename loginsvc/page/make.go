package page

import (
	"cmp"
	"strings"
	"time"
	"unicode"

	"github.com/gateward/gateward/internal/browser"
)

// Bounds of texts, in characters.
const (
	maxLabel = 80  // names of things: a site, a provider, a button
	maxName  = 120 // names of people, titles, devices
	maxEmail = 254 // RFC 5321 §4.5.3.1.3, without the angle brackets
	maxProse = 500 // a few sentences
)

// The views are what the templates see: only texts that may be shown and links
// that may be followed.
type (
	loginView struct {
		frame
		Notice    *noticeView
		Providers []Provider
		Single    bool
		RequestID string
	}
	noticeView struct {
		Error       bool
		Title, Text string
	}
	accountView struct {
		frame
		Areas                                    []Tab
		Notice                                   *noticeView
		Initials, Picture, Name, Email, Provider string
		LogoutURL, RevokeOthersURL, RevokeAllURL string
		Identities                               []identityView
		Sessions                                 []sessionView
		Count                                    int
		Alone                                    bool
	}
	sessionView struct {
		ID, Device, Address        string
		Person, Email, PersonURL   string
		Provider                   string
		Current, Handheld          bool
		LastSeen, Created, Expires *moment
		RevokeURL                  string
	}
	logoutView struct {
		frame
		Account, ActionURL, CancelURL string
	}
	errorView struct {
		frame
		Status  int
		Text    string
		Reason  string
		Actions []Action
		Facts   []fact
	}
	fact struct{ Label, Value string }
)

// Login returns the page to log in.
func (p *Pages) Login(v Login) Document {
	view := loginView{frame: p.titled("Log in"), Notice: viewNotice(v.Notice), RequestID: requestID(v.RequestID)}
	for _, provider := range v.Providers {
		if name := browser.Printable(provider.Name, maxLabel); name != "" && browser.IsLink(provider.URL) {
			view.Providers = append(view.Providers, Provider{Name: name, URL: provider.URL})
		}
	}
	view.Single = len(view.Providers) == 1
	return p.document(p.login, view, p.policy("", nil))
}

// Account returns the page that shows a person who they are and where they are
// logged in.
func (p *Pages) Account(v Account) Document {
	view := accountView{
		frame: p.titled("Your account"), Notice: viewNotice(v.Notice),
		Name: browser.Printable(v.Name, maxName), Email: browser.Printable(v.Email, maxEmail),
		Provider:  browser.Printable(v.Provider, maxLabel),
		LogoutURL: link(v.LogoutURL), RevokeOthersURL: link(v.RevokeOthersURL), RevokeAllURL: link(v.RevokeAllURL),
		Areas:    viewTabs([]Tab{{Label: "Administration", URL: v.AdminURL}}),
		Sessions: viewSessions(v.Sessions, v.Now), Identities: viewIdentities(v.Identities, v.Now),
		Count: len(v.Sessions), Alone: len(v.Sessions) == 1 && v.Sessions[0].Current,
	}
	view.Initials = initials(cmp.Or(view.Name, view.Email))
	if view.Name == "" { // one line, not the same twice
		view.Name, view.Email = cmp.Or(view.Email, "No name given"), ""
	}
	source := ""
	if s, ok := imageSource(v.Picture); ok && s != "'self'" {
		view.Picture, source = v.Picture, s
	}
	return p.document(p.account, view, p.policy(source, v.FormOrigins))
}

func viewSessions(all []Session, now time.Time) []sessionView {
	var views []sessionView
	for i := range all {
		s := &all[i]
		device := cmp.Or(browser.Printable(s.Device, maxName), unknownDevice)
		views = append(views, sessionView{
			ID: browser.Printable(s.ID, maxName), Device: device, Handheld: isHandheld(device), Current: s.Current,
			Address: cmp.Or(browser.Printable(s.Address, maxLabel), "Unknown address"),
			Person:  browser.Printable(s.Person, maxName), Email: browser.Printable(s.Email, maxEmail), PersonURL: link(s.PersonURL),
			Provider: browser.Printable(s.Provider, maxLabel),
			LastSeen: momentOf(earlier(s.LastSeenAt, now), now), Created: momentOf(s.CreatedAt, now), Expires: momentOf(s.ExpiresAt, now),
			RevokeURL: link(s.RevokeURL),
		})
	}
	return views
}

// Logout returns the page that asks whether to log out.
func (p *Pages) Logout(v Logout) Document {
	view := logoutView{
		frame: p.titled("Log out?"), Account: browser.Printable(v.Account, maxEmail),
		ActionURL: link(v.ActionURL), CancelURL: link(v.CancelURL),
	}
	return p.document(p.logout, view, p.policy("", v.FormOrigins))
}

// Error returns the page of a request that failed.
func (p *Pages) Error(v Error) Document {
	title := cmp.Or(browser.Printable(v.Title, maxName), "Something went wrong")
	view := errorView{
		frame: p.titled(title), Status: v.Status,
		Text: browser.Printable(v.Text, maxProse), Reason: browser.Printable(v.Reason, maxProse),
	}
	actions := v.Actions
	if strings.HasPrefix(v.ReasonURL, "https://") {
		actions = append([]Action{{Label: "Continue at the provider", URL: v.ReasonURL}}, actions...)
	}
	for _, a := range actions {
		if label := browser.Printable(a.Label, maxLabel); label != "" && browser.IsLink(a.URL) {
			view.Actions = append(view.Actions, Action{Label: label, URL: a.URL})
		}
	}
	who := "You are logged in as"
	if v.NoSession {
		who = "You came as"
	}
	for _, f := range [...]fact{
		{who, browser.Printable(v.Account, maxEmail)},
		{"Rule", browser.Printable(v.Rule, maxName)},
		{"Request id, should you ask for help", requestID(v.RequestID)},
	} {
		if f.Value != "" {
			view.Facts = append(view.Facts, f)
		}
	}
	return p.document(p.failed, view, p.policy("", nil))
}

// Waiting returns the page of a person whom no administrator has enabled yet.
func (p *Pages) Waiting(v Waiting) Document {
	return p.Error(Error{
		Title:   "Your account is waiting",
		Text:    "You have logged in, and your account is new here. An administrator has to enable it before you can enter. Once that has happened, please log in again.",
		Account: v.Account, NoSession: v.NoSession, RequestID: v.RequestID, Actions: v.Actions,
	})
}

func viewNotice(n Notice) *noticeView {
	view := noticeView{
		Error: n.Kind == NoticeError,
		Title: browser.Printable(n.Title, maxName), Text: browser.Printable(n.Text, maxProse),
	}
	if n.Kind == NoticeNone || view.Title == "" && view.Text == "" {
		return nil
	}
	return &view
}

// link returns s if it is a link, and else nothing.
func link(s string) string {
	if !browser.IsLink(s) {
		return ""
	}
	return s
}

// requestID returns s if it is fit to be shown, and else nothing.
func requestID(s string) string {
	if !browser.SafeRequestID([]byte(s)) {
		return ""
	}
	return s
}

// initials returns the first letters of the first and the last word that have
// any, in upper case.
func initials(name string) string {
	name, _, _ = strings.Cut(name, "@")
	var letters []rune
	for word := range strings.FieldsSeq(name) {
		if i := strings.IndexFunc(word, unicode.IsLetter); i >= 0 {
			letters = append(letters, unicode.ToUpper([]rune(word[i:])[0]))
		}
	}
	if len(letters) > 2 {
		letters = []rune{letters[0], letters[len(letters)-1]}
	}
	return string(letters)
}
