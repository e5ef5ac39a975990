package envoy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gateward/gateward/envoy/envoytest"
)

// TestSEC_A06_D06_G21_L11_Strangers: what somebody without a session can do.
func TestSEC_A06_D06_G21_L11_Strangers(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	over := s.beginSlowly(t)
	t.Run("G21 form of refusal", s.refusesInForm)
	t.Run("D06 redirect URI", s.keepsRedirectURI)
	t.Run("A06 paths", s.guardsPaths)
	t.Run("L11 limits", s.limitsRequests)
	t.Run("L11 slow clients", over)
}

// refusesInForm: only navigations are sent to the login; whoever cannot follow a login
// gets a status that it understands, with a session that has ended, too.
func (s *site) refusesInForm(t *testing.T) {
	edge := s.replicas[0].Address
	const stranger = "Cookie: " + tokenCookie + "=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="}
	for _, c := range []struct {
		name, method string
		header       []string
		want         int
		page         bool
	}{
		{"navigation", "GET", navigation(), 302, false},
		{"navigation with HEAD", "HEAD", navigation(), 302, false},
		{"script", "GET", []string{"Sec-Fetch-Mode: cors", "Accept: application/json"}, 401, false},
		{"curl", "GET", []string{"Accept: */*"}, 401, false},
		{"XMLHttpRequest", "GET", append(navigation(), "X-Requested-With: XMLHttpRequest"), 401, false},
		{"form", "POST", append(navigation(), "Content-Length: 0", "Content-Type: application/x-www-form-urlencoded"), 401, false},
		{"websocket", "GET", append(navigation(), upgrade...), 401, false},
		{"another host", "GET", append(navigation(), "Host: other.example.test"), 401, true},
		{"host below ours", "GET", append(navigation(), "Host: sub."+siteHost), 401, true},
	} {
		for _, credential := range []string{"X-None: 1", stranger} {
			got := envoytest.RawRequest(t, edge, envoytest.Message(c.method, "/orders", append(slices.Clone(c.header), credential, "Connection: close")...))
			if got.Status != c.want || (got.Get("location") != "") != (c.want == 302) {
				t.Errorf("%s with %.6s: got %d to %q, want %d", c.name, credential, got.Status, got.Get("location"), c.want)
			}
			isPage := strings.HasPrefix(got.Get("content-type"), "text/html")
			if c.want == 401 && (isPage != c.page || !c.page && string(got.Body) != unauthenticatedBody || got.Get("www-authenticate") == "") {
				t.Errorf("%s: got %s %s", c.name, got.Get("content-type"), got.Body)
			}
		}
	}
	for _, md := range []metadata.MD{nil, metadata.Pairs("cookie", strings.TrimPrefix(stranger, "Cookie: ")), metadata.Pairs("accept", "text/html", "sec-fetch-mode", "navigate")} {
		if _, err := envoytest.Say(t.Context(), edge, md); status.Code(err) != codes.Unauthenticated {
			t.Errorf("gRPC with %v: got %v", md, err)
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		t.Errorf("%d requests reached the application", n)
	}
}

// keepsRedirectURI: it is ours, whatever host a request names.
func (s *site) keepsRedirectURI(t *testing.T) {
	edge := s.replicas[0].Address
	for _, header := range [][]string{
		{"X-Forwarded-Host: evil.example"},
		{"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Original-Host: evil.example", "Forwarded: host=evil.example"},
		{"Host: " + siteHost + ":8443"},
		{"Host: evil.example", "Authorization: Bearer " + staticToken},
	} {
		got := envoytest.RawRequest(t, edge, envoytest.Message("GET", "/auth/v1/method/oidc/op/authorize?rd=/x", append(slices.Clone(header), append(navigation(), "Connection: close")...)...))
		to, err := url.Parse(got.Get("location"))
		if err != nil || got.Status != http.StatusFound {
			t.Errorf("%q: got %d %s", header, got.Status, got.Body)
			continue
		}
		if uri := to.Query().Get("redirect_uri"); uri != siteOrigin+"/auth/v1/method/oidc/op/callback" {
			t.Errorf("%q: redirect_uri %s", header, uri)
		}
		if strings.Contains(string(got.Wire), "evil.example") {
			t.Errorf("%q: the answer repeats it:\n%s", header, got.Wire)
		}
	}
	if got := envoytest.RawRequest(t, edge, envoytest.Message("GET", "/auth/login", "Host: evil.example", "Connection: close")); got.Status != 401 {
		t.Errorf("the login service under another host: got %d", got.Status)
	}
}

