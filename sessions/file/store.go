package file

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward/sessions"
)

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, n sessions.Session) error {
	b, ok := parseID(n.ID)
	if !ok {
		return s.outcome(errBadID)
	}
	n.Revision = 1
	f, record, err := s.seal(ctx, b, &n)
	if err != nil {
		return s.outcome(err)
	}
	_, err = s.update(ctx, func(tx *bbolt.Tx, _ *outcome) error {
		if err := s.discard(tx, b); err != nil {
			return err
		}
		return put(tx, b, &f, record)
	})
	return err
}

// discard removes a record, if there is one.
func (s *Store) discard(tx *bbolt.Tx, b id) error {
	record := bucket(tx, inSessions).Get(b[:])
	if record == nil {
		return nil
	}
	f, _, _, err := parseRecord(record)
	if err != nil { // nothing is known that leads to it; List and the sweep pass over what does
		return bucket(tx, inSessions).Delete(b[:])
	}
	return remove(tx, b, &f)
}

// Get implements [sessions.Store].
func (s *Store) Get(ctx context.Context, text string) (sessions.Session, error) {
	b, ok := parseID(text)
	if !ok {
		return sessions.Session{}, sessions.ErrNotFound
	}
	var one sessions.Session
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		one, err = s.live(ctx, tx, b)
		return err
	})
	if err != nil {
		return sessions.Session{}, err
	}
	return one, nil
}

// live returns a session that can be used.
func (s *Store) live(ctx context.Context, tx *bbolt.Tx, b id) (sessions.Session, error) {
	record := bucket(tx, inSessions).Get(b[:])
	if record == nil {
		return sessions.Session{}, sessions.ErrNotFound
	}
	one, err := s.open(ctx, b, record)
	if err == nil && !one.Live(s.o.Now()) {
		err = sessions.ErrNotFound
	}
	return one, err
}

// Replace implements [sessions.Store].
func (s *Store) Replace(ctx context.Context, with sessions.Session) error {
	return s.change(ctx, with.ID, func(kept *sessions.Session, now time.Time) error {
		if kept.Revision != with.Revision {
			return sessions.ErrConflict
		}
		*kept = sessions.Merge(kept, &with, now)
		return nil
	})
}

// Expire implements [sessions.Store].
func (s *Store) Expire(ctx context.Context, text string, at time.Time) error {
	return s.change(ctx, text, func(kept *sessions.Session, now time.Time) error {
		if at.Before(kept.ExpiresAt) {
			kept.ExpiresAt, kept.UpdatedAt = at, now
		}
		return nil
	})
}

// change has a live session changed and its key published.
func (s *Store) change(ctx context.Context, text string, change func(kept *sessions.Session, now time.Time) error) error {
	b, ok := parseID(text)
	if !ok {
		return sessions.ErrNotFound
	}
	_, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		kept, err := s.live(ctx, tx, b)
		if err != nil {
			return err
		}
		if err := change(&kept, s.o.Now()); err != nil {
			return err
		}
		f, err := s.rewrite(ctx, tx, b, &kept)
		out.revoke = f.revocation(b)
		return err
	})
	return err
}

// rewrite puts a session in place of what is kept of it.
func (s *Store) rewrite(ctx context.Context, tx *bbolt.Tx, b id, one *sessions.Session) (facts, error) {
	f, record, err := s.seal(ctx, b, one)
	if err != nil {
		return f, err
	}
	if err := s.discard(tx, b); err != nil {
		return f, err
	}
	return f, put(tx, b, &f, record)
}

// Delete implements [sessions.Store].
func (s *Store) Delete(ctx context.Context, text string) error {
	b, ok := parseID(text)
	if !ok {
		return nil
	}
	_, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		record := bucket(tx, inSessions).Get(b[:])
		if record == nil {
			return nil
		}
		out.revoke = sessions.Revocation{All: true} // unless it can be told whose it was
		if f, err := s.facts(b, record); err == nil {
			out.revoke = f.revocation(b)
		}
		return s.discard(tx, b)
	})
	return err
}
