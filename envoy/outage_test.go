package envoy_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

// A load sends requests from several clients until it is stopped, one
// connection each time, and keeps count of the answers.
type load struct {
	good, bad [600]atomic.Int64 // by status: with the credential, and without
	failed    atomic.Pointer[error]
	stop      func()
}

// startLoad sends requests to a protected path, with a good credential and
// with none in turn.
func startLoad(t *testing.T, address string) *load {
	t.Helper()
	l := &load{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				counts, header := &l.good, "Authorization: Bearer "+staticToken
				if i%2 == 1 {
					counts, header = &l.bad, "X-Auth-Request-User: ci"
				}
				got, err := envoytest.SendRaw(context.WithoutCancel(ctx), address, envoytest.Message("GET", "/orders", header, "Connection: close"))
				if err != nil {
					l.failed.Store(&err)
					return
				}
				counts[got.Status].Add(1)
			}
		})
	}
	l.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(l.stop)
	return l
}

// reach waits until n answers more with this status have come.
func (l *load) reach(t *testing.T, counts *[600]atomic.Int64, status int, n int64) {
	t.Helper()
	want := counts[status].Load() + n
	envoytest.Eventually(t, fmt.Sprintf("%d more answers %d", n, status), time.Minute, func(context.Context) error {
		if err := l.failed.Load(); err != nil {
			t.Fatal(*err)
		}
		if got := counts[status].Load(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// only fails the test for every other answer than these.
func only(t *testing.T, what string, counts *[600]atomic.Int64, statuses ...int) {
	t.Helper()
	for status := range counts {
		allowed := false
		for _, s := range statuses {
			allowed = allowed || s == status
		}
		if n := counts[status].Load(); n > 0 && !allowed {
			t.Errorf("%s: %d answers %d", what, n, status)
		}
	}
}

// TestSEC_L02_KilledUnderLoad: while gateward is gone everybody gets 503, and
// nobody who should not passes, not for a moment; when it is back, it goes on.
func TestSEC_L02_KilledUnderLoad(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	l := startLoad(t, s.Address)
	l.reach(t, &l.good, 200, 50)
	s.gateward.Kill()
	l.reach(t, &l.good, 503, 50)
	l.reach(t, &l.bad, 503, 50)
	envoytest.StartGateward(t, fmt.Sprintf(siteYAML, s.keys.url), envoytest.GatewardOptions{GRPCAddress: s.gateward.GRPCAddress})
	l.reach(t, &l.good, 200, 50)
	l.stop()
	only(t, "with a credential", &l.good, 200, 503)
	only(t, "without", &l.bad, 401, 503)
	for _, r := range s.reached() {
		if u := r.Values("x-auth-request-user"); len(u) != 1 || u[0] != "ci" || r.Values("authorization") != nil {
			t.Fatalf("the application saw user %q", u)
		}
	}
}

// TestSEC_L09_GracefulRestart: one of two replicas restarts, and no request
// notices.
func TestSEC_L09_GracefulRestart(t *testing.T) {
	t.Parallel()
	envoytest.Envoy(t)
	keys := newKeyring(t)
	config := strings.Replace(fmt.Sprintf(siteYAML, keys.url), "server: {drain_delay: 0s}", "server: {drain_delay: 3s}", 1)
	upstream := envoytest.StartUpstream(t)
	first := envoytest.StartGateward(t, config, envoytest.GatewardOptions{})
	second := envoytest.StartGateward(t, config, envoytest.GatewardOptions{})
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress, c.Upstream = "127.0.0.1:0", "127.0.0.1:0", upstream.Address
	c.GRPCAddresses = []string{first.GRPCAddress, second.GRPCAddress}
	c.Timeout = 5 * time.Second
	e := envoytest.StartEnvoy(t, render(t, c))
	e.WaitStat(t, "cluster.gateward.membership_healthy", 2)
	l := startLoad(t, e.Address)
	l.reach(t, &l.good, 200, 50)
	if err := first.Terminate(); err != nil {
		t.Fatal(err)
	}
	l.reach(t, &l.good, 200, 50)
	envoytest.StartGateward(t, config, envoytest.GatewardOptions{GRPCAddress: first.GRPCAddress})
	e.WaitStat(t, "cluster.gateward.membership_healthy", 2)
	l.reach(t, &l.good, 200, 50)
	l.stop()
	only(t, "with a credential", &l.good, 200)
	only(t, "without", &l.bad, 401)
}

// TestSEC_L01_SlowKeySet: a key set that does not answer costs its own callers
// a 503 in Envoy's time, and nobody else anything (L03).
func TestSEC_L01_SlowKeySet(t *testing.T) {
	t.Parallel()
	hang := newHangingServer(t)
	s := startStack(t, strings.Replace(siteYAML, "jwks_url: %s", "jwks_url: "+hang, 1))
	token := s.keys.sign(t, "RS256", claims(nil))
	l := startLoad(t, s.Address)
	for range 3 {
		got := s.get(t, "/orders", "Authorization: Bearer "+token)
		if got.Status != 503 || got.Get("retry-after") == "" || got.Get("x-gateward-decision-id") == "" {
			t.Errorf("got %d %v: not gateward's own answer", got.Status, got.Header)
		}
	}
	l.reach(t, &l.good, 200, 20)
	l.stop()
	only(t, "with a static token", &l.good, 200)
	only(t, "without", &l.bad, 401)
}

// newHangingServer returns the URL of a server that accepts and says nothing.
func newHangingServer(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return "http://" + l.Addr().String() + "/jwks.json"
}

// TestSEC_K06_ReloadThroughEnvoy: a token that is gone from the configuration
// is gone from the cache, and a broken configuration changes nothing.
func TestSEC_K06_ReloadThroughEnvoy(t *testing.T) {
	t.Parallel()
	s := startStack(t, strings.Replace(siteYAML, "ttl: 1s", "ttl: 1h", 1))
	status := func(token string) int { return s.get(t, "/orders", "Authorization: Bearer "+token).Status }
	if got := status(staticToken); got != 200 {
		t.Fatalf("before: got %d", got)
	}
	text, err := os.ReadFile(s.gateward.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(config string) {
		t.Helper()
		if err := os.WriteFile(s.gateward.ConfigFile, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.gateward.Signal(syscall.SIGHUP)
	}
	const renewed = "renewed-token-0123456789abcdef"
	reload(strings.Replace(string(text), staticToken, renewed, 1))
	envoytest.Eventually(t, "the new token", 30*time.Second, func(context.Context) error {
		if got := status(renewed); got != 200 {
			return fmt.Errorf("got %d", got)
		}
		return nil
	})
	if got := status(staticToken); got != 401 {
		t.Errorf("the old token: got %d", got)
	}
	reload("rules: [{nme: x}]")
	envoytest.Eventually(t, "the refusal in the log", 30*time.Second, func(context.Context) error {
		if log := s.gateward.Log(); !strings.Contains(log, "nme") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if got := status(renewed); got != 200 {
		t.Errorf("after a broken configuration: got %d", got)
	}
}

// TestUNIXSocket: gateward over a socket that only its group reaches.
func TestUNIXSocket(t *testing.T) {
	t.Parallel()
	envoytest.Envoy(t)
	dir, err := os.MkdirTemp("", "gw") //nolint:usetesting // short: the path of a socket is limited to some 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := "unix://" + filepath.Join(dir, "s")
	upstream := envoytest.StartUpstream(t)
	envoytest.StartGateward(t, protectedYAML, envoytest.GatewardOptions{GRPCAddress: address})
	if info, err := os.Stat(filepath.Join(dir, "s")); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v", info, err)
	}
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress, c.Upstream, c.GRPCAddresses = "127.0.0.1:0", "127.0.0.1:0", upstream.Address, []string{address}
	e := envoytest.StartEnvoy(t, render(t, c))
	for header, want := range map[string]int{"Authorization: Bearer " + staticToken: 200, "X-None: 1": 401} {
		if got := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/orders", header)); got.Status != want {
			t.Errorf("%s: got %d, want %d", header, got.Status, want)
		}
	}
}

// TestSEC_Q02_OnlyEnvoyMayAsk: with a client CA and named principals, nobody
// else gets a decision.
func TestSEC_Q02_OnlyEnvoyMayAsk(t *testing.T) {
	t.Parallel()
	envoytest.Envoy(t)
	certs := newCertificates(t)
	upstream := envoytest.StartUpstream(t)
	for _, c := range []struct {
		name, principal string
		cert, key       string
		want            int
	}{
		{"named", "envoy.example.test", certs.client, certs.clientKey, 200},
		{"another", "spiffe://cluster.local/ns/other/sa/other", certs.client, certs.clientKey, 503},
		{"without certificate", "envoy.example.test", "", "", 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := envoytest.StartGateward(t, protectedYAML, envoytest.GatewardOptions{Env: []string{
				"GATEWARD_SERVER_GRPC_TLS_CERT_FILE=" + certs.serverFile, "GATEWARD_SERVER_GRPC_TLS_KEY_FILE=" + certs.serverKeyFile,
				"GATEWARD_SERVER_GRPC_TLS_CLIENT_CA_FILE=" + certs.ca, "GATEWARD_SERVER_GRPC_TLS_ALLOWED_PRINCIPALS=" + c.principal,
			}})
			b := envoy.Default()
			b.ListenAddress, b.AdminAddress, b.Upstream, b.GRPCAddresses = "127.0.0.1:0", "127.0.0.1:0", upstream.Address, []string{g.GRPCAddress}
			b.GRPCTLS = &envoy.TLS{CAFile: certs.ca, CertFile: c.cert, KeyFile: c.key}
			b.Timeout = 5 * time.Second
			e := envoytest.StartEnvoy(t, render(t, b))
			if got := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/orders", "Authorization: Bearer "+staticToken)); got.Status != c.want {
				t.Errorf("got %d, want %d", got.Status, c.want)
			}
		})
	}
}
