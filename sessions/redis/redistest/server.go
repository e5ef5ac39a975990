// Package redistest runs real Redis servers for tests: single ones, ones that
// sentinels watch over, and clusters, and a proxy that can fail in between. It
// is for tests only.
package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"syscall"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// Options are how a server is started.
type Options struct {
	// Port is 0 for a free one.
	Port int
	// TLS: the server speaks nothing else, and asks for a certificate.
	TLS *Certificates
	// Password is that of the default user. With Username there is no default
	// user, but one of this name with these rules of ACL SETUSER.
	Username, Password string
	Rules              []string
	// AppendOnly: what was acknowledged survives Kill. Otherwise nothing does.
	AppendOnly bool
	// More are further arguments of redis-server, such as "--maxmemory", "1mb".
	More []string
}

// A Server is a redis-server on 127.0.0.1. It ends with its test.
type Server struct {
	// Addr is its host:port. It stays the same when the server is restarted.
	Addr string

	tb      testing.TB
	options Options
	dir     string
	args    []string
	process *process
}

// quiet takes what the client would write to standard error while a server is
// not there yet.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// Start runs a server, and waits until it answers.
func Start(tb testing.TB, options ...Options) *Server {
	tb.Helper()
	goredis.SetLogger(quiet{})
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	if o.Port == 0 {
		o.Port = freePort(tb)
	}
	s := &Server{Addr: address(o.Port), tb: tb, options: o, dir: tb.TempDir()}
	s.args = args("--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", yes(o.AppendOnly), "--appendfsync", "always")
	if o.TLS == nil {
		s.args = append(s.args, args("--port", o.Port)...)
	} else {
		s.args = append(s.args, args("--port", 0, "--tls-port", o.Port, "--tls-auth-clients", "yes",
			"--tls-cert-file", o.TLS.ServerCert, "--tls-key-file", o.TLS.ServerKey, "--tls-ca-cert-file", o.TLS.CA)...)
	}
	switch {
	case o.Username != "":
		s.args = append(s.args, "--user", "default", "off", "--user", o.Username, "on", ">"+o.Password)
		s.args = append(s.args, o.Rules...)
	case o.Password != "":
		s.args = append(s.args, "--requirepass", o.Password)
	}
	s.args = append(s.args, o.More...)
	s.run()
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *Server) run() {
	s.tb.Helper()
	s.process = startProcess(s.tb, s.dir, s.args...)
	client := s.Client()
	defer client.Close()
	eventually(s.tb, "redis-server at "+s.Addr, func(ctx context.Context) error {
		select {
		case <-s.process.done:
			s.tb.Fatal("redistest: redis-server has ended")
		default:
		}
		var answer goredis.Error
		err := client.Ping(ctx).Err()
		if errors.As(err, &answer) && !goredis.HasErrorPrefix(err, "LOADING") {
			return nil
		}
		return err
	})
}

// Stop ends the server in good order.
func (s *Server) Stop() { s.process.signal(syscall.SIGTERM) }

// Kill ends the server at once.
func (s *Server) Kill() { s.process.signal(syscall.SIGKILL) }

// Restart runs the server again on its port, after Stop or Kill, or kills it
// first.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	s.run()
}

// Pause stops the server without closing its connections, until Resume.
func (s *Server) Pause() { _ = s.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { _ = s.process.cmd.Process.Signal(syscall.SIGCONT) }

// Client returns one that may do whatever the server's user may. The caller
// closes it.
func (s *Server) Client() *goredis.Client {
	o := &goredis.Options{
		Addr: s.Addr, Username: s.options.Username, Password: s.options.Password, Protocol: 2,
		DisableIdentity: true, DialerRetries: 1,
	}
	if s.options.TLS != nil {
		o.TLSConfig = s.options.TLS.clientConfig(s.tb)
	}
	return goredis.NewClient(o)
}

// clientConfig is that of a client which shows its certificate.
func (c *Certificates) clientConfig(tb testing.TB) *tls.Config {
	pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.pool, Certificates: []tls.Certificate{pair}}
}

// node starts a server that is part of something larger.
func node(tb testing.TB, more ...string) *Server {
	tb.Helper()
	// A replica that connects is not kept waiting for others.
	return Start(tb, Options{More: append(more, "--repl-diskless-sync-delay", "0")})
}

func (s *Server) port() string { return s.Addr[strings.LastIndexByte(s.Addr, ':')+1:] }
