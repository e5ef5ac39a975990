package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// httpLimits bound what a client of a listener for HTTP can hold on to.
type httpLimits struct {
	readHeader, read, write, idle time.Duration
	headerBytes                   int
}

// newHTTPServer returns a server with these limits. What its connections suffer is
// logged for who looks for it.
func newHTTPServer(handler http.Handler, lim httpLimits, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: lim.readHeader,
		ReadTimeout:       lim.read,
		WriteTimeout:      lim.write,
		IdleTimeout:       lim.idle,
		MaxHeaderBytes:    lim.headerBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// serveHTTP answers on l until the server is stopped.
func serveHTTP(server *http.Server, l net.Listener) error {
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// loginLimits are those of the login service.
func loginLimits() httpLimits {
	return httpLimits{
		readHeader: 5 * time.Second, read: 10 * time.Second,
		write: 30 * time.Second, // a provider that takes its time to exchange a code
		// Longer than Envoy keeps a connection that nobody uses: who closes first
		// may close on a request.
		idle: 2 * time.Hour, headerBytes: 64 << 10,
	}
}

// An httpEndpoint serves the login service.
type httpEndpoint struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
}

// newHTTPEndpoint serves handler on l, over TLS unless tlsConfig is nil.
func newHTTPEndpoint(l net.Listener, tlsConfig *tls.Config, handler http.Handler, lim httpLimits, logger *slog.Logger) *httpEndpoint {
	e := &httpEndpoint{listener: l}
	e.swap(handler)
	if tlsConfig != nil {
		e.listener = tls.NewListener(l, tlsConfig)
	}
	e.server = newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*e.handler.Load()).ServeHTTP(w, r)
	}), lim, logger)
	return e
}

// swap makes handler answer the requests to come.
func (e *httpEndpoint) swap(handler http.Handler) { e.handler.Store(&handler) }

// serve answers until the endpoint is stopped.
func (e *httpEndpoint) serve() error { return serveHTTP(e.server, e.listener) }

// stop ends the endpoint, waiting for answers in flight until ctx ends, and
// reports whether all of them were given.
func (e *httpEndpoint) stop(ctx context.Context) bool {
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close() // nobody waits any longer
		return false
	}
	return true
}
