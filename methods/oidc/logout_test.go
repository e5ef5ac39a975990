package oidc_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_D23_LogoutToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := setup(t, nil)
	f.mustExchange()
	tests := map[string]struct {
		change func(claims)
		ok     bool
	}{
		"as issued":         {nil, true},
		"sub only":          {set("sid", nil), true},
		"sid only":          {set("sub", nil), true},
		"neither":           {func(c claims) { c["sub"], c["sid"] = nil, nil }, false},
		"sub empty":         {set("sub", ""), false},
		"sub number":        {set("sub", 1), false},
		"sid too long":      {set("sid", strings.Repeat("x", 256)), false},
		"iss other":         {set("iss", "https://evil.test"), false},
		"iss missing":       {set("iss", nil), false},
		"aud other":         {set("aud", "other"), false},
		"aud missing":       {set("aud", nil), false},
		"aud array":         {set("aud", []string{"other", "gateward"}), true},
		"nonce":             {set("nonce", "n"), false},
		"nonce empty":       {set("nonce", ""), false},
		"nonce null":        {set("nonce", json.RawMessage("null")), false},
		"jti missing":       {set("jti", nil), false},
		"jti empty":         {set("jti", ""), false},
		"jti number":        {set("jti", 1), false},
		"events missing":    {set("events", nil), false},
		"events other":      {set("events", claims{"http://schemas.openid.net/event/other": claims{}}), false},
		"events array":      {set("events", []string{"http://schemas.openid.net/event/backchannel-logout"}), false},
		"event null":        {set("events", claims{"http://schemas.openid.net/event/backchannel-logout": nil}), false},
		"event a string":    {set("events", claims{"http://schemas.openid.net/event/backchannel-logout": "x"}), false},
		"event differs":     {set("events", claims{"http://schemas.openid.net/event/BACKCHANNEL-logout": claims{}}), false},
		"Events":            {func(c claims) { c["Events"], c["events"] = c["events"], nil }, false},
		"event has members": {set("events", claims{"http://schemas.openid.net/event/backchannel-logout": claims{"x": 1}}), true},
		"expired":           {set("exp", now.Add(-2*time.Minute).Unix()), false},
		"exp missing":       {set("exp", nil), false},
		"iat missing":       {set("iat", nil), false},
		"iat future":        {set("iat", now.Add(5*time.Minute).Unix()), false},
		"iat long ago":      {func(c claims) { c["iat"], c["exp"] = now.Add(-time.Hour).Unix(), now.Add(time.Hour).Unix() }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret(f.op.LogoutToken(tt.change)))
			if !tt.ok {
				wantKind(t, err, gateward.ErrInvalidCredential)
				if got != (methods.LogoutToken{}) {
					t.Errorf("a token beside the error: %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != f.op.Issuer || got.Subject+got.SID == "" || !strings.HasPrefix(got.JTI, "jti-") {
				t.Errorf("%+v", got)
			}
			if left := got.Expiry.Sub(now); left < time.Minute || left > 12*time.Minute {
				t.Errorf("jti is to be remembered for %s", left)
			}
		})
	}
	f.quiet(nil)
}

// Whoever remembers a jti until Expiry has seen the last of its token then.
func TestSEC_D23_RememberedAsLongAsItVerifies(t *testing.T) {
	t.Parallel()
	for name, lifetime := range map[string]time.Duration{"ends by exp": 2 * time.Minute, "ends by age": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.clock.Stop()
			f.mustExchange()
			token := gateward.NewSecret(f.op.LogoutToken(set("exp", f.clock.Now().Add(lifetime).Unix())))
			got, err := f.login.VerifyLogoutToken(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			// The provider's clock may be off, so the token outlives its dates.
			f.clock.Add(got.Expiry.Sub(f.clock.Now()) - 1)
			if _, err := f.login.VerifyLogoutToken(t.Context(), token); err != nil {
				t.Errorf("before Expiry: %v", err)
			}
			f.clock.Add(1)
			_, err = f.login.VerifyLogoutToken(t.Context(), token)
			wantKind(t, err, gateward.ErrInvalidCredential)
		})
	}
}

