package extauthz_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/methods"
)

// BenchmarkDecide measures a check without its transport.
func BenchmarkDecide(b *testing.B) {
	cfg := defaults()
	siteRules(&cfg)
	fixtureLogin(&cfg)
	o := options(b)
	o.Logger = slog.New(slog.DiscardHandler)
	fake := newFake()
	long := strings.Repeat("x", 1100)
	fake.table[long] = ada()
	session := ada()
	session.SessionID = "8d2f"
	fake.table["session"] = session
	e, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
	if err != nil {
		b.Fatal(err)
	}
	e.Hearing(true)
	for _, c := range []struct {
		name string
		in   *authv3.CheckRequest
	}{
		{"Anonymous", req("GET app.test/public/x")},
		{"CachedSession", req("GET app.test/team", "cookie: a=1; gateward_client_token=session")},
		{"CachedJWT", req("GET app.test/team", "authorization: Bearer "+long)},
		{"Refused", req("GET app.test/write", bearer)},
		{"NoCredential", req("GET app.test/")},
		{"Redirect", req("GET app.test/a/b?c=d", html)},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkCheck(b, e, c.in) })
	}
}

func benchmarkCheck(b *testing.B, e *extauthz.Engine, r *authv3.CheckRequest) {
	b.Helper()
	for range 20 {
		r.Attributes.Request.Http.HeaderMap.Headers = append(r.Attributes.Request.Http.HeaderMap.Headers, req("GET app.test/", "x-some-header: some value").Attributes.Request.Http.HeaderMap.Headers...)
	}
	m, err := proto.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	var v wire.View
	b.ReportAllocs()
	for b.Loop() {
		e.Decide(context.Background(), &v, wire.Scan(m, &v))
	}
}
