package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/config"
)

const (
	// pollInterval is how often files are looked at for changes.
	pollInterval = 5 * time.Second
	// retirement is how long checks that began before a reload may still use
	// what it replaced: longer than any deadline that Envoy sets in practice.
	retirement = 10 * time.Second
	// adminGrace is how long requests to the admin listener may take at the end.
	adminGrace = time.Second
)

// A server is a running Gateward.
type server struct {
	*surroundings
	logs    *lineQueue
	options config.Options
	level   *slog.LevelVar
	after   func(time.Duration) <-chan time.Time

	stack   *stack
	seen    [sha256.Size]byte // the contents of stack.watched, when last looked at
	refused string            // why the configuration on disk is not the one in use, or ""
	// replaced are the stacks before it that are still in use.
	replaced retirements
	service  *extauthz.Service

	certificates *certificates // nil without TLS, as is loginTLS
	loginTLS     *certificates
	grpc         *grpcEndpoint // nil if not asked for, as are http and admin
	http         *httpEndpoint
	admin        *adminEndpoint
	ready        readiness
	failed       chan error
	// lifetime is the context of background work: it ends with the process and
	// not with the signal that begins its end.
	lifetime context.Context //nolint:containedctx // see above
	end      context.CancelFunc
	// unsubscribe ends the hearing of revocations.
	unsubscribe func()
	closed      sync.Once
}

// close ends what goes on in the background. Closing twice is harmless.
func (s *server) close() {
	s.closed.Do(func() {
		s.end()
		if s.unsubscribe != nil {
			s.unsubscribe()
		}
		if s.backend == nil {
			return
		}
		if err := s.backend.Close(); err != nil {
			s.logger.LogAttrs(s.lifetime, slog.LevelError, "session store did not close properly", slog.Any("err", err))
		}
	})
}

// listenerNames are what --listen accepts.
func listenerNames() []string { return []string{"grpc", "http", "admin"} }

// open binds and serves the listeners that are named.
func (s *server) open(ctx context.Context, names []string) error {
	c := &s.stack.file.Config.Server
	if slices.Equal(names, []string{"http"}) && c.HTTP.Address == "" {
		return errors.New("nothing to serve: --listen names http alone, and server.http.address is empty; set it")
	}
	s.failed = make(chan error, len(names))
	s.ready.dependencies = s.dependencies.snapshot
	if slices.Contains(names, "grpc") {
		if err := s.openGRPC(ctx, &c.GRPC); err != nil {
			return err
		}
	}
	if slices.Contains(names, "http") && c.HTTP.Address != "" {
		if err := s.openHTTP(ctx, &c.HTTP); err != nil {
			return errors.Join(err, s.unlisten())
		}
	}
	if slices.Contains(names, "admin") {
		l, err := listen(ctx, c.Admin.Address)
		if err != nil {
			return errors.Join(fmt.Errorf("server.admin.address: %w", err), s.unlisten())
		}
		s.admin = newAdminEndpoint(l, s.metrics.Handler(s.logger), &s.ready, adminLimits(), s.logger)
		go func() { s.failed <- s.admin.serve() }()
	}
	if s.grpc != nil {
		go func() { s.failed <- s.grpc.serve() }()
	}
	if s.http != nil {
		go func() { s.failed <- s.http.serve() }()
	}
	s.ready.set(phaseReady)
	return nil
}

// unlisten closes what was opened before something went wrong.
func (s *server) unlisten() error {
	var errs []error
	if s.grpc != nil {
		errs = append(errs, s.grpc.listener.Close())
	}
	if s.http != nil {
		errs = append(errs, s.http.listener.Close())
	}
	return errors.Join(errs...)
}

func (s *server) openHTTP(ctx context.Context, c *config.HTTP) error {
	var tlsConfig *tls.Config
	if c.TLS.CertFile != "" {
		var err error
		s.loginTLS, err = newCertificates(loginTLSFiles(&c.TLS), nil, s.logger)
		if err != nil {
			return config.Problems(s.stack.file.Place(err, loginTLSBlock))
		}
		tlsConfig = s.loginTLS.config()
	}
	l, err := listen(ctx, c.Address)
	if err != nil {
		return fmt.Errorf("server.http.address: %w", err)
	}
	s.http = newHTTPEndpoint(l, tlsConfig, s.stack.login, loginLimits(), s.logger)
	return nil
}

