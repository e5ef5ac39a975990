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
	// probeEvery is how often somebody is asked about although everything is held.
	probeEvery = 5 * time.Minute
	// maxLimited bounds how many people are remembered who must wait.
	maxLimited = 10_000
)

// limits remembers until when GitHub wants to be left alone: by one person after a
// primary limit, which is the person's. A secondary one can be a person's, too, who
// must not be able to keep everybody else waiting, or ours. It is taken for ours
// when the sessions of two people meet one and GitHub answers nobody in between.
// Then other sessions have to wait, but for one now and then that shows whether it
// is so: if not, no limit is taken for ours for a while. Logins are a stranger's as
// far as is known, who has as many tokens and accounts as they like: what they meet
// is nobody else's, and nothing keeps them waiting but the person's own limit.
//
// People are named by their subject; "" is somebody who is not known yet, of whom
// nothing is remembered.
type limits struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]time.Time
	first  string    // who met a secondary limit before any other
	until  time.Time // when that is forgotten
	met    time.Time // when a session last met one
	streak int       // secondary limits since the last proper answer
	all    time.Time // until when everything is held
	began  time.Time // when that began
	probe  time.Time // when one more may be asked about all the same
	calm   time.Time // until when no limit is taken for ours
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, people: map[string]time.Time{}}
}

// left returns how long nothing is to be asked about a person, zero if it may be,
// and whether that is the person's own limit. session says that there is one, and
// not only a login.
func (l *limits) left(who string, session bool) (wait time.Duration, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait, own, _ = l.remaining(who, session)
	return wait, own
}

// enter is [limits.left] for a request that is made at once if there is nothing to
// wait for.
func (l *limits) enter(who string, session bool) (wait time.Duration, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait, own, probing := l.remaining(who, session)
	if probing {
		l.probe = l.now().Add(probeEvery)
	}
	return wait, own
}

// remaining returns what left does, and whether it is to be found out by this
// request if everything still has to be held. Who has met a limit themselves since
// that began cannot tell. mu is held.
func (l *limits) remaining(who string, session bool) (wait time.Duration, own, probing bool) {
	now := l.now()
	all, mine := l.all.Sub(now), l.people[who].Sub(now)
	switch {
	case mine > 0:
		if session {
			mine = max(mine, all)
		}
		return mine, true, false
	case all <= 0 || !session:
		return 0, false, false
	case !now.Before(l.probe) && !l.people[who].After(l.began):
		return 0, false, true
	}
	return all, false, false
}

// answered ends a streak of secondary limits. asked is when the request was made
// that GitHub has answered; given: with what was asked for, which it does not do
// while it wants to be left alone by us.
func (l *limits) answered(asked time.Time, given bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streak = 0
	if !given || !asked.After(l.met) {
		return
	}
	if now := l.now(); l.all.After(now) {
		l.calm = now.Add(maxWait)
	}
	l.until, l.all = time.Time{}, time.Time{}
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

// holdSecondary keeps back whose session has met a secondary limit, and everything
// if others' have, too, and returns for how long. A wait of zero: GitHub does not
// say.
func (l *limits) holdSecondary(who string, wait time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait <= 0 {
		wait = min(defaultPause<<min(l.streak, 4), maxPause)
	}
	wait = min(wait, maxWait)
	held, met := l.all.After(now), l.until.After(now)
	// Requests that were on their way together are one limit, not several.
	if !held && !met {
		l.streak++
	}
	if !met {
		l.first = who
	}
	l.met = now
	l.keep(who, wait)
	end := now.Add(wait)
	if end.After(l.until) {
		l.until = end
	}
	if !held && met && l.first != who && !l.calm.After(now) {
		held, l.began, l.probe = true, now, now.Add(probeEvery)
	}
	if held && end.After(l.all) {
		l.all = end
	}
	return max(wait, l.all.Sub(now))
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
