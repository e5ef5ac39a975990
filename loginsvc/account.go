package loginsvc

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxShown bounds the sessions on the account page.
	maxShown = 100
	// maxListed is the most that a store lists at once.
	maxListed = 1000
	// pictureMetadata is Flipt's key of the picture's address.
	pictureMetadata = "io.flipt.auth.picture"
)

// person returns the live session of who is at the browser, or answers: by the
// login page, which leads back here, or with what is wrong.
func (s *Service) person(x *exchange) (sessions.Session, bool) {
	session, err := s.session(x)
	switch {
	case err == nil:
		s.arrived(x, accountPath)
		return session, true
	case errors.Is(err, gateward.ErrUnavailable):
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	case errors.Is(err, gateward.ErrNoCredential), errors.Is(err, gateward.ErrInvalidCredential):
		if x.client != browser.Navigation {
			s.refuseCaller(x, gateward.SchemeCookie, &gateward.Identity{}, err)
			break
		}
		s.redirect(x, http.StatusSeeOther, s.loginLink(wish{target: s.link(accountPath)}))
	default:
		s.refuseCaller(x, gateward.SchemeCookie, &session.Identity, err)
	}
	return sessions.Session{}, false
}

// sender is [Service.person] for a form, which has to come from a page of ours.
func (s *Service) sender(x *exchange) (sessions.Session, bool) {
	if !s.sameOrigin(x) {
		s.refuseOrigin(x)
		return sessions.Session{}, false
	}
	return s.person(x)
}

// accountPage shows a person who they are and where they are logged in.
func (s *Service) accountPage(x *exchange) {
	current, ok := s.person(x)
	if !ok {
		return
	}
	all, err := s.sessionsOf(x.r.Context(), &current.Identity, maxShown)
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	id := &current.Identity
	v := page.Account{
		Name: id.Name, Email: shownEmail(id), Picture: id.Metadata[pictureMetadata],
		Provider: id.Provider, Notice: accountNotice(done(x)),
		LogoutURL: s.link("/auth/logout"), Now: x.now,
	}
	if l := s.loginOfSession(id); l != nil {
		v.Provider = l.DisplayName()
	}
	if err := s.completeAccount(x.r.Context(), &current, &v); err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if next := s.endSessionURL(x, &current); next != "" {
		v.FormOrigins = []string{next}
	}
	for _, session := range withFirst(all, current) {
		here := session.ID == current.ID
		if !here {
			v.RevokeOthersURL = s.link(accountPath + "/sessions/revoke-others")
		}
		line := page.Session{
			ID: session.ID, Current: here, Device: page.DeviceName(session.UserAgent), Address: session.Address,
			CreatedAt: session.CreatedAt, LastSeenAt: session.LastSeenAt, ExpiresAt: session.Deadline(),
		}
		if len(v.Identities) > 1 {
			line.Provider = s.providerName(session.Identity.Method, session.Identity.Provider)
		}
		if !here { // which is what logging out is for
			line.RevokeURL = s.link(accountPath + "/sessions/" + url.PathEscape(session.ID) + "/revoke")
		}
		v.Sessions = append(v.Sessions, line)
	}
	s.formPage(x, s.pages.Account(v))
}

// formPage answers with a page that has forms. The policy of the other pages
// would have browsers send "Origin: null" with them, and where they send no
// Sec-Fetch-Site either (plain HTTP), the forms would be taken for another
// site's.
func (s *Service) formPage(x *exchange, d page.Document) {
	x.w.Header().Set("Referrer-Policy", "same-origin")
	s.page(x, http.StatusOK, d)
}

// done is what the form on the page before has done. Another site's link says
// nothing about that.
func done(x *exchange) string {
	switch x.r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return ""
	}
	return x.r.URL.Query().Get("done")
}

// accountNotice is what the account page says first.
func accountNotice(done string) page.Notice {
	switch done {
	case "ended":
		return page.Notice{Kind: page.NoticeInfo, Title: "The session has been ended", Text: "Whoever used it will have to log in again."}
	case "others":
		return page.Notice{Kind: page.NoticeInfo, Title: "All other sessions have been ended", Text: "You are logged in on this device only."}
	}
	return page.Notice{}
}

// sessionsOf lists the live sessions of a person, at most limit of them.
func (s *Service) sessionsOf(ctx context.Context, id *gateward.Identity, limit int) ([]sessions.Session, error) {
	f, ok := ownSessions(id)
	if !ok {
		return nil, nil
	}
	var all []sessions.Session
	for token := ""; ; {
		p, err := s.store.List(ctx, f, min(limit-len(all), maxListed), token)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Sessions...)
		if token = p.Next; token == "" || len(all) >= limit {
			return all, nil
		}
	}
}

// withFirst is all with current in front, the others last used first.
func withFirst(all []sessions.Session, current sessions.Session) []sessions.Session {
	others := slices.DeleteFunc(all, func(o sessions.Session) bool { return o.ID == current.ID })
	slices.SortStableFunc(others, func(a, b sessions.Session) int {
		return cmp.Or(b.LastSeenAt.Compare(a.LastSeenAt), b.CreatedAt.Compare(a.CreatedAt))
	})
	return append([]sessions.Session{current}, others...)
}

// revokeOwn ends one of the person's sessions.
func (s *Service) revokeOwn(x *exchange) {
	current, ok := s.sender(x)
	if !ok {
		return
	}
	c := caller{identity: current.Identity, scheme: gateward.SchemeCookie}
	session, ok := s.sessionFor(x, &c, x.params[0])
	if !ok {
		return
	}
	if _, err := s.endHere(x, causeAccount, session.ID); err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if session.ID == current.ID {
		s.clearToken(x)
		s.redirect(x, http.StatusSeeOther, s.loginLink(wish{}, "logged_out"))
		return
	}
	s.redirect(x, http.StatusSeeOther, s.link(accountPath+"?done=ended"))
}

// revokeOthers ends all of the person's sessions but this one.
func (s *Service) revokeOthers(x *exchange) {
	current, ok := s.sender(x)
	if !ok {
		return
	}
	ctx := x.r.Context()
	n, err := s.endOthers(ctx, &current)
	if n > 0 {
		s.ended(x, causeAccount, n, nil, sessionAttrs(&current)[1:]...)
	}
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	s.redirect(x, http.StatusSeeOther, s.link(accountPath+"?done=others"))
}

// endOthers deletes the sessions of current's person but itself, and returns how
// many.
func (s *Service) endOthers(ctx context.Context, current *sessions.Session) (n int, err error) {
	filters, err := s.allOwn(ctx, &current.Identity)
	if err != nil {
		return 0, err
	}
	for _, f := range filters {
		more, err := s.endChosen(ctx, f, func(o *sessions.Session) bool { return o.ID != current.ID })
		n += more
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// endChosen deletes those of the sessions that f selects which chosen names, and
// returns how many.
func (s *Service) endChosen(ctx context.Context, f sessions.Filter, chosen func(*sessions.Session) bool) (n int, err error) {
	for token := ""; ; {
		p, err := s.store.List(ctx, f, maxListed, token)
		if err != nil {
			return n, err
		}
		for i := range p.Sessions {
			if !chosen(&p.Sessions[i]) {
				continue
			}
			if err := s.store.Delete(ctx, p.Sessions[i].ID); err != nil {
				return n, err
			}
			n++
		}
		if token = p.Next; token == "" {
			return n, nil
		}
	}
}
