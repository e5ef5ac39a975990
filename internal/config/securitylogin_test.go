package config_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/config"
)

// warnings loads each configuration, which must work, and wants a warning with
// the text; or, where the text begins with "no ", none with the rest of it.
func warnings(t *testing.T, tests map[string][2]string) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := texts(mustLoad(t, tt[0]).Warnings)
			if unwanted, ok := strings.CutPrefix(tt[1], "no "); ok {
				if strings.Contains(got, unwanted) {
					t.Errorf("got\n%s", got)
				}
			} else if !strings.Contains(got, "warning: "+tt[1]) {
				t.Errorf("got\n%s\nwant %s", got, tt[1])
			}
		})
	}
}

func TestSEC_R02_ProvidersAreComplete(t *testing.T) {
	t.Parallel()
	const corp = "authentication.methods.oidc.providers.corp."
	whole := login{session: onDomain}.String()
	without := func(key string) string {
		return regexp.MustCompile(key+`: ("[^"]*"|[a-z]+), `).ReplaceAllString(whole, "")
	}
	refusals(t, map[string][2]string{
		"no issuer":     {without("issuer_url"), corp + "issuer_url: authentication: issuer_url non-empty value is required"},
		"no client":     {without("client_id"), corp + "client_id: authentication: client_id non-empty value is required"},
		"no secret":     {without("client_secret"), corp + "client_secret: authentication: client_secret non-empty value is required"},
		"no address":    {without("redirect_address"), corp + "redirect_address: authentication: redirect_address non-empty value is required"},
		"plain issuer":  {login{session: onDomain, issuer: "http://login.example.com"}.String(), corp + "issuer_url: what the provider answers by plain http can be changed"},
		"like loopback": {login{session: onDomain, issuer: "http://localhost.evil.example"}.String(), corp + "issuer_url: what the provider answers by plain http can be changed"},
		"no domain":     {login{}.String(), "authentication.session.domain: authentication: session_domain non-empty value is required"},
	})
	for _, issuer := range []string{"http://127.0.0.1:9000", "http://localhost:9000/realms/x", "https://login.example.com/", "https://login.example.com/realms/x"} {
		mustLoad(t, login{session: onDomain, issuer: issuer}.String())
	}
	warnings(t, map[string][2]string{
		"another host": {login{session: "domain: example.com", rest: "server: {public_url: 'https://www.example.com'}"}.String(), corp + "redirect_address: \"https://app.example.com\" is not https://www.example.com"},
		"same host":    {login{session: onDomain, redirect: "https://APP.example.com:443/", rest: "server: {public_url: 'https://app.example.com'}"}.String(), "no redirect_address"},
	})
}

func TestSEC_R04_PublicProvidersWarn(t *testing.T) {
	t.Parallel()
	const want = "authentication.methods.oidc.providers.corp: lets everybody in"
	google := login{session: onDomain, issuer: "https://accounts.google.com", provider: "scopes: [email]"}
	restricted := google
	restricted.method = `email_matches: ['^.*@example\.com$'],`
	warnings(t, map[string][2]string{
		"everybody":  {google.String(), want},
		"restricted": {restricted.String(), "no " + want},
		"our own":    {login{session: onDomain}.String(), "no " + want},
	})
}

func TestSEC_R05_CookieDomains(t *testing.T) {
	t.Parallel()
	const key = "authentication.session.domain: "
	const dropped = "browsers would drop the session cookie"
	for domain, want := range map[string]string{
		"com":                          "is a whole top-level domain",
		"www.example.com":              dropped,
		"x.app.example.com":            dropped,
		"pp.example.com":               dropped,
		"example.org":                  dropped,
		"app.example.com.evil.example": dropped,
		"*.example.com":                "is not a host",
		"äpp.example.com":              "is not a host",
		"a_b c":                        "session_domain parse",
		"https:///x":                   "non-empty value is required",
	} {
		text := login{session: fmt.Sprintf("domain: %q", domain)}.String()
		if got := mustFail(t, text).Error(); !strings.Contains(got, key) || !strings.Contains(got, want) {
			t.Errorf("%s: got\n%s\nwant %s", domain, got, want)
		}
	}
	refusals(t, map[string][2]string{
		"part of an address":   {login{session: "domain: 0.0.1", redirect: "http://127.0.0.1:1"}.String(), dropped},
		"none without secure":  {login{session: onDomain + ", same_site: none, secure: false"}.String(), "authentication.session.same_site: none needs authentication.session.secure"},
		"secure on plain http": {login{session: onDomain + ", secure: true", redirect: "http://app.example.com"}.String(), "authentication.session.secure: is true"},
	})
	warnings(t, map[string][2]string{
		"above":        {login{session: "domain: example.com"}.String(), key + `"example.com" is above app.example.com`},
		"the same":     {login{session: onDomain}.String(), "no " + key},
		"one label":    {login{session: "domain: intranet", redirect: "https://intranet"}.String(), "no " + key},
		"localhost":    {login{session: "domain: localhost", redirect: "http://localhost:10000"}.String(), "no " + key},
		"none":         {login{session: onDomain + ", same_site: none"}.String(), "authentication.session.same_site: none lets every other site"},
		"local secure": {login{session: "domain: localhost, secure: true", redirect: "http://localhost:10000"}.String(), "no session.secure"},
	})
}

