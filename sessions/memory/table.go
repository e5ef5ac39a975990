package memory

import (
	"encoding/hex"
	"hash/maphash"
	"sort"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// An entry is what is known of a session without reading its record. Times are
// in microseconds since the epoch.
type entry struct {
	key                                   sessions.Key
	created, updated, seen, expires, idle int64
	revision, serial                      uint64
	principal, sid, user                  uint64 // hashes; sid and user are 0 for none
	links                                 [numLinks]link
	kind                                  uint32
	ending                                uint32 // the position in table.endings
	text                                  string // see record.go
}

// used reports whether there is a session in the entry.
func (e *entry) used() bool { return e.serial != 0 }

// A link chains the entries with the same hash, and all in the order in which
// they came. An unused entry's first chains the unused.
type link struct{ prev, next uint32 }

// The chains that an entry is in.
const (
	byPrincipal = iota
	bySID
	byUser
	byArrival
	numLinks
)

// none is no entry.
const none = ^uint32(0)

func (e *entry) deadline() int64 {
	if e.idle > 0 {
		return min(e.expires, e.seen+e.idle)
	}
	return e.expires
}

func (e *entry) live(now time.Time) bool { return micro(now) < e.deadline() }

// kept reports whether the session is live or has not been over for longer than
// grace.
func (e *entry) kept(now time.Time, grace time.Duration) bool { return e.live(now.Add(-grace)) }

func (e *entry) place() place { return place{e.created, e.serial} }

// micro is a time in microseconds since the epoch.
func micro(t time.Time) int64 { return t.UnixMicro() }

// pageSize is how many entries are allocated at once: entries never move, and a
// table that grows copies none of them.
const pageSize = 512

// A table finds entries by id, by principal, by SID, by user, in the order of
// creation, and the one to make room, and none of it by looking at all of them.
type table struct {
	seed  maphash.Seed
	pages []*[pageSize]entry
	free  uint32 // the first unused entry
	next  uint64 // serial

	ids                     map[[16]byte]uint32
	principals, sids, users map[uint64]uint32 // the first of each chain

	// order has a position for every entry by place, and some of entries that
	// are gone (none). Most sessions are newer than all others: they are appended.
	order []position
	dead  int // positions without an entry

	// eldest and newest are the ends of the chain by arrival, which does not depend
	// on a clock as the order does.
	eldest, newest uint32
	// endings is a heap of all entries by deadline; see deadlines.go.
	endings []uint32

	kinds   []kind
	kindsBy map[[2]string]uint32
}

type position struct {
	place
	entry uint32
}

// A kind is a method with a provider. There are as many as are configured.
type kind struct {
	method, provider string
	sessions         int
}

func newTable() table {
	return table{
		seed: maphash.MakeSeed(), free: none, eldest: none, newest: none, ids: map[[16]byte]uint32{},
		principals: map[uint64]uint32{}, sids: map[uint64]uint32{}, users: map[uint64]uint32{}, kindsBy: map[[2]string]uint32{},
	}
}

func (t *table) len() int { return len(t.ids) }

func (t *table) at(i uint32) *entry { return &t.pages[i/pageSize][i%pageSize] }

// find returns the entry of the session with this id.
func (t *table) find(id string) (uint32, bool) {
	b, ok := parseID(id)
	if !ok {
		return 0, false
	}
	i, ok := t.ids[b]
	return i, ok
}

// parseID returns the bytes of an id in the form of [sessions.IDOf].
func parseID(id string) ([16]byte, bool) {
	var b [16]byte
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return b, false
	}
	var digits [32]byte
	n := copy(digits[:], id[:8])
	n += copy(digits[n:], id[9:13])
	n += copy(digits[n:], id[14:18])
	n += copy(digits[n:], id[19:23])
	copy(digits[n:], id[24:])
	for _, c := range digits {
		if 'A' <= c && c <= 'F' {
			return b, false
		}
	}
	_, err := hex.Decode(b[:], digits[:])
	return b, err == nil
}

// insert adds a session, whose packed record is text.
func (t *table) insert(s *sessions.Session, text string) {
	id, ok := parseID(s.ID)
	if !ok {
		return // it could not be found by any id
	}
	if i, twice := t.ids[id]; twice {
		t.remove(i)
	}
	i := t.unused()
	t.next++
	*t.at(i) = entry{
		key: s.Key, created: micro(s.CreatedAt), updated: micro(s.UpdatedAt), seen: micro(s.LastSeenAt),
		expires: micro(s.ExpiresAt), idle: s.IdleTimeout.Microseconds(), revision: s.Revision, serial: t.next,
	}
	t.ids[id] = i
	t.place(i)
	t.arrive(i)
	t.beginEnding(i)
	t.describe(i, s, text)
}

// unused returns an entry that may be written to.
func (t *table) unused() uint32 {
	if t.free == none {
		first := uint32(len(t.pages) * pageSize) //nolint:gosec // the cap is far below
		t.pages = append(t.pages, new([pageSize]entry))
		for i := first; i < first+pageSize; i++ {
			t.at(i).links[0].next = t.free
			t.free = i
		}
	}
	i := t.free
	t.free = t.at(i).links[0].next
	return i
}

// place gives an entry its position in the order.
func (t *table) place(i uint32) {
	p := position{t.at(i).place(), i}
	n := t.after(p.place)
	t.order = append(t.order, position{})
	copy(t.order[n+1:], t.order[n:])
	t.order[n] = p
}

