package file

import (
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"
)

// Mark implements [sessions.Marks]. What was marked is known after a restart.
func (s *Store) Mark(ctx context.Context, name string, at, until time.Time) error {
	h := hashOf("mark", name)
	_, err := s.update(ctx, func(tx *bbolt.Tx, _ *outcome) error {
		marks := bucket(tx, inMarks)
		at, until := at, until
		if lastAt, lastUntil, ok := parseMark(marks.Get(h[:])); ok && s.o.Now().Before(lastUntil) {
			if lastAt.After(at) {
				at = lastAt
			}
			if lastUntil.After(until) {
				until = lastUntil
			}
		}
		v := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
		return marks.Put(h[:], binary.BigEndian.AppendUint64(v, uint64(until.UnixMicro())))
	})
	return err
}

// Marked implements [sessions.Marks].
func (s *Store) Marked(ctx context.Context, name string) (at time.Time, err error) {
	h := hashOf("mark", name)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		if last, until, ok := parseMark(bucket(tx, inMarks).Get(h[:])); ok && s.o.Now().Before(until) {
			at = last.UTC()
		}
		return nil
	})
	return at, err
}

func parseMark(v []byte) (at, until time.Time, ok bool) {
	if len(v) != 16 {
		return time.Time{}, time.Time{}, false
	}
	return moment(v[:8]), moment(v[8:]), true
}
