package loginsvc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// messageNotFound is what Flipt says of credentials that are no session.
const messageNotFound = "getting authentication by id not found"

// self says who asks.
func (s *Service) self(x *exchange) {
	c, ok := s.caller(x)
	if !ok {
		return
	}
	if c.identity.SessionID == "" {
		s.json(x, http.StatusOK, authenticationWithout(&c.identity, s.cfg.StartedAt))
		return
	}
	session, err := s.get(x.r.Context(), c.identity.SessionID)
	if err != nil {
		s.refuseCaller(x, c.scheme, &c.identity, err)
		return
	}
	s.json(x, http.StatusOK, authenticationOf(&session))
}

// expireSelf makes the caller's session end at a given time, or now. A time
// behind its end changes nothing: nobody prolongs a session.
func (s *Service) expireSelf(x *exchange) {
	c, ok := s.caller(x)
	if !ok {
		return
	}
	end := x.now
	switch raw := x.r.URL.Query()["expiresAt"]; {
	case len(raw) == 1:
		t, err := time.Parse(time.RFC3339Nano, raw[0])
		if err != nil {
			s.refuse(x, failure{status: http.StatusBadRequest, message: `parsing field "expiresAt": not a time of RFC 3339`})
			return
		}
		end = t
	case len(raw) > 1:
		s.refuse(x, failure{status: http.StatusBadRequest, message: `parsing field "expiresAt": more than one value`})
		return
	}
	if c.identity.SessionID == "" {
		s.refuse(x, failure{status: http.StatusNotFound, message: messageNotFound})
		return
	}
	err := s.store.Expire(x.r.Context(), c.identity.SessionID, end.UTC().Truncate(time.Microsecond))
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		s.refuse(x, failure{status: http.StatusNotFound, message: messageNotFound})
		return
	case err != nil:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if !end.After(x.now) {
		s.clearToken(x)
		s.ended(x, causeAPI, 1, nil, slog.String("session_id", c.identity.SessionID))
	}
	s.json(x, http.StatusOK, empty{})
}

// revokeSelf ends the caller's session, and names where the provider's is ended.
// Other credentials stay what they are, as in Flipt.
func (s *Service) revokeSelf(x *exchange) {
	c, ok := s.caller(x)
	if !ok {
		return
	}
	if c.identity.SessionID == "" {
		s.clearToken(x)
		s.json(x, http.StatusOK, empty{})
		return
	}
	next, err := s.end(x, causeLogout, c.identity.SessionID)
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	s.clearToken(x)
	if next == "" {
		s.json(x, http.StatusOK, empty{})
		return
	}
	s.leave(x)
	s.json(x, http.StatusOK, struct {
		NextURI string `json:"nextUri"`
	}{next})
}

// end deletes a session, and returns where the provider's session is ended, or
// "". Only the store can make it fail: whether the provider answers does not
// matter (OpenID Connect RP-Initiated Logout 1.0, §2).
func (s *Service) end(x *exchange, cause, id string) (next string, err error) {
	session, err := s.endHere(x, cause, id)
	if err != nil || session == nil {
		return "", err
	}
	return s.endSessionURL(x, session), nil
}

// endHere deletes a session, and asks no provider. It returns the session as it
// was, or nil if there was none, or none that could be read.
func (s *Service) endHere(x *exchange, cause, id string) (*sessions.Session, error) {
	session, err := s.store.Get(x.r.Context(), id)
	missing := errors.Is(err, sessions.ErrNotFound) || errors.Is(err, sessions.ErrTampered)
	if err != nil && !missing {
		return nil, err
	}
	if err := s.store.Delete(x.r.Context(), id); err != nil || missing {
		return nil, err
	}
	s.ended(x, cause, 1, &session)
	return &session, nil
}

// endSessionTimeout bounds how long a logout waits for the provider's address.
const endSessionTimeout = 2 * time.Second

// endSessionURL is where the session at the provider is ended, or "".
func (s *Service) endSessionURL(x *exchange, session *sessions.Session) string {
	e, ok := s.loginOfSession(&session.Identity).(methods.EndSessionURLer)
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), endSessionTimeout)
	defer cancel()
	address, err := e.EndSessionURL(ctx, session.Tokens)
	if err != nil {
		attrs := append(s.attrs(x), slog.String("provider", session.Identity.Provider), errAttr(err))
		s.log.LogAttrs(ctx, slog.LevelWarn, "no address for a logout at the provider", attrs...)
		return ""
	}
	return address
}

// loginOfSession returns the provider that a session was begun with, or nil.
func (s *Service) loginOfSession(id *gateward.Identity) methods.Login {
	l := s.byPath[loginPath(id.Method, id.Provider)]
	if l == nil || l.Method() != id.Method || l.Name() != id.Provider && id.Method == "oidc" {
		return nil
	}
	return l
}
