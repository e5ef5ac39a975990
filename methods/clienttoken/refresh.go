package clienttoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// refreshAhead is how long before its end an access token is renewed at most;
	// one that lives for less than ten times as long, at a tenth of its life.
	refreshAhead = time.Minute
	// refreshGrace is how long a session is used after the end of its access
	// token while the provider cannot be reached.
	refreshGrace = 5 * time.Minute
	// retryInterval is how often the provider is asked for one session, if that
	// has not helped.
	retryInterval = 5 * time.Second
	// courtesy is how long requests wait for a refresh, from its beginning, while
	// the session can be used without. Envoy's deadline, which is not known here,
	// is a second or so, and must not pass for that.
	courtesy = 500 * time.Millisecond
	// slowInterval is after how long such a session is looked at again.
	slowInterval = time.Second
	// patience is how long requests wait that have nothing else to hope for.
	patience = 4 * time.Second
	// deadlineMargin is what a request that waits leaves of its time for the rest.
	deadlineMargin = 50 * time.Millisecond

	// maxAhead bounds how many refreshes go on at one provider while one more is
	// begun that nobody waits for, maxFlights how many go on there at all. What
	// hangs at one provider is of no consequence for the others.
	maxAhead   = 64
	maxFlights = 512
	// maxTries bounds how many fruitless refreshes are remembered.
	maxTries = 100_000

	// logInterval is how often a failure is logged for one provider.
	logInterval = 10 * time.Second
)

var (
	errNoAttempt = errors.New("none is begun now")
	errSlow      = errors.New("it is taking long")
	errClosed    = errors.New("it was given up, for no more are wanted here")
)

// refreshDue returns when the tokens of s are to be refreshed. How long they
// live is seen from when they came.
func refreshDue(s *sessions.Session) time.Time {
	ahead := min(refreshAhead, s.Tokens.Expiry.Sub(s.UpdatedAt)/10)
	return s.Tokens.Expiry.Add(-max(ahead, 0))
}

// refreshed returns s, or what has become of it by a refresh, and when to look
// at it again for its tokens' sake; the zero time is never. As long as the
// access token is valid the refresh goes on in the background; then requests
// wait for it. With [gateward.ErrNotAdmitted] it returns the session, too.
func (m *Method) refreshed(ctx context.Context, s sessions.Session, login methods.Login) (sessions.Session, time.Time, error) {
	r, ok := login.(methods.Refresher)
	if !ok || s.Tokens.RefreshToken.Reveal() == "" || s.Tokens.Expiry.IsZero() {
		return s, time.Time{}, nil
	}
	now, due := m.now(), refreshDue(&s)
	if now.Before(due) {
		return s, due, nil
	}
	if now.Before(s.Tokens.Expiry) {
		m.launch(ctx, &s, r, maxAhead)
		return s, earliest(s.Tokens.Expiry, now.Add(retryInterval)), nil
	}
	f := m.launch(ctx, &s, r, maxFlights)
	if f == nil {
		return m.judge(s, errNoAttempt)
	}
	if !m.wait(ctx, f, courtesy) && (m.usable(&s) || !m.wait(ctx, f, patience)) {
		return m.judge(s, errSlow)
	}
	switch {
	case f.err == nil && f.session.Revision > s.Revision:
		s = overtaken(s, &f.session)
		now = m.now()
		// Another replica may have been given tokens, and not who they are for.
		if !s.Tokens.Expiry.IsZero() && !now.Before(s.Tokens.Expiry) {
			return m.judge(s, nil)
		}
		look := refreshDue(&s)
		if !now.Before(look) {
			look = now.Add(retryInterval)
		}
		return s, look, nil
	case errors.Is(f.err, gateward.ErrNotAdmitted):
		return f.session, time.Time{}, f.err
	case errors.Is(f.err, gateward.ErrInvalidCredential):
		return sessions.Session{}, time.Time{}, f.err
	}
	return m.judge(s, f.err)
}

// overtaken returns s with what a flight, which may have read the session before
// or after, has put in place. What limits the session most is in force.
func overtaken(s sessions.Session, by *sessions.Session) sessions.Session {
	s.Identity, s.Tokens, s.Revision, s.UpdatedAt = by.Identity, by.Tokens, by.Revision, by.UpdatedAt
	s.ExpiresAt = earliest(s.ExpiresAt, by.ExpiresAt)
	return s
}

// usable reports whether a session may be used although its access token has
// expired.
func (m *Method) usable(s *sessions.Session) bool {
	return m.now().Before(s.Tokens.Expiry.Add(refreshGrace))
}

// judge decides about a session whose access token has expired and could not be
// refreshed, for no fault of its own.
func (m *Method) judge(s sessions.Session, why error) (sessions.Session, time.Time, error) {
	if m.usable(&s) {
		again := retryInterval
		if errors.Is(why, errSlow) { // it may be there soon
			again = slowInterval
		}
		return s, earliest(m.now().Add(again), s.Tokens.Expiry.Add(refreshGrace)), nil
	}
	if why == nil {
		why = errNoAttempt // the flight knew no more than we do
	}
	return sessions.Session{}, time.Time{}, fmt.Errorf("clienttoken: refresh tokens of expired session: %w", unavailable(why))
}
