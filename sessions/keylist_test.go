package sessions_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/gateward/gateward/sessions"
)

// keyList is the part of a backend that a Denylist reads.
type keyList struct {
	sessions.Users // nothing else is asked

	mu      sync.Mutex
	keys    map[sessions.Key]bool
	err     error
	reads   int
	waiting chan chan struct{} // not nil: each reading, once it has the list, waits until what it sends here is closed
}

func listOf(keys ...sessions.Key) *keyList {
	l := &keyList{keys: map[sessions.Key]bool{}}
	for _, k := range keys {
		l.keys[k] = true
	}
	return l
}

func (l *keyList) DisabledKeys(ctx context.Context) ([]sessions.Key, error) {
	l.mu.Lock()
	l.reads++
	all, err, waiting := slices.Collect(maps.Keys(l.keys)), l.err, l.waiting
	l.mu.Unlock()
	if waiting != nil {
		release := make(chan struct{})
		for _, c := range []func() bool{
			func() bool {
				select {
				case waiting <- release:
					return true
				case <-ctx.Done():
					return false
				}
			},
			func() bool {
				select {
				case <-release:
					return true
				case <-ctx.Done():
					return false
				}
			},
		} {
			if !c() {
				return nil, ctx.Err()
			}
		}
	}
	return all, err
}

func (l *keyList) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// read returns how often the list has been read since it was asked last.
func (l *keyList) read() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.reads
	l.reads = 0
	return n
}

// hold makes the readings wait, from the next one on.
func (l *keyList) hold() chan chan struct{} {
	waiting := make(chan chan struct{})
	l.set(func() { l.waiting = waiting })
	return waiting
}
