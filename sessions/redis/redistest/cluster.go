package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

const (
	masters = 3
	slots   = 16384
)

// A Cluster is three masters, which share the slots evenly, and a replica of
// each.
type Cluster struct {
	// Addrs are those of the nodes, the masters first.
	Addrs []string

	tb      testing.TB
	servers []*Server
	clients []*goredis.Client
	ids     []string
}

// StartCluster runs one, and waits until every node sees it complete.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for range 2 * masters {
		s := node(tb, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-config-file", "nodes.conf")
		client := s.Client()
		tb.Cleanup(func() { client.Close() })
		c.servers, c.clients, c.Addrs = append(c.servers, s), append(c.clients, client), append(c.Addrs, s.Addr)
	}
	ctx := tb.Context()
	for i, client := range c.clients {
		id, err := client.Do(ctx, "cluster", "myid").Text()
		c.must(err)
		c.ids = append(c.ids, id)
		c.must(client.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		if i < masters {
			c.must(client.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
		}
		if i > 0 {
			c.must(client.ClusterMeet(ctx, "127.0.0.1", c.servers[0].port()).Err())
		}
	}
	c.eachNode("the others", func(ctx context.Context, client *goredis.Client) error {
		text, err := client.ClusterNodes(ctx).Result()
		if n := strings.Count(text, " connected"); err == nil && n < 2*masters {
			err = fmt.Errorf("%d nodes are connected", n)
		}
		return err
	})
	for i := range masters {
		eventually(tb, "a replica", func(ctx context.Context) error {
			return c.clients[masters+i].ClusterReplicate(ctx, c.ids[i]).Err()
		})
	}
	c.eachNode("the state ok", func(ctx context.Context, client *goredis.Client) error {
		text, err := client.ClusterInfo(ctx).Result()
		nodes, err2 := client.ClusterNodes(ctx).Result()
		if !strings.Contains(text, "cluster_state:ok") || strings.Count(nodes, "slave ") != masters {
			return errors.Join(errors.New("it is not"), err, err2)
		}
		return nil
	})
	for _, master := range c.Clients() {
		eventually(tb, "a replica", func(ctx context.Context) error { return replicated(ctx, master) })
	}
	return c
}

func (c *Cluster) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("redistest: %v", err)
	}
}

func (c *Cluster) eachNode(what string, f func(ctx context.Context, client *goredis.Client) error) {
	c.tb.Helper()
	for i, client := range c.clients {
		eventually(c.tb, fmt.Sprintf("%s at node %d", what, i), func(ctx context.Context) error { return f(ctx, client) })
	}
}

// Clients returns one for each of the masters that there were at the start. They
// are closed with the test.
func (c *Cluster) Clients() []*goredis.Client { return c.clients[:masters] }

// KillMaster kills one of the masters that there were at the start (0 to 2), and
// waits until its replica has taken its place.
func (c *Cluster) KillMaster(i int) {
	c.tb.Helper()
	c.servers[i].Kill()
	eventually(c.tb, "the promotion of the replica", func(ctx context.Context) error {
		text, err := c.clients[masters+i].ClusterNodes(ctx).Result()
		info, err2 := c.clients[masters+i].ClusterInfo(ctx).Result()
		if !strings.Contains(text, "myself,master") || !strings.Contains(info, "cluster_state:ok") {
			return errors.Join(errors.New("it has not happened"), err, err2)
		}
		return nil
	})
}

// Reshard moves the slots first to last, with their keys, from the master that
// has them, one of those at the start, to master to (0 to 2), as redis-cli does.
func (c *Cluster) Reshard(ctx context.Context, first, last, to int) error {
	for slot := first; slot <= last; slot++ {
		from := slot * masters / slots
		for from+1 < masters && slot >= (from+1)*slots/masters {
			from++
		}
		if from == to {
			continue
		}
		if err := c.move(ctx, slot, from, to); err != nil {
			return fmt.Errorf("redistest: move slot %d: %w", slot, err)
		}
	}
	return nil
}

func (c *Cluster) move(ctx context.Context, slot, from, to int) error {
	source, target := c.clients[from], c.clients[to]
	if err := target.Do(ctx, "cluster", "setslot", slot, "importing", c.ids[from]).Err(); err != nil {
		return err
	}
	if err := source.Do(ctx, "cluster", "setslot", slot, "migrating", c.ids[to]).Err(); err != nil {
		return err
	}
	for {
		keys, err := source.ClusterGetKeysInSlot(ctx, slot, 10).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", "127.0.0.1", c.servers[to].port(), "", 0, 5000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		if err := source.Do(ctx, args...).Err(); err != nil {
			return err
		}
	}
	// The target first: otherwise nobody would own the slot for a moment.
	for _, i := range []int{to, from, 0, 1, 2} {
		if err := c.clients[i].Do(ctx, "cluster", "setslot", slot, "node", c.ids[to]).Err(); err != nil {
			return err
		}
	}
	return nil
}
