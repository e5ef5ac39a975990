package oidc_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// A provider need not say when somebody authenticated unless it is asked, and may
// answer from a session of last week: then nobody knows.
func TestSEC_D20_AuthTimeUnknown(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true })
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("auth_time", f.clock.Now().Unix()) })
	id, tokens := f.mustExchange()
	if !id.AuthTime.IsZero() {
		t.Errorf("authenticated at %s, which nobody said", id.AuthTime)
	}
	// Nor does a refresh tell.
	f.clock.Add(time.Hour)
	got, _, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || !got.AuthTime.IsZero() {
		t.Errorf("after a refresh: authenticated at %s, %v", got.AuthTime, err)
	}

	// Asked, it says so.
	a, age := newAttempt(), time.Minute
	a.MaxAge = &age
	before := f.clock.Now()
	id, _, err = f.login.Exchange(t.Context(), f.authorize(a), a)
	if err != nil || id.AuthTime.Before(before.Truncate(time.Second)) || id.AuthTime.After(f.clock.Now()) {
		t.Errorf("with max_age: authenticated at %s, %v", id.AuthTime, err)
	}
}

// A provider's clock may be fast; what it says does not look fresh for longer.
func TestSEC_D20_AuthTimeToCome(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.IDToken = func(c claims) { c["auth_time"] = f.clock.Now().Add(50 * time.Second).Unix() }
	})
	before := f.clock.Now()
	id, _ := f.mustExchange()
	if id.AuthTime.Before(before) || id.AuthTime.After(f.clock.Now()) {
		t.Errorf("authenticated in %s", id.AuthTime.Sub(f.clock.Now()))
	}
}

// Nobody authenticates by a refresh, whatever the new ID token says.
func TestSEC_D20_RefreshIsNoLogin(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) { b.AuthTime = true })
	id, tokens := f.mustExchange()
	if id.AuthTime.IsZero() {
		t.Fatal("the provider says when, and nobody listens")
	}
	f.clock.Add(30 * time.Minute)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.IDToken = func(c claims) { c["auth_time"] = f.clock.Now().Unix() }
	})
	got, _, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || !got.AuthTime.Equal(id.AuthTime) {
		t.Errorf("authenticated at %s before the refresh and at %s after it, %v", id.AuthTime, got.AuthTime, err)
	}
}

