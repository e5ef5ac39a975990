package envoy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

type checkFunc = func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error)

// edge is a real Envoy with the hardened bootstrap, a scripted authorization
// server behind it and an application.
type edge struct {
	*envoytest.EnvoyProcess
	upstream *envoytest.Upstream

	mu     sync.Mutex
	checks []*authv3.AttributeContext_HttpRequest
}

// startEdge starts one; change may replace what it needs in the configuration.
func startEdge(t *testing.T, check checkFunc, change ...func(*envoy.Config)) *edge {
	t.Helper()
	envoytest.Envoy(t)
	e := &edge{upstream: envoytest.StartUpstream(t)}
	authz := envoytest.StartAuthz(t, func(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		e.mu.Lock()
		e.checks = append(e.checks, r.GetAttributes().GetRequest().GetHttp())
		e.mu.Unlock()
		return check(ctx, r)
	})
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress = "127.0.0.1:0", "127.0.0.1:0"
	c.GRPCAddresses, c.HTTPAddresses, c.Upstream = []string{authz.Address}, nil, e.upstream.Address
	for _, f := range change {
		f(&c)
	}
	e.EnvoyProcess = envoytest.StartEnvoy(t, render(t, c))
	return e
}

// seen returns what the authorization server was asked since the last call.
func (e *edge) seen() []*authv3.AttributeContext_HttpRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.checks
	e.checks = nil
	return c
}

func set(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// allow answers every check with ok.
func allow(ok *authv3.OkHttpResponse) checkFunc {
	return func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		return &authv3.CheckResponse{Status: &statuspb.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok}}, nil
	}
}

func TestSEC_J01_J02_ForgedHeadersEndAtTheEdge(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{Headers: []*corev3.HeaderValueOption{set("x-auth-request-email", "ada@example.test")}}),
		func(c *envoy.Config) {
			c.IdentityHeaders = append(c.IdentityHeaders, "Remote-Subject")
			c.RemoveHeaders = []string{"X-Debug", "Cookie"}
		})
	forged := []string{
		"X-Auth-Request-User", "x-auth-request-user", "X_Auth_Request_User", "x.auth.request.user", "X!Auth#Request~User", "X-Auth_Request-User",
		"x-auth-request-email", "x-auth-request-anything", "X-Gateward-Assertion", "x_gateward_x",
		"Remote-Subject", "remote_subject", "X-Debug", "x.debug",
		"x-envoy-auth-failure-mode-allowed", "X-Envoy-Original-Path", "x_envoy_internal", "x-envoy-max-retries",
		"Grpc-Metadata-X-Auth-Request-User", "grpc_metadata_authorization", "grpcgateway-authorization", "Grpcgateway-Cookie",
		"X-HTTP-Method-Override", "x_http_method", "X-Method-Override",
		"X-Original-URL", "X-Rewrite-URL", "x_rewrite_url", "X-Original-URI", "X-Original-Host", "X-Host",
		"X-Forwarded-Host", "x-forwarded-uri", "X_Forwarded_Prefix", "Forwarded", "X-Real-IP", "True-Client-IP",
		"X-Forwarded-User", "x_forwarded_email", "Remote-User", "X-Remote-User", "X-WebAuth-User",
		"X_Forwarded_For", "x-forwarded_proto", "X.Request.Id", "x_forwarded-client-cert", "X-Forwarded-Client-Cert", "Proxy",
	}
	kept := []string{"x_odd", "X-Auth", "x-authrequest-user", "Authorization", "Cookie", "Origin", "Grpc-Timeout", "X-Methods", "x-forwarded-for"}
	check := func(t *testing.T, names []string) {
		t.Helper()
		// What Envoy sets itself, once and in the proper spelling.
		own := []string{"x-forwarded-proto", "x-forwarded-for", "x-request-id", "x-envoy-expected-rq-timeout-ms", "x-envoy-external-address", "x-envoy-internal"}
		for _, name := range forged {
			if name = strings.ToLower(name); slices.Contains(names, name) && name != "x-auth-request-email" && !slices.Contains(own, name) {
				t.Errorf("%s got through", name)
			}
		}
		for _, name := range kept {
			if !slices.Contains(names, strings.ToLower(name)) {
				t.Errorf("%s is gone", name)
			}
		}
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		var lines []string
		for _, name := range append(slices.Clone(forged), kept...) {
			lines = append(lines, name+": 1")
		}
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/", lines...)); resp.Status != 200 {
			t.Fatalf("got %d %q", resp.Status, resp.Body)
		}
		got := e.upstream.Requests()[0]
		check(t, got.Names())
		if v := got.Values("x-auth-request-email"); !slices.Equal(v, []string{"ada@example.test"}) {
			t.Errorf("identity set by the server: got %q", v)
		}
		var asked []string
		for _, h := range e.seen()[0].GetHeaderMap().GetHeaders() {
			asked = append(asked, h.GetKey())
		}
		check(t, asked)
		if slices.Contains(asked, "x-auth-request-email") {
			t.Error("the server saw the forged header")
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		var fields []envoytest.Field
		for _, name := range append(slices.Clone(forged), kept...) {
			fields = append(fields, envoytest.Field{Name: strings.ToLower(name), Value: "1"})
		}
		if resp := envoytest.H2Request(t, e.Address, envoytest.H2Fields("GET", "/", fields...), nil); resp.Status != 200 {
			t.Fatalf("got %d", resp.Status)
		}
		check(t, e.upstream.Requests()[0].Names())
	})
}

