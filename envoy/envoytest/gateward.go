package envoytest

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readyTimeout is how long a program may take to become ready; on a busy machine
// and with the race detector it is seconds.
const readyTimeout = 30 * time.Second

// GatewardOptions vary how [StartGateward] starts gateward. The zero value is
// what most tests want.
type GatewardOptions struct {
	// GRPCAddress, HTTPAddress and AdminAddress are where the listeners are; empty
	// for a free port. A test that restarts a replica names the address it had.
	GRPCAddress, HTTPAddress, AdminAddress string
	// Env are further environment variables, NAME=VALUE.
	Env []string
	// Args follow "serve --config FILE".
	Args []string
	// Binary is what to run instead of [Build]'s.
	Binary string
	// Unready returns without waiting for readiness, for configurations that
	// never get there.
	Unready bool
}

// Gateward is a running gateward.
type Gateward struct {
	*Process
	// GRPCAddress answers checks, HTTPAddress is the login service, AdminAddress
	// metrics and health.
	GRPCAddress, HTTPAddress, AdminAddress string
	// ConfigFile is the configuration file; a test may rewrite it and send SIGHUP.
	ConfigFile string
}

// StartGateward runs "gateward serve" with the given configuration, whose
// listeners the environment overrides, and waits until it is ready. The process
// sees no GATEWARD_ and FLIPT_ variables of the test's own environment.
func StartGateward(tb testing.TB, configYAML string, o GatewardOptions) *Gateward {
	tb.Helper()
	g := &Gateward{
		GRPCAddress:  o.GRPCAddress,
		HTTPAddress:  o.HTTPAddress,
		AdminAddress: o.AdminAddress,
		ConfigFile:   filepath.Join(tb.TempDir(), "gateward.yaml"),
	}
	for _, address := range []*string{&g.GRPCAddress, &g.HTTPAddress, &g.AdminAddress} {
		if *address == "" {
			*address = FreeAddress(tb)
		}
	}
	if err := os.WriteFile(g.ConfigFile, []byte(configYAML), 0o600); err != nil {
		tb.Fatal(err)
	}
	binary := o.Binary
	if binary == "" {
		binary = Build(tb)
	}
	env := append(environment(), "GATEWARD_SERVER_GRPC_ADDRESS="+g.GRPCAddress,
		"GATEWARD_SERVER_HTTP_ADDRESS="+g.HTTPAddress, "GATEWARD_SERVER_ADMIN_ADDRESS="+g.AdminAddress)
	args := append([]string{"serve", "--config", g.ConfigFile}, o.Args...)
	g.Process = StartProcess(tb, "gateward", binary, append(env, o.Env...), args...)
	if !o.Unready {
		g.WaitReady(tb)
	}
	return g
}

// WaitReady waits until /readyz answers 200.
func (g *Gateward) WaitReady(tb testing.TB) {
	tb.Helper()
	client, stop := pollClient()
	defer stop()
	Eventually(tb, "gateward's /readyz", readyTimeout, func(ctx context.Context) error {
		return g.get(ctx, client, "http://"+g.AdminAddress+"/readyz")
	})
}

// environment returns this process's environment without what gateward reads.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GATEWARD_") && !strings.HasPrefix(v, "FLIPT_") {
			env = append(env, v)
		}
	}
	return env
}

// pollClient returns a client for probes of this machine, and how to end it.
func pollClient() (client *http.Client, stop func()) {
	t := &http.Transport{}
	return &http.Client{Transport: t, Timeout: 2 * time.Second}, t.CloseIdleConnections
}
