package oidc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_D10_TokenEndpoint(t *testing.T) {
	t.Parallel()
	stranger := oidctest.Start(t)
	tests := map[string]struct {
		fault http.HandlerFunc
		want  error
	}{
		"307 to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stranger.Issuer+"/token", http.StatusTemporaryRedirect)
		}, gateward.ErrUnavailable},
		"307 to itself": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, gateward.ErrUnavailable},
		"302":                     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }, gateward.ErrUnavailable},
		"HTML":                    {oidctest.Status(http.StatusOK), gateward.ErrUnavailable},
		"404":                     {oidctest.Status(http.StatusNotFound), gateward.ErrUnavailable},
		"500":                     {oidctest.Status(http.StatusInternalServerError), gateward.ErrUnavailable},
		"429":                     {oidctest.OAuthError(http.StatusTooManyRequests, "invalid_grant"), gateward.ErrUnavailable},
		"503 with a code":         {oidctest.OAuthError(http.StatusServiceUnavailable, "invalid_grant"), gateward.ErrUnavailable},
		"temporarily_unavailable": {oidctest.OAuthError(http.StatusBadRequest, "temporarily_unavailable"), gateward.ErrUnavailable},
		"invalid_client":          {oidctest.OAuthError(http.StatusUnauthorized, "invalid_client"), gateward.ErrUnavailable},
		"invalid_grant":           {oidctest.OAuthError(http.StatusBadRequest, "invalid_grant"), gateward.ErrInvalidCredential},
		"unauthorized_client":     {oidctest.OAuthError(http.StatusBadRequest, "unauthorized_client"), gateward.ErrInvalidCredential},
		"error with status 200":   {oidctest.OAuthError(http.StatusOK, "invalid_grant"), gateward.ErrInvalidCredential},
		"error of another kind":   {oidctest.OAuthError(http.StatusBadRequest, "a b\ncanary"), gateward.ErrUnavailable},
		"form encoded":            {raw("application/x-www-form-urlencoded", "access_token=canary&id_token=x"), gateward.ErrUnavailable},
		"text":                    {raw("text/plain", `{"access_token":"canary"}`), gateward.ErrUnavailable},
		"no type":                 {raw("", `{"access_token":"canary"}`), gateward.ErrUnavailable},
		"broken JSON":             {raw("application/json", `{"access_token":"canary"`), gateward.ErrUnavailable},
		"an array":                {raw("application/json", `["canary"]`), gateward.ErrUnavailable},
		"no token":                {raw("application/json", `{}`), gateward.ErrUnavailable},
		"no ID token":             {raw("application/json", `{"access_token":"canary","token_type":"bearer"}`), gateward.ErrInvalidCredential},
		"DPoP":                    {raw("application/json", `{"access_token":"canary","token_type":"DPoP"}`), gateward.ErrUnavailable},
		"huge":                    {raw("application/json", `{"access_token":"canary","x":"`+strings.Repeat("x", 2<<20)+`"}`), gateward.ErrUnavailable},
		"huge, short":             {raw("application/json", `{"access_token":"canary"}`+strings.Repeat(" ", 2<<20)), gateward.ErrUnavailable},
		"aborts":                  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, gateward.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Fault(oidctest.Token, tt.fault)
			id, tokens, err := f.exchange()
			f.refused(id, tokens, err, tt.want)
			if n := f.op.Requests(oidctest.Token); n != 1 {
				t.Errorf("%d requests to the token endpoint: the code is to be sent once", n)
			}
		})
	}
	t.Cleanup(func() {
		if n := stranger.Requests(oidctest.Token); n != 0 {
			t.Errorf("the secret went to a stranger %d times", n)
		}
	})
}

func TestSEC_D10_ClientAuthentication(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		methods  []string
		silent   bool
		requests int // for two logins
	}{
		"both":              {[]string{"client_secret_basic", "client_secret_post"}, false, 2},
		"basic":             {[]string{"client_secret_basic"}, false, 2},
		"post":              {[]string{"client_secret_post"}, false, 2},
		"basic, unsaid":     {[]string{"client_secret_basic"}, true, 2},
		"post, unsaid":      {[]string{"client_secret_post"}, true, 3},
		"post and more":     {[]string{"private_key_jwt", "client_secret_post"}, false, 2},
		"neither is wanted": {[]string{"private_key_jwt"}, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Configure(func(b *oidctest.Behavior) { b.AuthMethods, b.SilentAuthMethods = tt.methods, tt.silent })
			if tt.requests == 0 {
				_, _, err := f.exchange()
				wantKind(t, err, gateward.ErrUnavailable)
				return
			}
			f.mustExchange()
			f.mustExchange()
			if n := f.op.Requests(oidctest.Token); n != tt.requests {
				t.Errorf("%d token requests, want %d", n, tt.requests)
			}
			f.quiet(nil)
		})
	}
}