func TestBuiltInPathsNeverReachTheApplication(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{}))
	for target, want := range map[string]int{
		"/auth": 404, "/auth/": 404, "/auth/v1/self": 404, "/auth?x": 404, "/x/../auth/y": 404, "//auth//y": 404, "/%61uth/y": 404,
		"/api/csrf": 404, "/api/csrf?x": 404, "/api//csrf": 404,
		"/authx": 200, "/Auth": 200, "/x/auth": 200, "/api/csrf/x": 200, "/api": 200,
	} {
		resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", target))
		if resp.Status != want {
			t.Errorf("%s: got %d, want %d", target, resp.Status, want)
		}
		if n := len(e.upstream.Requests()); (n == 0) != (want == 404) {
			t.Errorf("%s: the application got %d requests", target, n)
		}
		if want != 404 {
			continue
		}
		if !json.Valid(resp.Body) || !slices.Equal(resp.Values("content-type"), []string{"application/json"}) || resp.Get("cache-control") != "no-store" {
			t.Errorf("%s: got %v %q", target, resp.Header, resp.Body)
		}
	}
	if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("TRACE", "/")); resp.Status != 405 || len(e.upstream.Requests()) > 0 {
		t.Errorf("TRACE: got %d", resp.Status)
	}
}

func TestPathsAreNormalizedOnceForAll(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{}))
	for target, want := range map[string]string{
		"/public/../admin":     "/admin",
		"/public/%2e%2e/admin": "/admin",
		`/public\..\admin`:     "/admin",
		"//a///b":              "/a/b",
		"/a%2Fb":               "/a%2Fb",
		"/a%5cb":               "/a%5cb",
		"/a;v=1":               "/a;v=1",
		"/%C3%A9?q=%2f":        "/%C3%A9?q=%2f",
	} {
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", target)); resp.Status != 200 {
			t.Errorf("%s: got %d", target, resp.Status)
			continue
		}
		if got := e.upstream.Requests()[0].Target; got != want {
			t.Errorf("%s: application got %s, want %s", target, got, want)
		}
		if got := e.seen()[0].GetPath(); got != want {
			t.Errorf("%s: server was asked about %s, want %s", target, got, want)
		}
	}
}

// TestAnswersChangeHeadersOnly: credentials can be removed and identity set;
// where a request goes and how it is framed cannot be changed.
func TestAnswersChangeHeadersOnly(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{
		Headers: []*corev3.HeaderValueOption{
			set("x-auth-request-user", "ada"), set("cookie", "a=1"),
			set(":path", "/admin"), set(":method", "DELETE"), set(":authority", "evil.test"), set("host", "evil.test"), set(":scheme", "https"),
			set("content-length", "0"), set("transfer-encoding", "chunked"), set("connection", "x-auth-request-user"), set("te", "trailers"),
			set("upgrade", "h2c"), set("x-envoy-max-retries", "9"),
		},
		HeadersToRemove: []string{"authorization", "x_odd", "not-there", "content-length", ":path", "host", "x-envoy-auth-failure-mode-allowed"},
	}))
	resp := envoytest.RawRequest(t, e.Address, append(envoytest.Message("POST", "/a?b",
		"Authorization: Bearer x", "Cookie: a=1; s=2", "Cookie: s=3", "X_Odd: 1", "Content-Length: 4"), "body"...))
	got := e.upstream.Requests()
	if resp.Status != 200 || len(got) != 1 {
		t.Fatalf("got %d, application got %v", resp.Status, got)
	}
	r := got[0]
	if r.Method != http.MethodPost || r.Target != "/a?b" || string(r.Body) != "body" {
		t.Errorf("application got %s %s %q", r.Method, r.Target, r.Body)
	}
	for name, want := range map[string][]string{
		"host": {"app.example.test"}, "content-length": {"4"}, "x-auth-request-user": {"ada"}, "cookie": {"a=1"},
		"authorization": nil, "x_odd": nil, "transfer-encoding": nil, "connection": nil, "te": nil, "upgrade": nil, "x-envoy-max-retries": nil,
	} {
		if v := r.Values(name); !slices.Equal(v, want) {
			t.Errorf("%s: application got %q, want %q", name, v, want)
		}
	}
}

