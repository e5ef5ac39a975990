package extauthz

import (
	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// Revocation beats the cache. What was read from a store before a revocation
// is neither used nor kept after it: the entries go, and the generation of
// their shard tells readers that began before. While nobody tells us of
// revocations, cached sessions are used for a short time only, and then verified
// again; if the store cannot be asked, that is a fault, as it would be without
// a cache.
//
// Only identities with a session id can be revoked.

var _ sessions.Listener = (*Engine)(nil)

// Revoked implements [sessions.Listener]. Once it has returned, no check that
// begins is answered by what was known before.
func (e *Engine) Revoked(r sessions.Revocation) { e.cache.revoke(r) }

// Hearing implements [sessions.Listener]. An engine is deaf until it is told
// otherwise.
func (e *Engine) Hearing(ok bool) {
	if ok {
		// Whatever was revoked before this moment, we may have missed it.
		e.cache.revoke(sessions.Revocation{All: true})
	}
	e.cache.deaf.Store(!ok)
}

var _ sessions.Listener = (*Service)(nil)

// Revoked implements [sessions.Listener] for the engine in force.
func (s *Service) Revoked(r sessions.Revocation) { s.engine.Load().Revoked(r) }

// Hearing implements [sessions.Listener] for the engine in force, and for those
// to come.
func (s *Service) Hearing(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hearing = ok
	s.engine.Load().Hearing(ok)
}

// revocable reports whether a revocation can concern r.
func (r *resolved) revocable() bool {
	return r.reason == ReasonIdentified && r.identity.SessionID != ""
}

// stale reports whether what was found out about a session by a verification
// that began at the one time cannot be used at the other.
func (c *cache) stale(began, now int64) bool {
	return c.deaf.Load() && now-began > c.maxStaleness
}

// revoke drops what a revocation concerns. It is in time proportional to the
// number of keys, or to the size of the cache if it concerns all sessions.
func (c *cache) revoke(r sessions.Revocation) {
	if r.All {
		for i := range c.shards {
			c.shards[i].revokeAll()
		}
		return
	}
	for i := range r.Keys {
		k := cacheKey{hash: r.Keys[i]}
		c.shard(&k).revoke(k)
	}
}

func (s *cacheShard) revoke(k cacheKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	for k.scheme = gateward.SchemeNone; k.scheme <= gateward.SchemeAcceptedCookie; k.scheme++ {
		if i, ok := s.index[k]; ok {
			s.drop(i)
		}
	}
}

func (s *cacheShard) revokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	for _, i := range s.index {
		if s.slots[i].session {
			s.drop(i)
		}
	}
}

// drop empties a slot that is in use.
func (s *cacheShard) drop(i uint32) {
	slot := &s.slots[i]
	delete(s.index, slot.key)
	slot.key, slot.session, slot.span, slot.value = cacheKey{}, false, span{}, nil
	s.free = append(s.free, i)
}
