package extauthz

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
)

func testKey(s string) cacheKey {
	k := keyOf(gateward.SchemeBearer, []byte(s))
	return k
}

// at is an instant when both clocks agree.
func at(n int64) instant { return instant{n, n} }

// held is what the cache has.
func held(c *cache, k *cacheKey, now int64) *resolved {
	r, _ := c.get(k, at(now))
	return r
}

func identified(expiry time.Time) *resolved {
	return &resolved{reason: ReasonIdentified, identity: gateward.Identity{Expiry: expiry}}
}

// TestSEC_K01_KeyCoversTheCredential: what differs in any way has a key of its
// own, and what it is presented as counts too.
func TestSEC_K01_KeyCoversTheCredential(t *testing.T) {
	t.Parallel()
	seen := map[cacheKey]string{}
	for _, scheme := range []gateward.Scheme{gateward.SchemeBearer, gateward.SchemeJWT, gateward.SchemeBasic, gateward.SchemeCookie, gateward.SchemeAcceptedCookie} {
		for _, value := range []string{"", "a", "b", "ab", "a\x00", strings.Repeat("a", 9000)} {
			k := keyOf(scheme, []byte(value))
			if other, ok := seen[k]; ok {
				t.Errorf("%v %.10q has the key of %s", scheme, value, other)
			}
			seen[k] = fmt.Sprintf("%v %.10q", scheme, value)
		}
	}
}

// TestSEC_K02_NeverBeyondExpiry: whichever of the two is earlier ends it.
func TestSEC_K02_NeverBeyondExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	c := newCache(Cache{Size: 100, TTL: time.Minute, NegativeTTL: 2 * time.Second})
	refused := &resolved{reason: ReasonInvalidCredential}
	for name, x := range map[string]struct {
		value *resolved
		lives time.Duration
	}{
		"time to live":    {identified(time.Time{}), time.Minute},
		"token expires":   {identified(now.Add(2 * time.Second)), 2 * time.Second},
		"token outlives":  {identified(now.Add(time.Hour)), time.Minute},
		"far away":        {identified(time.Unix(9_999_999_999_999, 0)), time.Minute},
		"long ago":        {identified(time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC)), 0},
		"already expired": {identified(now.Add(-time.Second)), 0},
		"refused":         {refused, 2 * time.Second},
	} {
		k := testKey(name)
		c.put(&k, x.value, 0, at(now.UnixNano()))
		if got := held(c, &k, now.Add(x.lives-1).UnixNano()); x.lives > 0 && got != x.value {
			t.Errorf("%s: gone before its time", name)
		}
		if got := held(c, &k, now.Add(x.lives).UnixNano()); got != nil {
			t.Errorf("%s: still there after %v", name, x.lives)
		}
	}
}

// TestSEC_K03_NoCredentialIsKept: the cache holds digests.
func TestSEC_K03_NoCredentialIsKept(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-credential"
	c := newCache(Cache{Size: 100, TTL: time.Minute, NegativeTTL: time.Minute})
	k := testKey(canary)
	c.put(&k, identified(time.Time{}), 0, at(0))
	if text := fmt.Sprintf("%+v %s", c.shard(&k), k.hash[:]); strings.Contains(text, canary) {
		t.Error("the credential is in the cache")
	}
}

// TestSEC_K04_FaultsAreNotKept: when it works again, it works again.
func TestSEC_K04_FaultsAreNotKept(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 100, TTL: time.Minute, NegativeTTL: 2 * time.Second})
	for reason := range numReasons {
		if reason.Outcome() != OutcomeFault {
			continue
		}
		k := testKey(reason.String())
		c.put(&k, &resolved{reason: reason, err: errors.New("x")}, 0, at(0))
		if held(c, &k, 1) != nil {
			t.Errorf("%v was kept", reason)
		}
	}
	if c.entries() != 0 {
		t.Errorf("%d entries", c.entries())
	}
}

// TestSEC_K05_FloodDoesNotEvict: garbage has its own, bounded place, and what
// is used stays when it gets crowded.
func TestSEC_K05_FloodDoesNotEvict(t *testing.T) {
	t.Parallel()
	const size, hot = 6400, 1000
	c := newCache(Cache{Size: size, TTL: time.Hour, NegativeTTL: time.Hour})
	keys := make([]cacheKey, hot)
	for i := range keys {
		keys[i] = testKey(fmt.Sprint("hot", i))
		c.put(&keys[i], identified(time.Time{}), 0, at(0))
	}
	hits := func() (n int) {
		for i := range keys {
			if held(c, &keys[i], 1) != nil {
				n++
			}
		}
		return n
	}
	for i := range 200_000 {
		k := testKey(fmt.Sprint("garbage", i))
		c.put(&k, &resolved{reason: ReasonInvalidCredential}, 0, at(0))
	}
	if n := hits(); n != hot {
		t.Errorf("after a flood of garbage %d of %d are left", n, hot)
	}
	for i := range 50_000 {
		k := testKey(fmt.Sprint("cold", i))
		c.put(&k, identified(time.Time{}), 0, at(0))
		if i%500 == 0 {
			hits() // the hot ones are being used meanwhile
		}
	}
	if n := hits(); n < hot*9/10 {
		t.Errorf("after a flood of identities %d of %d are left", n, hot)
	}
	// Each shard's share is rounded up, and refusals have an eighth, twice.
	if n, limit := c.entries(), size+size/4+3*cacheShards; n > limit {
		t.Errorf("%d entries, want at most %d", n, limit)
	}
}

