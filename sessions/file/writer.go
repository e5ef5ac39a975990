package file

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxBatch bounds the writes of one transaction. While one is being synced to
	// the disk, the next gathers, so that no write waits for company and none of
	// many pays alone.
	maxBatch = 1000
	// flushInterval is how long what was touched waits to be written.
	flushInterval = time.Second
	// sweepInterval is how often what is over is removed, and sweepStep how many
	// sessions at once.
	sweepInterval = time.Minute
	sweepStep     = 1000
)

// An op is one write.
type op struct {
	ctx context.Context //nolint:containedctx // that of the caller, who waits
	// do changes nothing if it returns an error of the contract. It may run
	// several times, each as if it was the first.
	do func(tx *bbolt.Tx, out *outcome) error

	out  outcome
	err  error
	done chan struct{}
}

// An outcome is what an op says about itself once it has been committed.
type outcome struct {
	// revoke is published.
	revoke sessions.Revocation
	// n and ok are the op's own.
	n  int
	ok bool
}

// update has one write committed. When it returns an error because ctx is over,
// the write may still be done.
func (s *Store) update(ctx context.Context, do func(tx *bbolt.Tx, out *outcome) error) (outcome, error) {
	if err := ctx.Err(); err != nil {
		return outcome{}, fmt.Errorf("file: %w: %w", gateward.ErrUnavailable, err)
	}
	o := &op{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case s.ops <- o:
	case <-s.stop:
		return outcome{}, fmt.Errorf("file: %s is closed: %w", s.path, gateward.ErrUnavailable)
	case <-ctx.Done():
		return outcome{}, fmt.Errorf("file: %w: %w", gateward.ErrUnavailable, ctx.Err())
	}
	select {
	case <-o.done:
		return o.out, o.err
	case <-ctx.Done():
		return outcome{}, fmt.Errorf("file: %w: %w", gateward.ErrUnavailable, ctx.Err())
	case <-s.stopped:
		select {
		case <-o.done: // it was among the last
			return o.out, o.err
		default:
			return outcome{}, fmt.Errorf("file: %s is closed: %w", s.path, gateward.ErrUnavailable)
		}
	}
}

// write is the goroutine that writes, until the Store is closed.
func (s *Store) write(ctx context.Context) {
	defer close(s.stopped)
	flush, sweep := time.NewTicker(flushInterval), time.NewTicker(sweepInterval)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case o := <-s.ops:
			s.commit(s.gather(o))
		case <-flush.C:
			// Nobody waits for this: who waits for something else comes in between.
			for s.flushSome(ctx) {
				select {
				case o := <-s.ops:
					s.commit(s.gather(o))
				default:
				}
			}
		case <-sweep.C:
			s.sweep(ctx)
		case <-s.stop:
			for len(s.ops) > 0 {
				s.commit(s.gather(<-s.ops))
			}
			s.flush(ctx)
			return
		}
	}
}

// gather returns an op and those that wait behind it.
func (s *Store) gather(first *op) []*op {
	batch := []*op{first}
	for len(batch) < maxBatch {
		select {
		case o := <-s.ops:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// commit does a batch in one transaction. An op that cannot be done at all is
// taken out, and the rest begins again.
func (s *Store) commit(batch []*op) {
	for len(batch) > 0 {
		failed := -1
		err := s.transact(func(tx *bbolt.Tx) error {
			for i, o := range batch {
				o.out, o.err = outcome{}, o.ctx.Err() // nobody waits for it any more
				if o.err != nil {
					o.err = fmt.Errorf("file: %w: %w", gateward.ErrUnavailable, o.err)
					continue
				}
				if o.err = o.do(tx, &o.out); o.err != nil && !harmless(o.err) {
					failed = i
					return o.err
				}
			}
			return nil
		})
		if err == nil {
			break
		}
		if failed < 0 { // the commit: it concerns all of them
			for _, o := range batch {
				o.out, o.err = outcome{}, err
			}
			break
		}
		batch[failed].err = err
		close(batch[failed].done)
		batch = append(batch[:failed], batch[failed+1:]...)
	}
	for _, o := range batch {
		if r := &o.out.revoke; o.err == nil && (r.All || len(r.Keys) > 0 || len(r.Denied) > 0 || r.Users) {
			s.bus.Tell(*r)
		}
		close(o.done)
	}
}

// harmless reports whether err means that nothing was changed.
func harmless(err error) bool {
	return errors.Is(err, sessions.ErrNotFound) || errors.Is(err, sessions.ErrConflict) || errors.Is(err, sessions.ErrTampered) ||
		errors.Is(err, sessions.ErrNoUser)
}

// transact is a transaction that is on the disk when it returns nil.
func (s *Store) transact(f func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer s.survive(&err)
	return s.outcome(s.db.Update(f))
}
