package sessions_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward/sessions"
)

// newDenylist returns one that hears, in a bubble.
func newDenylist(t *testing.T, l *keyList) (d *sessions.Denylist, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	d = sessions.NewDenylist(l, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(d.Close)
	d.Hearing(true)
	synctest.Wait()
	l.read()
	return d, log
}

func denies(t *testing.T, what string, d *sessions.Denylist, want map[sessions.Key]bool) {
	t.Helper()
	for k, want := range want {
		if got := d.Denies(k); got != want {
			t.Errorf("%s: key %d is denied: %v, want %v", what, k[0], got, want)
		}
	}
}

var ada, grace, alan = sessions.Key{1}, sessions.Key{2}, sessions.Key{3}

func TestDenylist_ReadAtTheBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		waiting := l.hold()
		d := sessions.NewDenylist(l, slog.New(slog.DiscardHandler))
		defer d.Close()
		release := <-waiting
		if d.Known() || !d.Empty() || d.Denies(ada) {
			t.Errorf("before the first reading: known %v, empty %v, denied %v", d.Known(), d.Empty(), d.Denies(ada))
		}
		l.set(func() { l.waiting = nil })
		close(release)
		synctest.Wait()
		if !d.Known() || d.Empty() {
			t.Errorf("after the first reading: known %v, empty %v", d.Known(), d.Empty())
		}
		denies(t, "after the first reading", d, map[sessions.Key]bool{ada: true, grace: false})
	})
}

func TestDenylist_Nobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if d, _ := newDenylist(t, listOf()); !d.Known() || !d.Empty() || d.Denies(ada) {
			t.Errorf("known %v, empty %v, denied %v", d.Known(), d.Empty(), d.Denies(ada))
		}
	})
}

// TestDenylist_DeniedAtOnce: who is disabled is denied when Revoked returns, while
// nothing can be read.
func TestDenylist_DeniedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		d, _ := newDenylist(t, l)
		l.hold()
		d.Revoked(sessions.Revocation{Denied: []sessions.Key{grace, alan}})
		denies(t, "heard", d, map[sessions.Key]bool{ada: true, grace: true, alan: true})
		if d.Empty() {
			t.Error("empty, although somebody is denied")
		}
	})
}

// TestDenylist_ReadingOfBefore: a reading that began before somebody was disabled
// does not undo it, nor does the first one.
func TestDenylist_ReadingOfBefore(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"the first": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := listOf(ada)
				d := sessions.NewDenylist(l, slog.New(slog.DiscardHandler))
				defer d.Close()
				var waiting chan chan struct{}
				if known {
					synctest.Wait()
					waiting = l.hold()
					d.Revoked(sessions.Revocation{Users: true})
				} else {
					waiting = l.hold()
					d.Hearing(true)
				}
				before := <-waiting // it has the list without grace
				l.set(func() { l.keys[grace] = true })
				d.Revoked(sessions.Revocation{Denied: []sessions.Key{grace}})
				close(before)
				after := <-waiting // it reads again
				if !d.Known() {
					t.Error("not known after a reading")
				}
				denies(t, "after the reading of before", d, map[sessions.Key]bool{ada: true, grace: true})
				l.set(func() { l.waiting = nil })
				close(after)
				synctest.Wait()
				denies(t, "after the reading of afterwards", d, map[sessions.Key]bool{ada: true, grace: true, alan: false})
			})
		})
	}
}

// TestDenylist_Enabled: who is enabled again is let in as soon as users have
// changed, also if a reading was under way.
func TestDenylist_Enabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada, grace)
		d, _ := newDenylist(t, l)
		l.set(func() { delete(l.keys, ada) })
		synctest.Wait()
		denies(t, "before it is heard", d, map[sessions.Key]bool{ada: true, grace: true})
		d.Revoked(sessions.Revocation{Users: true})
		synctest.Wait()
		denies(t, "heard", d, map[sessions.Key]bool{ada: false, grace: true})

		waiting := l.hold()
		d.Revoked(sessions.Revocation{Users: true})
		before := <-waiting
		l.set(func() { delete(l.keys, grace) })
		d.Revoked(sessions.Revocation{Users: true})
		l.set(func() { l.waiting = nil })
		close(before)
		synctest.Wait()
		denies(t, "heard during a reading", d, map[sessions.Key]bool{ada: false, grace: false})

		// Disabled and enabled again, both during a reading that fails.
		waiting = l.hold()
		l.set(func() { l.err = errors.New("away") })
		d.Revoked(sessions.Revocation{Users: true})
		before = <-waiting
		d.Revoked(sessions.Revocation{Denied: []sessions.Key{alan}})
		denies(t, "disabled again", d, map[sessions.Key]bool{alan: true})
		d.Revoked(sessions.Revocation{Users: true})
		l.set(func() { l.waiting, l.err = nil, nil })
		close(before)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		denies(t, "enabled at once", d, map[sessions.Key]bool{alan: false})
	})
}

func TestDenylist_ReadsNothingForSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		d, _ := newDenylist(t, l)
		d.Revoked(sessions.Revocation{Keys: []sessions.Key{grace}})
		d.Revoked(sessions.Revocation{All: true})
		synctest.Wait()
		if n := l.read(); n != 0 {
			t.Errorf("the list was read %d times", n)
		}
		denies(t, "sessions that ended", d, map[sessions.Key]bool{ada: true, grace: false})
	})
}

