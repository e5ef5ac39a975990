package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"
)

// A command is one that is to be run, on keys of one slot, and its answer.
type command struct {
	script *script  // nil for a plain command, whose name and arguments args are
	keys   []string // the first decides where it runs
	args   []any

	done    bool
	unknown bool // the server does not know the script
	moved   bool // it is not for this server, or not for now
	result  any  // nil also for Redis' nil
	err     error
}

func plain(name, key string, args ...any) *command {
	return &command{keys: []string{key}, args: append([]any{name, key}, args...)}
}

func call(s *script, key string, args ...any) *command {
	return &command{script: s, keys: []string{key}, args: args}
}

// cmd returns what to send: the script's hash, or its text.
func (c *command) cmd(ctx context.Context, text bool) *goredis.Cmd {
	if c.script == nil {
		cmd := goredis.NewCmd(ctx, c.args...)
		cmd.SetFirstKeyPos(1)
		return cmd
	}
	args := []any{"evalsha", c.script.hash, len(c.keys)}
	if text {
		args = []any{"eval", c.script.text, len(c.keys)}
	}
	for _, k := range c.keys {
		args = append(args, k)
	}
	cmd := goredis.NewCmd(ctx, append(args, c.args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

// take keeps an answer, unless the command is to be sent once more.
func (c *command) take(cmd *goredis.Cmd) {
	c.unknown, c.moved = false, false
	result, err := cmd.Result()
	switch {
	case err == nil:
		c.done, c.result = true, result
	case errors.Is(err, goredis.Nil):
		c.done = true
	case elsewhere(err):
		c.unknown = goredis.HasErrorPrefix(err, "NOSCRIPT")
		c.moved = !c.unknown
	default:
		c.done, c.err = isAnswer(err), err
	}
}

func (c *command) int() int64 {
	n, _ := c.result.(int64)
	return n
}

func (c *command) list() []any {
	l, _ := c.result.([]any)
	return l
}

// elsewhere: the server has not run the command, and says where, how or when to
// send it again.
func elsewhere(err error) bool {
	for _, prefix := range []string{"NOSCRIPT", "MOVED", "ASK", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"} {
		if goredis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// isAnswer: the server is there, whatever it says.
func isAnswer(err error) bool {
	_, ok := serverText(err)
	return ok
}

// run runs commands, together where there are several. It returns the first
// error, which wraps [gateward.ErrUnavailable]; each command has its own.
func (s *Store) run(ctx context.Context, op string, commands ...*command) error {
	return s.send(ctx, op, false, commands)
}

// runDurable waits, beyond what run does, until a replica has what was written,
// provided that there is one that keeps up; see the package's comment.
func (s *Store) runDurable(ctx context.Context, op string, commands ...*command) error {
	return s.send(ctx, op, s.replicated && !s.unacknowledged.Load(), commands)
}

func (s *Store) send(ctx context.Context, op string, durable bool, commands []*command) error {
	if len(commands) == 0 {
		return nil
	}
	if !s.breaker.allows() {
		return unavailable(op, errDown)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.config.NetTimeout)
	defer cancel()
	switch {
	case durable:
		s.acknowledged(ctx, commands)
	case len(commands) > 1:
		s.together(ctx, s.client, commands, false)
	}
	var first error
	for _, c := range commands {
		if !c.done && ctx.Err() == nil {
			s.alone(ctx, c)
		}
		if !c.done && c.err == nil {
			c.err = ctx.Err()
		}
		if c.err != nil && first == nil {
			first = c.err
		}
		if !c.done { // whoever is not there for one is not there for the next
			break
		}
	}
	if cluster, ok := s.client.(*goredis.ClusterClient); ok && first != nil && !errors.Is(first, context.Canceled) {
		// The client believes in a master that does not answer until another node
		// tells it better, or a minute is over.
		cluster.ReloadState(ctx)
	}
	s.breaker.report(first)
	return unavailable(op, first)
}

// alone runs a command where the client knows that it belongs.
func (s *Store) alone(ctx context.Context, c *command) {
	for _, text := range []bool{false, true} {
		cmd := c.cmd(ctx, text)
		_ = s.client.Process(ctx, cmd) // also in cmd
		c.err = nil
		if c.take(cmd); c.done || c.err != nil {
			return
		}
		if c.err = cmd.Err(); !c.unknown {
			c.done = isAnswer(c.err)
			return
		}
	}
}

// A pipeliner sends commands together.
type pipeliner interface{ Pipeline() goredis.Pipeliner }

// together runs commands at once. Those that are not done afterwards have to be
// run alone.
func (s *Store) together(ctx context.Context, to pipeliner, commands []*command, text bool) {
	pipe := to.Pipeline()
	sent := make([]*goredis.Cmd, len(commands))
	for i, c := range commands {
		sent[i] = c.cmd(ctx, text)
		_ = pipe.Process(ctx, sent[i]) // it is only queued
	}
	_, _ = pipe.Exec(ctx) // each has its own error
	for i, c := range commands {
		if c.take(sent[i]); !c.done {
			c.err = nil
		}
	}
}

// serverText returns what a server has answered, if err is an answer.
func serverText(err error) (text string, ok bool) {
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return "", false
	}
	return answer.Error(), true
}
