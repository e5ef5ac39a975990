package memory

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// List implements [sessions.Registry]. Without a principal, an SID or a user it
// looks at every session from the page's beginning on, though it reads only those of the
// page.
func (s *Store) List(_ context.Context, f sessions.Filter, limit int, pageToken string) (sessions.Page, error) {
	var from place
	if pageToken != "" {
		var ok bool
		if from, ok = parsePlace(pageToken); !ok {
			return sessions.Page{}, sessions.ErrBadPage
		}
	}
	if limit < 1 {
		return sessions.Page{}, nil
	}
	now := s.o.Now()
	s.mu.RLock()
	q := s.table.query(&f)
	var found []entry
	s.table.each(q, from, func(_ uint32, e *entry) bool {
		if (f.Expired && e.kept(now, s.o.GracePeriod) || e.live(now)) && q.selects(e) {
			found = append(found, *e)
		}
		return len(found) <= limit
	})
	s.mu.RUnlock()

	var page sessions.Page
	if len(found) > limit {
		page.Next = found[limit-1].place().token()
		found = found[:limit]
	}
	for i := range found {
		one, err := found[i].session()
		if err != nil {
			return sessions.Page{}, err
		}
		if f.Selects(&one) {
			page.Sessions = append(page.Sessions, one)
		}
	}
	return page, nil
}

// DeleteWhere implements [sessions.Registry]. With a principal, an SID or a
// user it looks at theirs alone.
func (s *Store) DeleteWhere(_ context.Context, f sessions.Filter) (int, error) {
	if f.Zero() {
		return 0, sessions.ErrNoFilter
	}
	now := s.o.Now()
	exact := f.Principal == gateward.Principal{} && f.SID == "" && f.UserID == "" // the entries alone tell
	live := 0
	var keys []sessions.Key
	var gone []uint32
	s.mu.Lock()
	q := s.table.query(&f)
	s.table.each(q, place{}, func(i uint32, e *entry) bool {
		if !q.selects(e) {
			return true
		}
		if !exact {
			if one, err := e.session(); err == nil && !f.Selects(&one) {
				return true
			}
		}
		if e.live(now) {
			live++
		}
		keys, gone = append(keys, e.key), append(gone, i)
		return true
	})
	for _, i := range gone {
		s.table.remove(i)
	}
	s.mu.Unlock()
	if len(keys) > 0 {
		s.bus.Tell(sessions.Revocation{Keys: keys})
	}
	return live, nil
}

// Count implements [sessions.Registry].
func (s *Store) Count(context.Context) (map[string]int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := map[string]int{}
	for i := range s.table.kinds {
		if k := &s.table.kinds[i]; k.sessions > 0 {
			n[k.method] += k.sessions
		}
	}
	return n, nil
}

// A query is a filter as far as entries can tell: of principals, SIDs and
// users they know a hash.
type query struct {
	principal, sid, user uint64 // 0: any
	kinds                []bool // by number; nil: any
	before               int64  // exclusive
	hasBefore            bool
}

func (t *table) query(f *sessions.Filter) query {
	var q query
	if (f.Principal != gateward.Principal{}) {
		q.principal = t.hashPrincipal(f.Principal)
	}
	if f.SID != "" {
		q.sid = t.hashSID(f.SID)
	}
	if f.UserID != "" {
		q.user = t.hashUser(f.UserID)
	}
	if f.Method != "" || f.Provider != "" {
		q.kinds = make([]bool, len(t.kinds))
		for i := range t.kinds {
			k := &t.kinds[i]
			q.kinds[i] = (f.Method == "" || f.Method == k.method) && (f.Provider == "" || f.Provider == k.provider)
		}
	}
	if !f.CreatedBefore.IsZero() {
		// What is kept is cut to the microsecond: it is before, if its microsecond is.
		q.before, q.hasBefore = micro(f.CreatedBefore.Add(time.Microsecond-1)), true
	}
	return q
}

func (q *query) selects(e *entry) bool {
	return (q.principal == 0 || q.principal == e.principal) && (q.sid == 0 || q.sid == e.sid) && (q.user == 0 || q.user == e.user) &&
		(q.kinds == nil || q.kinds[e.kind]) && (!q.hasBefore || e.created < q.before)
}

// each calls f, the oldest first, for what q may select from behind a place on,
// until f returns false.
func (t *table) each(q query, from place, f func(uint32, *entry) bool) {
	var chain []uint32
	switch {
	case q.sid != 0:
		chain = t.chain(bySID, t.sids, q.sid)
	case q.principal != 0:
		chain = t.chain(byPrincipal, t.principals, q.principal)
	case q.user != 0:
		chain = t.chain(byUser, t.users, q.user)
	default:
		for _, o := range t.order[t.after(from):] {
			if o.entry != none && !f(o.entry, t.at(o.entry)) {
				return
			}
		}
		return
	}
	slices.SortFunc(chain, func(a, b uint32) int { return t.at(a).place().compare(t.at(b).place()) })
	for _, i := range chain {
		if e := t.at(i); from.compare(e.place()) < 0 && !f(i, e) {
			return
		}
	}
}

// A place is where a session stands in the order of creation. The zero place is
// before all.
type place struct {
	created int64
	serial  uint64 // of the entry, from 1
}

func (p place) compare(q place) int {
	if p == (place{}) || q == (place{}) {
		return cmp.Compare(p.serial, q.serial)
	}
	if c := cmp.Compare(p.created, q.created); c != 0 {
		return c
	}
	return cmp.Compare(p.serial, q.serial)
}

func (p place) token() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.created)) //nolint:gosec // read back the same way
	binary.BigEndian.PutUint64(b[8:], p.serial)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parsePlace(token string) (place, bool) {
	const size = 16
	if len(token) != base64.RawURLEncoding.EncodedLen(size) {
		return place{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return place{}, false
	}
	p := place{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])} //nolint:gosec // as written
	return p, p.serial != 0
}
