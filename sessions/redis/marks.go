package redis

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// errNoMark: what is kept under a mark's name is not a time.
var errNoMark = errors.New("what is kept under its name is not a mark")

// Mark implements [sessions.Marks].
func (s *Store) Mark(ctx context.Context, name string, at, until time.Time) error {
	return s.runDurable(ctx, "mark", call(s.scripts.mark, s.names.mark(name), at.UnixMicro(), exactly(until.Sub(s.now()))))
}

// Marked implements [sessions.Marks].
func (s *Store) Marked(ctx context.Context, name string) (time.Time, error) {
	const op = "look for mark"
	c := plain("GET", s.names.mark(name))
	if err := s.run(ctx, op, c); err != nil || c.result == nil {
		return time.Time{}, err
	}
	text, _ := c.result.(string)
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, unavailable(op, errNoMark)
	}
	return time.UnixMicro(at).UTC(), nil
}
