package redis_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// exercise does everything that a store can, and leaves something of each behind.
// It returns the sessions that are left, and the client tokens of all.
func exercise(t *testing.T, s *redis.Store) (left []sessions.Session, tokens []string) {
	t.Helper()
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		made, token := session(t, func(s *sessions.Session) {
			s.Identity.Method = []string{"oidc", "github"}[i%2]
			if i == 5 {
				s.IdleTimeout = 0
			}
		})
		ok(s.Create(ctx, made))
		left, tokens = append(left, made), append(tokens, token)
	}
	ok(s.Touch(ctx, left[0].ID, time.Now().Add(time.Second)))
	put := left[1]
	put.Identity.Subject, put.Tokens.SID = "grace", "sid-2"
	ok(s.Replace(ctx, put))
	ok(s.Expire(ctx, left[2].ID, time.Now()))
	ok(s.Expire(ctx, left[3].ID, time.Now().Add(time.Minute)))
	ok(s.Delete(ctx, left[4].ID))
	_, err := s.Use(ctx, "state-of-an-attempt", time.Now().Add(time.Minute))
	ok(err)
	ok(s.Mark(ctx, "logout-of-somebody", time.Now(), time.Now().Add(time.Minute)))
	_, err = s.Marked(ctx, "logout-of-somebody")
	ok(err)
	l, err := s.Acquire(ctx, left[0].ID, time.Minute)
	ok(err)
	_, err = l.Renew(ctx, time.Minute)
	ok(err)
	u := newUser()
	ok(s.CreateUser(ctx, u))
	ok(s.CreateUser(ctx, newUser(disabled)))
	u.Revision, u.Enabled = 1, false
	ok(s.ReplaceUser(ctx, u))
	_, err = s.UserOf(ctx, u.Identities[0].Principal)
	ok(err)
	_, err = s.UsersByEmail(ctx, email)
	ok(err)
	_, err = s.ListUsers(ctx, sessions.UserFilter{Disabled: true}, 10, "")
	ok(err)
	_, err = s.DisabledKeys(ctx)
	ok(err)
	_, err = s.Key(ctx, "csrf")
	ok(err)
	_, err = s.List(ctx, sessions.Filter{}, 2, "")
	ok(err)
	_, err = s.Count(ctx)
	ok(err)
	_, err = s.DeleteWhere(ctx, sessions.Filter{Principal: gateward.Principal{Subject: "nobody"}})
	ok(err)
	ok(s.Publish(ctx, sessions.Revocation{All: true}))
	ok(s.Ping(ctx))
	return append(left[:4:4], left[5]), tokens
}

// everything returns the keys of a server, and all that is in them as text.
func everything(t *testing.T, c *goredis.Client) (keys []string, text string) {
	t.Helper()
	ctx := t.Context()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range keys {
		kind, err := c.Type(ctx, k).Result()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		switch kind {
		case "hash":
			value, err = c.HGetAll(ctx, k).Result()
		case "zset":
			value, err = c.ZRangeWithScores(ctx, k, 0, -1).Result()
		case "string":
			value, err = c.Get(ctx, k).Result()
		default:
			t.Fatalf("%s is a %s", k, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %v\n", k, value)
	}
	return keys, b.String()
}

func client(t *testing.T, s *redistest.Server) *goredis.Client {
	t.Helper()
	c := s.Client()
	t.Cleanup(func() { c.Close() })
	return c
}

// outlives reports whether a key is one of those of users, who never expire.
func outlives(key string) bool {
	const id = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	return regexp.MustCompile(`^gateward:u:\{users\}:(` + id + `|identities|all|disabled|denied|e:[\w-]{22})$`).MatchString(key)
}

func TestSEC_G14_EveryKeyHasPrefixAndTTL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	exercise(t, open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour}))
	keys, _ := everything(t, c)
	if len(keys) < 20 {
		t.Errorf("there are only %d keys: %v", len(keys), keys)
	}
	for _, k := range keys {
		if !strings.HasPrefix(k, "gateward:") {
			t.Errorf("%s has no prefix", k)
		}
		ttl, err := c.TTL(t.Context(), k).Result()
		if err != nil || (ttl <= 0) != outlives(k) {
			t.Errorf("%s: time to live %v, %v", k, ttl, err)
		}
		if ttl > 3*time.Hour && !strings.HasPrefix(k, "gateward:k:") {
			t.Errorf("%s: time to live %v is longer than a session's", k, ttl)
		}
	}
}

