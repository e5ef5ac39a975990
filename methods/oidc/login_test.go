package oidc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// A login through a real provider, with everything that is known afterwards, in
// Flipt's names.
func TestLogin(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.AuthTime = true
		b.IDToken = func(c map[string]any) { c["profile"] = "https://example.com/~ada" }
	})
	id, tokens := f.mustExchange()
	if id.Issuer != f.op.Issuer || id.Subject != "ada-1" || id.Method != "oidc" || id.Provider != "op" || !id.AllScopes || id.Scopes != nil {
		t.Errorf("identity %+v", id)
	}
	if id.Email != "ada@example.com" || !id.EmailVerified || id.Name != "Ada Lovelace" || strings.Join(id.Groups, " ") != "engineering staff" {
		t.Errorf("identity %+v", id)
	}
	if d := f.clock.Now().Sub(id.AuthTime); d < 0 || d > time.Minute || !id.Expiry.IsZero() {
		t.Errorf("authenticated %s ago, expires %s", d, id.Expiry)
	}
	want := map[string]string{
		"io.flipt.auth.oidc.provider": "op", "io.flipt.auth.oidc.email": "ada@example.com", "io.flipt.auth.oidc.email_verified": "true",
		"io.flipt.auth.oidc.name": "Ada Lovelace", "io.flipt.auth.oidc.picture": "https://example.com/ada.png",
		"io.flipt.auth.oidc.profile": "https://example.com/~ada", "io.flipt.auth.oidc.sub": "ada-1",
		"io.flipt.auth.email": "ada@example.com", "io.flipt.auth.name": "Ada Lovelace", "io.flipt.auth.picture": "https://example.com/ada.png",
	}
	for k, v := range want {
		if id.Metadata[k] != v {
			t.Errorf("metadata %s is %q, want %q", k, id.Metadata[k], v)
		}
	}
	claims := id.Metadata["io.flipt.auth.claims"]
	if len(id.Metadata) != len(want)+1 || !strings.HasPrefix(claims, `{"at_hash":`) || !strings.Contains(claims, `,"groups":["engineering","staff"],"iat":1`) {
		t.Errorf("metadata %q", id.Metadata)
	}
	if !strings.HasPrefix(tokens.AccessToken.Reveal(), "access-") || !strings.HasPrefix(tokens.RefreshToken.Reveal(), "refresh-") ||
		tokens.IDToken.Reveal() == "" || tokens.SID != "sid-1" {
		t.Error("tokens are not as issued")
	}
	if d := tokens.Expiry.Sub(f.clock.Now()); d < 59*time.Minute || d > time.Hour {
		t.Errorf("access token expires in %s", d)
	}
	if f.count("discovery ok") != 1 || f.count("token ok") != 1 || f.count("keys ok") != 1 || f.op.Requests(oidctest.Userinfo) != 0 {
		t.Errorf("requests %v", f.counts)
	}
	f.quiet(nil)
}

func TestAuthCodeURL(t *testing.T) {
	t.Parallel()
	hour, minute := time.Hour, time.Minute
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.Scopes = []string{"email", "openid", "email"}
		p.Prompt, p.MaxAge = "consent", &hour
		p.AuthorizeParameters = map[string]string{"connection": "corp & co", "display": "page"}
		p.RedirectAddress = "https://app.example.com/base/"
	})
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) {
			delete(m, "code_challenge_methods_supported")
			m["authorization_endpoint"] = m["authorization_endpoint"].(string) + "?policy=b2c&nonce=static&display=wap"
		}
	})
	a := newAttempt()
	want := url.Values{
		"response_type": {"code"}, "client_id": {f.op.ClientID}, "redirect_uri": {"https://app.example.com/base/auth/v1/method/oidc/op/callback"},
		"scope": {"openid email"}, "state": {a.State}, "nonce": {a.Nonce}, "code_challenge_method": {"S256"},
		"prompt": {"consent"}, "max_age": {"3600"}, "connection": {"corp & co"}, "display": {"page"}, "policy": {"b2c"},
	}
	got := f.authorizationQuery(a)
	want["code_challenge"] = got["code_challenge"]
	if got.Encode() != want.Encode() {
		t.Errorf("got  %s\nwant %s", got.Encode(), want.Encode())
	}
	a.Prompt, a.MaxAge, a.LoginHint = "select_account", &minute, "ada@example.com"
	got = f.authorizationQuery(a)
	if got.Get("prompt") != "consent select_account" || got.Get("max_age") != "60" || got.Get("login_hint") != "ada@example.com" {
		t.Errorf("the attempt's wishes do not count: %s", got.Encode())
	}
	for _, incomplete := range []methods.Attempt{{}, {State: "s", Nonce: "n"}, {State: "s", Verifier: a.Verifier}, {Nonce: "n", Verifier: a.Verifier}} {
		if _, err := f.login.AuthCodeURL(t.Context(), incomplete); err == nil {
			t.Errorf("an attempt without its secrets is sent off: %+v", incomplete)
		}
	}
}

