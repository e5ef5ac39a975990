package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"
)

// Use implements [sessions.Once]. What has been used is known after a restart.
func (s *Store) Use(ctx context.Context, name string, until time.Time) (bool, error) {
	h := hashOf("used", name)
	out, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		used := bucket(tx, inUsed)
		if v := used.Get(h[:]); len(v) == 8 && s.o.Now().Before(moment(v)) {
			return nil
		}
		out.ok = true
		return used.Put(h[:], binary.BigEndian.AppendUint64(nil, uint64(until.UnixMicro())))
	})
	return out.ok, err
}

func moment(v []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(v))) //nolint:gosec // as written
}

// Key implements [sessions.Keys]. The secrets are in the file as they are.
func (s *Store) Key(ctx context.Context, name string) ([]byte, error) {
	stored := append([]byte("k"), name...) // a key must not be empty
	var k []byte
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		k = bytes.Clone(bucket(tx, inKeys).Get(stored))
		return nil
	})
	if err != nil || k != nil {
		return k, err
	}
	var fresh [32]byte
	if _, err := io.ReadFull(s.o.Random, fresh[:]); err != nil {
		return nil, s.outcome(fmt.Errorf("file: make key: %w", err))
	}
	_, err = s.update(ctx, func(tx *bbolt.Tx, _ *outcome) error {
		if k = bytes.Clone(bucket(tx, inKeys).Get(stored)); k != nil {
			return nil // somebody was faster
		}
		k = fresh[:]
		return bucket(tx, inKeys).Put(stored, k)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}
