package oidc_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// What real providers were seen to do: each logs in, and refreshes.
func TestQuirks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options  []oidctest.Option
		config   func(*oidc.Config, *oidc.ProviderConfig)
		behavior func(*oidctest.Behavior)
		check    func(t *testing.T, f *fixture, id gateward.Identity, tokens gateward.Tokens)
	}{
		"issuer with trailing slash": {options: []oidctest.Option{oidctest.WithIssuerPath("/")}},
		"issuer with path":           {options: []oidctest.Option{oidctest.WithIssuerPath("/realms/test")}},
		"issuer with path and slash": {options: []oidctest.Option{oidctest.WithIssuerPath("/t/v2.0/")}},
		"audience an array, authorized party": {behavior: func(b *oidctest.Behavior) {
			b.IDToken = func(c claims) { c["aud"], c["azp"] = []string{"gateward", "project-1"}, "gateward" }
		}},
		"no key id, a bare key": {behavior: func(b *oidctest.Behavior) {
			b.KeySet = func(all []map[string]any) []map[string]any {
				return []map[string]any{{"kty": "RSA", "n": all[0]["n"], "e": all[0]["e"]}}
			}
		}}, // and see below: tokens without kid
		"keys for encryption and of other algorithms": {behavior: func(b *oidctest.Behavior) {
			es, enc := keysettest.NewKey(t, "es", "ES256"), keysettest.NewKey(t, "key-0", "RS256")
			b.KeySet = func(all []map[string]any) []map[string]any {
				return append([]map[string]any{enc.JWK(claims{"use": "enc", "alg": "RSA-OAEP"}), es.JWK(nil), {"kty": "oct", "k": "AAAA"}}, all...)
			}
		}},
		"token type in lower case": {behavior: answer("token_type", "bearer")},
		"no token type":            {behavior: answer("token_type", nil)},
		"no scope":                 {behavior: answer("scope", nil)},
		"expires_in as text":       {behavior: answer("expires_in", "600"), check: expiresIn(10 * time.Minute)},
		"no expires_in":            {behavior: answer("expires_in", nil), check: expiresIn(time.Hour)},
		"expires_in of 0":          {behavior: answer("expires_in", 0), check: expiresIn(time.Hour)},
		"expires_in negative":      {behavior: answer("expires_in", -5), check: expiresIn(time.Hour)},
		"expires_in nanoseconds":   {behavior: answer("expires_in", int64(10*time.Minute)), check: expiresIn(24 * time.Hour)},
		"no expires_in, no refresh token": {behavior: func(b *oidctest.Behavior) {
			b.TokenResponse = func(a map[string]any) { delete(a, "expires_in"); delete(a, "refresh_token") }
		}, check: func(t *testing.T, _ *fixture, _ gateward.Identity, tokens gateward.Tokens) {
			if !tokens.Expiry.IsZero() {
				t.Errorf("expires %s", tokens.Expiry)
			}
		}},
		"refresh without ID token":     {behavior: func(b *oidctest.Behavior) { b.NoRefreshedIDToken = true }},
		"refresh without a new token":  {behavior: func(b *oidctest.Behavior) { b.KeepRefreshToken = true }},
		"refresh tokens look like JWT": {behavior: func(b *oidctest.Behavior) { b.UnsignedRefreshTokens = true }},
		"groups in userinfo only": {
			config: func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.GroupsClaim, p.AllowedGroups = "groups", []string{"staff"}
			},
			behavior: func(b *oidctest.Behavior) { b.UserinfoOnly = []string{"groups"} },
			check:    groups("engineering", "staff"),
		},
		"everything in userinfo only": {
			config: func(c *oidc.Config, p *oidc.ProviderConfig) { c.EmailMatches = []string{`^.*@example\.com$`} },
			behavior: func(b *oidctest.Behavior) {
				b.UserinfoOnly = []string{"groups", "email", "email_verified", "name", "picture"}
			},
			check: func(t *testing.T, _ *fixture, id gateward.Identity, _ gateward.Tokens) {
				if !id.EmailVerified || id.Name == "" || id.Metadata["io.flipt.auth.picture"] == "" || id.Metadata["io.flipt.auth.oidc.email_verified"] != "true" {
					t.Errorf("%+v", id)
				}
			},
		},
		"groups as paths": {
			config: func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.GroupsClaim, p.AllowedGroups = "/realm_access/roles", []string{"/staff/a"}
			},
			behavior: func(b *oidctest.Behavior) {
				b.IDToken = set("realm_access", claims{"roles": []string{"/staff/a", "org:team"}})
			},
			check: groups("/staff/a", "org:team"),
		},
		"one group as text": {
			config:   func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"a,b"} },
			behavior: func(b *oidctest.Behavior) { b.IDToken = set("groups", "a,b") },
			check:    groups("a,b"),
		},
		"300 groups": {
			behavior: func(b *oidctest.Behavior) { b.IDToken = func(c claims) { c["groups"] = manyGroups(300) } },
			check:    groups(manyGroups(300)...),
		},
		"3000 groups in userinfo": {
			config: func(_ *oidc.Config, p *oidc.ProviderConfig) { p.GroupsClaim = "groups" },
			behavior: func(b *oidctest.Behavior) {
				b.UserinfoOnly = []string{"groups"}
				b.UserinfoClaims = func(c claims) { c["groups"] = manyGroups(3000) }
			},
			check: groups(manyGroups(3000)...),
		},
		"no end_session_endpoint": {behavior: func(b *oidctest.Behavior) { b.Metadata = set("end_session_endpoint", nil) }},
		"no iss in callbacks":     {behavior: func(b *oidctest.Behavior) { b.AnswerWithIssuer = false }},
		"no userinfo endpoint": {
			config:   func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true },
			behavior: func(b *oidctest.Behavior) { b.Metadata = set("userinfo_endpoint", nil) },
		},
		"email_verified as text": {
			behavior: func(b *oidctest.Behavior) { b.IDToken = set("email_verified", "true") },
			check: func(t *testing.T, _ *fixture, id gateward.Identity, _ gateward.Tokens) {
				if !id.EmailVerified || id.Metadata["io.flipt.auth.oidc.email_verified"] != "true" {
					t.Errorf("%+v", id)
				}
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, tt.config, tt.options...)
			if tt.behavior != nil {
				f.op.Configure(tt.behavior)
			}
			if name == "no key id, a bare key" {
				f.op.Configure(func(b *oidctest.Behavior) {
					b.Sign = func(c claims) string { return f.op.Sign(claims{"kid": nil, "typ": nil}, c) }
				})
			}
			id, tokens := f.mustExchange()
			if tt.check != nil {
				tt.check(t, f, id, tokens)
			}
			f.quiet(nil)
			if tokens.RefreshToken.Reveal() == "" {
				return
			}
			again, next, err := f.login.Refresh(t.Context(), id, tokens)
			if err != nil {
				t.Fatalf("refresh: %v", err)
			}
			if again.Principal != id.Principal || again.Email != id.Email || !slices.Equal(again.Groups, id.Groups) || !again.AuthTime.Equal(id.AuthTime) {
				t.Errorf("refreshed %+v, was %+v", again, id)
			}
			if next.AccessToken.Reveal() == tokens.AccessToken.Reveal() || next.RefreshToken.Reveal() == "" || next.IDToken.Reveal() == "" || next.SID != tokens.SID {
				t.Error("refreshed tokens are not complete")
			}
			if tt.check != nil {
				tt.check(t, f, again, next)
			}
		})
	}
}

func answer(name string, v any) func(*oidctest.Behavior) {
	return func(b *oidctest.Behavior) { b.TokenResponse = set(name, v) }
}

func expiresIn(want time.Duration) func(*testing.T, *fixture, gateward.Identity, gateward.Tokens) {
	return func(t *testing.T, f *fixture, _ gateward.Identity, tokens gateward.Tokens) {
		t.Helper()
		if got := tokens.Expiry.Sub(f.clock.Now()); got > want || got < want-time.Minute {
			t.Errorf("expires in %s, want %s", got, want)
		}
	}
}

func groups(want ...string) func(*testing.T, *fixture, gateward.Identity, gateward.Tokens) {
	return func(t *testing.T, _ *fixture, id gateward.Identity, _ gateward.Tokens) {
		t.Helper()
		if !slices.Equal(id.Groups, want) {
			t.Errorf("groups %q, want %q", id.Groups, want)
		}
	}
}
