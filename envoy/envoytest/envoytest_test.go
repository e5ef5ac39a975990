package envoytest_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

func TestMain(m *testing.M) { os.Exit(envoytest.Main(m)) }

// judge lets "Bearer good" pass as ada.
func judge(_ context.Context, req *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	for _, h := range req.GetAttributes().GetRequest().GetHttp().GetHeaderMap().GetHeaders() {
		if h.GetKey() == "authorization" && string(h.GetRawValue()) == "Bearer good" {
			return &authv3.CheckResponse{
				Status: &statuspb.Status{},
				HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
					Headers:         []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "x-auth-request-user", Value: "ada"}}},
					HeadersToRemove: []string{"authorization"},
				}},
			}, nil
		}
	}
	return &authv3.CheckResponse{
		Status: &statuspb.Status{Code: int32(codes.Unauthenticated)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode_Unauthorized},
			Headers: []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "www-authenticate", Value: "Bearer"}}},
			Body:    "no",
		}},
	}, nil
}

// start starts everything and returns Envoy and the upstream.
func start(t *testing.T) (*envoytest.EnvoyProcess, *envoytest.Upstream) {
	t.Helper()
	upstream := envoytest.StartUpstream(t)
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress = "127.0.0.1:0", "127.0.0.1:0"
	c.GRPCAddresses = []string{envoytest.StartAuthz(t, judge).Address}
	c.Upstream = upstream.Address
	var b bytes.Buffer
	if err := envoy.Bootstrap(&b, c); err != nil {
		t.Fatal(err)
	}
	return envoytest.StartEnvoy(t, b.String()), upstream
}

