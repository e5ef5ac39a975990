package redis_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// through returns a server, a proxy before it, and a configuration that goes
// through the proxy.
func through(t *testing.T) (*redistest.Server, *redistest.Proxy, redis.Config) {
	t.Helper()
	server := redistest.Start(t)
	p := redistest.NewProxy(t, server.Addr)
	return server, p, single(p.Addr)
}

func TestStartsWhileDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop()
	c := single(server.Addr)
	c.MinIdleConns = 2
	s := open(t, c, redis.Options{})
	made, _ := session(t)
	everythingFails(t, s, made)
	e := listen(s)
	server.Restart()
	eventually(t, "create", func(ctx context.Context) error { return s.Create(ctx, made) })
	get(t, s, made.ID)
	e.wait(t, "hearing", func() bool { return e.hearing })
}

// TestKilledInTheMiddle: whatever was acknowledged by a server that keeps what it
// acknowledges is there after it was killed, under load.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	s := open(t, single(server.Addr), redis.Options{})
	acknowledged := underLoad(t, s, func() {
		server.Kill()
		server.Restart()
	})
	allThere(t, s, acknowledged)
}

// underLoad creates, touches and deletes sessions while f runs, and some time
// before and after. It returns those whose creation was acknowledged and that
// nobody has tried to delete.
func underLoad(t *testing.T, s *redis.Store, f func()) (acknowledged []sessions.Session) {
	t.Helper()
	var mu sync.Mutex
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				made, _ := session(t)
				err := s.Create(ctx, made)
				switch {
				case err == nil && i%3 == 0:
					err = s.Delete(ctx, made.ID)
				case err == nil:
					mu.Lock()
					acknowledged = append(acknowledged, made)
					mu.Unlock()
					err = s.Touch(ctx, made.ID, time.Now())
				}
				if err != nil && !errors.Is(err, gateward.ErrUnavailable) {
					t.Errorf("under load: %v", err)
				}
			}
		})
	}
	more := func(what string, n int) {
		t.Helper()
		eventually(t, what, func(context.Context) error {
			if have := count(); have < n {
				return errors.New("not enough sessions yet")
			}
			return nil
		})
	}
	more("sessions before", 50)
	f()
	more("sessions after", count()+50)
	cancel()
	all.Wait()
	return acknowledged
}

// allThere requires that sessions can be read, and are all in the indexes.
func allThere(t *testing.T, s *redis.Store, all []sessions.Session) {
	t.Helper()
	want := map[string]bool{}
	for i := range all {
		want[all[i].ID] = true
		if _, err := s.Get(t.Context(), all[i].ID); err != nil {
			t.Errorf("an acknowledged session of %d: %v", len(all), err)
		}
	}
	for _, f := range []sessions.Filter{{}, {Principal: all[0].Identity.Principal}, {Method: "oidc", Provider: "example", SID: "sid-1"}} {
		listed := map[string]bool{}
		for token := ""; ; {
			page, err := s.List(t.Context(), f, 1000, token)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Sessions {
				listed[page.Sessions[i].ID] = true
			}
			if token = page.Next; token == "" {
				break
			}
		}
		for id := range want {
			if !listed[id] {
				t.Errorf("%+v does not list an acknowledged session", f)
			}
		}
	}
}

// TestSEC_L01_HangingServer: operations end although the server neither answers
// nor closes, those that come later at once, and all is well when it goes on.
func TestSEC_L01_HangingServer(t *testing.T) {
	t.Parallel()
	_, p, c := through(t)
	c.NetTimeout = 200 * time.Millisecond
	s := open(t, c, redis.Options{})
	made := create(t, s)
	p.Set(redistest.Paused)
	var all sync.WaitGroup
	for range 300 { // far more than there are connections
		all.Go(func() {
			if _, err := s.Get(t.Context(), made.ID); !errors.Is(err, gateward.ErrUnavailable) {
				t.Errorf("get: got error %v, want %v", err, gateward.ErrUnavailable)
			}
		})
	}
	all.Wait()
	for range 1000 { // a second each would outlast the test
		if _, err := s.Get(t.Context(), made.ID); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("get: got error %v, want %v", err, gateward.ErrUnavailable)
		}
	}
	p.Set(redistest.Open)
	eventually(t, "the session", func(ctx context.Context) error {
		_, err := s.Get(ctx, made.ID)
		return err
	})
}

