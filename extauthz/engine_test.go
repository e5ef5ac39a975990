package extauthz_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/telemetry"
	"github.com/gateward/gateward/methods"
)

// A fakeMethod knows the credentials in its table; the values of the table say
// what becomes of them.
type fakeMethod struct {
	name  string
	table map[string]any // gateward.Identity, error, or func(context.Context) (gateward.Identity, error)
	calls atomic.Int64
}

func (m *fakeMethod) Name() string { return m.name }

func (m *fakeMethod) Claims(c gateward.Credential) bool {
	_, ok := m.table[c.Value.Reveal()]
	return ok
}

func (m *fakeMethod) Authenticate(ctx context.Context, c gateward.Credential) (gateward.Identity, error) {
	m.calls.Add(1)
	switch v := m.table[c.Value.Reveal()].(type) {
	case gateward.Identity:
		return v, nil
	case error:
		return gateward.Identity{}, v
	case func(context.Context) (gateward.Identity, error):
		return v(ctx)
	}
	return gateward.Identity{}, gateward.ErrInvalidCredential
}

func ada() gateward.Identity {
	return gateward.Identity{
		Principal: gateward.Principal{Issuer: "https://issuer.test", Subject: "ada"},
		Method:    "fake", Email: "ada@example.com", EmailVerified: true, Name: "Ada",
		Groups: []string{"dev", "ops"}, Scopes: []string{"read"},
		Claims: map[string]any{"tier": "gold", "level": 3.0},
	}
}

func newFake() *fakeMethod {
	return &fakeMethod{name: "fake", table: map[string]any{
		"good": ada(),
		"bob":  gateward.Identity{Principal: gateward.Principal{Subject: "bob"}, Method: "fake"},
		"out":  gateward.ErrNotAdmitted,
		"down": gateward.ErrUnavailable,
		"odd":  errors.New("something else"),
		"boom": func(context.Context) (gateward.Identity, error) { panic("boom") },
	}}
}

func defaults() extauthz.Config {
	return extauthz.Config{
		Required:    true,
		CookieNames: []string{"gateward_client_token", "flipt_client_token"},
		Cache:       extauthz.Cache{Size: 1000, TTL: time.Minute, NegativeTTL: 2 * time.Second},
		Upstream: extauthz.Upstream{IdentityHeaders: extauthz.IdentityHeaders{
			Subject: "X-Auth-Request-User", Email: "X-Auth-Request-Email", Name: "X-Auth-Request-Preferred-Username",
			Groups: "X-Auth-Request-Groups", Method: "X-Auth-Request-Method", Scopes: "X-Auth-Request-Scopes",
		}},
	}
}

func options(tb testing.TB) extauthz.Options {
	return extauthz.Options{
		Logger:  slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Metrics: telemetry.New(telemetry.Build{}), Now: time.Now, Random: rand.Reader,
	}
}

// An engine is an engine under test.
type engine struct {
	*extauthz.Engine
	fake *fakeMethod
}

func newEngine(tb testing.TB, change func(*extauthz.Config)) engine {
	tb.Helper()
	cfg := defaults()
	if change != nil {
		change(&cfg)
	}
	fake := newFake()
	e, err := extauthz.New(cfg, []methods.Authenticator{fake}, options(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return engine{e, fake}
}

// A req is a request as a test writes it: "GET app.test/path", and headers as
// "name: value".
func req(line string, headers ...string) *authv3.CheckRequest {
	method, rest, _ := strings.Cut(line, " ")
	i := strings.IndexByte(rest, '/')
	http := &authv3.AttributeContext_HttpRequest{
		Method: method, Host: rest[:i], Path: rest[i:], Scheme: "https", HeaderMap: &corev3.HeaderMap{},
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: http}}}
}

// naming adds the extension by which a route names a rule.
func naming(r *authv3.CheckRequest, rule string) *authv3.CheckRequest {
	r.Attributes.ContextExtensions = map[string]string{wire.RuleKey: rule}
	return r
}

