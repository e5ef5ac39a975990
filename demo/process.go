package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// grace is how long a child may take to end before it is killed.
const grace = 15 * time.Second

// process is a child with its output in a file.
type process struct {
	name, logFile string
	cmd           *exec.Cmd
	done          chan struct{}
	err           error // why it ended; read it after done
}

// endedError says that a child is gone and will never become ready.
type endedError struct{ text string }

// Error implements error.
func (e endedError) Error() string { return e.text }

// startProcess runs path in a process group of its own, so that Ctrl-C reaches
// the demo alone and children end in order. ended gets the process when it has
// ended.
func startProcess(directory, name string, ended chan<- *process, path string, args ...string) (*process, error) {
	p := &process{name: name, logFile: filepath.Join(directory, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(path, args...) //nolint:noctx // stop ends it, with a signal first
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = processAttributes()
	p.cmd.Env = environment()
	if err := p.cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		if p.err == nil {
			p.err = errors.New("exit status 0")
		}
		log.Close()
		close(p.done)
		ended <- p
	}()
	return p, nil
}

// environment is ours without what Gateward would read from it.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GATEWARD_") && !strings.HasPrefix(v, "FLIPT_") {
			env = append(env, v)
		}
	}
	return env
}

// waitReady polls url until it answers 200 or the process has ended.
func (p *process) waitReady(ctx context.Context, url func() (string, error)) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	err := poll(ctx, 20*time.Second, func(ctx context.Context) error {
		select {
		case <-p.done:
			return endedError{p.err.Error()}
		default:
		}
		u, err := url()
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", u, resp.Status)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s does not get ready: %w; its last words:\n%s", p.name, err, p.lastWords())
	}
	return nil
}

// lastWords returns the end of the log.
func (p *process) lastWords() string {
	const size = 2000
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-size):]))
}

// stop asks the process to end, and makes it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s did not end by itself within %s; see %s", p.name, grace, p.logFile)
}

// output runs a command that prints something and ends.
func output(ctx context.Context, path string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = io.Writer(&stdout), &stderr
	cmd.Env = environment()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(path), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
