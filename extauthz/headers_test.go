package extauthz_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

// identityNames are the identity headers of defaults.
func identityNames() []string {
	return []string{
		"x-auth-request-user", "x-auth-request-email", "x-auth-request-preferred-username",
		"x-auth-request-groups", "x-auth-request-method", "x-auth-request-scopes",
	}
}

func TestIdentityHeaders(t *testing.T) {
	t.Parallel()
	e := newEngine(t, nil)
	got := e.check(t, req("GET app.test/", bearer))
	for name, want := range map[string]string{
		"x-auth-request-user": "ada", "x-auth-request-email": "ada@example.com", "x-auth-request-preferred-username": "Ada",
		"x-auth-request-groups": "dev,ops", "x-auth-request-method": "fake", "x-auth-request-scopes": "read",
	} {
		if sent(got, name) != want {
			t.Errorf("%s: got %q, want %q", name, sent(got, name), want)
		}
	}
	if metadata(got, "subject") != "ada" || metadata(got, "method") != "fake" || metadata(got, "rule") != "default:required" {
		t.Errorf("dynamic metadata: got %v", got.GetDynamicMetadata())
	}
}

// TestSEC_J01_EveryIdentityHeaderIsOurs: on every allow, each is set or
// removed, also where Envoy did not show us the client's.
func TestSEC_J01_EveryIdentityHeaderIsOurs(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for name, r := range map[string]*authv3.CheckRequest{
		"anonymous":         req("GET app.test/public/x"),
		"spoofed":           req("GET app.test/public/x", "x-auth-request-user: evil", "x-auth-request-groups: admin"),
		"optional":          req("GET app.test/maybe"),
		"identified":        req("GET app.test/", bearer),
		"lacks attributes":  req("GET app.test/", "authorization: Bearer bob", "x-auth-request-groups: admin"),
		"login service":     req("GET app.test/auth/login", "x-auth-request-user: evil"),
		"ignored, spoofed":  req("GET app.test/lenient", "authorization: Bearer nobody", "x-auth-request-user: evil"),
		"ambiguous, passes": req("GET app.test/a%2fb", bearer, "x-auth-request-user: evil"),
	} {
		got := e.check(t, r)
		if !allowed(got) {
			t.Fatalf("%s: got %d", name, status(got))
		}
		for _, h := range identityNames() {
			if (sent(got, h) != "") == removed(got, h) {
				t.Errorf("%s: %s is set to %q and removed: %v", name, h, sent(got, h), removed(got, h))
			}
			if strings.Contains(sent(got, h), "evil") || sent(got, h) == "admin" {
				t.Errorf("%s: %s comes from the client", name, h)
			}
		}
	}
}

// TestSEC_J02_EverySpellingIsRemoved: names that upstreams cannot tell from
// ours go, on every allow, by the exact name that was sent.
func TestSEC_J02_EverySpellingIsRemoved(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) {
		siteRules(c)
		c.Upstream.RemoveHeaders = []string{"X-Tenant"}
	})
	spellings := []string{
		"x_auth_request_user", "x.auth.request.user", "x-auth_request-user", "x!auth#request~user", "X-Auth_Request_User",
		"x_tenant", "X_Gateward_Assertion", "x-gateward-assertion", "x-envoy-auth-failure-mode-allowed",
		"x-http-method-override", "x_http_method_override", "x-original-url", "x-rewrite-url",
		"grpc-metadata-authorization", "Grpc_Metadata_X-Auth-Request-User", "grpcgateway-cookie",
	}
	innocent := []string{"x-auth-request", "x-auth-request-users", "x-tenants", "accept", "grpc-timeout", "x-http"}
	headers := make([]string, 0, len(spellings)+len(innocent))
	for _, s := range slices.Concat(spellings, innocent) {
		headers = append(headers, s+": evil")
	}
	for _, r := range []*authv3.CheckRequest{
		req("GET app.test/public/x", headers...),
		req("GET app.test/", append(headers, bearer)...),
	} {
		got := e.check(t, r)
		if !allowed(got) {
			t.Fatalf("got %d", status(got))
		}
		for _, s := range spellings {
			if !removed(got, s) {
				t.Errorf("%s is not removed", s)
			}
		}
		for _, s := range innocent {
			if removed(got, s) {
				t.Errorf("%s is removed", s)
			}
		}
		if !removed(got, "x-tenant") {
			t.Error("x-tenant is not removed though the operator wants it to be")
		}
	}
}

