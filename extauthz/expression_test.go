package extauthz_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

func TestExpression(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		when   string
		path   string
		status int
		reason string
	}{
		{`identity.claims.tier == "gold" && request.method == "GET"`, "/", 200, ""},
		{`identity.claims.tier == "iron"`, "/", 403, "condition_false"},
		{`identity.claims.absent == "x"`, "/", 403, "condition_error"},
		{`identity.metadata["absent"] == "x"`, "/", 403, "condition_error"},
		{`identity.claims.level > 2 && "ops" in identity.groups`, "/", 200, ""},
		{`request.path.startsWith("/team/" + identity.subject + "/")`, "/team/ada/x", 200, ""},
		{`request.path.startsWith("/team/" + identity.subject + "/")`, "/team/bob/x", 403, "condition_false"},
		{`request.path.startsWith("/team/ada/")`, "/team/ada%2fx", 403, "condition_false"},
		{`request.query["v"][0] == "1" && request.host == "app.test"`, "/?v=1", 200, ""},
		{`request.headers["x-mode"] == "a,b"`, "/", 200, ""},
		{`identity.email_verified && identity.email.endsWith("@example.com")`, "/", 200, ""},
		{`request.headers["x-bytes"] == "!!prod"`, "/", 200, ""}, // as Envoy shows it in headers
		{`"x-auth-request-user" in request.headers || "x_auth_request_user" in request.headers`, "/", 403, "condition_false"},
		{`!("admin" in request.query)`, "/?a=1", 200, ""},
		{`!("admin" in request.query)`, "/?admin=1", 403, "condition_false"},
		{`!("admin" in request.query)`, "/?admin=1&%zz", 403, "condition_error"},
		{`!("admin" in request.query)`, "/?a=1;b=2&admin=1", 403, "condition_error"},
		{`request.time > timestamp("2020-01-01T00:00:00Z")`, "/", 200, ""},
	} {
		e := newEngine(t, func(cfg *extauthz.Config) {
			cfg.Rules = []extauthz.Rule{{Name: "r", Require: extauthz.Require{When: c.when}}}
		})
		got := e.check(t, req("GET app.test"+c.path, bearer, "x-mode: a", "X-Mode: b", "x-bytes: \xff\xfeprod",
			"x-auth-request-user: evil", "X_Auth_Request_User: evil"))
		if status(got) != c.status || reason(got) != c.reason {
			t.Errorf("%s on %s: got %d %q, want %d %q", c.when, c.path, status(got), reason(got), c.status, c.reason)
		}
	}
}

func TestExpressionCostIsBounded(t *testing.T) {
	t.Parallel()
	groups := make([]string, 2000)
	for i := range groups {
		groups[i] = fmt.Sprint("group-", i)
	}
	fake := &fakeMethod{name: "fake", table: map[string]any{"good": gateward.Identity{Principal: gateward.Principal{Subject: "a"}, Groups: groups}}}
	cfg := defaults()
	cfg.Upstream.IdentityHeaders.Groups = ""
	cfg.Rules = []extauthz.Rule{{Name: "r", Require: extauthz.Require{When: `identity.groups.all(a, identity.groups.exists(b, b == a))`}}}
	e, err := extauthz.New(cfg, []methods.Authenticator{fake}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	got := engine{e, fake}.check(t, req("GET app.test/", bearer))
	if status(got) != 403 || reason(got) != "condition_error" {
		t.Errorf("got %d %s", status(got), reason(got))
	}
}

// TestExpressionIsBoundedByTheDeadline: a request that makes an expression
// expensive gets a fault in time, and never an allow afterwards.
func TestExpressionIsBoundedByTheDeadline(t *testing.T) {
	t.Parallel()
	groups := make([]string, 200)
	for i := range groups {
		groups[i] = fmt.Sprint("group-", i)
	}
	fake := &fakeMethod{name: "fake", table: map[string]any{"good": gateward.Identity{Principal: gateward.Principal{Subject: "a"}, Groups: groups}}}
	cfg := defaults()
	cfg.Rules = []extauthz.Rule{{Name: "r", Require: extauthz.Require{When: `identity.groups.exists(g, g == request.headers["x-team"]) || request.path == "/never"`}}}
	inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, fake}
	headers := []string{bearer, "x-team: group-199"}
	for range 95 {
		headers = append(headers, "x-a: "+strings.Repeat("a", 560))
	}
	r := req("GET app.test//x/group-199;a/b%2fc;d", headers...)
	e.check(t, r) // so that the identity is in the cache
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if got := e.check(t, r); status(got) != 200 {
				t.Fatalf("got %d %s", status(got), reason(got))
			}
		}
	})
	if n := allocated.AllocedBytesPerOp(); n > 64<<20 {
		t.Errorf("one check allocates %d MiB", n>>20)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if got := e.checkContext(ctx, t, r); status(got) != 503 || reason(got) != "deadline" {
		t.Errorf("after the deadline: got %d %s", status(got), reason(got))
	}
}

// TestClaimsAreThereForShadowRules: identities keep their claims as soon as any
// rule has an expression, in shadow mode or not.
func TestClaimsAreThereForExpressions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{{Name: "tried", Shadow: true, Require: extauthz.Require{When: `identity.claims.tier == "gold"`}}, {Name: "real"}}
		o := options(t)
		fake := newFake()
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		engine{inner, fake}.check(t, req("GET app.test/", bearer))
		synctest.Wait()
		if text := scrape(t, o.Metrics); !strings.Contains(text, `gateward_shadow_checks_total{outcome="allow",reason="identified",rule="tried"} 1`) {
			t.Errorf("got\n%s", text)
		}
	})
}

// TestSEC_N01_ExpressionErrorsQuoteNothing: what CEL says about a value of the
// request does not reach the log, nor does a line grow with it.
func TestSEC_N01_ExpressionErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	for _, when := range []string{
		`identity.claims[request.headers["x-key"]] == "x"`, `timestamp(request.headers["x-key"]) > request.time`,
		`"a".matches(request.headers["x-key"])`, `int(request.headers["x-key"]) > 1`, `identity.metadata[request.headers["x-key"]] == "x"`,
	} {
		var log strings.Builder
		o := options(t)
		o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{{Name: "r", Require: extauthz.Require{When: when}}}
		fake := newFake()
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		got := e.check(t, req("GET app.test/", bearer, "x-key: c4n4ry["+strings.Repeat("x", 50_000)))
		if status(got) != 403 || reason(got) != "condition_error" {
			t.Errorf("%s: got %d %s", when, status(got), reason(got))
		}
		if text := log.String(); strings.Contains(text, "c4n4ry") || len(text) > 2000 || !strings.Contains(text, "evaluate expression") {
			t.Errorf("%s: logged %d bytes: %.600s", when, len(text), text)
		}
	}
}
