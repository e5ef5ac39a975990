package extauthz

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
)

// A cacheKey is the SHA-256 of a credential and how it was presented. What
// else a decision reads (rule, host, path) is evaluated on every check, so no
// decision is shared between rules.
type cacheKey [sha256.Size]byte

// keyOf hashes a credential; buf is scratch space, returned grown.
func keyOf(buf []byte, scheme gateward.Scheme, value []byte) (cacheKey, []byte) {
	// The scheme is one byte, so the concatenation is unambiguous.
	buf = append(append(buf[:0], byte(scheme)), value...)
	return sha256.Sum256(buf), buf
}

const cacheShards = 64

// A cache keeps what credentials turned out to be: identities until they or
// their time to live expire, refusals for a short while. Both are bounded, and
// apart from each other, so that a flood of garbage evicts no identity. Faults
// are not kept. Safe for concurrent use.
type cache struct {
	ttl, negativeTTL int64 // nanoseconds
	shards           [cacheShards]cacheShard
}

type cacheShard struct {
	mu sync.RWMutex
	// index holds positions in slots; it has no pointers, so a collection
	// does not walk it.
	index map[cacheKey]uint32
	slots []cacheSlot
	limit int
	hand  int

	// refused and fading are two generations of refusals: when the younger is
	// full it becomes the older, whose entries are forgotten.
	refused, fading map[cacheKey]refusedEntry
	refusedLimit    int
}

type cacheSlot struct {
	key     cacheKey
	expires int64
	value   *resolved
	used    atomic.Bool
}

type refusedEntry struct {
	expires int64
	value   *resolved
}

func newCache(c Cache) *cache {
	k := &cache{ttl: int64(c.TTL), negativeTTL: int64(c.NegativeTTL)}
	for i := range k.shards {
		s := &k.shards[i]
		s.limit = (c.Size + cacheShards - 1) / cacheShards
		s.refusedLimit = s.limit/8 + 1
		s.index = map[cacheKey]uint32{}
		s.refused = map[cacheKey]refusedEntry{}
	}
	return k
}

func (c *cache) shard(k *cacheKey) *cacheShard { return &c.shards[k[0]%cacheShards] }

// get returns what the credential is known to be at now, or nil.
func (c *cache) get(k *cacheKey, now int64) *resolved {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i, ok := s.index[*k]; ok && now < s.slots[i].expires {
		slot := &s.slots[i]
		if !slot.used.Load() { // a shared cache line is written only when it must be
			slot.used.Store(true)
		}
		return slot.value
	}
	if len(s.refused)+len(s.fading) == 0 {
		return nil
	}
	e, ok := s.refused[*k]
	if !ok {
		e, ok = s.fading[*k]
	}
	if !ok || now >= e.expires {
		return nil
	}
	return e.value
}

// put keeps r, unless it is a fault or its time is over.
func (c *cache) put(k *cacheKey, r *resolved, now int64) {
	s := c.shard(k)
	if s.limit == 0 {
		return
	}
	if r.reason != ReasonIdentified {
		if r.reason.Outcome() == OutcomeDeny && c.negativeTTL > 0 {
			s.putRefused(k, refusedEntry{now + c.negativeTTL, r})
		}
		return
	}
	expires := now + c.ttl
	// Compared as times: the nanoseconds of a date far away overflow.
	if e := r.identity.Expiry; !e.IsZero() && e.Before(time.Unix(0, expires)) {
		if !e.After(time.Unix(0, now)) {
			return
		}
		expires = e.UnixNano()
	}
	s.putIdentified(k, expires, r)
}

func (s *cacheShard) putIdentified(k *cacheKey, expires int64, r *resolved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[*k]
	switch {
	case ok:
	case len(s.slots) < s.limit:
		s.slots = append(s.slots, cacheSlot{})
		i = uint32(len(s.slots) - 1) //nolint:gosec // bounded by the limit
	default:
		i = s.evict()
	}
	s.index[*k] = i
	slot := &s.slots[i]
	slot.key, slot.expires, slot.value = *k, expires, r
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
