package file_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// edit changes the records of a closed file, by id.
func edit(t *testing.T, path string, change func(records *bbolt.Bucket) error) {
	t.Helper()
	rewrite(t, path, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("sessions"))) })
}

// rewrite changes a closed file.
func rewrite(t *testing.T, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(change)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func rawID(t *testing.T, id string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type ear struct{ keys, all atomic.Int32 }

func (e *ear) Revoked(r sessions.Revocation) {
	e.keys.Add(int32(len(r.Keys)))
	if r.All {
		e.all.Add(1)
	}
}

func (*ear) Hearing(bool) {}

// TestSEC_G15_TamperedRecord flips every byte of a record.
func TestSEC_G15_TamperedRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, file.Options{})
	one := create(t, s, "ada")
	other := create(t, s, "ada")
	closed(t, s)
	var whole []byte
	edit(t, path, func(records *bbolt.Bucket) error {
		whole = bytes.Clone(records.Get(rawID(t, one.ID)))
		return nil
	})
	for i := range whole {
		edit(t, path, func(records *bbolt.Bucket) error {
			b := bytes.Clone(whole)
			b[i] ^= 0x10
			return records.Put(rawID(t, one.ID), b)
		})
		s := open(t, path, file.Options{})
		_, err := s.Get(t.Context(), one.ID)
		wantErr(t, "get", err, sessions.ErrTampered)
		if errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("byte %d: an outage, want an invalid record", i)
		}
		if i%97 == 0 {
			page, err := s.List(t.Context(), sessions.Filter{}, 10, "")
			if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ID != other.ID {
				t.Errorf("byte %d: list: got %d sessions, %v, want the other", i, len(page.Sessions), err)
			}
		}
		closed(t, s)
	}
	s = open(t, path, file.Options{})
	wantErr(t, "delete", s.Delete(t.Context(), one.ID), nil)
	_, err := s.Get(t.Context(), one.ID)
	wantErr(t, "get after delete", err, sessions.ErrNotFound)
}

// TestSEC_G15_TamperedKeyRevokesAll: if it cannot be told whose session it was,
// every cache forgets everything.
func TestSEC_G15_TamperedKeyRevokesAll(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"key": 3, "version": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sessions.db")
			s := open(t, path, file.Options{})
			one := create(t, s, "ada")
			closed(t, s)
			edit(t, path, func(records *bbolt.Bucket) error {
				b := bytes.Clone(records.Get(rawID(t, one.ID)))
				b[at] ^= 1
				return records.Put(rawID(t, one.ID), b)
			})
			s = open(t, path, file.Options{})
			var e ear
			s.Subscribe(&e)
			wantErr(t, "delete", s.Delete(t.Context(), one.ID), nil)
			if e.all.Load() != 1 || e.keys.Load() != 0 {
				t.Errorf("heard %d keys and %d times all, want all once", e.keys.Load(), e.all.Load())
			}
		})
	}
}

func TestSEC_G15_Rotation(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	old, current := gateward.NewSecret("old-old-old-old-old-old-old-old-"), gateward.NewSecret("new-new-new-new-new-new-new-new-")
	s := open(t, path, file.Options{Masters: sessions.ConfiguredMasters(old, nil)})
	first, second := create(t, s, "ada"), create(t, s, "ada")
	closed(t, s)
	s = open(t, path, file.Options{Masters: sessions.ConfiguredMasters(current, []gateward.Secret{old})})
	got, err := s.Get(ctx, first.ID)
	wantErr(t, "get under the previous key", err, nil)
	wantErr(t, "replace", s.Replace(ctx, got), nil)
	closed(t, s)
	s = open(t, path, file.Options{Masters: sessions.ConfiguredMasters(current, nil)})
	_, err = s.Get(ctx, first.ID)
	wantErr(t, "get of what was sealed anew", err, nil)
	_, err = s.Get(ctx, second.ID)
	wantErr(t, "get of what was not", err, sessions.ErrTampered)
	// What does not open can be removed all the same.
	if n, err := s.DeleteWhere(ctx, sessions.Filter{Principal: second.Identity.Principal}); n != 2 || err != nil {
		t.Errorf("delete where: got %d, %v, want 2", n, err)
	}
	if kept := s.Kept(); kept["sessions"] != 0 || kept["created"] != 0 {
		t.Errorf("kept: %v, want nothing", kept)
	}
}

