package file_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// user is an enabled user with one identity.
func user() sessions.User {
	var b [16]byte
	rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return sessions.User{
		ID: h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:], Enabled: true, CreatedAt: start, UpdatedAt: start,
		Identities: []sessions.UserIdentity{{
			Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: rand.Text()}, Method: "oidc", Email: "ada@example.com",
		}},
	}
}

func createUser(t *testing.T, s *file.Store, edit ...func(*sessions.User)) sessions.User {
	t.Helper()
	u := user()
	for _, e := range edit {
		e(&u)
	}
	wantErr(t, "create user", s.CreateUser(t.Context(), u), nil)
	u.Revision = 1
	return u
}

func disabled(u *sessions.User) { u.Enabled = false }

// denies requires that the keys of these, and no others, are those of disabled
// users.
func denies(t *testing.T, s *file.Store, want ...sessions.User) {
	t.Helper()
	got, err := s.DisabledKeys(t.Context())
	wantErr(t, "disabled keys", err, nil)
	var all []sessions.Key
	for i := range want {
		all = append(all, want[i].Keys()...)
	}
	order := func(a, b sessions.Key) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(got, order)
	slices.SortFunc(all, order)
	if !slices.Equal(got, all) {
		t.Errorf("disabled keys: got %d, want %d", len(got), len(all))
	}
}

func listed(t *testing.T, s *file.Store, f sessions.UserFilter, want ...sessions.User) {
	t.Helper()
	page, err := s.ListUsers(t.Context(), f, 1000, "")
	wantErr(t, "list users", err, nil)
	same := func(a, b sessions.User) bool { return a.ID == b.ID && a.Revision == b.Revision }
	if !slices.EqualFunc(page.Users, want, same) || page.Next != "" {
		t.Errorf("list users %+v: got %d, want %d", f, len(page.Users), len(want))
	}
}

func TestUsers_Reopen(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	s := open(t, path, file.Options{})
	on, off, waits := createUser(t, s), createUser(t, s), createUser(t, s, disabled, func(u *sessions.User) { u.Waiting = true })
	disabled(&off)
	wantErr(t, "replace user", s.ReplaceUser(ctx, off), nil)
	off.Revision = 2
	closed(t, s)
	_, err := s.User(ctx, on.ID)
	wantErr(t, "user of a closed store", err, gateward.ErrUnavailable)
	wantErr(t, "create user in a closed store", s.CreateUser(ctx, user()), gateward.ErrUnavailable)

	s = open(t, path, file.Options{})
	late := createUser(t, s)
	listed(t, s, sessions.UserFilter{}, on, off, waits, late)
	listed(t, s, sessions.UserFilter{Disabled: true}, off, waits)
	denies(t, s, off, waits)
	for _, u := range []sessions.User{on, off, waits, late} {
		got, err := s.UserOf(ctx, u.Identities[0].Principal)
		if err != nil || got.ID != u.ID || got.Enabled != u.Enabled || got.Waiting != u.Waiting {
			t.Errorf("user of: got %+v, %v, want %+v", got, err, u)
		}
	}
	if all, err := s.UsersByEmail(ctx, "ada@example.com"); err != nil || len(all) != 4 {
		t.Errorf("users by email: got %d, %v, want 4", len(all), err)
	}
	for _, u := range []sessions.User{off, waits} { // nothing is left behind
		u.Enabled, u.Waiting = true, false
		wantErr(t, "replace user", s.ReplaceUser(ctx, u), nil)
	}
	kept := s.Kept()
	for bucket, want := range map[string]int{"users": 4, "user_order": 4, "user_identities": 4, "user_emails": 4, "user_disabled": 0} {
		if kept[bucket] != want {
			t.Errorf("%s: kept %d, want %d", bucket, kept[bucket], want)
		}
	}
}

// TestUsers_OlderFile opens a file from before there were users.
func TestUsers_OlderFile(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	s := open(t, path, file.Options{})
	one := session("ada")
	one.Identity.UserID = ""
	wantErr(t, "create", s.Create(ctx, one), nil)
	closed(t, s)
	rewrite(t, path, func(tx *bbolt.Tx) error {
		if record := tx.Bucket([]byte("sessions")).Get(rawID(t, one.ID)); record[0] != 1 {
			t.Errorf("a session without a user is of version %d, want 1", record[0])
		}
		var err error
		for _, name := range []string{"session_users", "users", "user_order", "user_identities", "user_emails", "user_disabled"} {
			err = errors.Join(err, tx.DeleteBucket([]byte(name)))
		}
		return err
	})
	s = open(t, path, file.Options{})
	got, err := s.Get(ctx, one.ID)
	if err != nil || got.Tokens.RefreshToken.Reveal() != "refresh-51f2c9" {
		t.Errorf("get: got %+v, %v", got, err)
	}
	u := createUser(t, s, disabled)
	denies(t, s, u)
	create(t, s, "ada")
	if n, err := s.DeleteWhere(ctx, sessions.Filter{UserID: "user-51f2c9"}); n != 1 || err != nil {
		t.Errorf("delete where: got %d, %v, want 1", n, err)
	}
	if n, err := s.DeleteWhere(ctx, sessions.Filter{Principal: one.Identity.Principal}); n != 1 || err != nil {
		t.Errorf("delete where: got %d, %v, want 1", n, err)
	}
}

