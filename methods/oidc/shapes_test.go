package oidc_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const (
	tenant    = "8f1d2c3b-0000-4a5b-8c6d-7e8f90a1b2c3"
	namespace = "https://app.example.com/"
)

// setupAs is setup for a provider that calls itself something else than where it
// runs: over TLS, and with a discovery_url.
func setupAs(t *testing.T, change func(*fixture, *oidc.Config, *oidc.ProviderConfig), options ...oidctest.Option) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{}, log: &syncBuffer{}, counts: map[string]int{}}
	f.op = oidctest.Start(t, append([]oidctest.Option{oidctest.WithTLS(), oidctest.WithClock(f.clock.Now)}, options...)...)
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, f.op.Authorities(), 0o600); err != nil {
		t.Fatal(err)
	}
	f.method = f.build(func(c *oidc.Config, p *oidc.ProviderConfig) {
		p.CAPath, p.DiscoveryURL = path, f.op.Address(oidctest.Discovery)
		p.UseEndSessionEndpoint = true
		change(f, c, p)
	}, nil)
	f.login = f.method.Providers()[0]
	return f
}

// A shape is a provider, and a configuration as its page below docs/providers has.
type shape struct {
	issuer string
	option oidctest.Option
	user   oidctest.User
	config func(*fixture, *oidc.Config, *oidc.ProviderConfig)
	// asked are parameters of the authorization request.
	asked map[string]string
	// identity is what comes of it: subject, address, verified or not, groups.
	identity string
	// gone is the person as the provider has it later, and rule what keeps it out.
	gone oidctest.User
	rule string
	// rotates: a refresh token is good once. endSession: path of the address.
	rotates    bool
	endSession string
	sid        bool
}

func shapes() map[string]shape {
	offline := []string{"email", "profile", "offline_access"}
	ada, grace := oidctest.Ada(), oidctest.Grace()
	left := func(u oidctest.User, groups ...string) oidctest.User {
		u.Groups = groups
		return u
	}
	ofGoogle := ada
	ofGoogle.Claims = map[string]any{"hd": "example.com", "given_name": "Ada"}
	ofEntra := left(ada, "6f1e0d2c-aaaa-4bbb-8ccc-123456789abc")
	ofEntra.EmailVerified = nil
	return map[string]shape{
		"GitLab": {
			issuer: "https://gitlab.com", option: oidctest.GitLab(), user: grace,
			config: func(_ *fixture, c *oidc.Config, p *oidc.ProviderConfig) {
				c.EmailMatches, p.AllowedGroups = []string{`^.*@example\.com$`}, []string{"compilers"}
			},
			identity: "1207 grace@example.com verified compilers compilers/cobol",
			gone:     left(grace, "fortran"), rule: "allowed_groups", rotates: true,
		},
		"Google": {
			issuer: "https://accounts.google.com", option: oidctest.Google(), user: ofGoogle,
			config: func(_ *fixture, _ *oidc.Config, p *oidc.ProviderConfig) {
				p.AllowedDomains = []string{"example.com"}
				p.AuthorizeParameters = map[string]string{"access_type": "offline"}
				p.Prompt = "consent"
			},
			asked:    map[string]string{"hd": "example.com", "access_type": "offline", "prompt": "consent"},
			identity: "ada-1 ada@example.com verified",
			gone:     ada, rule: "allowed_domains",
		},
		"Entra ID": {
			issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", option: oidctest.Entra(tenant), user: ofEntra,
			config: func(_ *fixture, _ *oidc.Config, p *oidc.ProviderConfig) {
				p.Scopes, p.AllowedGroups = offline, ofEntra.Groups
			},
			identity: "ada-1 ada@example.com unverified " + ofEntra.Groups[0],
			gone:     left(ofEntra, "another"), rule: "allowed_groups", rotates: true, sid: true,
			endSession: "/" + tenant + "/oauth2/v2.0/logout",
		},
		"Okta": {
			issuer: "https://example.okta.com", option: oidctest.Okta(), user: ada,
			config: func(_ *fixture, c *oidc.Config, p *oidc.ProviderConfig) {
				c.EmailMatches, p.AllowedGroups = []string{`^.*@example\.com$`}, []string{"staff"}
				p.Scopes, p.FetchExtraUserInfo = append(offline, "groups"), true
			},
			identity: "ada-1 ada@example.com verified engineering staff",
			gone:     left(ada, "engineering"), rule: "allowed_groups",
			endSession: "/oauth2/v1/logout",
		},
		"Auth0": {
			issuer: "https://example.eu.auth0.com/", option: oidctest.Auth0(namespace), user: ada,
			config: func(_ *fixture, c *oidc.Config, p *oidc.ProviderConfig) {
				c.EmailMatches, p.GroupsClaim, p.AllowedGroups = []string{`^.*@example\.com$`}, namespace+"groups", []string{"staff"}
				p.Scopes = offline
			},
			identity: "ada-1 ada@example.com verified engineering staff",
			gone:     left(ada, "engineering"), rule: "allowed_groups", sid: true,
			endSession: "/oidc/logout",
		},
		"Keycloak": {
			issuer: "https://id.example.com/realms/staff", option: oidctest.Keycloak("staff"), user: ada,
			config: func(_ *fixture, c *oidc.Config, p *oidc.ProviderConfig) {
				c.EmailMatches, p.AllowedGroups = []string{`^.*@example\.com$`}, []string{"/staff"}
			},
			identity: "ada-1 ada@example.com verified /engineering /staff",
			gone:     left(ada, "engineering"), rule: "allowed_groups", rotates: true, sid: true,
			endSession: "/realms/staff/protocol/openid-connect/logout",
		},
	}
}

