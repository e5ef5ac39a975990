package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// tick lets the server look for changed files, and waits until it has.
func (r *running) tick() {
	r.t.Helper()
	for range 2 { // the second is taken only when the first has been dealt with
		select {
		case r.poll <- time.Time{}:
		case <-time.After(patience):
			r.t.Fatalf("nobody looks:\n%s", r.out)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	conn := r.dial()
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)

	r.configure(strings.ReplaceAll(tokenConfiguration, goodToken, otherToken))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	wantCheck(t, conn, 401, "authorization", "Bearer "+goodToken)
	wantCheck(t, conn, 200, "authorization", "Bearer "+otherToken)

	// A changed file needs no signal.
	r.configure(tokenConfiguration)
	r.tick()
	r.wait("configuration reloaded")
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	wantCheck(t, conn, 401, "authorization", "Bearer "+otherToken)
	before := r.out.String()
	r.tick()
	if got := strings.TrimPrefix(r.out.String(), before); got != "" {
		t.Errorf("nothing changed, and yet:\n%s", got)
	}
}

func TestReloadSecretFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, goodToken)
	r := serve(t, dir, strings.ReplaceAll(tokenConfiguration, goodToken, `"${file:DIR/secret}"`))
	conn := r.dial()
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	write(t, secret, otherToken)
	r.tick()
	r.wait("configuration reloaded")
	wantCheck(t, conn, 401, "authorization", "Bearer "+goodToken)
	wantCheck(t, conn, 200, "authorization", "Bearer "+otherToken)

	// The configuration arrives before the file that it refers to.
	later := filepath.Join(dir, "later")
	r.configure(strings.ReplaceAll(tokenConfiguration, goodToken, `"${file:DIR/later}"`))
	r.tick()
	r.wait("the previous one stays in use")
	write(t, later, goodToken)
	r.tick()
	r.wait("configuration reloaded")
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
}

func TestSEC_R16_BadReloadKeepsTheOld(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	conn := r.dial()
	ctx, cancel := context.WithCancel(t.Context())
	wrong := make(chan string, 1)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		for ctx.Err() == nil {
			code, err := check(t.Context(), conn, "/x", "authorization", "Bearer "+goodToken)
			if err != nil || code != 200 {
				wrong <- r.out.String()
				return
			}
		}
	}()
	for name, tt := range map[string]struct{ yaml, want string }{
		"syntax":      {"authentication: [", "configuration problem"},
		"unknown key": {tokenConfiguration + "surprise: 1\n", "surprise"},
		"no method":   {listeners, "no method is enabled"},
		"half good": {
			strings.ReplaceAll(tokenConfiguration, goodToken, otherToken) +
				"rules: [{name: fine, access: anonymous, match: {paths: [/x]}}, {name: bad, match: {paths: [nonsense]}}]\n",
			"rules[1].match.paths[0]",
		},
		"key file is gone": {tokenConfiguration + "    jwt: {enabled: true, public_key_file: DIR/none.pem}\n", "public_key_file"},
	} {
		r.configure(tt.yaml)
		r.signal(syscall.SIGHUP)
		if line := r.wait(tt.want); !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, "gateward.yaml:") {
			t.Errorf("%s: %s, want an error with a position", name, line)
		}
		r.wait("the previous one stays in use")
		if _, body := r.get("/metrics"); !strings.Contains(body, "gateward_config_reload_success 0\n") {
			t.Errorf("%s: gateward_config_reload_success is not 0", name)
		}
		before := r.out.String()
		r.tick()
		if got := strings.TrimPrefix(r.out.String(), before); strings.Contains(got, "configuration") {
			t.Errorf("%s: reported again:\n%s", name, got)
		}
		wantCheck(t, conn, 401, "authorization", "Bearer "+otherToken)
		wantCheck(t, conn, 401)
	}
	r.configure(tokenConfiguration)
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	if _, body := r.get("/metrics"); !strings.Contains(body, "gateward_config_reload_success 1\n") {
		t.Error("gateward_config_reload_success is not 1 again")
	}
	cancel()
	<-loaded
	select {
	case log := <-wrong:
		t.Errorf("a check was wrong meanwhile:\n%s", log)
	default:
	}
}

func TestReloadNeedsRestart(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	r.configure(strings.Replace(strings.Replace(tokenConfiguration, "127.0.0.1:0", "127.0.0.1:1", 1), "level: debug", "level: debug, format: text", 1))
	r.signal(syscall.SIGHUP)
	if line := r.wait("needs a restart"); !strings.Contains(line, "server.grpc.address") || !strings.Contains(line, "gateward.yaml:") {
		t.Error(line)
	}
	if line := r.wait("needs a restart"); !strings.Contains(line, "log.format") {
		t.Error(line)
	}
	r.wait("configuration reloaded")
	wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
}

func TestReloadKeepsKeySets(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	issuer.release()
	token := issuer.token(t, claims)
	r := serve(t, t.TempDir(), jwtConfiguration(issuer))
	conn := r.dial()
	wantCheck(t, conn, 200, "authorization", "Bearer "+token)
	issuer.asked(t)

	r.configure(jwtConfiguration(issuer) + "paths: {ambiguous: refuse}\n")
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	wantCheck(t, conn, 200, "authorization", "Bearer "+token)
	select {
	case <-issuer.request:
		t.Error("the key set was fetched again, though nothing of it changed")
	default:
	}

	r.configure(strings.Replace(jwtConfiguration(issuer), "audiences: [gateward]", "audiences: [other]", 1))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	wantCheck(t, conn, 401, "authorization", "Bearer "+token)
	select {
	case <-issuer.request:
		t.Error("the key set was fetched again, though only the audiences changed")
	default:
	}

	// A load that comes to nothing ends nothing.
	r.configure(strings.Replace(jwtConfiguration(issuer), "audiences: [gateward]", "audiences: [third]", 1) +
		"rules: [{name: bad, match: {paths: [nonsense]}}]\n")
	r.signal(syscall.SIGHUP)
	r.wait("the previous one stays in use")
	r.configure(strings.Replace(jwtConfiguration(issuer), "audiences: [gateward]", "audiences: [other, gateward]", 1))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	wantCheck(t, conn, 200, "authorization", "Bearer "+token)

	// Another address is another key set.
	r.configure(strings.Replace(jwtConfiguration(issuer), issuer.url, issuer.url+"/other", 1))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	wantCheck(t, conn, 200, "authorization", "Bearer "+token)
	issuer.asked(t)
}

