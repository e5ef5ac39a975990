package main

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetirements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r retirements
		var mu sync.Mutex
		var all []string
		ended := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		begin := time.Now()
		// ends takes a second to end, and must do so once.
		ends := func(name string) func() {
			return func() {
				time.Sleep(time.Second) // the bubble's clock
				mu.Lock()
				defer mu.Unlock()
				all = append(all, name)
			}
		}
		// When everything ends, the first is over and the second has begun.
		r.add(5*time.Second, ends("in time"))
		r.add(9500*time.Millisecond, ends("under way"))
		r.add(time.Hour, ends("early"))
		r.add(time.Hour, ends("early"))
		time.Sleep(10 * time.Second)
		if got := ended(); !slices.Equal(got, []string{"in time"}) {
			t.Errorf("after %v: ended %q", time.Since(begin), got)
		}
		r.end(ends("last"))
		if took := time.Since(begin); took != 11*time.Second {
			t.Errorf("took %v, want a second for all that is left", took)
		}
		got := ended()
		if len(got) != 5 || got[0] != "in time" || got[1] != "under way" {
			t.Errorf("ended %q", got)
		}
		slices.Sort(got)
		if want := []string{"early", "early", "in time", "last", "under way"}; !slices.Equal(got, want) {
			t.Errorf("ended %q, want %q", got, want)
		}
		time.Sleep(2 * time.Hour)
		if again := ended(); len(again) != 5 {
			t.Errorf("ended again: %q", again)
		}
	})
}
