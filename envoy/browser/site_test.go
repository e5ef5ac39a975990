package browser_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

func TestMain(m *testing.M) { os.Exit(envoytest.Main(m)) }

const host = "app.gw.test"

// site is an application behind Envoy, over TLS.
type site struct {
	// origin is what a browser has to type in.
	origin   string
	provider *provider
	github   *github
	replicas []*envoytest.Gateward
	envoy    *envoytest.EnvoyProcess
	upstream *envoytest.Upstream
	// spki is the hash that a browser knows the certificate by.
	spki string
}

// siteOptions vary a site. The zero value is one replica that keeps sessions in
// memory.
type siteOptions struct {
	config             func(s *site) string // the configuration; nil for the usual one
	replicas           int
	accessTokenSeconds int
	providerNames      []string // "op" if nil
	env                func(s *site) []string
}

// startSite starts a provider, replicas of gateward, Envoy and an application
// that shows what it got.
func startSite(tb testing.TB, o siteOptions) *site {
	tb.Helper()
	envoytest.Envoy(tb)
	findChromium(tb)
	address := envoytest.FreeAddress(tb)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{origin: "https://" + net.JoinHostPort(host, port), upstream: envoytest.StartUpstream(tb)}
	if o.providerNames == nil {
		o.providerNames = []string{"op"}
	}
	s.provider = startProvider(tb, s.origin, o.accessTokenSeconds, o.providerNames...)
	s.github = startGitHub(tb, s.origin)
	s.upstream.Respond(show)
	if o.config == nil {
		o.config = usualConfig
	}
	var env []string
	if o.env != nil {
		env = o.env(s)
	}
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress = address, "127.0.0.1:0"
	c.GRPCAddresses, c.HTTPAddresses = nil, nil
	for range max(o.replicas, 1) {
		g := envoytest.StartGateward(tb, o.config(s), envoytest.GatewardOptions{Env: env})
		s.replicas = append(s.replicas, g)
		c.GRPCAddresses = append(c.GRPCAddresses, g.GRPCAddress)
		c.HTTPAddresses = append(c.HTTPAddresses, g.HTTPAddress)
	}
	c.Upstream, c.Timeout = s.upstream.Address, 10*time.Second
	var b bytes.Buffer
	if err := envoy.Bootstrap(&b, c); err != nil {
		tb.Fatal(err)
	}
	s.envoy = envoytest.StartEnvoy(tb, s.withTLS(tb, b.String()))
	return s
}

// usualConfig logs people in at the provider and lets anybody who is logged in
// see anything.
func usualConfig(s *site) string {
	return fmt.Sprintf(`
authentication:
  session:
    domain: %[1]s
  methods:
    oidc:
      enabled: true
      providers:
        op:
          display_name: Test provider
          issuer_url: %[2]s
          client_id: %[3]s
          client_secret: %[4]s
          redirect_address: %[5]s
          scopes: [email, profile, groups]
          use_end_session_endpoint: true
rules:
- {name: public, match: {paths: [/public]}, access: anonymous}
server: {drain_delay: 0s}
log: {level: debug}
`, host, s.provider.issuer, clientID, clientSecret, s.origin)
}

// withTLS puts a certificate for the site into Envoy's listener, as the
// bootstrap says one has to.
func (s *site) withTLS(tb testing.TB, bootstrap string) string {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{"*.gw.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	s.spki = base64.StdEncoding.EncodeToString(sum[:])
	cert, keyFile := filepath.Join(tb.TempDir(), "cert.pem"), filepath.Join(tb.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	const mark = "    filter_chains:\n    - filters:\n"
	if !strings.Contains(bootstrap, mark) {
		tb.Fatal("the bootstrap has no filter chain where this looks for it")
	}
	return strings.Replace(bootstrap, mark, fmt.Sprintf(`    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates:
            - certificate_chain: {filename: %q}
              private_key: {filename: %q}
      filters:
`, cert, keyFile), 1)
}

// show answers with a page that shows a request.
func show(r envoytest.Request) envoytest.Response {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html><title>application</title><pre>%s %s\n", r.Method, r.Target)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	b.WriteString("</pre>")
	return envoytest.Response{
		Status: http.StatusOK, Body: b.String(),
		Header: []envoytest.Field{{Name: "Content-Type", Value: "text/html"}},
	}
}

// client returns an HTTP client that reaches the site as a script does, and
// follows no redirect.
func (s *site) client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.envoy.Address)
		},
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 64,
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch gets a path as a script does.
func (s *site) fetch(tb testing.TB, path string, header map[string]string) (status int, body string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, s.origin+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := s.client(tb).Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
