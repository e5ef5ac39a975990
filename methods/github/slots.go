package github

import (
	"context"
	"sync"
)

const (
	// maxConcurrent is how many requests to the API go on at once, for logins and
	// for sessions each. GitHub counts what is asked at the same time among its
	// secondary limits.
	maxConcurrent = 4
	// maxOwn is how many of these are about one person.
	maxOwn = 2
)

// slots bounds how many requests go on at once. Logins and sessions have their own,
// so that no stranger's logins take the time in which members are asked about; and
// one person does not fill them alone, with however many sessions.
type slots struct {
	free chan struct{}

	mu     sync.Mutex
	people map[string]*turns // by subject; only of whom there is a request
}

// turns are the requests about one person.
type turns struct {
	free chan struct{}
	// using is how many requests go on or wait, answers how many had a proper answer.
	// Both are guarded by the mutex of slots.
	using, answers int
}

func newSlots() *slots {
	return &slots{free: make(chan struct{}, maxConcurrent), people: map[string]*turns{}}
}

// turn waits until there may be one more request about who, "" if that is not known,
// and returns what has to be called after it: answered says that GitHub gave a
// proper answer. late: others about the same person were answered meanwhile, so that
// they are why it took time, and not GitHub. The error is the context's.
func (s *slots) turn(ctx context.Context, who string) (end func(answered bool), late bool, err error) {
	own, before := s.enter(who)
	select {
	case own.free <- struct{}{}:
	case <-ctx.Done():
		return nil, s.leave(who, own, false) > before, ctx.Err()
	}
	return func(answered bool) {
		s.leave(who, own, answered)
		<-own.free
	}, s.answers(own) > before, nil
}

// take waits for a slot, which give gives back. The error is the context's.
func (s *slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slots) give() { <-s.free }

// enter returns the turns of one person, and how many have been answered.
func (s *slots) enter(who string) (own *turns, answers int) {
	if who == "" {
		return &turns{free: make(chan struct{}, 1)}, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own = s.people[who]
	if own == nil {
		own = &turns{free: make(chan struct{}, maxOwn)}
		s.people[who] = own
	}
	own.using++
	return own, own.answers
}

func (s *slots) answers(own *turns) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return own.answers
}

// leave undoes enter, and returns how many have been answered.
func (s *slots) leave(who string, own *turns, answered bool) int {
	if who == "" {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered {
		own.answers++
	}
	if own.using--; own.using == 0 {
		delete(s.people, who)
	}
	return own.answers
}
