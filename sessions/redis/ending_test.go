package redis_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// before returns the address of a proxy that calls f before the nth request that
// contains text is passed on.
func before(t *testing.T, target, text string, nth int, f func()) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(func() {
		stop()
		l.Close()
		all.Wait()
	})
	var mu sync.Mutex
	seen := func(request string) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(request, text) {
			if nth--; nth == 0 {
				f()
			}
		}
	}
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			closeBoth := func() {
				client.Close()
				server.Close()
			}
			context.AfterFunc(ctx, closeBoth)
			all.Go(func() {
				defer closeBoth()
				_, _ = io.Copy(client, server)
			})
			all.Go(func() {
				defer closeBoth()
				b := make([]byte, 64<<10)
				for {
					n, err := client.Read(b)
					if err != nil {
						return
					}
					seen(string(b[:n]))
					if _, err := server.Write(b[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

func recordOf(s sessions.Session) string { return "gateward:s:{" + s.ID + "}" }

// rollout returns a replica that has a new key, and one that has only the former.
func rollout(t *testing.T, o redis.Options) (server *redistest.Server, old, fresh *redis.Store) {
	t.Helper()
	server = redistest.Start(t)
	first, second := gateward.NewSecret(strings.Repeat("1", 32)), gateward.NewSecret(strings.Repeat("2", 32))
	o.Masters = sessions.ConfiguredMasters(first, nil)
	old = open(t, single(server.Addr), o)
	o.Masters = sessions.ConfiguredMasters(second, []gateward.Secret{first})
	return server, old, open(t, single(server.Addr), o)
}

// TestSEC_G10_DeleteWhereOfWhatCannotBeOpened: while a key rolls out, a replica
// that has not got it deletes all the same, or says that it could not.
func TestSEC_G10_DeleteWhereOfWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	ada := gateward.Principal{Issuer: "https://op.example.com", Subject: subject}
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	const ends, stays, unknown = "ends", "stays", "unknown"
	for name, test := range map[string]struct {
		filter sessions.Filter
		want   string
	}{
		"principal":                  {sessions.Filter{Principal: ada}, ends},
		"principal at provider":      {sessions.Filter{Principal: ada, Method: "oidc", Provider: "example"}, ends},
		"principal, SID at provider": {sessions.Filter{Principal: ada, Method: "oidc", Provider: "example", SID: "sid-1"}, ends},
		"principal, SID":             {sessions.Filter{Principal: ada, SID: "sid-1"}, ends},
		"SID at provider":            {sessions.Filter{Method: "oidc", Provider: "example", SID: "sid-1"}, ends},
		"principal, before":          {sessions.Filter{Principal: ada, CreatedBefore: later}, ends},
		"user":                       {sessions.Filter{UserID: userID}, ends},
		"user at provider":           {sessions.Filter{UserID: userID, Method: "oidc", Provider: "example"}, ends},
		"user, before that":          {sessions.Filter{UserID: userID, CreatedBefore: earlier}, stays},
		"another user":               {sessions.Filter{UserID: "another"}, stays},
		"method":                     {sessions.Filter{Method: "oidc"}, ends},
		"method, before":             {sessions.Filter{Method: "oidc", CreatedBefore: later}, ends},
		"before":                     {sessions.Filter{CreatedBefore: later}, ends},
		"before it was created":      {sessions.Filter{CreatedBefore: earlier}, stays},
		"principal, before that":     {sessions.Filter{Principal: ada, CreatedBefore: earlier}, stays},
		"provider, before that":      {sessions.Filter{Method: "oidc", Provider: "example", CreatedBefore: earlier}, stays},
		"another principal":          {sessions.Filter{Principal: gateward.Principal{Subject: "grace"}, Method: "oidc"}, stays},
		"another method":             {sessions.Filter{Method: "github", Provider: "example"}, stays},
		"provider of a method":       {sessions.Filter{Method: "oidc", Provider: "example"}, unknown},
		"provider":                   {sessions.Filter{Provider: "example"}, unknown},
		"SID of a method":            {sessions.Filter{Method: "oidc", SID: "sid-1"}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, old, fresh := rollout(t, redis.Options{})
			e := listen(fresh)
			e.wait(t, "hearing", func() bool { return e.hearing })
			made, readable := create(t, fresh), create(t, old)
			_, err := old.DeleteWhere(t.Context(), test.filter)
			if unsaid := test.want == unknown; errors.Is(err, gateward.ErrUnavailable) != unsaid || (err != nil) != unsaid {
				t.Errorf("got error %v, want one: %v", err, unsaid)
			}
			_, err = fresh.Get(t.Context(), made.ID)
			if ended := errors.Is(err, sessions.ErrNotFound); ended != (test.want == ends) {
				t.Errorf("it ended: %v (%v), want %s", ended, err, test.want)
			}
			_, err = fresh.Get(t.Context(), readable.ID)
			if ended := errors.Is(err, sessions.ErrNotFound); ended != (test.want != stays) {
				t.Errorf("the one that can be read ended: %v (%v), want %s", ended, err, test.want)
			}
			if test.want == ends {
				e.wait(t, "that everything is revoked", func() bool { return e.all })
			}
		})
	}
}

// TestSEC_G10_JunkInIndexes: what is no entry does not end the search.
func TestSEC_G10_JunkInIndexes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	const many = 140 // more than are read at once
	var all []sessions.Session
	for range many {
		all = append(all, create(t, s))
	}
	f := sessions.Filter{Principal: all[0].Identity.Principal}
	keys, err := c.Keys(ctx, "gateward:i:{p:*}").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("indexes %v, %v", keys, err)
	}
	last, _ := session(t)
	for _, z := range []goredis.Z{
		{Score: 1, Member: "junk"},
		{Score: 1.5, Member: last.ID},
		{Score: 2, Member: ""},
		{Score: 3, Member: strings.ToUpper(all[0].ID)},
		{Score: float64(all[70].CreatedAt.UnixMicro()), Member: "more"},
		{Score: 1e300, Member: "late"},
	} {
		if err := c.ZAdd(ctx, keys[0], z).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// Another type under a session's name is a session that cannot be read.
	if err := c.Del(ctx, recordOf(all[5])).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, recordOf(all[5]), "x", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if page, err := s.List(ctx, f, 1000, ""); err != nil || len(page.Sessions) != many-1 {
		t.Errorf("listed %d, %v, want %d", len(page.Sessions), err, many-1)
	}
	if n, err := s.DeleteWhere(ctx, f); n != many-1 || err != nil {
		t.Errorf("deleted %d, %v, want %d", n, err, many-1)
	}
	for i := range all {
		if _, err := s.Get(ctx, all[i].ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("session %d: got error %v, want %v", i, err, sessions.ErrNotFound)
		}
	}
}

// TestSEC_G10_CreateSentAgain: a creation whose answer was lost does not bring
// back the session that was deleted since.
func TestSEC_G10_CreateSentAgain(t *testing.T) {
	t.Parallel()
	server, p, _ := through(t)
	ctx := t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	create(t, s) // the scripts are known
	for name, remove := range map[string]func(made sessions.Session) error{
		"delete": func(made sessions.Session) error { return s.Delete(ctx, made.ID) },
		"delete where": func(made sessions.Session) error {
			_, err := s.DeleteWhere(ctx, sessions.Filter{Principal: made.Identity.Principal})
			return err
		},
	} {
		made, _ := session(t, func(s *sessions.Session) { s.Identity.Subject = name })
		removed := false
		addr := before(t, p.Addr, recordOf(made), 2, func() {
			removed = true
			if err := remove(made); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		p.LoseAnswer(recordOf(made))
		err := open(t, single(addr), redis.Options{}).Create(ctx, made)
		if !removed || err == nil {
			t.Errorf("%s: removed %v, create: got error %v, want one", name, removed, err)
		}
		if _, err := s.Get(ctx, made.ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("%s: get: got error %v, want %v", name, err, sessions.ErrNotFound)
		}
	}
}

// TestTombstoneIsNoSession: what a deletion leaves is nothing to anybody, and not
// for long.
func TestTombstoneIsNoSession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour})
	made, other := create(t, s), create(t, s)
	if err := s.Delete(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	left, err := c.HGetAll(ctx, recordOf(made)).Result()
	if ttl := c.PTTL(ctx, recordOf(made)).Val(); err != nil || len(left) != 1 || left["d"] == "" || ttl <= 0 || ttl > time.Minute {
		t.Errorf("left %v, %v, for %v", left, err, ttl)
	}
	// Entries may outlive their session.
	for _, index := range c.Keys(ctx, "gateward:i:{*}").Val() {
		c.ZAdd(ctx, index, goredis.Z{Score: float64(made.CreatedAt.UnixMicro()), Member: made.ID})
	}
	for name, want := range map[string]error{"get": sessions.ErrNotFound, "expire": sessions.ErrNotFound, "replace": sessions.ErrNotFound, "touch": nil, "delete": nil} {
		err := map[string]func() error{
			"get":     func() error { _, err := s.Get(ctx, made.ID); return err },
			"expire":  func() error { return s.Expire(ctx, made.ID, time.Now()) },
			"replace": func() error { return s.Replace(ctx, made) },
			"touch":   func() error { return s.Touch(ctx, made.ID, time.Now().Add(time.Second)) },
			"delete":  func() error { return s.Delete(ctx, made.ID) },
		}[name]()
		if !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", name, err, want)
		}
	}
	page, err := s.List(ctx, sessions.Filter{Expired: true}, 10, "")
	if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ID != other.ID {
		t.Errorf("listed %d sessions, %v, want 1", len(page.Sessions), err)
	}
	if n, err := s.DeleteWhere(ctx, sessions.Filter{Method: "oidc"}); n != 1 || err != nil {
		t.Errorf("deleted %d, %v, want 1", n, err)
	}
}

// TestSEC_G10_EndingDoesNotTrustOpenFields: whatever lies beside the sealed
// value, what is ended is over, and every replica hears.
func TestSEC_G10_EndingDoesNotTrustOpenFields(t *testing.T) {
	t.Parallel()
	other, _ := session(t)
	spoil := map[string]func(ctx context.Context, c *goredis.Client, record string) error{
		"no key":    func(ctx context.Context, c *goredis.Client, r string) error { return c.HDel(ctx, r, "k").Err() },
		"short key": func(ctx context.Context, c *goredis.Client, r string) error { return c.HSet(ctx, r, "k", "x").Err() },
		"other key": func(ctx context.Context, c *goredis.Client, r string) error {
			return c.HSet(ctx, r, "k", other.Key[:]).Err()
		},
		"idle long ago": func(ctx context.Context, c *goredis.Client, r string) error {
			return c.HSet(ctx, r, "i", "1", "s", "1").Err()
		},
		"no names":              func(ctx context.Context, c *goredis.Client, r string) error { return c.HDel(ctx, r, "n").Err() },
		"sealed by a newer key": nil,
	}
	end := map[string]func(ctx context.Context, s *redis.Store, id string) error{
		"delete": func(ctx context.Context, s *redis.Store, id string) error { return s.Delete(ctx, id) },
		"expire": func(ctx context.Context, s *redis.Store, id string) error { return s.Expire(ctx, id, time.Now()) },
	}
	for what, spoil := range spoil {
		for how, end := range end {
			t.Run(how+", "+what, func(t *testing.T) {
				t.Parallel()
				server, old, fresh := rollout(t, redis.Options{GracePeriod: time.Hour})
				e := listen(fresh)
				e.wait(t, "hearing", func() bool { return e.hearing })
				made := create(t, old)
				if spoil == nil {
					made = create(t, fresh)
				} else if err := spoil(t.Context(), client(t, server), recordOf(made)); err != nil {
					t.Fatal(err)
				}
				get(t, fresh, made.ID)
				if err := end(t.Context(), old, made.ID); err != nil {
					t.Fatal(err)
				}
				if _, err := fresh.Get(t.Context(), made.ID); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("got error %v, want %v", err, sessions.ErrNotFound)
				}
				e.wait(t, "the revocation", func() bool {
					for _, k := range e.keys {
						if k == made.Key {
							return true
						}
					}
					return e.all
				})
			})
		}
	}
}

