package extauthz_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/telemetry"
	"github.com/gateward/gateward/methods"
)

func scrape(tb testing.TB, m *telemetry.Metrics) string {
	tb.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

// serve puts an engine behind gRPC and returns a connection to it.
func serve(tb testing.TB, cfg extauthz.Config, fake *fakeMethod, o extauthz.Options) (*extauthz.Service, *grpc.ClientConn) {
	tb.Helper()
	e, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
	if err != nil {
		tb.Fatal(err)
	}
	s := extauthz.NewService(e, o)
	server := grpc.NewServer(extauthz.ServerOptions()...)
	s.Register(server)
	l := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	tb.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			tb.Error(err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return s, conn
}

// TestSEC_A02_RefusalsAreAnswers: every refusal is an answer, since a failed
// call is no refusal to an Envoy with failure_mode_allow.
func TestSEC_A02_RefusalsAreAnswers(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	siteRules(&cfg)
	_, conn := serve(t, cfg, newFake(), options(t))
	client := authv3.NewAuthorizationClient(conn)
	huge := req("GET app.test/", "x-big: "+strings.Repeat("x", 4<<20))
	for name, c := range map[string]struct {
		in   *authv3.CheckRequest
		want int
	}{
		"empty":            {&authv3.CheckRequest{}, 400},
		"tcp filter":       {&authv3.CheckRequest{Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{Principal: "x"}}}, 400},
		"no credential":    {req("GET app.test/"), 401},
		"bad credential":   {req("GET app.test/", "authorization: Bearer nobody"), 401},
		"forbidden":        {req("GET app.test/admin", bearer), 403},
		"hostile":          {req("GET app.test/.."), 400},
		"unavailable":      {req("GET app.test/", "authorization: Bearer down"), 503},
		"panic":            {req("GET app.test/", "authorization: Bearer boom"), 503},
		"unknown rule":     {naming(req("GET app.test/"), "typo"), 503},
		"headers too big":  {huge, 431},
		"TRACE":            {req("TRACE app.test/"), 405},
		"allow, by grpc":   {req("GET app.test/", bearer), 200},
		"allow, anonymous": {req("GET app.test/public/x"), 200},
	} {
		got, err := client.Check(t.Context(), c.in)
		if err != nil {
			t.Errorf("%s: the call failed: %v", name, err)
			continue
		}
		sound(t, got)
		if g := httpStatus(got); g != c.want {
			t.Errorf("%s: got %d, want %d", name, g, c.want)
		}
	}
}

// TestAbandonedCheckIsNoDenial: a check that is cancelled before its message
// has arrived is not the client's fault.
func TestAbandonedCheckIsNoDenial(t *testing.T) {
	t.Parallel()
	o := options(t)
	_, conn := serve(t, defaults(), newFake(), o)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/envoy.service.auth.v3.Authorization/Check"); err != nil {
		t.Fatal(err)
	}
	// The server has the headers once it answers something behind them.
	if _, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), req("GET app.test/", bearer)); err != nil {
		t.Fatal(err)
	}
	cancel()
	const want = `gateward_checks_total{method="none",outcome="fault",reason="deadline",rule="none"} 1`
	for start := time.Now(); !strings.Contains(scrape(t, o.Metrics), want); runtime.Gosched() {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("metrics lack %s:\n%s", want, scrape(t, o.Metrics))
		}
	}
}

func httpStatus(r *authv3.CheckResponse) int {
	if r.GetStatus().GetCode() == 0 {
		return 200
	}
	return int(r.GetDeniedResponse().GetStatus().GetCode())
}

