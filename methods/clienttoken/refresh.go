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
	// patience is how long requests wait for a refresh from its beginning.
	patience = 4 * time.Second
	// deadlineMargin is what a request that waits leaves of its time for the rest.
	deadlineMargin = 50 * time.Millisecond

	// maxAhead bounds how many refreshes go on while one more is begun that
	// nobody waits for, maxFlights how many go on at all.
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
	if !m.wait(ctx, f) {
		return m.judge(s, errSlow)
	}
	switch {
	case f.err == nil && f.session.Revision > s.Revision:
		s = overtaken(s, &f.session)
		look := refreshDue(&s)
		if now = m.now(); !now.Before(look) {
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

// judge decides about a session whose access token has expired and could not be
// refreshed, for no fault of its own.
func (m *Method) judge(s sessions.Session, why error) (sessions.Session, time.Time, error) {
	now, end := m.now(), s.Tokens.Expiry.Add(refreshGrace)
	if now.Before(end) {
		return s, earliest(now.Add(retryInterval), end), nil
	}
	if why == nil {
		why = errNoAttempt // the flight knew no more than we do
	}
	return sessions.Session{}, time.Time{}, fmt.Errorf("clienttoken: refresh tokens of expired session: %w", unavailable(why))
}

// A flight is one refresh on its way. Requests for the same session wait for the
// same one.
type flight struct {
	started time.Time
	cancel  context.CancelFunc

	// done is closed when session and err are settled. The flight may go on: what
	// the provider gave has to be kept.
	done    chan struct{}
	session sessions.Session
	err     error
}

// settle tells those who wait what came of the flight. Only the first call
// counts; all are made by the flight itself.
func (f *flight) settle(s sessions.Session, err error) {
	if f.settled() {
		return
	}
	f.session, f.err = s, err
	close(f.done)
}

func (f *flight) settled() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// launch returns the flight for s, a new one if there is none. It returns nil if
// it may not begin one: limit flights are on their way, or one for this session
// has just failed, or the method is closed.
func (m *Method) launch(ctx context.Context, s *sessions.Session, r methods.Refresher, limit int) *flight {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.flights[s.ID]; f != nil {
		return f
	}
	if m.closed || len(m.flights) >= limit || m.tries.lately(s.ID, now) {
		return nil
	}
	// The request that begins a flight may end before it does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFlightTime)
	f := &flight{started: now, cancel: cancel, done: make(chan struct{})}
	m.flights[s.ID] = f
	session := *s
	m.running.Go(func() { m.fly(ctx, f, session, r) })
	return f
}

// wait waits for f to settle, as long as is reasonable, and reports whether it
// has. It leaves the request a little of its time, so that a slow provider does
// not become a timeout where the session may still be used.
func (m *Method) wait(ctx context.Context, f *flight) bool {
	if f.settled() {
		return true
	}
	left := f.started.Add(patience).Sub(m.now())
	if deadline, ok := ctx.Deadline(); ok {
		d := time.Until(deadline)
		left = min(left, d-min(deadlineMargin, d/4))
	}
	timer := time.NewTimer(max(left, 0))
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return f.settled()
}

// isFinal reports whether the provider has refused: there is nothing to hope for
// from the session, should it still be there.
func isFinal(err error) bool {
	return errors.Is(err, gateward.ErrInvalidCredential) || errors.Is(err, gateward.ErrNotAdmitted)
}

// land ends a flight: whatever happened, nobody waits for it any longer.
func (m *Method) land(f *flight, id string) {
	f.settle(sessions.Session{}, errNoAttempt)
	f.cancel()
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flights, id)
	switch {
	case f.err == nil && now.Before(refreshDue(&f.session)), isFinal(f.err):
		m.tries.forget(id)
	default:
		m.tries.note(id, now)
	}
}

// tries remembers when a refresh of a session ended without fresh tokens, for as
// long as that keeps the next one from being begun.
type tries struct {
	at    map[string]time.Time // by session id
	swept time.Time
}

func (t *tries) lately(id string, now time.Time) bool {
	at, ok := t.at[id]
	return ok && now.Sub(at) < retryInterval
}

func (t *tries) forget(id string) { delete(t.at, id) }

func (t *tries) note(id string, now time.Time) {
	if t.at == nil || len(t.at) >= maxTries {
		t.at = make(map[string]time.Time)
	}
	if now.Sub(t.swept) >= retryInterval {
		t.swept = now
		for other := range t.at {
			if !t.lately(other, now) {
				delete(t.at, other)
			}
		}
	}
	t.at[id] = now
}

// Close lets refreshes that are on their way finish for a moment, since a
// provider may have replaced a token already, and ends them then. Sessions can be
// authenticated afterwards, and are not refreshed any more.
func (m *Method) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		m.running.Wait()
		close(landed)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-landed:
		return nil
	case <-timer.C:
	}
	m.mu.Lock()
	for _, f := range m.flights {
		f.cancel()
	}
	m.mu.Unlock()
	<-landed
	return nil
}
