package loginsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// newRealWorld is a world whose only provider is a real one, called corp.
func newRealWorld(t *testing.T, change func(*oidc.ProviderConfig, *oidc.Config)) (*world, *oidctest.Provider) {
	t.Helper()
	var op *oidctest.Provider
	w := newWorld(t, func(w *world) {
		op = oidctest.Start(t, oidctest.WithClock(w.now))
		c := oidc.Config{}
		p := oidc.ProviderConfig{
			IssuerURL: op.Issuer, ClientID: op.ClientID, ClientSecret: gateward.NewSecret(op.ClientSecret),
			RedirectAddress: publicURL, Scopes: []string{"email", "profile"}, DisplayName: "Example Corp",
		}
		if change != nil {
			change(&p, &c)
		}
		c.Providers = map[string]oidc.ProviderConfig{"corp": p}
		m, err := oidc.New(t.Context(), c, oidc.Options{Logger: w.options.Logger, Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		w.options.Logins = nil
		for _, p := range m.Providers() {
			w.options.Logins = append(w.options.Logins, p)
		}
	})
	return w, op
}

// The whole way with the method that is shipped: straight on from the login
// page, the provider, back to the deep link; then a logout that the provider
// asks for, and one at the provider.
func TestWithOIDC(t *testing.T) {
	t.Parallel()
	w, op := newRealWorld(t, func(p *oidc.ProviderConfig, _ *oidc.Config) { p.UseEndSessionEndpoint = true })
	v := w.visitor()
	logIn := func() *answer {
		a := v.open("/auth/login?rd=/deep")
		if a.StatusCode != http.StatusFound || a.location() != "/auth/v1/method/oidc/corp/authorize?rd=%2Fdeep" {
			t.Fatalf("login page: got %d to %q", a.StatusCode, a.location())
		}
		a = v.open(a.location())
		if a.StatusCode != http.StatusFound {
			t.Fatalf("authorize: got %d %s", a.StatusCode, a.body)
		}
		a = v.open(op.Authorize(a.location()))
		if a.StatusCode != http.StatusSeeOther || a.location() != "/deep" {
			t.Fatalf("callback: got %d to %q %s, log %s", a.StatusCode, a.location(), a.body, w.logs)
		}
		return a
	}
	logIn()
	session := w.sessions()[0]
	if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"io.flipt.auth.oidc.provider":"corp"`) {
		t.Errorf("self: got %d %s", a.StatusCode, a.body)
	}
	raw := op.LogoutToken(func(c map[string]any) {
		c["sub"] = session.Identity.Subject
		if session.Tokens.SID != "" {
			c["sid"] = session.Tokens.SID
		}
	})
	body := url.Values{"logout_token": {raw}}.Encode()
	if a := post(w.visitor(), "/auth/v1/method/oidc/corp/revoke", form, body); a.StatusCode != http.StatusOK || len(w.sessions()) != 0 {
		t.Errorf("back-channel logout: got %d %s, %d sessions; log %s", a.StatusCode, a.body, len(w.sessions()), w.logs)
	}
	if a := post(w.visitor(), "/auth/v1/method/oidc/corp/revoke", form, body); a.StatusCode != http.StatusBadRequest {
		t.Errorf("replayed: got %d %s", a.StatusCode, a.body)
	}
	logIn()
	a := v.submit("/auth/logout")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.location(), op.Issuer) || !strings.Contains(a.location(), "id_token_hint=") {
		t.Errorf("logout: got %d to %q", a.StatusCode, a.location())
	}
	if a := v.open("/auth/login?rd=/"); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: got %d to %q", a.StatusCode, a.location())
	}
}

func TestWithOIDC_SEC_D11_NotAdmitted(t *testing.T) {
	t.Parallel()
	w, op := newRealWorld(t, func(_ *oidc.ProviderConfig, c *oidc.Config) { c.EmailMatches = []string{`^.*@elsewhere\.example$`} })
	v := w.visitor()
	a := v.open(op.Authorize(v.open("/auth/v1/method/oidc/corp/authorize?rd=/deep").location()))
	if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "email_matches") || !strings.Contains(a.body, oidctest.Ada().Email) {
		t.Errorf("got %d %s, log %s", a.StatusCode, a.body, w.logs)
	}
	if len(w.sessions()) != 0 || v.token() != "" {
		t.Error("a session is left")
	}
}

func TestWithOIDC_ProviderDown(t *testing.T) {
	t.Parallel()
	w, op := newRealWorld(t, nil)
	v := w.visitor()
	address := v.open("/auth/v1/method/oidc/corp/authorize?rd=/deep").location()
	callback := op.Authorize(address)
	op.Down(true)
	if a := v.open(callback); a.StatusCode != http.StatusServiceUnavailable || len(v.states()) != 1 {
		t.Errorf("got %d, attempts %v", a.StatusCode, v.states())
	}
	op.Down(false)
	if a := v.open(op.Authorize(v.open("/auth/v1/method/oidc/corp/authorize?rd=/deep").location())); a.StatusCode != http.StatusSeeOther {
		t.Errorf("again: got %d, log %s", a.StatusCode, w.logs)
	}
}

var _ methods.Login = (*oidc.Provider)(nil)