// guardsPaths: the login service's paths are open to everybody, and
// so must lead to nothing else: not to the application, and not, in disguise, to
// the login service, with an Envoy that normalizes paths and with one that does
// not.
func (s *site) guardsPaths(t *testing.T) {
	raw := s.startEnvoy(t, s.replicas, unnormalized)
	targets := []string{
		"/auth/../orders", "/auth/%2e%2e/orders", "/auth/.%2e/orders", "/auth/%252e%252e/orders", "/auth/..%2forders", "/auth%2f..%2forders",
		"/auth/..;/orders", "/auth;x/../orders", "/auth/x/../../orders", "/auth/./../orders", `/auth/..\orders`, "/auth/..%5corders", "/auth//../orders", "//auth/../orders",
		"/authx", "/auth.", "/auth%00", "/auth%20", "/Auth/login", "/AUTH/login", "/auth%2flogin", "/%61uth%2flogin", "/x/auth/login", "/auth;x/login", "/auth\tlogin",
		"/public/../auth%2f..%2forders", "/public/..%2fauth/v1/tokens", "/public/%2e%2e%2forders", "/api/csrf/../orders", "/api/csrf%2f..%2f..%2forders", "/api/csrfx",
	}
	for name, address := range map[string]string{"normalized": s.replicas[0].Address, "as sent": raw.Address} {
		for _, target := range targets {
			got := envoytest.RawRequest(t, address, envoytest.Message("GET", target, "Connection: close"))
			// The login service may be asked, and then knows no such path.
			if !slices.Contains([]int{400, 401, 404}, got.Status) {
				t.Errorf("%s: %q: got %d %s", name, target, got.Status, got.Body)
			}
		}
	}
	if r := s.upstream.Requests(); len(r) > 0 {
		t.Errorf("%d requests reached the application, the first for %q", len(r), r[0].Target)
	}
	// With a credential the application gets paths of its own, and none of /auth.
	for _, target := range []string{"/auth/login", "/auth/v1/method", "/auth", "/auth/", "/auth/unknown", "/api/csrf"} {
		for _, address := range []string{s.replicas[0].Address, raw.Address} {
			envoytest.RawRequest(t, address, envoytest.Message("GET", target, "Authorization: Bearer "+staticToken, "Connection: close"))
		}
	}
	if r := s.upstream.Requests(); len(r) > 0 {
		t.Errorf("a path of the login service reached the application: %q", r[0].Target)
	}
}

// limitsRequests: what the login service does not know, and more
// than it reads.
func (s *site) limitsRequests(t *testing.T) {
	r := s.replicas[0]
	tooMuch := strings.Repeat("x", 1<<20)
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, method, target, body string
		want                       []int
	}{
		{"unknown path", "GET", "/auth/unknown", "", []int{404}},
		{"root", "GET", "/auth", "", []int{404}},
		{"unknown provider", "GET", "/auth/v1/method/oidc/other/authorize", "", []int{400}},
		{"unknown operation", "GET", "/auth/v1/method/oidc/op/other", "", []int{404}},
		{"TRACE", "TRACE", "/auth/login", "", []int{400, 405}},
		{"CONNECT-like", "CONNECT", "/auth/login", "", []int{400, 404, 405}},
		{"wrong method", "POST", "/auth/login", "", []int{405}},
		{"HEAD of a callback", "HEAD", "/auth/v1/method/oidc/op/callback?code=x&state=y", "", []int{405}},
		{"large logout token", "POST", "/auth/v1/method/oidc/op/revoke", "logout_token=" + tooMuch, []int{400, 413}},
		{"large form", "POST", "/auth/logout", "x=" + tooMuch, []int{303, 400, 403, 413}},
		{"long query", "GET", "/auth/login?rd=/" + strings.Repeat("a", 40<<10), "", []int{200, 302, 400}},
		{"long target", "GET", "/auth/" + strings.Repeat("a", 40<<10), "", []int{400, 404, 414}},
	} {
		for where, address := range map[string]string{"through Envoy": r.Address, "directly": r.gateward.HTTPAddress} {
			header := []string{form, fmt.Sprintf("Content-Length: %d", len(c.body)), "X-Canary: echo-canary", "Connection: close"}
			got := envoytest.RawRequest(t, address, append(envoytest.Message(c.method, c.target, header...), c.body...))
			if !slices.Contains(c.want, got.Status) {
				t.Errorf("%s %s: got %d %.200s", c.name, where, got.Status, got.Body)
			}
			if bytes.Contains(got.Wire, []byte("echo-canary")) {
				t.Errorf("%s %s: the answer repeats the request", c.name, where)
			}
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		t.Errorf("%d requests reached the application", n)
	}
	if got := envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/auth/v1/method", "Connection: close")); got.Status != http.StatusOK {
		t.Errorf("afterwards: got %d", got.Status)
	}
}

// beginSlowly sends headers and a body that never end, and returns a test that
// they are not waited for.
func (s *site) beginSlowly(t *testing.T) (over func(*testing.T)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	conns := map[string]net.Conn{}
	for name, start := range map[string]string{
		"header": "GET /auth/login HTTP/1.1\r\nHost: " + siteHost + "\r\nX-Slow: ",
		"body": "POST /auth/v1/method/oidc/op/revoke HTTP/1.1\r\nHost: " + siteHost +
			"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nlogout_token=",
	} {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", s.replicas[0].gateward.HTTPAddress)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		context.AfterFunc(ctx, func() { conn.Close() })
		if _, err := io.WriteString(conn, start); err != nil {
			t.Fatal(err)
		}
		conns[name] = conn
	}
	return func(t *testing.T) {
		for name, conn := range conns {
			// The other side ends it, with an answer or without.
			if answer, _ := io.ReadAll(conn); ctx.Err() != nil || bytes.Contains(answer, []byte(" 200 ")) {
				t.Errorf("%s: got %q, %v", name, answer, ctx.Err())
			}
		}
	}
}
