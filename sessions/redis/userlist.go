package redis

import (
	"context"
	"errors"

	"github.com/gateward/gateward/sessions"
)

// userPages begins the text of a page token of users.
const userPages = "u1:"

// ListUsers implements [sessions.Users].
func (s *Store) ListUsers(ctx context.Context, f sessions.UserFilter, limit int, pageToken string) (sessions.UserPage, error) {
	const op = "list users"
	after, err := parseToken(userPages, pageToken)
	if err != nil {
		return sessions.UserPage{}, err
	}
	limit = min(max(limit, 1), maxLimit)
	list := s.names.allUsers()
	if f.Disabled {
		list = s.names.disabledUsers()
	}
	var page sessions.UserPage
	var last entry
	for n := max(limit+1, batch); ; {
		c := call(s.scripts.indexAfter, list, after.created, after.id, n)
		if err := s.run(ctx, op, c); err != nil {
			return sessions.UserPage{}, err
		}
		entries := parseEntries(texts(c.list()))
		for i, r := range s.readUsers(ctx, op, idsOf(entries)) {
			switch {
			case errors.Is(r.err, sessions.ErrTampered), errors.Is(r.err, sessions.ErrNoUser):
				continue
			case r.err != nil:
				return sessions.UserPage{}, r.err
			case f.Disabled && r.Enabled: // since just now
				continue
			case len(page.Users) == limit:
				page.Next = last.token(userPages) // there is at least this one more
				return page, nil
			}
			page.Users, last = append(page.Users, r.User), entries[i]
		}
		if len(entries) < n {
			return page, nil
		}
		after = entries[len(entries)-1]
	}
}

// DisabledKeys implements [sessions.Users]. It reads the list in pieces: who is
// disabled from the beginning to the end is in it. It relies on what lies in the
// open, but for the key of a user's id.
func (s *Store) DisabledKeys(ctx context.Context) ([]sessions.Key, error) {
	const op = "list disabled users"
	var all []sessions.Key
	for after := (entry{}); ; {
		c := call(s.scripts.denied, s.names.disabledUsers(), after.created, after.id, batch)
		c.keys = append(c.keys, s.names.deniedKeys())
		if err := s.run(ctx, op, c); err != nil {
			return nil, err
		}
		answer := c.list()
		if len(answer) != 2 {
			return nil, unavailable(op, errMalformedList)
		}
		found, _ := answer[0].([]any)
		keys, _ := answer[1].([]any)
		entries := parseEntries(texts(found))
		for _, e := range entries {
			all = append(all, sessions.KeyOfUser(e.id))
		}
		for _, text := range texts(keys) {
			all = append(all, splitKeys(text)...)
		}
		if len(entries) < batch {
			return all, nil
		}
		after = entries[len(entries)-1]
	}
}

// errMalformedList: the server does not answer what the script returns.
var errMalformedList = errors.New("the answer is not a list of users")

func idsOf(entries []entry) []string {
	all := make([]string, len(entries))
	for i := range entries {
		all[i] = entries[i].id
	}
	return all
}
