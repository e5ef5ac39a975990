package redis_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSentinelFailoverLosesNoSession kills the master under load.
func TestSentinelFailoverLosesNoSession(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinel(t)
	c := sentinel(watched)
	c.NetTimeout = time.Second
	s := open(t, c, redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	kept, err := s.Key(t.Context(), "csrf")
	if err != nil {
		t.Fatal(err)
	}
	deleted := create(t, s)
	if err := s.Delete(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	acknowledged := underLoad(t, s, func() { watched.KillMaster() })
	allThere(t, s, acknowledged)
	if _, err := s.Get(t.Context(), deleted.ID); err == nil {
		t.Error("a deleted session is back")
	}
	if again, err := open(t, c, redis.Options{}).Key(t.Context(), "csrf"); err != nil || string(again) != string(kept) {
		t.Errorf("a shared key is another after the failover: %v", err)
	}
	e.wait(t, "hearing the new master", func() bool { return e.hearing && e.begun >= 2 })
	made := create(t, s)
	if err := open(t, c, redis.Options{}).Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	e.wait(t, "the revocation", func() bool {
		for _, k := range e.keys {
			if k == made.Key {
				return true
			}
		}
		return false
	})
}

// TestSentinelOldMasterReturns: connections to a master that has become a
// replica do not stay in use.
func TestSentinelOldMasterReturns(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinel(t)
	s := open(t, sentinel(watched), redis.Options{})
	made := create(t, s)
	old := watched.KillMaster()
	old.Restart()
	eventually(t, "a write", func(ctx context.Context) error { return s.Ping(ctx) })
	for range 50 {
		if err := s.Touch(t.Context(), made.ID, time.Now()); err != nil {
			t.Fatalf("touch: %v", err)
		}
	}
	get(t, s, made.ID)
}

// TestClusterReshardingLosesNoSession moves slots, with what is in them, under
// load: no operation fails for long, and nothing is lost.
func TestClusterReshardingLosesNoSession(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	s := open(t, cluster(nodes), redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	acknowledged := underLoad(t, s, func() {
		if err := nodes.Reshard(t.Context(), 0, 700, 1); err != nil {
			t.Error(err)
		}
		if err := nodes.Reshard(t.Context(), 5461, 5900, 2); err != nil {
			t.Error(err)
		}
	})
	allThere(t, s, acknowledged)
	made := create(t, s)
	if err := open(t, cluster(nodes), redis.Options{}).Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	e.wait(t, "the revocation", func() bool { return len(e.keys) > 0 && e.keys[len(e.keys)-1] == made.Key })
}

// TestClusterFailoverLosesNoSession kills one master of three under load.
func TestClusterFailoverLosesNoSession(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	c := cluster(nodes)
	c.NetTimeout = time.Second
	s := open(t, c, redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	acknowledged := underLoad(t, s, func() { nodes.KillMaster(1) })
	allThere(t, s, acknowledged)
	e.wait(t, "hearing afterwards", func() bool { return e.hearing })
}

// TestClusterACL: a user with the documented rules can do everything.
func TestClusterACL(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	for _, addr := range nodes.Addrs {
		c := goredis.NewClient(&goredis.Options{Addr: addr})
		err := c.ACLSetUser(t.Context(), "gw", append([]string{"on", ">secret"}, redis.ACLRules("gateward")...)...).Err()
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := cluster(nodes)
	c.Username, c.Password = "gw", gateward.NewSecret("secret")
	s := open(t, c, redis.Options{})
	e := listen(s)
	e.wait(t, "hearing", func() bool { return e.hearing })
	exercise(t, s)
}

// TestClusterSpreads: sessions are on all masters.
func TestClusterSpreads(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	s := open(t, cluster(nodes), redis.Options{})
	exercise(t, s)
	for range 60 {
		create(t, s, func(s *sessions.Session) { s.Identity.Subject = s.ID })
	}
	for i, c := range nodes.Clients() {
		keys, err := c.Keys(t.Context(), "gateward:s:*").Result()
		if err != nil || len(keys) < 5 {
			t.Errorf("master %d has %d sessions, %v", i, len(keys), err)
		}
		all, err := c.Keys(t.Context(), "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if ttl := c.TTL(t.Context(), k).Val(); (ttl <= 0) != outlives(k) {
				t.Errorf("%s: time to live %v", k, ttl)
			}
		}
	}
}

// TestSentinelFailover_DisabledStaysDisabled kills the master after somebody was
// disabled.
func TestSentinelFailover_DisabledStaysDisabled(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinel(t)
	disabledStays(t, sentinel(watched), func() { watched.KillMaster() })
}

func TestClusterFailover_DisabledStaysDisabled(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	slot, err := nodes.Clients()[0].ClusterKeySlot(t.Context(), usersPrefix).Result()
	if err != nil {
		t.Fatal(err)
	}
	disabledStays(t, cluster(nodes), func() { nodes.KillMaster(int(slot * 3 / 16384)) })
}

// disabledStays requires that nothing of users is lost when the server that has
// them fails over.
func disabledStays(t *testing.T, c redis.Config, fail func()) {
	t.Helper()
	c.NetTimeout = time.Second
	s := open(t, c, redis.Options{})
	on := signUp(t, s)
	var off []sessions.User
	for range 10 {
		off = append(off, replaceUser(t, s, signUp(t, s), disabled))
	}
	fail()
	eventually(t, "the users", func(ctx context.Context) error {
		_, err := s.DisabledKeys(ctx)
		return err
	})
	for _, s := range []*redis.Store{s, open(t, c, redis.Options{})} {
		denies(t, s, true, off...)
		denies(t, s, false, on)
		sameUser(t, s, on)
		for _, u := range off {
			sameUser(t, s, u)
		}
	}
	eventually(t, "a write", func(ctx context.Context) error { return s.CreateUser(ctx, newUser()) })
}

// TestUsers_SlotMoves: users are all there after a cluster has moved them.
func TestUsers_SlotMoves(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	s := open(t, cluster(nodes), redis.Options{})
	on, off := signUp(t, s), signUp(t, s, disabled)
	slot, err := nodes.Clients()[0].ClusterKeySlot(t.Context(), usersPrefix).Result()
	if err != nil {
		t.Fatal(err)
	}
	to := (slot*3/16384 + 1) % 3
	halfMoved(t, nodes, slot, slot*3/16384, to, usersPrefix+on.ID)
	for how, read := range map[string]func() error{
		"by id":       func() error { _, err := s.User(t.Context(), on.ID); return err },
		"by identity": func() error { _, err := s.UserOf(t.Context(), on.Identities[0].Principal); return err },
		"by email":    func() error { _, err := s.UsersByEmail(t.Context(), email); return err },
		"disabled":    func() error { _, err := s.DisabledKeys(t.Context()); return err },
		"created":     func() error { return s.CreateUser(t.Context(), newUser()) },
	} {
		// Nobody is unknown, or tampered with, on the way.
		if err := read(); err != nil && !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want none or %v", how, err, gateward.ErrUnavailable)
		}
	}
	if err := nodes.Reshard(t.Context(), int(slot), int(slot), int(to)); err != nil {
		t.Fatal(err)
	}
	sameUser(t, s, on)
	sameUser(t, s, off)
	denies(t, s, true, off)
	off = replaceUser(t, s, off, func(u *sessions.User) { u.Enabled = true })
	denies(t, s, false, on, off)
	signUp(t, s)
}

// halfMoved begins to move a slot between masters, with this key of it only.
func halfMoved(t *testing.T, nodes *redistest.Cluster, slot, from, to int64, key string) {
	t.Helper()
	ctx, source, target := t.Context(), nodes.Clients()[from], nodes.Clients()[to]
	_, port, err := net.SplitHostPort(target.Options().Addr)
	if err != nil {
		t.Fatal(err)
	}
	sourceID, targetID := source.Do(ctx, "cluster", "myid").Val(), target.Do(ctx, "cluster", "myid").Val()
	if err := errors.Join(
		target.Do(ctx, "cluster", "setslot", slot, "importing", sourceID).Err(),
		source.Do(ctx, "cluster", "setslot", slot, "migrating", targetID).Err(),
		source.Migrate(ctx, "127.0.0.1", port, key, 0, 5*time.Second).Err(),
	); err != nil {
		t.Fatal(err)
	}
}

// TestSentinelFailover_WhileDisabling kills the master while people are being
// disabled: whoever was told so is, and of everybody the record says what the list
// does.
func TestSentinelFailover_WhileDisabling(t *testing.T) {
	t.Parallel()
	watched := redistest.StartSentinel(t)
	c := sentinel(watched)
	c.NetTimeout = time.Second
	s := open(t, c, redis.Options{})
	var all, off []sessions.User // everybody, and those who are disabled for sure
	var mu sync.Mutex
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for ctx.Err() == nil {
				u := newUser()
				if s.CreateUser(ctx, u) != nil {
					continue
				}
				u.Revision, u.Enabled = 1, false
				err := s.ReplaceUser(ctx, u)
				mu.Lock()
				if all = append(all, u); err == nil {
					off = append(off, u)
				}
				mu.Unlock()
			}
		})
	}
	more := func(what string) {
		mu.Lock()
		want := len(off) + 20
		mu.Unlock()
		eventually(t, what, func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if len(off) < want {
				return errors.New("not enough yet")
			}
			return nil
		})
	}
	more("users before")
	watched.KillMaster()
	more("users after")
	cancel()
	running.Wait()
	denies(t, s, true, off...)
	keys, err := s.DisabledKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		got, err := s.User(t.Context(), all[i].ID)
		if err != nil {
			t.Errorf("user %d of %d: %v", i, len(all), err)
			continue
		}
		if denied := slices.Contains(keys, sessions.KeyOfUser(got.ID)); denied == got.Enabled {
			t.Errorf("user %d of %d: enabled: %v, denied: %v", i, len(all), got.Enabled, denied)
		}
	}
}
