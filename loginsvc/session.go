package loginsvc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// maxUserAgent bounds what is kept of a User-Agent header, in bytes.
const maxUserAgent = 256

// begin makes a new session, with a client token that never existed before, so
// that no token that was planted before the login is worth anything after it,
// and ends those that this browser had. If any of that fails, the browser keeps
// what it had.
func (s *Service) begin(ctx context.Context, x *exchange, a *attempt, id gateward.Identity, t gateward.Tokens) (sessions.Session, gateward.Secret, error) {
	var random [32]byte
	if _, err := io.ReadFull(s.random, random[:]); err != nil {
		return sessions.Session{}, gateward.Secret{}, fmt.Errorf("loginsvc: make client token: %w", err)
	}
	token := sessions.ClientToken(random)
	key := sessions.KeyOf([]byte(token.Reveal()))
	now := s.now().UTC().Truncate(time.Microsecond)
	session := sessions.Session{
		ID: sessions.IDOf(key), Key: key, Identity: id, Tokens: t,
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now,
		ExpiresAt: now.Add(s.cfg.TokenLifetime), IdleTimeout: s.cfg.IdleTimeout,
		UserAgent: userAgent(x.r.UserAgent()), Address: s.peer(x),
	}
	if end := id.Expiry; !end.IsZero() && end.Before(session.ExpiresAt) {
		session.ExpiresAt = end.UTC().Truncate(time.Microsecond)
	}
	session.Identity.SessionID, session.Identity.Expiry, session.Identity.FreshUntil = "", time.Time{}, time.Time{}
	if err := s.store.Create(ctx, session); err != nil {
		return sessions.Session{}, gateward.Secret{}, fmt.Errorf("loginsvc: keep session: %w", err)
	}
	if err := s.replaceOld(ctx, x, a, &session); err != nil {
		// Nobody has the token yet: if this fails as well, the session is out of
		// reach until it is over.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
		defer cancel()
		return sessions.Session{}, gateward.Secret{}, errors.Join(err, s.store.Delete(undo, session.ID))
	}
	return session, token, nil
}

// replaceOld ends the sessions that this browser had, unless the new one is over
// already: then it returns [errEnded], or [gateward.ErrNotAdmitted] if the user was
// disabled meanwhile. Whoever disables a user does so first, and then ends the
// sessions; here the session is kept first, and then the user is looked at. So
// whichever of the two is later finds the other.
func (s *Service) replaceOld(ctx context.Context, x *exchange, a *attempt, session *sessions.Session) error {
	ended, err := s.endedSince(ctx, a.Login, session, x.now)
	if err != nil {
		return fmt.Errorf("loginsvc: look for logouts: %w", err)
	}
	if ended {
		return errEnded
	}
	user, err := s.store.User(ctx, session.Identity.UserID)
	if err != nil {
		return fmt.Errorf("loginsvc: look for the user: %w", err)
	}
	if err := mayEnter(&user); err != nil {
		return err
	}
	old := s.presented(x)
	for _, id := range a.Old {
		if !slices.Contains(old, id) {
			old = append(old, id)
		}
	}
	for _, id := range old {
		// A stranger can send many tokens that nobody has: they cost no writes.
		if _, err := s.store.Get(ctx, id); errors.Is(err, sessions.ErrNotFound) {
			continue
		}
		if err := s.store.Delete(ctx, id); err != nil {
			return fmt.Errorf("loginsvc: end former session: %w", err)
		}
	}
	return nil
}

// userAgent is a User-Agent header as it is kept: text, and not too long.
func userAgent(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxUserAgent)], "")
}

// presented returns the ids of the sessions whose client tokens this browser's
// cookies carry, also of one that a check would not take from there. Whoever
// holds a token may end its session, so that nothing else is asked. All of them
// count, or one could be hidden behind others; the server bounds the header.
func (s *Service) presented(x *exchange) []string {
	var ids []string
	seen := map[string]bool{}
	for _, name := range append([]string{s.cookies.TokenName()}, s.cfg.AcceptCookies...) {
		for _, c := range x.r.CookiesNamed(name) {
			if sessions.IsClientToken(c.Value) && !seen[c.Value] {
				seen[c.Value] = true
				ids = append(ids, sessions.IDOf(sessions.KeyOf([]byte(c.Value))))
			}
		}
	}
	return ids
}

// session returns the live session that this browser's cookie carries. Errors
// wrap the sentinels, as those of [Identifier], and come with what is known of
// the identity.
func (s *Service) session(x *exchange) (sessions.Session, error) {
	id, scheme, err := s.identifier.Identify(x.r.Context(), nil, byteValues(x.r.Header["Cookie"]))
	if err != nil {
		return sessions.Session{Identity: id}, err
	}
	if scheme != gateward.SchemeCookie || id.SessionID == "" {
		return sessions.Session{}, gateward.ErrNoCredential
	}
	return s.get(x.r.Context(), id.SessionID)
}

// get returns a live session. A missing one is the client's fault.
func (s *Service) get(ctx context.Context, id string) (sessions.Session, error) {
	session, err := s.store.Get(ctx, id)
	if errors.Is(err, sessions.ErrNotFound) || errors.Is(err, sessions.ErrTampered) {
		return sessions.Session{}, fmt.Errorf("%w: %w", gateward.ErrInvalidCredential, err)
	}
	return session, err
}

