package redis_test

import (
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

const usersPrefix = "gateward:u:{users}:"

// sameUser requires that a user is kept like this.
func sameUser(t *testing.T, s *redis.Store, want sessions.User) {
	t.Helper()
	got, err := s.UserOf(t.Context(), want.Identities[0].Principal)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got user %+v, %v, want %+v", got, err, want)
	}
}

// TestUsers_LostAnswers: what was done although nobody heard so is done once.
func TestUsers_LostAnswers(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(t *testing.T, s *redis.Store, kept sessions.User) sessions.User{
		"create": func(t *testing.T, s *redis.Store, _ sessions.User) sessions.User { return signUp(t, s, disabled) },
		"replace": func(t *testing.T, s *redis.Store, kept sessions.User) sessions.User {
			return replaceUser(t, s, kept, disabled)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p, c := through(t)
			s := open(t, c, redis.Options{})
			kept := signUp(t, s)
			e := listen(s)
			e.wait(t, "hearing", func() bool { return e.hearing })
			p.LoseAnswer(usersPrefix + "identities")
			u := do(t, s, kept)
			if p.Lost() != 1 {
				t.Errorf("%d answers were lost, want 1", p.Lost())
			}
			sameUser(t, s, u)
			denies(t, s, true, u)
			e.wait(t, "who is disabled", func() bool { return slices.Contains(e.denied, sessions.KeyOfUser(u.ID)) })
		})
	}
}

// TestUsers_ReplaceSentAgain: a replacement whose answer was lost does not undo
// the one that was made since.
func TestUsers_ReplaceSentAgain(t *testing.T) {
	t.Parallel()
	server, p, _ := through(t)
	s := open(t, single(server.Addr), redis.Options{})
	u := signUp(t, s)
	done := false
	addr := before(t, p.Addr, usersPrefix+"identities", 2, func() {
		done = true
		now, err := s.User(t.Context(), u.ID)
		if err != nil {
			t.Error(err)
			return
		}
		now.Enabled = false
		if err := s.ReplaceUser(t.Context(), now); err != nil {
			t.Error(err)
		}
	})
	p.LoseAnswer(usersPrefix + "identities")
	if err := open(t, single(addr), redis.Options{}).ReplaceUser(t.Context(), u); !errors.Is(err, sessions.ErrConflict) || !done {
		t.Errorf("replace user: got error %v, want %v; disabled meanwhile: %v", err, sessions.ErrConflict, done)
	}
	u.Revision, u.Enabled = 3, false
	sameUser(t, s, u)
	denies(t, s, true, u)
}

// TestUsers_Kept: users are there after the server was killed, and after twenty
// years.
func TestUsers_Kept(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	s := open(t, single(server.Addr), redis.Options{})
	on, off := signUp(t, s), replaceUser(t, s, signUp(t, s), disabled)
	server.Kill()
	server.Restart()
	later := open(t, single(server.Addr), redis.Options{Now: func() time.Time { return time.Now().AddDate(20, 0, 0) }})
	sameUser(t, later, on)
	sameUser(t, later, off)
	denies(t, later, true, off)
	denies(t, later, false, on)
}

// TestUsers_CostDoesNotGrow counts what a server does when somebody logs in.
func TestUsers_CostDoesNotGrow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	s := open(t, single(server.Addr), redis.Options{})
	u := signUp(t, s)
	cost := func() int64 {
		before := processed(t, c)
		u = replaceUser(t, s, u)
		return processed(t, c) - before
	}
	cost()
	few := cost()
	for range 200 {
		signUp(t, s)
	}
	if many := cost(); many > few {
		t.Errorf("%d commands with 200 users, %d with one", many, few)
	}
}

// TestUsers_NothingIsLeftBehind: of what a user no longer has, nothing is kept.
func TestUsers_NothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	s := open(t, single(server.Addr), redis.Options{})
	u := signUp(t, s)
	before, _ := everything(t, c)
	identities := c.HLen(t.Context(), usersPrefix+"identities").Val()
	for i := range 5 {
		u = replaceUser(t, s, u, func(u *sessions.User) {
			u.Enabled = i%2 == 0
			u.Identities[1].Subject, u.Identities[1].Email = rand.Text(), strings.ToLower(rand.Text())+"@example.com"
		})
	}
	replaceUser(t, s, u, func(u *sessions.User) { u.Identities[1].Email = "" })
	after, _ := everything(t, c)
	slices.Sort(before)
	if slices.Sort(after); !slices.Equal(before, after) {
		t.Errorf("there are keys %v, want %v", after, before)
	}
	if n := c.HLen(t.Context(), usersPrefix+"identities").Val(); n != identities {
		t.Errorf("there are %d identities, want %d", n, identities)
	}
}
