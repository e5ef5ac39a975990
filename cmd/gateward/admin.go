package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"
)

// A phase is where the process stands in its life.
type phase int32

// The phases. Only phaseReady is ready; checks are answered in the last two.
const (
	phaseStarting phase = iota
	phaseReady
	phaseDraining
)

// String returns the phase as /readyz shows it.
func (p phase) String() string {
	switch p {
	case phaseReady:
		return "ready"
	case phaseDraining:
		return "draining"
	case phaseStarting:
	}
	return "starting"
}

// readiness is what /readyz answers.
type readiness struct {
	phase atomic.Int32
	// dependencies returns the state of each thing that checks depend on, by
	// name. A dependency that is down does not make the process unready: what
	// does not need it is answered as ever, and sending everything to a replica
	// with the same trouble would help nobody.
	dependencies func() map[string]string
}

func (r *readiness) set(p phase) { r.phase.Store(int32(p)) }

// ServeHTTP implements [http.Handler].
func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p := phase(r.phase.Load())
	body, err := json.Marshal(struct {
		Status       string            `json:"status"`
		Dependencies map[string]string `json:"dependencies"`
	}{p.String(), r.dependencies()})
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if p != phaseReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// adminLimits are those of the admin listener.
func adminLimits() httpLimits {
	return httpLimits{
		readHeader: 5 * time.Second, read: 10 * time.Second,
		write: 30 * time.Second, // pprof extends it by the length of a profile
		idle:  2 * time.Minute, headerBytes: 16 << 10,
	}
}

// An adminEndpoint serves metrics, health, readiness and profiles.
type adminEndpoint struct {
	listener net.Listener
	server   *http.Server
}

// newAdminEndpoint serves on l. Profiles are only for clients on this host.
func newAdminEndpoint(l net.Listener, metrics http.Handler, ready *readiness, lim httpLimits, logger *slog.Logger) *adminEndpoint {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /readyz", ready)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	// "GET /debug/pprof/" is the index, and finds heap, goroutine and the like.
	mux.Handle("GET /debug/pprof/", localOnly(pprof.Index))
	mux.Handle("GET /debug/pprof/cmdline", localOnly(pprof.Cmdline))
	mux.Handle("GET /debug/pprof/profile", localOnly(pprof.Profile))
	mux.Handle("GET /debug/pprof/symbol", localOnly(pprof.Symbol))
	mux.Handle("POST /debug/pprof/symbol", localOnly(pprof.Symbol))
	mux.Handle("GET /debug/pprof/trace", localOnly(pprof.Trace))
	return &adminEndpoint{listener: l, server: newHTTPServer(mux, lim, logger)}
}

// serve answers until the endpoint is stopped.
func (e *adminEndpoint) serve() error { return serveHTTP(e.server, e.listener) }

// stop ends the endpoint, waiting for answers in flight until ctx ends.
func (e *adminEndpoint) stop(ctx context.Context) {
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close() // a profile that takes longer is not worth waiting for
	}
}

// localOnly hides a handler from other hosts, and from pages in a browser on
// this one: an admin listener that a scraper reaches must not hand out profiles
// to everyone who does. Whatever came through a proxy counts as another host,
// and so does a request for a name that is not this machine's (DNS rebinding).
func localOnly(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "Origin"} {
			if r.Header.Get(name) != "" {
				host = ""
			}
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
			host = ""
		}
		peer, _, err := net.SplitHostPort(r.RemoteAddr)
		if !isLoopback(host) || err == nil && !isLoopback(peer) {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	})
}

// isLoopback reports whether host names this machine and no other.
func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