// A caller is who asks, by whatever credential counts.
type caller struct {
	identity gateward.Identity
	scheme   gateward.Scheme
	admin    bool
}

// caller identifies who asks for something of the API, or answers: 401, 403 for
// one who may not enter and for a request that another site may have caused,
// 503.
func (s *Service) caller(x *exchange) (caller, bool) {
	h := x.r.Header
	id, scheme, err := s.identifier.Identify(x.r.Context(), byteValues(h["Authorization"]), byteValues(h["Cookie"]))
	if err != nil {
		s.refuseCaller(x, scheme, &id, err)
		return caller{}, false
	}
	c := caller{identity: id, scheme: scheme, admin: s.admins.Has(&id)}
	if c.ambient() && !s.sameOrigin(x) {
		s.refuseOrigin(x)
		return caller{}, false
	}
	return c, true
}

// ambient reports whether a browser adds the credential by itself.
func (c *caller) ambient() bool {
	switch c.scheme {
	case gateward.SchemeBearer, gateward.SchemeJWT:
		return false
	case gateward.SchemeNone, gateward.SchemeBasic, gateward.SchemeCookie, gateward.SchemeAcceptedCookie:
	}
	return true
}

// sameOrigin reports whether the request comes from a page of ours. No
// configuration adds to what counts as ours below /auth.
func (s *Service) sameOrigin(x *exchange) bool {
	return browser.SameOrigin(x.r.Method, browser.HeadersOf(x.r.Header), s.own, nil)
}

func (s *Service) refuseOrigin(x *exchange) {
	s.refuse(x, failure{
		status: http.StatusForbidden, message: "cross-origin request",
		title: "This request came from another site", text: "It was not carried out. If you meant it, please begin on our own pages.",
		actions: s.startAction(),
	})
}

// refuseCaller answers a request whose credential does not count.
func (s *Service) refuseCaller(x *exchange, scheme gateward.Scheme, id *gateward.Identity, err error) {
	h := x.w.Header()
	switch {
	case errors.Is(err, gateward.ErrUnavailable):
		s.refuse(x, explained(failure{status: http.StatusServiceUnavailable, err: err}, err))
	case errors.Is(err, gateward.ErrNoCredential):
		h.Set("WWW-Authenticate", string(browser.Challenge(nil, realm, browser.NoCredential, nil)))
		s.refuse(x, failure{status: http.StatusUnauthorized, actions: s.loginActions()})
	case errors.Is(err, gateward.ErrInvalidCredential):
		h.Set("WWW-Authenticate", string(browser.Challenge(nil, realm, browser.InvalidToken, nil)))
		if scheme == gateward.SchemeCookie && s.alone(x) {
			s.clearToken(x)
		}
		s.refuse(x, failure{status: http.StatusUnauthorized, actions: s.loginActions()})
	case errors.Is(err, gateward.ErrNotAdmitted):
		f := explained(failure{status: http.StatusForbidden}, err)
		f.account, f.actions = accountName(id), []page.Action{
			{Label: "Use another account", URL: s.loginLink(wish{prompt: "select_account"})},
			{Label: "Log out", URL: s.link("/auth/logout")},
		}
		s.refuse(x, f)
	default: // ours, and nothing is said about it
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	}
}

// adminCaller is caller for what only administrators may do: 403 for everybody
// else.
func (s *Service) adminCaller(x *exchange) (caller, bool) {
	c, ok := s.caller(x)
	if ok && !c.admin {
		s.refuse(x, failure{status: http.StatusForbidden, message: "administrators only", account: accountName(&c.identity)})
		return caller{}, false
	}
	return c, ok
}

// loginActions are the way out for who is not logged in.
func (s *Service) loginActions() []page.Action {
	return []page.Action{{Label: "Log in", URL: s.loginLink(wish{})}}
}

// alone reports whether our cookie is the only one that may have been read. Of
// two that conflict none is cleared: the one that stayed would be the planted
// one.
func (s *Service) alone(x *exchange) bool {
	for _, name := range s.cfg.AcceptCookies {
		if name != s.cookies.TokenName() && len(x.r.CookiesNamed(name)) > 0 {
			return false
		}
	}
	return len(x.r.CookiesNamed(s.cookies.TokenName())) == 1
}

// clearToken removes the client token from the browser, under every name that it
// is read from: what stayed would count from then on.
func (s *Service) clearToken(x *exchange) {
	setCookies(x, s.cookies.ClearOthers(x.r, s.cfg.AcceptCookies))
	http.SetCookie(x.w, s.cookies.ClearToken())
}

// clearOthers removes whatever a client token would be read from beside our own
// cookie, which is to be set afterwards: what this browser carries, or carried
// when the attempt began.
func (s *Service) clearOthers(x *exchange, a *attempt) {
	if a.Others {
		setCookies(x, s.cookies.ClearAllOthers(s.cfg.AcceptCookies))
		return
	}
	setCookies(x, s.cookies.ClearOthers(x.r, s.cfg.AcceptCookies))
}

func setCookies(x *exchange, all []*http.Cookie) {
	for _, c := range all {
		http.SetCookie(x.w, c)
	}
}

func byteValues(values []string) [][]byte {
	all := make([][]byte, len(values))
	for i, v := range values {
		all[i] = []byte(v)
	}
	return all
}
