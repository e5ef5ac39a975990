package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_C26_Metadata(t *testing.T) {
	t.Parallel()
	replace := func(name string, v any) func(claims) { return set(name, v) }
	tests := map[string]struct {
		change func(claims)
		ok     bool
	}{
		"as it is":                {func(claims) {}, true},
		"another issuer":          {replace("issuer", "https://evil.test"), false},
		"issuer with slash":       {func(m claims) { m["issuer"] = m["issuer"].(string) + "/" }, false},
		"issuer missing":          {replace("issuer", nil), false},
		"Issuer":                  {func(m claims) { m["Issuer"], m["issuer"] = m["issuer"], "https://evil.test" }, false},
		"no authorization":        {replace("authorization_endpoint", nil), false},
		"no token endpoint":       {replace("token_endpoint", nil), false},
		"no keys":                 {replace("jwks_uri", nil), false},
		"no userinfo":             {replace("userinfo_endpoint", nil), true},
		"http authorization":      {replace("authorization_endpoint", "http://issuer.test/authorize"), false},
		"http token":              {replace("token_endpoint", "http://issuer.test/token"), false},
		"http keys":               {replace("jwks_uri", "http://issuer.test/keys"), false},
		"http userinfo":           {replace("userinfo_endpoint", "http://issuer.test/userinfo"), false},
		"script at end session":   {replace("end_session_endpoint", "javascript:alert(1)"), false},
		"relative token endpoint": {replace("token_endpoint", "/token"), false},
		"user in token endpoint":  {replace("token_endpoint", "https://canary@issuer.test/"), false},
		"token endpoint a number": {replace("token_endpoint", 1), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Configure(func(b *oidctest.Behavior) { b.Metadata = tt.change })
			_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantKind(t, err, gateward.ErrUnavailable)
			f.quiet(err)
			if f.count("discovery failed") != 1 {
				t.Errorf("requests %v", f.counts)
			}
		})
	}
}

func TestDiscoveryIsCached(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *oidc.Config, _ *oidc.ProviderConfig) { c.CacheTTL = 5 * time.Minute })
	visit := func(want int) {
		t.Helper()
		if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err != nil {
			t.Fatal(err)
		}
		if n := f.op.Requests(oidctest.Discovery); n != want {
			t.Fatalf("%d requests for metadata, want %d", n, want)
		}
	}
	if f.op.Requests(oidctest.Discovery) != 0 {
		t.Error("asked before anybody logs in")
	}
	visit(1)
	f.clock.Add(4 * time.Minute)
	visit(1)
	f.clock.Add(2 * time.Minute)
	visit(2)
	visit(2)

	// Down: what is known serves on, and the provider is not pestered.
	f.op.Down(true)
	f.clock.Add(6 * time.Minute)
	visit(3)
	visit(3)
	f.clock.Add(48 * time.Hour)
	visit(4)
	f.op.Down(false)
	visit(4)
	f.clock.Add(11 * time.Second)
	visit(5)
	f.mustExchange()
}

func TestDiscoveryDefaultTTL(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	for _, want := range []int{1, 1, 2} {
		if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err != nil {
			t.Fatal(err)
		}
		if n := f.op.Requests(oidctest.Discovery); n != want {
			t.Fatalf("%d requests, want %d", n, want)
		}
		f.clock.Add(14 * time.Minute)
	}
}

// L06: a provider that is down at first is asked again.
func TestSEC_L06_StartsWithoutProvider(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	for _, fault := range []http.HandlerFunc{oidctest.Status(http.StatusServiceUnavailable), oidctest.Status(http.StatusOK), raw("application/json", `{"issuer":"a","issuer":"a"}`), raw("application/json", "[]")} {
		f.op.Fault(oidctest.Discovery, fault)
		_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
		wantKind(t, err, gateward.ErrUnavailable)
		f.quiet(err)
		f.clock.Add(4 * time.Second)
	}
	f.op.Fault(oidctest.Discovery, nil)
	f.mustExchange()
	if f.count("discovery failed") != 4 || f.count("discovery ok") != 1 {
		t.Errorf("requests %v", f.counts)
	}
}

// L06: nor is a provider pestered that has never answered: everybody is told for
// a while what the first was told.
func TestSEC_L06_StrangersDoNotPester(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Fault(oidctest.Discovery, oidctest.Status(http.StatusServiceUnavailable))
	var first error
	for range 50 {
		_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
		wantKind(t, err, gateward.ErrUnavailable)
		if first == nil {
			first = err
		}
		if err == nil || err.Error() != first.Error() || !strings.Contains(err.Error(), "503") {
			t.Fatalf("told %v, the first was told %v", err, first)
		}
		_, _, err = f.login.Exchange(t.Context(), methods.Callback{}, newAttempt())
		wantKind(t, err, gateward.ErrUnavailable)
	}
	if n := f.op.Requests(oidctest.Discovery); n != 1 {
		t.Errorf("100 visits, %d requests for metadata", n)
	}
	// After some seconds it is asked again, and what it says now is passed on.
	f.op.Fault(oidctest.Discovery, oidctest.Status(http.StatusBadGateway))
	f.clock.Add(4 * time.Second)
	for range 2 {
		if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err == nil || !strings.Contains(err.Error(), "502") {
			t.Errorf("told %v", err)
		}
	}
	if n := f.op.Requests(oidctest.Discovery); n != 2 {
		t.Errorf("%d requests for metadata, want 2", n)
	}
	// It is back: nobody is told of the failure any longer, not even when it
	// fails again.
	f.op.Fault(oidctest.Discovery, nil)
	f.clock.Add(4 * time.Second)
	f.mustExchange()
	f.op.Down(true)
	f.clock.Add(time.Hour)
	if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err != nil {
		t.Error(err)
	}
}

