package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxByEmail is how many users of one address are returned.
	maxByEmail = 100
	// userAttempts is how often a user is looked for who changes meanwhile.
	userAttempts = 3
)

// errUserID: a caller's mistake.
var errUserID = errors.New("the id of a user is not a UUID in lower case")

// CreateUser implements [sessions.Users]. There may be as many users as Redis has
// room for.
func (s *Store) CreateUser(ctx context.Context, u sessions.User) error {
	const op = "create user"
	if !isID(u.ID) {
		return unavailable(op, errUserID)
	}
	u.Revision = 1
	return s.putUser(ctx, op, &u, nil, "")
}

// User implements [sessions.Users].
func (s *Store) User(ctx context.Context, id string) (sessions.User, error) {
	u, _, err := s.keptUser(ctx, "get user", id)
	return u, err
}

// UserOf implements [sessions.Users].
func (s *Store) UserOf(ctx context.Context, p gateward.Principal) (sessions.User, error) {
	const op = "find user of identity"
	// The identity and its user are read one after the other. Between, it can
	// become another user's, but not again and again.
	for range userAttempts {
		c := plain("HGET", s.names.identities(), identityField(p))
		if err := s.run(ctx, op, c); err != nil {
			return sessions.User{}, err
		}
		id, ok := c.result.(string)
		if !ok {
			return sessions.User{}, sessions.ErrNoUser
		}
		u, _, err := s.keptUser(ctx, op, id)
		switch {
		case err == nil && hasIdentity(&u, p):
			return u, nil
		case err != nil && !errors.Is(err, sessions.ErrNoUser):
			return sessions.User{}, err
		}
	}
	return sessions.User{}, sessions.ErrTampered // whoever it leads to does not have it
}

// UsersByEmail implements [sessions.Users]. It returns [sessions.ErrTampered] if
// one of the users cannot be read: who decides by how many there are must not miss
// one.
func (s *Store) UsersByEmail(ctx context.Context, email string) ([]sessions.User, error) {
	const op = "find users by email"
	if email == "" {
		return nil, nil
	}
	c := plain("ZRANGE", s.names.email(email), 0, maxByEmail-1)
	if err := s.run(ctx, op, c); err != nil {
		return nil, err
	}
	var all []sessions.User
	for _, r := range s.readUsers(ctx, op, texts(c.list())) {
		switch {
		case errors.Is(r.err, sessions.ErrNoUser):
			return nil, sessions.ErrTampered
		case r.err != nil:
			return nil, r.err
		case slices.Contains(r.Emails(), email): // it may have changed meanwhile
			all = append(all, r.User)
		}
	}
	return all, nil
}

// ReplaceUser implements [sessions.Users]. It returns [sessions.ErrTampered] if
// the kept user cannot be read.
func (s *Store) ReplaceUser(ctx context.Context, u sessions.User) error {
	const op = "replace user"
	before, sealed, err := s.keptUser(ctx, op, u.ID)
	if err != nil {
		return err
	}
	if before.Revision != u.Revision {
		return sessions.ErrConflict
	}
	u.CreatedAt = before.CreatedAt
	u.Revision++
	return s.putUser(ctx, op, &u, &before, sealed)
}

// putUser puts u in place of before, which is kept as sealed; nil and "" if u is
// new. All of it is done in one step, or nothing.
func (s *Store) putUser(ctx context.Context, op string, u, before *sessions.User, sealed string) error {
	c, err := s.putCommand(ctx, u, before, sealed)
	if err != nil {
		return unavailable(op, err)
	}
	r := sessions.RevocationOf(before, u)
	messages := encode(r)
	c.args = append(c.args, s.names.channel(), len(messages))
	for _, m := range messages {
		c.args = append(c.args, m)
	}
	err = s.runDurable(ctx, op, c)
	if err != nil || c.int() == 1 { // an error does not say that it was not done
		s.bus.revoked(r)
	}
	switch {
	case err != nil:
		return err
	case c.int() != 1:
		return sessions.ErrConflict
	}
	return nil
}

