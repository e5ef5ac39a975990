package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A crowd is a provider that holds up whoever comes back, and those who do.
type crowd struct {
	w       *world
	begun   atomic.Int64
	release chan struct{}
	all     sync.WaitGroup
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{w: newWorld(t), release: make(chan struct{})}
	c.w.google.during = func() {
		c.begun.Add(1)
		<-c.release
	}
	return c
}

// visitor begins a login from this address, and returns the way back.
func (c *crowd) visitor(address string) (v *visitor, callback string) {
	v = c.w.visitor()
	v.headers.Set("X-Forwarded-For", address)
	code, state := c.w.google.code(v.authorize(c.w.google, ""))
	return v, c.w.google.callback(code, state)
}

// come has n visitors from this address come back, and returns where their
// statuses will be.
func (c *crowd) come(n int, address string) []int {
	status := make([]int, n)
	for i := range n {
		v, callback := c.visitor(address)
		c.all.Go(func() { status[i] = v.open(callback).StatusCode })
		synctest.Wait()
	}
	return status
}

// fill takes all the places, from four addresses.
func (c *crowd) fill() {
	for i := range 4 {
		c.come(8, fmt.Sprintf("198.51.100.%d", i))
	}
	if n := c.begun.Load(); n != 32 {
		c.w.t.Fatalf("%d at the provider, want 32", n)
	}
}

func count(status []int, want int) (n int) {
	for _, s := range status {
		if s == want {
			n++
		}
	}
	return n
}

// Anybody can begin a login and come back, and so have the store write and the
// provider asked. How many do so at once is bounded, by provider; what is beyond
// waits for three seconds, has used up nothing, and works later. (How often one
// may come is not.)
func TestSEC_D26_CallbacksUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		w := c.w
		c.fill()
		v, callback := c.visitor("203.0.113.7")
		writes := w.store.writes.Load()
		kept := v.states()
		for name, do := range map[string]func() *answer{
			"a page":   func() *answer { return v.open(callback) },
			"a script": func() *answer { return v.fetch(http.MethodGet, callback) },
			"an error": func() *answer { return v.open(strings.Replace(callback, "code=", "error=", 1)) },
		} {
			begin := time.Now()
			a := do()
			if waited := time.Since(begin); waited != 3*time.Second {
				t.Errorf("%s: waited %v", name, waited)
			}
			if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
				t.Errorf("%s: got %d %v", name, a.StatusCode, a.Header)
			}
			if page := strings.Contains(a.body, "<h1>The login has to wait</h1>"); page != (name != "a script") {
				t.Errorf("%s: got %s", name, a.body)
			}
		}
		if n := w.store.writes.Load() - writes; n != 0 || w.google.exchanges.Load() != 32 || len(kept) != 1 {
			t.Errorf("%d writes, %d exchanges, want none and 32", n, w.google.exchanges.Load())
		}
		if got := w.metrics.last(); got != "google unavailable" {
			t.Errorf("counted %q", got)
		}
		if a := w.visitor().logIn(w.corp, ""); a.StatusCode != http.StatusSeeOther {
			t.Errorf("another provider: got %d", a.StatusCode)
		}
		close(c.release)
		c.all.Wait()
		if n := len(w.sessions()); n != 33 {
			t.Errorf("%d sessions, want 33", n)
		}
		if a := v.open(callback); a.StatusCode != http.StatusSeeOther {
			t.Errorf("later: got %d", a.StatusCode)
		}
	})
}

// Who comes when all places are taken gets the next one that is given back,
// before those of whom more are in already; whoever goes away leaves the queue.
func TestSEC_D26_CallbacksWaitForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		w := c.w
		strangers := c.come(8+10, "198.51.100.9")
		c.come(8, "198.51.100.1")
		c.come(8, "198.51.100.2")
		c.come(8, "198.51.100.3")

		gone, callback := c.visitor("203.0.113.8")
		ctx, cancel := context.WithCancel(t.Context())
		gone.ctx = ctx
		writes := w.store.writes.Load()
		left := make(chan *answer, 1)
		go func() { left <- gone.open(callback) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case a := <-left:
			if a.StatusCode != http.StatusServiceUnavailable || len(a.Cookies()) != 0 {
				t.Errorf("who has gone: got %d", a.StatusCode)
			}
		default:
			t.Error("waits for a browser that has gone")
		}
		if n := w.store.writes.Load() - writes; n != 0 {
			t.Errorf("%d writes while waiting", n)
		}

		person := c.come(1, "203.0.113.7")
		if n := c.begun.Load(); n != 32 {
			t.Errorf("%d at the provider, want 32", n)
		}
		c.release <- struct{}{} // one leaves
		synctest.Wait()
		if n := c.begun.Load(); n != 33 {
			t.Errorf("%d have been at the provider, want 33", n)
		}
		time.Sleep(4 * time.Second) // by the clock of the bubble: the rest gives up
		synctest.Wait()
		if n := count(strangers, http.StatusServiceUnavailable); n != 10 {
			t.Errorf("%d of the strangers gave up, want all that were behind", n)
		}
		close(c.release)
		c.all.Wait()
		if person[0] != http.StatusSeeOther {
			t.Errorf("got %d", person[0])
		}
	})
}

