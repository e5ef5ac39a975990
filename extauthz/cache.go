package extauthz

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// A cacheKey is the SHA-256 of a credential and how it was presented. What
// else a decision reads (rule, host, path) is evaluated on every check, so no
// decision is shared between rules. The digest is that of a session's key, so a
// revocation finds the entries of its session, whose schemes it tries in turn.
type cacheKey struct {
	hash   sessions.Key
	scheme gateward.Scheme
}

// keyOf returns the key of a credential.
func keyOf(scheme gateward.Scheme, value []byte) cacheKey {
	return cacheKey{sessions.KeyOf(value), scheme}
}

const cacheShards = 64

// An instant is a moment by two clocks, in nanoseconds since 1970. steady only
// goes forward, and says how old something is; wall may be set, and says what an
// expiry date means.
type instant struct{ steady, wall int64 }

// A cache keeps what credentials turned out to be: identities until they or
// their time to live expire, refusals for a short while. Both are bounded, and
// apart from each other, so that a flood of garbage evicts no identity. Faults
// are not kept. What concerns revocations is in revocation.go. Safe for
// concurrent use.
type cache struct {
	// In nanoseconds.
	ttl, negativeTTL, maxStaleness int64
	// deaf: revocations may happen that nobody tells us of.
	deaf   atomic.Bool
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu sync.RWMutex
	// generation counts the revocations that concern the shard. What was read
	// from a store before the last of them is not kept.
	generation uint64
	// index holds positions in slots; it has no pointers, so a collection
	// does not walk it.
	index map[cacheKey]uint32
	slots []cacheSlot
	// free are positions in slots whose entries were dropped.
	free  []uint32
	limit int
	hand  int

	// refused and fading are two generations of refusals: when the younger is
	// full it becomes the older, whose entries are forgotten.
	refused, fading map[cacheKey]refusedEntry
	refusedLimit    int
}

// A cacheSlot is 64 bytes long, a cache line.
type cacheSlot struct {
	key cacheKey
	// session: the identity can be revoked.
	session bool
	used    atomic.Bool
	span
	value *resolved
}

// A span is how long an entry is used: began is when the verification began, by
// the steady clock; ends is when the identity has to be looked at again, by the
// wall clock.
type span struct{ began, ends int64 }

type refusedEntry struct {
	expires int64
	value   *resolved
}

func newCache(c Cache) *cache {
	k := &cache{ttl: int64(c.TTL), negativeTTL: int64(c.NegativeTTL), maxStaleness: int64(c.MaxStaleness)}
	k.deaf.Store(true) // until we are told that we hear
	for i := range k.shards {
		s := &k.shards[i]
		s.limit = (c.Size + cacheShards - 1) / cacheShards
		s.refusedLimit = s.limit/8 + 1
		s.index = map[cacheKey]uint32{}
		s.refused = map[cacheKey]refusedEntry{}
	}
	return k
}

func (c *cache) shard(k *cacheKey) *cacheShard { return &c.shards[k.hash[0]%cacheShards] }

// get returns what the credential is known to be at now, or nil; and the
// generation that put wants to be told if it is found out after this.
func (c *cache) get(k *cacheKey, now instant) (*resolved, uint64) {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i, ok := s.index[*k]; ok && now.steady-s.slots[i].began < c.ttl && now.wall < s.slots[i].ends {
		// What is stale is to be asked for again, unless it has been, in vain.
		if slot := &s.slots[i]; !slot.session || !c.stale(slot.began, now.steady) {
			if !slot.used.Load() { // a shared cache line is written only when it must be
				slot.used.Store(true)
			}
			return slot.value, s.generation
		}
	}
	if len(s.refused)+len(s.fading) == 0 {
		return nil, s.generation
	}
	e, ok := s.refused[*k]
	if !ok {
		e, ok = s.fading[*k]
	}
	if !ok || now.steady >= e.expires {
		return nil, s.generation
	}
	return e.value, s.generation
}

// put keeps r, the outcome of a verification that began in this generation and
// at this time, unless it is a fault, its time is over, or it may have been
// revoked meanwhile.
//
// A refusal may be kept although a session came to be meanwhile: its client
// token is random and new, so nobody has presented it before.
func (c *cache) put(k *cacheKey, r *resolved, generation uint64, began instant) {
	s := c.shard(k)
	if s.limit == 0 {
		return
	}
	if r.reason != ReasonIdentified {
		if r.reason.Outcome() == OutcomeDeny && c.negativeTTL > 0 {
			s.putRefused(k, refusedEntry{began.steady + c.negativeTTL, r})
		}
		return
	}
	ends := int64(math.MaxInt64)
	for _, end := range [...]time.Time{r.identity.Expiry, r.identity.FreshUntil} {
		// Compared as times: the nanoseconds of a date far away overflow.
		if end.IsZero() || !end.Before(time.Unix(0, ends)) {
			continue
		}
		if !end.After(time.Unix(0, began.wall)) {
			return
		}
		ends = end.UnixNano()
	}
	s.putIdentified(k, r, generation, span{began.steady, ends})
}

func (s *cacheShard) putIdentified(k *cacheKey, r *resolved, generation uint64, used span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := r.revocable()
	if session && generation != s.generation {
		return
	}
	i, ok := s.index[*k]
	switch {
	case ok:
	case len(s.free) > 0:
		i = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	case len(s.slots) < s.limit:
		s.slots = append(s.slots, cacheSlot{})
		i = uint32(len(s.slots) - 1) //nolint:gosec // bounded by the limit
	default:
		i = s.evict()
	}
	s.index[*k] = i
	slot := &s.slots[i]
	slot.key, slot.session, slot.span, slot.value = *k, session, used, r
	slot.used.Store(false)
}

// evict frees a slot: the first behind the hand that has not been used since
// the hand last passed it (CLOCK).
func (s *cacheShard) evict() uint32 {
	for {
		i := s.hand
		s.hand = (s.hand + 1) % len(s.slots)
		if slot := &s.slots[i]; !slot.used.Swap(false) {
			delete(s.index, slot.key)
			return uint32(i) //nolint:gosec // bounded by the limit
		}
	}
}

func (s *cacheShard) putRefused(k *cacheKey, e refusedEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) >= s.refusedLimit {
		s.refused, s.fading = map[cacheKey]refusedEntry{}, s.refused
	}
	s.refused[*k] = e
}

// entries counts what is kept.
func (c *cache) entries() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.index) + len(s.refused) + len(s.fading)
		s.mu.RUnlock()
	}
	return n
}