// TestSEC_G14_TTLFollowsTheSession: a record is gone with the grace period after
// the session's end, whichever end comes first.
func TestSEC_G14_TTLFollowsTheSession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	s := open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour})
	made := create(t, s) // idle after 30 m, over after 1 h
	ttl := func(what string, want time.Duration) {
		t.Helper()
		got, err := c.PTTL(t.Context(), "gateward:s:{"+made.ID+"}").Result()
		if err != nil || got > want || got < want-10*time.Minute {
			t.Errorf("%s: time to live %v, %v, want about %v", what, got, err, want)
		}
	}
	ttl("created", 90*time.Minute)
	if err := s.Touch(t.Context(), made.ID, made.CreatedAt.Add(20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	ttl("touched", 110*time.Minute)
	if err := s.Touch(t.Context(), made.ID, made.CreatedAt.Add(50*time.Minute)); err != nil {
		t.Fatal(err)
	}
	ttl("touched again", 120*time.Minute)
	if err := s.Expire(t.Context(), made.ID, made.CreatedAt.Add(15*time.Minute)); err != nil {
		t.Fatal(err)
	}
	ttl("expired", 75*time.Minute)
}

func TestSEC_G01_D17_DumpHoldsNoToken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server)
	s := open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour})
	_, tokens := exercise(t, s)
	_, text := everything(t, c)
	forbidden := append([]string{
		accessToken, refreshToken, idToken, email, "Lovelace", "https://github.com", "example.com", subject, "grace", "op.example.com", "sid-1", "sid-2", "state-of-an-attempt", "logout-of-somebody",
	}, tokens...)
	for _, token := range tokens {
		raw, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		forbidden = append(forbidden, string(raw), hex.EncodeToString(raw), strings.TrimRight(token, "="))
	}
	for _, f := range forbidden {
		if strings.Contains(text, f) {
			t.Errorf("%q is in Redis", f)
		}
	}
}

func TestSEC_G15_FlippedByteIsTampered(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	made := create(t, s)
	key := "gateward:s:{" + made.ID + "}"
	sealed, err := c.HGet(ctx, key, "v").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	tampered := func(what string) {
		t.Helper()
		if _, err := s.Get(ctx, made.ID); !errors.Is(err, sessions.ErrTampered) || errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want %v", what, err, sessions.ErrTampered)
		}
	}
	for i := 0; i < len(sealed); i += 7 {
		bad := append([]byte{}, sealed...)
		bad[i] ^= 1
		c.HSet(ctx, key, "v", bad)
		tampered("byte " + strconv.Itoa(i))
	}
	page, err := s.List(ctx, sessions.Filter{}, 10, "")
	if err != nil || len(page.Sessions) != 0 {
		t.Errorf("list: got %d sessions, %v, want none", len(page.Sessions), err)
	}
	for _, bad := range []string{"", "x", string(sealed[:20]), string(sealed) + "\x00"} {
		c.HSet(ctx, key, "v", bad)
		tampered(fmt.Sprintf("%d bytes", len(bad)))
	}
	c.HSet(ctx, key, "v", sealed)
	get(t, s, made.ID)
	for field, bad := range map[string]string{"x": "soon", "s": "", "r": "2", "u": "later"} {
		was, err := c.HGet(ctx, key, field).Result()
		c.HSet(ctx, key, field, bad)
		tampered(field)
		if c.HSet(ctx, key, field, was); err != nil {
			c.HDel(ctx, key, field)
		}
	}
	get(t, s, made.ID)
	c.Del(ctx, key)
	c.Set(ctx, key, "x", time.Minute)
	tampered("another type")
}

// TestSEC_G15_OldMastersOpen: what an earlier secret sealed is read, and new
// things are sealed with the one in force.
func TestSEC_G15_OldMastersOpen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	first, second := gateward.NewSecret(strings.Repeat("1", 32)), gateward.NewSecret(strings.Repeat("2", 32))
	before := open(t, single(server.Addr), redis.Options{Masters: sessions.ConfiguredMasters(first, nil)})
	after := open(t, single(server.Addr), redis.Options{Masters: sessions.ConfiguredMasters(second, []gateward.Secret{first})})
	without := open(t, single(server.Addr), redis.Options{Masters: sessions.ConfiguredMasters(second, nil)})
	made := create(t, before)
	get(t, after, made.ID)
	if _, err := without.Get(t.Context(), made.ID); !errors.Is(err, sessions.ErrTampered) {
		t.Errorf("without the secret: got error %v, want %v", err, sessions.ErrTampered)
	}
	if err := after.Replace(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	get(t, without, made.ID)
	if n, err := client(t, server).Exists(t.Context(), "gateward:k:"+redis.MasterKey).Result(); n != 0 || err != nil {
		t.Errorf("a secret was made although there is a configured one: %d, %v", n, err)
	}
}

func TestSEC_G16_SwappedRecordsAreTampered(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	s := open(t, single(server.Addr), redis.Options{})
	a, b := create(t, s), create(t, s)
	keyA, keyB := "gateward:s:{"+a.ID+"}", "gateward:s:{"+b.ID+"}"
	va, vb := c.HGet(ctx, keyA, "v").Val(), c.HGet(ctx, keyB, "v").Val()
	c.HSet(ctx, keyA, "v", vb)
	c.HSet(ctx, keyB, "v", va)
	swapped := func(what string) {
		t.Helper()
		for _, id := range []string{a.ID, b.ID} {
			if _, err := s.Get(ctx, id); !errors.Is(err, sessions.ErrTampered) {
				t.Errorf("swapped %s: got error %v, want %v", what, err, sessions.ErrTampered)
			}
		}
	}
	swapped("values")
	c.HSet(ctx, keyA, "v", va)
	c.HSet(ctx, keyB, "v", vb)
	get(t, s, a.ID)
	c.Rename(ctx, keyA, "gateward:t")
	c.Rename(ctx, keyB, keyA)
	c.Rename(ctx, "gateward:t", keyB)
	swapped("records")
}

