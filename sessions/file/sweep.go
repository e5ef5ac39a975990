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
	if s.transact(s.sweepNames) == nil {
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

// sweepNames forgets the used names and the marks whose time is over.
func (s *Store) sweepNames(tx *bbolt.Tx) error {
	now := s.o.Now()
	err := sweepBucket(bucket(tx, inUsed), func(v []byte) bool { return len(v) != 8 || !now.Before(moment(v)) })
	if err != nil {
		return err
	}
	return sweepBucket(bucket(tx, inMarks), func(v []byte) bool {
		_, until, ok := parseMark(v)
		return !ok || !now.Before(until)
	})
}

// sweepBucket removes what is over, by its value.
func sweepBucket(b *bbolt.Bucket, isOver func(v []byte) bool) error {
	var over [][]byte
	err := b.ForEach(func(k, v []byte) error {
		if isOver(v) {
			over = append(over, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range over {
		if err != nil {
			return err
		}
		err = b.Delete(k)
	}
	return err
}