// L04: one request for any number of callers, and one that goes away spoils
// nothing for the others.
func TestSEC_L04_DiscoverySingleFlight(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	release, arrived := make(chan struct{}), make(chan struct{}, 8)
	f.op.Fault(oidctest.Discovery, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		f.op.Fault(oidctest.Discovery, nil)
		w.Header().Set("Location", f.op.Issuer+string(oidctest.Discovery))
		w.WriteHeader(http.StatusFound)
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := f.login.AuthCodeURL(ctx, newAttempt())
		first <- err
	}()
	<-arrived
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) || !errors.Is(err, gateward.ErrUnavailable) {
		t.Errorf("the caller that left: %v", err)
	}
	close(release)
	wg.Wait()
	if n := f.op.Requests(oidctest.Discovery); n != 2 { // one, redirected within its host
		t.Errorf("%d requests", n)
	}
}

func TestDiscoveryURL(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(string) string{
		"base":    func(iss string) string { return iss + "/tenant/" },
		"whole":   func(iss string) string { return iss + "/tenant/.well-known/openid-configuration" },
		"another": func(iss string) string { return iss + "/tenant/.well-known/openid-configuration?p=b2c" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Fault("/tenant/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, string(oidctest.Discovery), http.StatusFound)
			})
			f.method = f.build(func(_ *oidc.Config, p *oidc.ProviderConfig) { p.DiscoveryURL = address(f.op.Issuer) }, nil)
			f.login = f.method.Providers()[0]
			f.mustExchange()
			if f.op.Requests("/tenant/.well-known/openid-configuration") != 1 {
				t.Error("discovery_url was not asked")
			}
		})
	}
}

// C14: a new key works without a restart, and so does another address of keys.
func TestSEC_C14_KeyRotation(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.mustExchange()
	f.op.RotateKeys()
	f.mustExchange()
	if n := f.op.Requests(oidctest.Keys); n != 2 {
		t.Errorf("%d requests for keys, want 2", n)
	}
	f.op.Fault("/more-keys", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) { m["jwks_uri"] = f.op.Issuer + "/more-keys" }
	})
	f.clock.Add(time.Hour)
	f.mustExchange()
	if f.op.Requests("/more-keys") != 1 {
		t.Error("the new address of the keys was not asked")
	}
}

func TestReloadKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.mustExchange()
	same := f.build(func(c *oidc.Config, p *oidc.ProviderConfig) {
		c.EmailMatches, p.Prompt, p.ClientSecret = []string{`^.*@example\.com$`}, "login", gateward.NewSecret("other")
	}, f.method)
	f.op.Down(true)
	if _, err := same.Providers()[0].AuthCodeURL(t.Context(), newAttempt()); err != nil {
		t.Errorf("same provider: %v", err)
	}
	for name, change := range map[string]func(*oidc.Config, *oidc.ProviderConfig){
		"algorithms": func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Algorithms = []string{"RS512"} },
		"discovery":  func(_ *oidc.Config, p *oidc.ProviderConfig) { p.DiscoveryURL = f.op.Issuer + "/x" },
		"ttl":        func(c *oidc.Config, _ *oidc.ProviderConfig) { c.CacheTTL = time.Minute },
	} {
		_, err := f.build(change, f.method).Providers()[0].AuthCodeURL(t.Context(), newAttempt())
		if !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s changed, and old knowledge is used: %v", name, err)
		}
	}

	// The old method's end is not the new one's.
	f.op.Down(false)
	f.method.Close()
	f.method.Close()
	f.op.RotateKeys()
	f.method = f.build(nil, same)
	f.login = f.method.Providers()[0]
	same.Close()
	f.mustExchange()
	f.clock.Add(time.Hour)
	f.mustExchange()

	// A method that is closed does not start anything again.
	f.method.Close()
	f.clock.Add(time.Hour)
	before := f.op.Requests(oidctest.Discovery)
	if _, err := f.login.AuthCodeURL(t.Context(), newAttempt()); err != nil || f.op.Requests(oidctest.Discovery) != before {
		t.Errorf("closed: %v", err)
	}
	fresh := f.build(nil, f.method)
	if _, err := fresh.Providers()[0].AuthCodeURL(t.Context(), newAttempt()); err != nil || f.op.Requests(oidctest.Discovery) != before+1 {
		t.Errorf("after a method that was closed: %v", err)
	}
}

func TestCloseEndsDiscovery(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	arrived := f.hang(oidctest.Discovery)
	done := make(chan error, 1)
	go func() {
		_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
		done <- err
	}()
	<-arrived
	f.method.Close()
	wantKind(t, <-done, gateward.ErrUnavailable)
	if f.count("discovery failed") != 0 {
		t.Error("our own end is counted as the provider's failure")
	}
	_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	wantKind(t, err, gateward.ErrUnavailable)
}
