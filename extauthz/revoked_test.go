package extauthz_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// TestSEC_K07_RevokedAtOnce: on the next check, however it is presented.
func TestSEC_K07_RevokedAtOnce(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	for _, h := range []string{sessionCookie, sessionBearer, bearer} {
		for range 2 {
			if got := e.statusOf(t, h); got != 200 {
				t.Fatalf("%s: got %d", h, got)
			}
		}
	}
	if n := e.sessions.calls.Load(); n != 2 {
		t.Fatalf("%d look-ups, want one for each scheme", n)
	}
	e.sessions.delete("s.grace")
	e.Revoked(revocation("s.grace"))
	for _, h := range []string{sessionCookie, sessionBearer} {
		if got := e.statusOf(t, h); got != 401 {
			t.Errorf("%s: got %d", h, got)
		}
	}
	e.sessions.create("s.2", grace())
	if got := e.statusOf(t, "cookie: gateward_client_token=s.2"); got != 200 {
		t.Fatalf("got %d", got)
	}
	e.sessions.delete("s.2")
	e.Revoked(sessions.Revocation{All: true})
	if got := e.statusOf(t, "cookie: gateward_client_token=s.2"); got != 401 {
		t.Errorf("all: got %d", got)
	}
	if got := e.statusOf(t, bearer); got != 200 || e.fake.calls.Load() != 1 {
		t.Errorf("a token: got %d after %d look-ups", got, e.fake.calls.Load())
	}
}

// TestSEC_K07_RevokedWhileBeingRead: what a read that began before brings back
// is neither kept nor shared with who came after.
func TestSEC_K07_RevokedWhileBeingRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newSessionEngine(t, nil)
		release := make(chan struct{})
		e.sessions.reading = func() { <-release }
		first, second := make(chan int, 1), make(chan int, 1)
		go func() { first <- e.statusOf(t, sessionCookie) }()
		synctest.Wait()
		e.sessions.set(func() { delete(e.sessions.table, "s.grace"); e.sessions.reading = nil })
		e.Revoked(revocation("s.grace"))
		go func() { second <- e.statusOf(t, sessionCookie) }()
		synctest.Wait()
		select {
		case got := <-second:
			if got != 401 {
				t.Errorf("who came after: got %d", got)
			}
		default:
			t.Error("who came after waits for what was read before")
		}
		close(release)
		if got := <-first; got != 200 {
			t.Errorf("who came before: got %d", got)
		}
		synctest.Wait()
		if got := e.statusOf(t, sessionCookie); got != 401 {
			t.Errorf("later: got %d", got)
		}
	})
}

// TestSEC_K07_NeverBackToLife: while many ask, sessions come and go. Once a
// revocation has returned, nobody is let in by that session.
func TestSEC_K07_NeverBackToLife(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	// While there is a gate, reads have read and do not return.
	var reads atomic.Int64
	var gate atomic.Pointer[chan struct{}]
	e.sessions.reading = func() {
		reads.Add(1)
		if g := gate.Load(); g != nil {
			<-*g
		}
	}
	var current atomic.Int64
	check := func(n int64) bool {
		b, err := proto.Marshal(req("GET app.test/", fmt.Sprintf("cookie: gateward_client_token=s.%d", n)))
		if err != nil {
			t.Error(err)
		}
		var v wire.View
		var got authv3.CheckResponse
		if err := proto.Unmarshal(e.Decide(context.Background(), &v, wire.Scan(b, &v)), &got); err != nil {
			t.Error(err)
		}
		return allowed(&got)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					check(current.Load())
					runtime.Gosched()
				}
			}
		})
	}
	for n := range int64(100) {
		e.sessions.create(fmt.Sprintf("s.%d", n), grace())
		overtake := n%2 == 0 // a read that is under way
		g := make(chan struct{})
		before := reads.Load()
		if overtake {
			gate.Store(&g)
		}
		current.Store(n)
		for overtake && reads.Load() == before {
			runtime.Gosched()
		}
		if !overtake && !check(n) {
			t.Errorf("session %d is not let in", n)
		}
		e.sessions.delete(fmt.Sprintf("s.%d", n))
		if n%10 < 2 {
			e.Revoked(sessions.Revocation{All: true})
		} else {
			e.Revoked(revocation(fmt.Sprintf("s.%d", n)))
		}
		gate.Store(nil)
		close(g)
		for range 10 {
			if check(n) {
				t.Errorf("session %d is let in after its end", n)
			}
			runtime.Gosched()
		}
	}
	close(stop)
	wg.Wait()
}

