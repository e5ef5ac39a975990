package storetest

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

func coordinationChecks() []check {
	return []check{
		{name: "UseOnce", run: useOnce},
		{name: "UseOneOfManyIsFirst", run: func(t *testing.T, f *fixture) { useOneOfMany(t, f.Backend) }},
		{name: "UseIsForgotten", run: useIsForgotten, storageClock: true},
		{name: "LeaseIsExclusive", run: leaseIsExclusive},
		{name: "LeaseOneOfManyGetsIt", run: func(t *testing.T, f *fixture) { leaseOneOfMany(t, f.Backend) }},
		{name: "LeaseEnds", run: leaseEnds, storageClock: true},
		{name: "LeaseIsRenewed", run: leaseIsRenewed, storageClock: true},
		{name: "LeaseLostIsLost", run: leaseLost, storageClock: true},
		{name: "KeyIsMadeOnce", run: keyIsMadeOnce},
		{name: "KeyOfManyIsOne", run: func(t *testing.T, f *fixture) { keyOfMany(t, f.Backend) }},
	}
}

// together runs f n times at once, and waits.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

func use(t *testing.T, b sessions.Backend, name string, until time.Time) bool {
	t.Helper()
	first, err := b.Use(t.Context(), name, until)
	is(t, "use", err, nil)
	return first
}

func useOnce(t *testing.T, f *fixture) {
	until := f.clock.now().Add(time.Minute)
	for _, name := range []string{"a", "b", "A", "a:b", "a\x00b", "*", "{a}", "ü \n", strings.Repeat("a", 10_000)} {
		if !use(t, f.Backend, name, until) {
			t.Errorf("%.20q: not the first, although it is", name)
		}
		if use(t, f.Backend, name, until) {
			t.Errorf("%.20q: the first twice", name)
		}
	}
}

func useOneOfMany(t *testing.T, backends ...sessions.Backend) {
	until := time.Now().Add(24 * time.Hour)
	for _, name := range []string{"a", "b", "c"} {
		var first atomic.Int32
		together(12, func(i int) {
			if use(t, backends[i%len(backends)], name, until) {
				first.Add(1)
			}
		})
		if n := first.Load(); n != 1 {
			t.Errorf("%s: %d are the first, want 1", name, n)
		}
	}
}

func useIsForgotten(t *testing.T, f *fixture) {
	until := f.clock.now().Add(time.Minute)
	use(t, f.Backend, "a", until)
	f.clock.advance(time.Minute - time.Second)
	if use(t, f.Backend, "a", until) {
		t.Error("forgotten too early")
	}
	f.clock.advance(2 * time.Second)
	if !use(t, f.Backend, "a", f.clock.now().Add(time.Minute)) {
		t.Error("not forgotten")
	}
}

// acquire returns a lease, nil if it is somebody else's.
func acquire(t *testing.T, b sessions.Backend, name string) sessions.Lease {
	t.Helper()
	l, err := b.Acquire(t.Context(), name, time.Minute)
	is(t, "acquire", err, nil)
	return l
}

func renew(t *testing.T, l sessions.Lease, want bool) {
	t.Helper()
	held, err := l.Renew(t.Context(), time.Minute)
	is(t, "renew", err, nil)
	if held != want {
		t.Errorf("renew: held %v, want %v", held, want)
	}
}

func free(t *testing.T, b sessions.Backend, name string, want bool) {
	t.Helper()
	l := acquire(t, b, name)
	if (l != nil) != want {
		t.Errorf("the lease is free: %v, want %v", l != nil, want)
	}
	if l != nil {
		is(t, "release", l.Release(t.Context()), nil)
	}
}

// held takes the lease that is called a, which is free.
func held(t *testing.T, b sessions.Backend) sessions.Lease {
	t.Helper()
	l := acquire(t, b, "a")
	if l == nil {
		t.Fatal("the lease is not free")
	}
	return l
}

func leaseIsExclusive(t *testing.T, f *fixture) {
	l := held(t, f.Backend)
	free(t, f.Backend, "a", false)
	free(t, f.Backend, "b", true)
	is(t, "release", l.Release(t.Context()), nil)
	free(t, f.Backend, "a", true)
	renew(t, l, false)
	free(t, f.Backend, "a", true)
	is(t, "release again", l.Release(t.Context()), nil)
}

func leaseOneOfMany(t *testing.T, backends ...sessions.Backend) {
	for _, name := range []string{"a", "b", "c"} {
		var got atomic.Int32
		together(12, func(i int) {
			if acquire(t, backends[i%len(backends)], name) != nil {
				got.Add(1)
			}
		})
		if n := got.Load(); n != 1 {
			t.Errorf("%s: %d hold the lease, want 1", name, n)
		}
	}
}

func leaseEnds(t *testing.T, f *fixture) {
	l := held(t, f.Backend)
	f.clock.advance(time.Minute - time.Second)
	free(t, f.Backend, "a", false)
	f.clock.advance(2 * time.Second)
	renew(t, l, false)
	free(t, f.Backend, "a", true)
}

func leaseIsRenewed(t *testing.T, f *fixture) {
	l := held(t, f.Backend)
	for range 3 {
		f.clock.advance(50 * time.Second)
		renew(t, l, true)
		free(t, f.Backend, "a", false)
	}
	f.clock.advance(time.Minute + time.Second)
	free(t, f.Backend, "a", true)
}

func leaseLost(t *testing.T, f *fixture) {
	lost := held(t, f.Backend)
	f.clock.advance(time.Minute + time.Second)
	l := held(t, f.Backend)
	renew(t, lost, false)
	is(t, "release", lost.Release(t.Context()), nil)
	free(t, f.Backend, "a", false)
	renew(t, l, true)
	is(t, "release", l.Release(t.Context()), nil)
	free(t, f.Backend, "a", true)
}

func key(t *testing.T, b sessions.Backend, name string) []byte {
	t.Helper()
	k, err := b.Key(t.Context(), name)
	is(t, "key", err, nil)
	return k
}

func keyIsMadeOnce(t *testing.T, f *fixture) {
	a, b := key(t, f.Backend, "a"), key(t, f.Backend, "b")
	for _, k := range [][]byte{a, b} {
		if len(k) != 32 || bytes.Equal(k, make([]byte, 32)) {
			t.Errorf("key: got %d bytes, want 32 random ones", len(k))
		}
	}
	if bytes.Equal(a, b) {
		t.Error("two keys are one")
	}
	f.clock.advance(365 * 24 * time.Hour) // a key does not expire
	if !bytes.Equal(key(t, f.Backend, "a"), a) || !bytes.Equal(key(t, f.Backend, "b"), b) {
		t.Error("a key changed")
	}
	again := key(t, f.Backend, "a")
	clear(again)
	if !bytes.Equal(key(t, f.Backend, "a"), a) {
		t.Error("a caller changed a key")
	}
}

func keyOfMany(t *testing.T, backends ...sessions.Backend) {
	var keys [12][]byte
	together(len(keys), func(i int) { keys[i] = key(t, backends[i%len(backends)], "a") })
	for i := range keys {
		if !bytes.Equal(keys[i], keys[0]) || len(keys[i]) != 32 {
			t.Errorf("caller %d has another key than caller 0", i)
		}
	}
}