// TestDenylist_Deaf: while nothing can be heard, the list is read every two
// seconds; otherwise every minute, and whenever hearing begins.
func TestDenylist_Deaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf()
		d, _ := newDenylist(t, l)
		within := func(what string, span time.Duration, want int) {
			t.Helper()
			time.Sleep(span)
			synctest.Wait()
			if n := l.read(); n != want {
				t.Errorf("%s: the list was read %d times within %v, want %d", what, n, span, want)
			}
		}
		within("hearing", 59*time.Second, 0)
		within("hearing", time.Minute, 1)
		d.Hearing(false)
		within("deaf", 0, 1)
		within("deaf", 10*time.Second+time.Millisecond, 5)
		l.set(func() { l.keys[ada] = true })
		within("deaf", 2*time.Second, 1)
		denies(t, "deaf", d, map[sessions.Key]bool{ada: true})
		l.set(func() { l.keys[grace] = true })
		d.Hearing(true)
		within("hearing again", 0, 1)
		denies(t, "hearing again", d, map[sessions.Key]bool{grace: true})
		within("hearing again", 59*time.Second, 0)
	})
}

// TestDenylist_Failure: what is known stays, and the list is tried again.
func TestDenylist_Failure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		d, log := newDenylist(t, l)
		l.set(func() { l.err = errors.New("away") })
		d.Revoked(sessions.Revocation{Denied: []sessions.Key{grace}})
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if n := l.read(); n < 9 || n > 12 {
			t.Errorf("the list was tried %d times within 10 s, want about 10", n)
		}
		denies(t, "during the failure", d, map[sessions.Key]bool{ada: true, grace: true})
		if !d.Known() || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "away") {
			t.Errorf("known %v, and log %q, want one line that says why", d.Known(), log)
		}
		for range 20 { // not faster for being told often
			d.Revoked(sessions.Revocation{Users: true})
			synctest.Wait()
		}
		if n := l.read(); n > 2 {
			t.Errorf("the list was tried %d times at once", n)
		}
		l.set(func() { l.err = nil; l.keys = map[sessions.Key]bool{grace: true} })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		denies(t, "after the failure", d, map[sessions.Key]bool{ada: false, grace: true})
		l.read()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if n := l.read(); n != 0 {
			t.Errorf("the list was read %d times although all is well", n)
		}
	})
}

// TestDenylist_NeverRead is unknown until it can be read, whatever it hears.
func TestDenylist_NeverRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada, grace)
		l.err = errors.New("away")
		d, _ := newDenylist(t, l)
		d.Revoked(sessions.Revocation{Denied: []sessions.Key{grace}})
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.Known() || d.Denies(grace) {
			t.Errorf("known %v, denied %v", d.Known(), d.Denies(grace))
		}
		l.set(func() { l.err = nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !d.Known() {
			t.Error("not known although it can be read")
		}
		denies(t, "at last", d, map[sessions.Key]bool{ada: true, grace: true})
	})
}

// TestDenylist_Hangs: a reading that does not end is given up, and tried again.
func TestDenylist_Hangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		d, log := newDenylist(t, l)
		l.hold()
		d.Revoked(sessions.Revocation{Users: true})
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if !strings.Contains(log.String(), "deadline") {
			t.Errorf("log %q, want one that names the deadline", log)
		}
		l.set(func() { l.waiting = nil; l.keys[grace] = true })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		denies(t, "afterwards", d, map[sessions.Key]bool{ada: true, grace: true})
	})
}

// TestDenylist_Close ends during a reading, too, and leaves what is known.
func TestDenylist_Close(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf(ada)
		d, log := newDenylist(t, l)
		l.hold()
		d.Revoked(sessions.Revocation{Users: true})
		synctest.Wait()
		d.Close()
		d.Close()
		l.read()
		d.Revoked(sessions.Revocation{Denied: []sessions.Key{grace}})
		time.Sleep(time.Hour)
		if n := l.read(); n != 0 {
			t.Errorf("the list was read %d times after the end", n)
		}
		denies(t, "after the end", d, map[sessions.Key]bool{ada: true, grace: true})
		if log.Len() > 0 {
			t.Errorf("log %q, want nothing: it was to end", log)
		}
	})
}

// TestDenylist_AtOnce is for the race detector, and ends with what the list says.
func TestDenylist_AtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := listOf()
		d, _ := newDenylist(t, l)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 50 {
					k := sessions.Key{byte(i), byte(j), 9}
					if j%2 == 0 {
						l.set(func() { l.keys[k] = true })
						d.Revoked(sessions.Revocation{Denied: []sessions.Key{k}})
						if !d.Denies(k) {
							t.Errorf("key %d of %d is not denied", j, i)
						}
					} else {
						d.Revoked(sessions.Revocation{Denied: []sessions.Key{k}}) // and enabled again
						d.Revoked(sessions.Revocation{Users: true})
					}
					d.Known()
					d.Empty()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		for i := range 8 {
			for j := range 50 {
				if k := (sessions.Key{byte(i), byte(j), 9}); d.Denies(k) != (j%2 == 0) {
					t.Errorf("key %d of %d is denied: %v", j, i, d.Denies(k))
				}
			}
		}
	})
}
