package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// patience bounds how long a test waits for what should happen at once.
const patience = 20 * time.Second

// output collects what a program writes, and wakes who waits for it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) state() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}

func (o *output) String() string {
	s, _ := o.state()
	return s
}

// wait returns the first complete line behind offset that contains text, and
// the offset after it.
func (o *output) wait(t testing.TB, offset int, text string) (line string, next int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		s, more := o.state()
		for rest, at := s[offset:], offset; ; {
			l, after, found := strings.Cut(rest, "\n")
			if !found {
				break
			}
			at += len(l) + 1
			if strings.Contains(l, text) {
				return l, at
			}
			rest = after
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("no line with %q in:\n%s", text, s)
		}
	}
}

// running is a server in this process.
type running struct {
	t       testing.TB
	config  string
	out     *output
	read    int // how much of out has been waited for
	signals chan os.Signal
	poll    chan time.Time
	drained chan time.Time // ends the drain delay
	exit    chan int
	// The addresses of the listeners, "" for those that are not open; http is that
	// of the admin listener.
	grpc, login, http string
}

// launch is how a server is started.
type launch struct {
	environ []string
	listen  string           // "" for all
	now     func() time.Time // nil for time.Now
}

// serve starts a server with a configuration, in which DIR stands for a
// directory of its own.
func serve(t testing.TB, dir, yaml string, environ ...string) *running {
	t.Helper()
	return start(t, dir, yaml, launch{environ: environ})
}

func start(t testing.TB, dir, yaml string, how launch) *running {
	t.Helper()
	if how.now == nil {
		how.now = time.Now
	}
	r := &running{
		t: t, config: filepath.Join(dir, "gateward.yaml"), out: newOutput(),
		signals: make(chan os.Signal), poll: make(chan time.Time), drained: make(chan time.Time), exit: make(chan int, 1),
	}
	r.configure(yaml)
	p := &program{
		environ: how.environ, stdout: r.out, stderr: r.out, now: how.now, signals: r.signals, poll: r.poll,
		after: func(time.Duration) <-chan time.Time { return r.drained },
	}
	args := []string{"serve", "--config", r.config}
	if how.listen != "" {
		args = append(args, "--listen", how.listen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.exit <- p.run(ctx, args)
	}()
	t.Cleanup(func() {
		cancel()
		for {
			select {
			case r.signals <- syscall.SIGTERM: // no draining
			case <-ended:
				return
			}
		}
	})
	var started struct {
		GRPC  string `json:"grpc_address"`
		Login string `json:"http_address"`
		Admin string `json:"admin_address"`
	}
	if err := json.Unmarshal([]byte(r.wait(`"gateward started"`)), &started); err != nil {
		t.Fatal(err)
	}
	r.grpc, r.login, r.http = started.GRPC, started.Login, started.Admin
	return r
}

func (r *running) configure(yaml string) {
	r.t.Helper()
	write(r.t, r.config, strings.ReplaceAll(yaml, "DIR", filepath.Dir(r.config)))
}

// wait returns the next line of output that contains text.
func (r *running) wait(text string) string {
	r.t.Helper()
	var line string
	line, r.read = r.out.wait(r.t, r.read, text)
	return line
}

// signal sends a signal and waits until it is taken.
func (r *running) signal(s os.Signal) {
	r.t.Helper()
	select {
	case r.signals <- s:
	case <-time.After(patience):
		r.t.Fatalf("nobody takes %v:\n%s", s, r.out)
	}
}

// ended waits for the exit code.
func (r *running) ended() int {
	r.t.Helper()
	select {
	case code := <-r.exit:
		return code
	case <-time.After(patience):
		r.t.Fatalf("still running:\n%s", r.out)
		return -1
	}
}

// get asks the admin listener.
func (r *running) get(path string) (int, string) {
	r.t.Helper()
	res, err := http.Get("http://" + r.http + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// dial connects to the gRPC listener.
func (r *running) dial(options ...grpc.DialOption) *grpc.ClientConn {
	r.t.Helper()
	if len(options) == 0 {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	options = append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return dial(ctx, r.grpc)
	}))
	conn, err := grpc.NewClient("passthrough:///127.0.0.1", options...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// check asks whether a GET of path with the headers may pass, and returns the
// HTTP status that the client would see: 200 for an allow.
func check(ctx context.Context, conn *grpc.ClientConn, path string, headers ...string) (int, error) {
	h := map[string]string{":authority": "app.test", ":method": "GET", ":path": path}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	res, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: path, Host: "app.test", Scheme: "https", Headers: h,
		}},
	}})
	if err != nil {
		return 0, err
	}
	if res.GetStatus().GetCode() == 0 && res.GetOkResponse() != nil {
		return 200, nil
	}
	return int(res.GetDeniedResponse().GetStatus().GetCode()), nil
}

// wantCheck fails the test unless the client would see status.
func wantCheck(t testing.TB, conn *grpc.ClientConn, status int, headers ...string) {
	t.Helper()
	got, err := check(t.Context(), conn, "/x", headers...)
	if err != nil || got != status {
		t.Errorf("check with %q: %d, %v; want %d", headers, got, err, status)
	}
}

func healthOf(t testing.TB, conn *grpc.ClientConn, service string) string {
	t.Helper()
	res, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		return err.Error()
	}
	return res.GetStatus().String()
}

// A tokenIssuer signs tokens with ES256 and serves its key set, once it is let.
type tokenIssuer struct {
	url     string
	release func()
	key     *ecdsa.PrivateKey
	request chan struct{} // one for every request
}

// asked waits until the key set has been asked for.
func (i *tokenIssuer) asked(t testing.TB) {
	t.Helper()
	select {
	case <-i.request:
	case <-time.After(patience):
		t.Fatal("nobody asks for the key set")
	}
}

func newTokenIssuer(t testing.TB) *tokenIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwks := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	released := make(chan struct{})
	i := &tokenIssuer{key: key, request: make(chan struct{}, 100), release: sync.OnceFunc(func() { close(released) })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.request <- struct{}{}
		select {
		case <-released:
			io.WriteString(w, jwks)
		case <-r.Context().Done():
		}
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	i.url = "http://" + l.Addr().String()
	return i
}

func (i *tokenIssuer) token(t testing.TB, claims string) string {
	t.Helper()
	input := b64([]byte(`{"alg":"ES256","kid":"k"}`)) + "." + b64([]byte(claims))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + b64(sig)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
