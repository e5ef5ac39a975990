package file_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
	"github.com/gateward/gateward/sessions/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, o storetest.Options) sessions.Backend {
		return open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{Now: o.Now, GracePeriod: o.GracePeriod})
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	storetest.RunUsers(t, func(t *testing.T, o storetest.Options) sessions.Backend {
		return open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{Now: o.Now, GracePeriod: o.GracePeriod})
	})
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atStart() time.Time { return start }

// open opens a file. Who opens it again closes it first.
func open(t testing.TB, path string, o file.Options) *file.Store {
	t.Helper()
	if o.Random = rand.Reader; o.Now == nil {
		o.Now = atStart
	}
	s, err := file.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func closed(t testing.TB, s *file.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func session(subject string) sessions.Session {
	var key sessions.Key
	rand.Read(key[:])
	s := sessions.Session{
		ID: sessions.IDOf(key), Key: key,
		CreatedAt: start, UpdatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(8 * time.Hour), IdleTimeout: time.Hour,
	}
	s.Identity = gateward.Identity{Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: subject}, Method: "oidc", Provider: "example", UserID: "user-51f2c9"}
	s.Tokens = gateward.Tokens{AccessToken: gateward.NewSecret("access-51f2c9"), RefreshToken: gateward.NewSecret("refresh-51f2c9"), SID: "sid-" + subject}
	return s
}

func create(t testing.TB, s *file.Store, subject string) sessions.Session {
	t.Helper()
	one := session(subject)
	if err := s.Create(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	return one
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func TestOpen_ModesAreTight(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "below", "sessions.db")
	s := open(t, path, file.Options{})
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(p)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: got mode %v, %v, want %v", p, info.Mode(), err, want)
		}
	}
	closed(t, s)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path, file.Options{})
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("a file that others may read: got mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestOpen_Refused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked.db")
	s := open(t, locked, file.Options{})
	for range 200 {
		create(t, s, "ada")
	}
	whole, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ name, path, want string }{
		{"locked", locked, "end that process"},
		{"text", write("text.db", []byte(strings.Repeat("not a database\n", 2000))), "damaged"},
		{"short", write("short.db", []byte("x")), "damaged"},
		{"no headers", write("headers.db", append(make([]byte, 8192), whole[8192:]...)), "damaged"},
		{"cut off", write("cut.db", whole[:len(whole)/4]), "damaged"},
		{"a directory", dir, "is a directory"},
		{"below a file", filepath.Join(locked, "x", "sessions.db"), "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := file.Open(t.Context(), c.path, file.Options{Now: atStart, Random: rand.Reader})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Base(c.path)) && c.name != "below a file" {
				t.Errorf("got error %v, want one with %q and the path", err, c.want)
			}
			if errors.Is(err, file.ErrLocked) != (c.name == "locked") {
				t.Errorf("got error %v, locked %v", err, c.name == "locked")
			}
		})
	}
}