func TestMastersError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	away := errors.New("away")
	_, err := file.Open(t.Context(), path, file.Options{
		Now: atStart, Random: rand.Reader, Masters: func(context.Context) ([][]byte, error) { return nil, away },
	})
	wantErr(t, "open", err, away)
	open(t, path, file.Options{}) // the file was let go of
}

func TestSEC_G16_SwappedRecords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, file.Options{})
	a, b := create(t, s, "ada"), create(t, s, "grace")
	closed(t, s)
	edit(t, path, func(records *bbolt.Bucket) error {
		first, second := bytes.Clone(records.Get(rawID(t, a.ID))), bytes.Clone(records.Get(rawID(t, b.ID)))
		return errors.Join(records.Put(rawID(t, a.ID), second), records.Put(rawID(t, b.ID), first))
	})
	s = open(t, path, file.Options{})
	for _, id := range []string{a.ID, b.ID} {
		_, err := s.Get(t.Context(), id)
		wantErr(t, "get", err, sessions.ErrTampered)
		wantErr(t, "expire", s.Expire(t.Context(), id, start), sessions.ErrTampered)
		wantErr(t, "touch", s.Touch(t.Context(), id, start), nil)
	}
}

// written returns everything in the file of a store with one session of a client
// token.
func written(t *testing.T, token gateward.Secret) (content []byte, one sessions.Session) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, file.Options{})
	one = session("ada")
	one.Key = sessions.KeyOf([]byte(token.Reveal()))
	one.ID = sessions.IDOf(one.Key)
	one.Tokens.IDToken = gateward.NewSecret("id-token-51f2c9")
	one.Identity.Email = "ada@example.com"
	wantErr(t, "create", s.Create(t.Context(), one), nil)
	one.Revision = 1
	wantErr(t, "replace", s.Replace(t.Context(), one), nil)
	wantErr(t, "touch", s.Touch(t.Context(), one.ID, start.Add(1)), nil)
	_, err := s.Use(t.Context(), "state-51f2c9", start.Add(1))
	wantErr(t, "use", err, nil)
	wantErr(t, "mark", s.Mark(t.Context(), "mark-51f2c9", start, start.Add(1)), nil)
	u := user()
	u.Identities[0].Email, u.Identities[0].Name = "grace-51f2c9@example.com", "Grace 51f2c9"
	u.Enabled = false
	wantErr(t, "create user", s.CreateUser(t.Context(), u), nil)
	u.Revision = 1
	wantErr(t, "replace user", s.ReplaceUser(t.Context(), u), nil)
	closed(t, s)
	content, err = os.ReadFile(path)
	wantErr(t, "read", err, nil)
	if !bytes.Contains(content, rawID(t, one.ID)) {
		t.Fatal("the file does not have the session")
	}
	return content, one
}

func TestSEC_G01_NoClientTokenInTheFile(t *testing.T) {
	t.Parallel()
	var random [32]byte
	rand.Read(random[:])
	token := sessions.ClientToken(random)
	content, _ := written(t, token)
	for _, part := range []string{token.Reveal(), token.Reveal()[:16], string(random[:]), hex.EncodeToString(random[:]), "state-51f2c9", "mark-51f2c9"} {
		if bytes.Contains(content, []byte(part)) {
			t.Error("the file contains a client token, or a name that was used or marked")
		}
	}
}

func TestSEC_D17_NoProviderTokenInTheFile(t *testing.T) {
	t.Parallel()
	content, one := written(t, gateward.NewSecret("a"))
	for _, part := range []string{
		"51f2c9", one.Tokens.AccessToken.Reveal(), one.Tokens.RefreshToken.Reveal(), one.Tokens.IDToken.Reveal(),
		one.Tokens.SID, one.Identity.Email, one.Identity.Issuer, one.Identity.UserID, "grace", "Grace",
	} {
		if bytes.Contains(content, []byte(part)) {
			t.Errorf("the file contains %q in the clear", part)
		}
	}
}
