package keyset_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

// remote returns a source of e's keys, closed at the end of the test.
func remote(t *testing.T, e *keysettest.Endpoint, change ...func(*keyset.RemoteConfig)) *keyset.Remote {
	t.Helper()
	c := keyset.RemoteConfig{
		URL: "https://issuer.test/jwks", Algorithms: keyset.Algorithms(),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Transport: e,
	}
	for _, f := range change {
		f(&c)
	}
	r, err := keyset.NewRemote(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func document(t testing.TB, all ...keysettest.Key) []byte {
	t.Helper()
	entries := make([]map[string]any, len(all))
	for i, k := range all {
		entries[i] = k.JWK(nil)
	}
	return keysettest.Document(t, entries...)
}

// want checks the outcome of one verification; nil means that it succeeds.
func want(t *testing.T, s keyset.Source, k keysettest.Key, target error) {
	t.Helper()
	err := s.Verify(t.Context(), parse(t, k.Token(t, claims)))
	if !errors.Is(err, target) {
		t.Errorf("key %q: %v, want %v", k.ID, err, target)
	}
}

func wantFetches(t *testing.T, e *keysettest.Endpoint, n int) {
	t.Helper()
	if got := e.Fetches(); got != n {
		t.Errorf("%d fetches, want %d", got, n)
	}
}

var ecKeys = sync.OnceValue(func() [3]keysettest.Key {
	tb := &testing.T{}
	return [3]keysettest.Key{
		keysettest.NewKey(tb, "a", "ES256"), keysettest.NewKey(tb, "b", "ES256"), keysettest.NewKey(tb, "c", "EdDSA"),
	}
})

func TestRemote_FetchesWhenFirstAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0], k[2]))
		r := remote(t, e)
		time.Sleep(time.Hour)
		wantFetches(t, e, 0)
		want(t, r, k[0], nil)
		want(t, r, k[2], nil)
		wantFetches(t, e, 1)
	})
}

func TestSEC_C09_UnknownKeyFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		token := k[1].Token(t, claims)
		_, rest, _ := strings.Cut(token, ".")
		var wg sync.WaitGroup
		for i := range 10_000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				header := b64([]byte(fmt.Sprintf(`{"alg":"ES256","kid":"random-%d"}`, i)))
				if err := r.Verify(t.Context(), parse(t, header+"."+rest)); !errors.Is(err, gateward.ErrInvalidCredential) {
					t.Errorf("unknown key: %v", err)
				}
			})
		}
		wg.Wait()
		wantFetches(t, e, 2)
		want(t, r, k[0], nil)

		// After the cooldown one more, and a key that is there by then is found.
		e.Serve(document(t, k[0], k[1]))
		want(t, r, k[1], gateward.ErrInvalidCredential)
		time.Sleep(30 * time.Second)
		want(t, r, k[1], nil)
		wantFetches(t, e, 3)
	})
}

func TestSEC_C09_ForbiddenAlgorithmFetchesNothing(t *testing.T) {
	t.Parallel()
	k, e := ecKeys(), &keysettest.Endpoint{}
	e.Serve(document(t, k[0]))
	r := remote(t, e, func(c *keyset.RemoteConfig) { c.Algorithms = []string{"RS256"} })
	want(t, r, k[0], gateward.ErrInvalidCredential)
	wantFetches(t, e, 0)
}

func TestSEC_C14_Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		e.SetHeader("Cache-Control", "public, max-age=300")
		r := remote(t, e)
		want(t, r, k[0], nil)

		// A new key works at once, the old one stops within max-age, asked or not.
		e.Serve(document(t, k[1]))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantFetches(t, e, 2)
		want(t, r, k[1], nil)
		want(t, r, k[0], gateward.ErrInvalidCredential)
	})
}

func TestRemote_MaxAge(t *testing.T) {
	for _, tc := range []struct {
		name, control, age string
		hours, fetches     int
	}{
		{"default ten minutes", "", "", 1, 1 + 7},
		{"as told", "max-age=1800", "", 1, 1 + 2},
		{"less Age", "max-age=1800", "900", 1, 1 + 5},
		{"at most an hour", "max-age=86400", "", 2, 1 + 2},
		{"an absurd one", "max-age=99999999999999999999", "", 2, 1 + 2},
		{"at least a minute", "max-age=1", "", 1, 1 + 75},
		{"not a number", "max-age=x", "", 1, 1 + 75},
		{"no-store", "private, no-store", "", 1, 1 + 75},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, e := ecKeys(), &keysettest.Endpoint{}
				e.Serve(document(t, k[0]))
				e.SetHeader("Cache-Control", tc.control)
				e.SetHeader("Age", tc.age)
				want(t, remote(t, e), k[0], nil)
				time.Sleep(time.Duration(tc.hours)*time.Hour + time.Second)
				synctest.Wait()
				wantFetches(t, e, tc.fetches)
			})
		})
	}
}

func TestSEC_C14_OutageKeepsKeysForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		e.Fail(http.StatusInternalServerError)
		for range 23 {
			time.Sleep(time.Hour)
			want(t, r, k[0], nil)
		}
		// Whether an unknown key is the source's newest cannot be known now.
		want(t, r, k[1], gateward.ErrUnavailable)
		time.Sleep(time.Hour + time.Second)
		want(t, r, k[0], gateward.ErrUnavailable)
		e.Serve(document(t, k[0]))
		time.Sleep(time.Second)
		want(t, r, k[0], nil)
	})
}