// Three tabs log in at once, and each ends in its own login.
func TestParallelAttempts(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := []methods.Attempt{newAttempt(), newAttempt(), newAttempt()}
	callbacks := make([]methods.Callback, len(a))
	for i := range a {
		callbacks[i] = f.authorize(a[i])
	}
	var wg sync.WaitGroup
	for i := range a {
		wg.Go(func() {
			if _, _, err := f.login.Exchange(context.WithoutCancel(t.Context()), callbacks[i], a[i]); err != nil {
				t.Errorf("tab %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func TestSEC_D01_PKCE(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} }
	})
	a, b := newAttempt(), newAttempt()
	challenges := map[string]bool{}
	for _, attempt := range []methods.Attempt{a, b} {
		address, err := f.login.AuthCodeURL(t.Context(), attempt)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(address)
		sum := sha256.Sum256([]byte(attempt.Verifier.Reveal()))
		challenge := u.Query().Get("code_challenge")
		if challenge != base64.RawURLEncoding.EncodeToString(sum[:]) || u.Query().Get("code_challenge_method") != "S256" {
			t.Errorf("challenge %q, method %q", challenge, u.Query().Get("code_challenge_method"))
		}
		if strings.Contains(address, attempt.Verifier.Reveal()) {
			t.Error("the verifier is in the address")
		}
		challenges[challenge] = true
	}
	if len(challenges) != 2 {
		t.Error("two attempts share a challenge")
	}

	// The provider has the challenge, so the right verifier must have come.
	if _, _, err := f.login.Exchange(t.Context(), f.authorize(a), a); err != nil {
		t.Errorf("with the verifier: %v", err)
	}
	stolen := f.authorize(b)
	b.Verifier = gateward.NewSecret(random())
	id, tokens, err := f.login.Exchange(t.Context(), stolen, b)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
}

func TestSEC_D01_PKCEOffIsObeyed(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.UsePKCE = no() })
	address, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	if err != nil || strings.Contains(address, "code_challenge") {
		t.Errorf("%s, %v", address, err)
	}
	f.mustExchange()
}

func TestSEC_D03_Nonce(t *testing.T) {
	t.Parallel()
	for name, nonce := range map[string]any{"other": "other", "missing": nil, "empty": "", "number": 1, "array": []string{"x"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = set("nonce", nonce) })
			id, tokens, err := f.exchange()
			f.refused(id, tokens, err, gateward.ErrInvalidCredential)
		})
	}
	// An attempt that has lost its nonce is satisfied by nothing.
	f := setup(t, nil)
	a := newAttempt()
	c := f.authorize(a)
	a.Nonce = ""
	f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = set("nonce", "") })
	id, tokens, err := f.login.Exchange(t.Context(), c, a)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
}

