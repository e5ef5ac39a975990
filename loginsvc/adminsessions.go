package loginsvc

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// A sessionsQuery is what an administrator wants to see of all sessions.
type sessionsQuery struct{ method, text, token string }

// sessionMethods are those that begin sessions, with what people call them.
func sessionMethods() []page.Option {
	return []page.Option{
		{Label: "All", Value: ""},
		{Label: "OpenID Connect", Value: "oidc"},
		{Label: "GitHub", Value: "github"},
		{Label: "Kubernetes", Value: "kubernetes"},
	}
}

func sessionsQueryOf(q url.Values) sessionsQuery {
	p := sessionsQuery{text: queryOf(q), token: q.Get("page")}
	for _, o := range sessionMethods() {
		if o.Value == q.Get("method") {
			p.method = o.Value
		}
	}
	return p
}

// values are the parameters of this list, from where token says.
func (p *sessionsQuery) values(token string) url.Values {
	return parameters(map[string]string{"method": p.method, "q": p.text, "page": token})
}

func (p *sessionsQuery) link(s *Service, token string) string {
	return withQuery(s.link(adminSessionsPath), p.values(token))
}

// selects returns what a search keeps, nil for everything.
func (p *sessionsQuery) selects() func(*sessions.Session) bool {
	if p.text == "" {
		return nil
	}
	contains := matcher(p.text)
	return func(session *sessions.Session) bool {
		return contains(session.Identity.Name, session.Identity.Email, session.Address) || session.ID == p.text
	}
}

// sessionsPage lists everybody's sessions, the oldest first.
func (s *Service) sessionsPage(x *exchange) {
	current, ok := s.administrator(x)
	if !ok {
		return
	}
	p := sessionsQueryOf(x.r.URL.Query())
	l, err := scan(func(limit int, token string) ([]sessions.Session, string, error) {
		part, err := s.store.List(x.r.Context(), sessions.Filter{Method: p.method}, limit, token)
		return part.Sessions, part.Next, err
	}, adminPage, p.token, p.selects())
	if err != nil {
		s.refuseList(x, err, p.link(s, ""))
		return
	}
	v := page.AllSessions{
		Admin: s.adminFrame(x), Empty: "There are no sessions.",
		Search: page.Search{
			Action: s.link(adminSessionsPath), Label: "Part of a name or an address, or a session id", Name: "q", Text: p.text,
			Choice: page.Choice{Label: "Method", Name: "method", Value: p.method, Options: sessionMethods()},
		},
	}
	if p.text != "" {
		v.Search.ClearURL = withQuery(s.link(adminSessionsPath), parameters(map[string]string{"method": p.method}))
		v.Empty = "No session was found."
	}
	for i := range l.found {
		session := &l.found[i]
		line := s.sessionLine(session, &current)
		line.Person, line.Email = session.Identity.Name, shownEmail(&session.Identity)
		if browser.Printable(line.Person, 1) == "" { // the link needs a text
			line.Person, line.Email = accountName(&session.Identity), ""
		}
		if id := session.Identity.UserID; id != "" {
			line.PersonURL = s.userLink(id)
		}
		if !line.Current {
			line.RevokeURL = withQuery(s.link(adminSessionsPath+"/"+url.PathEscape(line.ID)+"/revoke"), p.values(p.token))
		}
		v.Sessions = append(v.Sessions, line)
	}
	v.Paging.Searched = l.searched
	if l.next != "" {
		v.Paging.NextURL = p.link(s, l.next)
	}
	if p.token != "" {
		v.Paging.FirstURL = p.link(s, "")
	}
	s.formPage(x, s.pages.AllSessions(v))
}

// sessionLine is a session as administrators see one, without a button.
func (s *Service) sessionLine(session, current *sessions.Session) page.Session {
	return page.Session{
		ID: session.ID, Current: session.ID == current.ID, Device: page.DeviceName(session.UserAgent), Address: session.Address,
		Provider:  s.providerName(session.Identity.Method, session.Identity.Provider),
		CreatedAt: session.CreatedAt, LastSeenAt: session.LastSeenAt, ExpiresAt: session.Deadline(),
	}
}

// revokeAny ends a session from the list of all, and goes back to there.
func (s *Service) revokeAny(x *exchange) {
	p := sessionsQueryOf(x.r.URL.Query())
	q := p.values(p.token)
	q.Set("done", "ended")
	s.revokeFor(x, x.params[0], withQuery(s.link(adminSessionsPath), q))
}

// revokeOfUser ends a session from the page of a person, and goes back to there.
func (s *Service) revokeOfUser(x *exchange) {
	s.revokeFor(x, x.params[1], withQuery(s.userLink(x.params[0]), url.Values{"done": {"ended"}}))
}

// revokeFor ends any session for an administrator, and goes back. One that is not
// there has ended already.
func (s *Service) revokeFor(x *exchange, id, back string) {
	current, ok := s.acting(x)
	if !ok {
		return
	}
	if len(id) > maxSessionID {
		s.notFound(x)
		return
	}
	if _, err := s.endHere(x, causeAdmin, id); err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	s.logAdmin(x, callerOf(&current), slog.String("ended_session_id", id))
	if id == current.ID {
		s.clearToken(x)
		back = s.loginLink(wish{}, "logged_out")
	}
	s.redirect(x, http.StatusSeeOther, back)
}

// revokeAllOfUser ends all sessions of a person.
func (s *Service) revokeAllOfUser(x *exchange) {
	current, ok := s.acting(x)
	if !ok {
		return
	}
	u, ok := s.namedUser(x)
	if !ok {
		return
	}
	if isSelf(&u, &current) {
		s.refuseSelf(x, &u)
		return
	}
	n, err := s.endAllOf(x.r.Context(), &u)
	if n > 0 {
		s.ended(x, causeAdmin, n, nil, slog.String("user_id", u.ID))
		s.logAdmin(x, callerOf(&current), slog.String("changed_user_id", u.ID), slog.Int("sessions", n))
	}
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	s.redirect(x, http.StatusSeeOther, withQuery(s.userLink(u.ID), url.Values{"done": {"all"}}))
}
