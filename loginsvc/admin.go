package loginsvc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

const (
	// adminPath is where the pages for administrators begin.
	adminPath         = "/auth/admin"
	adminUsersPath    = adminPath + "/users/"
	adminSessionsPath = adminPath + "/sessions"

	// maxQuery bounds what is searched for, in bytes: the length of an address
	// (RFC 5321 §4.5.3.1.3).
	maxQuery = 254
)

// adminRoutes are the pages for administrators.
func adminRoutes() []route {
	get := func(path string, h handler) route {
		return route{path: strings.Split(path, "/")[1:], methods: map[string]handler{http.MethodGet: h}}
	}
	post := func(path string, h handler) route {
		return route{path: strings.Split(path, "/")[1:], methods: map[string]handler{http.MethodPost: h}}
	}
	return []route{
		get(adminPath, (*Service).peoplePage),
		get(adminUsersPath+"*", (*Service).personPage),
		post(adminUsersPath+"*/enable", (*Service).enableUser),
		post(adminUsersPath+"*/disable", (*Service).disableUser),
		post(adminUsersPath+"*/sessions/revoke-all", (*Service).revokeAllOfUser),
		post(adminUsersPath+"*/sessions/*/revoke", (*Service).revokeOfUser),
		get(adminSessionsPath, (*Service).sessionsPage),
		post(adminSessionsPath+"/*/revoke", (*Service).revokeAny),
	}
}

// administrator returns the live session of the administrator who is at the
// browser, or answers: by the login page, which leads back here, by what is
// wrong, or, to everybody else, that this is not for them.
func (s *Service) administrator(x *exchange) (sessions.Session, bool) {
	session, err := s.session(x)
	if err == nil {
		s.arrived(x, adminPath)
	}
	switch {
	case err == nil && s.admins.Has(&session.Identity):
		return session, true
	case err == nil:
		s.refuse(x, failure{
			status: http.StatusForbidden, message: "administrators only",
			title: "This page is for administrators", text: "If you should be one, please ask the people who run this site.",
			account: accountName(&session.Identity),
			actions: []page.Action{
				{Label: "Your account", URL: s.link(accountPath)},
				{Label: "Use another account", URL: s.loginLink(wish{target: s.link(adminPath), prompt: "select_account"})},
			},
		})
	case x.client == browser.Navigation && !errors.Is(err, gateward.ErrUnavailable) &&
		(errors.Is(err, gateward.ErrNoCredential) || errors.Is(err, gateward.ErrInvalidCredential)):
		s.redirect(x, http.StatusSeeOther, s.loginLink(wish{target: s.link(adminPath)}))
	default:
		s.refuseCaller(x, gateward.SchemeCookie, &session.Identity, err)
	}
	return sessions.Session{}, false
}

// acting is [Service.administrator] for a form of one of our own pages.
func (s *Service) acting(x *exchange) (sessions.Session, bool) {
	if !s.sameOrigin(x) {
		s.refuseOrigin(x)
		return sessions.Session{}, false
	}
	return s.administrator(x)
}

// callerOf is who an administrator at a browser is.
func callerOf(session *sessions.Session) *caller {
	return &caller{identity: session.Identity, scheme: gateward.SchemeCookie, admin: true}
}

// adminFrame is what the pages for administrators share.
func (s *Service) adminFrame(x *exchange) page.Admin {
	return page.Admin{
		PeopleURL: s.link(adminPath), SessionsURL: s.link(adminSessionsPath), AccountURL: s.link(accountPath),
		Notice: adminNotice(done(x)), Now: x.now,
	}
}

// adminNotice is what a page for administrators says first.
func adminNotice(done string) page.Notice {
	n := page.Notice{Kind: page.NoticeInfo}
	switch done {
	case "ended":
		n.Title, n.Text = "The session has been ended", "Whoever used it will have to log in again."
	case "all":
		n.Title, n.Text = "All sessions have been ended", "This person has to log in again on every device."
	case "enabled":
		n.Title, n.Text = "Enabled", "This person may log in from now on."
	case "disabled":
		n.Title, n.Text = "Disabled", "All sessions have been ended, and this person cannot log in any longer."
	default:
		return page.Notice{}
	}
	return n
}

// refuseList answers for a list, or a record, that could not be had. first is the
// beginning of the list.
func (s *Service) refuseList(x *exchange, err error, first string) {
	switch {
	case errors.Is(err, sessions.ErrBadPage):
		s.refuse(x, failure{
			status: http.StatusBadRequest, message: `parsing field "page": not a token of a page`,
			title: "This page of the list is not there", text: "The address may be mistyped. Please begin with the first page.",
			actions: []page.Action{{Label: "First page", URL: first}},
		})
	case errors.Is(err, sessions.ErrNoUser), errors.Is(err, sessions.ErrTampered):
		s.refuse(x, failure{
			status: http.StatusNotFound, message: "user not found",
			actions: []page.Action{{Label: "All people", URL: s.link(adminPath)}},
		})
	default:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	}
}

// queryOf is what somebody searches for.
func queryOf(q url.Values) string {
	text := strings.TrimSpace(strings.ToValidUTF8(q.Get("q"), ""))
	if len(text) <= maxQuery {
		return text
	}
	cut := maxQuery
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// matcher returns a function that reports whether one of its arguments contains
// text, whatever the case.
func matcher(text string) func(in ...string) bool {
	text = strings.ToLower(text)
	return func(in ...string) bool {
		for _, s := range in {
			if strings.Contains(strings.ToLower(s), text) {
				return true
			}
		}
		return false
	}
}

// parameters are those that are not empty.
func parameters(all map[string]string) url.Values {
	q := url.Values{}
	for name, value := range all {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// providerName is what people call a provider, also one that is not configured
// any longer.
func (s *Service) providerName(method, provider string) string {
	if l := s.loginOfSession(&gateward.Identity{Method: method, Provider: provider}); l != nil {
		return l.DisplayName()
	}
	if provider != "" {
		return provider
	}
	return method
}
