package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// greet lets a client with cfg connect to a server with the other configuration,
// exchange a byte each way, and returns the client's view.
func greet(t *testing.T, server, cfg *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		near, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer near.Close()
		s := tls.Server(near, server)
		if _, err = io.ReadFull(s, make([]byte, 1)); err == nil {
			_, err = s.Write([]byte{1})
		}
		served <- err
	}()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(far, cfg)
	_, err = client.Write([]byte{1})
	if err == nil {
		// Reads the answer, the session tickets before it, and the refusal that
		// TLS 1.3 sends only after the client's handshake is over.
		_, err = io.ReadFull(client, make([]byte, 1))
	}
	far.Close()
	return client.ConnectionState(), errors.Join(err, <-served)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSEC_Q01_MinimumVersion(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	c, err := newCertificates(writeTLS(t, t.TempDir(), ca, nil), nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		version uint16
		ok      bool
	}{
		{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true},
	} {
		t.Run(tls.VersionName(tt.version), func(t *testing.T) {
			cfg := ca.client(nil)
			cfg.MinVersion, cfg.MaxVersion = tt.version, tt.version
			s, err := greet(t, c.config(), cfg)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want success %v", err, tt.ok)
			}
			if tt.ok && (s.Version != tt.version || s.NegotiatedProtocol != "h2") {
				t.Errorf("%s with %q, want h2", tls.VersionName(s.Version), s.NegotiatedProtocol)
			}
		})
	}
}

func TestSEC_Q02_ClientPrincipals(t *testing.T) {
	t.Parallel()
	ca, clients, strangers := newTestCA(t, "ca"), newTestCA(t, "clients"), newTestCA(t, "strangers")
	files := writeTLS(t, t.TempDir(), ca, clients)
	const edge = "spiffe://example.test/ns/edge/sa/envoy"
	for _, tt := range []struct {
		name     string
		admitted []string
		client   *tls.Config
		ok       bool
	}{
		{"no certificate", nil, ca.client(nil), false},
		{"other ca", nil, ca.client(strangers, edge), false},
		{"any principal", nil, ca.client(clients, "whoever.test"), true},
		{"uri", []string{"envoy.test", edge}, ca.client(clients, edge), true},
		{"dns", []string{"envoy.test", edge}, ca.client(clients, "envoy.test"), true},
		{"second name", []string{edge}, ca.client(clients, "envoy.test", edge), true},
		{"other uri", []string{edge}, ca.client(clients, edge+"2"), false},
		{"longer dns", []string{"envoy.test"}, ca.client(clients, "envoy.test.evil.test"), false},
		{"subdomain", []string{"envoy.test"}, ca.client(clients, "a.envoy.test"), false},
		{"wildcard in the certificate", []string{"envoy.test"}, ca.client(clients, "*.test"), false},
		{"common name only", []string{"test"}, ca.client(clients), false},
		{"listed but of another ca", []string{edge}, ca.client(strangers, edge), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := newCertificates(files, tt.admitted, quiet())
			if err != nil {
				t.Fatal(err)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				cfg := tt.client.Clone()
				cfg.MinVersion, cfg.MaxVersion = version, version
				if _, err := greet(t, c.config(), cfg); (err == nil) != tt.ok {
					t.Errorf("%s: error %v, want success %v", tls.VersionName(version), err, tt.ok)
				}
			}
		})
	}
}

func TestSEC_Q02_PrincipalsReload(t *testing.T) {
	t.Parallel()
	ca, clients := newTestCA(t, "ca"), newTestCA(t, "clients")
	c, err := newCertificates(writeTLS(t, t.TempDir(), ca, clients), []string{"a.test"}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	client := ca.client(clients, "a.test")
	if _, err := greet(t, c.config(), client); err != nil {
		t.Fatal(err)
	}
	c.admit([]string{"b.test"})
	if _, err := greet(t, c.config(), client); err == nil {
		t.Error("still admitted")
	}
}

// project replaces files as Kubernetes does: the names are links through
// "data", which is switched in one step.
func project(t *testing.T, dir, version string) {
	t.Helper()
	next := filepath.Join(dir, "next")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
}

func TestSEC_Q03_RotationThroughLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, next := newTestCA(t, "old"), newTestCA(t, "next")
	for version, ca := range map[string]*testCA{"v1": old, "v2": next} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		writeTLS(t, filepath.Join(dir, version), ca, ca)
	}
	project(t, dir, "v1")
	files := tlsFiles{filepath.Join(dir, "data/tls.crt"), filepath.Join(dir, "data/tls.key"), filepath.Join(dir, "data/ca.crt"), "h2"}
	c, err := newCertificates(files, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	server := c.config() // one, as it holds the keys of session tickets
	// A client of the old CA with a session cache, which trusts the server's
	// certificate before and after.
	client := old.client(old, "envoy.test")
	client.RootCAs.AddCert(next.cert)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 2 {
		if s, err := greet(t, server, client); err != nil || s.DidResume {
			t.Fatalf("before: %v, resumed %v", err, s.DidResume)
		}
	}
	project(t, dir, "v2")
	c.refresh(t.Context())
	if s, err := greet(t, server, client); err == nil {
		t.Errorf("a client of the old CA still gets in, resumed %v", s.DidResume)
	}
	if s, err := greet(t, server, next.client(next, "envoy.test")); err != nil {
		t.Errorf("a client of the new CA: %v", err)
	} else if s.PeerCertificates[0].Issuer.CommonName != "next" {
		t.Errorf("certificate of %s, want the new one", s.PeerCertificates[0].Issuer)
	}
}

func TestSEC_Q03_BadFilesKeepTheOldPair(t *testing.T) {
	t.Parallel()
	ca, clients := newTestCA(t, "ca"), newTestCA(t, "clients")
	_, otherKey := ca.issue()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, f tlsFiles)
	}{
		{"key of another", func(t *testing.T, f tlsFiles) { write(t, f.key, otherKey) }},
		{"empty certificate", func(t *testing.T, f tlsFiles) { write(t, f.cert, "") }},
		{"key is gone", func(t *testing.T, f tlsFiles) {
			if err := os.Remove(f.key); err != nil {
				t.Fatal(err)
			}
		}},
		{"client ca is garbage", func(t *testing.T, f tlsFiles) { write(t, f.clientCA, "garbage") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			dir := t.TempDir()
			files := writeTLS(t, dir, ca, clients)
			c, err := newCertificates(files, nil, slog.New(slog.NewJSONHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, files)
			for range 3 {
				c.refresh(t.Context())
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), `"level":"ERROR"`) {
				t.Errorf("%d lines for one change, want one error:\n%s", n, &log)
			}
			client := ca.client(clients, "envoy.test")
			if _, err := greet(t, c.config(), client); err != nil {
				t.Errorf("old pair: %v", err)
			}
			writeTLS(t, dir, ca, clients)
			c.refresh(t.Context())
			if _, err := greet(t, c.config(), client); err != nil || !strings.Contains(log.String(), "tls files reloaded") {
				t.Errorf("repaired pair: %v\n%s", err, &log)
			}
			if _, err := newCertificates(tlsFiles{"none", "none", "", "h2"}, nil, quiet()); err == nil {
				t.Error("starts without files")
			}
		})
	}
}
