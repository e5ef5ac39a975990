package memory_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
	"github.com/gateward/gateward/sessions/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(_ *testing.T, o storetest.Options) sessions.Backend {
		return memory.New(memory.Options{Now: o.Now, Random: rand.Reader, GracePeriod: o.GracePeriod})
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	storetest.RunUsers(t, func(_ *testing.T, o storetest.Options) sessions.Backend {
		return memory.New(memory.Options{Now: o.Now, Random: rand.Reader, GracePeriod: o.GracePeriod})
	})
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// typical is a session as a login at a large provider makes it, without the
// provider's tokens.
func typical(i int) sessions.Session {
	sum := sha256.Sum256(fmt.Appendf(nil, "session %d", i))
	key := sessions.Key(sha256.Sum256(sum[:]))
	at := start.Add(time.Duration(i) * time.Millisecond)
	sub := fmt.Sprintf("1%020d", uint64(sum[0])<<40|uint64(sum[1])<<32|uint64(i))
	name := fmt.Sprintf("%s %s", []string{"Ada", "Grace", "Edsger", "Barbara"}[sum[2]%4], base64.RawURLEncoding.EncodeToString(sum[3:9]))
	email := fmt.Sprintf("%x@example.com", sum[3:8])
	agents := []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
		"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	}
	claims := fmt.Sprintf(`{"at_hash":%q,"aud":"407408718192.apps.googleusercontent.com","azp":"407408718192.apps.googleusercontent.com",`+
		`"email":%q,"email_verified":true,"exp":%d,"iat":%d,"iss":"https://accounts.google.com","name":%q,"nonce":%q,"sub":%q}`,
		base64.RawURLEncoding.EncodeToString(sum[:16]), email, at.Unix()+3600, at.Unix(), name,
		base64.RawURLEncoding.EncodeToString(sum[16:]), sub)
	return sessions.Session{
		ID: sessions.IDOf(key), Key: key,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: "https://accounts.google.com", Subject: sub},
			Method:    "oidc", Provider: "google", Email: email, EmailVerified: true, Name: name,
			Groups: []string{"staff", fmt.Sprintf("team-%d", sum[9]%20)}, AllScopes: true,
			Metadata: map[string]string{
				"io.flipt.auth.claims": claims, "io.flipt.auth.oidc.provider": "google", "io.flipt.auth.oidc.email": email,
				"io.flipt.auth.oidc.name": name, "io.flipt.auth.oidc.sub": sub,
			},
			AuthTime: at, UserID: fmt.Sprintf("%x-%x-4%x-8%x-%x", sum[13:17], sum[17:19], sum[19:21], sum[21:23], sum[23:29]),
		},
		CreatedAt: at, UpdatedAt: at, LastSeenAt: at, ExpiresAt: at.Add(24 * time.Hour), IdleTimeout: time.Hour,
		UserAgent: agents[sum[10]%3], Address: fmt.Sprintf("203.0.%d.%d", sum[11], sum[12]),
	}
}

func create(t testing.TB, s *memory.Store, one sessions.Session) {
	t.Helper()
	if err := s.Create(t.Context(), one); err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB, o memory.Options) *memory.Store {
	t.Helper()
	o.Random = rand.Reader
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	s := memory.New(o)
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSize holds the memory that performance.md states: 600 bytes a session.
func TestSize(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("it takes 100,000 sessions to be exact")
	}
	const n, most = 100_000, 600.0
	s := newStore(t, memory.Options{})
	size := bytesOf(func() { fill(t, s, n) })
	got := float64(size) / float64(n)
	t.Logf("%d sessions: %.0f bytes each", n, got)
	if got > most {
		t.Errorf("got %.0f bytes a session, want at most %.0f", got, most)
	}
	runtime.KeepAlive(s)
}

// fill keeps n sessions.
func fill(t testing.TB, s *memory.Store, n int) {
	t.Helper()
	for i := range n {
		create(t, s, typical(i))
	}
}

// bytesOf returns by how much the heap has grown.
func bytesOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // the second empties the pools
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