// putCommand returns the command that puts a user, without what it publishes.
func (s *Store) putCommand(ctx context.Context, u, before *sessions.User, sealed string) (*command, error) {
	value, err := s.sealUser(ctx, u)
	if err != nil {
		return nil, err
	}
	var goneFields, goneEmails []string
	fields, emails := identityFields(u), s.emailNames(u)
	if before != nil {
		goneFields = missing(identityFields(before), fields)
		goneEmails = missing(s.emailNames(before), emails)
	}
	c := call(s.scripts.putUser, s.names.user(u.ID), value, sealed, u.ID,
		strconv.FormatUint(u.Revision, 10), micro(u.CreatedAt), deniedOf(u))
	c.keys = slices.Concat(c.keys,
		[]string{s.names.identities(), s.names.allUsers(), s.names.disabledUsers(), s.names.deniedKeys()}, goneEmails, emails)
	c.args = append(c.args, len(goneEmails))
	for _, list := range [][]string{goneFields, fields} {
		c.args = append(c.args, len(list))
		for _, field := range list {
			c.args = append(c.args, field)
		}
	}
	return c, nil
}

// A readUser is a user, as it is kept, or why it cannot be read.
type readUser struct {
	sessions.User
	sealed string
	err    error
}

// keptUser returns a user, and what is kept of it.
func (s *Store) keptUser(ctx context.Context, op, id string) (u sessions.User, sealed string, err error) {
	r := s.readUsers(ctx, op, []string{id})[0]
	return r.User, r.sealed, r.err
}

// readUsers reads users together, each as it is at the same moment.
func (s *Store) readUsers(ctx context.Context, op string, ids []string) []readUser {
	all := make([]readUser, len(ids))
	c := call(s.scripts.readUsers, s.names.deniedKeys())
	c.keys = append(c.keys, s.names.disabledUsers())
	for _, id := range ids {
		if isID(id) {
			c.keys, c.args = append(c.keys, s.names.user(id)), append(c.args, id)
		}
	}
	var err error
	if len(c.args) > 0 {
		if err = s.run(ctx, op, c); err == nil && len(c.list()) != len(c.args) {
			err = unavailable(op, errMalformedList)
		}
	}
	kept := c.list()
	for i, id := range ids {
		switch {
		case !isID(id):
			all[i].err = sessions.ErrNoUser
		case err != nil:
			all[i].err = err
		default:
			fields, _ := kept[0].([]any)
			all[i], kept = s.decodeUser(ctx, op, id, fields), kept[1:]
		}
	}
	return all
}

// decodeUser returns the user that the script has read. What is denied of it has to
// be what its record says.
func (s *Store) decodeUser(ctx context.Context, op, id string, f []any) readUser {
	switch {
	case len(f) != 4:
		return readUser{err: sessions.ErrTampered}
	case f[0] == nil:
		return readUser{err: sessions.ErrNoUser}
	}
	sealed, _ := f[0].(string)
	denied, _ := f[2].(string)
	u, err := s.openUser(ctx, id, sealed)
	switch {
	case errors.Is(err, sessions.ErrTampered):
	case err != nil:
		err = unavailable(op, err)
	case u.ID != id, f[1] != strconv.FormatUint(u.Revision, 10),
		u.Enabled != (f[2] == nil), u.Enabled != (f[3] == nil), denied != string(deniedOf(&u)):
		err = sessions.ErrTampered
	default:
		return readUser{u, sealed, nil}
	}
	return readUser{err: err}
}

// deniedOf is what is kept of what is to be denied of a user, nil if it is enabled.
func deniedOf(u *sessions.User) []byte {
	if u.Enabled {
		return nil
	}
	return joinKeys(u.Keys())
}

// sealUser returns what is kept of a user, bound to where it is kept: another
// installation with the same master keys can do nothing with it.
func (s *Store) sealUser(ctx context.Context, u *sessions.User) ([]byte, error) {
	plain, err := sessions.EncodeUser(nil, u)
	if err != nil {
		return nil, err
	}
	return (*s.sealers.Load())[0].user.Seal(ctx, nil, plain, []byte(s.names.user(u.ID)))
}

func (s *Store) openUser(ctx context.Context, id, sealed string) (sessions.User, error) {
	plain, err := s.unseal(ctx, (*sealers).ofUsers, sealed, s.names.user(id))
	if err != nil {
		return sessions.User{}, err
	}
	return sessions.DecodeUser(plain)
}

func hasIdentity(u *sessions.User, p gateward.Principal) bool {
	return slices.ContainsFunc(u.Identities, func(i sessions.UserIdentity) bool { return i.Principal == p })
}

// identityFields returns what u's identities are called where their user is found.
func identityFields(u *sessions.User) []string {
	var all []string
	for i := range u.Identities {
		all = append(all, identityField(u.Identities[i].Principal))
	}
	return all
}

func (s *Store) emailNames(u *sessions.User) []string {
	var all []string
	for _, email := range u.Emails() {
		all = append(all, s.names.email(email))
	}
	return all
}
