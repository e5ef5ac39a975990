package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// FuzzTable compares a table, after any series of insertions, changes and
// removals, with a plain list.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x01\x02\x00\x03\x01\x00\x02"))
	long := make([]byte, 0, 9000)
	for i := range 9000 {
		long = append(long, byte(i*i>>3^i))
	}
	f.Add(long)
	var inserts, removes []byte
	for i := range 3000 {
		inserts = append(inserts, 0, byte(i), byte(i>>8))
		removes = append(removes, 3, byte(i*7), byte(i*7>>8))
	}
	f.Add(slices.Concat(inserts, removes, inserts))
	f.Fuzz(func(t *testing.T, ops []byte) {
		tab, model := newTable(), map[string]sessions.Session{}
		for ; len(ops) >= 3; ops = ops[3:] {
			n := binary.LittleEndian.Uint16(ops[1:])
			s := numbered(n, ops[0])
			i, ok := tab.find(s.ID)
			if _, want := model[s.ID]; ok != want {
				t.Fatalf("found %v, want %v", ok, want)
			}
			switch {
			case ok && ops[0]%4 == 3:
				tab.remove(i)
				delete(model, s.ID)
			case ok:
				s.CreatedAt = model[s.ID].CreatedAt
				tab.replace(s.ID, &s, "")
				tab.at(i).expires = micro(s.ExpiresAt)
				tab.rescheduled(i)
				model[s.ID] = s
			default:
				tab.insert(&s, "")
				model[s.ID] = s
			}
		}
		consistent(t, &tab, model)
	})
}

func numbered(n uint16, variety byte) sessions.Session {
	key := sessions.Key(sha256.Sum256([]byte{byte(n), byte(n >> 8)}))
	s := sessions.Session{ID: sessions.IDOf(key), Key: key, CreatedAt: time.UnixMicro(int64(n>>3) + 1)}
	s.ExpiresAt = time.UnixMicro(int64(n%61) * int64(variety))
	s.Identity.Principal = gateward.Principal{Issuer: "i", Subject: string('a' + rune(variety>>6))}
	s.Identity.Method, s.Identity.Provider = "oidc", string('p'+rune(variety>>4&1))
	if variety>>5&1 == 1 {
		s.Tokens.SID = "sid"
	}
	if variety>>3&1 == 1 {
		s.Identity.UserID = string('u' + rune(variety>>2&1))
	}
	return s
}

// consistent holds every way to find entries against the list.
func consistent(t *testing.T, tab *table, model map[string]sessions.Session) {
	t.Helper()
	if tab.len() != len(model) {
		t.Fatalf("%d entries, want %d", tab.len(), len(model))
	}
	kinds := 0
	for i := range tab.kinds {
		kinds += tab.kinds[i].sessions
	}
	if kinds != len(model) {
		t.Errorf("%d counted, want %d", kinds, len(model))
	}
	chained(t, tab)
	filters := []sessions.Filter{{}, {SID: "sid"}, {Method: "oidc"}, {Provider: "q"}, {UserID: "u"}, {UserID: "v", SID: "sid"}, {CreatedBefore: time.UnixMicro(500)}}
	for _, subject := range []string{"a", "b", "c", "d"} {
		p := gateward.Principal{Issuer: "i", Subject: subject}
		filters = append(filters, sessions.Filter{Principal: p}, sessions.Filter{Principal: p, SID: "sid", Provider: "p"})
	}
	for _, filter := range filters {
		want := 0
		for _, s := range model {
			if filter.Selects(&s) {
				want++
			}
		}
		q, got, last := tab.query(&filter), 0, place{}
		tab.each(q, place{}, func(_ uint32, e *entry) bool {
			if last.compare(e.place()) >= 0 {
				t.Errorf("%+v: out of order", filter)
			}
			last = e.place()
			if q.selects(e) {
				if s := model[sessions.IDOf(e.key)]; !filter.Selects(&s) {
					t.Errorf("%+v: selects what it should not", filter)
				}
				got++
			}
			return true
		})
		if got != want {
			t.Errorf("%+v: got %d, want %d", filter, got, want)
		}
	}
}

// chained holds the chain by arrival and the heap of deadlines against what they
// have to be.
func chained(t *testing.T, tab *table) {
	t.Helper()
	if len(tab.endings) != tab.len() {
		t.Errorf("%d deadlines of %d entries", len(tab.endings), tab.len())
	}
	for n, i := range tab.endings {
		if e := tab.at(i); int(e.ending) != n || e.deadline() < tab.deadlineAt((n-1)/2) {
			t.Errorf("deadline %d: entry says %d, ends at %d, before its parent", n, e.ending, e.deadline())
		}
	}
	n, last := 0, none
	for i := tab.eldest; i != none; i = tab.at(i).links[byArrival].next {
		if e := tab.at(i); e.links[byArrival].prev != last || last != none && e.serial <= tab.at(last).serial {
			t.Errorf("entry %d came after %d, and is behind it", i, last)
		}
		n, last = n+1, i
	}
	if n != tab.len() || tab.newest != last {
		t.Errorf("%d entries came, the last %d, want %d and %d", n, last, tab.len(), tab.newest)
	}
}

// FuzzParseID: what is taken for an id is one, and no two texts are the same.
func FuzzParseID(f *testing.F) {
	for _, id := range []string{"", "00000000-0000-8000-8000-000000000000", "0000000000000-8000-8000-000000000000", "AAAAAAAA-0000-8000-8000-000000000000", "g0000000-0000-8000-8000-000000000000"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		b, ok := parseID(id)
		if !ok {
			return
		}
		const digits = "0123456789abcdef"
		var again []byte
		for i, v := range b {
			if i == 4 || i == 6 || i == 8 || i == 10 {
				again = append(again, '-')
			}
			again = append(again, digits[v>>4], digits[v&15])
		}
		if string(again) != id {
			t.Errorf("%q was taken for %q", id, again)
		}
	})
}