// TestReplaceThatComesTooLate: a session that is over and kept keeps its entries.
func TestReplaceThatComesTooLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ctx := t.Context()
	o := redis.Options{GracePeriod: time.Hour}
	s := open(t, single(server.Addr), o)
	made := create(t, s)
	addr := before(t, server.Addr, ":revocations", 1, func() {
		if err := s.Expire(ctx, made.ID, time.Now().Add(-time.Second)); err != nil {
			t.Errorf("expire: %v", err)
		}
	})
	if err := open(t, single(addr), o).Replace(ctx, made); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("replace: got error %v, want %v", err, sessions.ErrNotFound)
	}
	for _, f := range []sessions.Filter{{Expired: true}, {Expired: true, Principal: made.Identity.Principal}} {
		if page, err := s.List(ctx, f, 10, ""); err != nil || len(page.Sessions) != 1 {
			t.Errorf("listed %d sessions, %v, want 1", len(page.Sessions), err)
		}
	}
}

// TestSEC_N01_ServersRepeatArguments: the client's errors may hold what we sent.
func TestSEC_N01_ServersRepeatArguments(t *testing.T) {
	t.Parallel()
	const canary = "CANARYSECRET"
	without := func(commands ...string) *redistest.Server {
		var more []string
		for _, c := range commands {
			more = append(more, "--rename-command", c, "")
		}
		return redistest.Start(t, redistest.Options{More: more})
	}
	t.Run("key", func(t *testing.T) {
		t.Parallel()
		s := open(t, single(without("EVALSHA", "EVAL").Addr), redis.Options{Random: strings.NewReader(strings.Repeat(canary, 100))})
		_, err := s.Key(t.Context(), "csrf")
		if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "ERR unknown command") {
			t.Errorf("got error %v, want one that names only the command", err)
		}
	})
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		c := single(without("HELLO", "AUTH").Addr)
		c.Password = gateward.NewSecret(canary)
		err := open(t, c, redis.Options{}).Ping(t.Context())
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("got error %v, want one without the password", err)
		}
	})
}
