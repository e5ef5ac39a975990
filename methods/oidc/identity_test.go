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
	for name, sub := range map[string]any{"other": "eve", "missing": nil, "number": 1, "empty": ""} {
		for _, always := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = always })
				f.op.Configure(func(b *oidctest.Behavior) {
					b.UserinfoOnly = []string{"email"}
					b.UserinfoClaims = set("sub", sub)
				})
				id, tokens, err := f.exchange()
				f.refused(id, tokens, err, gateward.ErrInvalidCredential)
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