func TestReloadLogLevel(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	r.configure(strings.Replace(tokenConfiguration, "level: debug", "level: error", 1))
	r.signal(syscall.SIGHUP)
	r.tick()
	before := r.out.String()
	wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
	if got := strings.TrimPrefix(r.out.String(), before); got != "" {
		t.Errorf("logged at level error: %s", got)
	}
}

const tlsConfiguration = `
server:
  grpc: {address: "127.0.0.1:0", tls: {cert_file: DIR/tls.crt, key_file: DIR/tls.key, client_ca_file: DIR/ca.crt, allowed_principals: [envoy.test]}}
  admin: {address: "127.0.0.1:0"}
  http: {address: "127.0.0.1:0"}
authentication:
  methods:
    token: {enabled: true, storage: {tokens: {ci: {credential: ` + goodToken + `}}}}
`

func TestSEC_Q02_ServeMutualTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, clients := newTestCA(t, "ca"), newTestCA(t, "clients")
	writeTLS(t, dir, ca, clients)
	r := serve(t, dir, tlsConfiguration)
	for _, tt := range []struct {
		name string
		cfg  *tls.Config
		ok   bool
	}{
		{"admitted", ca.client(clients, "envoy.test"), true},
		{"other name", ca.client(clients, "else.test"), false},
		{"no certificate", ca.client(nil), false},
		{"other ca", ca.client(ca, "envoy.test"), false},
	} {
		conn := r.dial(grpc.WithTransportCredentials(credentials.NewTLS(tt.cfg)))
		code, err := check(t.Context(), conn, "/x", "authorization", "Bearer "+goodToken)
		if (err == nil) != tt.ok || tt.ok && code != 200 {
			t.Errorf("%s: %d, %v", tt.name, code, err)
		}
		if !tt.ok {
			r.wait("tls handshake refused")
		}
	}
	if _, err := check(t.Context(), r.dial(), "/x"); err == nil {
		t.Error("answers without TLS")
	}

	// Who may ask follows a reload.
	r.configure(strings.Replace(tlsConfiguration, "[envoy.test]", "[else.test]", 1))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	conn := r.dial(grpc.WithTransportCredentials(credentials.NewTLS(ca.client(clients, "envoy.test"))))
	if _, err := check(t.Context(), conn, "/x"); err == nil {
		t.Error("a principal that is not admitted any more gets a decision")
	}
}

func TestSEC_Q03_ServeRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, next := newTestCA(t, "old"), newTestCA(t, "next")
	writeTLS(t, dir, old, old)
	r := serve(t, dir, tlsConfiguration)
	ask := func(ca *testCA) error {
		conn := r.dial(grpc.WithTransportCredentials(credentials.NewTLS(ca.client(ca, "envoy.test"))))
		defer conn.Close()
		_, err := check(t.Context(), conn, "/x")
		return err
	}
	if err := ask(old); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	r.tick()
	r.wait("tls files not usable")
	if err := ask(old); err != nil {
		t.Errorf("with a bad file: %v", err)
	}
	for _, trigger := range []func(){r.tick, func() { r.signal(syscall.SIGHUP) }} {
		old, next = next, old
		writeTLS(t, dir, old, old)
		trigger()
		r.wait("tls files reloaded")
		if err := ask(old); err != nil {
			t.Errorf("new pair: %v", err)
		}
		if err := ask(next); err == nil {
			t.Error("a client of the replaced CA gets a decision")
		}
	}
}

// TestSEC_Q03_OpenConnectionsFollow: a connection that was made before does not
// outlive what it was admitted by; one that still is stays.
func TestSEC_Q03_OpenConnectionsFollow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, clients := newTestCA(t, "ca"), newTestCA(t, "clients")
	writeTLS(t, dir, ca, clients)
	both := strings.Replace(tlsConfiguration, "[envoy.test]", "[envoy.test, other.test]", 1)
	r := serve(t, dir, both)
	// connect returns a call over one connection, which is not made again.
	connect := func(name string) func() error {
		var dials atomic.Int32
		conn, err := grpc.NewClient("passthrough:///127.0.0.1",
			grpc.WithTransportCredentials(credentials.NewTLS(ca.client(clients, name))),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				if dials.Add(1) > 1 {
					return nil, errors.New("the connection was ended")
				}
				return dial(ctx, r.grpc)
			}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		call := func() error { _, err := check(t.Context(), conn, "/x"); return err }
		if err := call(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return call
	}
	stays, goes := connect("envoy.test"), connect("other.test")
	r.configure(tlsConfiguration) // without other.test
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	if err := goes(); err == nil {
		t.Error("a principal that is not admitted any more goes on asking")
	}
	if err := stays(); err != nil {
		t.Errorf("one that is admitted: %v", err)
	}
	writeTLS(t, dir, ca, newTestCA(t, "new clients"))
	r.tick()
	r.wait("tls files reloaded")
	r.wait("not admitted any longer")
	if err := stays(); err == nil {
		t.Error("a client of the replaced CA goes on asking")
	}
}
