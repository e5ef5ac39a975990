package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// A recorder is a hook that remembers the names of commands, and may lose WAIT's
// answer.
type recorder struct {
	mu    sync.Mutex
	names []string
	lose  bool
}

func (r *recorder) add(cmd goredis.Cmder) (lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := cmd.Name(); name != "hello" { // which a new connection begins with
		r.names = append(r.names, name)
	}
	return r.lose && cmd.Name() == "wait"
}

func (*recorder) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *recorder) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !r.add(cmd) {
			return next(ctx, cmd)
		}
		cmd.SetErr(context.DeadlineExceeded)
		return cmd.Err()
	}
}

func (r *recorder) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			if r.add(cmd) { // as the client does: one that is lost is an error of all
				for _, cmd := range cmds {
					cmd.SetErr(context.DeadlineExceeded)
				}
				return context.DeadlineExceeded
			}
		}
		return next(ctx, cmds)
	}
}

// waiting returns a store that waits for replicas that are not there.
func waiting(t *testing.T, o ...redistest.Options) (s *Store, server *redistest.Server, r *recorder, log *bytes.Buffer) {
	t.Helper()
	server, log = redistest.Start(t, o...), &bytes.Buffer{}
	s, err := New(Config{Addresses: []string{server.Addr}, NetTimeout: 5 * time.Second},
		Options{Now: time.Now, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r = &recorder{}
	s.replicated = true
	s.client.AddHook(r)
	return s, server, r, log
}

// TestWaitFailsNoWrite: whatever becomes of the wait, what was written is
// answered; after some waits in vain nothing waits.
func TestWaitFailsNoWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose   bool
		server []redistest.Options
	}{
		"no replica":  {},
		"no answer":   {lose: true},
		"not allowed": {server: []redistest.Options{{More: []string{"--rename-command", "WAIT", ""}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, r, log := waiting(t, test.server...)
			r.lose = test.lose
			for i := range vainWaits + 1 {
				if first, err := s.Use(t.Context(), fmt.Sprint(i), time.Now().Add(time.Minute)); !first || err != nil {
					t.Errorf("use: got %v, %v, want true", first, err)
				}
			}
			waits := len(slices.DeleteFunc(slices.Clone(r.names), func(n string) bool { return n != "wait" }))
			if waits != vainWaits || strings.Count(log.String(), "no replica acknowledges writes") != 1 {
				t.Errorf("waited %d times, want %d; log:\n%s", waits, vainWaits, log)
			}
		})
	}
}

// TestUnknownScriptIsWaitedFor: a write that has to be sent with its text is
// waited for after that.
func TestUnknownScriptIsWaitedFor(t *testing.T) {
	t.Parallel()
	s, _, r, _ := waiting(t)
	for i, want := range [][]string{{"evalsha", "eval", "wait"}, {"evalsha", "wait"}} {
		r.names = nil
		if first, err := s.Use(t.Context(), fmt.Sprint(i), time.Now().Add(time.Minute)); !first || err != nil {
			t.Fatalf("use: got %v, %v, want true", first, err)
		}
		if !slices.Equal(r.names, want) {
			t.Errorf("sent %v, want %v", r.names, want)
		}
	}
}

func TestAcknowledgeFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ netTimeout, left, want time.Duration }{
		{500 * time.Millisecond, time.Second, 100 * time.Millisecond},
		{100 * time.Millisecond, time.Second, 50 * time.Millisecond},
		{500 * time.Millisecond, 20 * time.Millisecond, 10 * time.Millisecond},
		{time.Millisecond, time.Second, time.Millisecond},
		{time.Second, -time.Second, time.Millisecond},
	} {
		if got := acknowledgeFor(test.netTimeout, test.left); got != test.want {
			t.Errorf("net timeout %v, %v left: got %v, want %v", test.netTimeout, test.left, got, test.want)
		}
	}
}

func TestSEC_N01_ErrorsWithoutArguments(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ERR unknown command 'auth', with args beginning with: 'hunter2' ":                       "ERR unknown command 'auth'",
		"ERR unknown command hunter2":                                                            "ERR unknown command",
		"ERR unknown command '" + strings.Repeat("hunter2", 9) + "', with args beginning with: ": "ERR unknown command",
		"NOPERM this user has no permissions to access hunter2":                                  "NOPERM",
		"ERR value hunter2 is not an integer":                                                    "ERR",
		"hunter2 is wrong":                                                                       "ERR",
		"MISCONF":                                                                                "MISCONF",
	} {
		err := unavailable("ping", fmt.Errorf("hunter2: %w", &serverError{in}))
		if want = "redis: ping: unavailable: " + want; err.Error() != want || !errors.Is(err, gateward.ErrUnavailable) || !isAnswer(err) {
			t.Errorf("%q: got %q, want %q", in, err, want)
		}
	}
	err := unavailable("ping", errors.New("dial: ERR unknown command 'auth', with args beginning with: 'hunter2'"))
	if strings.Contains(err.Error(), "hunter2") || isAnswer(err) {
		t.Errorf("got %v", err)
	}
	if err := unavailable("ping", context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// serverError is an answer as the client passes it on.
type serverError struct{ text string }

func (r *serverError) Error() string { return r.text }
func (*serverError) RedisError()     {}
