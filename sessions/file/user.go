package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// errBadUserID: an id is not a UUID.
var errBadUserID = errors.New("file: malformed user id")

// userVersion begins every record of a user. After it come the user's number and
// what is sealed, bound to the id and to all that is before.
const userVersion = 1

// userHead is the length of what is before the sealed part.
const userHead = 1 + len(number{})

// A number says in which order users came. It is never used again.
type number [8]byte

func hashEmail(email string) hash { return hashOf("email", email) }

// sealUser returns the record of a user.
func (s *Store) sealUser(ctx context.Context, b id, n number, u *sessions.User) ([]byte, error) {
	plain, err := sessions.EncodeUser(nil, u)
	if err != nil {
		return nil, err
	}
	head := append([]byte{userVersion}, n[:]...)
	return s.users.Seal(ctx, slices.Clone(head), plain, append(b[:], head...))
}

// openUser returns the user of a record, and the number.
func (s *Store) openUser(ctx context.Context, b id, record []byte) (sessions.User, number, error) {
	if len(record) < userHead || record[0] != userVersion {
		return sessions.User{}, number{}, sessions.ErrTampered
	}
	head, sealed := record[:userHead], record[userHead:]
	plain, err := s.users.Open(ctx, sealed, append(b[:], head...))
	if err != nil {
		return sessions.User{}, number{}, err
	}
	u, err := sessions.DecodeUser(plain)
	return u, number(head[1:]), err
}

// user returns the user with an id. What is denied of it has to be what its record
// says: it may be an old one that somebody has put back.
func (s *Store) user(ctx context.Context, tx *bbolt.Tx, b id) (sessions.User, number, error) {
	record := bucket(tx, inUsers).Get(b[:])
	if record == nil {
		return sessions.User{}, number{}, sessions.ErrNoUser
	}
	u, n, err := s.openUser(ctx, b, record)
	if err == nil && !bytes.Equal(bucket(tx, inUserDisabled).Get(n[:]), deniedOf(b, &u)) {
		err = sessions.ErrTampered
	}
	if err != nil {
		return sessions.User{}, number{}, err
	}
	return u, n, nil
}

// deniedOf is what is kept of a user among the disabled ones: the id, and what is
// to be denied; nil if the user is enabled.
func deniedOf(b id, u *sessions.User) []byte {
	if u.Enabled {
		return nil
	}
	v := b[:]
	for _, k := range u.Keys() {
		v = append(v, k[:]...)
	}
	return v
}

// CreateUser implements [sessions.Users].
func (s *Store) CreateUser(ctx context.Context, u sessions.User) error {
	b, ok := parseID(u.ID)
	if !ok {
		return s.outcome(errBadUserID)
	}
	u.Revision = 1
	_, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		if bucket(tx, inUsers).Get(b[:]) != nil || taken(tx, b, &u) {
			return sessions.ErrConflict
		}
		last, err := bucket(tx, inUserOrder).NextSequence()
		if err != nil {
			return err
		}
		var n number
		binary.BigEndian.PutUint64(n[:], last)
		if err := bucket(tx, inUserOrder).Put(n[:], b[:]); err != nil {
			return err
		}
		out.revoke = sessions.RevocationOf(nil, &u)
		return s.putUser(ctx, tx, b, n, &u)
	})
	return err
}

// ReplaceUser implements [sessions.Users].
func (s *Store) ReplaceUser(ctx context.Context, u sessions.User) error {
	b, ok := parseID(u.ID)
	if !ok {
		return sessions.ErrNoUser
	}
	_, err := s.update(ctx, func(tx *bbolt.Tx, out *outcome) error {
		before, n, err := s.user(ctx, tx, b)
		switch {
		case err != nil:
			return err
		case before.Revision != u.Revision, taken(tx, b, &u):
			return sessions.ErrConflict
		}
		after := u // this may run again
		after.CreatedAt = before.CreatedAt
		after.Revision++
		out.revoke = sessions.RevocationOf(&before, &after)
		if err := removeUserIndex(tx, b, n, &before); err != nil {
			return err
		}
		return s.putUser(ctx, tx, b, n, &after)
	})
	return err
}