// TestSEC_A03_PanicsAreFaults: in a method and in the engine itself, the
// process lives, and it shows.
func TestSEC_A03_PanicsAreFaults(t *testing.T) {
	t.Parallel()
	o := options(t)
	var calls atomic.Int32
	clock := o.Now
	o.Now = func() time.Time { // the engine's own goroutine; the first call makes the engine
		if calls.Add(1) == 2 {
			panic("clock")
		}
		return clock()
	}
	_, conn := serve(t, defaults(), newFake(), o)
	client := authv3.NewAuthorizationClient(conn)
	for i, token := range []string{"good", "boom", "boom"} {
		got, err := client.Check(t.Context(), req("GET app.test/", "authorization: Bearer "+token))
		if err != nil || httpStatus(got) != 503 {
			t.Errorf("check %d: got %v, %v", i, got, err)
		}
	}
	if got, err := client.Check(t.Context(), req("GET app.test/", bearer)); err != nil || httpStatus(got) != 200 {
		t.Errorf("afterwards: got %v, %v", got, err)
	}
	if text := scrape(t, o.Metrics); !strings.Contains(text, "gateward_panics_total 3") {
		t.Error("the panics were not counted")
	}
}

// TestSEC_L14_UnknownMethods: any other method, of whatever service, is not
// ours; reflection is off.
func TestSEC_L14_UnknownMethods(t *testing.T) {
	t.Parallel()
	_, conn := serve(t, defaults(), newFake(), options(t))
	for _, method := range []string{"/envoy.service.auth.v3.Authorization/Other", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/envoy.service.auth.v2.Authorization/Check"} {
		err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
		if grpcstatus.Code(err) != codes.Unimplemented {
			t.Errorf("%s: got %v", method, err)
		}
	}
}

// TestSEC_L10_MessagesAreBounded: nobody makes the server hold more than any
// Envoy would send.
func TestSEC_L10_MessagesAreBounded(t *testing.T) {
	t.Parallel()
	_, conn := serve(t, defaults(), newFake(), options(t))
	_, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), req("GET app.test/", "x-big: "+strings.Repeat("x", 9<<20)))
	if grpcstatus.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
	if got, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), req("GET app.test/", bearer)); err != nil || httpStatus(got) != 200 {
		t.Errorf("afterwards: got %v, %v", got, err)
	}
}

// TestSEC_K06_ReloadForgets: after a new configuration nothing of the old one
// is believed, not even what was being verified at that moment.
func TestSEC_K06_ReloadForgets(t *testing.T) {
	t.Parallel()
	o := options(t)
	entered, release := make(chan struct{}), make(chan struct{})
	before := newFake()
	before.table["slow"] = func(context.Context) (gateward.Identity, error) {
		close(entered)
		<-release
		return ada(), nil
	}
	s, conn := serve(t, defaults(), before, o)
	client := authv3.NewAuthorizationClient(conn)
	check := func(token string) int {
		got, err := client.Check(t.Context(), req("GET app.test/", "authorization: Bearer "+token))
		if err != nil {
			t.Error(err)
		}
		return httpStatus(got)
	}
	if got := check("good"); got != 200 {
		t.Fatalf("before: got %d", got)
	}
	slow := make(chan int)
	go func() { slow <- check("slow") }()
	<-entered

	after := &fakeMethod{name: "fake"} // knows nobody
	next, err := extauthz.New(defaults(), []methods.Authenticator{after}, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Swap(next)
	close(release)
	if got := <-slow; got != 200 {
		t.Errorf("a check that began before: got %d", got)
	}
	for _, token := range []string{"good", "slow"} {
		if got := check(token); got != 401 {
			t.Errorf("%s: got %d, want 401", token, got)
		}
	}
}

// TestSEC_L04_SingleFlight: a thousand at once cost one verification.
func TestSEC_L04_SingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		release := make(chan struct{})
		fake.table["slow"] = func(context.Context) (gateward.Identity, error) {
			<-release
			return ada(), nil
		}
		inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		leader, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := e.checkContext(leader, t, req("GET app.test/", "authorization: Bearer slow")); allowed(got) {
				t.Error("who left was let in")
			}
		})
		synctest.Wait()
		for range 1000 {
			wg.Go(func() {
				if got := e.checkContext(context.Background(), t, req("GET app.test/", "authorization: Bearer slow")); !allowed(got) {
					t.Errorf("got %v", got)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := fake.calls.Load(); n != 1 {
			t.Errorf("%d verifications, want 1", n)
		}
	})
}

// TestSEC_K08_AnswersAreNotShared: checks at the same time, and what is done
// with one answer, do not show in another. The race detector judges.
func TestSEC_K08_AnswersAreNotShared(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	requests := [][]byte{}
	for _, r := range []*authv3.CheckRequest{
		req("GET app.test/", bearer), req("GET app.test/", "authorization: Bearer bob"), req("GET app.test/public/x", "x_auth_request_user: evil"),
		req("GET app.test/"), req("GET app.test/a%2fb", bearer), req("GET app.test/", "cookie: a=1; gateward_client_token=good"),
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, b)
	}
	want := []string{"ada", "bob", "", "", "ada", "ada"}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var v wire.View
			for i := range 300 {
				n := i % len(requests)
				answer := e.Decide(t.Context(), &v, wire.Scan(requests[n], &v))
				var got authv3.CheckResponse
				if err := proto.Unmarshal(answer, &got); err != nil || sent(&got, "x-auth-request-user") != want[n] {
					t.Errorf("request %d: got %v, %v", n, &got, err)
				}
				clear(answer)
			}
		})
	}
	wg.Wait()
}

