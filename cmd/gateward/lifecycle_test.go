package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

const (
	goodToken  = "the-first-good-credential"
	otherToken = "the-other-good-credential"

	listeners = `
server:
  grpc: {address: "127.0.0.1:0"}
  admin: {address: "127.0.0.1:0"}
  http: {address: "127.0.0.1:0"}
log: {level: debug}
`
	tokenConfiguration = listeners + `
authentication:
  methods:
    token: {enabled: true, storage: {tokens: {ci: {credential: ` + goodToken + `}}}}
`
)

// jwtConfiguration accepts tokens of i for "gateward", and goodToken.
func jwtConfiguration(i *tokenIssuer) string {
	return tokenConfiguration + `    jwt: {enabled: true, jwks_url: "` + i.url + `", validate_claims: {audiences: [gateward]}}
`
}

const claims = `{"sub":"ada","aud":"gateward","exp":4000000000}`

func TestServe(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	conn := r.dial()
	wantCheck(t, conn, 401)
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	wantCheck(t, conn, 401, "authorization", "Bearer "+otherToken)
	for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
		if got := healthOf(t, conn, service); got != "SERVING" {
			t.Errorf("health of %q: %s", service, got)
		}
	}
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/cmdline": 200,
		"/debug/pprof/goroutine?debug=1": 200, "/": 404, "/admin": 404, "/debug/": 404, "/debug/vars": 404, "/metrics/x": 404,
	} {
		if code, body := r.get(path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	if _, body := r.get("/metrics"); !strings.Contains(body, "gateward_config_reload_success 1\n") ||
		!strings.Contains(body, "gateward_build_info{") {
		t.Errorf("metrics:\n%s", body)
	}
}

func TestSEC_P01_NoAdminOnTheCheckPort(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	defer h2.CloseIdleConnections()
	for name, client := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{DisableKeepAlives: true}}, "HTTP/2": {Transport: h2}} {
		for _, path := range []string{"/debug/pprof/", "/metrics", "/healthz", "/readyz"} {
			res, err := client.Get("http://" + r.grpc + path)
			if err != nil {
				continue // it does not even speak the protocol
			}
			res.Body.Close()
			if res.StatusCode == http.StatusOK && res.Header.Get("Grpc-Status") == "" {
				t.Errorf("%s %s: %s", name, path, res.Status)
			}
		}
	}
}

func TestSEC_P07_NoReflection(t *testing.T) {
	t.Parallel()
	r := serve(t, t.TempDir(), tokenConfiguration)
	conn := r.dial()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unimplemented {
		t.Errorf("reflection: %v, want Unimplemented", err)
	}
	for _, method := range []string{"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/grpc.channelz.v1.Channelz/GetServers"} {
		err := conn.Invoke(t.Context(), method, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v, want Unimplemented", method, err)
		}
	}
}

func TestSEC_L06_StartsWithoutProvider(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	issuer := newTokenIssuer(t)
	token := issuer.token(t, claims)
	issuer.url = "http://" + l.Addr().String()
	r := serve(t, t.TempDir(), jwtConfiguration(issuer))
	conn := r.dial()
	wantCheck(t, conn, 503, "authorization", "Bearer "+token)
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	code, body := r.get("/readyz")
	var got struct {
		Status       string            `json:"status"`
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if code != 200 || got.Status != "ready" || got.Dependencies["jwks"] != "unavailable" {
		t.Errorf("readyz: %d %s, want ready and the key set unavailable", code, body)
	}
}

func TestSEC_L09_DrainWithoutFailedChecks(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	r := serve(t, t.TempDir(), jwtConfiguration(issuer))
	conn := r.dial()
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	watch, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := watch.Recv(); err != nil || m.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("watch: %v, %v", m, err)
	}

	r.signal(syscall.SIGTERM)
	r.wait(`"draining"`)
	if m, err := watch.Recv(); err != nil || m.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watch while draining: %v, %v", m, err)
	}
	wantDraining(t, r, conn)

	// A check that waits for the key set is in flight when the delay ends.
	type answer struct {
		code int
		err  error
	}
	inFlight := make(chan answer, 1)
	token := issuer.token(t, claims)
	go func() {
		code, err := check(t.Context(), conn, "/x", "authorization", "Bearer "+token)
		inFlight <- answer{code, err}
	}()
	issuer.asked(t)
	r.drained <- time.Now()
	if !conn.WaitForStateChange(t.Context(), connectivity.Ready) {
		t.Error("no GOAWAY")
	}
	if c, err := net.Dial("tcp", r.grpc); err == nil {
		c.Close()
		t.Error("new connections are accepted after GOAWAY")
	}
	select {
	case a := <-inFlight:
		t.Errorf("check in flight ended with GOAWAY: %+v", a)
	default:
	}
	issuer.release()
	if a := <-inFlight; a.err != nil || a.code != 200 {
		t.Errorf("check in flight: %+v, want it answered", a)
	}
	if code := r.ended(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.out)
	}
	if _, err := net.Dial("tcp", r.http); err == nil {
		t.Error("the admin listener survived")
	}
}

