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
	// maxLimited bounds how many people are remembered who must wait.
	maxLimited = 10_000
)

// limits remembers until when GitHub wants to be left alone: by one person after a
// primary limit, which is the person's. A secondary one can be a person's, too, who
// must not be able to keep everybody else waiting, or ours: it is taken for ours
// when a second person meets one while the first has to wait. The keys are those of
// [granted.key].
type limits struct {
	now func() time.Time

	mu     sync.Mutex
	all    time.Time
	first  digest    // who met a secondary limit before any other
	until  time.Time // when that one need not wait any longer
	streak int       // secondary limits since the last success
	people map[digest]time.Time
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, people: map[digest]time.Time{}}
}

// left returns how long nothing is to be asked about a person, zero if it may be,
// and whether others may be asked about.
func (l *limits) left(key digest) (wait time.Duration, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	all, mine := l.all.Sub(now), l.people[key].Sub(now)
	return max(all, mine, 0), all <= 0 && mine > 0
}

// succeed ends a streak of secondary limits.
func (l *limits) succeed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streak = 0
}

// hold keeps one person back, and returns for how long.
func (l *limits) hold(key digest, wait time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = min(max(wait, time.Second), maxWait)
	l.keep(key, wait)
	return wait
}

// keep notes how long a person has to wait.
func (l *limits) keep(key digest, wait time.Duration) {
	now := l.now()
	if len(l.people) >= maxLimited {
		for k, until := range l.people {
			if !until.After(now) {
				delete(l.people, k)
			}
		}
	}
	if len(l.people) < maxLimited {
		l.people[key] = now.Add(wait)
	}
}

// holdSecondary keeps back who has met a secondary limit, or everything if that is
// not the only one, and returns for how long, and whether it is the only one. A wait
// of zero: GitHub does not say.
func (l *limits) holdSecondary(key digest, wait time.Duration) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait <= 0 {
		wait = min(defaultPause<<min(l.streak, 4), maxPause)
	}
	wait = min(wait, maxWait)
	// Requests that were on their way together are one limit, not several.
	if !l.until.After(now) && !l.all.After(now) {
		l.streak++
	}
	if !l.until.After(now) {
		l.first = key
	}
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
	if l.first == key {
		l.keep(key, wait)
		return wait, !l.all.After(now)
	}
	if until := now.Add(wait); until.After(l.all) {
		l.all = until
	}
	return l.all.Sub(now), false
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
