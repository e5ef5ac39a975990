package redis_test

import (
	"context"
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
			if ttl := c.TTL(t.Context(), k).Val(); ttl <= 0 {
				t.Errorf("%s: time to live %v", k, ttl)
			}
		}
	}
}
