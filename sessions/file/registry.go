package file

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// errBadID: an id is not what [sessions.IDOf] returns.
var errBadID = errors.New("file: malformed session id")

// placeSize is the length of a place in the order of creation: time and id.
const placeSize = 8 + len(id{})

// List implements [sessions.Registry]. It passes over records that do not open.
func (s *Store) List(ctx context.Context, f sessions.Filter, limit int, pageToken string) (sessions.Page, error) {
	after, err := parsePlace(pageToken)
	if err != nil {
		return sessions.Page{}, err
	}
	if limit < 1 {
		return sessions.Page{}, nil
	}
	now := s.o.Now()
	var page sessions.Page
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		page = sessions.Page{}
		var last []byte
		return s.each(ctx, tx, queryOf(&f), after, func(place []byte, b id, known *facts, record []byte) (bool, error) {
			if !known.live(now) && (!f.Expired || !known.kept(now, s.o.GracePeriod)) {
				return true, nil
			}
			if len(page.Sessions) == limit {
				page.Next = base64.RawURLEncoding.EncodeToString(last)
				return false, nil
			}
			switch one, err := s.open(ctx, b, record); {
			case errors.Is(err, sessions.ErrTampered):
			case err != nil:
				return false, err
			case f.Selects(&one):
				page.Sessions = append(page.Sessions, one)
				last = place
			}
			return true, nil
		})
	})
	if err != nil {
		return sessions.Page{}, err
	}
	return page, nil
}

func parsePlace(token string) ([]byte, error) {
	if token == "" {
		return nil, nil
	}
	if len(token) != base64.RawURLEncoding.EncodedLen(placeSize) {
		return nil, sessions.ErrBadPage
	}
	after, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, sessions.ErrBadPage
	}
	return after, nil
}

// DeleteWhere implements [sessions.Registry]. It opens no record: those of a lost
// key are deleted, too.
func (s *Store) DeleteWhere(ctx context.Context, f sessions.Filter) (int, error) {
	if f.Zero() {
		return 0, sessions.ErrNoFilter
	}
	type one struct {
		id    id
		facts facts
	}
	out, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		now := s.o.Now()
		var all []one // deleted afterwards: a cursor does not like it
		err := s.each(ctx, tx, queryOf(&f), nil, func(_ []byte, b id, known *facts, _ []byte) (bool, error) {
			all = append(all, one{b, *known})
			return true, nil
		})
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].facts.live(now) {
				out.n++
			}
			r := all[i].facts.revocation(all[i].id)
			out.revoke.Keys, out.revoke.All = append(out.revoke.Keys, r.Keys...), out.revoke.All || r.All
			if err := s.discard(tx, all[i].id); err != nil {
				return err
			}
		}
		return nil
	})
	return out.n, err
}

// A query is a filter as far as facts can tell, and the index to look in.
type query struct {
	index            string
	prefix           []byte
	principal, sid   hash
	user             hash
	method, provider string
	before           time.Time
}

func queryOf(f *sessions.Filter) query {
	q := query{
		index: inCreated, sid: hashSID(f.SID), user: hashUser(f.UserID), method: f.Method, provider: f.Provider, before: f.CreatedBefore,
	}
	if f.UserID != "" {
		q.index, q.prefix = inSessionOf, q.user[:]
	}
	if (f.Principal != gateward.Principal{}) {
		q.principal = hashPrincipal(f.Principal)
		q.index, q.prefix = inPrincipal, q.principal[:]
	}
	if f.SID != "" {
		q.index, q.prefix = inSID, q.sid[:]
	}
	return q
}

func (q *query) selects(f *facts) bool {
	return (q.principal == hash{} || q.principal == f.principal) && (q.sid == hash{} || q.sid == f.sid) && (q.user == hash{} || q.user == f.user) &&
		(q.method == "" || q.method == f.method) && (q.provider == "" || q.provider == f.provider)
}

// each calls f for what q selects, the oldest first, from behind a place on,
// until f returns false or an error. What an index says is checked against the
// record.
func (s *Store) each(
	ctx context.Context, tx *bbolt.Tx, q query, after []byte, f func(place []byte, b id, known *facts, record []byte) (bool, error),
) error {
	records, c := bucket(tx, inSessions), bucket(tx, q.index).Cursor()
	from := append(bytes.Clone(q.prefix), after...)
	k, _ := c.Seek(from)
	if after != nil && bytes.Equal(k, from) {
		k, _ = c.Next()
	}
	for n := 0; bytes.HasPrefix(k, q.prefix) && len(k) == len(q.prefix)+placeSize; k, _ = c.Next() {
		if n++; n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		place := k[len(q.prefix):]
		created := time.UnixMicro(int64(binary.BigEndian.Uint64(place) ^ 1<<63)) //nolint:gosec // as written by ordered
		if !q.before.IsZero() && !created.Before(q.before) {
			return nil
		}
		b := id(place[8:])
		record := records.Get(b[:])
		known, err := s.facts(b, record)
		if err != nil || !q.selects(&known) || known.created != created.UnixMicro() {
			continue
		}
		if more, err := f(bytes.Clone(place), b, &known, record); err != nil || !more {
			return err
		}
	}
	return nil
}

// Count implements [sessions.Registry].
func (s *Store) Count(ctx context.Context) (map[string]int, error) {
	n := map[string]int{}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		return bucket(tx, inMethods).ForEach(func(k, v []byte) error {
			if len(v) == 8 {
				n[string(k[1:])] = int(binary.BigEndian.Uint64(v)) //nolint:gosec // as written
			}
			return nil
		})
	})
	return n, err
}