// described writes an identity as a shape has it.
func described(id *gateward.Identity) string {
	verified := map[bool]string{true: "verified", false: "unverified"}[id.EmailVerified]
	return strings.Join(append([]string{id.Subject, id.Email, verified}, id.Groups...), " ")
}

// TestProviderShapes is a whole login at each provider that has a page below
// docs/providers, in its own words: from the authorization request to the logout.
func TestProviderShapes(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupAs(t, s.config, s.option, oidctest.WithIssuer(s.issuer))
			f.op.SetUser(s.user)
			a := newAttempt()
			address, err := f.login.AuthCodeURL(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			for param, want := range s.asked {
				if got := queryOf(t, address)[param]; len(got) != 1 || got[0] != want {
					t.Errorf("asked for %s=%q, want %q", param, got, want)
				}
			}
			id, tokens, err := f.login.Exchange(t.Context(), f.callback(f.op.Authorize(address), a), a)
			if err != nil {
				t.Fatalf("login: %v; %s", err, f.log)
			}
			s.check(t, f, &id)
			if (tokens.SID != "") != s.sid || tokens.RefreshToken.Reveal() == "" {
				t.Errorf("session id %q, a refresh token: %v", tokens.SID, tokens.RefreshToken.Reveal() != "")
			}
			next := s.refresh(t, f, id, tokens)
			s.leave(t, f, next)
		})
	}
}

func (s *shape) check(t *testing.T, f *fixture, id *gateward.Identity) {
	t.Helper()
	if got := described(id); got != s.identity || id.Issuer != s.issuer || id.Name != s.user.Name {
		t.Errorf("identity %q named %q of %s, want %q of %s", got, id.Name, id.Issuer, s.identity, s.issuer)
	}
	if err := f.login.Admit(id); err != nil {
		t.Errorf("admit: %v", err)
	}
	f.quiet(nil)
}

// refresh renews the tokens twice: the person is who it was, and then no longer
// one of those who may enter.
func (s *shape) refresh(t *testing.T, f *fixture, id gateward.Identity, tokens gateward.Tokens) gateward.Tokens {
	t.Helper()
	f.clock.Add(30 * time.Minute)
	fresh, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil {
		t.Fatalf("refresh: %v; %s", err, f.log)
	}
	s.check(t, f, &fresh)
	kept := next.RefreshToken
	if kept.Reveal() == "" {
		kept = tokens.RefreshToken // as loginsvc does
	}
	if rotated := kept.Reveal() != tokens.RefreshToken.Reveal(); rotated != s.rotates {
		t.Errorf("another refresh token: %v", rotated)
	}
	next.RefreshToken = kept
	f.op.SetUser(s.gone)
	gone, last, err := f.login.Refresh(t.Context(), fresh, next)
	if rule(err) != s.rule || !errors.Is(err, gateward.ErrNotAdmitted) || gone.Subject != id.Subject {
		t.Errorf("who has left: %v, %v", described(&gone), err)
	}
	if last.IDToken.Reveal() == "" {
		last.IDToken = next.IDToken
	}
	return last
}