func TestSEC_D23_OtherTokensAreNoLogoutTokens(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	_, tokens := f.mustExchange()
	foreign := keysettest.NewKey(t, "key-0", "RS256")
	body := claims{}
	f.op.LogoutToken(func(c claims) { maps.Copy(body, c) })
	for name, token := range map[string]string{
		"ID token":               tokens.IDToken.Reveal(),
		"ID token without nonce": f.op.LogoutToken(set("events", nil)),
		"access token":           tokens.AccessToken.Reveal(),
		"another's signature":    foreign.Sign(t, claims{"typ": "logout+jwt"}, body),
		"typ at+jwt":             f.op.Sign(claims{"typ": "at+jwt"}, body),
		"typ secevent+jwt":       f.op.Sign(claims{"typ": "secevent+jwt"}, body),
		"empty":                  "",
		"dots":                   strings.Repeat(".", 60<<10),
	} {
		_, err := f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret(token))
		if t.Run(name, func(t *testing.T) { wantKind(t, err, gateward.ErrInvalidCredential) }); err == nil {
			t.Errorf("%s ends a session", name)
		}
	}
	for _, typ := range []any{"logout+jwt", "application/logout+jwt", "LOGOUT+JWT", "JWT", nil} {
		if _, err := f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret(f.op.Sign(claims{"typ": typ}, body))); err != nil {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
	// And a logout token is no ID token.
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Sign = func(c claims) string {
			c["events"] = body["events"]
			return f.op.Sign(claims{"typ": "logout+jwt"}, c)
		}
	})
	id, got, err := f.exchange()
	f.refused(id, got, err, gateward.ErrInvalidCredential)
}

func TestSEC_D23_KeysOutOfReach(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Down(true)
	_, err := f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret(f.op.LogoutToken(nil)))
	wantKind(t, err, gateward.ErrUnavailable)
	// What is no token is nobody's but the sender's fault, and asks nobody.
	_, err = f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret("x"))
	wantKind(t, err, gateward.ErrInvalidCredential)
}

func TestEndSessionURL(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.UseEndSessionEndpoint, p.RedirectAddress = true, "https://app.example.com/x"
	})
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) {
			m["end_session_endpoint"] = m["end_session_endpoint"].(string) + "?p=1&client_id=x"
		}
	})
	_, tokens := f.mustExchange()
	got, err := f.login.EndSessionURL(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(got)
	want := url.Values{
		"id_token_hint": {tokens.IDToken.Reveal()}, "client_id": {f.op.ClientID}, "post_logout_redirect_uri": {"https://app.example.com/x"}, "p": {"1"},
	}
	if !maps.EqualFunc(u.Query(), want, slices.Equal) || u.Path != string(oidctest.EndSession) {
		t.Errorf("got %s", got)
	}
	// Down, and out of date: as it was.
	f.op.Down(true)
	f.clock.Add(24 * time.Hour)
	if got, err := f.login.EndSessionURL(t.Context(), gateward.Tokens{}); err != nil || !strings.Contains(got, "client_id") || strings.Contains(got, "id_token_hint") {
		t.Errorf("provider down: %q, %v", got, err)
	}
	// Down from the start: no such address, and no failure.
	fresh := f.build(func(_ *oidc.Config, p *oidc.ProviderConfig) { p.UseEndSessionEndpoint = true }, nil)
	if got, err := fresh.Providers()[0].EndSessionURL(t.Context(), tokens); got != "" || err != nil {
		t.Errorf("never seen: %q, %v", got, err)
	}
	f.op.Down(false)
	off := setup(t, nil)
	if got, err := off.login.EndSessionURL(t.Context(), tokens); got != "" || err != nil || off.op.Requests(oidctest.Discovery) != 0 {
		t.Errorf("not configured: %q, %v", got, err)
	}
	f.op.Configure(func(b *oidctest.Behavior) { b.Metadata = set("end_session_endpoint", nil) })
	f.clock.Add(24 * time.Hour)
	if got, err := f.login.EndSessionURL(t.Context(), tokens); got != "" || err != nil {
		t.Errorf("no such endpoint: %q, %v", got, err)
	}
}
