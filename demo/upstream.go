package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
)

//go:embed upstream.html.tmpl
var pageTemplate string

// upstream is the application behind Envoy: it shows what reached it, as JSON or
// as a page, and has a gRPC service that does the same. All of it is on one
// port: HTTP/1.1, and HTTP/2 without TLS.
type upstream struct {
	address string
	server  *http.Server
	grpc    *grpc.Server
	log     *os.File
}

// received is what the application shows of a request.
type received struct {
	Method   string              `json:"method"`
	Path     string              `json:"path"`
	Protocol string              `json:"protocol"`
	Headers  map[string][]string `json:"headers"`
}

func startUpstream(ctx context.Context, logFile string) (*upstream, error) {
	page, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	echo, err := newEchoServer()
	if err != nil {
		log.Close()
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Close()
		return nil, err
	}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	u := &upstream{address: l.Addr().String(), grpc: echo, log: log}
	u.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	u.server.Protocols.SetHTTP1(true)
	u.server.Protocols.SetUnencryptedHTTP2(true)
	u.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := show(r)
		logger.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.Any("received", got))
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			echo.ServeHTTP(w, r)
			return
		}
		answer(w, r, page, got)
	})
	go func() { _ = u.server.Serve(l) }()
	return u, nil
}

// User, Name, Email and Groups are what Gateward says about who is asking.
func (r received) User() string  { return r.header("x-auth-request-user") }
func (r received) Email() string { return r.header("x-auth-request-email") }
func (r received) Groups() string {
	return strings.ReplaceAll(r.header("x-auth-request-groups"), ",", ", ")
}

func (r received) Name() string {
	// Characters beyond letters and digits arrive percent-encoded.
	name, err := url.PathUnescape(r.header("x-auth-request-preferred-username"))
	return cmp.Or(name, r.User(), fmt.Sprint(err))
}

func (r received) header(name string) string { return strings.Join(r.Headers[name], ",") }

func show(r *http.Request) received {
	got := received{r.Method, r.RequestURI, r.Proto, map[string][]string{"host": {r.Host}}}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		got.Headers[name] = append(got.Headers[name], values...)
	}
	return got
}

func answer(w http.ResponseWriter, r *http.Request, page *template.Template, got received) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, got)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(got)
}

func (u *upstream) close() error {
	u.grpc.Stop()
	err := u.server.Close()
	u.log.Close()
	return err
}
