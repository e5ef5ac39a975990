package loginsvc

import (
	"cmp"
	"context"
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
	return ofPrincipal(id.Principal, id.Method), id.Subject != ""
}

func ofPrincipal(p gateward.Principal, method string) sessions.Filter {
	f := sessions.Filter{Principal: p}
	if p.Issuer == "" {
		f.Method = method
	}
	return f
}

// allOf selects the sessions of a user, the first of the filters, and those of its
// identities that belong to no user.
func allOf(u *sessions.User) []sessions.Filter {
	all := []sessions.Filter{{UserID: u.ID}}
	for i := range u.Identities {
		all = append(all, ofPrincipal(u.Identities[i].Principal, u.Identities[i].Method))
	}
	return all
}

// allOwn selects what ends with all sessions of id's person: [allOf] its user, as far
// as that can be read, and those of its principal. Nothing selects the sessions of
// nobody.
func (s *Service) allOwn(ctx context.Context, id *gateward.Identity) ([]sessions.Filter, error) {
	var all []sessions.Filter
	if id.UserID != "" {
		u, err := s.store.User(ctx, id.UserID)
		switch {
		case errors.Is(err, sessions.ErrNoUser), errors.Is(err, sessions.ErrTampered):
			u = sessions.User{ID: id.UserID}
		case err != nil:
			return nil, err
		}
		all = allOf(&u)
	}
	if f, ok := ownPrincipal(id); ok && !slices.Contains(all, f) {
		all = append(all, f)
	}
	return all, nil
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

// A tokensQuery is which sessions are to be listed.
type tokensQuery struct {
	sessions.Filter
	// sel is what was asked for by subject.
	sel selection
	// keep selects among what the filter does; nil is all of it.
	keep func(*sessions.Session) bool
	// none: what is asked for is nobody's, or somebody else's.
	none  bool
	limit int
}

// tokensQueryOf reads what c asks for.
func tokensQueryOf(q url.Values, c *caller) (p tokensQuery, problem string) {
	if !c.admin {
		f, some := ownSessions(&c.identity)
		p.Filter, p.none = f, !some
	}
	if id := q.Get("user"); id != "" {
		p.none = p.none || p.UserID != id && !c.admin
		p.UserID = id
	}
	method, problem := methodOf(q)
	if subject := q.Get("subject"); subject != "" && problem == "" {
		p.sel.Method = method
		problem = p.sel.set("subject", subject, q)
		method, p.Provider, p.keep = p.sel.Method, p.sel.Provider, p.sel.ofSubject
	}
	if problem != "" {
		return p, problem
	}
	p.none = p.none || method != "" && p.Method != "" && method != p.Method
	p.Method = cmp.Or(method, p.Method)
	p.Expired = q.Get("expired") == "true"
	p.limit, problem = limitOf(q)
	return p, problem
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
	ctx, q := x.r.Context(), x.r.URL.Query()
	p, problem := tokensQueryOf(q, &c)
	var err error
	if problem == "" && !p.none {
		problem, err = s.problemWith(ctx, p.Filter, &p.sel)
	}
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	var all listing[sessions.Session]
	if err == nil && !p.none {
		all, err = scan(func(limit int, token string) ([]sessions.Session, string, error) {
			part, err := s.store.List(ctx, p.Filter, limit, token)
			return part.Sessions, part.Next, err
		}, p.limit, q.Get("pageToken"), p.keep)
	}
	if err != nil {
		s.refusePage(x, err)
		return
	}
	list := struct {
		Authentications []authentication `json:"authentications"`
		NextPageToken   string           `json:"nextPageToken"`
	}{[]authentication{}, all.next}
	for i := range all.found {
		list.Authentications = append(list.Authentications, authenticationOf(&all.found[i]))
	}
	s.json(x, http.StatusOK, list)
}

// refusePage answers that a page of a list of the API cannot be had.
func (s *Service) refusePage(x *exchange, err error) {
	if errors.Is(err, sessions.ErrBadPage) {
		s.refuse(x, failure{status: http.StatusBadRequest, message: `parsing field "pageToken": not a token of a page`})
		return
	}
	s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
}

// knownMethods are Flipt's and ours, configured or not.
func knownMethods() []string {
	return []string{"token", "github", "oidc", "kubernetes", "jwt", "api_token", "basic", "mtls"}
}

// methodOf reads the parameter method, one of Flipt's names or ours.
func methodOf(q url.Values) (method, problem string) {
	raw := q.Get("method")
	name, ok := strings.CutPrefix(raw, "METHOD_")
	name = strings.ToLower(name)
	switch {
	case raw == "" || raw == methodName("none"):
		return "", ""
	case !ok || raw != methodName(name) || !slices.Contains(knownMethods(), name):
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