func TestSEC_D05_MixUp(t *testing.T) {
	t.Parallel()
	other, empty := "https://evil.test", ""
	tests := map[string]struct {
		advertised bool
		iss        func(own string) *string
		ok         bool
	}{
		"right":                    {true, func(own string) *string { return &own }, true},
		"right, not advertised":    {false, func(own string) *string { return &own }, true},
		"absent, not advertised":   {false, func(string) *string { return nil }, true},
		"absent, advertised":       {true, func(string) *string { return nil }, false},
		"other":                    {true, func(string) *string { return &other }, false},
		"other, not advertised":    {false, func(string) *string { return &other }, false},
		"empty":                    {false, func(string) *string { return &empty }, false},
		"with a slash more at end": {true, func(own string) *string { own += "/"; return &own }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Configure(func(b *oidctest.Behavior) { b.AnswerWithIssuer = tt.advertised })
			a := newAttempt()
			c := f.authorize(a)
			c.Issuer = tt.iss(f.op.Issuer)
			id, tokens, err := f.login.Exchange(t.Context(), c, a)
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f.refused(id, tokens, err, gateward.ErrInvalidCredential)
			if n := f.op.Requests(oidctest.Token); n != 0 {
				t.Errorf("the code went to the token endpoint %d times", n)
			}
		})
	}
}

func TestSEC_D20_MaxAge(t *testing.T) {
	t.Parallel()
	hour, day, zero := time.Hour, 24*time.Hour, time.Duration(0)
	now := time.Now()
	tests := map[string]struct {
		attempt, config *time.Duration
		authTime        any
		ok              bool
	}{
		"not asked":               {nil, nil, now.Add(-1000 * time.Hour).Unix(), true},
		"fresh":                   {&hour, nil, now.Add(-59 * time.Minute).Unix(), true},
		"too old":                 {&hour, nil, now.Add(-2 * time.Hour).Unix(), false},
		"missing":                 {&hour, nil, nil, false},
		"not a date":              {&hour, nil, "now", false},
		"configured":              {nil, &hour, now.Add(-2 * time.Hour).Unix(), false},
		"attempt is stricter":     {&zero, &hour, now.Add(-30 * time.Minute).Unix(), false},
		"config is stricter":      {&hour, &zero, now.Add(-30 * time.Minute).Unix(), false},
		"within both":             {&day, &hour, now.Add(-30 * time.Minute).Unix(), true},
		"zero: just now":          {&zero, nil, now.Unix(), true},
		"zero: a session there":   {&zero, nil, now.Add(-10 * time.Minute).Unix(), false},
		"configured, but missing": {nil, &hour, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.MaxAge = tt.config })
			f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = set("auth_time", tt.authTime) })
			a := newAttempt()
			a.MaxAge = tt.attempt
			id, tokens, err := f.login.Exchange(t.Context(), f.authorize(a), a)
			if !tt.ok {
				f.refused(id, tokens, err, gateward.ErrInvalidCredential)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if at, _ := tt.authTime.(int64); id.AuthTime.Unix() != at {
				t.Errorf("authenticated at %s", id.AuthTime)
			}
		})
	}
	t.Run("as a parameter", func(t *testing.T) {
		t.Parallel()
		f := setup(t, parameter("max_age", "3600"))
		f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = set("auth_time", now.Add(-2*time.Hour).Unix()) })
		id, tokens, err := f.exchange()
		f.refused(id, tokens, err, gateward.ErrInvalidCredential)
	})
}

// A code that comes twice is refused whatever the provider calls that.
func TestReplayedCode(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_grant", "unauthorized_client"} {
		f := setup(t, nil)
		f.op.Configure(func(b *oidctest.Behavior) { b.ReplayError = code })
		a := newAttempt()
		c := f.authorize(a)
		if _, _, err := f.login.Exchange(t.Context(), c, a); err != nil {
			t.Fatal(err)
		}
		id, tokens, err := f.login.Exchange(t.Context(), c, a)
		f.refused(id, tokens, err, gateward.ErrInvalidCredential)
	}
}

func TestEmptyCode(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := newAttempt()
	c := f.authorize(a)
	c.Code = gateward.Secret{}
	id, tokens, err := f.login.Exchange(t.Context(), c, a)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
}