// TestSEC_J02_NamesBeyondASCII: a forged name that no answer can remove is
// refused.
func TestSEC_J02_NamesBeyondASCII(t *testing.T) {
	t.Parallel()
	e := newEngine(t, siteRules)
	for _, name := range []string{"x\x01auth-request-user", "grpc-metadata-\x01"} {
		b, err := proto.Marshal(req("GET app.test/public/x", name+": evil"))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte{'-', 1}, []byte{'-', 0xff}) // which Marshal would refuse
		b = bytes.ReplaceAll(b, []byte{'x', 1}, []byte{'x', 0xff})
		if got := e.checkBytes(t.Context(), t, b); status(got) != 400 {
			t.Errorf("%q: got %d", name, status(got))
		}
	}
}

// TestUnverifiedEmailIsNotSent: upstreams authorize by it.
func TestUnverifiedEmailIsNotSent(t *testing.T) {
	t.Parallel()
	fake := &fakeMethod{name: "fake", table: map[string]any{"good": gateward.Identity{Principal: gateward.Principal{Subject: "x"}, Email: "boss@example.com"}}}
	inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := (engine{inner, fake}).check(t, req("GET app.test/", bearer)); sent(got, "x-auth-request-email") != "" || !removed(got, "x-auth-request-email") {
		t.Errorf("got %v", got)
	}
}

// TestSEC_J03_NeverSetAndRemoved: with the headers of an identity spelt in
// every way at once, and an operator who lists them as well.
func TestSEC_J03_NeverSetAndRemoved(t *testing.T) {
	t.Parallel()
	e := newEngine(t, func(c *extauthz.Config) { c.Upstream.RemoveHeaders = []string{"X-Auth-Request-User", "x-other"} })
	headers := []string{bearer, "cookie: a=b; gateward_client_token=good"}
	for _, n := range identityNames() {
		headers = append(headers, n+": evil", strings.ToUpper(n)+": evil", strings.ReplaceAll(n, "-", "_")+": evil")
	}
	got := e.check(t, req("GET app.test/", headers...)) // sound holds the property
	if sent(got, "x-auth-request-user") != "ada" {
		t.Errorf("got user %q, want ada", sent(got, "x-auth-request-user"))
	}
}

// TestSEC_J04_J05_ValuesCannotLie: no value breaks out of its header, passes
// for two, or equals that of somebody else.
func TestSEC_J04_J05_ValuesCannotLie(t *testing.T) {
	t.Parallel()
	fake := &fakeMethod{name: "fake", table: map[string]any{
		"odd": gateward.Identity{
			Principal: gateward.Principal{Subject: "a\r\nx-evil: 1"}, Method: "fake", Name: "Zoë 100%", Email: " padded ", EmailVerified: true,
			Groups: []string{"a,admin", "b", ""}, Scopes: []string{"one,two"},
		},
		"long":   gateward.Identity{Principal: gateward.Principal{Subject: strings.Repeat("x", 9<<10)}},
		"groups": gateward.Identity{Principal: gateward.Principal{Subject: "x"}, Groups: manyGroups(5000)},
		"crowd":  gateward.Identity{Principal: gateward.Principal{Subject: "x"}, Groups: manyGroups(1000)},
	}}
	inner, err := extauthz.New(defaults(), []methods.Authenticator{fake}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	e := engine{inner, fake}
	got := e.check(t, req("GET app.test/", "authorization: Bearer odd"))
	for name, want := range map[string]string{
		"x-auth-request-user": "a%0D%0Ax-evil: 1", "x-auth-request-preferred-username": "Zo%C3%AB 100%25",
		"x-auth-request-email": "%20padded%20", "x-auth-request-groups": "a%2Cadmin,b", "x-auth-request-scopes": "one%2Ctwo",
	} {
		if sent(got, name) != want {
			t.Errorf("%s: got %q, want %q", name, sent(got, name), want)
		}
	}
	for _, token := range []string{"long", "groups"} {
		if got := e.check(t, req("GET app.test/", "authorization: Bearer "+token)); status(got) != 503 || reason(got) != "identity_too_large" {
			t.Errorf("%s: got %d %s; truncating would change who it is", token, status(got), reason(got))
		}
	}
	if got := e.check(t, req("GET app.test/", "authorization: Bearer crowd")); status(got) != 200 {
		t.Errorf("a thousand groups: got %d", status(got))
	}
}

func manyGroups(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("group-%06d", i)
	}
	return out
}

