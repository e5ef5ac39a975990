package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward/sessions"
)

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, session sessions.Session) error {
	const op = "create session"
	session.Revision = 1
	now := s.now()
	keep := s.keepFor(&session, now)
	if keep <= 0 {
		return nil // it would be gone at once
	}
	sealed, err := s.seal(ctx, &session)
	if err != nil {
		return unavailable(op, err)
	}
	names := indexesOf(&session)
	due, err := s.addToIndexes(ctx, op, &session, names)
	if err != nil {
		return err
	}
	c := call(s.scripts.create, s.names.record(session.ID), sealed, session.Key[:], joinNames(names),
		micro(session.ExpiresAt), session.IdleTimeout.Microseconds(), micro(session.LastSeenAt), milliseconds(keep))
	if err := s.runDurable(ctx, op, c); err != nil {
		return err
	}
	if c.int() == 0 {
		return unavailable(op, sessions.ErrConflict)
	}
	for name, ids := range due {
		// Tidying up is not the caller's concern.
		_ = s.settle(ctx, name, ids)
	}
	return nil
}

// Get implements [sessions.Store].
func (s *Store) Get(ctx context.Context, id string) (sessions.Session, error) {
	session, err := s.kept(ctx, "get session", id)
	if err == nil && !session.Live(s.now()) {
		err = sessions.ErrNotFound
	}
	if err != nil {
		return sessions.Session{}, err
	}
	return session, nil
}

// kept returns a session, over or not.
func (s *Store) kept(ctx context.Context, op, id string) (sessions.Session, error) {
	if !isID(id) {
		return sessions.Session{}, sessions.ErrNotFound
	}
	c := s.read(id)
	if err := s.run(ctx, op, c); err != nil {
		if goredis.HasErrorPrefix(err, "WRONGTYPE") {
			err = sessions.ErrTampered
		}
		return sessions.Session{}, err
	}
	session, err := s.decode(ctx, id, c)
	return session, verdict(op, err)
}

// Touch implements [sessions.Store].
func (s *Store) Touch(ctx context.Context, id string, seen time.Time) error {
	if !isID(id) {
		return nil
	}
	return s.run(ctx, "touch session",
		call(s.scripts.touch, s.names.record(id), micro(s.now()), micro(seen), s.grace.Milliseconds()))
}

// Replace implements [sessions.Store].
func (s *Store) Replace(ctx context.Context, with sessions.Session) error {
	const op = "replace session"
	kept, err := s.Get(ctx, with.ID)
	if err != nil {
		return err
	}
	if kept.Revision != with.Revision {
		return sessions.ErrConflict
	}
	now := s.now()
	merged := sessions.Merge(&kept, &with, now)
	sealed, err := s.seal(ctx, &merged)
	if err != nil {
		return unavailable(op, err)
	}
	before, after := indexesOf(&kept), indexesOf(&merged)
	if _, err := s.addToIndexes(ctx, op, &merged, after); err != nil {
		return err
	}
	c := call(s.scripts.replace, s.names.record(with.ID), micro(now), s.grace.Milliseconds(),
		strconv.FormatUint(kept.Revision, 10), sealed, joinNames(after), micro(merged.ExpiresAt),
		strconv.FormatUint(merged.Revision, 10), s.names.channel(), keysMessage(kept.Key))
	err = s.runDurable(ctx, op, c)
	if err != nil || c.int() > 0 { // an error does not say that it was not done
		s.bus.revoked(sessions.Revocation{Keys: []sessions.Key{kept.Key}})
	}
	switch {
	case err != nil:
		return err
	case c.int() < 0:
		return sessions.ErrConflict
	case c.int() == 0:
		s.removeFromIndexes(ctx, with.ID, after)
		return sessions.ErrNotFound
	}
	s.removeFromIndexes(ctx, with.ID, missing(before, after))
	return nil
}

// Expire implements [sessions.Store].
func (s *Store) Expire(ctx context.Context, id string, at time.Time) error {
	const op = "expire session"
	if !isID(id) {
		return sessions.ErrNotFound
	}
	nonce, err := s.nonce()
	if err != nil {
		return err
	}
	c := call(s.scripts.expire, s.names.record(id), micro(s.now()), s.grace.Milliseconds(), micro(at), nonce,
		s.names.channel(), keysMessage())
	if err := s.runDurable(ctx, op, c); err != nil {
		return err
	}
	answer := c.list()
	if len(answer) != 3 {
		return sessions.ErrNotFound
	}
	s.bus.revoked(revocationOf(id, answer[0]))
	// Its entries are looked at again when it is to be gone, and not only when it
	// would have been.
	joined, _ := answer[1].(string)
	if ends, ok := number(answer[2]); ok {
		s.setDue(ctx, id, splitNames(joined), date(ends).Add(s.grace))
	}
	return nil
}

// Delete implements [sessions.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	const op = "delete session"
	if !isID(id) {
		return nil
	}
	// The key is read first, so that it is known also when the answer to the
	// deletion is lost.
	read := plain("HMGET", s.names.record(id), "k", "n")
	if err := s.run(ctx, op, read); err != nil {
		return err
	}
	f := read.list()
	if len(f) != 2 || f[0] == nil {
		return nil
	}
	r := revocationOf(id, f[0])
	err := s.runDurable(ctx, op, call(s.scripts.remove, s.names.record(id), s.names.channel(), encode(r)[0]))
	s.bus.revoked(r)
	if err != nil {
		return err
	}
	joined, _ := f[1].(string)
	s.removeFromIndexes(ctx, id, splitNames(joined))
	return nil
}

// revocationOf returns that of the key that lies in the open beside a session.
// If it is not the session's, everything is revoked.
func revocationOf(id string, field any) sessions.Revocation {
	text, _ := field.(string)
	if len(text) == len(sessions.Key{}) {
		if k := sessions.Key([]byte(text)); sessions.IDOf(k) == id {
			return sessions.Revocation{Keys: []sessions.Key{k}}
		}
	}
	return sessions.Revocation{All: true}
}

// verdict passes on what the contract knows, and wraps everything else.
func verdict(op string, err error) error {
	if err == nil || errors.Is(err, sessions.ErrNotFound) || errors.Is(err, sessions.ErrTampered) {
		return err
	}
	return unavailable(op, err)
}
