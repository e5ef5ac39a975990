// Package envoytest starts what an end-to-end test needs, on loopback and free
// ports, and ends it with the test: a real Envoy ([StartEnvoy]), the gateward
// binary of this module ([StartGateward]) and an application that records what
// reached it ([StartUpstream]). [RawRequest] and [H2Request] are clients that
// send exactly what they are told and normalize nothing.
//
// Only tests import it. Envoy's configuration is written by package envoy.
package envoytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const module = "github.com/gateward/gateward"

// built holds the directory of the binaries of this test process; see [Main].
var built struct {
	sync.Mutex
	dir string
	ok  bool
}

// Main runs the tests of a package and keeps the gateward binary for all of
// them. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(envoytest.Main(m)) }
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gateward-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "envoytest: make directory:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.Lock()
	built.dir = dir
	built.Unlock()
	return m.Run()
}

// Build returns the path of the gateward binary, built from this module, with
// the race detector when the test has it. It is built once per process where
// TestMain calls [Main], and once per call elsewhere.
func Build(tb testing.TB) string {
	tb.Helper()
	built.Lock()
	defer built.Unlock()
	dir := built.dir
	if dir == "" {
		dir = tb.TempDir()
	}
	binary := filepath.Join(dir, "gateward")
	if built.ok {
		return binary
	}
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(tb.Context(), "go", append(args, "./cmd/gateward")...)
	cmd.Dir = Root(tb)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("envoytest: build gateward: %v\n%s", err, out)
	}
	built.ok = built.dir != ""
	return binary
}

// Envoy returns the path of a real Envoy: $ENVOY, else one from PATH, else the
// one that scripts/get-envoy has installed. Without one the test is skipped, or
// fails where CI=true.
func Envoy(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("ENVOY"); path != "" {
		return path
	}
	if path, err := exec.LookPath("envoy"); err == nil {
		return path
	}
	installed, err := filepath.Glob(filepath.Join(Root(tb), ".tmp/envoy/lib/python*/site-packages/envoy/_bin/envoy"))
	if err == nil && len(installed) > 0 {
		return installed[0]
	}
	const how = "no Envoy on this machine: run scripts/get-envoy, or set ENVOY to one"
	if os.Getenv("CI") == "true" {
		tb.Fatal(how)
	}
	tb.Skip(how)
	return ""
}

// Validate lets a real Envoy judge a configuration without starting it, and
// fails the test if Envoy refuses it or warns about it.
func Validate(tb testing.TB, bootstrap string) {
	tb.Helper()
	envoy := Envoy(tb)
	file := filepath.Join(tb.TempDir(), "bootstrap.yaml")
	if err := os.WriteFile(file, []byte(bootstrap), 0o600); err != nil {
		tb.Fatal(err)
	}
	out, err := exec.CommandContext(tb.Context(), envoy, "--mode", "validate", "--log-level", "warning", "-c", file).CombinedOutput()
	if err != nil {
		tb.Errorf("envoy --mode validate: %v\n%s", err, out)
	} else if strings.Contains(string(out), "[warning]") {
		tb.Errorf("envoy --mode validate warns:\n%s", out)
	}
}

// Root returns the directory of this module.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+module+"\n") {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatalf("envoytest: no go.mod of %s above the test", module)
		}
		dir = parent
	}
}

// errOver says that a condition can no longer come true.
var errOver = errors.New("process has ended")

// Eventually calls cond until it returns nil, and fails the test with its last
// error after timeout.
func Eventually(tb testing.TB, what string, timeout time.Duration, cond func(ctx context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := cond(ctx)
		if err == nil {
			return
		}
		// What the deadline interrupted says less than what came before.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if errors.Is(err, errOver) {
			tb.Fatalf("envoytest: wait for %s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("envoytest: wait %s for %s: %v", timeout, what, last)
		}
	}
}