// TestSEC_J06_CredentialsStayHere: what we judged and what is ours does not go
// upstream; everything else does.
func TestSEC_J06_CredentialsStayHere(t *testing.T) {
	t.Parallel()
	for _, forward := range []bool{false, true} {
		e := newEngine(t, func(c *extauthz.Config) { siteRules(c); c.Upstream.ForwardCredentials = forward })
		for _, c := range []struct {
			name          string
			in            *authv3.CheckRequest
			cookie        string // as rewritten; "-" removed, "" untouched
			authorization bool   // removed
		}{
			{"bearer", req("GET app.test/", bearer), "", true},
			{"bearer and our cookie", req("GET app.test/", bearer, "cookie: a=1; gateward_client_token=x; b=2"), "a=1; b=2", true},
			{"cookie alone", req("GET app.test/", "cookie: gateward_client_token=good"), "-", false},
			{"cookie among others", req("GET app.test/", "cookie: a=1; flipt_client_token=good; b=2"), "a=1; b=2", false},
			{"two cookie lines", req("GET app.test/", "cookie: a=1", "cookie: gateward_client_token=good"), "a=1", false},
			{"joined with a comma", req("GET app.test/public/x", "cookie: a=1,gateward_client_token=good"), "a=1", false},
			{"controls", req("GET app.test/", "cookie: a=\x01; gateward_client_token=good"), "a=!", false},
			{"not UTF-8", req("GET app.test/", "cookie: a=\xff; gateward_client_token=good"), "a=!", false},
			{"anonymous: authorization is the upstream's", req("GET app.test/public/x", "authorization: Basic YTpi", "cookie: gateward_client_token=x; a=1"), "a=1", false},
			{"cookie rule: authorization is the upstream's", req("GET cookie.test/", "authorization: Basic YTpi", "cookie: gateward_client_token=good"), "-", false},
			{"login service needs its cookie", req("GET app.test/auth/v1/self", "cookie: gateward_client_token=x"), "", false},
			{"other cookies only", req("GET app.test/public/x", "cookie: a=1"), "", false},
		} {
			got := e.check(t, c.in)
			if !allowed(got) {
				t.Fatalf("%s: got %d", c.name, status(got))
			}
			cookie := sent(got, "cookie")
			if removed(got, "cookie") {
				cookie = "-"
			}
			if forward {
				c.cookie, c.authorization = "", false
			}
			if cookie != c.cookie || removed(got, "authorization") != c.authorization {
				t.Errorf("forward %v, %s: cookie %q, authorization removed %v", forward, c.name, cookie, removed(got, "authorization"))
			}
		}
	}
}

// TestSEC_J08_NamesThatAreNotOurs cannot be configured.
func TestSEC_J08_NamesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		":path", "Host", "Connection", "Transfer-Encoding", "Content-Length", "TE", "Upgrade", "X-Envoy-Peer",
		"Authorization", "Cookie", "Content_Length", "X_Envoy_Peer", "Proxy_Authorization", "bad name", "x\r\ny", strings.Repeat("x", 200),
	} {
		for key, change := range map[string]func(*extauthz.Config){
			"upstream.identity_headers.subject": func(c *extauthz.Config) { c.Upstream.IdentityHeaders.Subject = name },
			"upstream.remove_headers[0]":        func(c *extauthz.Config) { c.Upstream.RemoveHeaders = []string{name} },
		} {
			cfg := defaults()
			change(&cfg)
			_, err := extauthz.New(cfg, []methods.Authenticator{newFake()}, options(t))
			var ce *gateward.ConfigError
			if !errors.As(err, &ce) || ce.Key != key {
				t.Errorf("%q as %s: got %v", name, key, err)
			}
		}
	}
}
