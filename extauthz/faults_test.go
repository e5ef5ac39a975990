package extauthz_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

// TestSEC_L02_FaultsAreClosed: whatever fails, nothing passes, and it is not
// blamed on the client.
func TestSEC_L02_FaultsAreClosed(t *testing.T) {
	t.Parallel()
	for _, asErrors := range []bool{false, true} {
		e := newEngine(t, func(c *extauthz.Config) { siteRules(c); c.FaultsAsErrors = asErrors })
		for token, want := range map[string]string{"down": "unavailable", "odd": "internal", "boom": "internal"} {
			for _, path := range []string{"/", "/maybe", "/lenient", "/admin"} {
				got := e.check(t, req("GET app.test"+path, "authorization: Bearer "+token))
				if status(got) != 503 || reason(got) != want || (got.GetErrorResponse() != nil) != asErrors {
					t.Errorf("%s on %s: got %d %s", token, path, status(got), reason(got))
				}
				if !asErrors && (sent(got, "retry-after") == "" || sent(got, "www-authenticate") != "" || sent(got, "set-cookie") != "") {
					t.Errorf("%s on %s: got %v", token, path, got)
				}
			}
		}
		if got := e.check(t, req("GET app.test/public/x", "authorization: Bearer down")); status(got) != 200 {
			t.Errorf("anonymous needs no method: got %d", status(got))
		}
		if got := e.check(t, req("GET app.test/", bearer)); status(got) != 200 {
			t.Errorf("after the faults: got %d", status(got))
		}
	}
}

// TestSEC_L07_PendingVerificationsAreBounded: credentials that cannot be judged
// yet do not pile up, and do not stand in the way of another method.
func TestSEC_L07_PendingVerificationsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &fakeMethod{name: "slow", table: map[string]any{}}
		for i := range 6000 {
			slow.table[fmt.Sprint("slow", i)] = func(ctx context.Context) (gateward.Identity, error) {
				<-ctx.Done()
				return gateward.Identity{}, ctx.Err()
			}
		}
		quick := newFake()
		inner, err := extauthz.New(defaults(), []methods.Authenticator{slow, quick}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, quick}
		reasons := make(chan string, 6000)
		for i := range 6000 {
			go func() {
				reasons <- reason(e.check(t, req("GET app.test/", fmt.Sprint("authorization: Bearer slow", i))))
			}()
		}
		synctest.Wait()
		if n := slow.calls.Load(); n != 4096 {
			t.Errorf("%d verifications under way, want 4096", n)
		}
		if got := e.check(t, req("GET app.test/", bearer)); status(got) != 200 {
			t.Errorf("another method: got %d %s", status(got), reason(got))
		}
		count := map[string]int{}
		for range 6000 {
			count[<-reasons]++
		}
		if count["overloaded"] != 6000-4096 || count["deadline"] != 4096 {
			t.Errorf("got %v", count)
		}
		time.Sleep(time.Minute) // in the bubble, until all of them have given up
		if got := e.check(t, req("GET app.test/", "authorization: Bearer slow0")); reason(got) != "deadline" {
			t.Errorf("afterwards: got %d %s, though nothing is under way", status(got), reason(got))
		}
		time.Sleep(time.Minute)
	})
}

// TestSEC_L01_DeadlineIsKept: the answer comes before Envoy gives up, and the
// verdict is not lost.
func TestSEC_L01_DeadlineIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		fake := newFake()
		fake.table["slow"] = func(ctx context.Context) (gateward.Identity, error) {
			select {
			case <-release:
				return ada(), nil
			case <-ctx.Done():
				return gateward.Identity{}, ctx.Err()
			}
		}
		inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		r := req("GET app.test/", "authorization: Bearer slow")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if got := e.checkContext(ctx, t, r); status(got) != 503 || reason(got) != "deadline" {
			t.Errorf("got %d %s", status(got), reason(got))
		}
		if ctx.Err() != nil {
			t.Error("the answer came after the deadline")
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if got := e.checkContext(gone, t, r); status(got) != 503 {
			t.Errorf("caller gone: got %d", status(got))
		}
		tiny, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		if got := e.checkContext(tiny, t, r); status(got) != 503 || tiny.Err() != nil {
			t.Errorf("with little time: got %d, %v", status(got), tiny.Err())
		}
		time.Sleep(time.Second) // in the bubble; all who asked are gone
		close(release)
		if got := e.check(t, r); status(got) != 200 || fake.calls.Load() != 1 {
			t.Errorf("got %d after %d calls, want 200 after 1: who leaves must not spoil it for others", status(got), fake.calls.Load())
		}
	})
}
