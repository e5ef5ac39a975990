package envoy_test

import (
	"cmp"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/github/githubtest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const (
	siteHost   = "app.example.test"
	siteOrigin = "https://" + siteHost
	// tokenCookie is the client token's, as a browser is told to guard it.
	tokenCookie = "__Host-gateward_client_token"
	// anyExample admits by the addresses of example.com and example.org.
	anyExample = `'^.*@example\.(com|org)$'`
)

// A site is a stack with people: an OpenID provider, and replicas of gateward
// that keep sessions, each behind an Envoy of its own unless a test wants it
// otherwise, so that the test chooses whom it asks.
type site struct {
	provider *oidctest.Provider
	github   *githubtest.Server // nil unless it is asked for
	// githubURL is where it is, githubCA the file with its certificate.
	githubURL, githubCA string

	keys     *keyring
	upstream *envoytest.Upstream
	replicas []*replica
}

// A replica is a gateward, and an Envoy that asks it.
type replica struct {
	*envoytest.EnvoyProcess
	gateward *envoytest.Gateward
	config   string
}

// siteOptions are pieces of YAML in flow style, without the braces. The zero
// value is one replica that keeps sessions in memory.
type siteOptions struct {
	session string   // more of authentication.session
	storage []string // session.storage, one for each replica
	cache   string   // "" caches for an hour
	rules   string   // rules, in block style, before the others
	server  string   // "" drains at once
	balance bool     // one Envoy in front of all replicas

	provider []oidctest.Option
	op       string              // more of the provider op
	matches  string              // email_matches, "" for example.com
	github   string              // more of methods.github; "" is no GitHub
	people   string              // more of authentication, in block style
	admins   string              // "" is the static token boss
	limits   string              // the block of that name; "" lets logins come as often as they like
	jwt      func(*site) string  // more of methods.jwt
	envoy    func(string) string // may edit Envoy's bootstrap
}

// config returns the configuration of one replica.
func (o *siteOptions) config(s *site, storage string) string {
	jwt, github := "", ""
	if o.jwt != nil {
		jwt = o.jwt(s)
	}
	if s.github != nil {
		github = fmt.Sprintf(`github: {enabled: true, server_url: %q, api_url: %q, use_pkce: true, client_id: client, client_secret: client-secret,
      redirect_address: %q, scopes: ["user:email", "read:org"], ca_path: %q, %s}`, s.githubURL, s.githubURL, siteOrigin, s.githubCA, o.github)
	}
	return fmt.Sprintf(`
authentication:
  session: {domain: %s, storage: {%s}, %s}
  admins: {%s}
%s
  methods:
    token: {enabled: true, storage: {type: static, tokens: {ci: {credential: %s}, boss: {credential: %s}}}}
    jwt: {enabled: true, jwks_url: %q, validate_claims: {issuer: %q, audiences: [app]}, %s}
    %s
    oidc:
      enabled: true
      email_matches: [%s]
      providers:
        op: {issuer_url: %q, client_id: %q, client_secret: %q, redirect_address: %q, scopes: [email, profile, groups], %s}
rules:
%s
- {name: public, match: {paths: [/public/**]}, access: anonymous}
cache: {%s, negative_ttl: 100ms}
limits: {%s}
server: {%s}
log: {level: debug}
`, siteHost, cmp.Or(storage, "type: memory"), cmp.Or(o.session, "idle_timeout: 0s"), cmp.Or(o.admins, `subjects: ["token:boss"]`), o.people,
		staticToken, adminToken, s.keys.url, issuer, jwt, github, cmp.Or(o.matches, `'^.*@example\.com$'`),
		s.provider.Issuer, s.provider.ClientID, s.provider.ClientSecret, siteOrigin, o.op, o.rules,
		cmp.Or(o.cache, "ttl: 1h, max_staleness: 1s"), cmp.Or(o.limits, "logins_per_minute: 0"), cmp.Or(o.server, "drain_delay: 0s"))
}

// startSite starts one.
func startSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	envoytest.Envoy(t)
	s := &site{provider: oidctest.Start(t, o.provider...), keys: newKeyring(t), upstream: envoytest.StartUpstream(t)}
	if o.github != "" {
		s.startGitHub(t)
	}
	if o.storage == nil {
		o.storage = []string{""}
	}
	if o.envoy == nil {
		o.envoy = func(bootstrap string) string { return bootstrap }
	}
	for _, storage := range o.storage {
		config := o.config(s, storage)
		g := envoytest.StartGateward(t, config, envoytest.GatewardOptions{})
		s.replicas = append(s.replicas, &replica{gateward: g, config: config})
	}
	if o.balance {
		e := s.startEnvoy(t, s.replicas, o.envoy)
		for _, r := range s.replicas {
			r.EnvoyProcess = e
		}
		return s
	}
	for i, r := range s.replicas {
		r.EnvoyProcess = s.startEnvoy(t, s.replicas[i:i+1], o.envoy)
	}
	return s
}