// TestSEC_N01_NoSecretLeaves: whatever is sent and however it ends, no part of
// a credential is in a log line or an answer.
func TestSEC_N01_NoSecretLeaves(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var mu sync.Mutex
	o := options(t)
	o.Logger = slog.New(slog.NewJSONHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	const canary = "c4n4ry"
	fake := newFake()
	for _, s := range []string{"good", "out", "down", "odd", "boom"} {
		fake.table[s+canary] = fake.table[s]
	}
	cfg := defaults()
	siteRules(&cfg)
	inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, fake}
	basic := base64.StdEncoding.EncodeToString([]byte("ada:" + canary))
	for _, h := range []string{
		"authorization: Bearer good" + canary, "authorization: Bearer out" + canary, "authorization: Bearer down" + canary,
		"authorization: Bearer odd" + canary, "authorization: Bearer boom" + canary, "authorization: Bearer nobody" + canary,
		"authorization: " + canary, "authorization: Bearer " + canary + ",Bearer x", "authorization: Basic " + basic,
		"cookie: gateward_client_token=good" + canary, "cookie: gateward_client_token=" + canary + "; flipt_client_token=x",
	} {
		for _, path := range []string{"/", "/public/x", "/maybe", "/admin", "/..", "/?token=" + canary} {
			got := e.check(t, req("GET app.test"+path, h))
			if text := fmt.Sprint(got); strings.Contains(text, canary) || strings.Contains(text, basic) {
				t.Errorf("%s on %s: the answer holds it: %s", h, path, text)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if text := log.String(); strings.Contains(text, canary) || strings.Contains(text, basic) || !strings.Contains(text, `"msg":"check"`) {
		t.Errorf("the log holds it, or nothing: %s", text)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestSEC_N08_LabelsAreBounded: nothing that a client sends becomes a label.
func TestSEC_N08_LabelsAreBounded(t *testing.T) {
	t.Parallel()
	o := options(t)
	cfg := defaults()
	siteRules(&cfg)
	fake := newFake()
	inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, fake}
	for i := range 500 {
		e.check(t, req(fmt.Sprintf("M%d host-%d.test/path-%d", i, i, i), fmt.Sprintf("authorization: Bearer t%d", i)))
		e.check(t, naming(req("GET app.test/"), fmt.Sprint("rule-", i)))
	}
	if n := strings.Count(scrape(t, o.Metrics), "\ngateward_checks_total{"); n > 4 {
		t.Errorf("%d series", n)
	}
}