// TestDamage has pages overwritten: whatever happens, the process stays.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.db")
	s := open(t, path, file.Options{})
	var all []sessions.Session
	for range 60 {
		all = append(all, create(t, s, "ada"))
	}
	closed(t, s)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for from := 2 * page; from < len(whole); from += page {
		for _, with := range []byte{0, 0xff} {
			damaged := append([]byte(nil), whole...)
			for i := range page {
				damaged[from+i] = with
			}
			path := filepath.Join(dir, fmt.Sprintf("damaged-%d-%d.db", from/page, with)) // one that failed to open may stay locked
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := file.Open(t.Context(), path, file.Options{Now: atStart, Random: rand.Reader})
			if err != nil {
				if !strings.Contains(err.Error(), path) {
					t.Errorf("page %d: got error %v, want one with the path", from/page, err)
				}
				continue
			}
			for i := range all {
				got, err := s.Get(t.Context(), all[i].ID)
				if err == nil && got.Key != all[i].Key {
					t.Errorf("page %d: another session", from/page)
				}
			}
			s.List(t.Context(), sessions.Filter{}, 1000, "")
			s.Create(t.Context(), session("grace"))
			s.DeleteWhere(t.Context(), sessions.Filter{Principal: all[0].Identity.Principal})
			s.Sweep()
			s.Close()
		}
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "sessions.db"), t.Context()
	now := start
	o := file.Options{Now: func() time.Time { return now }, GracePeriod: time.Hour}
	s := open(t, path, o)
	kept, replaced, expired, deleted := create(t, s, "ada"), create(t, s, "ada"), create(t, s, "ada"), create(t, s, "ada")
	now = now.Add(time.Minute)
	wantErr(t, "touch", s.Touch(ctx, kept.ID, now), nil)
	replaced.Revision, replaced.Identity.Name = 1, "late"
	wantErr(t, "replace", s.Replace(ctx, replaced), nil)
	wantErr(t, "expire", s.Expire(ctx, expired.ID, now), nil)
	wantErr(t, "delete", s.Delete(ctx, deleted.ID), nil)
	if first, err := s.Use(ctx, "once", now.Add(time.Hour)); !first || err != nil {
		t.Errorf("use: got %v, %v", first, err)
	}
	wantErr(t, "mark", s.Mark(ctx, "out", now, now.Add(time.Hour)), nil)
	key, err := s.Key(ctx, "a")
	wantErr(t, "key", err, nil)
	before := s.Kept()
	closed(t, s)
	wantErr(t, "close again", s.Close(), nil)
	_, err = s.Get(ctx, kept.ID)
	wantErr(t, "get of a closed store", err, gateward.ErrUnavailable)
	wantErr(t, "create in a closed store", s.Create(ctx, session("ada")), gateward.ErrUnavailable)
	wantErr(t, "ping of a closed store", s.Ping(ctx), gateward.ErrUnavailable)

	s = open(t, path, o)
	got, err := s.Get(ctx, kept.ID)
	if err != nil || !got.LastSeenAt.Equal(now) || got.Tokens.RefreshToken.Reveal() != "refresh-51f2c9" {
		t.Errorf("the kept one: got %+v, %v", got, err)
	}
	if got, err = s.Get(ctx, replaced.ID); err != nil || got.Identity.Name != "late" || got.Revision != 2 {
		t.Errorf("the replaced one: got %+v, %v", got, err)
	}
	for _, id := range []string{expired.ID, deleted.ID} {
		_, err = s.Get(ctx, id)
		wantErr(t, "the expired or deleted one", err, sessions.ErrNotFound)
	}
	if first, err := s.Use(ctx, "once", now.Add(time.Hour)); first || err != nil {
		t.Errorf("use again: got %v, %v", first, err)
	}
	if at, err := s.Marked(ctx, "out"); !at.Equal(now) || err != nil {
		t.Errorf("marked: got %v, %v, want %v", at, err, now)
	}
	if again, err := s.Key(ctx, "a"); err != nil || string(again) != string(key) {
		t.Errorf("key: not the same: %v", err)
	}
	if n, err := s.Count(ctx); err != nil || n["oidc"] != 3 {
		t.Errorf("count: got %v, %v, want 3", n, err)
	}
	after := s.Kept()
	delete(before, "deadlines") // the touch that Close wrote noted another
	delete(after, "deadlines")
	if !maps.Equal(before, after) {
		t.Errorf("kept: got %v, want %v", after, before)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), start
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	set := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = start.Add(d) }
	s := open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{Now: clock, GracePeriod: 30 * time.Minute})
	var wait sync.WaitGroup
	for range 1200 { // more than one step
		wait.Go(func() { create(t, s, "ada") })
	}
	wait.Wait()
	used := create(t, s, "grace")
	for name, until := range map[string]time.Duration{"a": 10 * time.Minute, "b": 24 * time.Hour} {
		_, err := s.Use(ctx, name, start.Add(until))
		wantErr(t, "use", err, nil)
		wantErr(t, "mark", s.Mark(ctx, name, start, start.Add(until)), nil)
	}
	check := func(kept, names int) {
		t.Helper()
		s.Sweep()
		got := s.Kept()
		for bucket, want := range map[string]int{
			"sessions": kept, "created": kept, "principals": kept, "sids": kept, "deadlines": kept, "methods": min(kept, 1), "used": names, "marks": names,
		} {
			if got[bucket] != want {
				t.Errorf("%v: %s: got %d keys, want %d", clock().Sub(start), bucket, got[bucket], want)
			}
		}
	}
	check(1201, 2)
	set(50 * time.Minute)
	wantErr(t, "touch", s.Touch(ctx, used.ID, clock()), nil)
	check(1201, 1)
	set(90*time.Minute - time.Microsecond)
	check(1201, 1)
	set(90 * time.Minute)
	check(1, 1)
	set(110 * time.Minute) // the one that was touched is over, and kept
	s.Flush()
	page, err := s.List(ctx, sessions.Filter{Expired: true}, 10, "")
	if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ID != used.ID {
		t.Errorf("list: got %+v, %v, want the one that was used", page, err)
	}
	set(141 * time.Minute)
	s.Sweep()
	if got := s.Kept(); got["sessions"] != 0 || got["created"] != 0 || got["deadlines"] != 0 {
		t.Errorf("at the end: got %v, want nothing", got)
	}
}

func TestWritesShareTransactions(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{})
	before := s.Transactions()
	const n = 50
	release := s.Hold()
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() { create(t, s, "ada") })
	}
	release(n)
	wait.Wait()
	if got := s.Transactions() - before; got != 2 { // that which was held, and one
		t.Errorf("%d writes took %d transactions, want 1", n, got-1)
	}
}

func TestBrokenWriteSpoilsNoOther(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{})
	release := s.Hold()
	var wait sync.WaitGroup
	var made [20]sessions.Session
	for i := range made {
		wait.Go(func() { made[i] = create(t, s, "ada") })
	}
	for range 3 {
		wait.Go(func() {
			err := s.Break(t.Context())
			wantErr(t, "broken write", err, file.ErrBroken)
			wantErr(t, "broken write", err, gateward.ErrUnavailable)
		})
	}
	release(len(made) + 3)
	wait.Wait()
	for i := range made {
		_, err := s.Get(t.Context(), made[i].ID)
		wantErr(t, "get", err, nil)
	}
	if k, err := s.Key(t.Context(), "broken"); err != nil || len(k) != 32 {
		t.Errorf("half of a broken write stayed: %d bytes, %v", len(k), err)
	}
}

func TestUpdate_CallerLeaves(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{})
	release := s.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	one := session("ada")
	go func() { done <- s.Create(ctx, one) }()
	go func() { done <- s.Create(t.Context(), session("grace")) }()
	cancel()
	err := <-done
	wantErr(t, "create", err, gateward.ErrUnavailable)
	wantErr(t, "create", err, context.Canceled)
	release(1)
	wantErr(t, "the other", <-done, nil)
}