func (s *server) openGRPC(ctx context.Context, c *config.GRPC) error {
	var tlsConfig *tls.Config
	if c.TLS.CertFile != "" {
		var err error
		s.certificates, err = newCertificates(tlsFilesOf(&c.TLS), c.TLS.AllowedPrincipals, s.logger)
		if err != nil {
			return config.Problems(s.stack.file.Place(err, "server.grpc.tls"))
		}
		tlsConfig = s.certificates.config()
	}
	l, err := listen(ctx, c.Address)
	if err != nil {
		return fmt.Errorf("server.grpc.address: %w", err)
	}
	s.grpc = newGRPCEndpoint(s.lifetime, l, tlsConfig, s.service, s.logger) //nolint:contextcheck // checks are answered after the signal that ends ctx
	return nil
}

// announce logs the one line of a start.
func (s *server) announce(ctx context.Context) {
	for _, w := range s.stack.file.Warnings {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "configuration warning", problemAttrs(w)...)
	}
	attrs := []slog.Attr{
		slog.String("version", buildInfo().Version),
		slog.String("config", s.stack.file.Path),
		slog.Int("rules", len(s.stack.file.Config.Rules)),
		slog.String("methods", strings.Join(s.stack.methods, " ")),
	}
	if s.grpc != nil {
		attrs = append(attrs, slog.String("grpc_address", displayAddress(s.grpc.listener)),
			slog.Bool("tls", s.certificates != nil))
	}
	if s.http != nil {
		attrs = append(attrs, slog.String("http_address", displayAddress(s.http.listener)))
	}
	if s.admin != nil {
		attrs = append(attrs, slog.String("admin_address", displayAddress(s.admin.listener)))
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "gateward started", attrs...)
}

func problemAttrs(p config.Problem) []slog.Attr {
	return []slog.Attr{
		slog.String("position", p.Position.String()), slog.String("key", p.Key),
		slog.String("problem", p.Problem), slog.String("remedy", p.Remedy),
	}
}

// run serves until a signal, the end of ctx or a listener's failure, and then
// shuts down. poll says when to look for changed files.
func (s *server) run(ctx context.Context, signals <-chan os.Signal, poll <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return s.shutdown(ctx, signals)
		case err := <-s.failed:
			s.stop(ctx)
			return fmt.Errorf("listener ended: %w", err)
		case <-poll:
			s.look(ctx)
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				return s.shutdown(ctx, signals)
			}
			s.refreshCertificates(ctx)
			s.reload(ctx)
		}
	}
}

// shutdown takes the server out of service without failing a check: first the
// health checks fail and checks are answered as before, so that Envoy turns to
// other replicas by itself; then connections are told to go away. A second
// signal cuts it short.
func (s *server) shutdown(ctx context.Context, signals <-chan os.Signal) error {
	c := &s.stack.file.Config.Server
	ctx = context.WithoutCancel(ctx)
	grace, cancel := context.WithTimeout(ctx, c.ShutdownGrace)
	defer cancel()
	s.ready.set(phaseDraining)
	if s.grpc != nil {
		s.grpc.health.Shutdown()
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "draining", slog.Duration("drain_delay_s", c.DrainDelay),
		slog.Duration("shutdown_grace_s", c.ShutdownGrace))
	go cancelOnSignal(grace, cancel, signals)

	if s.grpc != nil || s.http != nil {
		select {
		case <-s.after(c.DrainDelay):
		case <-grace.Done():
		}
	}
	// Checks first: a page that is being made asks for none.
	clean := s.grpc == nil || s.grpc.stop(grace)
	clean = (s.http == nil || s.http.stop(grace)) && clean
	s.stop(ctx)
	if !clean {
		return errors.New("stopped before every request was answered; raise server.shutdown_grace if nobody asked for that")
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return nil
}

// cancelOnSignal waits for a signal that is impatient.
func cancelOnSignal(ctx context.Context, cancel context.CancelFunc, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				cancel()
				return
			}
		}
	}
}

// stop ends everything at once, the admin listener last.
func (s *server) stop(ctx context.Context) {
	if s.grpc != nil {
		s.grpc.server.Stop()
	}
	if s.http != nil {
		_ = s.http.server.Close() // stopped before, unless something else ended us
	}
	// Before the store is closed: sessions may be on their way to it.
	s.replaced.end(func() { s.stack.retire(nil) })
	s.close()
	if s.admin != nil {
		ctx, cancel := context.WithTimeout(ctx, adminGrace)
		defer cancel()
		s.admin.stop(ctx)
	}
}
