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
		if wait, own := l.enter(opUser, who, true); (wait > 0) != want || own {
			t.Errorf("%s: %v, own %v", what, wait, own)
		}
	}
	early := now
	now = now.Add(time.Second)
	l.holdSecondary(opUser, "1", time.Minute)
	l.holdSecondary(opUser, "1", time.Minute)
	held("who is not the one that has met two", "3", false)
	l.answered(opUser, early, true)
	l.answered(opUser, now.Add(time.Second), false)
	l.holdSecondary(opUser, "2", time.Hour)
	l.answered(opUser, early, true)
	l.answered(opUser, now, true)
	if wait, own := l.left(opUser, "1", true); wait != time.Hour || !own {
		t.Errorf("the first of the two: %v, own %v", wait, own)
	}
	held("asked earlier", "3", true)
	now = now.Add(probeEvery)
	held("who has met one, and need not wait for that any longer", "1", true)
	held("who has met none", "3", false)
	held("one at a time", "4", true)
	now = now.Add(probeEvery)
	held("the next", "4", false)
	l.holdSecondary(opUser, "4", time.Second)
	now = now.Add(probeEvery)
	held("who has shown that it is so", "4", true)
	held("the next but one", "5", false)
	l.answered(opUser, now, true)
	held("not so any longer", "1", false)
	if wait, own := l.left(opUser, "2", true); wait <= 0 || !own {
		t.Errorf("a limit that was the person's: %v, own %v", wait, own)
	}
	if wait, _ := l.left(opUser, "", false); wait > 0 {
		t.Errorf("a login waits %v", wait)
	}
}

// TestSEC_E08_LimitsOfOneOperation hold nothing else, and no answer to anything else
// ends them; a single membership is one with the list of them.
func TestSEC_E08_LimitsOfOneOperation(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLimits(func() time.Time { return now })
	l.holdSecondary(opOrganizations, "1", time.Hour)
	l.holdSecondary(opTeams, "2", time.Hour)
	if wait, _ := l.left(opOrganizations, "3", true); wait > 0 {
		t.Error("limits of two operations are one")
	}
	now = now.Add(time.Second)
	l.answered(opUser, now, true)
	l.holdSecondary(opMembership, "4", time.Hour)
	now = now.Add(time.Second)
	l.answered(opUser, now, true)
	for operation, want := range map[string]bool{opUser: false, opTeams: false, opOrganizations: true, opMembership: true} {
		if wait, own := l.left(operation, "3", true); (wait > 0) != want || own {
			t.Errorf("%s: %v, own %v", operation, wait, own)
		}
	}
	now = now.Add(probeEvery)
	if wait, _ := l.enter(opUser, "3", true); wait > 0 {
		t.Error("another operation is held")
	}
	if wait, _ := l.enter(opOrganizations, "3", true); wait > 0 {
		t.Error("the answer to another operation is taken for the one that shows whether it is so")
	}
	l.answered(opOrganizations, now, true)
	if wait, _ := l.left(opMembership, "5", true); wait > 0 {
		t.Error("the list is answered, and memberships are held")
	}
}