func TestSEC_G03_InsecureCookiesWarn(t *testing.T) {
	t.Parallel()
	warnings(t, map[string][2]string{
		"https":     {login{session: onDomain + ", secure: false"}.String(), "authentication.session.secure: is false"},
		"localhost": {login{session: "domain: localhost, secure: false", redirect: "http://localhost:1"}.String(), "no session.secure"},
		"default":   {login{session: onDomain}.String(), "no session.secure"},
	})
}

func TestSEC_R10_Lifetimes(t *testing.T) {
	t.Parallel()
	refusals(t, map[string][2]string{
		"no time":            {login{session: onDomain + ", token_lifetime: 0s"}.String(), "session.token_lifetime: is zero"},
		"negative":           {login{session: onDomain + ", token_lifetime: -1h"}.String(), "session.token_lifetime: "},
		"idle over absolute": {login{session: onDomain + ", token_lifetime: 1h, idle_timeout: 61m"}.String(), "session.idle_timeout: is longer than token_lifetime"},
		"idle too short":     {login{session: onDomain + ", idle_timeout: 119s"}.String(), "session.idle_timeout: "},
	})
	warnings(t, map[string][2]string{
		"long":       {login{session: onDomain + ", token_lifetime: 721h"}.String(), "authentication.session.token_lifetime: "},
		"month":      {login{session: onDomain + ", token_lifetime: 30d, idle_timeout: 30d"}.String(), "no token_lifetime"},
		"short idle": {login{session: onDomain + ", idle_timeout: 2m"}.String(), "no idle_timeout"},
	})
}

func TestSEC_D02_AttemptsAreShort(t *testing.T) {
	t.Parallel()
	refusals(t, map[string][2]string{
		"over an hour": {login{session: onDomain + ", state_lifetime: 61m"}.String(), "session.state_lifetime: keeps unfinished logins usable"},
		"zero":         {login{session: onDomain + ", state_lifetime: 0s"}.String(), "session.state_lifetime: is zero"},
	})
	warnings(t, map[string][2]string{
		"over ten minutes": {login{session: onDomain + ", state_lifetime: 601s"}.String(), "authentication.session.state_lifetime: "},
		"ten minutes":      {login{session: onDomain + ", state_lifetime: 10m"}.String(), "no state_lifetime"},
	})
}

func TestSEC_D01_PKCEIsOnUnlessSaidOtherwise(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, login{session: onDomain}.String())
	if !f.Config.Authentication.Methods.OIDC.Providers["corp"].UsePKCE {
		t.Error("off by default")
	}
	f = mustLoad(t, login{session: onDomain, provider: "use_pkce: false"}.String())
	if f.Config.Authentication.Methods.OIDC.Providers["corp"].UsePKCE || !strings.Contains(texts(f.Warnings), "corp.use_pkce: is false") {
		t.Errorf("not obeyed, or not warned about: %s", texts(f.Warnings))
	}
}

func TestSEC_N10_KeysAreStrong(t *testing.T) {
	t.Parallel()
	const key, other = "0123456789abcdefghijklmnopqrstuv", "vutsrqponmlkjihgfedcba9876543210"
	with := func(session string) string { return login{session: onDomain + ", " + session}.String() }
	refusals(t, map[string][2]string{
		"documented":    {with("encryption_key: some_secret_string"), "session.encryption_key: is shorter than 32 characters; generate one with: openssl rand -base64 32"},
		"one too short": {with("encryption_key: " + key[1:]), "session.encryption_key: is shorter than 32"},
		"empty":         {with("encryption_key: ''"), "session.encryption_key: is shorter than 32"},
		"weak":          {with("encryption_key: '" + strings.Repeat("01234", 20) + "'"), "session.encryption_key: is not random"},
		"weak previous": {with("previous_encryption_keys: [" + key + ", short]"), "session.previous_encryption_keys[1]: is shorter than 32"},
		"repeated":      {with("encryption_key: " + key + ", previous_encryption_keys: [" + other + ", " + key + "]"), "session.previous_encryption_keys[1]: is the same as authentication.session.encryption_key"},
		"unresolved":    {with("encryption_key: '${SESSION_KEY_FROM_THE_ENVIRONMENT}'"), "session.encryption_key: "},
		"among text":    {with("encryption_key: 'x${SESSION_KEY_FROM_THE_ENVIRONMENT}'"), "session.encryption_key: holds a reference that is not replaced"},
	})
	warnings(t, map[string][2]string{
		"memory":   {with("storage: {type: memory}"), "no encryption_key"},
		"file":     {with("storage: {type: file}"), "authentication.session.encryption_key: is not set"},
		"redis":    {with("storage: {type: redis}"), "authentication.session.encryption_key: is not set"},
		"set":      {with("storage: {type: redis}, encryption_key: " + key + ", previous_encryption_keys: " + other), "no encryption_key"},
		"no login": {strings.Replace(oneToken, "{", "{session: {storage: {type: redis}}, ", 1), "no encryption_key"},
	})
}