func TestRemovedCookieIsGone(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{HeadersToRemove: []string{"cookie", "authorization"}}))
	envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/", "Cookie: a=1", "Cookie: b=2", "Authorization: a", "Authorization: b"))
	if names := e.upstream.Requests()[0].Names(); slices.Contains(names, "cookie") || slices.Contains(names, "authorization") {
		t.Errorf("application got %v", names)
	}
}

func TestBadHeaderValueIsRefused(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{Headers: []*corev3.HeaderValueOption{set("x-auth-request-user", "a\nb: c")}}))
	resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/"))
	if resp.Status != 500 || len(e.upstream.Requests()) > 0 {
		t.Errorf("got %d, want 500", resp.Status)
	}
}

func TestResponseSplittingIsStopped(t *testing.T) {
	t.Parallel()
	e := startEdge(t, func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		return &authv3.CheckResponse{
			Status: &statuspb.Status{Code: 7},
			HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
				Status:  &typev3.HttpStatus{Code: 403},
				Headers: []*corev3.HeaderValueOption{set("location", "/\r\nx-injected: 1")},
			}},
		}, nil
	})
	resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/"))
	if resp.Status != 500 || strings.Contains(string(resp.Wire), "x-injected") {
		t.Errorf("got %d:\n%s", resp.Status, resp.Wire)
	}
}

func TestStreamsAndUpgrades(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{}))
	if _, err := envoytest.Say(t.Context(), e.Address, metadata.Pairs("x-a", "1")); err != nil {
		t.Errorf("gRPC: %v", err)
	}
	if s, err := envoytest.Watch(t.Context(), e.Address, nil); err != nil {
		t.Errorf("gRPC stream: %v", err)
	} else {
		s.Close()
	}
	if got := e.upstream.Requests(); got[0].Proto != "HTTP/2.0" {
		t.Errorf("gRPC: application got %s", got[0].Proto)
	}
	resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
	if resp.Status != 101 || len(e.seen()) != 3 {
		t.Errorf("websocket: got %d", resp.Status)
	}
	// An HTTP/2 client reaches an application that speaks HTTP/1.1 only.
	if resp := envoytest.H2Request(t, e.Address, envoytest.H2Fields("GET", "/"), nil); resp.Status != 200 {
		t.Errorf("HTTP/2: got %d", resp.Status)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	md, err := structpb.NewStruct(map[string]any{"gateward": map[string]any{"subject": "ada", "rule": "reports"}})
	if err != nil {
		t.Fatal(err)
	}
	e := startEdge(t, func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		return &authv3.CheckResponse{Status: &statuspb.Status{Code: 7}, DynamicMetadata: md}, nil
	}, func(c *envoy.Config) { c.AccessLog = true })
	envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/logged?secret=1"))
	var line struct {
		Path, Details string
		Status        int
		Gateward      map[string]string
		RequestID     string `json:"request_id"`
	}
	envoytest.Eventually(t, "the log line", 20*time.Second, func(context.Context) error {
		for l := range strings.SplitSeq(e.Log(), "\n") {
			if strings.Contains(l, "/logged") {
				return json.Unmarshal([]byte(l), &line)
			}
		}
		return fmt.Errorf("not in %q", e.Log())
	})
	if line.Path != "/logged" || line.Status != 403 || line.Details != "ext_authz_denied" || line.RequestID == "" ||
		line.Gateward["subject"] != "ada" || line.Gateward["rule"] != "reports" || strings.Contains(e.Log(), "secret") {
		t.Errorf("got %+v in\n%s", line, e.Log())
	}
}

func TestSEC_L02_OutagesAre503(t *testing.T) {
	t.Parallel()
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		e := startEdge(t, func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
			return nil, status.Error(codes.PermissionDenied, "an error, not a denial")
		})
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != 503 || len(e.upstream.Requests()) > 0 {
			t.Errorf("got %d, want 503", resp.Status)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		e := startEdge(t, func(ctx context.Context, _ *authv3.CheckRequest) (*authv3.CheckResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, func(c *envoy.Config) { c.Timeout = 100 * time.Millisecond })
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != 503 || len(e.upstream.Requests()) > 0 {
			t.Errorf("got %d, want 503", resp.Status)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		e := startEdge(t, nil, func(c *envoy.Config) { c.GRPCAddresses = []string{envoytest.FreeAddress(t)} })
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != 503 || len(e.upstream.Requests()) > 0 {
			t.Errorf("got %d, want 503", resp.Status)
		}
	})
}
