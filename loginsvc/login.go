package loginsvc

import (
	"net/http"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// loginPage offers the providers.
//
// It goes straight on where there is nothing to choose: to the target, for a
// browser that has a live session and is not asked for a fresh login; to the
// provider, where there is only one and a target was named. Neither happens
// right after a logout or an error, nor in a frame of somebody else's, who could use
// up what this browser may, nor too often (loop.go): a browser that keeps coming back
// is shown the page, which says what may be wrong.
func (s *Service) loginPage(x *exchange) {
	q := x.r.URL.Query()
	w, ok := s.wishOf(q)
	if !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, actions: s.startAction()})
		return
	}
	notice := noticeOf(q.Has("logged_out"), q.Get("error"))
	if notice.Kind == page.NoticeNone && x.client == browser.Navigation && !framed(x.r.Header) {
		to, current := s.straightOn(x, w)
		if to == "" && s.hasLeft(x) {
			notice = noticeOf(true, "")
		}
		if to != "" && s.bounce(x, w, current) {
			s.redirect(x, http.StatusFound, to)
			return
		}
		if to != "" {
			notice = s.loopNotice(x, w.target)
		}
	}
	v := page.Login{Notice: notice, RequestID: x.requestID}
	for _, l := range s.logins {
		v.Providers = append(v.Providers, page.Provider{Name: l.DisplayName(), URL: s.authorizeLink(l, w)})
	}
	s.page(x, http.StatusOK, s.pages.Login(v))
}

// straightOn is where a browser can be sent without asking, or "", and its live
// session, or nil; another account than the session's may be wanted.
func (s *Service) straightOn(x *exchange, w wish) (to string, current *sessions.Session) {
	if w.prompt == "" {
		if session, err := s.session(x); err == nil {
			current = &session
		}
	}
	switch {
	case current != nil && w.maxAge == nil && w.target == "":
		return s.link(accountPath), current
	case current != nil && w.maxAge == nil:
		return w.target, current
	case len(s.logins) == 1 && w.target != "" && !s.hasLeft(x):
		return s.authorizeLink(s.logins[0], w), current
	}
	return "", current
}

// noticeOf is what the login page says first. Its texts are fixed; an unknown
// error gets the general one.
func noticeOf(loggedOut bool, code string) page.Notice {
	switch {
	case code == "access_denied":
		return page.Notice{Kind: page.NoticeError, Title: "The login was cancelled", Text: "You can try again whenever you like."}
	case code != "":
		return page.Notice{Kind: page.NoticeError, Title: "That login did not work", Text: "Please try again."}
	case loggedOut:
		return page.Notice{Kind: page.NoticeInfo, Title: "You are logged out"}
	}
	return page.Notice{}
}
