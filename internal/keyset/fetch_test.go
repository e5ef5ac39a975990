package keyset_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

// fetched returns how a source at a real address does, and what it logs.
func fetched(t *testing.T, c keyset.RemoteConfig) (log string, err error) {
	t.Helper()
	var b lockedBuffer
	c.Algorithms, c.Now, c.Logger = keyset.Algorithms(), time.Now, slog.New(slog.NewJSONHandler(&b, nil))
	r, err := keyset.NewRemote(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Verify(t.Context(), parse(t, ecKeys()[0].Token(t, claims)))
	r.Close() // the log line is written by then
	return b.String(), err
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestSEC_C13_Fetch(t *testing.T) {
	t.Parallel()
	k := ecKeys()
	good := document(t, k[0])
	evil := serve(t, handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) }))
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = k[0].JWK(map[string]any{"kid": i})
	}
	answer := func(document []byte) handler {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) }
	}
	for name, tc := range map[string]struct {
		handler handler
		log     string // "" if the fetch is fine
	}{
		"fine": {func(w http.ResponseWriter, r *http.Request) {
			if r.UserAgent() != "gateward" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
				t.Errorf("request %s %v", r.Method, r.Header)
			}
			w.Header().Set("Content-Type", "text/html") // as some send it
			_, _ = w.Write(good)
		}, ""},
		"unknown members": {answer(bytes.Replace(good, []byte("{"), []byte(`{"x":{"y":1},`), 1)), ""},
		"redirect within the host": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				http.Redirect(w, r, "/moved", http.StatusFound)
				return
			}
			_, _ = w.Write(good)
		}, ""},
		"redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, evil.URL+"/jwks", http.StatusFound)
		}, "another host"},
		"redirect to another scheme": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.Host+"/jwks", http.StatusFound)
		}, "another host"},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, "too many redirects"},
		"huge body": {func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "more than 1048576 bytes"},
		"huge header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
			_, _ = w.Write(good)
		}, "keyset: get"},
		"status 500": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(good)
		}, "status 500"},
		"status 201":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); _, _ = w.Write(good) }, "status 201"},
		"101 keys":        {answer(keysettest.Document(t, many...)), "101 keys"},
		"HTML":            {answer([]byte("<html>")), "parse key set"},
		"a bare JWK":      {answer(mustJSON(t, k[0].JWK(nil))), "no array named keys"},
		"KEYS":            {answer(bytes.Replace(good, []byte(`"keys"`), []byte(`"KEYS"`), 1)), "no array named keys"},
		"keys null":       {answer([]byte(`{"keys":null}`)), "no array named keys"},
		"keys twice":      {answer([]byte(`{"keys":[],"keys":[]}`)), "repeated member"},
		"member twice":    {answer(bytes.Replace(good, []byte(`"use":`), []byte(`"kid":"a","use":`), 1)), "repeated member"},
		"trailing":        {answer(append(bytes.Clone(good), "{}"...)), "parse key set"},
		"hijacked answer": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "keyset: get"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := fetched(t, keyset.RemoteConfig{URL: serve(t, tc.handler).URL + "/jwks?key=canary"})
			if tc.log == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, log)
				}
				return
			}
			if !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, gateward.ErrInvalidCredential) {
				t.Errorf("error %v, want %v", err, gateward.ErrUnavailable)
			}
			if !strings.Contains(log, tc.log) || strings.Contains(log, "canary") {
				t.Errorf("log %s, want %q and no query", log, tc.log)
			}
		})
	}
}

func TestSEC_C13_BrokenAnswerKeepsKeys(t *testing.T) {
	t.Parallel()
	k, e := ecKeys(), &keysettest.Endpoint{}
	e.Serve(document(t, k[0]))
	r := remote(t, e)
	want(t, r, k[0], nil)
	e.Serve([]byte("<html>"))
	want(t, r, k[1], gateward.ErrUnavailable)
	want(t, r, k[0], nil)
	wantFetches(t, e, 2)
}

func TestSEC_C14_EmptySetTrustsNothing(t *testing.T) {
	t.Parallel()
	k, e := ecKeys(), &keysettest.Endpoint{}
	e.Serve(keysettest.Document(t))
	r := remote(t, e)
	want(t, r, k[0], gateward.ErrInvalidCredential)
}

// A body that trickles is cut off by the fetch's own deadline, and meanwhile
// nobody waits longer than they want to.
func TestSEC_C13_SlowBody(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := serve(t, handler(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	r, err := keyset.NewRemote(t.Context(), keyset.RemoteConfig{
		URL: s.URL, Algorithms: keyset.Algorithms(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Verify(ctx, parse(t, ecKeys()[0].Token(t, claims))); !errors.Is(err, gateward.ErrUnavailable) {
		t.Errorf("slow body: %v", err)
	}
	r.Close()
	<-gone
}

func TestSEC_C13_Addresses(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://issuer.test/jwks?p=1": true, "https://127.0.0.1/": true, "HTTPS://issuer.test": true,
		"http://127.0.0.1:1/": true, "http://[::1]:1/": true, "http://localhost:1/": true, "http://LOCALHOST/": true,
		"http://issuer.test/": false, "http://10.0.0.1/": false, "http://localhost.evil.test/": false, "http://127.0.0.1.evil.test/": false,
		"ftp:foo": false, "https:foo": false, "https://": false, "//issuer.test/": false, "/jwks": false, "": false,
		"https://user:canary@issuer.test/": false, "https://issuer.test/#f": false, "file:///etc/passwd": false, "https://issuer.test/%zz": false,
	} {
		r, err := keyset.NewRemote(t.Context(), keyset.RemoteConfig{
			URL: address, Algorithms: keyset.Algorithms(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		if (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
		if err == nil {
			r.Close()
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("error holds user information: %v", err)
		}
	}
}

func TestSEC_Q04_ServerIsVerified(t *testing.T) {
	t.Parallel()
	k := ecKeys()
	s := httptest.NewUnstartedServer(handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document(t, k[0])) }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	if log, err := fetched(t, keyset.RemoteConfig{URL: s.URL}); !errors.Is(err, gateward.ErrUnavailable) || !strings.Contains(log, "certificate") {
		t.Errorf("unknown authority: %v, %s", err, log)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if log, err := fetched(t, keyset.RemoteConfig{URL: s.URL, RootCAs: pool}); err != nil {
		t.Errorf("own authority: %v, %s", err, log)
	}
}

func TestSEC_Q08_LinkLocalIsRefused(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"169.254.169.254", "169.254.0.1", "[fe80::1]", "[febf::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]",
	} {
		log, err := fetched(t, keyset.RemoteConfig{URL: "https://" + host + "/jwks"})
		if !errors.Is(err, gateward.ErrUnavailable) || !strings.Contains(log, "link-local or metadata address") {
			t.Errorf("%s: %v, %s", host, err, log)
		}
	}
}

// No variable of the environment sends a fetch elsewhere.
func TestSEC_Q08_NoProxyFromEnvironment(t *testing.T) {
	proxy := serve(t, handler(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("https_proxy", proxy.URL)
	t.Setenv("HTTP_PROXY", proxy.URL)
	if _, err := fetched(t, keyset.RemoteConfig{URL: "https://169.254.169.254/jwks"}); !errors.Is(err, gateward.ErrUnavailable) {
		t.Error(err)
	}
}

type handler func(http.ResponseWriter, *http.Request)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h(w, r) }
