package loginsvc

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// personPage shows one user, with the sessions.
func (s *Service) personPage(x *exchange) {
	current, ok := s.administrator(x)
	if !ok {
		return
	}
	u, ok := s.namedUser(x)
	if !ok {
		return
	}
	here, token := s.userLink(u.ID), x.r.URL.Query().Get("page")
	l, err := s.store.List(x.r.Context(), sessions.Filter{UserID: u.ID}, adminPage, token)
	if err != nil {
		s.refuseList(x, err, here)
		return
	}
	v := page.Person{Admin: s.adminFrame(x), User: s.userLine(&u, &current), Identities: s.identityLines(&u, true)}
	for i := range l.Sessions {
		line := s.sessionLine(&l.Sessions[i], &current)
		if !line.Current {
			line.RevokeURL = here + "/sessions/" + url.PathEscape(line.ID) + "/revoke"
		}
		v.Sessions = append(v.Sessions, line)
	}
	if !u.Enabled {
		v.EnableURL = here + "/enable"
	}
	if !v.User.Self { // who would let them in again?
		if u.Enabled || u.Waiting {
			v.DisableURL = here + "/disable"
		}
		if len(l.Sessions) > 0 || token != "" {
			v.RevokeAllURL = here + "/sessions/revoke-all"
		}
	}
	if l.Next != "" {
		v.Paging.NextURL = withQuery(here, url.Values{"page": {l.Next}})
	}
	if token != "" {
		v.Paging.FirstURL = here
	}
	s.formPage(x, s.pages.Person(v))
}

// namedUser returns the user whom the path names, or answers.
func (s *Service) namedUser(x *exchange) (sessions.User, bool) {
	u, err := sessions.User{}, sessions.ErrNoUser
	if len(x.params[0]) <= maxSessionID { // user ids are no longer either
		u, err = s.store.User(x.r.Context(), x.params[0])
	}
	if err != nil {
		s.refuseList(x, err, s.link(adminPath))
		return sessions.User{}, false
	}
	return u, true
}

// identityLines are what a person logs in with; the issuer and the subject are for
// administrators.
func (s *Service) identityLines(u *sessions.User, admin bool) []page.Identity {
	var all []page.Identity
	for i := range u.Identities {
		id := &u.Identities[i]
		line := page.Identity{
			Provider: s.providerName(id.Method, id.Provider), Name: id.Name, Email: id.Email, LastLoginAt: id.LastLoginAt,
		}
		if admin {
			line.Issuer, line.Subject = id.Issuer, id.Subject
		}
		all = append(all, line)
	}
	return all
}

// enableUser lets a person in.
func (s *Service) enableUser(x *exchange) { s.switchUser(x, true) }

// disableUser ends everything of a person, and lets them in no longer.
func (s *Service) disableUser(x *exchange) { s.switchUser(x, false) }

func (s *Service) switchUser(x *exchange, enabled bool) {
	current, ok := s.acting(x)
	if !ok {
		return
	}
	u, ok := s.namedUser(x)
	if !ok {
		return
	}
	done := "enabled"
	if !enabled {
		if done = "disabled"; isSelf(&u, &current) {
			s.refuseSelf(x, &u)
			return
		}
	}
	if _, err := s.setEnabled(x.r.Context(), u.ID, enabled); err != nil {
		s.refuseList(x, err, s.link(adminPath))
		return
	}
	s.logAdmin(x, callerOf(&current), slog.String("changed_user_id", u.ID), slog.Bool("enabled", enabled))
	s.redirect(x, http.StatusSeeOther, withQuery(s.userLink(u.ID), url.Values{"done": {done}}))
}

// refuseSelf answers an administrator who would lock themselves out.
func (s *Service) refuseSelf(x *exchange, u *sessions.User) {
	s.refuse(x, failure{
		status: http.StatusBadRequest, message: "administrators cannot do this to themselves",
		title: "This is yourself", text: "You cannot disable yourself, so that nobody is locked out by mistake. On the page of your account you can log out everywhere.",
		actions: []page.Action{{Label: "Your account", URL: s.link(accountPath)}, {Label: "Back", URL: s.userLink(u.ID)}},
	})
}

// isSelf reports whether u is who asks.
func isSelf(u *sessions.User, current *sessions.Session) bool {
	return callerOf(current).is(u)
}
