package loginsvc

import (
	"errors"
	"net/http"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// logoutPage asks whether to log out. A GET changes nothing: any site could
// cause one.
func (s *Service) logoutPage(x *exchange) {
	session, err := s.session(x)
	if errors.Is(err, gateward.ErrUnavailable) {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if err != nil {
		ids := s.presented(x)
		if len(ids) == 0 {
			s.redirect(x, http.StatusSeeOther, s.loginLink(wish{}, "logged_out"))
			return
		}
		// One who is not admitted any longer has a session to end, too.
		for _, id := range ids[:min(len(ids), maxOld)] {
			if kept, err := s.get(x.r.Context(), id); err == nil {
				session = kept
				break
			}
		}
	}
	w := wish{}
	w.target, _ = s.target(x.r.URL.Query().Get("rd"))
	v := page.Logout{
		Account: accountName(&session.Identity), ActionURL: withQuery(s.link("/auth/logout"), w.query()),
		CancelURL: s.destination(w.target),
	}
	if next := s.endSessionURL(x, &session); next != "" {
		v.FormOrigins = []string{next}
	} else if w.target != "" {
		v.FormOrigins = []string{w.target}
	}
	s.formPage(x, s.pages.Logout(v))
}

// logout ends the session of this browser: first here, whatever becomes of the
// rest, then at the provider. Whoever holds the token may do it, also one who is
// not admitted any longer.
//
// Where it comes from is asked without a session, too: a browser leaves the
// cookie out of another site's request, and obeys an answer that removes it.
func (s *Service) logout(x *exchange) {
	if !s.sameOrigin(x) {
		s.refuseOrigin(x)
		return
	}
	next := ""
	for _, id := range s.presented(x) {
		// A stranger can send many tokens that nobody has: they cost no writes.
		if _, err := s.store.Get(x.r.Context(), id); errors.Is(err, sessions.ErrNotFound) {
			continue
		}
		at, err := s.end(x, causeLogout, id)
		if err != nil { // and the cookie stays, for trying again
			s.refuse(x, failure{
				status: http.StatusServiceUnavailable, err: err,
				title: "You are still logged in", text: "The session could not be ended, because our store does not answer at the moment. Please try again in a few seconds.",
				actions: []page.Action{{Label: "Try again", URL: s.link("/auth/logout")}},
			})
			return
		}
		if at != "" {
			next = at
		}
	}
	s.clearToken(x)
	if next == "" {
		next = s.loginLink(wish{}, "logged_out")
		if target, ok := s.target(x.r.URL.Query().Get("rd")); ok {
			next = target
		}
	}
	s.leave(x)
	s.redirect(x, http.StatusSeeOther, next)
}

const (
	// leftID names the cookie that says that this browser has just logged out,
	// by whatever way the provider sends it back: until it is over, or the next
	// login, the login page does not go straight on. It stands among the cookies
	// of attempts, whose names are longer.
	leftID     = "left"
	leftWindow = 2 * time.Minute
)

// leave notes that the browser has logged out.
func (s *Service) leave(x *exchange) {
	if cookie, err := s.cookies.State(leftID, "1", x.now.Add(leftWindow)); err == nil {
		http.SetCookie(x.w, cookie)
	}
}

// hasLeft reports whether the browser has just logged out.
func (s *Service) hasLeft(x *exchange) bool { return len(s.cookies.StateValues(x.r, leftID)) > 0 }
