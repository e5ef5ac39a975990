package sessions

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// denylistTimeout bounds one reading of the list.
	denylistTimeout = 5 * time.Second
	// denylistEvery is how often the list is read although nothing was heard,
	// denylistDeaf how often while nothing can be heard, denylistRetry after how
	// long when that has failed.
	denylistEvery = time.Minute
	denylistDeaf  = 2 * time.Second
	denylistRetry = time.Second
)

// A Denylist knows which users are disabled, for every check to ask: it is all in
// memory, and follows what the replicas tell one another. It is a [Listener] of
// the backend's [Bus], and for the rest reads the list itself. Safe for concurrent
// use; asking it takes no lock.
type Denylist struct {
	users  Users
	logger *slog.Logger

	keys  atomic.Pointer[map[Key]struct{}] // nil: not known yet
	wake  chan struct{}                    // capacity 1: the list is to be read
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	denied  []Key // heard since the last reading began, which may have missed it
	hearing bool
}

// NewDenylist returns a Denylist of the disabled users. Close ends what it does in
// the background. The caller subscribes it to the bus.
func NewDenylist(users Users, logger *slog.Logger) *Denylist {
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // what runs in the background ends with Close
	d := &Denylist{users: users, logger: logger, wake: make(chan struct{}, 1), stop: stop, ended: make(chan struct{})}
	go d.follow(ctx)
	return d
}

// Close ends what d does in the background. What it knows stays.
func (d *Denylist) Close() {
	d.stop()
	<-d.ended
}

// Known reports whether the list has been read at all.
func (d *Denylist) Known() bool { return d.keys.Load() != nil }

// Empty reports whether nobody is disabled, as far as is known.
func (d *Denylist) Empty() bool {
	keys := d.keys.Load()
	return keys == nil || len(*keys) == 0
}

// Denies reports whether k is [KeyOfUser] or [KeyOfPrincipal] of a disabled user.
func (d *Denylist) Denies(k Key) bool {
	keys := d.keys.Load()
	if keys == nil {
		return false
	}
	_, denied := (*keys)[k]
	return denied
}

// Revoked implements [Listener]. Who is disabled is denied when it returns.
func (d *Denylist) Revoked(r Revocation) {
	if len(r.Denied) == 0 && !r.Users {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.denied = append(d.denied, r.Denied...)
	if old := d.keys.Load(); old != nil && len(r.Denied) > 0 {
		keys := maps.Clone(*old)
		for _, k := range r.Denied {
			keys[k] = struct{}{}
		}
		d.keys.Store(&keys)
	}
	d.read()
}

// Hearing implements [Listener].
func (d *Denylist) Hearing(ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hearing = ok
	d.read() // something may have been missed
}

// read has the list read soon.
func (d *Denylist) read() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *Denylist) follow(ctx context.Context) {
	defer close(d.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.wake:
			if failed && !sleep(ctx, denylistRetry) {
				return
			}
		}
		err := d.load(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			d.logger.LogAttrs(ctx, slog.LevelWarn, "list of disabled users cannot be read", slog.String("err", err.Error()))
		}
		failed = err != nil
		timer.Reset(d.pause(failed))
	}
}

func (d *Denylist) pause(failed bool) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case failed:
		return denylistRetry
	case !d.hearing:
		return denylistDeaf
	}
	return denylistEvery
}

// load reads the list. What is heard meanwhile has it read again: wake is empty
// when it begins, or makes for one reading too many.
func (d *Denylist) load(ctx context.Context) error {
	d.mu.Lock()
	d.denied = nil
	d.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, denylistTimeout)
	defer cancel()
	all, err := d.users.DisabledKeys(limited)
	if err != nil {
		return err
	}
	keys := make(map[Key]struct{}, len(all))
	for _, k := range all {
		keys[k] = struct{}{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.denied {
		keys[k] = struct{}{}
	}
	d.keys.Store(&keys)
	return nil
}

// sleep waits for t, and reports whether ctx has not ended before.
func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
