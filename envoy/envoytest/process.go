package envoytest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// grace is how long a process may take to end before it is killed.
const grace = 20 * time.Second

// logTail is how much of a process's output a failed test shows, in bytes.
const logTail = 32 << 10

// A Process is a program under test. It gets SIGTERM at the end of its test and
// SIGKILL if it does not obey; its output is shown if the test has failed. Its
// methods may be called from any goroutine.
type Process struct {
	name    string
	cmd     *exec.Cmd
	logFile string
	done    chan struct{}
	err     error // what Wait returned; read it after done
}

// StartProcess runs path in a process group of its own, until the test ends.
func StartProcess(tb testing.TB, name, path string, env []string, args ...string) *Process {
	tb.Helper()
	p := &Process{name: name, logFile: filepath.Join(tb.TempDir(), name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.logFile)
	if err != nil {
		tb.Fatal(err)
	}
	// The context ends just before the cleanup functions run.
	p.cmd = exec.CommandContext(tb.Context(), path, args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = grace
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = env
	p.cmd.SysProcAttr = processAttributes()
	if err := p.cmd.Start(); err != nil {
		out.Close()
		tb.Fatalf("envoytest: start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		out.Close()
		close(p.done)
	}()
	tb.Cleanup(func() {
		<-p.done
		if tb.Failed() {
			tb.Logf("output of %s:\n%s", name, tail(p.Log()))
		}
	})
	return p
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns what the process has written so far, both streams.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return fmt.Sprintf("envoytest: read log of %s: %v", p.name, err)
	}
	return string(text)
}

// Signal sends s; a process that has ended ignores it.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Terminate sends SIGTERM, waits for the end and returns how the process ended:
// nil for exit status 0. One that stays is killed and is an error.
func (p *Process) Terminate() error {
	p.Signal(syscall.SIGTERM)
	return p.Wait(grace)
}

// Wait waits for the end and returns how the process ended: nil for exit status
// 0. After timeout the process is killed, which is an error.
func (p *Process) Wait(timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("envoytest: %s still runs after %s", p.name, timeout)
	}
}

// get polls url once: nil when it answers 200.
func (p *Process) get(ctx context.Context, client *http.Client, url string) error {
	select {
	case <-p.done:
		return fmt.Errorf("%s: %w: %v", p.name, errOver, p.err) //nolint:errorlint // nil is a way to end, too
	default:
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

func tail(s string) string {
	if len(s) <= logTail {
		return s
	}
	return "[…]\n" + strings.ToValidUTF8(s[len(s)-logTail:], "")
}
