package config_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gateward/gateward/internal/config"
)

// A login is a configuration with one provider, "corp", to which each test adds
// what it is about.
type login struct {
	session, provider, method, rest string
	issuer, redirect                string
}

func (l login) String() string {
	if l.issuer == "" {
		l.issuer = "https://login.example.com"
	}
	if l.redirect == "" {
		l.redirect = "https://app.example.com"
	}
	return fmt.Sprintf("authentication: {session: {%s}, methods: {oidc: {enabled: true, %s providers: {corp: {issuer_url: %q, client_id: id, client_secret: secret, redirect_address: %q, %s}}}}}\n%s",
		l.session, l.method, l.issuer, l.redirect, l.provider, l.rest)
}

const onDomain = "domain: app.example.com"

func TestSession_Domain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"app.example.com":                "app.example.com",
		"https://app.example.com:8443/p": "app.example.com",
		"user@App.Example.com":           "app.example.com",
		".app.example.com":               "app.example.com",
		"app.example.com.":               "app.example.com",
		"app.example.com:80":             "app.example.com",
	} {
		if got := mustLoad(t, login{session: fmt.Sprintf("domain: %q", text)}.String()).Config.Authentication.Session.Domain; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"http://[::1]:80", "[::1]", "::1", "http://[0:0:0:0:0:0:0:1]/"} {
		f := mustLoad(t, login{session: fmt.Sprintf("domain: %q", text), redirect: "http://[::1]:10000"}.String())
		if got := f.Config.Authentication.Session.Domain; got != "::1" || f.Config.PublicHost() != "::1" {
			t.Errorf("%s: got %s on %s", text, got, f.Config.PublicHost())
		}
	}
}

// FuzzSessionDomain: what is accepted is a bare host at which the public address
// is, or below which; and reading it once more changes nothing.
func FuzzSessionDomain(f *testing.F) {
	for _, text := range []string{"a.b", "https://user:x@a.b:1/p?q#f", ".b", "[::1]", "a%2eb", "b.", "é.b", "1.2.3.4", "", "http://", "a.b\\@c"} {
		f.Add(text, "https://a.b")
	}
	f.Fuzz(func(t *testing.T, text, redirect string) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		target, err := json.Marshal(redirect)
		if err != nil {
			t.Skip()
		}
		load := func(domain string) (*config.File, error) {
			content := fmt.Sprintf(`{"authentication": {"session": {"domain": %s}, "methods": {"oidc": {"enabled": true, "providers": {"a": {"issuer_url": "https://i.example", "client_id": "a", "client_secret": "b", "redirect_address": %s}}}}}}`, domain, target)
			return config.Load(config.Options{Path: "x.json", Files: files{}.with("x.json", content)})
		}
		file, err := load(string(quoted))
		if err != nil {
			return
		}
		domain, host := file.Config.Authentication.Session.Domain, file.Config.PublicHost()
		if domain == "" || strings.ContainsAny(domain, "/@ \t\r\n;,[]") || strings.ToLower(domain) != domain {
			t.Errorf("%q: got %q", text, domain)
		}
		if host != domain && !strings.HasSuffix(host, "."+domain) {
			t.Errorf("%q is not for %q", domain, host)
		}
		again, err := load(`"` + domain + `"`)
		if err != nil || again.Config.Authentication.Session.Domain != domain {
			t.Errorf("%q once more: %v", domain, err)
		}
	})
}

func TestSession_IsSecure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		session, redirect string
		want              bool
	}{
		{"", "", true},
		{"", "HTTPS://app.example.com", true},
		{", secure: true", "", true},
		{", secure: false", "", false},
		{"", "http://app.example.com", false},
	} {
		c := mustLoad(t, login{session: onDomain + tt.session, redirect: tt.redirect}.String()).Config
		if got := c.Authentication.Session.IsSecure(c.PublicURL()); got != tt.want {
			t.Errorf("%+v: got %t", tt, got)
		}
	}
}

