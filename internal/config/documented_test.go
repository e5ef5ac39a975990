package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/config"
)

const (
	envSession = "GATEWARD_AUTHENTICATION_SESSION_"
	envOIDC    = "GATEWARD_AUTHENTICATION_METHODS_OIDC_"
	envGitHub  = "GATEWARD_AUTHENTICATION_METHODS_GITHUB_"
)

// documentedExamples are those of Flipt's documentation that we have the keys
// for, with what each leaves out.
func documentedExamples(key string) []documentedExample {
	withToken := []string{envToken + "ENABLED=true", envCredential}
	const noMethod = "1:1: authentication.methods: no method is enabled"
	const noDomain = "1:1: authentication.session.domain: authentication: session_domain non-empty value is required"
	withDomain := []string{envSession + "DOMAIN=your.flipt.instance.url.com"}
	withGitHub := append(
		[]string{envGitHub + "CLIENT_ID=id", envGitHub + "CLIENT_SECRET=secret", envGitHub + "REDIRECT_ADDRESS=https://your.flipt.instance.url.com"},
		withDomain...,
	)
	return []documentedExample{
		{"required.yaml", withToken, noMethod, func(c *config.Config) bool { return c.Authentication.Required }},
		{"exclude.yaml", withToken, noMethod, func(c *config.Config) bool {
			return c.Authentication.Exclude.Evaluation && !c.Authentication.Exclude.OFREP
		}},
		{"token.yaml", nil, "", func(c *config.Config) bool {
			token := c.Authentication.Methods.Token.Storage.Tokens["some_token_id"]
			return token.Credential.Reveal() == "some_token_credential" && token.Metadata["some_key"] == "some_value"
		}},
		{"jwks.yaml", nil, "", func(c *config.Config) bool {
			return c.Authentication.Methods.JWT.JWKSURL == "https://auth0.com/.well-known/jwks.json"
		}},
		{
			"pem.yaml",
			[]string{envJWT + "PUBLIC_KEY_FILE=" + key},
			"6:24: authentication.methods.jwt.public_key_file: authentication: public_key_file stat /path/to/public_key.pem: no such file or directory",
			func(c *config.Config) bool { return c.Authentication.Methods.JWT.PublicKeyFile == key },
		},
		{
			"claims.yaml",
			[]string{envJWT + "JWKS_URL=https://auth0.com/.well-known/jwks.json"},
			"4:5: authentication.methods.jwt: authentication: one of jwks_url or public_key_file is required",
			func(c *config.Config) bool {
				v := c.Authentication.Methods.JWT.ValidateClaims
				return v.Issuer == "https://auth0.com/" && v.Subject == "user@domain.com" &&
					slices.Equal(v.Audiences, []string{"https://flipt.io/", "https://flipt.com/"})
			},
		},
		{"google.yaml", withDomain, noDomain, func(c *config.Config) bool {
			p := c.Authentication.Methods.OIDC.Providers["google"]
			return p.IssuerURL == "https://accounts.google.com" && p.ClientID == "some_client_identifier" &&
				p.ClientSecret.Reveal() == "some_client_secret_credential" && p.RedirectAddress == "https://your.flipt.instance.url.com" &&
				slices.Equal(p.Scopes, []string{"email", "profile"}) && p.UsePKCE && p.RequireVerifiedEmail &&
				slices.Equal(p.Algorithms, []string{"RS256"}) && c.PublicURL() == "https://your.flipt.instance.url.com"
		}},
		{"oidc.yaml", withDomain, noDomain, func(c *config.Config) bool {
			m := c.Authentication.Methods.OIDC
			return slices.Equal(m.EmailMatches, []string{"^.*@flipt.io$"}) && m.CacheTTL == 15*time.Minute &&
				m.Providers["some_provider"].IssuerURL == "https://some.oidc.issuer.com"
		}},
		{"github.yaml", withDomain, noDomain, func(c *config.Config) bool {
			m := &c.Authentication.Methods.GitHub
			return m.ClientID == "some_client_identifier" && m.ClientSecret.Reveal() == "some_client_secret_credential" && m.UsePKCE == nil && m.ServerURL == "" &&
				m.RedirectAddress == c.PublicURL() && slices.Equal(m.Scopes, []string{"user:email"}) && m.RecheckInterval == 15*time.Minute
		}},
		{"github-orgs.yaml", withGitHub, noDomain, func(c *config.Config) bool {
			m := &c.Authentication.Methods.GitHub
			return m.ClientID == "id" && m.ClientSecret.Reveal() == "secret" && c.PublicURL() == "https://your.flipt.instance.url.com" &&
				slices.Equal(m.Scopes, []string{"read:org"}) && slices.Equal(m.AllowedOrganizations, []string{"my-org", "my-other-org"}) && len(m.AllowedTeams) == 0
		}},
		{"github-teams.yaml", withGitHub, noDomain, func(c *config.Config) bool {
			want := map[string][]string{"my-org": {"my-team"}, "my-other-org": {"my-other-team"}}
			return reflect.DeepEqual(c.Authentication.Methods.GitHub.AllowedTeams, want)
		}},
		{"memory.yaml", withToken, noMethod, func(c *config.Config) bool {
			return c.Authentication.Session.Storage.Type == "memory"
		}},
		{"redis.yaml", withToken, noMethod, func(c *config.Config) bool {
			r := c.Authentication.Session.Storage.Redis
			return c.Authentication.Session.Storage.Type == "redis" && slices.Equal(r.Endpoints(), []string{"localhost:6379"}) &&
				r.DB == 0 && r.Password.Reveal() == "password" && r.Mode == "single" && r.Prefix == "gateward"
		}},
		{"cleanup.yaml", withToken, noMethod, func(c *config.Config) bool {
			s := c.Authentication.Session
			return s.Cleanup.GracePeriod == 24*time.Hour && s.Storage.Cleanup == s.Cleanup
		}},
	}
}

