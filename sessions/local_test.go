package sessions_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

// notes is a listener that writes down what it is told.
type notes struct {
	mu      sync.Mutex
	revoked int
	hearing []bool
	then    func() // what it does when it hears of a revocation
}

func (n *notes) Revoked(sessions.Revocation) {
	n.mu.Lock()
	n.revoked++
	n.mu.Unlock()
	if n.then != nil {
		n.then()
	}
}

func (n *notes) Hearing(ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hearing = append(n.hearing, ok)
}

func TestLocalBus(t *testing.T) {
	t.Parallel()
	var b sessions.LocalBus
	b.Tell(sessions.Revocation{All: true}) // nobody listens
	first, second := &notes{}, &notes{}
	cancelFirst := b.Subscribe(first)
	defer b.Subscribe(second)()
	if len(first.hearing) != 1 || !first.hearing[0] {
		t.Errorf("told %v when it began to listen, want that it hears", first.hearing)
	}
	if err := b.Publish(t.Context(), sessions.Revocation{All: true}); err != nil {
		t.Fatal(err)
	}
	cancelFirst()
	cancelFirst() // harmless
	b.Tell(sessions.Revocation{All: true})
	if first.revoked != 1 || second.revoked != 2 || len(first.hearing) != 1 {
		t.Errorf("heard of %d and %d revocations, want 1 and 2; %v", first.revoked, second.revoked, first.hearing)
	}
}

// The same listener twice is two subscriptions, which end one by one; and a
// listener may leave, or others come, while it is told.
func TestLocalBus_ChangesWhileTelling(t *testing.T) {
	t.Parallel()
	var b sessions.LocalBus
	l, late := &notes{}, &notes{}
	cancel := b.Subscribe(l)
	defer b.Subscribe(l)()
	l.then = sync.OnceFunc(func() {
		cancel()
		b.Subscribe(late)
	})
	b.Tell(sessions.Revocation{All: true})
	b.Tell(sessions.Revocation{All: true})
	if l.revoked != 3 || late.revoked != 1 {
		t.Errorf("heard %d and %d times, want 3 and 1", l.revoked, late.revoked)
	}
}

func TestLocalLeases(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	ls := sessions.NewLocalLeases(func() time.Time { return now })
	acquire := func(name string, free bool) sessions.Lease {
		t.Helper()
		l, err := ls.Acquire(t.Context(), name, time.Minute)
		if err != nil || (l != nil) != free {
			t.Fatalf("%s after %v: %v, %v; want it free: %v", name, now, l, err, free)
		}
		return l
	}
	renew := func(l sessions.Lease, held bool) {
		t.Helper()
		if got, err := l.Renew(t.Context(), time.Minute); err != nil || got != held {
			t.Fatalf("renewed %v, %v, want %v", got, err, held)
		}
	}
	old := acquire("a", true)
	acquire("a", false)
	acquire("b", true)
	now = now.Add(time.Minute - 1)
	renew(old, true)
	now = now.Add(time.Minute - 1)
	acquire("a", false)
	now = now.Add(1) // over at its end, and not after it
	renew(old, false)
	next := acquire("a", true)
	renew(old, false)
	if err := old.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	acquire("a", false) // it was not old's to give up
	if err := next.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	renew(next, false)
	acquire("a", true)
}

func TestLocalLeases_Sweep(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	ls := sessions.NewLocalLeases(func() time.Time { return now })
	for i := range 100 {
		if _, err := ls.Acquire(t.Context(), strconv.Itoa(i), time.Duration(i+1)*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(60 * time.Second)
	ls.Sweep()
	if n := ls.Len(); n != 40 {
		t.Errorf("%d leases, want the 40 that are not over", n)
	}
	if l, err := ls.Acquire(t.Context(), "99", time.Second); l != nil || err != nil {
		t.Errorf("got %v, %v, want what is held to be held", l, err)
	}
}