// TestCallersThatLeaveAreNoOutage: contexts that have ended say nothing of the
// server.
func TestCallersThatLeaveAreNoOutage(t *testing.T) {
	t.Parallel()
	s := open(t, single(redistest.Start(t).Addr), redis.Options{})
	made := create(t, s)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if _, err := s.Get(gone, made.ID); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("get: got error %v, want %v", err, gateward.ErrUnavailable)
		}
	}
	get(t, s, made.ID)
}

// TestLostAnswers: what was done although nobody heard so is done once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tests := map[string]struct {
		lose func(made sessions.Session) string
		do   func(t *testing.T, s *redis.Store, made sessions.Session)
	}{
		"create": {
			func(sessions.Session) string { return "gateward:s:{" },
			func(t *testing.T, s *redis.Store, _ sessions.Session) {
				get(t, s, create(t, s).ID)
			},
		},
		"replace": {
			func(sessions.Session) string { return "gateward:revocations" },
			func(t *testing.T, s *redis.Store, made sessions.Session) {
				if err := s.Replace(ctx, made); err != nil {
					t.Errorf("replace: %v", err)
				}
				if got := get(t, s, made.ID).Revision; got != 2 {
					t.Errorf("revision %d, want 2", got)
				}
			},
		},
		"expire": {
			func(sessions.Session) string { return "gateward:revocations" },
			func(t *testing.T, s *redis.Store, made sessions.Session) {
				e := listen(s)
				if err := s.Expire(ctx, made.ID, time.Now().Add(-time.Second)); err != nil {
					t.Errorf("expire: %v", err)
				}
				e.heard(t, made)
			},
		},
		"delete": {
			func(sessions.Session) string { return "gateward:revocations" },
			func(t *testing.T, s *redis.Store, made sessions.Session) {
				if err := s.Delete(ctx, made.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
				if _, err := s.Get(ctx, made.ID); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("get: got error %v, want %v", err, sessions.ErrNotFound)
				}
			},
		},
		"use": {
			func(sessions.Session) string { return "gateward:o:" },
			func(t *testing.T, s *redis.Store, _ sessions.Session) {
				for _, want := range []bool{true, false} {
					if first, err := s.Use(ctx, "a", time.Now().Add(time.Minute)); first != want || err != nil {
						t.Errorf("use: got %v, %v, want %v", first, err, want)
					}
				}
			},
		},
		"mark": {
			func(sessions.Session) string { return "gateward:m:" },
			func(t *testing.T, s *redis.Store, made sessions.Session) {
				if err := s.Mark(ctx, "a", made.CreatedAt, time.Now().Add(time.Minute)); err != nil {
					t.Errorf("mark: %v", err)
				}
				if at, err := s.Marked(ctx, "a"); !at.Equal(made.CreatedAt.Truncate(time.Microsecond)) || err != nil {
					t.Errorf("marked: got %v, %v, want %v", at, err, made.CreatedAt)
				}
			},
		},
		"acquire": {
			func(sessions.Session) string { return "gateward:l:" },
			func(t *testing.T, s *redis.Store, _ sessions.Session) {
				if l, err := s.Acquire(ctx, "a", time.Minute); l == nil || err != nil {
					t.Errorf("acquire: got %v, %v", l, err)
				}
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p, c := through(t)
			s := open(t, c, redis.Options{})
			made := create(t, s)
			p.LoseAnswer(test.lose(made))
			test.do(t, s, made)
			if p.Lost() != 1 {
				t.Errorf("%d answers were lost, want 1", p.Lost())
			}
		})
	}
}

// TestScriptsAreForgotten: the server may lose its scripts at any time.
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour})
	exercise(t, s)
	if err := client(t, server).ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	left := create(t, s)
	all, _ := exercise(t, s)
	get(t, s, left.ID)
	if !slices.ContainsFunc(all, func(s sessions.Session) bool { return s.ID != left.ID }) {
		t.Error("nothing was made")
	}
}

func TestClosedIsUnavailable(t *testing.T) {
	t.Parallel()
	s := open(t, single(redistest.Start(t).Addr), redis.Options{})
	made := create(t, s)
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	e.wait(t, "deaf", func() bool { return !e.hearing })
	everythingFails(t, s, made)
}