// TestSEC_G07_OpenFieldsNeverExtend: what lies beside the sealed value can end a
// session sooner, but not later.
func TestSEC_G07_OpenFieldsNeverExtend(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, ctx := client(t, server), t.Context()
	clock := time.Now()
	s := open(t, single(server.Addr), redis.Options{Now: func() time.Time { return clock }, GracePeriod: time.Hour})
	made := create(t, s)
	key := "gateward:s:{" + made.ID + "}"
	later := strconv.FormatInt(made.ExpiresAt.Add(1000*time.Hour).UnixMicro(), 10)
	c.HSet(ctx, key, "x", later, "s", later, "i", "0")
	if got := get(t, s, made.ID); !got.ExpiresAt.Equal(made.ExpiresAt) || got.IdleTimeout != made.IdleTimeout {
		t.Errorf("end %v and idle timeout %v, want %v and %v", got.ExpiresAt, got.IdleTimeout, made.ExpiresAt, made.IdleTimeout)
	}
	clock = made.ExpiresAt
	if _, err := s.Get(ctx, made.ID); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("after the sealed end: got error %v, want %v", err, sessions.ErrNotFound)
	}
}

func TestSEC_G13_DownIsUnavailableAndRecovers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	s := open(t, single(server.Addr), redis.Options{GracePeriod: time.Hour})
	made := create(t, s)
	for range 2 {
		server.Kill()
		everythingFails(t, s, made)
		server.Restart()
		eventually(t, "the session", func(ctx context.Context) error {
			got, err := s.Get(ctx, made.ID)
			if err == nil && got.Identity.Email != email {
				t.Errorf("another session: %+v", got)
			}
			return err
		})
	}
}

// everythingFails requires that no method says anything of a session.
func everythingFails(t *testing.T, s *redis.Store, made sessions.Session) {
	t.Helper()
	ctx := t.Context()
	fresh, _ := session(t)
	for name, op := range map[string]func() error{
		"create":       func() error { return s.Create(ctx, fresh) },
		"get":          func() error { _, err := s.Get(ctx, made.ID); return err },
		"touch":        func() error { return s.Touch(ctx, made.ID, time.Now()) },
		"replace":      func() error { return s.Replace(ctx, made) },
		"expire":       func() error { return s.Expire(ctx, made.ID, time.Now()) },
		"delete":       func() error { return s.Delete(ctx, made.ID) },
		"list":         func() error { _, err := s.List(ctx, sessions.Filter{}, 10, ""); return err },
		"delete where": func() error { _, err := s.DeleteWhere(ctx, sessions.Filter{Method: "oidc"}); return err },
		"count":        func() error { _, err := s.Count(ctx); return err },
		"use":          func() error { _, err := s.Use(ctx, "a", time.Now().Add(time.Minute)); return err },
		"mark":         func() error { return s.Mark(ctx, "a", time.Now(), time.Now().Add(time.Minute)) },
		"marked":       func() error { _, err := s.Marked(ctx, "a"); return err },
		"acquire":      func() error { _, err := s.Acquire(ctx, "a", time.Minute); return err },
		"key":          func() error { _, err := s.Key(ctx, "another"); return err },
		"create user":  func() error { return s.CreateUser(ctx, newUser()) },
		"user":         func() error { _, err := s.User(ctx, made.ID); return err },
		"user of":      func() error { _, err := s.UserOf(ctx, made.Identity.Principal); return err },
		"by email":     func() error { _, err := s.UsersByEmail(ctx, email); return err },
		"replace user": func() error { return s.ReplaceUser(ctx, newUser()) },
		"list users":   func() error { _, err := s.ListUsers(ctx, sessions.UserFilter{}, 10, ""); return err },
		"disabled":     func() error { _, err := s.DisabledKeys(ctx); return err },
		"publish":      func() error { return s.Publish(ctx, sessions.Revocation{All: true}) },
		"ping":         func() error { return s.Ping(ctx) },
	} {
		err := op()
		if !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, sessions.ErrNotFound) || errors.Is(err, sessions.ErrNoUser) {
			t.Errorf("%s: got error %v, want %v", name, err, gateward.ErrUnavailable)
		}
		if err != nil && (strings.Contains(err.Error(), accessToken) || strings.Contains(err.Error(), made.ID) || strings.Contains(err.Error(), email)) {
			t.Errorf("%s: the error tells of the session: %v", name, err)
		}
	}
}
