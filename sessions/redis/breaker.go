package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// failuresUntilDown is after how many failures in a row Redis counts as down.
	failuresUntilDown = 8
	firstProbe        = 20 * time.Millisecond
	lastProbe         = time.Second
)

// errDown is why an operation fails at once.
var errDown = errors.New("the last operations failed, and the server does not answer yet")

// A breaker keeps callers from waiting, one after the other, for a server that
// is not there: after some failures in a row all fail at once, until a probe in
// the background has had an answer.
type breaker struct {
	failures atomic.Int32
	down     atomic.Bool
	// probe asks the server once; spawn runs f in the background until the store
	// is closed.
	probe func(ctx context.Context) error
	spawn func(f func(ctx context.Context))
}

func (b *breaker) allows() bool { return !b.down.Load() }

// report tells how an operation has ended. A server that answers with an error
// is there, and a caller that went away says nothing.
func (b *breaker) report(err error) {
	switch {
	case err == nil || isAnswer(err):
		b.failures.Store(0)
	case errors.Is(err, context.Canceled):
	default:
		if b.failures.Add(1) >= failuresUntilDown && b.down.CompareAndSwap(false, true) {
			b.spawn(b.recover)
		}
	}
}

func (b *breaker) recover(ctx context.Context) {
	wait := firstProbe
	for b.probe(ctx) != nil {
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, lastProbe)
	}
	b.failures.Store(0)
	b.down.Store(false)
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
