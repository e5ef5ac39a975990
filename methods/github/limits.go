package github

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// defaultPause is what GitHub asks for where it does not say how long to wait
	// after a secondary limit; it doubles as long as that goes on, up to maxPause.
	defaultPause = time.Minute
	maxPause     = 15 * time.Minute
	// maxWait bounds what an answer can make us wait: primary limits are by the hour.
	maxWait = time.Hour
	// probeEvery is how often somebody is asked about although everybody is held.
	probeEvery = 5 * time.Minute
	// maxLimited bounds how many people are remembered who must wait.
	maxLimited = 10_000
)

// limits remembers until when GitHub wants to be left alone: by one person after a
// primary limit, which is the person's. A secondary one can be a person's, too, who
// must not be able to keep everybody else waiting, or ours. It is taken for ours
// when the sessions of two people meet one and GitHub answers nobody in between:
// nobody who asks for the same, as a limit may be one of a single operation. Then
// other sessions have to wait, but for one now and then that shows whether it is so:
// if not, no limit is taken for ours for a while. Logins are a stranger's as
// far as is known, who has as many tokens and accounts as they like: what they meet
// is nobody else's, and nothing keeps them waiting but the person's own limit.
//
// People are named by their subject; "" is somebody who is not known yet, of whom
// nothing is remembered.
type limits struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]time.Time
	met    map[string]*secondary // by operation
}

// secondary is what is known of the secondary limits that one operation meets.
type secondary struct {
	first  string    // who met one before any other
	until  time.Time // when that is forgotten
	last   time.Time // when a session last met one
	streak int       // limits since the last proper answer
	all    time.Time // until when everybody is held
	began  time.Time // when that began
	probe  time.Time // when one more may be asked about all the same
	calm   time.Time // until when no limit is taken for ours
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, people: map[string]time.Time{}, met: map[string]*secondary{}}
}

// of returns what is known of an operation. Single memberships are asked for only
// where their list is too long: what holds for the list, which everybody's session
// asks for, holds for them, so that nobody has a limit to themselves. mu is held.
func (l *limits) of(operation string) *secondary {
	if operation == opMembership {
		operation = opOrganizations
	}
	if l.met[operation] == nil {
		l.met[operation] = &secondary{}
	}
	return l.met[operation]
}

// left returns how long an operation is not to be asked for about a person, zero if
// it may be, and whether that is the person's own limit. session says that there is
// one, and not only a login.
func (l *limits) left(operation, who string, session bool) (wait time.Duration, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait, own, _ = l.remaining(l.of(operation), who, session)
	return wait, own
}

// enter is [limits.left] for a request that is made at once if there is nothing to
// wait for.
func (l *limits) enter(operation, who string, session bool) (wait time.Duration, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(operation)
	wait, own, probing := l.remaining(s, who, session)
	if probing {
		s.probe = l.now().Add(probeEvery)
	}
	return wait, own
}

// remaining returns what left does, and whether it is to be found out by this
// request if everybody still has to be held. Who has met a limit themselves since
// that began cannot tell. mu is held.
func (l *limits) remaining(s *secondary, who string, session bool) (wait time.Duration, own, probing bool) {
	now := l.now()
	all, mine := s.all.Sub(now), l.people[who].Sub(now)
	switch {
	case mine > 0:
		if session {
			mine = max(mine, all)
		}
		return mine, true, false
	case all <= 0 || !session:
		return 0, false, false
	case !now.Before(s.probe) && !l.people[who].After(s.began):
		return 0, false, true
	}
	return all, false, false
}

// answered ends a streak of secondary limits of one operation. asked is when the
// request was made that GitHub has answered; given: with what was asked for, which
// it does not do while it wants to be left alone by us.
func (l *limits) answered(operation string, asked time.Time, given bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(operation)
	s.streak = 0
	if !given || !asked.After(s.last) {
		return
	}
	if now := l.now(); s.all.After(now) {
		s.calm = now.Add(maxWait)
	}
	s.until, s.all = time.Time{}, time.Time{}
}

// hold keeps one person back, and returns for how long.
func (l *limits) hold(who string, wait time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = min(max(wait, time.Second), maxWait)
	l.keep(who, wait)
	return wait
}

// keep notes how long a person has to wait. mu is held.
func (l *limits) keep(who string, wait time.Duration) {
	if who == "" {
		return
	}
	now := l.now()
	if len(l.people) >= maxLimited {
		for k, until := range l.people {
			if !until.After(now) {
				delete(l.people, k)
			}
		}
	}
	if len(l.people) < maxLimited {
		l.people[who] = now.Add(wait)
	}
}

// holdSecondary keeps back whose session has met a secondary limit, and everybody
// who asks for the same if others' have, too, and returns for how long. A wait of
// zero: GitHub does not say.
func (l *limits) holdSecondary(operation, who string, wait time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, now := l.of(operation), l.now()
	if wait <= 0 {
		wait = min(defaultPause<<min(s.streak, 4), maxPause)
	}
	wait = min(wait, maxWait)
	held, met := s.all.After(now), s.until.After(now)
	// Requests that were on their way together are one limit, not several.
	if !held && !met {
		s.streak++
	}
	if !met {
		s.first = who
	}
	s.last = now
	l.keep(who, wait)
	end := now.Add(wait)
	if end.After(s.until) {
		s.until = end
	}
	if !held && met && s.first != who && !s.calm.After(now) {
		held, s.began, s.probe = true, now, now.Add(probeEvery)
	}
	if held && end.After(s.all) {
		s.all = end
	}
	return max(wait, s.all.Sub(now))
}

// limited reads a refusal, and reports whether it is one because of too many
// requests: for how long, zero if that is not said, and whether only the person is
// meant. message is GitHub's.
func limited(status int, h http.Header, message string, now time.Time) (wait time.Duration, own, ok bool) {
	if status != http.StatusForbidden && status != http.StatusTooManyRequests {
		return 0, false, false
	}
	after, told := seconds(h.Get("Retry-After"))
	if h.Get("X-Ratelimit-Remaining") == "0" {
		reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
		switch {
		case told:
			return after, true, true
		case err == nil:
			return time.Unix(reset, 0).Sub(now), true, true
		}
		return defaultPause, true, true
	}
	if told {
		return after, false, true
	}
	said := strings.ToLower(message)
	return 0, false, status == http.StatusTooManyRequests ||
		strings.Contains(said, "secondary rate limit") || strings.Contains(said, "abuse detection") ||
		strings.Contains(said, "login attempts exceeded")
}

// seconds reads a header that holds a number of seconds.
func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return max(time.Duration(min(n, int64(maxWait/time.Second)))*time.Second, time.Second), true
}
