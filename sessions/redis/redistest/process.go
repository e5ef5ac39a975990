package redistest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long anything here may take until the test fails.
	patience = 30 * time.Second
	// pollEvery is how often it is looked at.
	pollEvery = 10 * time.Millisecond
	// logTail is how much of a server's output a failed test shows, in bytes.
	logTail = 8 << 10

	// Ports come from below the range that systems use for outgoing connections.
	// Those of a cluster's bus are busOffset higher.
	firstPort = 7000
	lastPort  = 16999
	busOffset = 10_000
)

// redisServer returns the path of redis-server. Where there is none the test is
// skipped, and fails where CI=true.
func redisServer(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		const remedy = "redistest: no redis-server in PATH (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"
		if os.Getenv("CI") == "true" {
			tb.Fatal(remedy)
		}
		tb.Skip(remedy)
	}
	return path
}

// taken holds the ports given out by this process, so that none is given twice.
var taken struct {
	sync.Mutex
	ports map[int]bool
}

// freePort returns a port that nothing listens on, on 127.0.0.1, nor on the one
// of a cluster's bus that goes with it.
func freePort(tb testing.TB) int {
	tb.Helper()
	taken.Lock()
	defer taken.Unlock()
	if taken.ports == nil {
		taken.ports = map[int]bool{}
	}
	for range 1000 {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			tb.Fatal(err)
		}
		port := firstPort + int(binary.BigEndian.Uint16(b[:]))%(lastPort-firstPort+1)
		if taken.ports[port] || tryListen(tb, port) != nil || tryListen(tb, port+busOffset) != nil {
			continue
		}
		taken.ports[port] = true
		return port
	}
	tb.Fatal("redistest: no free port")
	return 0
}

func tryListen(tb testing.TB, port int) error {
	return withoutForks(func() error {
		var lc net.ListenConfig
		l, err := lc.Listen(tb.Context(), "tcp", address(port))
		if err != nil {
			return err
		}
		return l.Close()
	})
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// A process is a running redis-server.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// startProcess runs redis-server in dir. It is killed at the end of the test.
func startProcess(tb testing.TB, dir string, args ...string) *process {
	tb.Helper()
	p := &process{log: filepath.Join(dir, "log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	p.cmd = exec.CommandContext(tb.Context(), redisServer(tb), args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = processAttributes()
	if err := p.cmd.Start(); err != nil {
		out.Close()
		tb.Fatalf("redistest: start redis-server: %v", err)
	}
	go func() {
		_ = p.cmd.Wait()
		out.Close()
		close(p.done)
	}()
	tb.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		if tb.Failed() {
			text, _ := os.ReadFile(p.log)
			tb.Logf("output of redis-server %s:\n%s", strings.Join(args, " "), text[max(0, len(text)-logTail):])
		}
	})
	return p
}

// signal sends s and waits until the process is gone.
func (p *process) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.done
}

// eventually polls f until it returns nil.
func eventually(tb testing.TB, what string, f func(ctx context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			tb.Fatalf("redistest: waited in vain for %s: %v", what, err)
		}
	}
}

func args(pairs ...any) []string {
	all := make([]string, len(pairs))
	for i, p := range pairs {
		all[i] = fmt.Sprint(p)
	}
	return all
}
