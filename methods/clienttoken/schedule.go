package clienttoken

import (
	"time"

	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// A schedule says when a session is refreshed: at the end of its access token, or,
// by a [methods.Rechecker], when the last answer about the person is old.
type schedule struct {
	by methods.Refresher
	// recheck is for how long an answer counts; zero: the tokens decide.
	recheck time.Duration
}

// scheduleFor returns the schedule of s, and false if s is never refreshed.
func scheduleFor(login methods.Login, s *sessions.Session) (schedule, bool) {
	if r, ok := login.(methods.Rechecker); ok {
		interval := r.RecheckInterval()
		return schedule{r, interval}, interval > 0
	}
	r, ok := login.(methods.Refresher)
	return schedule{by: r}, ok && s.Tokens.RefreshToken.Reveal() != "" && !s.Tokens.Expiry.IsZero()
}

// due returns from when on requests wait for the refresh of s.
func (c schedule) due(s *sessions.Session) time.Time {
	if c.recheck > 0 {
		return confirmedAt(s).Add(c.recheck)
	}
	return s.Tokens.Expiry
}

// ahead returns from when on s is refreshed while nobody waits for that. How long
// tokens live is seen from when they came.
func (c schedule) ahead(s *sessions.Session) time.Time {
	life := c.recheck
	if life == 0 {
		life = s.Tokens.Expiry.Sub(s.UpdatedAt)
	}
	return c.due(s).Add(-max(min(refreshAhead, life/10), 0))
}

// fresh reports whether s need not be refreshed at now. An answer from the future
// was given while a clock was wrong: it must not count for longer than others.
func (c schedule) fresh(s *sessions.Session, now time.Time) bool {
	return now.Before(c.ahead(s)) && !c.isFromFuture(s, now)
}

// isDue reports whether requests wait for the refresh of s.
func (c schedule) isDue(s *sessions.Session, now time.Time) bool {
	return !now.Before(c.due(s)) || c.isFromFuture(s, now)
}

func (c schedule) isFromFuture(s *sessions.Session, now time.Time) bool {
	return c.recheck > 0 && confirmedAt(s).After(now.Add(maxSkew))
}

// usableUntil returns until when s may be used although its refresh is due and
// fails, whyever that is. See [Method.usable] for what follows.
func (c schedule) usableUntil(s *sessions.Session, now time.Time) time.Time {
	switch {
	case c.recheck == 0:
		return s.Tokens.Expiry.Add(refreshGrace)
	case c.isFromFuture(s, now): // it is not known how old the answer is
		return time.Time{}
	}
	return confirmedAt(s).Add(max(answerIntervals*c.recheck, answerLeast))
}

// confirmedAt is when the provider last said who the person of s is. Only
// Store.Replace changes it, so nothing that a person can do to a session puts the
// next question off.
func confirmedAt(s *sessions.Session) time.Time {
	if at := s.Identity.ConfirmedAt; !at.IsZero() {
		return at
	}
	return s.CreatedAt
}
