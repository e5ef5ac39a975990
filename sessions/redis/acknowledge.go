package redis

import (
	"context"
	"log/slog"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// acknowledgeWithin bounds how long a write waits for a replica to have it.
	acknowledgeWithin = 100 * time.Millisecond
	// acknowledgePause is for how long nothing waits after it was in vain so many
	// times in a row.
	acknowledgePause = 5 * time.Second
	vainWaits        = 3
	// acknowledgeAttempts is how many connections are tried: those of the pool may
	// all lead to a master that was.
	acknowledgeAttempts = 3
)

// acknowledged runs commands on each node that they belong to, and waits there
// until a replica has what they wrote. What is not done afterwards has to be run
// alone.
func (s *Store) acknowledged(ctx context.Context, commands []*command) {
	groups := map[*goredis.Client][]*command{}
	for _, c := range commands {
		var node *goredis.Client
		switch client := s.client.(type) {
		case *goredis.Client:
			node = client
		case *goredis.ClusterClient:
			// If nobody is known to have the key, the command is run alone.
			node, _ = client.MasterForKey(ctx, c.keys[0])
		}
		if node != nil {
			groups[node] = append(groups[node], c)
		}
	}
	for node, group := range groups {
		for range acknowledgeAttempts {
			if group = s.attempt(ctx, node, group); len(group) == 0 || ctx.Err() != nil {
				break
			}
		}
	}
}

// attempt runs commands over one connection, since a node counts for WAIT only
// what came over the same. It returns those that the node has not answered.
func (s *Store) attempt(ctx context.Context, node *goredis.Client, commands []*command) (left []*command) {
	conn := node.Conn()
	defer conn.Close()
	s.together(ctx, conn, commands, false)
	unknown := slices.DeleteFunc(slices.Clone(commands), func(c *command) bool { return !c.unknown })
	if len(unknown) > 0 {
		s.together(ctx, conn, unknown, true)
	}
	if slices.ContainsFunc(commands, func(c *command) bool { return c.done }) {
		s.wait(ctx, conn)
	}
	return slices.DeleteFunc(slices.Clone(commands), func(c *command) bool { return c.done || c.moved })
}

// wait waits until a replica has what was written over a connection. It has its
// own answer, and nothing of it is an error of what was written.
func (s *Store) wait(ctx context.Context, conn *goredis.Conn) {
	left := s.config.NetTimeout
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	within := acknowledgeFor(s.config.NetTimeout, left)
	ctx, cancel := context.WithTimeout(ctx, within+s.config.NetTimeout/2)
	defer cancel()
	wait := goredis.NewIntCmd(ctx, "wait", 1, within.Milliseconds())
	_ = conn.Process(ctx, wait) // also in wait
	switch {
	case wait.Err() == nil && wait.Val() > 0:
		s.vain.Store(0)
	case s.vain.Add(1) >= vainWaits && s.unacknowledged.CompareAndSwap(false, true):
		s.log.LogAttrs(ctx, slog.LevelWarn, "no replica acknowledges writes",
			slog.Duration("within", within), slog.Duration("again_after", acknowledgePause))
		time.AfterFunc(acknowledgePause, func() { s.unacknowledged.Store(false) })
	}
}

// acknowledgeFor is how long to wait for a replica: not so long that its answer
// would come too late, and a millisecond at least, since WAIT takes 0 for ever.
func acknowledgeFor(netTimeout, left time.Duration) time.Duration {
	return max(min(acknowledgeWithin, netTimeout/2, left/2), time.Millisecond)
}
