package memory

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// maxByEmail is how many users of one address are returned.
const maxByEmail = 100

// A userTable finds users by id, by identity, by address, and in the order in
// which they came. Nobody is ever removed from it.
type userTable struct {
	mu sync.RWMutex
	// texts are what [sessions.EncodeUser] made of the users. The index of one is
	// its number everywhere below.
	texts []string
	// owners has the user of every key that [sessions.User.Keys] returns.
	owners map[sessions.Key]int
	// emails has those of each address in order. A slice can be searched, and few
	// share an address.
	emails map[string][]int
	// disabled has the keys of those who are not enabled.
	disabled map[int][]sessions.Key
}

func newUserTable() userTable {
	return userTable{owners: map[sessions.Key]int{}, emails: map[string][]int{}, disabled: map[int][]sessions.Key{}}
}

// CreateUser implements [sessions.Users].
func (s *Store) CreateUser(_ context.Context, u sessions.User) error {
	if err := s.users.create(&u, s.o.MaxUsers); err != nil {
		return err
	}
	s.tell(sessions.RevocationOf(nil, &u))
	return nil
}

// ReplaceUser implements [sessions.Users].
func (s *Store) ReplaceUser(_ context.Context, u sessions.User) error {
	before, err := s.users.replace(&u)
	if err != nil {
		return err
	}
	s.tell(sessions.RevocationOf(&before, &u))
	return nil
}

// tell publishes what concerns users, if there is anything to say.
func (s *Store) tell(r sessions.Revocation) {
	if len(r.Denied) > 0 || r.Users {
		s.bus.Tell(r)
	}
}

// User implements [sessions.Users].
func (s *Store) User(_ context.Context, id string) (sessions.User, error) {
	return s.users.of(sessions.KeyOfUser(id))
}

// UserOf implements [sessions.Users].
func (s *Store) UserOf(_ context.Context, p gateward.Principal) (sessions.User, error) {
	return s.users.of(sessions.KeyOfPrincipal(p))
}

// UsersByEmail implements [sessions.Users].
func (s *Store) UsersByEmail(_ context.Context, email string) ([]sessions.User, error) {
	t := &s.users
	t.mu.RLock()
	var texts []string
	for _, i := range t.emails[email] {
		if len(texts) == maxByEmail {
			break
		}
		texts = append(texts, t.texts[i])
	}
	t.mu.RUnlock()
	return decodeUsers(texts)
}

// ListUsers implements [sessions.Users].
func (s *Store) ListUsers(_ context.Context, f sessions.UserFilter, limit int, pageToken string) (sessions.UserPage, error) {
	from := 0
	if pageToken != "" {
		var ok bool
		if from, ok = parseUserToken(pageToken); !ok {
			return sessions.UserPage{}, sessions.ErrBadPage
		}
	}
	if limit < 1 {
		return sessions.UserPage{}, nil
	}
	texts, next := s.users.list(f, limit, from)
	all, err := decodeUsers(texts)
	if err != nil {
		return sessions.UserPage{}, err
	}
	page := sessions.UserPage{Users: all}
	if next > 0 {
		page.Next = userToken(next)
	}
	return page, nil
}

// DisabledKeys implements [sessions.Users].
func (s *Store) DisabledKeys(context.Context) ([]sessions.Key, error) {
	t := &s.users
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []sessions.Key
	for _, keys := range t.disabled {
		all = append(all, keys...)
	}
	return all, nil
}

// create adds u. The order of the errors is that a conflict is one even if there
// is no room.
func (t *userTable) create(u *sessions.User, most int) error {
	u.Revision = 1
	text, err := sessions.EncodeUser(nil, u)
	if err != nil {
		return err
	}
	keys := u.Keys()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		if _, taken := t.owners[k]; taken {
			return sessions.ErrConflict
		}
	}
	if len(t.texts) >= most {
		return sessions.ErrTooMany
	}
	t.texts = append(t.texts, string(text))
	t.enter(len(t.texts)-1, u, keys)
	return nil
}

// replace puts u in place of the user with its id, which it returns.
func (t *userTable) replace(u *sessions.User) (before sessions.User, err error) {
	keys := u.Keys()
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.owners[sessions.KeyOfUser(u.ID)]
	if !ok {
		return before, sessions.ErrNoUser
	}
	if before, err = sessions.DecodeUser([]byte(t.texts[i])); err != nil {
		return before, err
	}
	if before.Revision != u.Revision {
		return before, sessions.ErrConflict
	}
	for _, k := range keys {
		if owner, taken := t.owners[k]; taken && owner != i {
			return before, sessions.ErrConflict
		}
	}
	u.CreatedAt = before.CreatedAt
	u.Revision++
	text, err := sessions.EncodeUser(nil, u)
	if err != nil {
		return before, err
	}
	t.leave(i, &before)
	t.texts[i] = string(text)
	t.enter(i, u, keys)
	return before, nil
}

// enter notes what leads to a user.
func (t *userTable) enter(i int, u *sessions.User, keys []sessions.Key) {
	for _, k := range keys {
		t.owners[k] = i
	}
	for _, email := range u.Emails() {
		all := t.emails[email]
		n, _ := slices.BinarySearch(all, i)
		t.emails[email] = slices.Insert(all, n, i)
	}
	if !u.Enabled {
		t.disabled[i] = keys
	}
}

// leave undoes enter.
func (t *userTable) leave(i int, u *sessions.User) {
	for _, k := range u.Keys() {
		delete(t.owners, k)
	}
	for _, email := range u.Emails() {
		all := t.emails[email]
		if n, ok := slices.BinarySearch(all, i); ok {
			all = slices.Delete(all, n, n+1)
		}
		if t.emails[email] = all; len(all) == 0 {
			delete(t.emails, email)
		}
	}
	delete(t.disabled, i)
}

func (t *userTable) of(k sessions.Key) (sessions.User, error) {
	t.mu.RLock()
	i, ok := t.owners[k]
	var text string
	if ok {
		text = t.texts[i]
	}
	t.mu.RUnlock()
	if !ok {
		return sessions.User{}, sessions.ErrNoUser
	}
	return sessions.DecodeUser([]byte(text))
}

// list returns at most limit users from a number on, and the number from which
// the next page goes on, 0 if there is none.
func (t *userTable) list(f sessions.UserFilter, limit, from int) (texts []string, next int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if !f.Disabled {
		from = min(from, len(t.texts))
		to := min(from+limit, len(t.texts))
		if to < len(t.texts) {
			next = to
		}
		return slices.Clone(t.texts[from:to]), next
	}
	var all []int
	for i := range t.disabled {
		if i >= from {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	if len(all) > limit {
		next = all[limit]
		all = all[:limit]
	}
	for _, i := range all {
		texts = append(texts, t.texts[i])
	}
	return texts, next
}

func decodeUsers(texts []string) ([]sessions.User, error) {
	var all []sessions.User
	for _, text := range texts {
		u, err := sessions.DecodeUser([]byte(text))
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// userToken names a page that begins with a number. Its first byte tells it from
// other tokens.
func userToken(from int) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte{'u'}, uint64(from))) //nolint:gosec // it is not negative
}

func parseUserToken(token string) (int, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 9 || b[0] != 'u' {
		return 0, false
	}
	from := binary.BigEndian.Uint64(b[1:])
	if from == 0 || from > 1<<40 {
		return 0, false
	}
	return int(from), true
}
