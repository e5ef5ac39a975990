//go:build !race

package extauthz_test

import (
	"context"
	"log/slog"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// TestAllocations holds what a check costs in allocations, a number that does
// not depend on the machine. The race detector empties pools at random, so this
// runs without it.
func TestAllocations(t *testing.T) {
	cfg := defaults()
	siteRules(&cfg)
	fixtureLogin(&cfg)
	o := options(t)
	o.Logger = slog.New(slog.DiscardHandler)
	fake := newFake()
	fake.table["session"] = user()
	list := &denylist{}
	o.Denylist = list
	e, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
	if err != nil {
		t.Fatal(err)
	}
	e.Hearing(true)
	for _, c := range []struct {
		name string
		in   *authv3.CheckRequest
		want float64
	}{
		{"anonymous", req("GET app.test/public/x", "accept: text/html"), 1},
		{"cached identity", req("GET app.test/", bearer), 1},
		{"cached, with requirements", req("GET app.test/team", bearer), 1},
		{"refused", req("GET app.test/write", bearer), 8},
		{"spoofed headers", req("GET app.test/public/x", "x_auth_request_user: evil"), 1},
		{"cached session", req("GET app.test/", "cookie: a=1; gateward_client_token=session"), 1},
		{"sent to the login", req("GET app.test/a?b", html), 8},
	} {
		b, err := proto.Marshal(c.in)
		if err != nil {
			t.Fatal(err)
		}
		var v wire.View
		for _, disabled := range [][]sessions.Key{nil, {sessions.KeyOfUser("somebody else")}} {
			list.deny(disabled...)
			got := testing.AllocsPerRun(200, func() { e.Decide(context.Background(), &v, wire.Scan(b, &v)) })
			if got > c.want {
				t.Errorf("%s, %d disabled: %v allocations, want at most %v", c.name, len(disabled), got, c.want)
			}
		}
	}
}
