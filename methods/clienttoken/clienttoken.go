// Package clienttoken authenticates the sessions of people: it looks up the
// client token that a browser sends as a cookie, or a program as a bearer token,
// judges whether the person may still enter, notes that the session was used, and
// has the provider asked in time: for fresh tokens, or whether the person still
// belongs.
//
// Sessions are begun and ended by loginsvc and kept by the backends below
// package sessions. What a provider says is verified by its methods.Login.
package clienttoken

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// touchTimeout is how long a request waits for its use to be noted.
	touchTimeout = 250 * time.Millisecond
	// touchRetry is after how long a use that could not be noted is noted again.
	touchRetry = 10 * time.Second
)

// Options are the dependencies of a [Method]. All are required but Admission and
// Grants.
type Options struct {
	Store  sessions.Store
	Leaser sessions.Leaser
	// Logins returns the configured login of a method and provider, or nil if
	// there is none. It is asked on every look at a session, and returns at once.
	Logins func(method, provider string) methods.Login
	// Admission, unless nil, says who may enter, whichever the login. It is asked on
	// every look at a session, after the login's own [methods.Admitter].
	Admission methods.Admitter
	// Grants, unless nil, settles the scopes of every identity that is returned.
	// Without it sessions are not limited by scopes.
	Grants Granter
	Logger *slog.Logger
	Now    func() time.Time
}

// A Granter grants scopes to people. It makes no I/O and is safe for concurrent
// use.
type Granter interface {
	// Apply sets Scopes and AllScopes of id, whatever they were.
	Apply(id *gateward.Identity)
}

// Method authenticates client tokens. It implements [methods.Authenticator] and
// is safe for concurrent use.
type Method struct {
	store     sessions.Store
	leaser    sessions.Leaser
	logins    func(method, provider string) methods.Login
	admission methods.Admitter
	grants    Granter
	logger    *slog.Logger
	now       func() time.Time

	running sync.WaitGroup // flights
	closing chan struct{}  // closed when Close begins

	mu       sync.Mutex
	flights  map[string]*flight // by session id
	underway map[provider]int   // how many flights there are
	tries    tries
	doubts   doubts
	logged   map[string]time.Time // by provider: when a failure was last logged
}

// A provider is the name of a configured one, with that of its method.
type provider struct{ method, name string }

func providerOf(s *sessions.Session) provider {
	return provider{s.Identity.Method, s.Identity.Provider}
}

// New returns a Method. [Method.Close] ends what it does in the background.
func New(o Options) *Method {
	return &Method{
		store: o.Store, leaser: o.Leaser, logins: o.Logins,
		admission: o.Admission, grants: o.Grants, logger: o.Logger, now: o.Now,
		closing: make(chan struct{}), flights: make(map[string]*flight), underway: make(map[provider]int),
		logged: make(map[string]time.Time),
	}
}

// Name returns "session".
func (*Method) Name() string { return "session" }

// Claims accepts what has the form of a client token, as a bearer token or in
// the cookie that is ours to set. A cookie under another accepted name, which a
// sibling domain may have set, never carries a session.
func (*Method) Claims(c gateward.Credential) bool {
	switch c.Scheme {
	case gateward.SchemeBearer, gateward.SchemeCookie:
		return sessions.IsClientToken(c.Value.Reveal())
	case gateward.SchemeNone, gateward.SchemeJWT, gateward.SchemeBasic, gateward.SchemeAcceptedCookie:
	}
	return false
}

// Authenticate returns the identity of the live session that c names. Its Expiry
// is when the session ends if it is not used again, and its FreshUntil when its
// use is to be noted or its provider is to be asked.
//
// A session whose provider is not configured any longer is an invalid
// credential. One whose person may not enter is left alone, because rules can
// change back: the error is then that of the [methods.Admitter], the login's or
// Options.Admission, and the identity is filled in. But when the provider itself
// says so at a refresh, the session is ended: the provider would have to be asked
// again for every look.
//
// While the provider cannot be reached or is slow, a session goes on being used
// for five minutes after its access token has expired, and is unavailable then;
// only the provider's refusal ends it. In those five minutes a request waits for
// half a second at most, later for four.
//
// A [methods.Rechecker] is asked about the person whenever its last answer is as
// old as its interval, tokens that expire or not. The first request then waits for
// four seconds at most. While the provider has no answer, the last one counts for
// as long as the session lives; requests wait for half a second at most, and the
// provider is asked again and again. But once there was no answer because of the
// person ([gateward.UnavailableError] Personal), the last one counts for four
// intervals only, an hour at least, and the session is unavailable then until there
// is another one; so it is, too, where it is not known here why there is none. An
// interval of zero asks nothing.
func (m *Method) Authenticate(ctx context.Context, c gateward.Credential) (gateward.Identity, error) {
	s, err := m.read(ctx, sessions.KeyOf([]byte(c.Value.Reveal())))
	if err != nil {
		return gateward.Identity{}, err
	}
	login := m.logins(s.Identity.Method, s.Identity.Provider)
	if login == nil {
		return gateward.Identity{}, fmt.Errorf("clienttoken: session of %s provider %q, which is not configured: %w",
			s.Identity.Method, s.Identity.Provider, gateward.ErrInvalidCredential)
	}
	s, refresh, err := m.refreshed(ctx, s, login)
	if err != nil {
		if errors.Is(err, gateward.ErrNotAdmitted) {
			return identityOf(&s, time.Time{}), err
		}
		return gateward.Identity{}, err
	}
	if err := m.alive(&s); err != nil {
		return gateward.Identity{}, err
	}
	if err := m.admit(&s, login); err != nil {
		if errors.Is(err, gateward.ErrNotAdmitted) {
			return identityOf(&s, time.Time{}), err // for the page that says who it was
		}
		return gateward.Identity{}, err
	}
	touch, err := m.touch(ctx, &s)
	if err == nil {
		err = m.alive(&s)
	}
	if err != nil {
		return gateward.Identity{}, err
	}
	m.grant(&s.Identity)
	return identityOf(&s, earliest(refresh, touch)), nil
}

