package file_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// enabled is the reverse of disabled.
func enabled(u *sessions.User) { u.Enabled = true }

// another adds an identity.
func another(u *sessions.User) {
	u.Identities = append(slices.Clone(u.Identities), sessions.UserIdentity{
		Principal: gateward.Principal{Issuer: "https://github.com", Subject: u.ID}, Method: "github",
	})
}

// TestSEC_G15_OldRecordOfUser puts an old record of a user back. Where it says
// otherwise than what is denied of the user, it is not believed, and cannot be
// replaced; what is denied stays so.
func TestSEC_G15_OldRecordOfUser(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after func(*sessions.User) }{
		"of when it was enabled":                         {enabled, disabled},
		"of when it was disabled":                        {disabled, enabled},
		"of when it was disabled, with an identity less": {disabled, func(u *sessions.User) { disabled(u); another(u) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
			s := open(t, path, file.Options{})
			u, other := createUser(t, s, test.before), createUser(t, s)
			closed(t, s)
			var old []byte
			rewrite(t, path, func(tx *bbolt.Tx) error {
				old = bytes.Clone(tx.Bucket([]byte("users")).Get(rawID(t, u.ID)))
				return nil
			})
			s = open(t, path, file.Options{})
			now := u
			test.after(&now)
			wantErr(t, "replace user", s.ReplaceUser(ctx, now), nil)
			closed(t, s)
			rewrite(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("users")).Put(rawID(t, u.ID), old) })

			s = open(t, path, file.Options{})
			_, err := s.User(ctx, u.ID)
			wantErr(t, "user", err, sessions.ErrTampered)
			_, err = s.UserOf(ctx, u.Identities[0].Principal)
			wantErr(t, "user of", err, sessions.ErrTampered)
			_, err = s.UsersByEmail(ctx, "ada@example.com")
			wantErr(t, "users by email", err, sessions.ErrTampered)
			for _, f := range []sessions.UserFilter{{}, {Disabled: true}} {
				if f.Disabled {
					listed(t, s, f)
				} else {
					listed(t, s, f, other)
				}
			}
			wantErr(t, "replace user", s.ReplaceUser(ctx, u), sessions.ErrTampered)
			if now.Enabled {
				denies(t, s)
			} else {
				denies(t, s, now)
			}
		})
	}
}

// TestSEC_G16_OldRecordTakesNoIdentity: an old record of who once had an identity
// does not take it from who has it now.
func TestSEC_G16_OldRecordTakesNoIdentity(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	s := open(t, path, file.Options{})
	u := createUser(t, s, another)
	closed(t, s)
	var old []byte
	rewrite(t, path, func(tx *bbolt.Tx) error {
		old = bytes.Clone(tx.Bucket([]byte("users")).Get(rawID(t, u.ID)))
		return nil
	})
	s = open(t, path, file.Options{})
	now := u
	now.Identities = u.Identities[:1]
	wantErr(t, "replace user", s.ReplaceUser(ctx, now), nil)
	owner := createUser(t, s, func(o *sessions.User) { o.Identities = u.Identities[1:] })
	closed(t, s)
	rewrite(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("users")).Put(rawID(t, u.ID), old) })

	s = open(t, path, file.Options{})
	wantErr(t, "replace user by what it was", s.ReplaceUser(ctx, u), sessions.ErrConflict)
	wantErr(t, "replace user", s.ReplaceUser(ctx, now), nil)
	got, err := s.UserOf(ctx, owner.Identities[0].Principal)
	if err != nil || got.ID != owner.ID {
		t.Errorf("user of: got %+v, %v, want %+v", got, err, owner)
	}
}