// leave ends the session at the provider, where there is a way to.
func (s *shape) leave(t *testing.T, f *fixture, tokens gateward.Tokens) {
	t.Helper()
	end, err := f.login.EndSessionURL(t.Context(), tokens)
	if err != nil || (end == "") != (s.endSession == "") {
		t.Fatalf("end session: %q, %v", end, err)
	}
	if end == "" {
		return
	}
	u, err := url.Parse(end)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != s.endSession || q.Get("id_token_hint") != tokens.IDToken.Reveal() || q.Get("client_id") != f.op.ClientID ||
		q.Get("post_logout_redirect_uri") != "https://app.example.com" {
		t.Errorf("end session: %s", u.Path)
	}
}

func queryOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// Without asking for it there is no refresh token where the provider wants to be
// asked: the session then ends with its lifetime, and not before.
func TestProviderShapesWithoutOfflineAccess(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]oidctest.Option{
		"Google": oidctest.Google(), "Entra ID": oidctest.Entra(tenant), "Okta": oidctest.Okta(), "Auth0": oidctest.Auth0(namespace),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil, option)
			if _, tokens := f.mustExchange(); tokens.RefreshToken.Reveal() != "" {
				t.Error("a refresh token that nobody has asked for")
			}
		})
	}
}

// Auth0 answers 403, and it is the same as 400 elsewhere.
func TestRefusalsOfAuth0(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Scopes = append(p.Scopes, "offline_access") }, oidctest.Auth0(namespace))
	id, tokens := f.mustExchange()
	f.op.Revoke()
	got, none, err := f.login.Refresh(t.Context(), id, tokens)
	f.refused(got, none, err, gateward.ErrInvalidCredential)
	a := newAttempt()
	c := f.authorize(a)
	c.Code = gateward.NewSecret("another")
	got, none, err = f.login.Exchange(t.Context(), c, a)
	f.refused(got, none, err, gateward.ErrInvalidCredential)
}

// Keycloak's logout token has a claim typ, and an event of its own beside the one
// that counts.
func TestSEC_D23_LogoutTokenOfKeycloak(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, oidctest.Keycloak("staff"))
	id, tokens := f.mustExchange()
	got, err := f.login.VerifyLogoutToken(t.Context(), gateward.NewSecret(f.op.KeycloakLogoutToken()))
	if err != nil || got.Principal != id.Principal || got.SID != tokens.SID || got.JTI == "" {
		t.Errorf("%+v, %v", got, err)
	}
	// Its ID token is none.
	if _, err := f.login.VerifyLogoutToken(t.Context(), tokens.IDToken); !errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("an ID token ends sessions: %v", err)
	}
}

// What the ID token of one shape has is not needed at another.
func TestShapesAreWhatTheyAreNamedAfter(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"GitLab":   {"auth_time", "groups_direct", "sub_legacy"},
		"Google":   {"azp", "at_hash", "hd"},
		"Entra ID": {"oid", "tid", "ver", "groups"},
		"Okta":     {"amr", "idp", "jti", "ver"},
		"Auth0":    {"nickname", namespace + "groups"},
		"Keycloak": {"acr", "azp", "typ", "groups"},
	}
	for name, s := range shapes() {
		var last claims
		f := setupAs(t, s.config, s.option, oidctest.WithIssuer(s.issuer))
		f.op.SetUser(s.user)
		f.op.Configure(func(b *oidctest.Behavior) {
			shaped := b.IDToken
			b.IDToken = func(c claims) { shaped(c); last = c }
		})
		f.mustExchange()
		for _, c := range want[name] {
			if _, ok := last[c]; !ok {
				t.Errorf("%s: no %s in the ID token", name, c)
			}
		}
		if _, ok := last["email_verified"]; ok == slices.Contains([]string{"Entra ID", "Okta"}, name) {
			t.Errorf("%s: email_verified is there: %v", name, ok)
		}
	}
}
