package file

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward/sessions"
)

// maxByEmail is how many users of one address are returned.
const maxByEmail = 100

// UsersByEmail implements [sessions.Users]. One that cannot be read is
// [sessions.ErrTampered]: without it, it could not be told who has the address.
func (s *Store) UsersByEmail(ctx context.Context, email string) ([]sessions.User, error) {
	h := hashEmail(email)
	var all []sessions.User
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		c := bucket(tx, inUserEmail).Cursor()
		for k, v := c.Seek(h[:]); bytes.HasPrefix(k, h[:]) && len(all) < maxByEmail; k, v = c.Next() {
			u, err := s.led(ctx, tx, v, func(u *sessions.User) bool { return slices.Contains(u.Emails(), email) })
			if err != nil {
				return err
			}
			all = append(all, u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ListUsers implements [sessions.Users].
func (s *Store) ListUsers(ctx context.Context, f sessions.UserFilter, limit int, pageToken string) (sessions.UserPage, error) {
	after, err := parseUserToken(pageToken)
	if err != nil {
		return sessions.UserPage{}, err
	}
	if limit < 1 {
		return sessions.UserPage{}, nil
	}
	index := inUserOrder
	if f.Disabled {
		index = inUserDisabled
	}
	var page sessions.UserPage
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		page = sessions.UserPage{}
		var last []byte
		c := bucket(tx, index).Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for n := 0; k != nil; k, v = c.Next() {
			if n++; n%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if len(page.Users) == limit {
				page.Next = userToken(last)
				return nil
			}
			u, err := s.led(ctx, tx, v, func(u *sessions.User) bool { return !f.Disabled || !u.Enabled })
			switch {
			case errors.Is(err, sessions.ErrTampered):
			case err != nil:
				return err
			default:
				page.Users = append(page.Users, u)
				last = bytes.Clone(k)
			}
		}
		return nil
	})
	if err != nil {
		return sessions.UserPage{}, err
	}
	return page, nil
}

// DisabledKeys implements [sessions.Users]. It opens no record.
func (s *Store) DisabledKeys(ctx context.Context) ([]sessions.Key, error) {
	var all []sessions.Key
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		all = nil
		c := bucket(tx, inUserDisabled).Cursor()
		n := 0
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if n++; n%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			for v = v[min(len(id{}), len(v)):]; len(v) >= len(sessions.Key{}); v = v[len(sessions.Key{}):] {
				all = append(all, sessions.Key(v[:len(sessions.Key{})]))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// userToken names a page that begins behind a number. Its first byte tells it
// from other tokens.
func userToken(after []byte) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{'u'}, after...))
}

func parseUserToken(token string) ([]byte, error) {
	if token == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 1+len(number{}) || b[0] != 'u' {
		return nil, sessions.ErrBadPage
	}
	return b[1:], nil
}
