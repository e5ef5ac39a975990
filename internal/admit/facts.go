package admit

import (
	"slices"

	"github.com/gateward/gateward"
)

// smallSet is the size up to which a list is searched one by one: it is as fast
// as hashing, and needs no memory.
const smallSet = 8

// Facts are what a check asks of an identity, prepared so that the check does
// not grow with it. They are immutable, safe for concurrent use, and keep the
// identity alive.
type Facts struct {
	id            *gateward.Identity
	email         address // zero unless verified and well formed
	groups        set
	organizations set
	teams         set
	scopes        set
}

// NewFacts returns the facts of id, which must not be written to afterwards.
func NewFacts(id *gateward.Identity) Facts {
	if id == nil {
		return Facts{}
	}
	f := factsOf(id)
	f.groups.index()
	f.organizations.index()
	f.teams.index()
	f.scopes.index()
	return f
}

// factsOf returns the facts of id without indexes.
func factsOf(id *gateward.Identity) Facts {
	f := Facts{
		id: id, groups: set{list: id.Groups}, scopes: set{list: id.Scopes},
		organizations: set{list: id.Organizations}, teams: set{list: id.Teams},
	}
	if id.EmailVerified {
		f.email = parseAddress(id.Email)
	}
	return f
}

// A set is a list, with an index when it is long.
type set struct {
	list  []string
	byKey map[string]struct{} // nil: search the list
}

func (s *set) index() {
	if len(s.list) <= smallSet {
		return
	}
	s.byKey = make(map[string]struct{}, len(s.list))
	for _, v := range s.list {
		s.byKey[v] = struct{}{}
	}
}

func (s *set) has(v string) bool {
	if s.byKey == nil {
		return slices.Contains(s.list, v)
	}
	_, ok := s.byKey[v]
	return ok
}

// hasAny reports whether one of wanted is an element.
func (s *set) hasAny(wanted []string) bool {
	for _, v := range wanted {
		if s.has(v) {
			return true
		}
	}
	return false
}