// TestExpiredIdentityIsRefusedFromCache: an identity whose time is over does
// not hide the refusal that followed it.
func TestExpiredIdentityIsRefusedFromCache(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 64, TTL: time.Second, NegativeTTL: time.Minute})
	k, refused := testKey("a"), &resolved{reason: ReasonInvalidCredential}
	c.put(&k, identified(time.Time{}), 0, at(0))
	c.put(&k, refused, 0, at(int64(2*time.Second)))
	if held(c, &k, int64(3*time.Second)) != refused {
		t.Error("the refusal is not found")
	}
}

func TestCacheSizeZeroKeepsNothing(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{TTL: time.Hour, NegativeTTL: time.Hour})
	k := testKey("a")
	c.put(&k, identified(time.Time{}), 0, at(0))
	c.put(&k, &resolved{reason: ReasonInvalidCredential}, 0, at(0))
	if held(c, &k, 1) != nil || c.entries() != 0 {
		t.Error("something was kept")
	}
}

func TestCachePutTwice(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 64, TTL: time.Minute})
	k, first, second := testKey("a"), identified(time.Time{}), identified(time.Time{})
	c.put(&k, first, 0, at(0))
	c.put(&k, second, 0, at(int64(time.Second)))
	if held(c, &k, int64(time.Minute)) != second || c.entries() != 1 {
		t.Error("the second does not replace the first")
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := newCache(Cache{Size: 100_000, TTL: time.Hour})
	k := testKey("a")
	c.put(&k, identified(time.Time{}), 0, at(0))
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := c.get(&k, at(1)); r == nil {
			b.Fatal("miss")
		}
	}
}

// TestSEC_L13_ClocksThatPart: an entry ends when it is too old, whatever the wall
// clock says, and when its date comes, whatever the steady one says: one is set,
// the other stands still while a machine sleeps.
func TestSEC_L13_ClocksThatPart(t *testing.T) {
	t.Parallel()
	const second, hour = int64(time.Second), int64(time.Hour)
	began := instant{steady: hour, wall: 5 * hour}
	c := newCache(Cache{Size: 64, TTL: time.Minute})
	k := testKey("x")
	c.put(&k, identified(time.Unix(0, began.wall+10*second)), 0, began)
	for name, tt := range map[string]struct {
		now  instant
		want bool
	}{
		"both go on":             {instant{began.steady + 9*second, began.wall + 9*second}, true},
		"its date has come":      {instant{began.steady + 10*second, began.wall + 10*second}, false},
		"set forward, or asleep": {instant{began.steady + second, began.wall + hour}, false},
		"set back":               {instant{began.steady + 9*second, began.wall - hour}, true},
		"set back, too old":      {instant{began.steady + 60*second, began.wall - hour}, false},
	} {
		if got, _ := c.get(&k, tt.now); got != nil != tt.want {
			t.Errorf("%s: there: %v, want %v", name, got != nil, tt.want)
		}
	}
	// What ends soon is kept although the wall clock was set back meanwhile.
	back := instant{steady: 2 * hour, wall: 4 * hour}
	c.put(&k, identified(time.Unix(0, back.wall+10*second)), 0, back)
	if got, _ := c.get(&k, instant{back.steady + second, back.wall + second}); got == nil {
		t.Error("nothing is kept after the clock was set back")
	}
}

// TestCache_StaleDoesNotHideTheRefusal: while nothing is heard, a session that
// was asked for again in vain is not asked for on every check.
func TestCache_StaleDoesNotHideTheRefusal(t *testing.T) {
	t.Parallel()
	c := newCache(Cache{Size: 64, TTL: time.Minute, NegativeTTL: 5 * time.Second, MaxStaleness: time.Second})
	k, refused := testKey("a"), &resolved{reason: ReasonInvalidCredential}
	c.put(&k, sessionIdentity("x"), 0, at(0))
	c.put(&k, refused, 0, at(int64(2*time.Second)))
	if held(c, &k, int64(3*time.Second)) != refused {
		t.Error("the refusal is not found")
	}
}