const bearer = "authorization: Bearer good"

func (e engine) check(tb testing.TB, r *authv3.CheckRequest) *authv3.CheckResponse {
	tb.Helper()
	return e.checkContext(tb.Context(), tb, r)
}

func (e engine) checkContext(ctx context.Context, tb testing.TB, r *authv3.CheckRequest) *authv3.CheckResponse {
	tb.Helper()
	b, err := proto.Marshal(r)
	if err != nil {
		tb.Fatal(err)
	}
	return e.checkBytes(ctx, tb, b)
}

func (e engine) checkBytes(ctx context.Context, tb testing.TB, b []byte) *authv3.CheckResponse {
	tb.Helper()
	var v wire.View
	scanned := wire.Scan(b, &v)
	var out authv3.CheckResponse
	if err := proto.Unmarshal(e.Decide(ctx, &v, scanned), &out); err != nil {
		tb.Fatal(err)
	}
	sound(tb, &out)
	return &out
}

// sound holds what is true of every answer, whatever the question.
func sound(tb testing.TB, r *authv3.CheckResponse) {
	tb.Helper()
	if r.GetStatus() == nil {
		tb.Fatal("answer without status, which Envoy takes for an allow")
	}
	denied := r.GetDeniedResponse()
	if denied == nil {
		denied = r.GetErrorResponse()
	}
	if (r.GetStatus().GetCode() == 0) != (r.GetOkResponse() != nil) || (r.GetOkResponse() == nil) == (denied == nil) {
		tb.Fatalf("status and response disagree: %v", r)
	}
	if denied != nil {
		switch denied.GetStatus().GetCode() {
		case 302, 400, 401, 403, 405, 431, 503:
		default:
			tb.Fatalf("HTTP status %d is not in the closed set", denied.GetStatus().GetCode())
		}
	}
	set := map[string]bool{}
	for _, h := range append(slices.Clone(r.GetOkResponse().GetHeaders()), denied.GetHeaders()...) {
		name := h.GetHeader().GetKey()
		if set[name] {
			tb.Errorf("header %q is set twice; Envoy keeps the last", name)
		}
		set[name] = true
		if strings.ToLower(name) != name || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "x-envoy-") {
			tb.Errorf("header %q must not be set", name)
		}
		if v := h.GetHeader().GetValue(); v == "" || strings.ContainsAny(v, "\r\n\x00") {
			tb.Errorf("header %q has the value %q", name, v)
		}
	}
	for _, name := range r.GetOkResponse().GetHeadersToRemove() {
		if set[strings.ToLower(name)] {
			tb.Errorf("header %q is set and removed; Envoy removes last", name)
		}
	}
}

func allowed(r *authv3.CheckResponse) bool { return r.GetStatus().GetCode() == 0 }

// status is the HTTP status: 200 for an allow.
func status(r *authv3.CheckResponse) int {
	if allowed(r) {
		return 200
	}
	if d := r.GetDeniedResponse(); d != nil {
		return int(d.GetStatus().GetCode())
	}
	return int(r.GetErrorResponse().GetStatus().GetCode())
}

// reason is the reason in the dynamic metadata of a refusal.
func reason(r *authv3.CheckResponse) string { return metadata(r, "reason") }

func metadata(r *authv3.CheckResponse, key string) string {
	return r.GetDynamicMetadata().GetFields()["gateward"].GetStructValue().GetFields()[key].GetStringValue()
}

// sent is the value of a header that the answer sets, towards the upstream or,
// in a refusal, the client.
func sent(r *authv3.CheckResponse, name string) string {
	for _, h := range append(slices.Clone(r.GetOkResponse().GetHeaders()), r.GetDeniedResponse().GetHeaders()...) {
		if h.GetHeader().GetKey() == name {
			return h.GetHeader().GetValue()
		}
	}
	return ""
}

func removed(r *authv3.CheckResponse, name string) bool {
	return slices.Contains(r.GetOkResponse().GetHeadersToRemove(), name)
}