// after returns the first position behind p.
func (t *table) after(p place) int {
	return sort.Search(len(t.order), func(n int) bool { return p.compare(t.order[n].place) < 0 })
}

// arrive makes an entry the newest.
func (t *table) arrive(i uint32) {
	t.at(i).links[byArrival] = link{t.newest, none}
	if t.newest != none {
		t.at(t.newest).links[byArrival].next = i
	} else {
		t.eldest = i
	}
	t.newest = i
}

// leave undoes arrive.
func (t *table) leave(i uint32) {
	l := t.at(i).links[byArrival]
	if l.prev != none {
		t.at(l.prev).links[byArrival].next = l.next
	} else {
		t.eldest = l.next
	}
	if l.next != none {
		t.at(l.next).links[byArrival].prev = l.prev
	} else {
		t.newest = l.prev
	}
}

// dispensable returns the entry to make room, if there is any: the one that has
// been over for longest, or else the one that came first.
func (t *table) dispensable(now time.Time) (uint32, bool) {
	if len(t.endings) > 0 && !t.at(t.endings[0]).live(now) {
		return t.endings[0], true
	}
	return t.eldest, t.eldest != none
}

// replace puts what is said about a session, and its record.
func (t *table) replace(id string, s *sessions.Session, text string) {
	if i, ok := t.find(id); ok {
		t.forget(i)
		t.describe(i, s, text)
	}
}

// describe enters what may change about a session.
func (t *table) describe(i uint32, s *sessions.Session, text string) {
	e := t.at(i)
	e.text = text
	e.kind = t.kindOf(s.Identity.Method, s.Identity.Provider)
	t.kinds[e.kind].sessions++
	e.principal = t.hashPrincipal(s.Identity.Principal)
	t.link(byPrincipal, t.principals, e.principal, i)
	if e.sid = 0; s.Tokens.SID != "" {
		e.sid = t.hashSID(s.Tokens.SID)
		t.link(bySID, t.sids, e.sid, i)
	}
	if e.user = 0; s.Identity.UserID != "" {
		e.user = t.hashUser(s.Identity.UserID)
		t.link(byUser, t.users, e.user, i)
	}
}

// forget undoes describe.
func (t *table) forget(i uint32) {
	e := t.at(i)
	t.kinds[e.kind].sessions--
	t.unlink(byPrincipal, t.principals, e.principal, i)
	if e.sid != 0 {
		t.unlink(bySID, t.sids, e.sid, i)
	}
	if e.user != 0 {
		t.unlink(byUser, t.users, e.user, i)
	}
}

// remove drops an entry.
func (t *table) remove(i uint32) {
	t.forget(i)
	t.leave(i)
	t.endEnding(i)
	e := t.at(i)
	id, _ := parseID(sessions.IDOf(e.key))
	delete(t.ids, id)
	t.order[t.after(e.place())-1].entry = none
	if t.dead++; t.dead > len(t.order)/4+pageSize {
		t.compact()
	}
	*e = entry{}
	e.links[0].next = t.free
	t.free = i
}

// compact drops the positions of what is gone. That it comes once in many
// removals makes each of them cheap.
func (t *table) compact() {
	kept := t.order[:0]
	for _, p := range t.order {
		if p.entry != none {
			kept = append(kept, p)
		}
	}
	t.order, t.dead = kept, 0
}

// sweep removes the entries from one number to another that were over at a time,
// and reports whether there are more behind.
func (t *table) sweep(from, to int, over time.Time) bool {
	last := len(t.pages) * pageSize
	for i := from; i < min(to, last); i++ {
		n := uint32(i) //nolint:gosec // the cap is far below
		if e := t.at(n); e.used() && !e.live(over) {
			t.remove(n)
		}
	}
	return to < last
}

func (t *table) kindOf(method, provider string) uint32 {
	i, ok := t.kindsBy[[2]string{method, provider}]
	if !ok {
		i = uint32(len(t.kinds)) //nolint:gosec // there are a handful
		t.kinds = append(t.kinds, kind{method: method, provider: provider})
		t.kindsBy[[2]string{method, provider}] = i
	}
	return i
}

// hashPrincipal, hashSID and hashUser are never 0. Nobody outside can make two principals
// collide, for the seed is random.
func (t *table) hashPrincipal(p gateward.Principal) uint64 {
	return maphash.Comparable(t.seed, p) | 1
}

func (t *table) hashSID(sid string) uint64 { return maphash.String(t.seed, sid) | 1 }

func (t *table) hashUser(id string) uint64 { return maphash.String(t.seed, id) | 1 }

func (t *table) link(by int, heads map[uint64]uint32, hash uint64, i uint32) {
	head, ok := heads[hash]
	if !ok {
		head = none
	} else {
		t.at(head).links[by].prev = i
	}
	t.at(i).links[by] = link{none, head}
	heads[hash] = i
}

func (t *table) unlink(by int, heads map[uint64]uint32, hash uint64, i uint32) {
	l := t.at(i).links[by]
	switch {
	case l.prev != none:
		t.at(l.prev).links[by].next = l.next
	case l.next != none:
		heads[hash] = l.next
	default:
		delete(heads, hash)
	}
	if l.next != none {
		t.at(l.next).links[by].prev = l.prev
	}
}

// chain returns the entries with a hash.
func (t *table) chain(by int, heads map[uint64]uint32, hash uint64) []uint32 {
	head, ok := heads[hash]
	if !ok {
		return nil
	}
	var all []uint32
	for i := head; i != none; i = t.at(i).links[by].next {
		all = append(all, i)
	}
	return all
}