func BenchmarkSize(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				s := newStore(b, memory.Options{})
				size := bytesOf(func() { fill(b, s, n) })
				b.ReportMetric(float64(size)/float64(n), "B/session")
				begin := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, "gc-ms")
				runtime.KeepAlive(s)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStore(b, memory.Options{})
			fill(b, s, n)
			ids := make([]string, min(n, 10_000))
			for i := range ids {
				ids[i] = typical(i * (n / len(ids))).ID
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Get(b.Context(), ids[i%len(ids)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkCreateDelete(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStore(b, memory.Options{})
			fill(b, s, n)
			one := typical(n / 2)
			one.ExpiresAt = start.Add(time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				create(b, s, one)
				if err := s.Delete(b.Context(), one.ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type revoked struct{ keys sync.Map }

func (r *revoked) Revoked(v sessions.Revocation) {
	for _, k := range v.Keys {
		r.keys.Store(k, true)
	}
}

func (*revoked) Hearing(bool) {}

func TestSEC_G12_TheOldestMakeRoom(t *testing.T) {
	t.Parallel()
	var evicted atomic.Int32
	s := newStore(t, memory.Options{MaxSessions: 100, OnEvict: func() { evicted.Add(1) }})
	var heard revoked
	s.Subscribe(&heard)
	fill(t, s, 250)
	if n, _, _ := s.Sizes(); n != 100 || evicted.Load() != 150 {
		t.Fatalf("got %d sessions, %d evicted, want 100 and 150", n, evicted.Load())
	}
	for i := range 250 {
		one := typical(i)
		_, err := s.Get(t.Context(), one.ID)
		_, said := heard.keys.Load(one.Key)
		if gone := i < 150; errors.Is(err, sessions.ErrNotFound) != gone || said != gone {
			t.Errorf("session %d: got %v, revoked %v, want gone %v", i, err, said, gone)
		}
	}
}

func TestSEC_G12_NoGoroutinePerSession(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newStore(t, memory.Options{})
	fill(t, s, 2000)
	if got := runtime.NumGoroutine() - before; got > 8 { // those of other tests may come and go
		t.Errorf("got %d goroutines for 2000 sessions, want one", got)
	}
}

// TestSEC_G12_Swept has the Store sweep by itself.
func TestSEC_G12_Swept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Options{Now: time.Now, Random: rand.Reader, GracePeriod: 30 * time.Minute})
		defer s.Close()
		ctx, now := t.Context(), time.Now()
		for i := range 5000 { // more than one step
			one := typical(i)
			one.CreatedAt, one.LastSeenAt, one.ExpiresAt = now, now, now.Add(time.Hour)
			if i%2 == 1 {
				one.IdleTimeout, one.ExpiresAt = 0, now.Add(24*time.Hour)
			}
			create(t, s, one)
		}
		if _, err := s.Use(ctx, "state", now.Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Acquire(ctx, "refresh", time.Minute); err != nil {
			t.Fatal(err)
		}
		want := func(kept, used, held int) {
			t.Helper()
			k, u, h := s.Sizes()
			if k != kept || u != used || h != held {
				t.Errorf("after %v: %d sessions, %d names, %d leases, want %d, %d, %d", time.Since(now), k, u, h, kept, used, held)
			}
		}
		for _, step := range []struct {
			after            time.Duration
			kept, used, held int
		}{{0, 5000, 1, 1}, {3 * time.Minute, 5000, 1, 0}, {12 * time.Minute, 5000, 0, 0}, {89 * time.Minute, 5000, 0, 0}, {92 * time.Minute, 2500, 0, 0}, {25 * time.Hour, 0, 0, 0}} {
			time.Sleep(step.after - time.Since(now)) // the bubble's clock
			synctest.Wait()
			want(step.kept, step.used, step.held)
		}
	})
}

// TestSEC_D26_UsedNamesAreBounded: when too many logins are on their way, the next
// one is our fault, not a way to fill the memory.
func TestSEC_D26_UsedNamesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memory.New(memory.Options{Now: func() time.Time { return now }, Random: rand.Reader})
	defer s.Close()
	s.UseUp("attempt", now.Add(time.Minute))
	if first, err := s.Use(t.Context(), "logout:1", now.Add(time.Minute)); !first || err != nil {
		t.Errorf("another kind: got %v, %v", first, err)
	}
	if first, err := s.Use(t.Context(), "attempt:one more", now.Add(time.Minute)); first || !errors.Is(err, gateward.ErrUnavailable) {
		t.Errorf("one more: got %v, %v", first, err)
	}
	now = now.Add(2 * time.Minute)
	s.Sweep()
	if first, err := s.Use(t.Context(), "attempt:one more", now.Add(time.Minute)); !first || err != nil {
		t.Errorf("after the sweep: got %v, %v", first, err)
	}
}