// Anybody can write the address of a login, with max_age and prompt in it: what
// is configured stays.
func TestSEC_D20_ConfigurationCannotBeWeakened(t *testing.T) {
	t.Parallel()
	hour, minute, long := time.Hour, time.Minute, 2147483647*time.Second
	tests := map[string]struct {
		configured    oidc.ProviderConfig // MaxAge, Prompt and AuthorizeParameters
		age           *time.Duration      // of the attempt
		prompt        string
		maxAge, asked string // what the provider is asked for
	}{
		"nothing":              {},
		"attempt alone":        {age: &hour, prompt: "login", maxAge: "3600", asked: "login"},
		"configuration alone":  {configured: oidc.ProviderConfig{MaxAge: &hour, Prompt: "login"}, maxAge: "3600", asked: "login"},
		"weaker attempt":       {configured: oidc.ProviderConfig{MaxAge: &hour, Prompt: "login"}, age: &long, prompt: "select_account", maxAge: "3600", asked: "login select_account"},
		"stricter attempt":     {configured: oidc.ProviderConfig{MaxAge: &hour, Prompt: "consent"}, age: &minute, prompt: "login", maxAge: "60", asked: "consent login"},
		"the same":             {configured: oidc.ProviderConfig{MaxAge: &hour, Prompt: "login"}, age: &hour, prompt: "login", maxAge: "3600", asked: "login"},
		"several":              {configured: oidc.ProviderConfig{Prompt: " login  consent "}, prompt: "select_account", asked: "login consent select_account"},
		"as parameters":        {configured: oidc.ProviderConfig{AuthorizeParameters: map[string]string{"max_age": "3600", "prompt": "login"}}, age: &long, prompt: "select_account", maxAge: "3600", asked: "login select_account"},
		"both, weak parameter": {configured: oidc.ProviderConfig{MaxAge: &minute, Prompt: "login", AuthorizeParameters: map[string]string{"max_age": "3600", "prompt": "consent"}}, maxAge: "60", asked: "login consent"},
		"both, weak key":       {configured: oidc.ProviderConfig{MaxAge: &hour, AuthorizeParameters: map[string]string{"MAX_AGE": "60", "Prompt": "login"}}, age: &long, maxAge: "60", asked: "login"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parameters := maps.Clone(tt.configured.AuthorizeParameters)
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.MaxAge, p.Prompt, p.AuthorizeParameters = tt.configured.MaxAge, tt.configured.Prompt, tt.configured.AuthorizeParameters
			})
			a := newAttempt()
			a.MaxAge, a.Prompt = tt.age, tt.prompt
			q := f.authorizationQuery(a)
			if q.Get("max_age") != tt.maxAge || q.Get("prompt") != tt.asked {
				t.Errorf("asked for max_age %q and prompt %q, want %q and %q", q.Get("max_age"), q.Get("prompt"), tt.maxAge, tt.asked)
			}
			for parameter := range q {
				if parameter != strings.ToLower(parameter) {
					t.Errorf("asked by %s too", parameter)
				}
			}
			if !maps.Equal(parameters, tt.configured.AuthorizeParameters) {
				t.Error("the configuration was changed")
			}
			// And it is seen to, by what comes back.
			f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = set("auth_time", f.clock.Now().Add(-1000*time.Hour).Unix()) })
			id, tokens, err := f.login.Exchange(t.Context(), f.authorize(a), a)
			if tt.maxAge != "" {
				f.refused(id, tokens, err, gateward.ErrInvalidCredential)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// authorizationQuery returns what the provider is asked, each parameter once.
func (f *fixture) authorizationQuery(a methods.Attempt) url.Values {
	f.t.Helper()
	address, err := f.login.AuthCodeURL(f.t.Context(), a)
	if err != nil {
		f.t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		f.t.Fatal(err)
	}
	for name, values := range u.Query() {
		if len(values) != 1 {
			f.t.Errorf("%s is there %d times", name, len(values))
		}
	}
	return u.Query()
}

// A provider may ignore acr_values, and a browser can leave them out.
func TestSEC_D20_AuthenticationContext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		wanted string // "": nothing is configured
		acr    any
		ok     bool
	}{
		"the one":              {"urn:mfa", "urn:mfa", true},
		"one of two":           {" urn:mfa  urn:phrh", "urn:phrh", true},
		"weaker":               {"urn:mfa urn:phrh", "urn:password", false},
		"missing":              {"urn:mfa", nil, false},
		"empty":                {"urn:mfa", "", false},
		"case counts":          {"urn:mfa", "urn:MFA", false},
		"the whole list":       {"urn:mfa urn:phrh", "urn:mfa urn:phrh", false},
		"part of one":          {"urn:mfa", "urn:mf", false},
		"a list":               {"urn:mfa", []string{"urn:mfa"}, false},
		"a number":             {"1", 1, false},
		"nothing wanted":       {"", "urn:password", true},
		"nothing wanted, said": {"", nil, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.FetchExtraUserInfo = true
				if tt.wanted != "" {
					p.AuthorizeParameters = map[string]string{"acr_values": tt.wanted, "display": "page"}
				}
			})
			f.op.Configure(func(b *oidctest.Behavior) {
				b.IDToken = set("acr", tt.acr)
				b.UserinfoClaims = set("acr", "urn:mfa") // which nobody has signed
			})
			if q := f.authorizationQuery(newAttempt()); tt.wanted != "" && (q.Get("display") != "page" || q.Get("acr_values") == "") {
				t.Errorf("the provider is asked for %s", q.Encode())
			}
			id, tokens, err := f.exchange()
			if !tt.ok {
				f.refused(id, tokens, err, gateward.ErrInvalidCredential)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
