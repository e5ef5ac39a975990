// Package file keeps sessions and users in one file of the local disk (bbolt):
// what was acknowledged survives the process, also one that is killed. The file
// belongs to one process at a time, so it is for one replica.
//
// What a backend promises is written in package sessions. Here, a record is a
// session sealed under its id, together with the facts about it that indexes and
// clean-up need without opening it (record.go). All writes pass one goroutine
// that commits whatever waits in one transaction (writer.go). Users are sealed
// likewise, and have indexes of their own (user.go). Leases and listeners live in
// the process, which is the only one there is.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// MasterKey is the name of the secret that seals sessions and users unless
// Options.Masters says otherwise. It is in the same file: who has the whole file
// can open them.
const MasterKey = "encryption"

// ErrLocked means that another process has the file open.
var ErrLocked = errors.New("another process has it open")

// lockTimeout is how long Open waits for a process that is about to end.
const lockTimeout = time.Second

// Options are what a [Store] is opened with.
type Options struct {
	// Now and Random are required.
	Now    func() time.Time
	Random io.Reader
	// Masters are the secrets that sessions and users are sealed with; nil: one
	// that is made when the file is, and kept in it ([MasterKey]).
	Masters sessions.Masters
	// GracePeriod is how long a session that is over is still listed.
	GracePeriod time.Duration
}

// A Store is a [sessions.Backend]. When a session was last seen is written within
// a second of [Store.Touch], and so may be lost with the process; everything else
// is on the disk before the method returns.
type Store struct {
	o      Options
	path   string
	db     *bbolt.DB
	sealer *sessions.Sealer // of sessions
	users  *sessions.Sealer
	bus    sessions.LocalBus
	leases *sessions.LocalLeases
	touched

	ops     chan *op
	stop    chan struct{}
	stopped chan struct{}
	closing func() error
}

var _ sessions.Backend = (*Store)(nil)

// Open opens the file, or makes it with the directories it is in. ctx bounds
// asking for the masters. Of a file that another process has open it returns
// [ErrLocked], after a second.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("file: make directory of session file: %w", err)
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		o: o, path: path, db: db, leases: sessions.NewLocalLeases(o.Now),
		ops: make(chan *op, maxBatch), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.seen = map[id]int64{}
	if s.o.Masters == nil {
		s.o.Masters = sessions.KeptMasters(s, MasterKey, nil)
	}
	s.sealer = sessions.NewSealer("session", s.o.Masters, o.Random)
	s.users = sessions.NewSealer("user", s.o.Masters, o.Random)
	go s.write(context.WithoutCancel(ctx)) // it ends with the Store
	s.closing = sync.OnceValue(func() error {
		close(s.stop)
		<-s.stopped
		return s.db.Close()
	})
	// The keys are derived now: the writer could not wait for one that it would
	// have to write itself.
	for _, sealer := range []*sessions.Sealer{s.sealer, s.users} {
		if _, err := sealer.Seal(ctx, nil, nil, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("file: open %s: %w", path, err), s.Close())
		}
	}
	return s, nil
}

// openFile opens the database with all its buckets.
func openFile(path string) (db *bbolt.DB, err error) {
	// A damaged file may have the library read where nothing is.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, damaged(path, fmt.Errorf("%v", p))
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("file: open %s: %w: end that process, or give each replica a path of its own, "+
			"or set session.storage.type to redis", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, damaged(path, err)
	case err != nil:
		return nil, fmt.Errorf("file: open session file: %w", err)
	}
	if err := prepare(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func prepare(db *bbolt.DB, path string) error {
	err := db.View(func(tx *bbolt.Tx) error {
		switch now, err := os.Stat(path); {
		case err != nil:
			return err
		case now.Size() < tx.Size():
			return damaged(path, fmt.Errorf("it ends after %d of %d bytes", now.Size(), tx.Size()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("file: prepare %s: %w", path, err)
	}
	// A file made by hand may be readable by others; one just made is to be found
	// after a power failure.
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("file: protect session file: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("file: open directory of session file: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func damaged(path string, err error) error {
	return fmt.Errorf("file: %s is damaged or not a session file: restore it, or move it away, which ends all sessions: %w", path, err)
}

// view reads.
func (s *Store) view(ctx context.Context, f func(tx *bbolt.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("file: %w: %w", gateward.ErrUnavailable, err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer s.survive(&err)
	return s.outcome(s.db.View(f))
}

// survive turns a damage that the library stumbles over into an error.
func (s *Store) survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %w", gateward.ErrUnavailable, damaged(s.path, fmt.Errorf("%v", p)))
	}
}

// outcome leaves the errors of the contract as they are; anything else is an
// outage.
func (s *Store) outcome(err error) error {
	for _, known := range []error{
		nil, sessions.ErrNotFound, sessions.ErrConflict, sessions.ErrTampered, sessions.ErrBadPage, sessions.ErrNoFilter, sessions.ErrNoUser,
		gateward.ErrUnavailable,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("file: use %s: %w: %w", s.path, gateward.ErrUnavailable, err)
}

// Ping implements [sessions.Backend].
func (s *Store) Ping(ctx context.Context) error {
	return s.view(ctx, func(*bbolt.Tx) error { return nil })
}

// Close implements [sessions.Backend]. It writes what is left to write, and lets
// go of the file.
func (s *Store) Close() error { return s.closing() }
