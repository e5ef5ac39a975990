package github

import (
	"testing"
	"time"
)

// TestSEC_E08_LimitsThatAreOurs: what was asked before a limit was met says nothing
// about it, and whoever has met one since everything is held cannot tell whether
// that is right.
func TestSEC_E08_LimitsThatAreOurs(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLimits(func() time.Time { return now })
	held := func(what, who string, want bool) {
		t.Helper()
		if wait, own := l.enter(who, true); (wait > 0) != want || own {
			t.Errorf("%s: %v, own %v", what, wait, own)
		}
	}
	early := now
	now = now.Add(time.Second)
	l.holdSecondary("1", time.Minute)
	l.holdSecondary("1", time.Minute)
	held("who is not the one that has met two", "3", false)
	l.answered(early, true)
	l.answered(now.Add(time.Second), false)
	l.holdSecondary("2", time.Hour)
	l.answered(early, true)
	l.answered(now, true)
	if wait, own := l.left("1", true); wait != time.Hour || !own {
		t.Errorf("the first of the two: %v, own %v", wait, own)
	}
	held("asked earlier", "3", true)
	now = now.Add(probeEvery)
	held("who has met one, and need not wait for that any longer", "1", true)
	held("who has met none", "3", false)
	held("one at a time", "4", true)
	now = now.Add(probeEvery)
	held("the next", "4", false)
	l.holdSecondary("4", time.Second)
	now = now.Add(probeEvery)
	held("who has shown that it is so", "4", true)
	held("the next but one", "5", false)
	l.answered(now, true)
	held("not so any longer", "1", false)
	if wait, own := l.left("2", true); wait <= 0 || !own {
		t.Errorf("a limit that was the person's: %v, own %v", wait, own)
	}
	if wait, _ := l.left("", false); wait > 0 {
		t.Errorf("a login waits %v", wait)
	}
}
