package envoy_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gateward/gateward/envoy/envoytest"
)

const unauthenticatedBody = `{"code":16,"message":"request was not authenticated","details":[]}`

// one returns the only request that reached the application.
func (s *stack) one(t *testing.T) envoytest.Request {
	t.Helper()
	requests := s.reached()
	if len(requests) != 1 {
		t.Fatalf("%d requests reached the application, want 1", len(requests))
	}
	return requests[0]
}

func TestNoCredential(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	got := s.get(t, "/orders")
	if got.Status != 401 || string(got.Body) != unauthenticatedBody {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	for name, want := range map[string]string{
		"www-authenticate": `Bearer realm="gateward"`, "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff",
	} {
		if v := got.Values(name); !slices.Equal(v, []string{want}) {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
	if got.Get("x-gateward-decision-id") == "" || got.Get("x-request-id") == "" {
		t.Errorf("no ids: %v", got.Header)
	}
	if !strings.Contains(s.gateward.Log(), got.Get("x-gateward-decision-id")) {
		t.Error("the log does not know the decision id")
	}
	if n := len(s.reached()); n != 0 {
		t.Errorf("%d requests reached the application", n)
	}
}

func TestStaticToken(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	for _, c := range []struct{ name, header, cookie string }{
		{"bearer", "Authorization: Bearer " + staticToken, "other=1"},
		{"scheme in any case, spaces", "authorization:   bEaReR   " + staticToken, "other=1"},
		{"our cookie", "X-None: x", "other=1; gateward_client_token=" + staticToken},
		{"flipt's cookie", "X-None: x", "flipt_client_token=" + staticToken + "; other=1"},
		{"quoted cookie", "X-None: x", `other=1; gateward_client_token="` + staticToken + `"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.get(t, "/orders?x=1", c.header, "Cookie: "+c.cookie, "X-Auth-Request-User: evil", "X_Auth_Request_User: evil", "X-Auth-Request-Groups: admin")
			if got.Status != 200 {
				t.Fatalf("got %d %s", got.Status, got.Body)
			}
			r := s.one(t)
			for name, want := range map[string][]string{
				"x-auth-request-user": {"ci"}, "x-auth-request-method": {"token"}, "x-auth-request-scopes": {"read"},
				"x-auth-request-groups": nil, "x-auth-request-email": nil, "x_auth_request_user": nil,
				"authorization": nil, "cookie": {"other=1"},
			} {
				if v := r.Values(name); !slices.Equal(v, want) {
					t.Errorf("%s: got %q, want %q", name, v, want)
				}
			}
			if r.Target != "/orders?x=1" {
				t.Errorf("target: got %q", r.Target)
			}
		})
	}
	if strings.Contains(s.gateward.Log(), staticToken) {
		t.Error("the log holds the token")
	}
}

func TestJWT(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		for _, scheme := range []string{"Bearer", "JWT"} {
			got := s.get(t, "/orders", "Authorization: "+scheme+" "+s.keys.sign(t, alg, claims(nil)))
			if got.Status != 200 {
				t.Errorf("%s as %s: got %d %s", alg, scheme, got.Status, got.Body)
				continue
			}
			r := s.one(t)
			if u, g := r.Values("x-auth-request-user"), r.Values("x-auth-request-groups"); !slices.Equal(u, []string{"ada"}) || !slices.Equal(g, []string{"dev"}) {
				t.Errorf("%s: the application saw user %q, groups %q", alg, u, g)
			}
			if v := r.Values("authorization"); v != nil {
				t.Errorf("%s: the token reached the application", alg)
			}
		}
	}
	now := time.Now().Unix()
	good := s.keys.sign(t, "RS256", claims(nil))
	for name, token := range map[string]string{
		"wrong audience":      s.keys.sign(t, "RS256", claims(map[string]any{"aud": "other"})),
		"no audience":         s.keys.sign(t, "RS256", claims(map[string]any{"aud": nil})),
		"expired":             s.keys.sign(t, "RS256", claims(map[string]any{"exp": now - 61})),
		"no expiry":           s.keys.sign(t, "RS256", claims(map[string]any{"exp": nil})),
		"not yet":             s.keys.sign(t, "RS256", claims(map[string]any{"nbf": now + 300})),
		"other issuer":        s.keys.sign(t, "RS256", claims(map[string]any{"iss": issuer + "/"})),
		"none":                s.keys.sign(t, "none", claims(nil)),
		"nOnE":                s.keys.sign(t, "nOnE", claims(nil)),
		"HS256 by public key": s.keys.sign(t, "HS256", claims(nil)),
		"signature cut":       good[:strings.LastIndexByte(good, '.')+1],
		"signature changed":   good[:len(good)-8] + "AAAAAAAA",
		"payload changed":     changedPayload(t, good),
	} {
		got := s.get(t, "/orders", "Authorization: Bearer "+token)
		if got.Status != 401 || got.Get("www-authenticate") != `Bearer realm="gateward", error="invalid_token"` {
			t.Errorf("%s: got %d %s", name, got.Status, got.Get("www-authenticate"))
		}
	}
	if n := len(s.reached()); n != 0 {
		t.Errorf("%d requests with bad tokens reached the application", n)
	}
}

func changedPayload(t *testing.T, token string) string {
	t.Helper()
	p := strings.Split(token, ".")
	p[1] = part(t, claims(map[string]any{"sub": "admin"}))
	return strings.Join(p, ".")
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	md, err := envoytest.Say(t.Context(), s.Address, metadata.Pairs(
		"authorization", "Bearer "+staticToken, "x-auth-request-user", "evil", "x_auth_request_user", "evil", "own", "kept"))
	if err != nil {
		t.Fatal(err)
	}
	if u := md.Get("x-auth-request-user"); !slices.Equal(u, []string{"ci"}) || md.Get("x_auth_request_user") != nil || md.Get("authorization") != nil || md.Get("own") == nil {
		t.Errorf("the application saw %v", md)
	}
	for name, c := range map[string]struct {
		md      metadata.MD
		code    codes.Code
		message string
	}{
		"without":        {nil, codes.Unauthenticated, "request was not authenticated"},
		"bad":            {metadata.Pairs("authorization", "Bearer nobody"), codes.Unauthenticated, "request was not authenticated"},
		"two":            {metadata.Pairs("authorization", "Bearer "+staticToken, "authorization", "Bearer "+staticToken), codes.Unauthenticated, "request was not authenticated"},
		"navigating":     {metadata.Pairs("accept", "text/html", "sec-fetch-mode", "navigate"), codes.Unauthenticated, "request was not authenticated"},
		"cookie instead": {metadata.Pairs("cookie", "gateward_client_token="+staticToken), codes.Unauthenticated, "request was not authenticated"},
	} {
		_, err := envoytest.Say(t.Context(), s.Address, c.md)
		if status.Code(err) != c.code || status.Convert(err).Message() != c.message {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// One check opens a stream (M31); what it may do was decided then.
	stream, err := envoytest.Watch(t.Context(), s.Address, metadata.Pairs("authorization", "Bearer "+staticToken))
	if err != nil {
		t.Fatal(err)
	}
	stream.Close()
	if _, err := envoytest.Watch(t.Context(), s.Address, nil); status.Code(err) != codes.Unauthenticated {
		t.Errorf("stream without: got %v", err)
	}
}

// TestSEC_G21_FormOfRefusal: each kind of client gets an answer that it
// understands, and only a navigation gets a page.
func TestSEC_G21_FormOfRefusal(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	navigate := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html,*/*"}
	for _, c := range []struct {
		name, method string
		header       []string
		page         bool
	}{
		{"navigation", "GET", navigate, true},
		{"older browser", "GET", []string{"Accept: text/html,application/xhtml+xml;q=0.9"}, true},
		{"fetch", "GET", []string{"Sec-Fetch-Mode: cors", "Accept: text/html"}, false},
		{"curl", "GET", []string{"Accept: */*"}, false},
		{"form", "POST", navigate, false},
		{"XMLHttpRequest", "GET", append(slices.Clone(navigate), "X-Requested-With: XMLHttpRequest"), false},
		{"websocket", "GET", append(slices.Clone(navigate), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="), false},
	} {
		got := envoytest.RawRequest(t, s.Address, envoytest.Message(c.method, "/orders", append(slices.Clone(c.header), "Content-Length: 0")...))
		if got.Status != 401 || got.Get("location") != "" {
			t.Errorf("%s: got %d %s", c.name, got.Status, got.Get("location"))
		}
		isPage := strings.HasPrefix(got.Get("content-type"), "text/html") && strings.Contains(string(got.Body), "<h1>")
		if isPage != c.page || !c.page && string(got.Body) != unauthenticatedBody {
			t.Errorf("%s: got %s %s", c.name, got.Get("content-type"), got.Body)
		}
		if csp := got.Get("content-security-policy"); c.page != strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: got policy %q", c.name, csp)
		}
	}
	got := s.get(t, "/admin/x", append(navigate, "Authorization: Bearer "+staticToken)...)
	if got.Status != 403 || !strings.Contains(string(got.Body), "ci") || !strings.Contains(string(got.Body), "admin") {
		t.Errorf("403 page: got %d %s", got.Status, got.Body)
	}
	if got := s.get(t, "/admin/x", "Authorization: Bearer "+adminToken); got.Status != 200 {
		t.Errorf("admin: got %d", got.Status)
	}
}

// TestWebSocket: an upgrade that may pass goes through and works.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	got := envoytest.RawRequest(t, s.Address, envoytest.Message("GET", "/ws", "Authorization: Bearer "+staticToken,
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
	if got.Status != 101 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if r := s.one(t); !slices.Equal(r.Values("x-auth-request-user"), []string{"ci"}) || r.Values("authorization") != nil {
		t.Errorf("the application saw %v", r.Header)
	}
}

// TestSEC_J01_SpoofedHeadersNeverArrive, on anonymous, optional and protected
// paths, over HTTP/1.1 and HTTP/2, and also where Envoy does not strip at the
// edge, as in a mesh whose configuration is not ours.
func TestSEC_J01_SpoofedHeadersNeverArrive(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{"hardened": func(b string) string { return b }, "without strip": unstripped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, siteYAML, change)
			spoofed := []string{
				"X-Auth-Request-User", "x-auth-request-user", "X_Auth_Request_User", "x.auth.request.user", "X-Auth_Request-User", "X!Auth#Request~User",
				"X-Auth-Request-Groups", "X_AUTH_REQUEST_GROUPS", "X-Auth-Request-Email", "X-Gateward-Assertion", "x_gateward_assertion",
				"Grpc-Metadata-X-Auth-Request-User", "Grpc-Metadata-Authorization", "Grpcgateway-Cookie",
				"X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "x-envoy-auth-failure-mode-allowed",
			}
			var lines []string
			var fields []envoytest.Field
			for _, n := range spoofed {
				lines = append(lines, n+": evil")
				fields = append(fields, envoytest.Field{Name: strings.ToLower(n), Value: "evil"})
			}
			for _, c := range []struct{ target, credential, user string }{
				{"/public/x", "X-None: 1", ""},
				{"/maybe", "X-None: 1", ""},
				{"/maybe", "Authorization: Bearer " + staticToken, "ci"},
				{"/orders", "Authorization: Bearer " + staticToken, "ci"},
				{"/orders%2fx", "Authorization: Bearer " + staticToken, "ci"},
			} {
				if got := s.get(t, c.target, append(slices.Clone(lines), c.credential)...); got.Status != 200 {
					t.Fatalf("%s: got %d", c.target, got.Status)
				}
				name, value, _ := strings.Cut(c.credential, ": ")
				h2 := envoytest.H2Request(t, s.Address, envoytest.H2Fields("GET", c.target, append(slices.Clone(fields), envoytest.Field{Name: strings.ToLower(name), Value: value})...), nil)
				if h2.Status != 200 {
					t.Fatalf("%s over HTTP/2: got %d", c.target, h2.Status)
				}
				requests := s.reached()
				if len(requests) != 2 {
					t.Fatalf("%d requests", len(requests))
				}
				for _, r := range requests {
					for _, f := range r.Header {
						if strings.Contains(f.Value, "evil") {
							t.Errorf("%s: %s: %s reached the application", c.target, f.Name, f.Value)
						}
					}
					if u := r.Values("x-auth-request-user"); strings.Join(u, "|") != c.user {
						t.Errorf("%s: user %q, want %q", c.target, u, c.user)
					}
				}
			}
		})
	}
}

// TestSEC_B01_B02_DuplicatesOnTheWire: what a client doubles on the wire is
// refused, whatever Envoy makes of it (M14).
func TestSEC_B01_B02_DuplicatesOnTheWire(t *testing.T) {
	t.Parallel()
	joined := func(b string) string {
		return strings.Replace(b, "encode_raw_headers: true", "encode_raw_headers: false", 1)
	}
	for name, change := range map[string]func(string) string{"header_map": func(b string) string { return b }, "headers": joined} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, siteYAML, change)
			good := "gateward_client_token=" + staticToken
			for _, c := range []struct {
				name   string
				header []string
				want   int
			}{
				{"two Authorization lines", []string{"Authorization: Bearer " + staticToken, "Authorization: Bearer " + adminToken}, 401},
				{"the same twice", []string{"Authorization: Bearer " + staticToken, "Authorization: Bearer " + staticToken}, 401},
				{"comma", []string{"Authorization: Bearer " + staticToken + ",Basic YTpi"}, 401},
				{"inside another cookie", []string{"Cookie: a=1," + good}, 401},
				{"two Cookie lines", []string{"Cookie: a=1; " + good, "Cookie: gateward_client_token=evil"}, 401},
				{"two Cookie lines, ours first", []string{"Cookie: gateward_client_token=evil", "Cookie: a=1; " + good}, 401},
				{"two cookies", []string{"Cookie: " + good + "; gateward_client_token=evil"}, 401},
				{"two names", []string{"Cookie: " + good + "; flipt_client_token=evil"}, 401},
				{"the same cookie twice", []string{"Cookie: " + good + "; " + good}, 200},
				{"bad header, good cookie", []string{"Authorization: Bearer evil", "Cookie: " + good}, 401},
				{"empty header, good cookie", []string{"Authorization:", "Cookie: " + good}, 401},
				{"empty cookie", []string{"Cookie: gateward_client_token="}, 401},
				{"folded line", []string{"Authorization: Bearer", " " + staticToken}, 200},
			} {
				if got := s.get(t, "/orders", c.header...); got.Status != c.want {
					t.Errorf("%s: got %d, want %d", c.name, got.Status, c.want)
				}
			}
			crumbs := envoytest.H2Request(t, s.Address, envoytest.H2Fields("GET", "/orders",
				envoytest.Field{Name: "cookie", Value: "a=1"}, envoytest.Field{Name: "cookie", Value: good}, envoytest.Field{Name: "cookie", Value: "gateward_client_token=evil"}), nil)
			if crumbs.Status != 401 {
				t.Errorf("HTTP/2 crumbs: got %d", crumbs.Status)
			}
			s.reached()
			if got := s.get(t, "/public/x", "Cookie: a=1; "+good, "Cookie: b=2"); got.Status != 200 {
				t.Fatalf("anonymous: got %d", got.Status)
			}
			if c := strings.Join(s.one(t).Values("cookie"), "|"); strings.Contains(c, staticToken) || !strings.Contains(c, "a=1") || !strings.Contains(c, "b=2") {
				t.Errorf("cookies at the application: %q", c)
			}
		})
	}
}

// TestSEC_B07_BytesEnvoyReplaces (M16): a credential with bytes beyond ASCII is
// refused, not compared.
func TestSEC_B07_BytesEnvoyReplaces(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	for _, v := range []string{"Bearer \xc3\xbc\xff", "Bearer " + staticToken + "\xff", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:b"))} {
		if got := s.get(t, "/orders", "Authorization: "+v); got.Status != 401 {
			t.Errorf("%q: got %d", v, got.Status)
		}
	}
}

// TestSEC_A09_HostsOnTheWire (M18): two Host lines and other oddities never
// decide anything.
func TestSEC_A09_HostsOnTheWire(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	bearer := "Authorization: Bearer " + staticToken
	for _, header := range [][]string{
		{"Host: app.example.test", "Host: evil.test"}, {"Host: a,b"}, {"Host: user@app.example.test"}, {"Host: a b"},
	} {
		if got := s.get(t, "/orders", append(header, bearer)...); got.Status != 400 {
			t.Errorf("%q: got %d", header, got.Status)
		}
	}
	for _, host := range []string{"APP.example.test.", "app.example.test:8443", "[::1]:80", "127.0.0.1"} {
		if got := s.get(t, "/orders", "Host: "+host, bearer); got.Status != 200 {
			t.Errorf("%s: got %d", host, got.Status)
		}
	}
}

// TestSEC_A12_MethodsOnTheWire (M30).
func TestSEC_A12_MethodsOnTheWire(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML, func(b string) string { return strings.ReplaceAll(b, "exact: TRACE", "exact: NONE") })
	bearer := envoytest.Field{Name: "authorization", Value: "Bearer " + staticToken}
	for method, want := range map[string]int{"TRACE": 405, "get": 405, "PATCH": 200} {
		if got := envoytest.H2Request(t, s.Address, envoytest.H2Fields(method, "/orders", bearer), nil); got.Status != want {
			t.Errorf("%s: got %d, want %d", method, got.Status, want)
		}
	}
}

// TestSEC_J06_HopByHopHeadersStripNothing (M20): a client cannot have Envoy
// drop a header of ours by nominating it.
func TestSEC_J06_HopByHopHeadersStripNothing(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	got := envoytest.RawRequest(t, s.Address, envoytest.Message("GET", "/orders", "Authorization: Bearer "+staticToken, "Connection: close, X-Auth-Request-User"))
	if got.Status != 200 || !slices.Equal(s.one(t).Values("x-auth-request-user"), []string{"ci"}) {
		t.Errorf("got %d", got.Status)
	}
	if got := envoytest.RawRequest(t, s.Address, envoytest.Message("GET", "/orders", "Authorization: Bearer "+staticToken, "Connection: close, Authorization")); got.Status != 401 {
		t.Errorf("credential nominated away: got %d", got.Status)
	}
}

// TestSEC_J11_ApplicationCookiesSurvive (M13).
func TestSEC_J11_ApplicationCookiesSurvive(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	s.upstream.Respond(func(envoytest.Request) envoytest.Response {
		return envoytest.Response{Status: 200, Header: []envoytest.Field{{Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2"}}}
	})
	got := s.get(t, "/orders", "Authorization: Bearer "+staticToken)
	if c := got.Values("set-cookie"); !slices.Equal(c, []string{"a=1", "b=2"}) {
		t.Errorf("got %q", c)
	}
}

// TestRequestIDIsRepeatedSafely: an id that a client chose comes back only if
// it is harmless, and the page escapes nothing because nothing is left to.
func TestRequestIDIsRepeatedSafely(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML, func(b string) string {
		return strings.NewReplacer("use_remote_address: true", "use_remote_address: false",
			"always_set_request_id_in_response: true", "always_set_request_id_in_response: false").Replace(b)
	})
	got := s.get(t, "/orders", "X-Request-Id: <script>alert(1)</script>", "Accept: text/html")
	if strings.Contains(string(got.Body)+fmt.Sprint(got.Header), "alert(1)") {
		t.Errorf("got %s %v", got.Body, got.Header)
	}
}

// TestLargestRequest (M27): what Envoy lets in, gateward can read, and a header
// as large as Envoy takes is no way to a failed check.
func TestLargestRequest(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML)
	for size, want := range map[int]int{55 << 10: 200, 70 << 10: 431} {
		got := s.get(t, "/orders", "Authorization: Bearer "+staticToken, "X-Big: "+strings.Repeat("x", size))
		if got.Status != want {
			t.Errorf("%d bytes: got %d, want %d", size, got.Status, want)
		}
	}
	if got := s.get(t, "/orders", "Authorization: Bearer "+strings.Repeat("x", 40<<10)); got.Status != 401 {
		t.Errorf("a long credential: got %d", got.Status)
	}
	if n, _ := s.Stat(t, "http.ingress.ext_authz.gateward.error"); n != 0 {
		t.Errorf("%d checks failed", n)
	}
}

// TestSEC_A05_ForwardedHeadersAreNotBelieved (M19): nothing that a client says
// about where its request was meant to go changes the rule.
func TestSEC_A05_ForwardedHeadersAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML, unstripped)
	got := s.get(t, "/orders", "X-Forwarded-Uri: /public/x", "X-Original-Url: /public/x", "X-Rewrite-Url: /public/x", "X-Forwarded-Method: GET",
		"X-Envoy-Original-Path: /public/x", "X-Forwarded-Host: open.test", "X-Forwarded-Proto: https", "Forwarded: host=open.test")
	if got.Status != 401 {
		t.Errorf("got %d", got.Status)
	}
}

// TestDynamicMetadata is what an access log sees.
func TestDynamicMetadata(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML, func(b string) string {
		return strings.Replace(b, "          http_filters:", `          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "METADATA %DYNAMIC_METADATA(envoy.filters.http.ext_authz:gateward)%\n"}}
          http_filters:`, 1)
	})
	s.get(t, "/orders", "Authorization: Bearer "+staticToken)
	refused := s.get(t, "/orders")
	if err := s.Terminate(); err != nil {
		t.Fatal(err)
	}
	var seen []map[string]any
	for line := range strings.Lines(s.Log()) {
		if _, text, ok := strings.Cut(line, "METADATA "); ok {
			var m map[string]any
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			seen = append(seen, m)
		}
	}
	if len(seen) != 2 {
		t.Fatalf("got %v", seen)
	}
	if m := seen[0]; m["subject"] != "ci" || m["method"] != "token" || m["rule"] != "default:required" || fmt.Sprint(m["scopes"]) != "[read]" {
		t.Errorf("allow: got %v", m)
	}
	if m := seen[1]; m["reason"] != "no_credential" || m["decision_id"] != refused.Get("x-gateward-decision-id") {
		t.Errorf("deny: got %v", m)
	}
}
