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

// httpLimits bound what a client of the login service can hold on to.
type httpLimits struct {
	readHeader, read, write, idle time.Duration
	headerBytes                   int
}

func defaultHTTPLimits() httpLimits {
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
	e.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			(*e.handler.Load()).ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: lim.readHeader,
		ReadTimeout:       lim.read,
		WriteTimeout:      lim.write,
		IdleTimeout:       lim.idle,
		MaxHeaderBytes:    lim.headerBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return e
}

// swap makes handler answer the requests to come.
func (e *httpEndpoint) swap(handler http.Handler) { e.handler.Store(&handler) }

// serve answers until the endpoint is stopped.
func (e *httpEndpoint) serve() error {
	if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stop ends the endpoint, waiting for answers in flight until ctx ends, and
// reports whether all of them were given.
func (e *httpEndpoint) stop(ctx context.Context) bool {
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close() // nobody waits any longer
		return false
	}
	return true
}
