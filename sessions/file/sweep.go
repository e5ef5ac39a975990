package file

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"
)

// sweep removes what nothing may find any more, a part at a time: other writes
// come in between.
func (s *Store) sweep(ctx context.Context) {
	for more := true; more; {
		err := s.transact(func(tx *bbolt.Tx) (err error) {
			more, err = s.sweepSessions(ctx, tx)
			return err
		})
		if err != nil {
			return // the next sweep tries again
		}
		select {
		case o := <-s.ops:
			s.commit(s.gather(o))
		default:
		}
	}
	if s.transact(s.sweepUsed) == nil {
		s.leases.Sweep()
	}
}

// sweepSessions looks at the sessions whose noted deadline is longest over, and
// reports whether there may be more. A session that was touched since has a later
// one, which is written then.
func (s *Store) sweepSessions(ctx context.Context, tx *bbolt.Tx) (bool, error) {
	now := s.o.Now()
	deadlines := bucket(tx, inDeadline)
	end := ordered(nil, now.Add(-s.o.GracePeriod).UnixMicro()+1, id{})
	var noted [][]byte
	c := deadlines.Cursor()
	for k, _ := c.First(); k != nil && len(noted) < sweepStep && bytes.Compare(k, end) < 0; k, _ = c.Next() {
		noted = append(noted, bytes.Clone(k))
	}
	for _, k := range noted {
		if err := deadlines.Delete(k); err != nil {
			return false, err
		}
		if err := s.sweepOne(ctx, tx, k); err != nil {
			return false, err
		}
	}
	return len(noted) == sweepStep, nil
}

func (s *Store) sweepOne(ctx context.Context, tx *bbolt.Tx, noted []byte) error {
	if len(noted) != placeSize {
		return nil
	}
	b := id(noted[8:])
	record := bucket(tx, inSessions).Get(b[:])
	if record == nil {
		return nil
	}
	f, err := s.facts(b, record)
	if err != nil || !f.kept(s.o.Now(), s.o.GracePeriod) {
		return s.discard(tx, b)
	}
	if one, err := s.open(ctx, b, record); err == nil {
		_, err = s.rewrite(ctx, tx, b, &one)
		return err
	}
	// Nobody can use it, and nothing will be written about it before it is over.
	return bucket(tx, inDeadline).Put(ordered(nil, f.deadline(), b), nil)
}

// sweepUsed forgets the names whose time is over.
func (s *Store) sweepUsed(tx *bbolt.Tx) error {
	used, now := bucket(tx, inUsed), s.o.Now()
	var over [][]byte
	err := used.ForEach(func(k, v []byte) error {
		if len(v) != 8 || !now.Before(moment(v)) {
			over = append(over, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range over {
		if err != nil {
			return err
		}
		err = used.Delete(k)
	}
	return err
}