// admit returns an error if the person of s may not enter now.
func (m *Method) admit(s *sessions.Session, login methods.Login) error {
	own, _ := login.(methods.Admitter)
	for _, a := range [...]methods.Admitter{own, m.admission} {
		if a == nil {
			continue
		}
		if err := a.Admit(&s.Identity); err != nil {
			return fmt.Errorf("clienttoken: admit: %w", err)
		}
	}
	return nil
}

// grant settles the scopes of id, which are not for whoever keeps it to decide.
func (m *Method) grant(id *gateward.Identity) {
	if m.grants == nil {
		id.Scopes, id.AllScopes = nil, true
		return
	}
	m.grants.Apply(id)
}

// alive returns an error if s, which was live when it was read, has come to its
// end while the request waited.
func (m *Method) alive(s *sessions.Session) error {
	if s.Live(m.now()) {
		return nil
	}
	return fmt.Errorf("clienttoken: session ended while the request waited: %w", gateward.ErrInvalidCredential)
}

// read returns the session with this key. What is kept under its id and is not
// it, is no session.
func (m *Method) read(ctx context.Context, key sessions.Key) (sessions.Session, error) {
	id := sessions.IDOf(key)
	s, err := m.store.Get(ctx, id)
	switch {
	case err == nil && subtle.ConstantTimeCompare(s.Key[:], key[:]) == 1:
		return s, nil
	case err == nil || errors.Is(err, sessions.ErrTampered):
		m.logger.LogAttrs(ctx, slog.LevelError, "session record is not authentic", slog.String("session_id", id))
		return sessions.Session{}, fmt.Errorf("clienttoken: session record is not authentic: %w", gateward.ErrInvalidCredential)
	case errors.Is(err, sessions.ErrNotFound):
		return sessions.Session{}, fmt.Errorf("clienttoken: no such session: %w", gateward.ErrInvalidCredential)
	}
	return sessions.Session{}, fmt.Errorf("clienttoken: read session: %w", unavailable(err))
}

// touch notes that s is used, if that was not noted lately, and returns when to
// do so again; the zero time if nothing depends on it. The request does not
// fail, and hardly waits, when it cannot be noted: the session then merely ends
// as early as it would have. Its error is that there is no such session any more.
func (m *Method) touch(ctx context.Context, s *sessions.Session) (time.Time, error) {
	interval := sessions.TouchInterval
	if s.IdleTimeout > 0 {
		interval = min(interval, s.IdleTimeout/2)
	}
	now := m.now()
	next := s.LastSeenAt.Add(interval)
	if !now.Before(next) {
		ctx, cancel := context.WithTimeout(ctx, touchTimeout)
		defer cancel()
		if err := m.store.Touch(ctx, s.ID, now); err != nil {
			if m.mayLog("touch") {
				m.logger.LogAttrs(ctx, slog.LevelWarn, "use of session cannot be noted", failure(s, err)...)
			}
			next = now.Add(min(touchRetry, interval))
		} else {
			next = now.Add(interval)
			if err := m.prolonged(ctx, s); err != nil {
				return time.Time{}, err
			}
		}
	}
	if s.IdleTimeout <= 0 {
		return time.Time{}, nil
	}
	return next, nil
}

// prolonged makes s end when it does after a touch. The store tells: a session
// that was not live is not touched, and nobody says so. If it cannot be asked, s
// ends as early as it would have.
func (m *Method) prolonged(ctx context.Context, s *sessions.Session) error {
	if s.IdleTimeout <= 0 {
		return nil
	}
	now, err := m.read(ctx, s.Key)
	switch {
	case err == nil:
		s.LastSeenAt, s.ExpiresAt = now.LastSeenAt, earliest(s.ExpiresAt, now.ExpiresAt)
	case errors.Is(err, gateward.ErrInvalidCredential):
		return err
	}
	return nil
}

// identityOf returns the identity of s, to be looked at again at look unless
// that is zero.
func identityOf(s *sessions.Session, look time.Time) gateward.Identity {
	id := s.Identity
	id.SessionID, id.Expiry, id.FreshUntil = s.ID, s.Deadline(), time.Time{}
	if look.Before(id.Expiry) {
		id.FreshUntil = look
	}
	return id
}

// mayLog reports whether a failure that every session may meet at once is to be
// logged: no more than once in a while for each what.
func (m *Method) mayLog(what string) bool {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.logged[what]; ok && now.Sub(last) < logInterval {
		return false
	}
	m.logged[what] = now
	return true
}

// failure returns what is logged of a session that meets err.
func failure(s *sessions.Session, err error) []slog.Attr {
	return []slog.Attr{
		slog.String("auth_method", s.Identity.Method), slog.String("provider", s.Identity.Provider),
		slog.String("session_id", s.ID), slog.String("err", err.Error()),
	}
}

// earliest returns the earlier of two times, of which a zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// unavailable makes err count as nobody's fault but ours.
func unavailable(err error) error {
	if errors.Is(err, gateward.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", gateward.ErrUnavailable, err)
}
