package extauthz_test

import (
	"context"
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
		// The named one is counted twice over: as named, and as matching.
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
