package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const loginConfiguration = `
server:
  public_url: http://app.test
  grpc: {address: "127.0.0.1:0"}
  http: {address: "127.0.0.1:0"}
  admin: {address: "127.0.0.1:0"}
log: {level: debug}
pages: {name: First}
authentication:
  session: {domain: app.test, storage: {type: memory}}
  methods:
    token: {enabled: true, storage: {tokens: {ci: {credential: ` + goodToken + `}}}}
    oidc: {enabled: true, providers: {PROVIDERS}}
`

// loginAt returns loginConfiguration with p as its only provider, "test".
func loginAt(p *oidctest.Provider) string {
	return strings.Replace(loginConfiguration, "PROVIDERS", `test: {issuer_url: "`+p.Issuer+`", client_id: "`+p.ClientID+
		`", client_secret: "`+p.ClientSecret+`", redirect_address: "http://app.test"}`, 1)
}

// A person has a browser, which reaches the login service under app.test and
// stops where the login service does not send it on.
type person struct {
	r      *running
	client http.Client
}

func (r *running) person() *person { return r.personOver(nil) }

// personOver is person, over TLS unless cfg is nil.
func (r *running) personOver(cfg *tls.Config) *person {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: cfg, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(address); host == "app.test" {
			address = r.login
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &person{r: r, client: http.Client{Transport: transport, Jar: jar, CheckRedirect: func(to *http.Request, _ []*http.Request) error {
		if to.URL.Host == "app.test" && !strings.HasPrefix(to.URL.Path, "/auth/") {
			return http.ErrUseLastResponse // it is the application's
		}
		return nil
	}}}
}

// An answer is what a person sees in the end, and at which address.
type answer struct {
	status         int
	body, location string
	cookies        []*http.Cookie
	at             *url.URL
}

// try opens an address, or a path of the login service.
func (p *person) try(method, address string) (answer, error) {
	if strings.HasPrefix(address, "/") {
		address = "http://app.test" + address
	}
	req, err := http.NewRequestWithContext(p.r.t.Context(), method, address, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(body), res.Header.Get("Location"), res.Cookies(), res.Request.URL}, err
}

func (p *person) open(method, address string) answer {
	p.r.t.Helper()
	a, err := p.try(method, address)
	if err != nil {
		p.r.t.Fatal(err)
	}
	return a
}

// logIn logs in and returns the header Cookie that the browser sends then.
func (p *person) logIn() string {
	p.r.t.Helper()
	a := p.open("GET", "/auth/login?rd=%2Fdeep%3Fx%3D1")
	if a.status/100 != 3 || !strings.HasSuffix(a.location, "/deep?x=1") {
		p.r.t.Fatalf("login ends with %d at %s, to %q\n%s", a.status, a.at, a.location, a.body)
	}
	return p.cookies()
}

func (p *person) cookies() string {
	var all []string
	for _, c := range p.client.Jar.Cookies(&url.URL{Scheme: "http", Host: "app.test", Path: "/"}) {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

// wantMetrics fails the test unless the metrics have these lines.
func (r *running) wantMetrics(lines ...string) {
	r.t.Helper()
	_, body := r.get("/metrics")
	for _, l := range lines {
		if !strings.Contains(body, "\n"+l+"\n") {
			r.t.Errorf("there is no metric %s in:\n%s", l, body)
		}
	}
}

func TestServeLogin(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	r := serve(t, t.TempDir(), loginAt(provider))
	if _, body := r.get("/readyz"); !strings.Contains(body, `"oidc/test":"unused"`) {
		t.Errorf("readyz before: %s", body)
	}
	conn, ada := r.dial(), r.person()
	wantCheck(t, conn, 302, "accept", "text/html", "sec-fetch-mode", "navigate")
	cookie := ada.logIn()
	wantCheck(t, conn, 200, "cookie", cookie)
	wantCheck(t, conn, 401, "cookie", "gateward_client_token=x"+cookie)
	if _, body := r.get("/readyz"); !strings.Contains(body, `"oidc/test":"ok"`) {
		t.Errorf("readyz: %s", body)
	}
	if a := ada.open("GET", "/auth/v1/self"); a.status != 200 || !strings.Contains(a.body, oidctest.Ada().Email) {
		t.Errorf("self: %d %s", a.status, a.body)
	}
	r.wantMetrics(
		`gateward_sessions_active{method="oidc"} 1`,
		`gateward_logins_total{provider="test",result="success"} 1`,
		`gateward_session_store_operations_total{operation="create",result="success",store="memory"} 1`,
		`gateward_provider_requests_total{operation="token",provider="test",result="success"} 1`,
	)

	// The end of a session is felt by the next check, cached or not.
	if a := ada.open("PUT", "/auth/v1/self/expire"); a.status != 200 {
		t.Fatalf("expire: %d %s", a.status, a.body)
	}
	wantCheck(t, conn, 401, "cookie", cookie)

	provider.Down(true)
	conn2, bob := r.dial(), r.person()
	wantCheck(t, conn2, 200, "authorization", "Bearer "+goodToken)
	if a := bob.open("GET", "/auth/login"); a.status != 200 {
		t.Errorf("login page while the provider is down: %d", a.status)
	}
}

func TestReloadLoginService(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	yaml := loginAt(provider)
	r := serve(t, t.TempDir(), yaml)
	conn, ada := r.dial(), r.person()
	cookie := ada.logIn()
	reload := func(yaml, outcome, name string, status int) {
		t.Helper()
		r.configure(yaml)
		r.signal(syscall.SIGHUP)
		r.wait(outcome)
		if a := r.person().open("GET", "/auth/login"); !strings.Contains(a.body, name) {
			t.Errorf("login page without %q:\n%s", name, a.body)
		}
		wantCheck(t, conn, status, "cookie", cookie)
	}
	second := strings.Replace(yaml, "First", "Second", 1)
	reload(second, "configuration reloaded", "Second", 200)
	reload(strings.Replace(yaml, "First", "Third", 1)+"surprise: 1\n", "the previous one stays in use", "Second", 200)

	// Sessions of a provider that is gone are no good, until it is back.
	reload(strings.Replace(second, "test: {", "other: {", 1), "configuration reloaded", "Second", 401)
	if _, body := r.get("/readyz"); strings.Contains(body, "oidc/test") || !strings.Contains(body, "oidc/other") {
		t.Errorf("readyz: %s", body)
	}
	reload(yaml, "configuration reloaded", "First", 200)
	if a := ada.open("GET", "/auth/account"); a.status != 200 || !strings.Contains(a.body, oidctest.Ada().Name) {
		t.Errorf("account: %d\n%s", a.status, a.body)
	}
}

func TestReloadNeedsRestart_Sessions(t *testing.T) {
	t.Parallel()
	yaml := loginAt(oidctest.Start(t))
	r := serve(t, t.TempDir(), yaml)
	digest := sha256.Sum256([]byte("a key"))
	key := base64.StdEncoding.EncodeToString(digest[:])
	for _, tt := range []struct {
		old, new string
		keys     []string
	}{
		{"", "", nil},
		{"type: memory", "type: memory, redis: {port: 1}", nil}, // not in use
		{"type: memory", "type: memory, max_sessions: 7", []string{"authentication.session.storage.max_sessions"}},
		{"type: memory", "type: file, file: {path: DIR/none.db}", []string{"authentication.session.storage.type"}},
		{"domain: app.test", "domain: app.test, encryption_key: " + key, []string{"authentication.session.encryption_key"}},
		{"domain: app.test", "domain: app.test, cleanup: {grace_period: 7m}", []string{"authentication.session.cleanup"}},
		{`http: {address: "127.0.0.1:0"}`, `http: {address: "127.0.0.1:1"}`, []string{"server.http.address"}},
	} {
		for _, step := range []string{strings.Replace(yaml, tt.old, tt.new, 1), yaml} { // there and back
			before := len(r.out.String())
			r.configure(step)
			r.signal(syscall.SIGHUP)
			r.wait("configuration reloaded")
			said := r.out.String()[before:]
			if n := strings.Count(said, "needs a restart"); n != len(tt.keys) {
				t.Errorf("%q: %d keys need a restart, want %q\n%s", tt.new, n, tt.keys, said)
			}
			for _, k := range tt.keys {
				if !strings.Contains(said, `"key":"`+k+`","position":"`+r.config+":") {
					t.Errorf("%q: no %s with a position in:\n%s", tt.new, k, said)
				}
			}
			if strings.Contains(said, key) {
				t.Errorf("a key is logged:\n%s", said)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.config), "none.db")); !os.IsNotExist(err) {
		t.Errorf("the other store was opened: %v", err)
	}
}

func TestServeListeners(t *testing.T) {
	t.Parallel()
	yaml := loginAt(oidctest.Start(t))
	for _, listen := range []string{"grpc", "http", "admin", "grpc,http"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			r := start(t, t.TempDir(), yaml, launch{listen: listen})
			for name, address := range map[string]string{"grpc": r.grpc, "http": r.login, "admin": r.http} {
				if want := strings.Contains(listen, name); (address != "") != want {
					t.Errorf("%s listens on %q, want it open: %v", name, address, want)
				}
			}
			if r.login != "" {
				r.person().logIn()
			}
			if r.grpc != "" {
				wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
			}
			r.signal(syscall.SIGHUP) // with whatever is not there
			r.wait("configuration reloaded")
			r.signal(syscall.SIGTERM)
			r.wait(`"draining"`)
			if r.grpc != "" || r.login != "" {
				close(r.drained)
			}
			if code := r.ended(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, r.out)
			}
		})
	}
}

