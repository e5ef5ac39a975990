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
	// An answer about a person counts for answerIntervals times the interval of a
	// [methods.Rechecker], answerLeast at least, if the next one may fail because of
	// the person.
	answerIntervals = 4
	answerLeast     = time.Hour
	// failureMemory is for how long a provider that had no answer about a session is
	// not expected to have the next one soon.
	failureMemory = 5 * time.Minute
	// maxSkew is how far the clocks of replicas are apart at most.
	maxSkew = time.Minute
	// courtesy is how long requests wait for a refresh, from its beginning, while
	// the session can be used without and nothing speaks for more. Envoy's deadline,
	// which is not known here, is a second or so, and must not pass for that.
	courtesy = 500 * time.Millisecond
	// slowInterval is after how long such a session is looked at again.
	slowInterval = time.Second
	// patience is how long requests wait that have nothing else to hope for, and for
	// the first answer about a person that is due.
	patience = 4 * time.Second
	// deadlineMargin is what a request that waits leaves of its time for the rest.
	deadlineMargin = 50 * time.Millisecond

	// maxAhead bounds how many refreshes go on at one provider while one more is
	// begun that nobody waits for, maxFlights how many go on there at all. What
	// hangs at one provider is of no consequence for the others.
	maxAhead   = 64
	maxFlights = 512
	// maxTries bounds how many fruitless refreshes are remembered; every
	// sweepInterval those are forgotten that do not matter any longer.
	maxTries      = 100_000
	sweepInterval = time.Minute

	// logInterval is how often a failure is logged for one provider.
	logInterval = 10 * time.Second
)

var (
	errNoAttempt = errors.New("none is begun now")
	errSlow      = errors.New("it is taking long")
	errClosed    = errors.New("it was given up, for no more are wanted here")
)

// refreshed returns s, or what has become of it by a refresh, and when to look
// at it again for that sake; the zero time is never. Until the refresh is due it
// goes on in the background; then requests wait for it. With
// [gateward.ErrNotAdmitted] it returns the session, too.
func (m *Method) refreshed(ctx context.Context, s sessions.Session, login methods.Login) (sessions.Session, time.Time, error) {
	plan, ok := scheduleFor(login, &s)
	if !ok {
		return s, time.Time{}, nil
	}
	now := m.now()
	if plan.fresh(&s, now) {
		return s, plan.ahead(&s), nil
	}
	if !plan.isDue(&s, now) {
		m.launch(ctx, &s, plan, maxAhead)
		return s, earliest(plan.due(&s), now.Add(retryInterval)), nil
	}
	first := m.firstWait(&s, plan)
	f := m.launch(ctx, &s, plan, maxFlights)
	if f == nil {
		return m.judge(s, plan, errNoAttempt)
	}
	if !m.wait(ctx, f, first) && (m.usable(&s, plan, errSlow) || !m.wait(ctx, f, patience)) {
		return m.judge(s, plan, errSlow)
	}
	switch {
	case f.err == nil && f.session.Revision > s.Revision:
		s = overtaken(s, &f.session)
		now = m.now()
		// Another replica may have been given tokens, and not who they are for.
		if !plan.due(&s).IsZero() && plan.isDue(&s, now) {
			return m.judge(s, plan, nil)
		}
		look := plan.ahead(&s)
		if !now.Before(look) {
			look = now.Add(retryInterval)
		}
		return s, look, nil
	case errors.Is(f.err, gateward.ErrNotAdmitted):
		return f.session, time.Time{}, f.err
	case errors.Is(f.err, gateward.ErrInvalidCredential):
		return sessions.Session{}, time.Time{}, f.err
	}
	return m.judge(s, plan, f.err)
}

// firstWait is how long a request waits for the refresh of s, which is due, while s
// can be used without. Whether a person still belongs is worth waiting for, unless
// the provider had no answer a while ago.
func (m *Method) firstWait(s *sessions.Session, plan schedule) time.Duration {
	if plan.recheck == 0 || m.hasFailed(s.ID) {
		return courtesy
	}
	return patience
}

// overtaken returns s with what a flight, which may have read the session before
// or after, has put in place. What limits the session most is in force.
func overtaken(s sessions.Session, by *sessions.Session) sessions.Session {
	s.Identity, s.Tokens, s.Revision, s.UpdatedAt = by.Identity, by.Tokens, by.Revision, by.UpdatedAt
	s.ExpiresAt = earliest(s.ExpiresAt, by.ExpiresAt)
	return s
}

// judge decides about a session whose refresh is due and could not be had, for no
// fault of its own.
func (m *Method) judge(s sessions.Session, plan schedule, why error) (sessions.Session, time.Time, error) {
	if m.usable(&s, plan, why) {
		again := retryInterval
		if errors.Is(why, errSlow) { // it may be there soon
			again = slowInterval
		}
		now := m.now()
		look, until := now.Add(again), plan.usableUntil(&s, now)
		if now.Before(until) {
			look = earliest(look, until)
		}
		return s, look, nil
	}
	if why == nil {
		why = errNoAttempt // the flight knew no more than we do
	}
	return sessions.Session{}, time.Time{}, fmt.Errorf("clienttoken: refresh session that may not be used without: %w", unavailable(why))
}
