package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gateward/gateward/sessions"
)

const (
	// tombstoneFor is for how long at least a deleted session cannot be created
	// again: longer than a command is sent again, and than any network keeps it.
	tombstoneFor = 30 * time.Second

	// Answers of the script that replaces.
	replacedBefore = -1
	replacedOver   = -2
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
		if isWrongType(err) {
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
	case c.int() == replacedBefore:
		return sessions.ErrConflict
	case c.int() == replacedOver: // it is kept, and so are its entries
		return sessions.ErrNotFound
	case c.int() == 0:
		s.removeFromIndexes(ctx, with.ID, after)
		return sessions.ErrNotFound
	}
	s.removeFromIndexes(ctx, with.ID, missing(before, after))
	return nil
}

// Expire implements [sessions.Store]. A session that cannot be opened here, since
// another key has sealed it, may be live elsewhere: it is ended too, and every
// replica forgets all identities.
func (s *Store) Expire(ctx context.Context, id string, at time.Time) error {
	const op = "expire session"
	session, err := s.kept(ctx, op, id)
	var sealed [3]any
	var r sessions.Revocation
	switch {
	case errors.Is(err, sessions.ErrTampered):
		sealed, r.All = [3]any{"", "", ""}, true
	case err != nil:
		return err
	case !session.Live(s.now()):
		return sessions.ErrNotFound
	default:
		sealed = [3]any{micro(session.ExpiresAt), session.IdleTimeout.Microseconds(), micro(session.LastSeenAt)}
		r.Keys = []sessions.Key{session.Key}
	}
	nonce, err := s.nonce()
	if err != nil {
		return err
	}
	c := call(s.scripts.expire, s.names.record(id), micro(s.now()), s.grace.Milliseconds(), micro(at), nonce,
		s.names.channel(), encode(r)[0], sealed[0], sealed[1], sealed[2])
	err = s.runDurable(ctx, op, c)
	answer := c.list()
	if err != nil || len(answer) == 2 { // an error does not say that it was not done
		s.bus.revoked(r)
	}
	switch {
	case err != nil:
		return err
	case len(answer) != 2:
		return sessions.ErrNotFound
	}
	// Its entries are looked at again when it is to be gone, and not only when it
	// would have been.
	joined, _ := answer[0].(string)
	if ends, ok := number(answer[1]); ok {
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
	read := plain("HMGET", s.names.record(id), "v", "k", "n")
	err := s.run(ctx, op, read)
	if err != nil && !isWrongType(err) {
		return err
	}
	var key, names any // unknown, if what is there is no session
	if err == nil {
		f := read.list()
		if len(f) != 3 || f[0] == nil {
			return nil
		}
		key, names = f[1], f[2]
	}
	nonce, err := s.nonce()
	if err != nil {
		return err
	}
	r := revocationOf(id, key)
	err = s.runDurable(ctx, op, s.removal(id, nonce, encode(r)[0]))
	s.bus.revoked(r)
	if err != nil {
		return err
	}
	joined, _ := names.(string)
	s.removeFromIndexes(ctx, id, splitNames(joined))
	return nil
}

// removal returns the command that deletes a session, and publishes a message
// unless it is "".
func (s *Store) removal(id, nonce, message string) *command {
	return call(s.scripts.remove, s.names.record(id),
		nonce, max(tombstoneFor, 8*s.config.NetTimeout).Milliseconds(), s.names.channel(), message)
}

// revocationOf returns that of the key that lies in the open beside a session.
// If it is missing or not the session's, everything is revoked.
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
