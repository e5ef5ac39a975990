package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

func markChecks() []check {
	return []check{
		{name: "MarkedUnknown", run: markedUnknown},
		{name: "MarkNames", run: markNames},
		{name: "MarkLaterTimeStays", run: markLaterTimeStays},
		{name: "MarkLatestOfManyStays", run: func(t *testing.T, f *fixture) { markOfMany(t, f.clock, f.Backend) }},
		{name: "MarkToTheMicrosecond", run: markToTheMicrosecond},
		{name: "MarkIsForgotten", run: markIsForgotten, storageClock: true},
		{name: "MarkLaterUntilStays", run: markLaterUntilStays, storageClock: true},
	}
}

func mark(t *testing.T, b sessions.Backend, name string, at, until time.Time) {
	t.Helper()
	is(t, "mark", b.Mark(t.Context(), name, at, until), nil)
}

// marked requires that name happened at that time, or not at all.
func marked(t *testing.T, b sessions.Backend, name string, want time.Time) {
	t.Helper()
	at, err := b.Marked(t.Context(), name)
	is(t, "marked", err, nil)
	if at != want { // in UTC, too
		t.Errorf("%.20q: marked at %v, want %v", name, at, want)
	}
}

func markedUnknown(t *testing.T, f *fixture) {
	now := f.clock.now()
	use(t, f.Backend, "a", now.Add(time.Hour))
	held(t, f.Backend)
	marked(t, f.Backend, "a", time.Time{})
	mark(t, f.Backend, "b", now, now.Add(time.Hour))
	marked(t, f.Backend, "a", time.Time{})
	if !use(t, f.Backend, "b", now.Add(time.Hour)) {
		t.Error("what was marked is used")
	}
}

func markNames(t *testing.T, f *fixture) {
	names := []string{"a", "b", "A", "a:b", "a\x00b", "*", "{a}", "ü \n", "", strings.Repeat("a", 10_000), strings.Repeat("a", 10_001)}
	at := func(i int) time.Time { return f.clock.now().Add(time.Duration(i) * time.Second) }
	for i, name := range names {
		marked(t, f.Backend, name, time.Time{})
		mark(t, f.Backend, name, at(i), at(0).Add(time.Hour))
	}
	for i, name := range names {
		marked(t, f.Backend, name, at(i))
	}
}

func markLaterTimeStays(t *testing.T, f *fixture) {
	now := f.clock.now()
	until := now.Add(time.Hour)
	for _, step := range []struct{ at, want time.Duration }{
		{0, 0},
		{-time.Microsecond, 0},
		{-time.Minute, 0},
		{0, 0},
		{time.Microsecond, time.Microsecond},
		{time.Minute, time.Minute},
		{time.Second, time.Minute},
	} {
		mark(t, f.Backend, "a", now.Add(step.at), until)
		marked(t, f.Backend, "a", now.Add(step.want))
	}
}

func markOfMany(t *testing.T, k *clock, backends ...sessions.Backend) {
	now := k.now()
	at := func(i int) time.Time { return now.Add(time.Duration(i*7%12) * time.Microsecond) } // each once
	together(12, func(i int) {
		b := backends[i%len(backends)]
		mark(t, b, "a", at(i), now.Add(time.Hour))
		if last, err := b.Marked(t.Context(), "a"); err != nil || last.Before(at(i)) {
			t.Errorf("marked at %v, %v, although it was at %v", last, err, at(i))
		}
	})
	for _, b := range backends {
		marked(t, b, "a", now.Add(11*time.Microsecond))
	}
}

func markToTheMicrosecond(t *testing.T, f *fixture) {
	now := f.clock.now()
	mark(t, f.Backend, "a", now.Add(999).In(time.FixedZone("elsewhere", 5*3600)), now.Add(time.Hour))
	marked(t, f.Backend, "a", now)
}

func markIsForgotten(t *testing.T, f *fixture) {
	now := f.clock.now()
	mark(t, f.Backend, "a", now, now.Add(time.Minute))
	f.clock.advance(time.Minute - time.Second)
	marked(t, f.Backend, "a", now)
	f.clock.advance(2 * time.Second)
	marked(t, f.Backend, "a", time.Time{})
	mark(t, f.Backend, "a", now.Add(-time.Second), now.Add(time.Hour)) // nothing is later any more
	marked(t, f.Backend, "a", now.Add(-time.Second))
}

func markLaterUntilStays(t *testing.T, f *fixture) {
	now := f.clock.now()
	mark(t, f.Backend, "a", now, now.Add(2*time.Minute))
	mark(t, f.Backend, "a", now.Add(time.Second), now.Add(time.Minute)) // later, and forgotten sooner
	mark(t, f.Backend, "b", now.Add(time.Second), now.Add(time.Minute))
	mark(t, f.Backend, "b", now, now.Add(2*time.Minute))
	f.clock.advance(time.Minute + time.Second)
	marked(t, f.Backend, "a", now.Add(time.Second))
	marked(t, f.Backend, "b", now.Add(time.Second))
	f.clock.advance(time.Minute)
	marked(t, f.Backend, "a", time.Time{})
	marked(t, f.Backend, "b", time.Time{})
}