// taken reports whether one of the identities is another user's.
func taken(tx *bbolt.Tx, b id, u *sessions.User) bool {
	for i := range u.Identities {
		h := hashPrincipal(u.Identities[i].Principal)
		if owner := bucket(tx, inUserIdentity).Get(h[:]); owner != nil && !bytes.Equal(owner, b[:]) {
			return true
		}
	}
	return false
}

// putUser writes a user with everything that leads there, apart from the order.
func (s *Store) putUser(ctx context.Context, tx *bbolt.Tx, b id, n number, u *sessions.User) error {
	record, err := s.sealUser(ctx, b, n, u)
	if err != nil {
		return err
	}
	if err := bucket(tx, inUsers).Put(b[:], record); err != nil {
		return err
	}
	for _, k := range userIndexKeys(n, u) {
		if err := bucket(tx, k.bucket).Put(k.key, b[:]); err != nil {
			return err
		}
	}
	if denied := deniedOf(b, u); denied != nil {
		return bucket(tx, inUserDisabled).Put(n[:], denied)
	}
	return nil
}

// removeUserIndex drops what leads to a user, apart from the order. An identity
// that the record names may be another's by now, if it is an old record.
func removeUserIndex(tx *bbolt.Tx, b id, n number, u *sessions.User) error {
	for _, k := range userIndexKeys(n, u) {
		if !bytes.Equal(bucket(tx, k.bucket).Get(k.key), b[:]) {
			continue
		}
		if err := bucket(tx, k.bucket).Delete(k.key); err != nil {
			return err
		}
	}
	return bucket(tx, inUserDisabled).Delete(n[:])
}

func userIndexKeys(n number, u *sessions.User) []indexKey {
	var keys []indexKey
	for i := range u.Identities {
		h := hashPrincipal(u.Identities[i].Principal)
		keys = append(keys, indexKey{inUserIdentity, h[:]})
	}
	for _, email := range u.Emails() {
		h := hashEmail(email)
		keys = append(keys, indexKey{inUserEmail, slices.Concat(h[:], n[:])})
	}
	return keys
}

// User implements [sessions.Users].
func (s *Store) User(ctx context.Context, text string) (u sessions.User, err error) {
	b, ok := parseID(text)
	if !ok {
		return u, sessions.ErrNoUser
	}
	err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
		u, _, err = s.user(ctx, tx, b)
		return err
	})
	return u, err
}

// UserOf implements [sessions.Users].
func (s *Store) UserOf(ctx context.Context, p gateward.Principal) (u sessions.User, err error) {
	h := hashPrincipal(p)
	err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
		owner := bucket(tx, inUserIdentity).Get(h[:])
		if owner == nil {
			return sessions.ErrNoUser
		}
		u, err = s.led(ctx, tx, owner, func(u *sessions.User) bool {
			return slices.ContainsFunc(u.Identities, func(id sessions.UserIdentity) bool { return id.Principal == p })
		})
		return err
	})
	if err != nil {
		return sessions.User{}, err
	}
	return u, nil
}

// led returns the user that an index leads to. What the index says is checked
// against the record: somebody may have changed the file.
func (s *Store) led(ctx context.Context, tx *bbolt.Tx, to []byte, rightly func(u *sessions.User) bool) (sessions.User, error) {
	if len(to) < len(id{}) {
		return sessions.User{}, sessions.ErrTampered
	}
	u, _, err := s.user(ctx, tx, id(to[:len(id{})]))
	if errors.Is(err, sessions.ErrNoUser) || err == nil && !rightly(&u) {
		err = sessions.ErrTampered
	}
	return u, err
}