// TestSEC_G15_TamperedUser flips every byte of a user's record. That the user is
// disabled does not depend on it.
func TestSEC_G15_TamperedUser(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	s := open(t, path, file.Options{})
	one, other := createUser(t, s, disabled), createUser(t, s)
	closed(t, s)
	var whole []byte
	users := func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte("users")) }
	rewrite(t, path, func(tx *bbolt.Tx) error {
		whole = bytes.Clone(users(tx).Get(rawID(t, one.ID)))
		return nil
	})
	for i := range whole {
		rewrite(t, path, func(tx *bbolt.Tx) error {
			b := bytes.Clone(whole)
			b[i] ^= 0x10
			return users(tx).Put(rawID(t, one.ID), b)
		})
		s := open(t, path, file.Options{})
		_, err := s.User(ctx, one.ID)
		wantErr(t, "user", err, sessions.ErrTampered)
		if errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("byte %d: an outage, want an invalid record", i)
		}
		if i%37 == 0 {
			_, err = s.UserOf(ctx, one.Identities[0].Principal)
			wantErr(t, "user of", err, sessions.ErrTampered)
			_, err = s.UsersByEmail(ctx, "ada@example.com")
			wantErr(t, "users by email", err, sessions.ErrTampered)
			put := one
			put.Enabled = true
			wantErr(t, "replace user", s.ReplaceUser(ctx, put), sessions.ErrTampered)
			again := user()
			again.Identities = one.Identities
			wantErr(t, "create user", s.CreateUser(ctx, again), sessions.ErrConflict)
			listed(t, s, sessions.UserFilter{}, other)
			listed(t, s, sessions.UserFilter{Disabled: true})
			denies(t, s, one)
		}
		closed(t, s)
	}
}

// TestSEC_G15_LostKeyOfUsers: without the key nobody can be read, and who is
// disabled stays so.
func TestSEC_G15_LostKeyOfUsers(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	old, current := gateward.NewSecret("old-old-old-old-old-old-old-old-"), gateward.NewSecret("new-new-new-new-new-new-new-new-")
	s := open(t, path, file.Options{Masters: sessions.ConfiguredMasters(old, nil)})
	on, off := createUser(t, s), createUser(t, s, disabled)
	closed(t, s)
	s = open(t, path, file.Options{Masters: sessions.ConfiguredMasters(current, []gateward.Secret{old})})
	wantErr(t, "replace user", s.ReplaceUser(ctx, on), nil) // seals anew
	on.Revision = 2
	listed(t, s, sessions.UserFilter{}, on, off)
	closed(t, s)
	s = open(t, path, file.Options{Masters: sessions.ConfiguredMasters(current, nil)})
	listed(t, s, sessions.UserFilter{}, on)
	_, err := s.User(ctx, off.ID)
	wantErr(t, "user", err, sessions.ErrTampered)
	denies(t, s, off)
}

// TestSEC_G16_SwappedUsers: a record is worth nothing under another id, nor as a
// session, and an index leads to nobody who is not meant.
func TestSEC_G16_SwappedUsers(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]struct {
		bucket string
		keys   func(tx *bbolt.Tx, a, b sessions.User) [][]byte
	}{
		"records": {"users", func(_ *bbolt.Tx, a, b sessions.User) [][]byte { return [][]byte{rawID(t, a.ID), rawID(t, b.ID)} }},
		"identities": {"user_identities", func(tx *bbolt.Tx, _, _ sessions.User) (keys [][]byte) {
			c := tx.Bucket([]byte("user_identities")).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				keys = append(keys, bytes.Clone(k))
			}
			return keys
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sessions.db")
			s := open(t, path, file.Options{})
			a, b := createUser(t, s), createUser(t, s, disabled)
			closed(t, s)
			rewrite(t, path, func(tx *bbolt.Tx) error {
				in, keys := tx.Bucket([]byte(swap.bucket)), swap.keys(tx, a, b)
				first, second := bytes.Clone(in.Get(keys[0])), bytes.Clone(in.Get(keys[1]))
				return errors.Join(in.Put(keys[0], second), in.Put(keys[1], first))
			})
			s = open(t, path, file.Options{})
			for _, u := range []sessions.User{a, b} {
				_, err := s.UserOf(t.Context(), u.Identities[0].Principal)
				wantErr(t, "user of", err, sessions.ErrTampered)
			}
			denies(t, s, b)
		})
	}
}
