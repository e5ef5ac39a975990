package redis_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// An ear is a listener that remembers.
type ear struct {
	mu       sync.Mutex
	keys     []sessions.Key
	all      bool
	denied   []sessions.Key
	users    bool
	hearing  bool
	begun    int
	messages int
	changed  chan struct{}
}

func listen(s *redis.Store) *ear {
	e := &ear{changed: make(chan struct{})}
	s.Subscribe(e)
	return e
}

func (e *ear) Revoked(r sessions.Revocation) {
	e.change(func() {
		e.keys, e.all = append(e.keys, r.Keys...), e.all || r.All
		e.denied, e.users = append(e.denied, r.Denied...), e.users || r.Users
		e.messages++
	})
}

func (e *ear) Hearing(ok bool) {
	e.change(func() {
		if e.hearing = ok; ok {
			e.begun++
		}
	})
}

func (e *ear) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *ear) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		e.mu.Lock()
		ok, changed := done(), e.changed
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (e *ear) heard(t *testing.T, s sessions.Session) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.keys, s.Key) {
		t.Error("the key was not heard")
	}
}

// TestSEC_K07_CutSubscription: with the subscription gone and commands working,
// listeners are told that they are deaf, and that they hear again.
func TestSEC_K07_CutSubscription(t *testing.T) {
	t.Parallel()
	for name, traffic := range map[string]redistest.Traffic{"cut": redistest.Cut, "half open": redistest.Paused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, p, c := through(t)
			s, elsewhere := open(t, c, redis.Options{}), open(t, single(server.Addr), redis.Options{})
			e := listen(s)
			e.wait(t, "hearing", func() bool { return e.hearing })
			p.SetSubscriptions(traffic)
			e.wait(t, "deaf", func() bool { return !e.hearing })
			made := create(t, s) // commands work
			if err := elsewhere.Delete(t.Context(), made.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("ping: %v", err)
			}
			p.SetSubscriptions(redistest.Open)
			e.wait(t, "hearing again", func() bool { return e.hearing && e.begun == 2 })
			made = create(t, s)
			if err := elsewhere.Delete(t.Context(), made.ID); err != nil {
				t.Fatal(err)
			}
			e.wait(t, "the revocation", func() bool { return slices.Contains(e.keys, made.Key) })
		})
	}
}

// TestSEC_K07_SubscriptionToAnotherServer: a subscription that is alive hears nothing
// if the commands go to another server. Its heartbeat shows it.
func TestSEC_K07_SubscriptionToAnotherServer(t *testing.T) {
	t.Parallel()
	old, now := redistest.Start(t), redistest.Start(t)
	p := redistest.NewProxy(t, old.Addr)
	s := open(t, single(p.Addr), redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	p.MoveCommands(now.Addr)
	e.wait(t, "deaf", func() bool { return !e.hearing })
}

func TestMalformedMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, single(server.Addr), redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	c := client(t, server)
	for _, text := range []string{"", "x", "\x01", "\x01k", "\x01kshort", "\x02a", "\x01a+", "\x01b", "{}", "\x01z"} {
		c.Publish(t.Context(), "gateward:revocations", text)
	}
	made := create(t, s)
	if err := open(t, single(server.Addr), redis.Options{}).Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	e.wait(t, "the revocation", func() bool { return len(e.keys) > 0 })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all || e.messages != 1 || e.begun != 1 {
		t.Errorf("heard %d messages, all: %v, in %d subscriptions, want one of each and not all", e.messages, e.all, e.begun)
	}
}

// TestSEC_G10_DeleteWhereIsHeardInBatches: every key is heard elsewhere, in far
// fewer messages.
func TestSEC_G10_DeleteWhereIsHeardInBatches(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, elsewhere := open(t, single(server.Addr), redis.Options{}), open(t, single(server.Addr), redis.Options{})
	e := listen(elsewhere)
	e.wait(t, "hearing", func() bool { return e.hearing })
	const many = 600
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range many / 4 {
				made, _ := session(t)
				if err := s.Create(t.Context(), made); err != nil {
					t.Errorf("create: %v", err)
				}
			}
		})
	}
	all.Wait()
	made, _ := session(t)
	n, err := s.DeleteWhere(t.Context(), sessions.Filter{Principal: made.Identity.Principal})
	if n != many || err != nil {
		t.Errorf("delete where: got %d, %v, want %d", n, err, many)
	}
	e.wait(t, "all keys", func() bool { return len(e.keys) == many })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.messages > many/50 {
		t.Errorf("%d messages for %d keys", e.messages, many)
	}
}

// TestBus_UnknownMessagesAreIgnored: what a later version tells its replicas does
// not disturb this one.
func TestBus_UnknownMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	log := &lockedBuffer{}
	s := open(t, single(server.Addr), redis.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	for _, text := range []string{"\x01z", "\x01Z" + strings.Repeat("k", 64), "\x02k" + strings.Repeat("k", 32)} {
		if err := c.Publish(ctx, "gateward:revocations", text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	u := signUp(t, open(t, single(server.Addr), redis.Options{}), disabled)
	e.wait(t, "who is disabled", func() bool { return slices.Contains(e.denied, sessions.KeyOfUser(u.ID)) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.messages != 1 || e.all || e.users || len(e.keys) != 0 || len(e.denied) != len(u.Keys()) || !e.hearing {
		t.Errorf("heard %d messages: all %v, users %v, %d keys, %d denied", e.messages, e.all, e.users, len(e.keys), len(e.denied))
	}
	if n := strings.Count(log.String(), "malformed message ignored"); n != 3 {
		t.Errorf("%d messages were logged as ignored, want 3", n)
	}
}

// A lockedBuffer can be written to and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
