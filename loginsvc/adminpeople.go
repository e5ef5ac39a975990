package loginsvc

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// What is listed of people, and what is searched.
const (
	showWaiting  = "waiting"
	showDisabled = "disabled"

	byText    = "text"
	byEmail   = "email"
	byID      = "id"
	bySubject = "subject"
)

// A peopleQuery is what an administrator wants to see of people.
type peopleQuery struct {
	show     string // "", showWaiting or showDisabled
	by, text string // by counts with a text only
	token    string
}

func peopleQueryOf(q url.Values) peopleQuery {
	p := peopleQuery{show: q.Get("show"), by: q.Get("by"), text: queryOf(q), token: q.Get("page")}
	if p.show != showWaiting && p.show != showDisabled {
		p.show = ""
	}
	if p.by != byEmail && p.by != byID && p.by != bySubject {
		p.by = byText
	}
	return p
}

// link is the address of this list, from where token says.
func (p *peopleQuery) link(s *Service, token string) string {
	q := parameters(map[string]string{"show": p.show, "q": p.text, "page": token})
	if p.text != "" && p.by != byText {
		q.Set("by", p.by)
	}
	return withQuery(s.link(adminPath), q)
}

// shows reports whether u belongs to what is listed.
func (p *peopleQuery) shows(u *sessions.User) bool {
	switch p.show {
	case showWaiting:
		return u.Waiting
	case showDisabled:
		return !u.Enabled && !u.Waiting
	}
	return true
}

// selects returns what a search through all users keeps, nil for everything.
func (p *peopleQuery) selects() func(*sessions.User) bool {
	if p.show == "" && p.text == "" {
		return nil
	}
	contains := matcher(p.text)
	return func(u *sessions.User) bool {
		if !p.shows(u) {
			return false
		}
		if p.text == "" || p.by == byText && contains(u.ID) {
			return true
		}
		for i := range u.Identities {
			id := &u.Identities[i]
			if id.Subject == p.text || p.by == byText && contains(id.Name, id.Email, id.Subject) {
				return true
			}
		}
		return false
	}
}

// peoplePage lists who has ever logged in, the first login first.
func (s *Service) peoplePage(x *exchange) {
	current, ok := s.administrator(x)
	if !ok {
		return
	}
	p := peopleQueryOf(x.r.URL.Query())
	l, err := s.people(x.r.Context(), &p)
	if err != nil {
		s.refuseList(x, err, p.link(s, ""))
		return
	}
	v := page.People{Admin: s.adminFrame(x), Search: s.peopleSearch(&p), Empty: emptyPeople(&p, &l)}
	for _, tab := range []struct{ label, show string }{{"All people", ""}, {"Waiting", showWaiting}, {"Disabled", showDisabled}} {
		v.Tabs = append(v.Tabs, page.Tab{Label: tab.label, Current: tab.show == p.show, URL: withQuery(s.link(adminPath), parameters(map[string]string{"show": tab.show}))})
	}
	for i := range l.found {
		v.People = append(v.People, s.userLine(&l.found[i], &current))
	}
	v.Paging.Searched = l.searched
	if l.next != "" {
		v.Paging.NextURL = p.link(s, l.next)
	}
	if p.token != "" {
		v.Paging.FirstURL = p.link(s, "")
	}
	s.formPage(x, s.pages.People(v))
}

// people finds them: by what there is an index of, otherwise by a search.
func (s *Service) people(ctx context.Context, p *peopleQuery) (listing[sessions.User], error) {
	var found []sessions.User
	switch {
	case p.text != "" && p.by == byEmail:
		all, err := s.store.UsersByEmail(ctx, admit.LowerASCII(p.text))
		if err != nil {
			return listing[sessions.User]{}, err
		}
		found = all
	case p.text != "" && p.by == byID:
		u, err := s.store.User(ctx, p.text)
		if err == nil {
			found = append(found, u)
		} else if !errors.Is(err, sessions.ErrNoUser) && !errors.Is(err, sessions.ErrTampered) {
			return listing[sessions.User]{}, err
		}
	default:
		return scan(func(limit int, token string) ([]sessions.User, string, error) {
			part, err := s.store.ListUsers(ctx, sessions.UserFilter{Disabled: p.show != ""}, limit, token)
			return part.Users, part.Next, err
		}, adminPage, p.token, p.selects())
	}
	found = slices.DeleteFunc(found, func(u sessions.User) bool { return !p.shows(&u) })
	return listing[sessions.User]{found: found}, nil
}

func (s *Service) peopleSearch(p *peopleQuery) page.Search {
	search := page.Search{
		Action: s.link(adminPath), Label: "Search people", Name: "q", Text: p.text,
		Choice: page.Choice{Label: "By", Name: "by", Value: p.by, Options: []page.Option{
			{Label: "Part of a name, address or id", Value: byText},
			{Label: "Whole e-mail address", Value: byEmail},
			{Label: "User id", Value: byID},
			{Label: "Subject", Value: bySubject},
		}},
	}
	if p.show != "" {
		search.Hidden = []page.Parameter{{Name: "show", Value: p.show}}
	}
	if p.text != "" {
		search.ClearURL = withQuery(s.link(adminPath), parameters(map[string]string{"show": p.show}))
	}
	return search
}

func emptyPeople(p *peopleQuery, l *listing[sessions.User]) string {
	switch {
	case l.searched > 0:
		return "Nobody was found so far."
	case p.text != "":
		return "Nobody was found."
	case p.token != "":
		return "There is nobody else."
	case p.show == showWaiting:
		return "Nobody is waiting."
	case p.show == showDisabled:
		return "Nobody is disabled."
	}
	return "Nobody has logged in yet."
}

// userLine is a user as administrators see one.
func (s *Service) userLine(u *sessions.User, current *sessions.Session) page.User {
	line := page.User{
		ID: u.ID, Name: userName(u), Emails: u.Emails(), State: userState(u), Self: isSelf(u, current),
		CreatedAt: u.CreatedAt, LastLoginAt: u.LastLoginAt, URL: s.userLink(u.ID),
	}
	for i := range u.Identities {
		name := s.providerName(u.Identities[i].Method, u.Identities[i].Provider)
		if !slices.Contains(line.Providers, name) {
			line.Providers = append(line.Providers, name)
		}
	}
	return line
}

func (s *Service) userLink(id string) string { return s.link(adminUsersPath + url.PathEscape(id)) }

// userName is the name that was last used, or "".
func userName(u *sessions.User) string {
	var last *sessions.UserIdentity
	for i := range u.Identities {
		id := &u.Identities[i]
		if id.Name != "" && (last == nil || id.LastLoginAt.After(last.LastLoginAt)) {
			last = id
		}
	}
	if last == nil {
		return ""
	}
	return last.Name
}

func userState(u *sessions.User) page.UserState {
	switch {
	case u.Enabled:
		return page.UserEnabled
	case u.Waiting:
		return page.UserWaiting
	}
	return page.UserDisabled
}
