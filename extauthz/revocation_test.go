package extauthz

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func sessionIdentity(id string) *resolved {
	return &resolved{reason: ReasonIdentified, identity: gateward.Identity{SessionID: id}}
}

func TestCacheSlotIsACacheLine(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(cacheSlot{}); n != 64 {
		t.Errorf("a slot is %d bytes long", n)
	}
}

// TestSEC_K07_RevocationFindsEveryScheme: a session is dropped however it was
// presented, and nothing else is.
func TestSEC_K07_RevocationFindsEveryScheme(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 1000, TTL: time.Hour, NegativeTTL: time.Hour})
	c.deaf.Store(false)
	var gone, kept []cacheKey
	for scheme := gateward.SchemeNone; scheme <= gateward.SchemeAcceptedCookie; scheme++ {
		gone = append(gone, keyOf(scheme, []byte("revoked")))
		kept = append(kept, keyOf(scheme, []byte("other")))
	}
	// A scheme that is not tried has no name.
	if next := gateward.SchemeAcceptedCookie + 1; next.String() != "none" {
		t.Errorf("scheme %v is not looked for", next)
	}
	for i := range gone {
		c.put(&gone[i], sessionIdentity("a"), 0, at(0))
		c.put(&kept[i], sessionIdentity("b"), 0, at(0))
	}
	c.revoke(sessions.Revocation{Keys: []sessions.Key{sessions.KeyOf([]byte("revoked")), sessions.KeyOf([]byte("never seen"))}})
	for i := range gone {
		if held(c, &gone[i], 1) != nil {
			t.Errorf("scheme %d: still there", i)
		}
		if held(c, &kept[i], 1) == nil {
			t.Errorf("scheme %d: another session is gone", i)
		}
	}
}

// TestSEC_K07_AllMeansSessions: what cannot be revoked stays.
func TestSEC_K07_AllMeansSessions(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 64 * 50, TTL: time.Hour, NegativeTTL: time.Hour})
	c.deaf.Store(false)
	for i := range 500 {
		k, s := testKey(fmt.Sprint("token", i)), testKey(fmt.Sprint("session", i))
		c.put(&k, identified(time.Time{}), 0, at(0))
		c.put(&s, sessionIdentity("x"), 0, at(0))
	}
	_, before := c.get(&cacheKey{}, at(0))
	c.revoke(sessions.Revocation{All: true})
	for i := range 500 {
		k, s := testKey(fmt.Sprint("token", i)), testKey(fmt.Sprint("session", i))
		if held(c, &k, 1) == nil || held(c, &s, 1) != nil {
			t.Fatalf("%d: token there: %v, session there: %v", i, held(c, &k, 1) != nil, held(c, &s, 1) != nil)
		}
	}
	if c.entries() != 500 {
		t.Errorf("%d entries", c.entries())
	}
	// Whatever is still being read was read before.
	for i := range 500 {
		s := testKey(fmt.Sprint("session", i))
		c.put(&s, sessionIdentity("x"), before, at(0))
		if held(c, &s, 1) != nil {
			t.Fatalf("%d: kept what was read before", i)
		}
	}
}

// TestSEC_K07_GenerationConcernsSessionsOnly: what cannot be revoked is kept
// whenever it was verified.
func TestSEC_K07_GenerationConcernsSessionsOnly(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 64, TTL: time.Hour, NegativeTTL: time.Hour})
	session, token, refused := testKey("a"), keyOf(gateward.SchemeCookie, []byte("a")), keyOf(gateward.SchemeBasic, []byte("a"))
	_, generation := c.get(&session, at(0))
	c.revoke(sessions.Revocation{Keys: []sessions.Key{session.hash}})
	c.put(&session, sessionIdentity("x"), generation, at(0))
	c.put(&token, identified(time.Time{}), generation, at(0))
	c.put(&refused, &resolved{reason: ReasonInvalidCredential}, generation, at(0))
	if held(c, &session, 0) != nil || held(c, &token, 0) == nil || held(c, &refused, 0) == nil {
		t.Error("got the wrong ones")
	}
}

// stream is n bytes in no particular order, always the same for a seed.
func stream(seed byte, n int) []byte {
	var out []byte
	for block := []byte{seed}; len(out) < n; {
		k := sessions.KeyOf(block)
		block = k[:]
		out = append(out, block...)
	}
	return out[:n]
}

