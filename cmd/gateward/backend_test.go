package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// storedIn returns loginConfiguration with another store.
func storedIn(p *oidctest.Provider, storage string) string {
	return strings.Replace(loginAt(p), "storage: {type: memory}", "storage: "+storage, 1)
}

// refusedStart runs serve with a configuration that it cannot start with, and
// returns what it says.
func refusedStart(t *testing.T, dir, yaml string) string {
	t.Helper()
	path := filepath.Join(dir, "gateward.yaml")
	write(t, path, strings.ReplaceAll(yaml, "DIR", dir))
	out := newOutput()
	p := &program{stdout: out, stderr: out, now: time.Now, signals: make(chan os.Signal), poll: make(chan time.Time), after: time.After}
	if code := p.run(t.Context(), []string{"serve", "--config", path}); code != exitError {
		t.Errorf("exit code %d", code)
	}
	return out.String()
}

func TestStoreProblemsAtStart(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	locked := filepath.Join(t.TempDir(), "sessions.db")
	first := serve(t, t.TempDir(), storedIn(provider, "{type: file, file: {path: "+locked+"}}"))
	first.person().logIn()
	garbage := filepath.Join(t.TempDir(), "garbage.db")
	write(t, garbage, strings.Repeat("no session file", 1000))
	for name, tt := range map[string]struct{ storage, want string }{
		"locked": {
			"{type: file, file: {path: " + locked + "}}",
			`storage.file.path: names a file that another process has open; end that process, give each replica a path of its own, or set .*storage.type to redis`,
		},
		"no directory": {
			"{type: file, file: {path: /dev/null/sessions.db}}",
			`storage.file.path: cannot be used: .*/dev/null.*; check the path and its permissions`,
		},
		"damaged": {
			"{type: file, file: {path: " + garbage + "}}",
			`storage.file.path: cannot be used: .*garbage.db is damaged or not a session file.*; check`,
		},
		"redis": {
			`{type: redis, redis: {require_tls: true, ca_cert_bytes: "no certificate", cert_path: DIR/gateward.yaml, key_path: DIR/gateward.yaml}}`,
			`(?s)storage.redis.ca_cert_bytes: there is no certificate in it; .*gateward.yaml:10:[0-9]+: .*storage.redis.cert_path: .* are no pair`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refusedStart(t, t.TempDir(), storedIn(provider, tt.storage))
			if !regexp.MustCompile(`gateward: \S+/gateward\.yaml:10:\d+: authentication.session.` + tt.want).MatchString(got) {
				t.Errorf("got %s\nwant a position, and %s", got, tt.want)
			}
		})
	}
}

func TestReloadRefusesStoreThatCannotStart(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	r := serve(t, t.TempDir(), loginAt(provider))
	r.configure(storedIn(provider, `{type: redis, redis: {require_tls: true, ca_cert_bytes: "no certificate"}}`))
	r.tick()
	if line := r.wait("ca_cert_bytes"); !strings.Contains(line, "gateward.yaml:10:") {
		t.Error(line)
	}
	r.wait("the previous one stays in use")
}

func TestServeRedis(t *testing.T) {
	t.Parallel()
	store := miniredis.RunT(t)
	r := serve(t, t.TempDir(), storedIn(oidctest.Start(t), `{type: redis, redis: {addresses: ["`+store.Addr()+`"]}}`))
	conn := r.dial()
	cookie, unseen := r.person().logIn(), r.person().logIn()
	wantCheck(t, conn, 200, "cookie", cookie)
	if _, body := r.get("/readyz"); !strings.Contains(body, `"redis":"ok"`) {
		t.Errorf("readyz: %s", body)
	}
	r.wantMetrics(`gateward_sessions_active{method="oidc"} 2`,
		`gateward_session_store_operations_total{operation="create",result="success",store="redis"} 2`)

	store.Close()
	wantCheck(t, conn, 503, "cookie", unseen) // which no cache knows
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	if code, body := r.get("/readyz"); code != http.StatusOK || !strings.Contains(body, `"redis":"unavailable"`) {
		t.Errorf("readyz without Redis: %d %s", code, body)
	}
	if _, body := r.get("/metrics"); strings.Contains(body, "gateward_sessions_active{") || !strings.Contains(body, "gateward_checks_total{") {
		t.Errorf("metrics without Redis:\n%s", body)
	}
}

// TestScrapeWithoutAnswers: metrics are there although Redis takes every
// connection and answers nothing, and its timeout is longer than a scrape's.
func TestScrapeWithoutAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	r := serve(t, t.TempDir(), storedIn(oidctest.Start(t), `{type: redis, redis: {net_timeout: 3s, addresses: ["`+l.Addr().String()+`"]}}`))
	client := http.Client{Timeout: patience}
	for range 2 { // one of them finds connections that are stuck
		res, err := client.Get("http://" + r.http + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "gateward_build_info{") {
			t.Errorf("%s, %v\n%s", res.Status, err, body)
		}
	}
	if _, body := r.get("/metrics"); !strings.Contains(body, `{operation="count",result="error",store="redis"}`) {
		t.Errorf("the store was not asked, or answered:\n%s", body)
	}
}

// TestValidateIsOffline_Stores: no store is opened, connected to or made.
func TestValidateIsOffline_Stores(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{})
	go func() {
		defer close(connected)
		if c, err := l.Accept(); err == nil {
			c.Close()
			t.Error("Redis was connected to")
		}
	}()
	dir := t.TempDir()
	redis := func(more string) string {
		return `{type: redis, redis: {min_idle_conn: 3, addresses: ["` + l.Addr().String() + `"]` + more + `}}`
	}
	for name, storage := range map[string]string{
		"file":     "{type: file, file: {path: " + dir + "/below/sessions.db}}",
		"single":   redis(""),
		"cluster":  redis(", mode: cluster"),
		"sentinel": redis(", mode: sentinel, master_name: m"),
	} {
		path := filepath.Join(t.TempDir(), "gateward.yaml")
		write(t, path, storedIn(provider, storage))
		if code, _, errs := invoke(nil, "validate", "--config", path); code != 0 {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) != 0 {
		t.Errorf("made %v, %v", made, err)
	}
	l.Close()
	<-connected
	if n := provider.Requests(oidctest.Discovery); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}