// startGitHub starts one, with TLS as it has.
func (s *site) startGitHub(t *testing.T) {
	t.Helper()
	s.github = githubtest.New(githubtest.Options{Now: time.Now, CallbackURL: siteOrigin + "/auth/v1/method/github/callback"})
	server := httptest.NewUnstartedServer(s.github)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.githubURL, s.githubCA = server.URL, filepath.Join(t.TempDir(), "github.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(s.githubCA, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
}

// startEnvoy starts an Envoy in front of replicas. change may edit its bootstrap.
func (s *site) startEnvoy(t *testing.T, replicas []*replica, change ...func(string) string) *envoytest.EnvoyProcess {
	t.Helper()
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress, c.Upstream = "127.0.0.1:0", "127.0.0.1:0", s.upstream.Address
	c.GRPCAddresses, c.HTTPAddresses = nil, nil
	for _, r := range replicas {
		c.GRPCAddresses = append(c.GRPCAddresses, r.gateward.GRPCAddress)
		c.HTTPAddresses = append(c.HTTPAddresses, r.gateward.HTTPAddress)
	}
	c.Timeout = 5 * time.Second
	bootstrap := render(t, c)
	for _, f := range change {
		bootstrap = f(bootstrap)
	}
	return envoytest.StartEnvoy(t, bootstrap)
}

// restart starts a replica's gateward again, where it was.
func (r *replica) restart(t *testing.T, config string, unready bool) {
	t.Helper()
	r.gateward = envoytest.StartGateward(t, config, envoytest.GatewardOptions{
		GRPCAddress: r.gateward.GRPCAddress, HTTPAddress: r.gateward.HTTPAddress, Unready: unready,
	})
}

// status is how a replica answers a script with this header.
func (r *replica) status(t *testing.T, header string) int {
	t.Helper()
	return envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/orders", header, "Connection: close")).Status
}

// becomes waits until a replica answers a script with this header so.
func (r *replica) becomes(t *testing.T, header string, want int) {
	t.Helper()
	envoytest.Eventually(t, fmt.Sprintf("status %d", want), time.Minute, func(context.Context) error {
		if got := r.status(t, header); got != want {
			return fmt.Errorf("got %d\n%s", got, r.gateward.Log())
		}
		return nil
	})
}

// A visitor is a browser without a screen. It keeps cookies as one does, and
// believes to be at https.
type visitor struct {
	t      *testing.T
	s      *site
	client *http.Client
	at     *replica
}

// An answer is what a visitor got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *answer) location() string { return a.header.Get("Location") }

// text is what of it may help to understand a failure.
func (a *answer) text() string {
	if _, body, ok := strings.Cut(a.body, "<body>"); ok {
		return body
	}
	return a.body
}

// page reports whether it is a page for people.
func (a *answer) page() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && strings.Contains(a.body, "<h1")
}

// visit returns a new visitor to the first replica.
func (s *site) visit(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, s: s, at: s.replicas[0]}
	v.client = &http.Client{
		Jar: jar, Transport: v.edge(), Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return v
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// edge takes requests to the visitor's replica, whatever their host is, and off
// TLS, which ends in front of Envoy here.
func (v *visitor) edge() http.RoundTripper {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, v.at.Address)
	}}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		plain := r.Clone(r.Context())
		plain.URL.Scheme = "http"
		return transport.RoundTrip(plain)
	})
}

// send sends a request with these header lines, "Name: value". An address
// without a host is one of the site.
func (v *visitor) send(method, address string, header ...string) (*answer, error) {
	u, err := url.Parse(siteOrigin)
	if err != nil {
		return nil, err
	}
	if u, err = u.Parse(address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &answer{resp.StatusCode, resp.Header, string(body)}, err
}

// do is send for the goroutine of the test.
func (v *visitor) do(method, address string, header ...string) *answer {
	v.t.Helper()
	a, err := v.send(method, address, header...)
	if err != nil {
		v.t.Fatal(err)
	}
	return a
}

func navigation() []string {
	return []string{
		"Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document",
		"Sec-Fetch-Site: none", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
	}
}

// open goes to an address as somebody who types it in, and does not follow.
func (v *visitor) open(address string) *answer {
	v.t.Helper()
	return v.do(http.MethodGet, address, navigation()...)
}

// redirected is open where a redirect with this status must be the answer.
func (v *visitor) redirected(address string, status int) (location string) {
	v.t.Helper()
	a := v.open(address)
	if a.status != status || a.location() == "" {
		v.t.Fatalf("%s: got %d to %q, want %d\n%s\n%s", address, a.status, a.location(), status, a.body, v.at.gateward.Log())
	}
	return a.location()
}

// begin goes to a protected address as far as the provider's door.
func (v *visitor) begin(address string) (authorization string) {
	v.t.Helper()
	login := v.redirected(address, http.StatusFound)
	authorize := v.redirected(login, http.StatusFound)
	return v.redirected(authorize, http.StatusFound)
}

// logIn goes to a protected address by way of the provider and returns where
// that has led.
func (v *visitor) logIn(address string) (arrived string) {
	v.t.Helper()
	callback := v.s.provider.Authorize(v.begin(address))
	return v.redirected(callback, http.StatusSeeOther)
}

// token is the client token in the visitor's cookie, or "".
func (v *visitor) token() string {
	for _, c := range v.client.Jar.Cookies(&url.URL{Scheme: "https", Host: siteHost, Path: "/"}) {
		if c.Name == tokenCookie {
			return c.Value
		}
	}
	return ""
}

// bearer is the header that carries the visitor's client token by hand.
func (v *visitor) bearer() string { return "Authorization: Bearer " + v.token() }

// cookie is the header that carries the visitor's client token as a browser does.
func (v *visitor) cookie() string { return "Cookie: " + tokenCookie + "=" + v.token() }
