package extauthz_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
)

func TestShadowIsCountedAndSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{
			{Name: "stricter", Match: extauthz.Match{Paths: []string{"/x/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}, Shadow: true},
			{Name: "current", Match: extauthz.Match{Paths: []string{"/x/**"}}},
		}
		o := options(t)
		fake := newFake()
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		for _, r := range []*authv3.CheckRequest{req("GET app.test/x/1", bearer), naming(req("GET app.test/x/1", bearer), "stricter"), req("GET app.test/x/1;a", bearer)} {
			got := e.check(t, r)
			if status(got) != 200 || metadata(got, "rule") != "current" {
				t.Errorf("got %d by %q", status(got), metadata(got, "rule"))
			}
		}
		synctest.Wait()
		text := scrape(t, o.Metrics)
		// Once for each request, though it was named and matched, or matched by
		// several readings.
		if want := `gateward_shadow_checks_total{outcome="deny",reason="group_not_allowed",rule="stricter"} 3`; !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
		if len(e.Warnings()) != 0 {
			t.Errorf("a rule behind one in shadow mode can match: %v", e.Warnings())
		}
	})
}

// TestShadowCostsTheAnswerNothing: a credential that only a shadow rule looks
// at is verified beside the request.
func TestShadowCostsTheAnswerNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{
			{Name: "tried", Credentials: []string{"bearer"}, Shadow: true},
			{Name: "real", Credentials: []string{"cookie"}},
		}
		o := options(t)
		fake := newFake()
		fake.table["slow"] = func(ctx context.Context) (gateward.Identity, error) {
			<-ctx.Done()
			return gateward.Identity{}, ctx.Err()
		}
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		start := time.Now()
		got := e.check(t, req("GET app.test/", "authorization: Bearer slow", "cookie: gateward_client_token=good"))
		if status(got) != 200 || time.Since(start) != 0 {
			t.Errorf("got %d after %v", status(got), time.Since(start))
		}
		time.Sleep(time.Minute) // in the bubble
		if text := scrape(t, o.Metrics); !strings.Contains(text, `rule="tried"} 1`) {
			t.Errorf("not counted:\n%s", text)
		}
	})
}

// TestShadowIsCountedOncePerRequest, whatever it costs to find out, and never
// takes more than its share.
func TestShadowIsCountedOncePerRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := defaults()
		for _, name := range []string{"a", "b", "c"} {
			cfg.Rules = append(cfg.Rules, extauthz.Rule{Name: name, Shadow: true, Require: extauthz.Require{When: `!request.path.startsWith("/admin") && request.host == "app.test" && request.query["q"][0] == "1"`}})
		}
		o := options(t)
		fake := newFake()
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		for _, path := range []string{"/x?q=1", "/a;b%2fc%252fd//e%3fz/%2523?q=1", "/;/admin?q=1"} {
			r := req("GET app.test"+path, bearer)
			if got := e.check(t, r); status(got) != 200 {
				t.Errorf("%s: got %d", path, status(got))
			}
			synctest.Wait()
		}
		// From the cookie alone, with the client gone.
		ctx, leave := context.WithCancel(t.Context())
		e.checkContext(ctx, t, req("GET app.test/x?q=1", "cookie: gateward_client_token=good"))
		leave()
		synctest.Wait()
		text := scrape(t, o.Metrics)
		for _, name := range []string{"a", "b", "c"} {
			for _, want := range []string{
				`{outcome="allow",reason="identified",rule="` + name + `"} 3`, `{outcome="deny",reason="condition_false",rule="` + name + `"} 1`,
			} {
				if !strings.Contains(text, want) {
					t.Errorf("metrics lack %s", want)
				}
			}
		}
	})
}

// TestShadowIsBounded: more than its share is counted as overloaded, and a
// panic gives its place back.
func TestShadowIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := defaults()
		cfg.Rules = []extauthz.Rule{{Name: "tried", Credentials: []string{"bearer"}, Shadow: true}, {Name: "real", Access: extauthz.AccessAnonymous}}
		o := options(t)
		fake := newFake()
		for i := range 300 {
			fake.table[fmt.Sprint("slow", i)] = func(ctx context.Context) (gateward.Identity, error) {
				<-ctx.Done()
				return gateward.Identity{}, ctx.Err()
			}
		}
		inner, err := extauthz.New(cfg, []methods.Authenticator{fake}, o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine{inner, fake}
		for i := range 300 {
			e.check(t, req("GET app.test/", fmt.Sprint("authorization: Bearer slow", i)))
		}
		synctest.Wait()
		if text := scrape(t, o.Metrics); !strings.Contains(text, `{outcome="fault",reason="overloaded",rule="tried"} 44`) {
			t.Errorf("300 at once, of which 256 may:\n%s", text)
		}
		time.Sleep(time.Minute) // in the bubble
		for range 300 {
			e.check(t, req("GET app.test/", "authorization: Bearer boom"))
			synctest.Wait()
		}
		if text := scrape(t, o.Metrics); !strings.Contains(text, `{outcome="fault",reason="internal",rule="tried"} 300`) {
			t.Errorf("300 panics, one after the other:\n%s", text)
		}
	})
}