// TestSEC_K07_WhileDeaf: sessions are used from the cache for the bound, then
// asked of the store; if that fails, it is a fault. Nothing else notices.
func TestSEC_K07_WhileDeaf(t *testing.T) {
	t.Parallel()
	e := newSessionEngine(t, nil)
	for _, h := range []string{sessionCookie, bearer} {
		if got := e.statusOf(t, h); got != 200 {
			t.Fatalf("%s: got %d", h, got)
		}
	}
	e.Hearing(false)
	e.sessions.delete("s.grace") // by another replica, which nobody tells us
	e.pass(5 * time.Second)
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("within the bound: got %d", got)
	}
	e.pass(1)
	if got := e.statusOf(t, sessionCookie); got != 401 {
		t.Errorf("after it: got %d", got)
	}

	e.pass(2 * time.Second)
	e.sessions.create("s.grace", grace())
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("the store answers: got %d", got)
	}
	e.sessions.set(func() { e.sessions.err = gateward.ErrUnavailable })
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("just verified: got %d", got)
	}
	e.pass(5*time.Second + 1)
	got := e.check(t, req("GET app.test/", sessionCookie, "accept: text/html"))
	if status(got) != 503 || sent(got, "set-cookie") != "" || sent(got, "retry-after") == "" {
		t.Errorf("the store fails: got %v", got)
	}
	if got := e.statusOf(t, bearer); got != 200 || e.fake.calls.Load() != 1 {
		t.Errorf("a token: got %d after %d look-ups", got, e.fake.calls.Load())
	}

	// It hears again: whatever it holds may have been revoked meanwhile.
	e.sessions.set(func() { e.sessions.err = nil })
	if got := e.statusOf(t, sessionCookie); got != 200 {
		t.Errorf("the store is back: got %d", got)
	}
	e.sessions.delete("s.grace")
	e.Hearing(true)
	if got := e.statusOf(t, sessionCookie); got != 401 {
		t.Errorf("hearing again: got %d", got)
	}
	e.sessions.create("s.3", grace())
	before := e.sessions.calls.Load()
	for range 3 {
		if got := e.statusOf(t, "cookie: gateward_client_token=s.3"); got != 200 {
			t.Errorf("got %d", got)
		}
		e.pass(15 * time.Second)
	}
	if n := e.sessions.calls.Load() - before; n != 1 {
		t.Errorf("%d look-ups while hearing, want 1", n)
	}
}

// TestSEC_K07_DeafUntilTold: nobody has subscribed for it yet.
func TestSEC_K07_DeafUntilTold(t *testing.T) {
	t.Parallel()
	cfg, store, o := sessionDefaults(), newFakeSessions(), options(t)
	now := time.Now()
	o.Now = func() time.Time { return now }
	inner, err := extauthz.New(cfg, []methods.Authenticator{store}, o)
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, nil}
	for i, want := range []int64{1, 2, 3} {
		if got := status(e.check(t, req("GET app.test/", sessionCookie))); got != 200 || store.calls.Load() != want {
			t.Errorf("check %d: got %d after %d look-ups", i, got, store.calls.Load())
		}
		now = now.Add(5*time.Second + 1)
	}
}

// TestSEC_K07_DeafAndSlow: what a read that began too long ago brings back is
// not for who came later.
func TestSEC_K07_DeafAndSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg, store := sessionDefaults(), newFakeSessions()
		cfg.Cache.MaxStaleness = time.Second
		inner, err := extauthz.New(cfg, []methods.Authenticator{store}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, nil}
		release := make(chan struct{})
		store.reading = func() { <-release }
		answers := map[string]chan int{"first": make(chan int, 1), "soon": make(chan int, 1), "late": make(chan int, 1)}
		ask := func(name string) {
			go func() { answers[name] <- status(e.check(t, req("GET app.test/", sessionCookie))) }()
			synctest.Wait()
		}
		ask("first")
		time.Sleep(time.Second)
		ask("soon")
		store.set(func() { delete(store.table, "s.grace"); store.reading = nil })
		time.Sleep(time.Second)
		ask("late")
		close(release)
		for name, want := range map[string]int{"first": 200, "soon": 200, "late": 401} {
			if got := <-answers[name]; got != want {
				t.Errorf("%s: got %d, want %d", name, got, want)
			}
		}
		if n := store.calls.Load(); n != 2 {
			t.Errorf("%d look-ups, want 2", n)
		}
	})
}

// TestSEC_K06_SwappedEngineListens: a reload changes nothing about revocations.
func TestSEC_K06_SwappedEngineListens(t *testing.T) {
	t.Parallel()
	o := options(t)
	now := time.Now()
	o.Now = func() time.Time { return now }
	store := newFakeSessions()
	build := func() *extauthz.Engine {
		e, err := extauthz.New(sessionDefaults(), []methods.Authenticator{store}, o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first, second := build(), build()
	s := extauthz.NewService(first, o)
	identify := func() error {
		_, _, err := s.Identify(t.Context(), nil, [][]byte{[]byte("gateward_client_token=s.grace")})
		return err
	}
	check := func(e *extauthz.Engine, want int, calls int64, what string) {
		t.Helper()
		before := store.calls.Load()
		if got := status(engine{e, nil}.check(t, req("GET app.test/", sessionCookie))); got != want || store.calls.Load()-before != calls {
			t.Errorf("%s: got %d after %d look-ups, want %d after %d", what, got, store.calls.Load()-before, want, calls)
		}
	}
	s.Hearing(true)
	check(first, 200, 1, "before")
	s.Swap(second)
	check(second, 200, 1, "the new one has a cache of its own")
	now = now.Add(30 * time.Second)
	check(second, 200, 0, "the new one knows that we hear")
	s.Hearing(false)
	check(second, 200, 1, "the new one knows that we do not hear")
	third := build()
	third.Hearing(true)
	s.Swap(third)
	check(third, 200, 1, "the third")
	now = now.Add(6 * time.Second)
	check(third, 200, 1, "the third knows that we do not hear")
	s.Hearing(true)
	check(third, 200, 1, "hearing again")
	store.delete("s.grace")
	check(third, 200, 0, "not yet published")
	s.Revoked(revocation("s.grace"))
	check(third, 401, 1, "revoked")
	if identify() == nil {
		t.Error("identified by what was revoked")
	}
}