// TestSEC_K05_AnyOrder: whatever happens in whatever order, an entry is that of
// its key, none outlives its revocation, and the bound holds.
func TestSEC_K05_AnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range byte(10) {
		steps := stream(seed, 20_000)
		c := newCache(Cache{Size: cacheShards * 3, TTL: 100, NegativeTTL: 100})
		c.deaf.Store(false)
		model := map[cacheKey]*resolved{} // what may be there
		for now := int64(0); len(steps) >= 4; now++ {
			what, name, scheme := steps[0], string(append(steps[1:2:2], steps[2]&3)), gateward.Scheme(1+steps[3]%5)
			steps = steps[4:]
			k := keyOf(scheme, []byte(name))
			switch {
			case what < 2:
				c.revoke(sessions.Revocation{All: true})
				for k, v := range model {
					if v.revocable() {
						delete(model, k)
					}
				}
			case what < 25:
				c.revoke(sessions.Revocation{Keys: []sessions.Key{k.hash}})
				for scheme := range gateward.SchemeAcceptedCookie + 1 {
					delete(model, cacheKey{k.hash, scheme})
				}
			case what < 160:
				v := identified(time.Time{})
				if what%2 == 0 {
					v = sessionIdentity(name)
				}
				_, generation := c.get(&k, at(now))
				c.put(&k, v, generation, at(now))
				if model[k] = v; held(c, &k, now) != v {
					t.Fatalf("step %d: not there at once", now)
				}
			default:
				if got := held(c, &k, now); got != nil && got != model[k] {
					t.Fatalf("step %d: got %v, want %v or nothing", now, got, model[k])
				}
			}
		}
		inspect(t, c)
	}
}

// inspect holds what is true of a cache at any time.
func inspect(t *testing.T, c *cache) {
	t.Helper()
	for i := range c.shards {
		s := &c.shards[i]
		if len(s.slots) > s.limit || len(s.index)+len(s.free) != len(s.slots) {
			t.Errorf("%d slots, %d used, %d free, limit %d", len(s.slots), len(s.index), len(s.free), s.limit)
		}
		for k, i := range s.index {
			if s.slots[i].key != k || s.slots[i].value == nil {
				t.Errorf("slot %d is not that of its key", i)
			}
		}
	}
}

// TestSEC_K02_FreshUntil: what has to be looked at again is.
func TestSEC_K02_FreshUntil(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	began := now.UnixNano()
	c := newCache(Cache{Size: 64, TTL: time.Minute})
	c.deaf.Store(false)
	for name, x := range map[string]struct {
		expiry, fresh time.Time
		lives         time.Duration
	}{
		"no bound":             {time.Time{}, time.Time{}, time.Minute},
		"fresh, then verified": {now.Add(time.Hour), now.Add(5 * time.Second), 5 * time.Second},
		"ends before":          {now.Add(3 * time.Second), now.Add(5 * time.Second), 3 * time.Second},
		"far away":             {time.Time{}, now.Add(time.Hour), time.Minute},
		"due":                  {now.Add(time.Hour), now, 0},
		"overdue":              {time.Time{}, now.Add(-time.Second), 0},
	} {
		k := testKey(name)
		v := sessionIdentity("x")
		v.identity.Expiry, v.identity.FreshUntil = x.expiry, x.fresh
		c.put(&k, v, 0, at(began))
		if x.lives > 0 && held(c, &k, began+int64(x.lives)-1) != v {
			t.Errorf("%s: gone before its time", name)
		}
		if held(c, &k, began+int64(x.lives)) != nil {
			t.Errorf("%s: still there after %v", name, x.lives)
		}
	}
}

// TestSEC_K07_StaleWhileDeaf: only sessions, and only once they are older than
// the bound.
func TestSEC_K07_StaleWhileDeaf(t *testing.T) {
	t.Parallel()
	const bound = 5 * time.Second
	c := newCache(Cache{Size: 64, TTL: time.Minute, MaxStaleness: bound})
	session, token := testKey("session"), testKey("token")
	c.put(&session, sessionIdentity("x"), 0, at(0))
	c.put(&token, identified(time.Time{}), 0, at(0))
	for _, x := range []struct {
		deaf bool
		at   time.Duration
		want bool
	}{
		{true, bound, true}, {true, bound + 1, false}, {false, bound + 1, true}, {true, time.Minute - 1, false}, {false, time.Minute, false},
	} {
		c.deaf.Store(x.deaf)
		if got := held(c, &session, int64(x.at)) != nil; got != x.want {
			t.Errorf("deaf %v, after %v: there is %v, want %v", x.deaf, x.at, got, x.want)
		}
		if got := held(c, &token, int64(x.at)) != nil; got != (x.at < time.Minute) {
			t.Errorf("deaf %v, after %v: a token is there: %v", x.deaf, x.at, got)
		}
	}
}

func BenchmarkCacheHitSession(b *testing.B) {
	c := newCache(Cache{Size: 100_000, TTL: time.Hour, MaxStaleness: time.Second})
	k := testKey("a")
	c.put(&k, sessionIdentity("a"), 0, at(0))
	b.ReportAllocs()
	for b.Loop() {
		if held(c, &k, 1) == nil {
			b.Fatal("miss")
		}
	}
}