type documentedExample struct {
	file  string
	env   []string
	alone string // what it is refused with without env; "" if it loads
	check func(*config.Config) bool
}

// TestDocumented loads the examples of Flipt's documentation as written, with
// what they leave out in the environment, under our names and under Flipt's.
func TestDocumented(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "public_key.pem")
	if err := os.WriteFile(key, []byte("PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range documentedExamples(key) {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "documented", tt.file)
			_, err := config.Load(config.Options{Path: path})
			if want := path + ":" + tt.alone; (err == nil) != (tt.alone == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("alone: got %v, want %s", err, want)
			}
			flipt := make([]string, len(tt.env))
			for i, pair := range tt.env {
				flipt[i] = "FLIPT_" + strings.TrimPrefix(pair, "GATEWARD_")
			}
			for _, env := range [][]string{tt.env, flipt} {
				f, err := config.Load(config.Options{Path: path, Env: env})
				if err != nil {
					t.Fatalf("with %v: %v", env, err)
				}
				if !tt.check(&f.Config) {
					t.Errorf("with %v: got %+v", env, f.Config.Authentication)
				}
			}
		})
	}
}

// TestDocumentedSession loads the documented session block without csrf, which
// is not there yet.
func TestDocumentedSession(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/documented/session.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(data), "    csrf:")
	if !found {
		t.Fatal("csrf is not the last block any longer")
	}
	const provider = envOIDC + "PROVIDERS_SOME_PROVIDER_"
	f := mustLoad(
		t, text, envOIDC+"ENABLED=true", provider+"ISSUER_URL=https://some.oidc.issuer.com", provider+"CLIENT_ID=id",
		provider+"CLIENT_SECRET=secret", provider+"REDIRECT_ADDRESS=https://flipt.yourorg.com",
	)
	s := f.Config.Authentication.Session
	if s.Domain != "flipt.yourorg.com" || s.Secure == nil || !*s.Secure || len(s.AcceptCookies) != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestDocumentedLater refuses the documented blocks that do not exist yet, by
// the line of their first unknown key.
func TestDocumentedLater(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"eks.yaml":        "4:5: authentication.methods.kubernetes",
		"kubernetes.yaml": "4:5: authentication.methods.kubernetes",
		"session.yaml":    "6:5: authentication.session.csrf",
	} {
		_, err := config.Load(config.Options{Path: "testdata/documented/" + file})
		if want = file + ":" + want + ": unknown key; "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", file, err, want)
		}
	}
}

// TestDocumentedAreTheFixtures: what is documented is loaded as it was written.
func TestDocumentedAreTheFixtures(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/documented/*.yaml")
	if err != nil || len(names) != 17 {
		t.Fatalf("got %d files, %v", len(names), err)
	}
	var covered []string
	for _, e := range documentedExamples("") {
		covered = append(covered, e.file)
	}
	covered = append(covered, "eks.yaml", "kubernetes.yaml", "session.yaml")
	for _, name := range names {
		if !slices.Contains(covered, filepath.Base(name)) {
			t.Error(fmt.Sprint(name, " is not tested"))
		}
	}
}