func TestServeWithoutHTTP(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), strings.Replace(tokenConfiguration, `http: {address: "127.0.0.1:0"}`, `http: {address: ""}`, 1))
	if r.login != "" || r.grpc == "" {
		t.Errorf("listens on http %q, grpc %q", r.login, r.grpc)
	}
	wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
}

func TestSEC_Q03_LoginServiceRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, next := newTestCA(t, "old"), newTestCA(t, "next")
	files := writeTLS(t, dir, old, nil)
	yaml := strings.Replace(loginAt(oidctest.Start(t)), `http: {address: "127.0.0.1:0"}`,
		`http: {address: "127.0.0.1:0", tls: {cert_file: DIR/tls.crt, key_file: DIR/tls.key}}`, 1)
	r := serve(t, dir, strings.ReplaceAll(yaml, "http://app.test", "https://app.test"))
	ask := func(ca *testCA, version uint16) error {
		cfg := ca.client(nil)
		cfg.NextProtos, cfg.MinVersion, cfg.MaxVersion = []string{"http/1.1"}, version, version
		p := r.personOver(cfg)
		a, err := p.try("GET", "https://app.test/auth/login?rd=%2Fdeep")
		secure := slices.ContainsFunc(a.cookies, func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, "__Host-") && c.Secure })
		if err == nil && (a.location == "" || !secure) {
			t.Errorf("login over TLS ends with %d, %q", a.status, a.cookies)
		}
		return err
	}
	if err := ask(old, tls.VersionTLS13); err != nil {
		t.Fatal(err)
	}
	if err := ask(old, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	r.wait("TLS handshake error")
	if err := os.Remove(files.key); err != nil {
		t.Fatal(err)
	}
	r.tick()
	r.wait("tls files not usable")
	if err := ask(old, tls.VersionTLS13); err != nil {
		t.Errorf("with a bad file: %v", err)
	}
	for _, trigger := range []func(){r.tick, func() { r.signal(syscall.SIGHUP) }} {
		old, next = next, old
		writeTLS(t, dir, old, nil)
		trigger()
		r.wait("tls files reloaded")
		if err := ask(old, tls.VersionTLS12); err != nil {
			t.Errorf("new pair: %v", err)
		}
		if err := ask(next, tls.VersionTLS12); err == nil {
			t.Error("the replaced pair is still shown")
		}
		r.wait("TLS handshake error")
	}
}