func TestSEC_L06_DownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Fail(http.StatusBadGateway)
		r := remote(t, e)
		want(t, r, k[0], gateward.ErrUnavailable)
		// However many ask, one attempt a second.
		before := e.Fetches()
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			want(t, r, k[0], gateward.ErrUnavailable)
		}
		if n := e.Fetches() - before; n > 10 {
			t.Errorf("%d attempts in ten seconds", n)
		}
		// Recovery needs no request.
		e.Serve(document(t, k[0]))
		time.Sleep(time.Minute)
		synctest.Wait()
		n := e.Fetches()
		want(t, r, k[0], nil)
		wantFetches(t, e, n)
	})
}

func TestRemote_BacksOffWhenNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		r := remote(t, e)
		want(t, r, k[0], gateward.ErrUnavailable)
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if n := e.Fetches(); n < 55 || n > 75 {
			t.Errorf("%d attempts in an hour, want about one a minute", n)
		}
	})
}

// TestSEC_L07_UnknownKeysDoNotPileUp: tokens that anybody can make up wait for a
// hanging source in a bounded number, and tokens with known keys not at all.
func TestSEC_L07_UnknownKeysDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		if err := r.Verify(t.Context(), parse(t, k[0].Token(t, claims))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // past the cooldown
		release := make(chan struct{})
		e.Block(release)
		unknown := k[1].Token(t, claims)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 1000 {
			wg.Go(func() {
				if err := r.Verify(t.Context(), parse(t, unknown)); errors.Is(err, gateward.ErrUnavailable) {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := refused.Load(); n != 1000-256 {
			t.Errorf("%d were refused at once, want %d", n, 1000-256)
		}
		start := time.Now()
		if err := r.Verify(t.Context(), parse(t, k[0].Token(t, claims))); err != nil || time.Since(start) != 0 {
			t.Errorf("a known key meanwhile: %v after %v", err, time.Since(start))
		}
		close(release)
		wg.Wait()
	})
}

func TestSEC_L04_OneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		release := make(chan struct{})
		e.Block(release)
		r := remote(t, e)
		token := k[0].Token(t, claims)
		var wg sync.WaitGroup
		// The one that causes the fetch gives up first.
		leader, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			err := r.Verify(leader, parse(t, token))
			if !errors.Is(err, gateward.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled leader: %v", err)
			}
		})
		synctest.Wait()
		for range 1000 {
			wg.Go(func() {
				if err := r.Verify(t.Context(), parse(t, token)); err != nil {
					t.Errorf("waiter: %v", err)
				}
			})
		}
		impatient, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		start := time.Now()
		if err := r.Verify(impatient, parse(t, token)); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("impatient waiter: %v", err)
		}
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("impatient waiter waited %s", d)
		}
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		wantFetches(t, e, 1)
	})
}

func TestSEC_L01_HangingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Block(make(chan struct{}))
		r := remote(t, e)
		start := time.Now()
		want(t, r, k[0], gateward.ErrUnavailable)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("a hanging fetch ends after %s, want 5s", d)
		}
		e.Block(nil)
		e.Serve(document(t, k[0]))
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, r, k[0], nil)

		// With keys, a hanging refresh is nobody's problem.
		e.Block(make(chan struct{}))
		time.Sleep(8*time.Minute + time.Second)
		start = time.Now()
		want(t, r, k[0], nil)
		if d := time.Since(start); d != 0 {
			t.Errorf("a good token waited %s for a refresh", d)
		}
	})
}

func TestSEC_L03_KnownKeysDoNotWaitForUnknownOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		release := make(chan struct{})
		e.Block(release)
		var wg sync.WaitGroup
		wg.Go(func() { want(t, r, k[1], gateward.ErrInvalidCredential) })
		synctest.Wait()
		start := time.Now()
		want(t, r, k[0], nil)
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %s", d)
		}
		close(release)
		wg.Wait()
	})
}

func TestRemote_Observer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type refresh struct {
			ok bool
			at time.Time
		}
		var got []refresh
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		start := time.Now()
		r := remote(t, e, func(c *keyset.RemoteConfig) {
			c.OnRefresh = func(ok bool, at time.Time) { got = append(got, refresh{ok, at}) }
		})
		want(t, r, k[0], nil)
		e.Fail(http.StatusNotFound)
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		r.Close()
		wantAll := []refresh{{true, start}, {false, start.Add(8 * time.Minute)}}
		if len(got) != 2 || got[0] != wantAll[0] || got[1] != wantAll[1] {
			t.Errorf("got %v, want %v", got, wantAll)
		}
	})
}

func TestRemote_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := keyset.NewRemote(ctx, keyset.RemoteConfig{
			URL: "https://issuer.test/jwks", Algorithms: []string{"ES256"},
			Logger: slog.New(slog.DiscardHandler), Now: time.Now, Transport: e,
		})
		if err != nil {
			t.Fatal(err)
		}
		want(t, r, k[0], nil)
		cancel() // the context ends it as Close does
		r.Close()
		r.Close()
		want(t, r, k[0], nil)
		want(t, r, k[1], gateward.ErrUnavailable)

		// Closing does not wait for a fetch that hangs, and frees who waits for it.
		e.Block(make(chan struct{}))
		r = remote(t, e)
		var wg sync.WaitGroup
		wg.Go(func() { want(t, r, k[0], gateward.ErrUnavailable) })
		synctest.Wait()
		start := time.Now()
		r.Close()
		wg.Wait()
		if d := time.Since(start); d != 0 {
			t.Errorf("closing took %s", d)
		}
	}) // and a goroutine that is left fails the test
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
