// Package envoy writes Envoy's configuration for Gateward: a hardened bootstrap
// in which every setting says which attack or failure it stops ([Bootstrap]).
// bootstrap.yaml beside this file is its output for [Default].
//
// What Gateward answers to Envoy lives in extauthz; running a real Envoy in
// tests in envoy/envoytest.
package envoy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapTemplate string

// Config describes one Envoy in front of one application. Start from [Default]:
// the zero value of a field means what its comment says, not the default.
type Config struct {
	// ListenAddress is where clients connect, HOST:PORT. Port 0 lets the system
	// choose; Envoy's admin interface tells which.
	ListenAddress string
	// AdminAddress is where Envoy's admin interface listens, HOST:PORT; empty
	// for none.
	AdminAddress string

	// GRPCAddresses are the replicas of Gateward, at least one: HOST:PORT as in
	// server.grpc.address (an empty or unspecified host is this machine), or
	// unix:///PATH.
	GRPCAddresses []string
	// GRPCTLS is how Gateward is reached over TLS; nil for plaintext.
	GRPCTLS *TLS
	// Timeout is how long Envoy waits for one answer, more than zero.
	Timeout time.Duration
	// FaultsAsErrors says that server.grpc.faults is "error", which the output
	// explains where it matters. The bootstrap refuses on errors either way.
	FaultsAsErrors bool

	// HTTPAddresses are where the login service of each replica is reached, as in
	// server.http.address: HOST:PORT or unix:///PATH. Without one there is no
	// login service, and its paths end at Envoy.
	HTTPAddresses []string
	// HTTPTLS is how the login service is reached over TLS; nil for plaintext.
	HTTPTLS *TLS

	// Upstream is the application, HOST:PORT or unix:///PATH. Requests reach it
	// over HTTP/1.1, gRPC requests over HTTP/2.
	Upstream string
	// UpstreamHTTP2 sends everything over HTTP/2 (without TLS).
	UpstreamHTTP2 bool

	// IdentityHeaders are the headers that Gateward sets: those of
	// upstream.identity_headers and of the assertion. No client may send one.
	IdentityHeaders []string
	// RemoveHeaders are upstream.remove_headers. Those that a decision depends
	// on, such as Authorization, are left for Gateward to remove.
	RemoveHeaders []string

	// AccessLog writes one line of JSON per request to standard output.
	AccessLog bool
}

// TLS is how Envoy verifies Gateward, and what it shows of itself. The paths are
// those on Envoy's machine.
type TLS struct {
	// CAFile holds the certificates that Gateward's must lead to. Required.
	CAFile string
	// ServerName is the DNS name or IP address that Gateward's certificate must
	// be for. When empty, it is the host of the first address; for a UNIX socket
	// it must be set.
	ServerName string
	// CertFile and KeyFile are Envoy's own certificate and key, where Gateward
	// asks for one (server.grpc.tls.client_ca_file); both or neither.
	CertFile, KeyFile string
}

// Default returns the configuration for a Gateward with its default listeners
// and an application on 127.0.0.1:8000.
func Default() Config {
	return Config{
		ListenAddress: "127.0.0.1:10000",
		AdminAddress:  "127.0.0.1:9901",
		GRPCAddresses: []string{"127.0.0.1:9001"},
		HTTPAddresses: []string{"127.0.0.1:8080"},
		Timeout:       time.Second,
		Upstream:      "127.0.0.1:8000",
		IdentityHeaders: []string{
			"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username",
			"X-Auth-Request-Groups", "X-Auth-Request-Method", "X-Auth-Request-Scopes",
		},
	}
}

// Bootstrap writes Envoy's bootstrap for c, as YAML with comments. The error
// joins every problem that c has; nothing is written then. No value of c can
// change the structure of the output, whatever it holds.
func Bootstrap(w io.Writer, c Config) error {
	v, err := c.view()
	if err != nil {
		return err
	}
	t, err := template.New("bootstrap").Funcs(template.FuncMap{"quote": quote}).Parse(bootstrapTemplate)
	if err != nil {
		return fmt.Errorf("envoy: parse bootstrap template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return fmt.Errorf("envoy: render bootstrap: %w", err)
	}
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("envoy: write bootstrap: %w", err)
	}
	return nil
}

// quote returns s as a double-quoted YAML scalar. JSON's strings are YAML's;
// what neither can hold (control characters, broken UTF-8) was refused before.
func quote(s string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", fmt.Errorf("envoy: quote: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
