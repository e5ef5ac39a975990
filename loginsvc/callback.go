package loginsvc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxParameter bounds code and state, in bytes.
	maxParameter = 4096
	// exchangeTimeout bounds what is asked of the provider.
	exchangeTimeout = 20 * time.Second
)

// callback finishes an attempt. In this order, so that whatever is refused has
// cost and left behind nothing: how often this address comes (flood.go), the
// parameters, this browser's cookie for the state, the provider that it is pinned
// to, its age, a place, for which it may have to wait (places.go); then the state is used up, once on all replicas and whatever
// the answer is; then the provider is asked; then whether the person may enter
// (signup.go); then the session begins.
func (s *Service) callback(x *exchange) {
	l := s.loginOf(x)
	if l == nil {
		s.unknownProvider(x, "callback")
		return
	}
	if embedded(x.r.Header) && len(s.cookies.States(x.r)) == 0 { // does not count, as in authorize
		s.refuse(x, failure{status: http.StatusForbidden, message: "callback: failed to get state"})
		return
	}
	if s.flooded(x, l, stepCallback) {
		return
	}
	p, ok := answerOf(x.r.URL.RawQuery)
	if !ok {
		s.refuseCallback(x, l, resultInvalid, "callback: invalid parameter", nil)
		return
	}
	a, err := s.attemptOf(x, p.state)
	switch {
	case errors.Is(err, errNoAttempt):
		s.late(x, l, nil, resultInvalid, "callback: failed to get state")
		return
	case err != nil:
		s.unavailable(x, l, nil, err)
		return
	}
	id := attemptID(p.state)
	if a.Login != loginPath(l.Method(), l.Name()) { // RFC 9700 §4.4
		s.forget(x, id)
		s.refuseCallback(x, l, resultInvalid, "callback: failed to get state", &a)
		return
	}
	if !a.live(x.now, s.cfg.StateLifetime) {
		s.forget(x, id)
		s.late(x, l, &a, resultLate, "callback: missing challenge")
		return
	}
	leave, ok := s.places[a.Login].enter(x.r.Context(), neighbourhood(s.peer(x)))
	if !ok {
		s.busy(x, l, &a)
		return
	}
	defer leave()
	first, err := s.store.Use(x.r.Context(), "attempt:"+id, a.over(s.cfg.StateLifetime).Add(clockSkew))
	if err != nil {
		s.unavailable(x, l, &a, err)
		return
	}
	if !first {
		s.forget(x, id)
		s.late(x, l, &a, resultReplayed, "callback: missing challenge")
		return
	}
	switch {
	case p.err != "" && !p.from(l): // RFC 9207 §2.4: errors have an iss, too
		s.forget(x, id)
		s.refuseCallback(x, l, resultInvalid, "callback: code exchange failed", &a)
	case p.err != "":
		s.forget(x, id)
		s.refuseProviderError(x, l, p.err, &a)
	case p.code == "":
		s.forget(x, id)
		s.refuseCallback(x, l, resultInvalid, "callback: code exchange failed", &a)
	default:
		s.redeem(x, l, &a, p)
	}
}

// redeem asks the provider what the code is good for, and begins the session.
func (s *Service) redeem(x *exchange, l methods.Login, a *attempt, p providerAnswer) {
	ctx, cancel := context.WithTimeout(x.r.Context(), exchangeTimeout)
	defer cancel()
	identity, tokens, err := l.Exchange(ctx, methods.Callback{Code: gateward.NewSecret(p.code), Issuer: p.issuer}, a.contract())
	id := attemptID(a.State)
	switch {
	case err == nil:
	case errors.Is(err, gateward.ErrUnavailable):
		s.unavailable(x, l, a, err)
		return
	case errors.Is(err, gateward.ErrNotAdmitted):
		s.forget(x, id)
		s.refuseIdentity(x, l, a, &identity, err)
		return
	case errors.Is(err, gateward.ErrInvalidCredential):
		s.forget(x, id)
		s.loginFailed(x, l, resultInvalid, err)
		s.refuse(x, s.callbackFailure("callback: code exchange failed", a))
		return
	default:
		s.unavailable(x, l, a, err)
		return
	}
	session, token, err := s.enter(ctx, x, l, a, &identity, tokens)
	switch {
	case errors.Is(err, errEnded):
		s.forget(x, id)
		s.refuseEnded(x, l, a, err)
	case errors.Is(err, gateward.ErrNotAdmitted) && !errors.Is(err, gateward.ErrUnavailable):
		s.forget(x, id)
		s.refuseIdentity(x, l, a, &identity, err)
	case err != nil:
		s.unavailable(x, l, a, err)
	default:
		s.welcome(x, l, a, &session, token)
	}
}

