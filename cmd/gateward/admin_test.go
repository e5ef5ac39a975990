package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/config"
)

func testAdmin(t *testing.T, lim httpLimits) *adminEndpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := &readiness{dependencies: new(dependencies).snapshot}
	e := newAdminEndpoint(l, http.NotFoundHandler(), ready, lim, quiet())
	t.Cleanup(func() { e.server.Close() })
	go e.serve()
	return e
}

func TestSEC_L11_SlowClientsAreClosed(t *testing.T) {
	t.Parallel()
	if d := adminLimits(); d.readHeader <= 0 || d.read <= 0 || d.write <= 0 || d.idle <= 0 || d.headerBytes <= 0 {
		t.Errorf("unlimited by default: %+v", d)
	}
	lim := adminLimits()
	lim.readHeader, lim.read, lim.idle = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	e := testAdmin(t, lim)
	for name, request := range map[string]string{
		"silent":       "",
		"slow headers": "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
		"idle":         "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", e.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not closed: %v", err)
			}
		})
	}
}

func TestSEC_L11_LargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	e := testAdmin(t, adminLimits())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.listener.Addr().String()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-A", strings.Repeat("a", 64<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // closed while the client was still writing
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s, want 431", res.Status)
	}
}

func TestSEC_P01_AdminIsNotPublic(t *testing.T) {
	t.Parallel()
	if a := config.Default().Server.Admin.Address; !hasLoopback(t, a) {
		t.Errorf("default admin address %q is not of this host only", a)
	}
	e := testAdmin(t, adminLimits())
	for path, want := range map[string]map[string]int{
		"/debug/pprof/":        {"127.0.0.1:1": 200, "[::1]:1": 200, "10.0.0.7:1": 404, "[2001:db8::1]:1": 404},
		"/debug/pprof/heap":    {"127.0.0.1:1": 200, "10.0.0.7:1": 404},
		"/debug/pprof/cmdline": {"127.0.0.1:1": 200, "10.0.0.7:1": 404},
		"/debug/pprof/symbol":  {"127.0.0.1:1": 200, "10.0.0.7:1": 404},
		"/debug/pprof/profile": {"10.0.0.7:1": 404},
		"/debug/pprof/trace":   {"10.0.0.7:1": 404},
		"/healthz":             {"127.0.0.1:1": 200, "10.0.0.7:1": 200},
		"/readyz":              {"10.0.0.7:1": 503}, // nobody has said that it is ready
	} {
		for peer, code := range want {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr, r.Host = peer, "127.0.0.1:9091"
			w := httptest.NewRecorder()
			e.server.Handler.ServeHTTP(w, r)
			if w.Code != code {
				t.Errorf("%s from %s: %d, want %d", path, peer, w.Code, code)
			}
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		e.server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}

// TestSEC_P01_ProfilesAreNotForPages: neither a page in a browser on this host
// nor what a proxy on it passes on gets a profile.
func TestSEC_P01_ProfilesAreNotForPages(t *testing.T) {
	t.Parallel()
	e := testAdmin(t, adminLimits())
	get := func(host, name, value string) int {
		r := httptest.NewRequest(http.MethodGet, "/debug/pprof/cmdline", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:4711", host
		if name != "" {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		e.server.Handler.ServeHTTP(w, r)
		return w.Code
	}
	for _, host := range []string{"127.0.0.1:9091", "localhost:9091", "localhost", "[::1]:9091"} {
		if code := get(host, "", ""); code != http.StatusOK {
			t.Errorf("%s: %d", host, code)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:9091", "127.0.0.1.evil.example", ""} {
		if code := get(host, "", ""); code != http.StatusNotFound {
			t.Errorf("%q: %d", host, code)
		}
	}
	for name, value := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "Via": "1.1 proxy", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site",
	} {
		if code := get("127.0.0.1:9091", name, value); code != http.StatusNotFound {
			t.Errorf("%s: %d", name, code)
		}
	}
}

func hasLoopback(t *testing.T, address string) bool {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// A profile takes longer than any other answer may.
func TestProfileOutlivesWriteTimeout(t *testing.T) {
	t.Parallel()
	lim := adminLimits()
	lim.write = 300 * time.Millisecond
	e := testAdmin(t, lim)
	res, err := http.Get("http://" + e.listener.Addr().String() + "/debug/pprof/trace?seconds=0.6")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", res.Status, err)
	}
}
