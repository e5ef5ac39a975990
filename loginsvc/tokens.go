package loginsvc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

const (
	// defaultLimit and maxLimit are Flipt's page sizes.
	defaultLimit = 25
	maxLimit     = 100
	// maxSessionID is more than the length of any session id.
	maxSessionID = 64
)

// ownSessions selects the sessions of id's user, by whichever of its identities;
// without a user those of its principal. It reports whether there can be any.
func ownSessions(id *gateward.Identity) (sessions.Filter, bool) {
	if id.UserID != "" {
		return sessions.Filter{UserID: id.UserID}, true
	}
	return ownPrincipal(id)
}

// ownPrincipal selects the sessions of id's principal, and reports whether there
// can be any. Without an issuer a subject is unique only within its method.
func ownPrincipal(id *gateward.Identity) (sessions.Filter, bool) {
	f := sessions.Filter{Principal: id.Principal}
	if id.Issuer == "" {
		f.Method = id.Method
	}
	return f, id.Subject != ""
}

// owns reports whether the caller may see and end the session.
func (c *caller) owns(session *sessions.Session) bool {
	if c.admin {
		return true
	}
	for _, own := range [...]func(*gateward.Identity) (sessions.Filter, bool){ownSessions, ownPrincipal} {
		if f, ok := own(&c.identity); ok && f.Selects(session) {
			return true
		}
	}
	return false
}

// listTokens lists the caller's sessions, or everybody's for administrators,
// the oldest first. It names them by ids that nobody can present. They can be
// asked for by method and by subject, as in [Service.deleteTokens], and by
// administrators also by user. By subject a page may have less than it could.
func (s *Service) listTokens(x *exchange) {
	c, ok := s.caller(x)
	if !ok {
		return
	}
	q := x.r.URL.Query()
	f, some := sessions.Filter{}, true
	if !c.admin {
		f, some = ownSessions(&c.identity)
	}
	if id := q.Get("user"); id != "" {
		if f.UserID != id && !c.admin {
			some = false
		}
		f.UserID = id
	}
	method, problem := methodOf(q)
	var keep func(*sessions.Session) bool
	if subject := q.Get("subject"); subject != "" && problem == "" {
		sel := selection{Filter: sessions.Filter{Method: method}}
		problem = sel.set("subject", subject, q)
		method, f.Provider, keep = sel.Method, sel.Provider, sel.ofSubject
	}
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	if method != "" && f.Method != "" && method != f.Method {
		some = false
	} else if method != "" {
		f.Method = method
	}
	f.Expired = q.Get("expired") == "true"
	limit, problem := limitOf(q)
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	list := struct {
		Authentications []authentication `json:"authentications"`
		NextPageToken   string           `json:"nextPageToken"`
	}{Authentications: []authentication{}}
	if !some {
		s.json(x, http.StatusOK, list)
		return
	}
	p, err := scan(func(limit int, token string) ([]sessions.Session, string, error) {
		part, err := s.store.List(x.r.Context(), f, limit, token)
		return part.Sessions, part.Next, err
	}, limit, q.Get("pageToken"), keep)
	switch {
	case errors.Is(err, sessions.ErrBadPage):
		s.refuse(x, failure{status: http.StatusBadRequest, message: `parsing field "pageToken": not a token of a page`})
		return
	case err != nil:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	for i := range p.found {
		list.Authentications = append(list.Authentications, authenticationOf(&p.found[i]))
	}
	list.NextPageToken = p.next
	s.json(x, http.StatusOK, list)
}

// methodOf reads the parameter method, one of Flipt's names or ours.
func methodOf(q url.Values) (method, problem string) {
	raw := q.Get("method")
	name, ok := strings.CutPrefix(raw, "METHOD_")
	name = strings.ToLower(name)
	known := []string{"none", "token", "github", "oidc", "kubernetes", "jwt", "api_token", "basic", "mtls"}
	switch {
	case raw == "" || raw == methodName("none"):
		return "", ""
	case !ok || raw != methodName(name) || !slices.Contains(known, name):
		return "", `parsing field "method": ` + strconv.Quote(clip(raw, maxSessionID)) + " is not a valid value"
	}
	return name, ""
}

func limitOf(q url.Values) (limit int, problem string) {
	raw := q.Get("limit")
	if raw == "" {
		return defaultLimit, ""
	}
	n, err := strconv.ParseUint(raw, 10, 32)
	if err != nil {
		return 0, `parsing field "limit": ` + strconv.Quote(clip(raw, maxSessionID)) + " is not a valid value"
	}
	if n == 0 {
		return defaultLimit, ""
	}
	return int(min(n, maxLimit)), ""
}

// getToken shows one session. Somebody else's is not there.
func (s *Service) getToken(x *exchange) {
	if c, ok := s.caller(x); ok {
		if session, ok := s.sessionFor(x, &c, x.params[0]); ok {
			s.json(x, http.StatusOK, authenticationOf(&session))
		}
	}
}

// deleteToken ends one session. Somebody else's is not there; for
// administrators, as in Flipt, one that is not there is ended already.
func (s *Service) deleteToken(x *exchange) {
	c, ok := s.caller(x)
	if !ok {
		return
	}
	id := x.params[0]
	if !c.admin {
		session, ok := s.sessionFor(x, &c, id)
		if !ok {
			return
		}
		id = session.ID
	}
	if _, err := s.endHere(x, causeAPI, id); err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if id == c.identity.SessionID {
		s.clearToken(x)
	}
	s.json(x, http.StatusOK, empty{})
}

// sessionFor returns the session with this id if c owns it, or answers.
func (s *Service) sessionFor(x *exchange, c *caller, id string) (sessions.Session, bool) {
	if len(id) > maxSessionID {
		s.refuse(x, failure{status: http.StatusNotFound, message: messageNotFound})
		return sessions.Session{}, false
	}
	session, err := s.get(x.r.Context(), id)
	switch {
	case err == nil && c.owns(&session):
		return session, true
	case err == nil || errors.Is(err, gateward.ErrInvalidCredential):
		s.refuse(x, failure{status: http.StatusNotFound, message: messageNotFound})
	default:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	}
	return sessions.Session{}, false
}
