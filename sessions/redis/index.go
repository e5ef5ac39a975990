package redis

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/gateward/gateward/sessions"
)

const (
	// tidyPerWrite is how many entries of an index are looked at in passing.
	tidyPerWrite = 4
	tidyBatch    = 256
	// tidyRounds bounds what a single call looks at.
	tidyRounds = 40
)

// addToIndexes writes the entries of a session. It returns the entries of each
// index that are to be looked at, since what they name may be gone.
func (s *Store) addToIndexes(ctx context.Context, op string, session *sessions.Session, names []string) (map[string][]string, error) {
	now := s.now()
	keep := session.ExpiresAt.Sub(now) + s.grace
	gone := now.Add(s.keepFor(session, now))
	var commands []*command
	for _, name := range names {
		members, due := s.names.index(name)
		c := call(s.scripts.indexAdd, members,
			micro(session.CreatedAt), session.ID, micro(gone), milliseconds(keep), micro(now), tidyPerWrite)
		c.keys = append(c.keys, due)
		commands = append(commands, c)
	}
	all := append(commands[:len(commands):len(commands)], call(s.scripts.note, s.names.methods(),
		session.Identity.Method, micro(now.Add(keep)), milliseconds(keep), micro(now)))
	if err := s.runDurable(ctx, op, all...); err != nil {
		return nil, err
	}
	look := map[string][]string{}
	for i, c := range commands {
		if ids := texts(c.list()); len(ids) > 0 {
			look[names[i]] = ids
		}
	}
	return look, nil
}

// removeFromIndexes removes the entries of a session that is gone. If it cannot
// be done now, it is when they are due.
func (s *Store) removeFromIndexes(ctx context.Context, id string, names []string) {
	s.settleEach(ctx, names, []string{id, ""})
}

// setDue sets when the entries of a session are to be looked at.
func (s *Store) setDue(ctx context.Context, id string, names []string, at time.Time) {
	s.settleEach(ctx, names, []string{id, strconv.FormatInt(micro(at), 10)})
}

// settleEach does the same in several indexes. Its failure is no error: entries
// are looked at again when they are due.
func (s *Store) settleEach(ctx context.Context, names, pairs []string) {
	var commands []*command
	for _, name := range names {
		commands = append(commands, s.settleCommand(name, pairs))
	}
	if err := s.run(ctx, "settle index entries", commands...); err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "index entries are left for later", slog.Any("err", err))
	}
}

// settleCommand settles entries of one index: pairs of id and when it is due
// again, "" for one that is gone.
func (s *Store) settleCommand(name string, pairs []string) *command {
	members, due := s.names.index(name)
	c := call(s.scripts.indexSettle, members)
	c.keys = append(c.keys, due)
	for _, p := range pairs {
		c.args = append(c.args, p)
	}
	return c
}

// settle looks at entries that are due. Those whose session is gone are removed,
// the others are due again when theirs is to be gone.
func (s *Store) settle(ctx context.Context, name string, ids []string) error {
	const op = "look at index entries"
	reads := make([]*command, len(ids))
	for i, id := range ids {
		reads[i] = plain("HMGET", s.names.record(id), "v", "x", "i", "s")
	}
	if err := s.run(ctx, op, reads...); err != nil {
		return err
	}
	now := s.now()
	var pairs []string
	var over []*command
	for i, id := range ids {
		f := reads[i].list()
		if len(f) != 4 || f[0] == nil {
			pairs = append(pairs, id, "")
			continue
		}
		if until := s.goneAt(f); until.After(now) {
			pairs = append(pairs, id, strconv.FormatInt(micro(until), 10))
			continue
		}
		over = append(over, plain("DEL", s.names.record(id)))
		pairs = append(pairs, id, "")
	}
	if err := s.run(ctx, op, over...); err != nil {
		return err
	}
	return s.run(ctx, op, s.settleCommand(name, pairs))
}

// goneAt is when a record is to be gone.
func (s *Store) goneAt(fields []any) time.Time {
	ends, _ := number(fields[1])
	idle, _ := number(fields[2])
	seen, _ := number(fields[3])
	session := sessions.Session{
		ExpiresAt: date(ends), LastSeenAt: date(seen), IdleTimeout: time.Duration(idle) * time.Microsecond,
	}
	return session.Deadline().Add(s.grace)
}

// tidy looks at everything in an index that is due, within reason.
func (s *Store) tidy(ctx context.Context, op, name string) error {
	_, due := s.names.index(name)
	for range tidyRounds {
		c := plain("ZRANGEBYSCORE", due, "-inf", micro(s.now()), "LIMIT", 0, tidyBatch)
		if err := s.run(ctx, op, c); err != nil {
			return err
		}
		ids := texts(c.list())
		if len(ids) == 0 {
			return nil
		}
		if err := s.settle(ctx, name, ids); err != nil {
			return err
		}
		if len(ids) < tidyBatch {
			return nil
		}
	}
	return nil
}

func texts(list []any) []string {
	all := make([]string, 0, len(list))
	for _, v := range list {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
