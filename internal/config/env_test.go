package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/config"
)

// TestEnvironment sets keys by environment variables.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	const base = "authentication:\n  methods:\n    token:\n      enabled: true\n      storage:\n        tokens:\n          My.Tok: {credential: file-credential-0123}\n"
	tokens := func(c config.Config) map[string]config.StaticToken {
		return c.Authentication.Methods.Token.Storage.Tokens
	}
	tests := map[string]struct {
		env  []string
		file string
		got  func(config.Config) any
		want any
	}{
		"beats the file":          {[]string{"GATEWARD_CACHE_SIZE=5"}, "cache: {size: 3}", func(c config.Config) any { return c.Cache.Size }, 5},
		"underscore in the key":   {[]string{"GATEWARD_CACHE_NEGATIVE_TTL=5s"}, "", func(c config.Config) any { return c.Cache.NegativeTTL }, 5 * time.Second},
		"empty is unset":          {[]string{"GATEWARD_CACHE_SIZE="}, "cache: {size: 3}", func(c config.Config) any { return c.Cache.Size }, 3},
		"first of two":            {[]string{"GATEWARD_CACHE_SIZE=1", "GATEWARD_CACHE_SIZE=2"}, "", func(c config.Config) any { return c.Cache.Size }, 1},
		"list":                    {[]string{"GATEWARD_UPSTREAM_REMOVE_HEADERS=X-A, X-B X-C"}, "", func(c config.Config) any { return c.Upstream.RemoveHeaders }, []string{"X-A", "X-B", "X-C"}},
		"boolean":                 {[]string{"GATEWARD_UPSTREAM_FORWARD_CREDENTIALS=TRUE"}, "", func(c config.Config) any { return c.Upstream.ForwardCredentials }, true},
		"new id":                  {[]string{envToken + "STORAGE_TOKENS_MY_NEW_CREDENTIAL=0123456789abcdef"}, "", func(c config.Config) any { return tokens(c)["my_new"].Credential.Reveal() }, "0123456789abcdef"},
		"id of the file":          {[]string{envToken + "STORAGE_TOKENS_MY_TOK_CREDENTIAL=0123456789abcdef"}, "", func(c config.Config) any { return tokens(c)["My.Tok"].Credential.Reveal() }, "0123456789abcdef"},
		"metadata":                {[]string{envToken + "STORAGE_TOKENS_MY_TOK_METADATA_TEAM_NAME=x"}, "", func(c config.Config) any { return tokens(c)["My.Tok"].Metadata }, map[string]string{"team_name": "x"}},
		"shortest id":             {[]string{envToken + "STORAGE_TOKENS_MY_TOK_METADATA_CREDENTIAL=x"}, "", func(c config.Config) any { return tokens(c)["My.Tok"].Metadata }, map[string]string{"credential": "x"}},
		"rule by index":           {[]string{"GATEWARD_RULES_1_ACCESS=deny", "GATEWARD_RULES_1_MATCH_PATHS=/a,/b"}, "rules: [{name: a}, {name: b}]", func(c config.Config) any { return fmt.Sprint(c.Rules[1].Access, c.Rules[1].Match.Paths) }, "deny[/a /b]"},
		"flipt":                   {[]string{"FLIPT_AUTHENTICATION_REQUIRED=false"}, "", func(c config.Config) any { return c.Authentication.Required }, false},
		"flipt yields":            {[]string{"FLIPT_AUTHENTICATION_REQUIRED=false", "GATEWARD_AUTHENTICATION_REQUIRED=true"}, "", func(c config.Config) any { return c.Authentication.Required }, true},
		"flipt elsewhere":         {[]string{"FLIPT_LOG_LEVEL=debug"}, "", func(c config.Config) any { return c.Log.Level }, "info"},
		"reference in a variable": {[]string{"GATEWARD_LOG_LEVEL=${env:LEVEL}", "LEVEL=warn"}, "", func(c config.Config) any { return c.Log.Level }, "warn"},
		"named issuer": {
			[]string{envJWT + "ENABLED=true", envJWT + "ISSUERS_MAIN_ONE_JWKS_URL=https://a.example/k"},
			"",
			func(c config.Config) any { return c.Authentication.Methods.JWT.All()[0].Name }, "main_one",
		},
		"admin address": {[]string{"GATEWARD_SERVER_ADMIN_ADDRESS=127.0.0.1:1"}, "", func(c config.Config) any { return c.Server.Admin.Address }, "127.0.0.1:1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustLoad(t, base+tt.file, tt.env...)
			if got := tt.got(f.Config); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestEnvironmentAlone needs no file, and says so where it reports.
func TestEnvironmentAlone(t *testing.T) {
	t.Parallel()
	o := config.Options{Dirs: config.SearchDirs(), Files: files{}, Env: []string{envToken + "ENABLED=true", envCredential}}
	f, err := config.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Locate("authentication.methods.token.enabled").String(); got != "env "+envToken+"ENABLED" {
		t.Errorf("position: got %s", got)
	}
	if got := f.Config.Authentication.Methods.Token.Storage.Tokens["ci"].Credential.Reveal(); got != "0123456789abcdef0123" {
		t.Errorf("credential: got %s", got)
	}
	o.Env = nil
	if _, err = config.Load(o); err == nil || !strings.HasPrefix(err.Error(), "environment: authentication.methods: no method is enabled") {
		t.Errorf("empty environment: got %v", err)
	}
}

// TestReferencedVariablesAreNotStray: a variable that a reference names has a
// purpose, even if it begins like ours.
func TestReferencedVariablesAreNotStray(t *testing.T) {
	t.Parallel()
	const yaml = "authentication: {methods: {token: {enabled: true, storage: {tokens: {ci: {credential: '${env:GATEWARD_CI_TOKEN}'}}}}}}\n"
	f, err := config.Load(config.Options{
		Path: "gateward.yaml", Files: files{}.with("gateward.yaml", yaml),
		Env: []string{"GATEWARD_CI_TOKEN=0123456789abcdef0123", "GATEWARD_OTHER_TOKEN=x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stray := map[string]bool{}
	for _, w := range f.Warnings {
		if strings.Contains(w.Problem, "fits no key") {
			stray[w.Env] = true
		}
	}
	if stray["GATEWARD_CI_TOKEN"] || !stray["GATEWARD_OTHER_TOKEN"] {
		t.Errorf("warned of: %v", stray)
	}
}
