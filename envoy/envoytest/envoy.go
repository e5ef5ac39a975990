package envoytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// EnvoyProcess is a running Envoy.
type EnvoyProcess struct {
	*Process
	// Address is where its first listener accepts clients.
	Address string
	// Admin is the address of its admin interface.
	Admin string

	listeners map[string]string
}

// StartEnvoy runs a real Envoy with one worker and waits until it is ready,
// which includes a first health check of clusters that have one. The bootstrap
// needs an admin interface; ports may be 0 there and in its listeners, and are
// found out afterwards.
func StartEnvoy(tb testing.TB, bootstrap string) *EnvoyProcess {
	tb.Helper()
	binary := Envoy(tb)
	dir := tb.TempDir()
	config, admin := filepath.Join(dir, "bootstrap.yaml"), filepath.Join(dir, "admin")
	if err := os.WriteFile(config, []byte(bootstrap), 0o600); err != nil {
		tb.Fatal(err)
	}
	e := &EnvoyProcess{}
	// Without hot restart, Envoys that run at once share nothing.
	e.Process = StartProcess(tb, "envoy", binary, os.Environ(),
		"-c", config, "--admin-address-path", admin, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	client, stop := pollClient()
	defer stop()
	Eventually(tb, "Envoy's /ready", readyTimeout, func(ctx context.Context) error {
		text, err := os.ReadFile(admin)
		e.Admin = strings.TrimSpace(string(text))
		if e.Admin == "" {
			// Not yet; an Envoy that has ended never will.
			return errors.Join(errors.New("no admin address yet"), err, e.ended())
		}
		return e.get(ctx, client, "http://"+e.Admin+"/ready")
	})
	if err := e.readListeners(tb.Context(), client); err != nil {
		tb.Fatalf("envoytest: read Envoy's listeners: %v", err)
	}
	return e
}

func (p *Process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s: %w", p.name, errOver)
	default:
		return nil
	}
}

// Listener returns the address of the listener with that name, or "".
func (e *EnvoyProcess) Listener(name string) string { return e.listeners[name] }

// Stat returns a counter or gauge by its full name, and whether Envoy has it:
// "http.ingress.ext_authz.gateward.denied", "cluster.gateward.membership_healthy".
func (e *EnvoyProcess) Stat(tb testing.TB, name string) (value uint64, ok bool) {
	tb.Helper()
	client, stop := pollClient()
	defer stop()
	value, ok, err := e.stat(tb.Context(), client, name)
	if err != nil {
		tb.Fatalf("envoytest: read Envoy's statistics: %v", err)
	}
	return value, ok
}

// WaitStat waits until the counter or gauge is want.
func (e *EnvoyProcess) WaitStat(tb testing.TB, name string, want uint64) {
	tb.Helper()
	client, stop := pollClient()
	defer stop()
	Eventually(tb, fmt.Sprintf("%s %d", name, want), readyTimeout, func(ctx context.Context) error {
		got, ok, err := e.stat(ctx, client, name)
		if err == nil && (!ok || got != want) {
			err = fmt.Errorf("got %d, %t", got, ok)
		}
		return err
	})
}

func (e *EnvoyProcess) stat(ctx context.Context, client *http.Client, name string) (value uint64, ok bool, err error) {
	text, err := e.adminGet(ctx, client, "/stats")
	if err != nil {
		return 0, false, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, name+": "); found {
			value, err = strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
			return value, err == nil, err
		}
	}
	return 0, false, nil
}

func (e *EnvoyProcess) readListeners(ctx context.Context, client *http.Client) error {
	text, err := e.adminGet(ctx, client, "/listeners?format=json")
	if err != nil {
		return err
	}
	var reply struct {
		Statuses []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return err
	}
	if len(reply.Statuses) == 0 {
		return errors.New("there are none")
	}
	e.listeners = map[string]string{}
	for _, s := range reply.Statuses {
		address := net.JoinHostPort(s.Address.Socket.Address, strconv.Itoa(s.Address.Socket.Port))
		e.listeners[s.Name] = address
		if e.Address == "" {
			e.Address = address
		}
	}
	return nil
}

func (e *EnvoyProcess) adminGet(ctx context.Context, client *http.Client, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Admin+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