func TestHarness(t *testing.T) {
	t.Parallel()
	e, upstream := start(t)

	t.Run("HTTP/1.1 allow", func(t *testing.T) {
		resp := envoytest.RawRequest(t, e.Address, append(envoytest.Message("POST", "/a%2Fb?q=1",
			"Authorization: Bearer good", "X-Twice: 1", "x-twice: 2", "X_Odd: 3", "Content-Length: 4"), "body"...))
		if resp.Status != 200 || string(resp.Body) != "upstream" {
			t.Fatalf("got %d %q", resp.Status, resp.Body)
		}
		got := upstream.Requests()
		if len(got) != 1 {
			t.Fatalf("upstream got %d requests, want 1", len(got))
		}
		r := got[0]
		if r.Method != http.MethodPost || r.Target != "/a%2Fb?q=1" || r.Proto != "HTTP/1.1" || string(r.Body) != "body" {
			t.Errorf("upstream got %s %s %s %q", r.Method, r.Target, r.Proto, r.Body)
		}
		if v := r.Values("X-Auth-Request-User"); !slices.Equal(v, []string{"ada"}) {
			t.Errorf("identity header: got %q", v)
		}
		if v := r.Values("x-twice"); !slices.Equal(v, []string{"1", "2"}) {
			t.Errorf("duplicate header: got %q, want both", v)
		}
		if v := r.Values("x_odd"); !slices.Equal(v, []string{"3"}) {
			t.Errorf("underscore header: got %q", v)
		}
		if v := r.Values("authorization"); v != nil {
			t.Errorf("authorization reached the upstream: %q", v)
		}
	})
	t.Run("HTTP/1.1 deny", func(t *testing.T) {
		resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/"))
		if resp.Status != 401 || resp.Get("WWW-Authenticate") != "Bearer" || string(resp.Body) != "no" {
			t.Errorf("got %d %v %q", resp.Status, resp.Header, resp.Body)
		}
		if got := upstream.Requests(); len(got) != 0 {
			t.Errorf("upstream got %v", got)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		good := envoytest.Field{Name: "authorization", Value: "Bearer good"}
		long := envoytest.Field{Name: "x-long", Value: strings.Repeat("v", 20000)}
		body := bytes.Repeat([]byte("b"), 40000)
		resp := envoytest.H2Request(t, e.Address, envoytest.H2Fields("POST", "/h2", good, long), body)
		if resp.Status != 200 || string(resp.Body) != "upstream" {
			t.Fatalf("got %d %q, reset %v", resp.Status, resp.Body, resp.Reset)
		}
		if got := upstream.Requests(); len(got) != 1 || !bytes.Equal(got[0].Body, body) || len(got[0].Values("x-long")) != 1 {
			t.Errorf("upstream got %d requests, or not this one", len(got))
		}
		if resp := envoytest.H2Request(t, e.Address, envoytest.H2Fields("GET", "/h2"), nil); resp.Status != 401 {
			t.Errorf("without a credential: got %d", resp.Status)
		}
		bad := envoytest.Field{Name: "X-Upper", Value: "1"}
		if resp := envoytest.H2Request(t, e.Address, envoytest.H2Fields("GET", "/h2", bad), nil); resp.Status != 0 || resp.Reset == nil && !resp.Closed {
			t.Errorf("an upper-case name: got %d, want the stream ended (RFC 9113 §8.2)", resp.Status)
		}
	})
	t.Run("gRPC", func(t *testing.T) {
		md, err := envoytest.Say(t.Context(), e.Address, metadata.Pairs("authorization", "Bearer good", "x-mine", "1"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(md["x-auth-request-user"], []string{"ada"}) || !slices.Equal(md["x-mine"], []string{"1"}) || md["authorization"] != nil {
			t.Errorf("upstream got %v", md)
		}
		_, err = envoytest.Say(t.Context(), e.Address, nil)
		if status.Code(err) != codes.Unauthenticated || status.Convert(err).Message() != "no" {
			t.Errorf("without a credential: got %v", err)
		}
		stream, err := envoytest.Watch(t.Context(), e.Address, metadata.Pairs("authorization", "Bearer good"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(stream.Metadata["x-auth-request-user"], []string{"ada"}) {
			t.Errorf("stream: upstream got %v", stream.Metadata)
		}
		stream.Close()
		if err := stream.Wait(); status.Code(err) != codes.Canceled {
			t.Errorf("closed stream: got %v", err)
		}
		if _, err := envoytest.Watch(t.Context(), e.Address, nil); status.Code(err) != codes.Unauthenticated {
			t.Errorf("stream without a credential: got %v", err)
		}
		if got := upstream.Requests(); len(got) < 2 || got[len(got)-1].Proto != "HTTP/2.0" || got[len(got)-1].Target != envoytest.EchoWatch {
			t.Errorf("recorded gRPC requests: %v", got)
		}
	})
	t.Run("statistics", func(t *testing.T) {
		if n, ok := e.Stat(t, "http.ingress.ext_authz.gateward.denied"); !ok || n == 0 {
			t.Errorf("denied: got %d, %v", n, ok)
		}
		if _, ok := e.Stat(t, "no.such.statistic"); ok {
			t.Error("a statistic that does not exist was found")
		}
		if e.Listener("ingress") != e.Address {
			t.Errorf("listener ingress: got %q, want %q", e.Listener("ingress"), e.Address)
		}
	})
}

func TestUpstream(t *testing.T) {
	t.Parallel()
	upstream := envoytest.StartUpstream(t)
	upstream.Respond(func(r envoytest.Request) envoytest.Response {
		return envoytest.Response{Status: 404, Header: []envoytest.Field{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}, Body: r.Method}
	})
	resp := envoytest.RawRequest(t, upstream.Address, append(envoytest.Message("PUT", "/x",
		"HOST: a", "Transfer-Encoding: chunked"), "3\r\nabc\r\n0\r\n\r\n"...))
	if resp.Status != 404 || string(resp.Body) != "PUT" || !slices.Equal(resp.Values("set-cookie"), []string{"a=1", "b=2"}) {
		t.Errorf("got %d %v %q", resp.Status, resp.Header, resp.Body)
	}
	got := upstream.Requests()
	if len(got) != 1 || string(got[0].Body) != "abc" || got[0].Header[0] != (envoytest.Field{Name: "HOST", Value: "a"}) {
		t.Errorf("recorded %+v", got)
	}
	if again := upstream.Requests(); len(again) != 0 {
		t.Errorf("recorded twice: %+v", again)
	}
	if resp := envoytest.RawRequest(t, upstream.Address, []byte("nonsense\r\n\r\n")); resp.Status != 0 {
		t.Errorf("closed connection: got %d, want 0", resp.Status)
	}
	ws := envoytest.RawRequest(t, upstream.Address, envoytest.Message("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket"))
	if ws.Status != 101 {
		t.Errorf("upgrade: got %d, want 101", ws.Status)
	}
}

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	envoytest.Eventually(t, "the third call", time.Minute, func(context.Context) error {
		if n++; n < 3 {
			return os.ErrNotExist
		}
		return nil
	})
	if n != 3 {
		t.Errorf("called %d times, want 3", n)
	}
}

func TestFreeAddressesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		a := envoytest.FreeAddress(t)
		if seen[a] {
			t.Fatalf("%s twice", a)
		}
		seen[a] = true
	}
}

func TestStartGateward(t *testing.T) {
	t.Parallel()
	g := envoytest.StartGateward(t, `
authentication:
  methods: {token: {enabled: true, storage: {type: static, tokens: {ci: {credential: "a-static-token-of-ci"}}}}}
server: {drain_delay: 0s}
`, envoytest.GatewardOptions{})
	c := envoy.Default()
	upstream := envoytest.StartUpstream(t)
	c.ListenAddress, c.AdminAddress = "127.0.0.1:0", "127.0.0.1:0"
	c.GRPCAddresses, c.Upstream = []string{g.GRPCAddress}, upstream.Address
	var b bytes.Buffer
	if err := envoy.Bootstrap(&b, c); err != nil {
		t.Fatal(err)
	}
	e := envoytest.StartEnvoy(t, b.String())
	request := func() int {
		return envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/", "Authorization: Bearer a-static-token-of-ci")).Status
	}
	if got := request(); got != 200 {
		t.Errorf("got %d", got)
	}
	if err := g.Terminate(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if got := request(); got != 503 {
		t.Errorf("without gateward: got %d", got)
	}
	again := envoytest.StartGateward(t, "nonsense: 1", envoytest.GatewardOptions{GRPCAddress: g.GRPCAddress, Unready: true})
	if err := again.Wait(time.Minute); err == nil || !strings.Contains(again.Log(), "nonsense") {
		t.Errorf("a broken configuration: got %v\n%s", err, again.Log())
	}
}
