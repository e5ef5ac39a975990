package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// healthcheck runs the command for a configuration whose ports are those of r.
func (r *running) healthcheck() (int, string) {
	r.t.Helper()
	b, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	yaml := string(b)
	if !strings.HasPrefix(r.grpc, "unix:") {
		yaml = strings.Replace(yaml, "127.0.0.1:0", r.grpc, 1)
	}
	yaml = strings.Replace(yaml, "127.0.0.1:0", r.http, 1)
	path := filepath.Join(r.t.TempDir(), "gateward.yaml")
	write(r.t, path, yaml)
	code, out, errs := invoke(nil, "healthcheck", "--config", path)
	return code, out + errs
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	for name, yaml := range map[string]string{
		"tcp":    tokenConfiguration,
		"socket": strings.Replace(tokenConfiguration, "127.0.0.1:0", "unix://DIR/gw.sock", 1),
		"tls":    strings.Replace(tlsConfiguration, ", client_ca_file: DIR/ca.crt, allowed_principals: [envoy.test]", "", 1),
		"mtls":   tlsConfiguration,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, ca := t.TempDir(), newTestCA(t, "ca")
			writeTLS(t, dir, ca, ca)
			r := serve(t, dir, yaml)
			if code, text := r.healthcheck(); code != 0 || text != "serving\n" {
				t.Errorf("serving: %d %s", code, text)
			}
			r.signal(syscall.SIGTERM)
			r.wait("draining")
			if code, text := r.healthcheck(); code != 1 || !strings.Contains(text, "not serving") {
				t.Errorf("draining: %d %s", code, text)
			}
			r.drained <- time.Now()
			r.ended()
			if code, text := r.healthcheck(); code != 1 || !strings.HasPrefix(text, "gateward: ") {
				t.Errorf("gone: %d %s", code, text)
			}
		})
	}
}

func TestHealthcheckGivesUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begin := time.Now()
	code, _, errs := invoke(nil, "healthcheck", "--address", l.Addr().String())
	if took := time.Since(begin); code != 1 || errs == "" || took > healthcheckTimeout+5*time.Second {
		t.Errorf("%d after %v: %s", code, took, errs)
	}
}

func TestDialFillsInThisHost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"", "0.0.0.0", "::", "127.0.0.1", "localhost"} {
		c, err := dial(t.Context(), net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		c.Close()
	}
}
