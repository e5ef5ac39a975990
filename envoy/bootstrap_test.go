package envoy_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

var update = flag.Bool("update", false, "rewrite bootstrap.yaml and the golden files")

// TestDefaultOutput: bootstrap.yaml is what users read and copy, and the golden
// file shows every optional part at once.
func TestDefaultOutput(t *testing.T) {
	t.Parallel()
	full := envoy.Default()
	full.AdminAddress = ""
	full.GRPCAddresses = []string{"gateward-0.example.test:9001", "gateward-1.example.test:9001"}
	full.GRPCTLS = &envoy.TLS{CAFile: "/etc/envoy/ca.pem", CertFile: "/etc/envoy/cert.pem", KeyFile: "/etc/envoy/key.pem"}
	full.HTTPAddresses = []string{"gateward-0.example.test:8080", "gateward-1.example.test:8080"}
	full.HTTPTLS = &envoy.TLS{CAFile: "/etc/envoy/ca.pem"}
	full.Timeout = 1500 * time.Millisecond
	full.FaultsAsErrors = true
	full.Upstream = "app.example.test:8080"
	full.UpstreamHTTP2 = true
	full.IdentityHeaders = append(full.IdentityHeaders, "X-Gateward-Assertion", "Remote_Subject")
	full.RemoveHeaders = []string{"X-Internal-Debug", "Authorization"}
	full.AccessLog = true
	for file, c := range map[string]envoy.Config{
		"bootstrap.yaml":               envoy.Default(),
		"testdata/bootstrap.full.yaml": full,
	} {
		got := render(t, c)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is stale: run go test ./envoy -update, and look at the difference", file)
		}
	}
}

// TestSEC_R17_EnvoyAcceptsTheBootstrap lets a real Envoy judge every shape of it.
func TestSEC_R17_EnvoyAcceptsTheBootstrap(t *testing.T) {
	t.Parallel()
	envoytest.Envoy(t) // skip as a whole
	certs := newCertificates(t)
	for name, change := range map[string]func(*envoy.Config){
		"default":  func(*envoy.Config) {},
		"no admin": func(c *envoy.Config) { c.AdminAddress = "" },
		"no login": func(c *envoy.Config) { c.HTTPAddresses = nil },
		"login over TLS": func(c *envoy.Config) {
			c.HTTPAddresses, c.HTTPTLS = []string{"login.example.test:8443"}, &envoy.TLS{CAFile: certs.ca}
		},
		"two replicas": func(c *envoy.Config) { c.GRPCAddresses = []string{"127.0.0.1:9001", "[::1]:9001"} },
		"host names": func(c *envoy.Config) {
			c.GRPCAddresses, c.Upstream = []string{"gateward:9001"}, "app_1.example.test:80"
		},
		"sockets": func(c *envoy.Config) {
			c.GRPCAddresses, c.Upstream = []string{"unix:///run/gateward 'a\".sock", "127.0.0.1:9001"}, "unix:///run/app.sock"
		},
		"TLS": func(c *envoy.Config) { c.GRPCTLS = &envoy.TLS{CAFile: certs.ca} },
		"TLS with a name": func(c *envoy.Config) {
			c.GRPCTLS = &envoy.TLS{CAFile: certs.ca, ServerName: "gateward.example.test"}
		},
		"mTLS": func(c *envoy.Config) {
			c.GRPCTLS = &envoy.TLS{CAFile: certs.ca, CertFile: certs.client, KeyFile: certs.clientKey}
		},
		"everything else": func(c *envoy.Config) {
			c.AccessLog, c.FaultsAsErrors, c.UpstreamHTTP2 = true, true, true
			c.Timeout = 1234567 * time.Microsecond
			c.ListenAddress = "[::]:443"
		},
		"longest names": func(c *envoy.Config) {
			c.IdentityHeaders = []string{strings.Repeat("a-", 15), strings.Repeat("b", 90), strings.Repeat("-", 17) + "abcde"}
			c.RemoveHeaders = []string{"x!#$%&'*+-.^_`|~y"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := envoy.Default()
			change(&c)
			envoytest.Validate(t, render(t, c))
		})
	}
}