// enter begins the session of a person whom the provider has admitted, if all
// others do: the rules for everybody, then what is recorded of the person. What
// admission refuses leaves no record.
func (s *Service) enter(ctx context.Context, x *exchange, l methods.Login, a *attempt, id *gateward.Identity, t gateward.Tokens) (sessions.Session, gateward.Secret, error) {
	if s.admission != nil {
		if err := s.admission.Admit(id); err != nil {
			return sessions.Session{}, gateward.Secret{}, err
		}
	}
	user, err := s.signUp(ctx, l, id)
	if err != nil {
		return sessions.Session{}, gateward.Secret{}, err
	}
	known := *id
	known.UserID, known.ConfirmedAt = user.ID, s.now().UTC().Truncate(time.Microsecond)
	return s.begin(ctx, x, a, known, t)
}

// welcome gives the browser its new session, and sends it where it wanted to go.
func (s *Service) welcome(x *exchange, l methods.Login, a *attempt, session *sessions.Session, token gateward.Secret) {
	s.forget(x, attemptID(a.State))
	s.clearOthers(x, a)
	cookie := s.cookies.Token(token, session.ExpiresAt)
	http.SetCookie(x.w, cookie)
	if s.hasLeft(x) {
		s.forget(x, leftID)
	}
	s.loginSucceeded(x, l, session)
	to := s.destination(a.Target)
	if cookie.SameSite == http.SameSiteStrictMode {
		// A redirect would still count as the provider's, and come without the
		// cookie.
		s.goOn(x, to)
		return
	}
	x.w.Header().Set("Location", to)
	if x.client == browser.Navigation {
		x.w.WriteHeader(http.StatusSeeOther)
		return
	}
	s.json(x, http.StatusSeeOther, struct {
		ClientToken    string         `json:"clientToken"` // in the cookie alone, as in Flipt
		Authentication authentication `json:"authentication"`
	}{"", authenticationOf(session)})
}

// A providerAnswer is what came back on the query of a callback.
type providerAnswer struct {
	code, state, err string
	issuer           *string
}

// from reports whether the answer does not claim to be another issuer's than l's.
func (p *providerAnswer) from(l methods.Login) bool {
	f, ok := l.(frontChannel)
	if !ok || p.issuer == nil {
		return true
	}
	_, issuer := f.FrontChannel()
	return issuer == "" || *p.issuer == issuer
}

// answerOf reads the query strictly: a parameter that is there twice means
// something else to each reader (RFC 6749 §3.1).
func answerOf(rawQuery string) (providerAnswer, bool) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return providerAnswer{}, false
	}
	for _, name := range []string{"code", "state", "iss", "error", "error_description", "error_uri"} {
		if v := q[name]; len(v) > 1 || len(v) == 1 && len(v[0]) > maxParameter {
			return providerAnswer{}, false
		}
	}
	p := providerAnswer{code: q.Get("code"), state: q.Get("state"), err: q.Get("error")}
	if q.Has("error") && p.err == "" || p.err != "" && p.code != "" {
		return providerAnswer{}, false
	}
	if v := q["iss"]; len(v) == 1 {
		p.issuer = &v[0]
	}
	return p, true
}

// forget removes the cookie of an attempt that is over.
func (s *Service) forget(x *exchange, id string) { http.SetCookie(x.w, s.cookies.ClearState(id)) }

// late answers a callback whose attempt is over or gone. A tab that comes late
// to a browser that is logged in already simply goes on; anybody else is told.
func (s *Service) late(x *exchange, l methods.Login, a *attempt, result, message string) {
	if x.client == browser.Navigation {
		if _, err := s.session(x); err == nil {
			target := ""
			if a != nil {
				target = a.Target
			}
			s.redirect(x, http.StatusSeeOther, s.destination(target))
			return
		}
	}
	s.refuseCallback(x, l, result, message, a)
}
