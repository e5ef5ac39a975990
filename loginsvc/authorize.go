package loginsvc

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gateward/gateward/internal/browser"
)

// authorize begins an attempt: a cookie for this browser, and the provider's
// address for it to go to. Nothing is written to the store. Flipt's parameter
// state is accepted and has no effect.
func (s *Service) authorize(x *exchange) {
	l := s.loginOf(x)
	if l == nil {
		s.unknownProvider(x, "authorize")
		return
	}
	if embedded(x.r.Header) { // and does not count, or any site could use up its visitors' logins
		s.refuse(x, failure{status: http.StatusForbidden, message: "authorize: a login begins in a window of its own"})
		return
	}
	if s.flooded(x, l, stepAuthorize) {
		return
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	w, ok := s.wishOf(query)
	if err != nil || !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, message: "authorize: invalid parameter", actions: s.startAction()})
		return
	}
	ctx := x.r.Context()
	a, err := s.newAttempt(l, w, x.now)
	for _, id := range s.presented(x) {
		if len(a.Old) < maxOld {
			a.Old = append(a.Old, id)
		}
	}
	a.Others = len(s.cookies.ClearOthers(x.r, s.cfg.AcceptCookies)) > 0 || len(s.cfg.AcceptCookies) > 0 && hidesStrict(x.r.Header)
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	address, err := l.AuthCodeURL(ctx, a.contract())
	if err != nil {
		s.loginFailed(x, l, resultUnavailable, err)
		s.refuse(x, explained(failure{
			status: http.StatusServiceUnavailable, message: "authorize: failed get provider",
			title: "The login is not available", text: unavailableText, actions: s.againActions(w),
		}, err))
		return
	}
	cookie, err := s.seal(ctx, &a)
	if err != nil && a.Target != "" { // too long for a cookie: the login matters more than where it ends
		a.Target = ""
		cookie, err = s.seal(ctx, &a)
	}
	if err == nil {
		err = s.dropOld(x)
	}
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, message: "authorize: failed to persist challenge", err: err})
		return
	}
	http.SetCookie(x.w, cookie)
	s.log.LogAttrs(ctx, slog.LevelDebug, "login begun", s.loginAttrs(x, l)...)
	if x.client == browser.Navigation {
		s.redirect(x, http.StatusFound, address)
		return
	}
	s.json(x, http.StatusOK, struct {
		AuthorizeURL string `json:"authorizeUrl"`
	}{address})
}

// hidesStrict reports whether the browser may have cookies that are Strict and do
// not come along with this request: another site led here, or an old browser, or
// one on plain HTTP, does not say who did. So the session that our own cookie would
// name, if that is Strict, is not known at either end of such a login: the new
// session takes its place in the browser, and it ends in its own time.
func hidesStrict(h http.Header) bool {
	switch h.Get("Sec-Fetch-Site") {
	case "same-origin", "same-site", "none":
		return false
	}
	return true
}

// embedded reports whether a page of somebody else's asks from within: by a
// script, an image, a frame. A login that such a request begins is one that
// nobody at this browser asked for. A sibling domain (same-site) is somebody else
// as well. Old browsers say nothing about who asks.
func embedded(h http.Header) bool {
	switch site := h.Values("Sec-Fetch-Site"); {
	case len(site) == 0, len(site) == 1 && (site[0] == "same-origin" || site[0] == "none"):
		return false
	}
	return h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document"
}

// framed reports whether a page of somebody else's shows this one in a frame, as far
// as the browser says what it opens it for.
func framed(h http.Header) bool { return h.Get("Sec-Fetch-Dest") != "" && embedded(h) }
