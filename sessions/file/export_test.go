package file

import (
	"context"
	"errors"
	"runtime"

	"go.etcd.io/bbolt"
)

// Flush writes what was touched, as the Store does every second.
func (s *Store) Flush() { s.flush(context.Background()) }

// Sweep removes what is over, as the Store does every minute.
func (s *Store) Sweep() { s.sweep(context.Background()) }

// Kept returns the number of keys in each bucket.
func (s *Store) Kept() map[string]int {
	n := map[string]int{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, b := range buckets() {
			n[b] = bucket(tx, b).Stats().KeyN
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	return n
}

// Transactions returns how many there were.
func (s *Store) Transactions() (n int) {
	err := s.db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	if err != nil {
		panic(err)
	}
	return n
}

// ErrBroken is that of a broken write.
var ErrBroken = errors.New("broken")

// Break does a write that fails half-way.
func (s *Store) Break(ctx context.Context) error {
	_, err := s.update(ctx, func(tx *bbolt.Tx, _ *outcome) error {
		if err := bucket(tx, inKeys).Put([]byte("kbroken"), []byte("half")); err != nil {
			return err
		}
		return ErrBroken
	})
	return err
}

// Hold makes the writer wait, and returns how to let it go on when a number of
// writes wait behind it.
func (s *Store) Hold() (releaseWith func(waiting int)) {
	held, release := make(chan struct{}), make(chan struct{})
	go s.update(context.Background(), func(*bbolt.Tx, *outcome) error {
		close(held)
		<-release
		return nil
	})
	<-held
	return func(waiting int) {
		for len(s.ops) < waiting {
			runtime.Gosched()
		}
		close(release)
	}
}
