package file

import (
	"context"
	"slices"
	"sync"

	"github.com/gateward/gateward/sessions"
)

// A bus tells the listeners of this process, and there are no others: who
// listens hears everything at once.
type bus struct {
	mu        sync.Mutex
	listeners []*listener // replaced, never written to
}

type listener struct{ sessions.Listener }

// Publish implements [sessions.Bus].
func (b *bus) Publish(_ context.Context, r sessions.Revocation) error {
	b.tell(r)
	return nil
}

func (b *bus) tell(r sessions.Revocation) {
	b.mu.Lock()
	all := b.listeners
	b.mu.Unlock()
	for _, l := range all {
		l.Revoked(r)
	}
}

// Subscribe implements [sessions.Bus].
func (b *bus) Subscribe(to sessions.Listener) (cancel func()) {
	l := &listener{to}
	b.mu.Lock()
	b.listeners = append(slices.Clone(b.listeners), l)
	b.mu.Unlock()
	l.Hearing(true)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listeners = slices.DeleteFunc(slices.Clone(b.listeners), func(o *listener) bool { return o == l })
	}
}