// TestSEC_R17_Settings fails when a setting that stops an attack is lost.
func TestSEC_R17_Settings(t *testing.T) {
	t.Parallel()
	const (
		hcm   = "static_resources.listeners.0.filter_chains.0.filters.0.typed_config"
		authz = hcm + ".http_filters.0.typed_config"
		gw    = "static_resources.clusters.0"
	)
	want := map[string]string{
		hcm + ".use_remote_address":                                                "true",
		hcm + ".normalize_path":                                                    "true",
		hcm + ".merge_slashes":                                                     "true",
		hcm + ".path_with_escaped_slashes_action":                                  "KEEP_UNCHANGED",
		hcm + ".forward_client_cert_details":                                       "SANITIZE",
		hcm + ".request_headers_timeout":                                           "10s",
		hcm + ".stream_idle_timeout":                                               "300s",
		hcm + ".http_filters.0.name":                                               "envoy.filters.http.ext_authz",
		hcm + ".http_filters.1.name":                                               "envoy.filters.http.router",
		hcm + ".early_header_mutation_extensions.0.name":                           "envoy.http.early_header_mutation.header_mutation",
		authz + ".transport_api_version":                                           "V3",
		authz + ".grpc_service.timeout":                                            "1s",
		authz + ".failure_mode_allow":                                              "false",
		authz + ".status_on_error.code":                                            "ServiceUnavailable",
		authz + ".validate_mutations":                                              "true",
		authz + ".encode_raw_headers":                                              "true",
		authz + ".clear_route_cache":                                               "false",
		authz + ".include_peer_certificate":                                        "false",
		authz + ".decoder_header_mutation_rules.disallow_system":                   "true",
		hcm + ".route_config.virtual_hosts.0.routes.0.match.path_separated_prefix": "/auth",
		hcm + ".route_config.virtual_hosts.0.routes.0.route.cluster":               "gateward_login",
		hcm + ".route_config.virtual_hosts.0.routes.1.match.path":                  "/api/csrf",
		hcm + ".route_config.virtual_hosts.0.routes.1.route.cluster":               "gateward_login",
		gw + ".health_checks.0.grpc_health_check.service_name":                     "envoy.service.auth.v3.Authorization",
		gw + ".health_checks.0.no_traffic_interval":                                "1s",
		"overload_manager.resource_monitors.0.name":                                "envoy.resource_monitors.global_downstream_max_connections",
	}
	got := leaves(t, render(t, envoy.Default()))
	for path, value := range want {
		if got[path] != value {
			t.Errorf("%s: got %q, want %q", path, got[path], value)
		}
	}
	for path := range got {
		if strings.HasPrefix(path, authz+".with_request_body") || strings.Contains(path, "typed_per_filter_config") {
			t.Errorf("%s: bodies are not sent, and the filter is never disabled", path)
		}
		if strings.Contains(path, "request_headers_to_remove") {
			t.Errorf("%s: a route's removal runs after the check and deletes Gateward's own headers", path)
		}
	}
	tls := leaves(t, render(t, tlsConfig()))
	if v := tls[gw+".transport_socket.typed_config.common_tls_context.tls_params.tls_maximum_protocol_version"]; v != "TLSv1_3" {
		t.Errorf("highest TLS version: got %q, want TLSv1_3", v)
	}
}

func tlsConfig() envoy.Config {
	c := envoy.Default()
	c.GRPCTLS = &envoy.TLS{CAFile: "/ca.pem"}
	return c
}

func TestBootstrapRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*envoy.Config)
		want   string
	}{
		"no listen address": {func(c *envoy.Config) { c.ListenAddress = "" }, `listen address "": want HOST:PORT`},
		"listen on a name":  {func(c *envoy.Config) { c.ListenAddress = "example.test:80" }, "want an IP address to listen on"},
		"listen port":       {func(c *envoy.Config) { c.ListenAddress = "127.0.0.1:70000" }, "want a port from 0 to 65535"},
		"admin address":     {func(c *envoy.Config) { c.AdminAddress = "9901" }, `admin address "9901": want HOST:PORT`},
		"no replica":        {func(c *envoy.Config) { c.GRPCAddresses = nil }, "name at least one replica"},
		"port 0":            {func(c *envoy.Config) { c.GRPCAddresses = []string{"a:0"} }, "want a port from 1 to 65535"},
		"broken host":       {func(c *envoy.Config) { c.Upstream = "a\"b:80" }, "want a host name or an IP address"},
		"host with a line":  {func(c *envoy.Config) { c.Upstream = "a\nb:80" }, "want a host name or an IP address"},
		"no upstream":       {func(c *envoy.Config) { c.Upstream = "" }, `upstream address ""`},
		"relative socket":   {func(c *envoy.Config) { c.GRPCAddresses = []string{"unix:a"} }, "want unix:///PATH"},
		"long socket":       {func(c *envoy.Config) { c.GRPCAddresses = []string{"unix:///" + strings.Repeat("a", 107)} }, "at most 107 bytes"},
		"socket and name": {
			func(c *envoy.Config) { c.GRPCAddresses = []string{"unix:///a", "gateward:9001"} }, "a socket cannot stand beside a host name",
		},
		"no timeout":         {func(c *envoy.Config) { c.Timeout = 0 }, "timeout 0s: want more than zero"},
		"TLS without CA":     {func(c *envoy.Config) { c.GRPCTLS = &envoy.TLS{} }, "tls: no CA file"},
		"key without cert":   {func(c *envoy.Config) { c.GRPCTLS = &envoy.TLS{CAFile: "/ca", KeyFile: "/k"} }, "set both or neither"},
		"file with a line":   {func(c *envoy.Config) { c.GRPCTLS = &envoy.TLS{CAFile: "/c\na"} }, "want printable UTF-8"},
		"TLS on a socket":    {func(c *envoy.Config) { c.GRPCAddresses, c.GRPCTLS = []string{"unix:///a"}, &envoy.TLS{CAFile: "/ca"} }, "no server name"},
		"pseudo header":      {func(c *envoy.Config) { c.RemoveHeaders = []string{":path"} }, "want the name of an ordinary header"},
		"header with quote":  {func(c *envoy.Config) { c.IdentityHeaders = []string{"x\"y"} }, "cannot stand in a header name"},
		"header with a line": {func(c *envoy.Config) { c.RemoveHeaders = []string{"x\ny"} }, "cannot stand in a header name"},
		"header of dashes":   {func(c *envoy.Config) { c.RemoveHeaders = []string{"--"} }, "at least one letter or digit"},
		"long header":        {func(c *envoy.Config) { c.RemoveHeaders = []string{strings.Repeat("a", 91)} }, "too long for Envoy to match"},
		"cookie as identity": {func(c *envoy.Config) { c.IdentityHeaders = []string{"Cookie"} }, "a request is judged by it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := envoy.Default()
			tt.change(&c)
			var b bytes.Buffer
			err := envoy.Bootstrap(&b, c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if b.Len() > 0 {
				t.Errorf("wrote %d bytes all the same", b.Len())
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		err := envoy.Bootstrap(new(bytes.Buffer), envoy.Config{IdentityHeaders: []string{""}})
		if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
			t.Errorf("got %d problems, want 5:\n%v", n, err)
		}
	})
	t.Run("writer", func(t *testing.T) {
		t.Parallel()
		if err := envoy.Bootstrap(brokenWriter{}, envoy.Default()); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestLoginPathsNeverReachTheApplication: what every check lets pass ends at
// Envoy where there is no login service.
func TestLoginPathsNeverReachTheApplication(t *testing.T) {
	t.Parallel()
	c := envoy.Default()
	c.HTTPAddresses = nil
	got := leaves(t, render(t, c))
	const routes = "static_resources.listeners.0.filter_chains.0.filters.0.typed_config.route_config.virtual_hosts.0.routes."
	for key, want := range map[string]string{
		"0.match.path_separated_prefix": "/auth", "0.direct_response.status": "404",
		"1.match.path": "/api/csrf", "1.direct_response.status": "404",
	} {
		if got[routes+key] != want {
			t.Errorf("%s: got %q, want %q", key, got[routes+key], want)
		}
	}
}

func TestUnspecifiedAddressIsThisMachine(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":9001", "0.0.0.0:9001", "[::]:9001"} {
		c := envoy.Default()
		c.GRPCAddresses = []string{address}
		if render(t, c) != render(t, envoy.Default()) {
			t.Errorf("%s: not the output for 127.0.0.1:9001", address)
		}
	}
}

// FuzzBootstrap: whatever the configuration holds, the output is YAML with the
// same structure; only scalars differ.
func FuzzBootstrap(f *testing.F) {
	f.Add("app:80", "unix:///run/a.sock", "X-User", "X-Debug", "/ca.pem", "name")
	f.Add("127.0.0.1:80", "unix:///a\"}}\\", "x'y", "a: b", "/c a#: \u2028", "::1")
	f.Add("{{.}}:80", "unix:///{{.Timeout}}", "x`|y", "*", "/%s", "*.example.test")
	f.Fuzz(func(t *testing.T, upstream, gateward, identity, remove, file, server string) {
		base := envoy.Default()
		base.GRPCAddresses = []string{"unix:///a"}
		base.GRPCTLS = &envoy.TLS{CAFile: "/a", CertFile: "/a", KeyFile: "/a", ServerName: "a"}
		base.IdentityHeaders, base.RemoveHeaders = []string{"a"}, []string{"b"}
		c := base
		c.Upstream, c.GRPCAddresses = upstream, []string{gateward}
		c.GRPCTLS = &envoy.TLS{CAFile: file, CertFile: file, KeyFile: file, ServerName: server}
		c.IdentityHeaders, c.RemoveHeaders = []string{identity}, []string{remove}
		var b bytes.Buffer
		if envoy.Bootstrap(&b, c) != nil {
			return
		}
		got, want := leaves(t, b.String()), leaves(t, render(t, base))
		for _, m := range []map[string]string{got, want} {
			// These depend on the kind of address or name, or on whether one of the
			// families has the header already.
			maps.DeleteFunc(m, func(k, _ string) bool {
				return strings.Contains(k, ".endpoint.address.") || strings.HasSuffix(k, ".sni") ||
					strings.HasSuffix(k, ".dns_lookup_family") || strings.Contains(k, "typed_config.mutations.")
			})
		}
		g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))
		if !slices.Equal(g, w) {
			t.Errorf("structure changed:\ngot  %q\nwant %q", g, w)
		}
		const ca = "static_resources.clusters.0.transport_socket.typed_config.common_tls_context.validation_context.trusted_ca.filename"
		if got[ca] != file {
			t.Errorf("file name: got %q, want %q", got[ca], file)
		}
	})
}

func render(tb testing.TB, c envoy.Config) string {
	tb.Helper()
	var b bytes.Buffer
	if err := envoy.Bootstrap(&b, c); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// leaves returns every scalar of a YAML document by its path.
func leaves(tb testing.TB, text string) map[string]string {
	tb.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		tb.Fatalf("not YAML: %v\n%s", err, text)
	}
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s.%d", path, i), e)
			}
		default:
			out[strings.TrimPrefix(path, ".")] = fmt.Sprint(v)
		}
	}
	walk("", doc)
	return out
}
