package memory_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
)

// person is an enabled user with one identity.
func person(i int) sessions.User {
	return sessions.User{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Enabled: true, CreatedAt: start, UpdatedAt: start,
		Identities: []sessions.UserIdentity{{
			Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: fmt.Sprint(i)}, Method: "oidc", Email: "all@example.com",
		}},
	}
}

type deniedEar struct{ heard atomic.Int32 }

func (e *deniedEar) Revoked(r sessions.Revocation) {
	if len(r.Denied) > 0 || r.Users {
		e.heard.Add(1)
	}
}

func (*deniedEar) Hearing(bool) {}

func TestCreateUser_TooMany(t *testing.T) {
	t.Parallel()
	s := newStore(t, memory.Options{MaxUsers: 3})
	for i := range 3 {
		if err := s.CreateUser(t.Context(), person(i)); err != nil {
			t.Fatal(err)
		}
	}
	var e deniedEar
	s.Subscribe(&e)
	one := person(3)
	one.Enabled = false
	if err := s.CreateUser(t.Context(), one); !errors.Is(err, sessions.ErrTooMany) {
		t.Errorf("create user: got %v, want %v", err, sessions.ErrTooMany)
	}
	if n := e.heard.Load(); n != 0 {
		t.Errorf("heard %d times of who was not kept", n)
	}
	if _, err := s.UserOf(t.Context(), one.Identities[0].Principal); !errors.Is(err, sessions.ErrNoUser) {
		t.Errorf("user of: got %v, want %v", err, sessions.ErrNoUser)
	}
	if err := s.CreateUser(t.Context(), person(1)); !errors.Is(err, sessions.ErrConflict) {
		t.Errorf("create user again: got %v, want %v", err, sessions.ErrConflict)
	}
	// Those who are there can still be changed.
	one = person(1)
	one.Revision, one.Enabled = 1, false
	if err := s.ReplaceUser(t.Context(), one); err != nil {
		t.Errorf("replace user: %v", err)
	}
	if n := e.heard.Load(); n != 1 {
		t.Errorf("heard %d times, want once", n)
	}
}

// TestUsers_Unreadable: what could not be read again is not kept.
func TestUsers_Unreadable(t *testing.T) {
	t.Parallel()
	s := newStore(t, memory.Options{})
	if err := s.CreateUser(t.Context(), person(0)); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*sessions.User){
		"no identity":         func(u *sessions.User) { u.Identities = nil },
		"enabled and waiting": func(u *sessions.User) { u.Waiting = true },
	} {
		one := person(1)
		spoil(&one)
		if err := s.CreateUser(t.Context(), one); err == nil {
			t.Errorf("create user with %s: no error", name)
		}
		one = person(0)
		one.Revision = 1
		spoil(&one)
		if err := s.ReplaceUser(t.Context(), one); err == nil {
			t.Errorf("replace user with %s: no error", name)
		}
	}
	if got, err := s.User(t.Context(), person(0).ID); err != nil || got.Revision != 1 {
		t.Errorf("user: got revision %d, %v, want 1", got.Revision, err)
	}
	if _, err := s.User(t.Context(), person(1).ID); !errors.Is(err, sessions.ErrNoUser) {
		t.Errorf("user: got %v, want %v", err, sessions.ErrNoUser)
	}
}
