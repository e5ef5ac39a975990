package main

import (
	"sync"
	"time"
)

// retirements are the ends of what has been replaced and may still be in use for
// a moment: each comes when its time is over, or when everything ends. The zero
// value is ready for use, by several goroutines.
type retirements struct {
	mu      sync.Mutex
	pending map[*retiree]struct{}
}

type retiree struct {
	end   func()
	timer *time.Timer
	done  chan struct{} // closed when an end that the timer began has come
}

// add has end called after d, in the background.
func (r *retirements) add(d time.Duration, end func()) {
	p := &retiree{end: end, done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = map[*retiree]struct{}{}
	}
	r.pending[p] = struct{}{}
	p.timer = time.AfterFunc(d, func() {
		p.end()
		close(p.done)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pending, p)
	})
}

// end calls what is left at once, and last, side by side: each may take a while.
// It returns when all of them have come to their end, those included that had
// begun.
func (r *retirements) end(last func()) {
	var ends sync.WaitGroup
	ends.Go(last)
	r.mu.Lock()
	for p := range r.pending {
		if p.timer.Stop() {
			ends.Go(p.end)
		} else {
			ends.Go(func() { <-p.done })
		}
	}
	clear(r.pending)
	r.mu.Unlock()
	ends.Wait()
}
