package loginsvc

import (
	"container/list"
	"sync"
	"time"
)

// maxLimited bounds the keys that a limiter remembers.
const maxLimited = 50_000

// A limitKey is what is counted together: one step of logins with one provider,
// from one client address.
type limitKey struct{ step, login, address string }

// A limiter is a token bucket for each key: as many at once as a minute
// allows, which come back evenly (the generic cell rate algorithm). Its memory is
// bounded: what has not been seen for longest is forgotten first, and that only
// allows more. Safe for concurrent use.
type limiter struct {
	every  time.Duration // after which one more is allowed
	window time.Duration // that the bucket is full after

	mu    sync.Mutex
	known map[limitKey]*list.Element // of *bucket
	order *list.List                 // last seen first
}

type bucket struct {
	of limitKey
	// full is when nothing of what was taken counts any longer.
	full time.Time
	// told: the key has been refused since something was last allowed.
	told bool
}

// newLimiter returns a limiter, or nil, which limits nothing, if perMinute is not
// above zero.
func newLimiter(perMinute int) *limiter {
	if perMinute <= 0 {
		return nil
	}
	every := time.Minute / time.Duration(perMinute)
	return &limiter{
		every: every, window: every * time.Duration(perMinute), known: map[limitKey]*list.Element{}, order: list.New(),
	}
}

// take counts one more of k at now. If that is one too many, wait is after how
// long there is room again, and first reports whether it is the first one refused
// since something was allowed.
func (l *limiter) take(k limitKey, now time.Time) (wait time.Duration, first bool) {
	if l == nil {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketOf(k)
	// The clock may have been put back: nobody waits for longer than the window.
	taken := min(max(b.full.Sub(now), 0), l.window)
	if wait := taken + l.every - l.window; wait > 0 {
		first, b.told = !b.told, true
		return wait, first
	}
	b.full, b.told = now.Add(taken+l.every), false
	return 0, false
}

// bucketOf returns the bucket of k, and remembers that it was seen.
func (l *limiter) bucketOf(k limitKey) *bucket {
	if e, ok := l.known[k]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*bucket) //nolint:errcheck // nothing else is in the list
	}
	if len(l.known) >= maxLimited {
		oldest := l.order.Back()
		delete(l.known, l.order.Remove(oldest).(*bucket).of) //nolint:errcheck // as above
	}
	b := &bucket{of: k}
	l.known[k] = l.order.PushFront(b)
	return b
}