func TestSession_AcceptCookies(t *testing.T) {
	t.Parallel()
	flipt := []string{"flipt_client_token"}
	for text, want := range map[string][]string{
		oneToken:                          flipt,
		login{session: onDomain}.String(): nil,
		strings.Replace(oneToken, "{", "{session: {accept_cookies: [a]}, ", 1):       {"a"},
		login{session: onDomain + ", accept_cookies: [flipt_client_token]"}.String(): flipt,
		login{session: onDomain + ", accept_cookies: []"}.String():                   {},
	} {
		if got := mustLoad(t, text).Config.Authentication.Session.AcceptCookies; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestSession_GracePeriod(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"":                                       30 * time.Minute,
		"cleanup: {grace_period: 24h}":           24 * time.Hour,
		"storage: {cleanup: {grace_period: 1h}}": time.Hour,
		"cleanup: {grace_period: 0s}":            0,
		"storage: {cleanup: {grace_period: 60m}}, cleanup: {grace_period: 1h}": time.Hour,
	} {
		s := mustLoad(t, strings.Replace(oneToken, "{", "{session: {"+text+"}, ", 1)).Config.Authentication.Session
		if s.Cleanup.GracePeriod != want || s.Storage.Cleanup != s.Cleanup {
			t.Errorf("%s: got %+v and %+v", text, s.Cleanup, s.Storage.Cleanup)
		}
	}
}

func TestConfig_PublicURL(t *testing.T) {
	t.Parallel()
	const two = "authentication: {session: {domain: x.example}, methods: {oidc: {enabled: true, providers: {" +
		"b: {issuer_url: 'https://i.example', client_id: a, client_secret: b, redirect_address: 'https://b.x.example'}, " +
		"a: {issuer_url: 'https://i.example', client_id: a, client_secret: b, redirect_address: 'https://A.x.example:443/'}}}}}\n"
	for text, want := range map[string][2]string{
		oneToken: {"", ""},
		oneToken + "server: {public_url: 'HTTPS://App.Example.com:443/'}":   {"https://app.example.com", "app.example.com"},
		oneToken + "server: {public_url: 'http://localhost:10000'}":         {"http://localhost:10000", "localhost"},
		oneToken + "server: {public_url: 'http://[0:0::1]:80'}":             {"http://[::1]", "::1"},
		oneToken + "server: {public_url: 'https://app.example.com.:8443/'}": {"https://app.example.com:8443", "app.example.com"},
		two: {"https://a.x.example", "a.x.example"},
		two + "server: {public_url: 'https://x.example'}":                                                         {"https://x.example", "x.example"},
		strings.Replace(strings.Replace(two, "enabled: true", "enabled: false", 1), "{", "{required: false, ", 1): {"", ""},
	} {
		c := mustLoad(t, text).Config
		if got := [2]string{c.PublicURL(), c.PublicHost()}; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestRedis_Endpoints(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                    {"localhost:6379"},
		"host: '::1', port: 7000":             {"[::1]:7000"},
		"mode: cluster, addresses: 'a:1 b:2'": {"a:1", "b:2"},
	} {
		c := mustLoad(t, strings.Replace(oneToken, "{", "{session: {storage: {type: redis, redis: {"+text+"}}}, ", 1)).Config
		if got := c.Authentication.Session.Storage.Redis.Endpoints(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestClientIP_Prefixes(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, oneToken+"server: {client_ip: {trusted_proxies: [10.1.2.3/8, 192.0.2.1, '2001:db8::/32']}}").Config
	want := []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	if got := c.Server.ClientIP.Prefixes(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestLoginEnvironment sets everything that a login needs by environment, under
// our names and under Flipt's.
func TestLoginEnvironment(t *testing.T) {
	t.Parallel()
	const provider = envOIDC + "PROVIDERS_GOOGLE_"
	env := []string{
		envSession + "DOMAIN=app.example.com", envSession + "SECURE=TRUE", envSession + "STORAGE_TYPE=redis",
		envSession + "STORAGE_REDIS_ADDRESSES=a:1,b:2", envSession + "STORAGE_REDIS_MODE=cluster", envSession + "STORAGE_REDIS_PASSWORD=hush",
		envSession + "PREVIOUS_ENCRYPTION_KEYS=0123456789abcdefghijklmnopqrstuv,0123456789ABCDEFGHIJKLMNOPQRSTUV",
		envSession + "CLEANUP_GRACE_PERIOD=1h",
		envOIDC + "ENABLED=true", envOIDC + `EMAIL_MATCHES=^a@b\.c$ ^.*@d\.e$`,
		provider + "ISSUER_URL=https://accounts.google.com", provider + "CLIENT_ID=id", provider + "CLIENT_SECRET=hush",
		provider + "REDIRECT_ADDRESS=https://app.example.com", provider + "SCOPES=email profile", provider + "USE_PKCE=false",
		provider + "AUTHORIZE_PARAMETERS_PROMPT=login", provider + "CLAIMS_MAPPING_EMAIL=/mail", provider + "MAX_AGE=1h",
		envOIDC + "PROVIDERS_MY_CORP_ISSUER_URL=https://login.example.com", envOIDC + "PROVIDERS_MY_CORP_CLIENT_ID=id",
		envOIDC + "PROVIDERS_MY_CORP_CLIENT_SECRET=hush", envOIDC + "PROVIDERS_MY_CORP_REDIRECT_ADDRESS=https://app.example.com",
	}
	flipt := make([]string, len(env))
	for i, pair := range env {
		flipt[i] = "FLIPT_" + strings.TrimPrefix(pair, "GATEWARD_")
	}
	var all []config.Config
	for _, vars := range [][]string{env, flipt} {
		f, err := config.Load(config.Options{Dirs: config.SearchDirs(), Files: files{}, Env: vars})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Config)
	}
	if !reflect.DeepEqual(all[0], all[1]) {
		t.Error("Flipt's names mean something else")
	}
	a := all[0].Authentication
	p := a.Methods.OIDC.Providers["google"]
	if len(a.Methods.OIDC.Providers) != 2 || a.Methods.OIDC.Providers["my_corp"].ClientSecret.Reveal() != "hush" {
		t.Errorf("providers: got %+v", a.Methods.OIDC.Providers)
	}
	if p.ClientSecret.Reveal() != "hush" || !slices.Equal(p.Scopes, []string{"email", "profile"}) || p.UsePKCE || p.MaxAge != time.Hour ||
		p.AuthorizeParameters["prompt"] != "login" || p.ClaimsMapping["email"] != "/mail" || !p.RequireVerifiedEmail {
		t.Errorf("google: got %+v", p)
	}
	if !slices.Equal(a.Methods.OIDC.EmailMatches, []string{`^a@b\.c$`, `^.*@d\.e$`}) {
		t.Errorf("email_matches: got %q", a.Methods.OIDC.EmailMatches)
	}
	s := a.Session
	if s.Secure == nil || !*s.Secure || len(s.PreviousEncryptionKeys) != 2 || s.PreviousEncryptionKeys[1].Reveal() != "0123456789ABCDEFGHIJKLMNOPQRSTUV" ||
		s.Cleanup.GracePeriod != time.Hour || s.Storage.Redis.Password.Reveal() != "hush" || !slices.Equal(s.Storage.Redis.Endpoints(), []string{"a:1", "b:2"}) {
		t.Errorf("session: got %+v", s)
	}
}

// TestSEC_N05_SecretsOfALoginAreNeverShown: a configuration that loads does not
// print its secrets, and says where they stand in a file that all can read.
func TestSEC_N05_SecretsOfALoginAreNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-0123456789-abcdefghijklmnopq"
	text := strings.Replace(login{
		session:  onDomain + ", encryption_key: " + canary + "1, previous_encryption_keys: [" + canary + "2, '${env:OLD}'], storage: {type: redis, redis: {mode: sentinel, addresses: 'localhost:1', master_name: m, password: " + canary + "3, sentinel_password: " + canary + "4}}",
		provider: "scopes: [email]",
	}.String(), "client_secret: secret", "client_secret: "+canary+"5", 1)
	f, err := config.Load(config.Options{
		Path: "gateward.yaml", Env: []string{"OLD=" + canary + "6"},
		Files: files{fstest.MapFS{"gateward.yaml": {Data: []byte(text), Mode: 0o644}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dump, err := json.Marshal(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{string(dump), fmt.Sprintf("%v", f), fmt.Sprintf("%+v", f.Config), fmt.Sprintf("%#v", f.Config), texts(f.Warnings)} {
		if strings.Contains(got, "c4n4ry") {
			t.Errorf("shown in\n%s", got)
		}
	}
	if got := f.Config.Authentication.Session.PreviousEncryptionKeys; len(got) != 2 || got[1].Reveal() != canary+"6" {
		t.Errorf("the canary did not sing: %d keys", len(got))
	}
	for _, key := range []string{"session.encryption_key", "methods.oidc.providers.corp.client_secret"} {
		want := "warning: authentication." + key + ": stands in a file that every user of this machine can read"
		if key == "session.encryption_key" != strings.Contains(texts(f.Warnings), want) {
			t.Errorf("%s: got %s", key, texts(f.Warnings))
		}
	}
	onlyReferences := strings.NewReplacer("client_secret: secret", "client_secret: '${env:OLD}'").
		Replace(login{session: onDomain + ", previous_encryption_keys: ['${env:OLD}']"}.String())
	f, err = config.Load(config.Options{
		Path: "gateward.yaml", Env: []string{"OLD=" + canary}, Files: files{fstest.MapFS{"gateward.yaml": {Data: []byte(onlyReferences), Mode: os.FileMode(0o644)}}},
	})
	if err != nil || strings.Contains(texts(f.Warnings), "every user") {
		t.Errorf("references: got %v, %v", err, f)
	}
}