// wantDraining fails the test unless health checks fail and checks are answered.
func wantDraining(t *testing.T, r *running, conn *grpc.ClientConn) {
	t.Helper()
	for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
		if got := healthOf(t, conn, service); got != "NOT_SERVING" {
			t.Errorf("health of %q while draining: %s", service, got)
		}
	}
	if code, body := r.get("/readyz"); code != 503 || !strings.Contains(body, "draining") {
		t.Errorf("readyz while draining: %d %s", code, body)
	}
	if code, _ := r.get("/healthz"); code != 200 {
		t.Errorf("healthz while draining: %d", code)
	}
	// Envoy in panic mode still asks, on connections old and new.
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	wantCheck(t, conn, 401, "authorization", "Bearer "+otherToken)
	wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
}

func TestSEC_L09_SecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"in the delay", "in the grace"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			issuer := newTokenIssuer(t)
			r := serve(t, t.TempDir(), strings.Replace(jwtConfiguration(issuer), "server:", "server:\n  shutdown_grace: 1h", 1))
			conn := r.dial()
			failed := make(chan error, 1)
			go func() {
				_, err := check(t.Context(), conn, "/x", "authorization", "Bearer "+issuer.token(t, claims))
				failed <- err
			}()
			issuer.asked(t)
			r.signal(syscall.SIGTERM)
			r.wait(`"draining"`)
			if when == "in the grace" {
				r.drained <- time.Now()
				conn.WaitForStateChange(t.Context(), connectivity.Ready)
			}
			r.signal(syscall.SIGHUP) // is not impatience
			r.signal(syscall.SIGINT)
			if code := r.ended(); code != 1 {
				t.Errorf("exit code %d, want 1: a check was dropped", code)
			}
			r.wait("stopped before every request was answered")
			if err := <-failed; err == nil {
				t.Error("the check was answered after all")
			}
		})
	}
}

func TestSEC_Q05_SocketIsRemovedOnExit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := serve(t, dir, strings.Replace(tokenConfiguration, "127.0.0.1:0", "unix://DIR/gw.sock", 1))
	if want := "unix://" + filepath.Join(dir, "gw.sock"); r.grpc != want {
		t.Fatalf("listens on %q, want %q", r.grpc, want)
	}
	wantCheck(t, r.dial(), 200, "authorization", "Bearer "+goodToken)
	if fi, err := os.Stat(filepath.Join(dir, "gw.sock")); err != nil || fi.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v", fi, err)
	}
	r.signal(syscall.SIGTERM)
	r.drained <- time.Now()
	if code := r.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(filepath.Join(dir, "gw.sock")); !os.IsNotExist(err) {
		t.Errorf("socket after exit: %v", err)
	}
}

func TestStartProblems(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	socket := filepath.Join(dir, "gw.sock")
	for name, tt := range map[string]struct{ yaml, want string }{
		"grpc port taken":  {strings.Replace(tokenConfiguration, "127.0.0.1:0", taken.Addr().String(), 1), "gateward: server.grpc.address: "},
		"admin port taken": {strings.Replace(strings.Replace(tokenConfiguration, "127.0.0.1:0", "unix://"+socket, 1), "127.0.0.1:0", taken.Addr().String(), 1), "gateward: server.admin.address: "},
		"no method":        {listeners, "no method is enabled"},
		"bad path pattern": {tokenConfiguration + "rules: [{name: r, match: {paths: [\"a\"]}}]\n", "rules[0].match.paths[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateward.yaml")
			write(t, path, tt.yaml)
			out := newOutput()
			p := &program{stdout: out, stderr: out, now: time.Now, signals: make(chan os.Signal), poll: make(chan time.Time), after: time.After}
			if code := p.run(t.Context(), []string{"serve", "--config", path}); code != 1 {
				t.Errorf("exit code %d", code)
			}
			out.wait(t, 0, tt.want)
			if _, err := os.Lstat(socket); !os.IsNotExist(err) {
				t.Errorf("the socket is left behind: %v", err)
			}
		})
	}
}

func TestServeOneListener(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateward.yaml")
	write(t, path, tokenConfiguration)
	out := newOutput()
	signals := make(chan os.Signal)
	p := &program{stdout: out, stderr: out, now: time.Now, signals: signals, poll: make(chan time.Time), after: func(time.Duration) <-chan time.Time {
		c := make(chan time.Time, 1)
		c <- time.Time{}
		return c
	}}
	exit := make(chan int)
	go func() { exit <- p.run(t.Context(), []string{"serve", "--config", path, "--listen", "grpc"}) }()
	if line, _ := out.wait(t, 0, `"gateward started"`); strings.Contains(line, "admin_address") || !strings.Contains(line, "grpc_address") {
		t.Errorf("started %s", line)
	}
	signals <- syscall.SIGINT
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