func TestSEC_Q06_PlainConnectionsWarn(t *testing.T) {
	t.Parallel()
	redis := func(s string) string {
		return strings.Replace(oneToken, "{", "{session: {storage: {type: redis, redis: {"+s+"}}}, ", 1)
	}
	const key = "authentication.session.storage.redis.require_tls: is off"
	warnings(t, map[string][2]string{
		"login service":      {login{session: onDomain}.String(), "server.http.address: "},
		"login on this host": {login{session: onDomain, rest: "server: {http: {address: '127.0.0.1:8080'}}"}.String(), "no server.http.address"},
		"no login service":   {oneToken, "no server.http.address"},
		"redis":              {redis("host: redis"), key},
		"one of several":     {redis("mode: cluster, addresses: 'localhost:1 redis:1'"), key},
		"redis here":         {redis("password: p"), "no " + key},
		"redis by TLS":       {redis("host: redis, require_tls: true"), "no require_tls"},
	})
}

func TestSEC_R13_EmailPatternsAreClear(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`^.*@flipt.io$`:            `^.*@flipt\.io$`,
		`.*@example\.com`:          `^.*@example\.com$`,
		`^.*@example\.com`:         `^.*@example\.com$`,
		`.*@example\.com$`:         `^.*@example\.com$`,
		`@example.com$`:            `^.*@example\.com$`,
		`^a@x\.y$|b@x.y`:           `^(?:^a@x\.y$|b@x\.y)$`,
		`(?i)a@x\.y`:               `^(?i)a@x\.y$`,
		`^\Qa.b@x.y\E$`:            "",
		`^[^@.]+@x\.y$`:            "",
		`^[]a.]+@x\.y$`:            "",
		`^[[:alpha:].]+@x\.y$`:     "",
		`^.+@(a|b)\.example\.com$`: "",
		`\A.{1,64}@x\.y\z`:         "",
		`(?i)^.*@x\.y$`:            "",
		`^a@x\.y$|^b@x\.y$`:        "",
		`^a\.b@x\.y\$`:             `^a\.b@x\.y\$$`,
		`^a@x.y\\$`:                `^a@x\.y\\$`,
	} {
		f := mustLoad(t, login{session: onDomain, provider: "scopes: [email]", method: "email_matches: ['" + pattern + "'],"}.String())
		got := texts(f.Warnings)
		if want == "" != !strings.Contains(got, "oidc.email_matches[0]: ") {
			t.Errorf("%s: got %s", pattern, got)
		}
		if !strings.Contains(got, "; write '"+want+"'\n") && want != "" {
			t.Errorf("%s: got %s, want %s", pattern, got, want)
		}
	}
	refusals(t, map[string][2]string{
		"no expression": {login{session: onDomain, method: "email_matches: ['a(('],"}.String(), "oidc.email_matches[0]: failed compiling string for pattern: a((: error parsing regexp: "},
		// Which would compile once it is put between parentheses.
		"parentheses": {login{session: onDomain, method: "email_matches: ['a@x)|(b@y'],"}.String(), "oidc.email_matches[0]: failed compiling string for pattern: "},
	})
}

// FuzzEmailPattern: the form that a warning offers compiles, has nothing left to
// warn about, and admits nobody whom the pattern does not.
func FuzzEmailPattern(f *testing.F) {
	for _, p := range []string{`^.*@a.b$`, `a|b.c`, `\Qa.`, `[.`, `[^]a.]b.`, `(?i)a.b`, `^*a.`, `a$*`, `@a.b`, `[[:^alpha:]].`, `\x{2e}.`, `.{2}.`, `(?:a.|b)$`, `\\.`, `{`, `a.{x`} {
		f.Add(p, "a@a.b")
	}
	f.Fuzz(func(t *testing.T, pattern, address string) {
		before, err := regexp.Compile(pattern)
		if err != nil || pattern == "" {
			return
		}
		if whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err == nil {
			before = whole
		}
		cleared, dots, open, headless := config.ReadEmailPattern(pattern)
		if _, err := regexp.Compile(cleared); err != nil {
			t.Fatalf("%q became %q: %v", pattern, cleared, err)
		}
		if !dots && !open && cleared != pattern && cleared != pattern+`\E` {
			t.Errorf("%q became %q for no reason", pattern, cleared)
		}
		if again, dots, open, _ := config.ReadEmailPattern(cleared); dots || open {
			t.Errorf("%q became %q became %q", pattern, cleared, again)
		}
		whole := regexp.MustCompile(`\A(?:` + cleared + `)\z`)
		if !headless && whole.MatchString(address) && !before.MatchString(address) {
			t.Errorf("%q became %q, which matches %q", pattern, cleared, address)
		}
	})
}
