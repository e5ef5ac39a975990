package oidc_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_D16_UserinfoSubject(t *testing.T) {
	t.Parallel()
	for name, sub := range map[string]any{"other": "eve", "empty": "", "missing": nil, "number": 1} {
		want := gateward.ErrInvalidCredential
		if _, said := sub.(string); !said {
			want = gateward.ErrUnavailable // no answer to go by, and not another person
		}
		for _, always := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = always })
				f.op.Configure(func(b *oidctest.Behavior) {
					b.UserinfoOnly = []string{"email"}
					b.UserinfoClaims = set("sub", sub)
				})
				id, tokens, err := f.exchange()
				f.refused(id, tokens, err, want)
			})
		}
	}
}

// TestSEC_D18_UserinfoAboutNobody: a hiccup of the provider that comes with status
// 200 does not end a session, and the new tokens are kept.
func TestSEC_D18_UserinfoAboutNobody(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]http.HandlerFunc{
		"empty object":    raw("application/json", `{}`),
		"error":           raw("application/json", `{"error":"temporarily_unavailable"}`),
		"sub is null":     raw("application/json", `{"sub":null}`),
		"sub is a number": raw("application/json", `{"sub":1,"groups":["root"]}`),
		"sub is a list":   raw("application/json", `{"sub":["ada-1"]}`),
		"no body":         raw("application/json", ``),
		"html":            raw("text/html", `<html>`),
		"204":             oidctest.Status(http.StatusNoContent),
	} {
		for _, withToken := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, new ID token %v", name, withToken), func(t *testing.T) {
				t.Parallel()
				f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"staff"} })
				f.op.Configure(func(b *oidctest.Behavior) {
					b.NoRefreshedIDToken, b.UserinfoOnly = !withToken, []string{"groups"}
				})
				id, tokens := f.mustExchange()
				failed := f.count("userinfo failed")
				f.op.Fault(oidctest.Userinfo, fault)
				got, next, err := f.login.Refresh(t.Context(), id, tokens)
				wantKind(t, err, gateward.ErrUnavailable)
				f.quiet(err)
				if r := next.RefreshToken.Reveal(); got.Subject != "" || r == "" || r == tokens.RefreshToken.Reveal() {
					t.Fatalf("%+v, or the new tokens are lost", got)
				}
				if f.count("userinfo failed") != failed+1 {
					t.Error("not counted as the provider's failure")
				}
				f.op.Fault(oidctest.Userinfo, nil)
				if got, _, err = f.login.Refresh(t.Context(), id, next); err != nil || len(got.Groups) != 2 {
					t.Errorf("later: %+v, %v", got, err)
				}
			})
		}
	}
}

// Userinfo fills in, and does not replace what a signature stands for.
func TestSEC_D16_UserinfoReplacesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true })
	f.op.Configure(func(b *oidctest.Behavior) {
		b.UserinfoClaims = func(c claims) {
			maps.Copy(c, claims{"iss": "x", "aud": "x", "auth_time": 1, "sid": "x", "acr": "x", "name": "Eve", "groups": []string{"root"}, "locale": "en"})
		}
	})
	id, tokens := f.mustExchange()
	if id.Claims["iss"] != f.op.Issuer || id.Claims["aud"] != f.op.ClientID || id.Claims["auth_time"] != nil || id.Claims["acr"] != nil || tokens.SID == "x" {
		t.Errorf("userinfo replaces claims of the ID token: %v", id.Claims)
	}
	if id.Name != "Ada Lovelace" || strings.Join(id.Groups, " ") != "engineering staff" || id.Claims["locale"] != "en" || id.Claims["name"] != "Eve" {
		t.Errorf("%q %q %v", id.Name, id.Groups, id.Claims)
	}
}

func TestClaimsMapping(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.ClaimsMapping = map[string]string{"name": "/user/full~1name", "picture": "avatar.url", "sub": "/user/id", "email": "/user/mails/0"}
	})
	f.op.Configure(func(b *oidctest.Behavior) {
		b.IDToken = func(c claims) {
			c["user"] = claims{"full/name": "Countess", "id": "u-7", "mails": []string{"c@example.com"}}
			c["avatar.url"] = "https://example.com/c.png"
		}
	})
	id, _ := f.mustExchange()
	m := id.Metadata
	if id.Name != "Countess" || id.Email != "c@example.com" || id.EmailVerified || m["io.flipt.auth.oidc.picture"] != "https://example.com/c.png" ||
		m["io.flipt.auth.oidc.sub"] != "u-7" || m["io.flipt.auth.oidc.email_verified"] != "" {
		t.Errorf("%+v", id)
	}
	if id.Subject != "ada-1" {
		t.Errorf("the principal's subject is %q: a mapping must not change who somebody is", id.Subject)
	}
}

func TestUserinfoFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault    http.HandlerFunc
		always   error // with fetch_extra_user_info
		fallback error // without
	}{
		"500":        {oidctest.Status(http.StatusInternalServerError), gateward.ErrUnavailable, gateward.ErrUnavailable},
		"403":        {oidctest.Status(http.StatusForbidden), gateward.ErrUnavailable, nil},
		"429":        {oidctest.Status(http.StatusTooManyRequests), gateward.ErrUnavailable, gateward.ErrUnavailable},
		"signed":     {raw("application/jwt", "eyJ.canary"), gateward.ErrUnavailable, gateward.ErrUnavailable},
		"twice":      {raw("application/json", `{"sub":"eve","sub":"ada-1"}`), gateward.ErrUnavailable, gateward.ErrUnavailable},
		"huge":       {raw("application/json", `{"sub":"ada-1"}`+strings.Repeat(" ", 2<<20)), gateward.ErrUnavailable, gateward.ErrUnavailable},
		"redirected": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }, gateward.ErrUnavailable, gateward.ErrUnavailable},
	}
	for name, tt := range tests {
		for _, always := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, always %v", name, always), func(t *testing.T) {
				t.Parallel()
				f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = always })
				f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoOnly = []string{"email"} })
				f.op.Fault(oidctest.Userinfo, tt.fault)
				want := tt.fallback
				if always {
					want = tt.always
				}
				id, tokens, err := f.exchange()
				if want == nil {
					if err != nil || id.Email != "" {
						t.Errorf("%+v, %v", id, err)
					}
					return
				}
				f.refused(id, tokens, err, want)
			})
		}
	}
}
