package loginsvc

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
)

// loginPage offers the providers.
//
// It goes straight on where there is nothing to choose: to the target, for a
// browser that has a live session and is not asked for a fresh login; to the
// provider, where there is only one and a target was named. Neither happens
// right after a logout or an error, nor more than maxBounces times in a minute: a
// browser that keeps coming back is shown the page, which says what may be
// wrong.
func (s *Service) loginPage(x *exchange) {
	q := x.r.URL.Query()
	w, ok := s.wishOf(q)
	if !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, actions: s.startAction()})
		return
	}
	notice := noticeOf(q.Has("logged_out"), q.Get("error"))
	if notice.Kind == page.NoticeNone && x.client == browser.Navigation {
		to := s.straightOn(x, w)
		if to == "" && s.hasLeft(x) {
			notice = noticeOf(true, "")
		}
		if to != "" && s.bounce(x) {
			s.redirect(x, http.StatusFound, to)
			return
		}
		if to != "" {
			notice = page.Notice{
				Kind: page.NoticeError, Title: "The login does not hold",
				Text: "Your browser has come back here several times within a minute. It may be refusing our cookie, or the page may belong to a domain that our cookie does not cover. If logging in does not help, please tell the people who run this site.",
			}
		}
	}
	v := page.Login{Notice: notice, RequestID: x.requestID}
	for _, l := range s.logins {
		v.Providers = append(v.Providers, page.Provider{Name: l.DisplayName(), URL: s.authorizeLink(l, w)})
	}
	s.page(x, http.StatusOK, s.pages.Login(v))
}

// straightOn is where a browser can be sent without asking, or "".
func (s *Service) straightOn(x *exchange, w wish) string {
	if w.maxAge == nil && w.prompt == "" {
		if _, err := s.session(x); err == nil {
			if w.target == "" {
				return s.link(accountPath)
			}
			return w.target
		}
	}
	if len(s.logins) == 1 && w.target != "" && !s.hasLeft(x) {
		return s.authorizeLink(s.logins[0], w)
	}
	return ""
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

const (
	// maxBounces is how often a browser is sent straight on within bounceWindow:
	// as often as it can have attempts, so that several tabs get through.
	maxBounces   = maxAttempts
	bounceWindow = time.Minute
	// bounceID names the cookie that counts. It stands among those of attempts,
	// whose names are longer.
	bounceID = "bounces"
)

// bounce counts one more redirect of this browser, and reports whether it may be
// made. The count is the browser's own to keep, and to forge: it protects
// nobody but that browser.
func (s *Service) bounce(x *exchange) bool {
	count, since := 0, x.now
	for _, value := range s.cookies.StateValues(x.r, bounceID) {
		n, at, _ := strings.Cut(value, ".")
		number, err := strconv.Atoi(n)
		seconds, err2 := strconv.ParseInt(at, 10, 64)
		if age := x.now.Sub(time.Unix(seconds, 0)); err == nil && err2 == nil && age >= 0 && age < bounceWindow {
			count, since = number, time.Unix(seconds, 0)
		}
	}
	if count >= maxBounces {
		return false
	}
	value := strconv.Itoa(count+1) + "." + strconv.FormatInt(since.Unix(), 10)
	if cookie, err := s.cookies.State(bounceID, value, since.Add(bounceWindow)); err == nil {
		http.SetCookie(x.w, cookie)
	}
	return true
}
