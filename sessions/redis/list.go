package redis

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

const (
	maxLimit = 1000
	// batch is how many sessions are read at once, at least.
	batch = 128
	// sessionPages begins the text of a page token of sessions.
	sessionPages = "1:"
)

// An entry of an index is also a place in a list: lists are in the order of
// creation, and of ids where that is the same.
type entry struct {
	created int64
	id      string // "" is before all
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.created, f.created), strings.Compare(e.id, f.id))
}

// before reports whether the entry's session was created before t, which is
// exclusive, and nothing if it is zero.
func (e entry) before(t time.Time) bool { return t.IsZero() || e.created < micro(t) }

// token returns a page token. kind tells what the pages are of.
func (e entry) token(kind string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + strconv.FormatInt(e.created, 10) + ":" + e.id))
}

func parseToken(kind, token string) (entry, error) {
	if token == "" {
		return entry{}, nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	created, id, ok := strings.Cut(strings.TrimPrefix(string(text), kind), ":")
	n, parseErr := strconv.ParseInt(created, 10, 64)
	e := entry{n, id}
	// A number that a float64 cannot hold is no time that has been in an index.
	if err != nil || !ok || parseErr != nil || !isID(id) || e.token(kind) != token || n > 1<<53 || n < -1<<53 {
		return entry{}, sessions.ErrBadPage
	}
	return e, nil
}

// errUndecided: the rest of what was asked for has been done.
var errUndecided = errors.New("there are sessions that cannot be opened, nor told from those that are meant: configure the keys that they were sealed with")

// A found is an entry with its session, or why it cannot be read.
type found struct {
	entry
	sessions.Session
	err error
}

// sources returns the names of the indexes that have everything that f selects,
// and whether an entry of them says enough of a session that cannot be read, its
// time of creation apart. Of a principal, a user, and a provider's session, it does
// whatever else f names: one session too many may end, but none too few.
func (s *Store) sources(ctx context.Context, op string, f *sessions.Filter) (names []string, decides bool, err error) {
	switch {
	case f.SID != "" && f.Method != "" && f.Provider != "":
		return []string{sidIndex(f.Method, f.Provider, f.SID)}, true, nil
	case f.Principal != gateward.Principal{}:
		return []string{principalIndex(f.Principal)}, true, nil
	case f.UserID != "":
		return []string{userIndex(f.UserID)}, true, nil
	case f.Method != "":
		return []string{methodIndex(f.Method)}, f.Provider == "" && f.SID == "", nil
	}
	methods, err := s.methodNames(ctx, op)
	for _, m := range methods {
		names = append(names, methodIndex(m))
	}
	return names, f.Provider == "" && f.SID == "", err
}

func (s *Store) methodNames(ctx context.Context, op string) ([]string, error) {
	c := plain("ZRANGE", s.names.methods(), 0, -1)
	err := s.run(ctx, op, c)
	return texts(c.list()), err
}

// next returns at most n entries of the indexes after a place.
func (s *Store) next(ctx context.Context, op string, names []string, after entry, n int) ([]entry, error) {
	commands := make([]*command, len(names))
	for i, name := range names {
		members, _ := s.names.index(name)
		commands[i] = call(s.scripts.indexAfter, members, after.created, after.id, n)
	}
	if err := s.run(ctx, op, commands...); err != nil {
		return nil, err
	}
	var all []entry
	for _, c := range commands {
		all = append(all, parseEntries(texts(c.list()))...)
	}
	slices.SortFunc(all, entry.compare)
	all = slices.Compact(all) // a session may be on its way from one index to another
	return all[:min(n, len(all))], nil
}

// parseEntries reads what the script has found: ids, each before its time.
func parseEntries(list []string) []entry {
	var all []entry
	for i := 0; i+1 < len(list); i += 2 {
		created, err := strconv.ParseFloat(list[i+1], 64)
		if err == nil && math.Abs(created) <= 1<<53 && isID(list[i]) {
			all = append(all, entry{int64(created), list[i]})
		}
	}
	return all
}

// each calls visit with batches of what f selects after a place, in order, over
// or not, until it returns false. What cannot be read is passed on if tampered;
// if it cannot be told whether f selects it, the error at the end is
// errUndecided.
func (s *Store) each(ctx context.Context, op string, f *sessions.Filter, after entry, n int, tampered bool, visit func([]found) (bool, error)) error {
	names, decides, err := s.sources(ctx, op, f)
	if err != nil || len(names) == 0 {
		return err
	}
	var undecided error
	for {
		entries, err := s.next(ctx, op, names, after, n)
		if err != nil {
			return err
		}
		var all []found
		for e, err := range s.readAll(ctx, op, entries) {
			if err != nil {
				return err
			}
			switch {
			case e.err == nil && f.Selects(&e.Session):
				all = append(all, e)
			case e.err == nil || !tampered || !e.before(f.CreatedBefore):
			case decides:
				all = append(all, e)
			default:
				undecided = unavailable(op, errUndecided)
			}
		}
		if goOn, err := visit(all); err != nil || !goOn {
			return err
		}
		// Later entries are not before the filter's end either.
		last := len(entries) - 1
		if len(entries) < n || !entries[last].before(f.CreatedBefore) {
			return undecided
		}
		after = entries[last]
	}
}

// isWrongType: what is kept under the name is no session.
func isWrongType(err error) bool { return goredis.HasErrorPrefix(err, "WRONGTYPE") }

// readAll reads the sessions of entries that are still there.
func (s *Store) readAll(ctx context.Context, op string, entries []entry) func(yield func(found, error) bool) {
	return func(yield func(found, error) bool) {
		reads := make([]*command, len(entries))
		for i, e := range entries {
			reads[i] = s.read(e.id)
		}
		if err := s.run(ctx, op, reads...); err != nil && !isWrongType(err) {
			yield(found{}, err)
			return
		}
		for i, e := range entries {
			session, err := s.decode(ctx, e.id, reads[i])
			switch {
			case isWrongType(reads[i].err):
				err = sessions.ErrTampered
			case reads[i].err != nil:
				err = reads[i].err
			}
			switch {
			case errors.Is(err, sessions.ErrNotFound):
				continue
			case err != nil && !errors.Is(err, sessions.ErrTampered):
				yield(found{}, unavailable(op, err))
				return
			}
			if !yield(found{e, session, err}, nil) {
				return
			}
		}
	}
}

// List implements [sessions.Registry].
func (s *Store) List(ctx context.Context, f sessions.Filter, limit int, pageToken string) (sessions.Page, error) {
	after, err := parseToken(sessionPages, pageToken)
	if err != nil {
		return sessions.Page{}, err
	}
	limit = min(max(limit, 1), maxLimit)
	now := s.now()
	var page sessions.Page
	var last entry
	err = s.each(ctx, "list sessions", &f, after, max(limit+1, batch), false, func(all []found) (bool, error) {
		for _, e := range all {
			if !f.Expired && !e.Live(now) {
				continue
			}
			if len(page.Sessions) == limit {
				page.Next = last.token(sessionPages) // there is at least this one more
				return false, nil
			}
			page.Sessions, last = append(page.Sessions, e.Session), e.entry
		}
		return true, nil
	})
	if err != nil {
		return sessions.Page{}, err
	}
	return page, nil
}

// DeleteWhere implements [sessions.Registry]. What it has deleted before an error
// stays deleted, and has been published. Sessions that cannot be opened, since
// another key has sealed them or they were tampered with, are deleted wherever
// they may be meant, are not counted, and make every replica forget all
// identities; a filter that does not tell whether they are meant is an error
// that wraps [gateward.ErrUnavailable], after all others have been deleted.
func (s *Store) DeleteWhere(ctx context.Context, f sessions.Filter) (int, error) {
	const op = "delete sessions"
	if f.Zero() {
		return 0, sessions.ErrNoFilter
	}
	deleted := 0
	err := s.each(ctx, op, &f, entry{}, batch, true, func(all []found) (bool, error) {
		n, err := s.deleteAll(ctx, op, all)
		deleted += n
		return true, err
	})
	return deleted, err
}

// deleteAll deletes sessions, and publishes their keys together.
func (s *Store) deleteAll(ctx context.Context, op string, all []found) (live int, err error) {
	if len(all) == 0 {
		return 0, nil
	}
	now := s.now()
	nonce, err := s.nonce()
	if err != nil {
		return 0, err
	}
	var commands []*command
	var r sessions.Revocation
	for i := range all {
		commands = append(commands, s.removal(all[i].id, nonce, ""))
		if all[i].err != nil {
			r.All = true
			continue
		}
		r.Keys = append(r.Keys, all[i].Key)
	}
	err = s.runDurable(ctx, op, commands...)
	entries := map[string][]string{}
	for i := range all {
		if !commands[i].done || commands[i].err != nil || all[i].err != nil {
			continue
		}
		if commands[i].int() > 0 && all[i].Live(now) {
			live++
		}
		for _, name := range indexesOf(&all[i].Session) {
			entries[name] = append(entries[name], all[i].id, "")
		}
	}
	// Also if the caller is gone: what is deleted must not live on in a cache.
	publishCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*s.config.NetTimeout)
	defer cancel()
	err = errors.Join(err, s.Publish(publishCtx, r))
	for name, pairs := range entries {
		s.settleEach(publishCtx, []string{name}, pairs)
	}
	return live, err
}

// Count implements [sessions.Registry].
func (s *Store) Count(ctx context.Context) (map[string]int, error) {
	const op = "count sessions"
	methods, err := s.methodNames(ctx, op)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, m := range methods {
		name := methodIndex(m)
		if err := s.tidy(ctx, op, name); err != nil {
			return nil, err
		}
		members, _ := s.names.index(name)
		c := plain("ZCARD", members)
		if err := s.run(ctx, op, c); err != nil {
			return nil, err
		}
		if n := c.int(); n > 0 {
			counts[m] = int(n)
		}
	}
	return counts, nil
}