// One address has a quarter of the places, and does not fill the queue either.
// The rest of an IPv6 network is the same one.
func TestSEC_D26_OneAddressDoesNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(i int) string{
		"IPv4": func(int) string { return "198.51.100.9" },
		"IPv6": func(i int) string { return fmt.Sprintf("2001:db8::%x", i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t)
				const strangers = 100
				status := make([][]int, strangers)
				for i := range strangers {
					status[i] = c.come(1, address(i))
				}
				if n := c.begun.Load(); n != 8 {
					t.Errorf("%d at the provider, want 8", n)
				}
				if n := count(slices.Concat(status...), http.StatusServiceUnavailable); n != strangers-8-64 {
					t.Errorf("%d refused at once, want %d", n, strangers-8-64)
				}
				person := c.come(1, "203.0.113.7")
				if n := c.begun.Load(); n != 9 {
					t.Errorf("%d at the provider, want 9", n)
				}
				close(c.release)
				c.all.Wait()
				if person[0] != http.StatusSeeOther || count(slices.Concat(status...), http.StatusSeeOther) != 8+64 {
					t.Errorf("got %d, strangers %v", person[0], status)
				}
			})
		})
	}
}

// The queue has an end: 256 of a provider. Beyond that an address takes the places of
// those that have more, until they have as many.
func TestSEC_D26_TheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		c.fill()
		var status [5][]int
		for i := range status {
			status[i] = c.come(64, fmt.Sprintf("198.51.100.%d", 100+i))
		}
		var waiting []int
		for i := range status {
			waiting = append(waiting, 64-count(status[i], http.StatusServiceUnavailable))
		}
		if !slices.Equal(waiting, []int{52, 51, 51, 51, 51}) {
			t.Errorf("%v wait, want 256, shared evenly", waiting)
		}
		if writes := c.w.store.writes.Load(); writes != 32 {
			t.Errorf("%d writes, want those of who has a place", writes)
		}
		close(c.release)
		c.all.Wait()
		if n := len(c.w.sessions()); n != 32+256 {
			t.Errorf("%d sessions, want 288", n)
		}
	})
}

// Four networks that take all the places, and fill the queue, do not keep out a
// person from elsewhere, who comes next.
func TestSEC_D26_FewAddressesDoNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		for _, n := range []int{8, 64} {
			for i := range 4 {
				c.come(n, fmt.Sprintf("2001:db8:0:%x::1", i))
			}
		}
		person := c.come(1, "203.0.113.7")
		c.release <- struct{}{} // one leaves
		synctest.Wait()
		if n := c.begun.Load(); n != 33 || person[0] != 0 {
			t.Errorf("%d have been at the provider, want 33; the person got %d", n, person[0])
		}
		time.Sleep(4 * time.Second) // by the clock of the bubble: all others give up
		close(c.release)
		c.all.Wait()
		if person[0] != http.StatusSeeOther {
			t.Errorf("got %d", person[0])
		}
	})
}

// Every way out gives the place back.
func TestSEC_D26_PlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, v *visitor, code, state string){
		"garbage": func(w *world, v *visitor, _, state string) { v.open(w.google.callback("garbage", state)) },
		"error": func(_ *world, v *visitor, _, state string) {
			v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=" + state)
		},
		"panic": func(w *world, v *visitor, code, state string) {
			w.google.during = func() { panic("test") }
			v.open(w.google.callback(code, state))
		},
		"store down": func(w *world, v *visitor, code, state string) {
			w.store.down.Store(true)
			v.open(w.google.callback(code, state))
			w.store.down.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 40 {
				v := w.visitor()
				code, state := w.google.code(v.authorize(w.google, ""))
				end(w, v, code, state)
			}
			w.google.during = nil
			w.visitor().logIn(w.google, "")
		})
	}
}

// Tokens that nobody has cost the store no write, however many a stranger sends.
func TestSEC_D26_ForgedTokensWriteNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.headers["Cookie"] = []string{planted(200)}
	if a := v.submit("/auth/logout"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", a.StatusCode)
	}
	v.open("/auth/logout")
	v.open("/auth/login?rd=/x")
	v.authorize(w.google, "")
	if n := w.store.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// Nor do they cost a login any, wherever they come along: at its beginning or at
// its end.
func TestSEC_D26_ForgedTokensOfALoginWriteNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.headers["Cookie"] = []string{planted(200)}
	address := v.authorize(w.google, "")
	v.headers["Cookie"] = []string{planted(200)}
	code, state := w.google.code(address)
	if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", a.StatusCode)
	}
	if n := w.store.writes.Load(); n != 3 {
		t.Errorf("%d writes, want those of the attempt, the user and the session", n)
	}
}
