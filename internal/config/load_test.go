package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/config"
)

const (
	envToken      = "GATEWARD_AUTHENTICATION_METHODS_TOKEN_"
	envJWT        = "GATEWARD_AUTHENTICATION_METHODS_JWT_"
	envCredential = envToken + "STORAGE_TOKENS_CI_CREDENTIAL=0123456789abcdef0123"
)

// TestFormats reads the same configuration from all three formats.
func TestFormats(t *testing.T) {
	t.Parallel()
	var all []config.Config
	for _, name := range []string{"same.yaml", "same.json", "same.toml"} {
		f, err := config.Load(config.Options{Path: "testdata/formats/" + name})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Config)
	}
	for i, c := range all[1:] {
		if !reflect.DeepEqual(c, all[0]) {
			t.Errorf("format %d: got\n%+v\nwant\n%+v", i+1, c, all[0])
		}
	}
	c := all[0]
	token := c.Authentication.Methods.Token.Storage.Tokens["CI.deploy/1"]
	if token.Credential.Reveal() != "1234567890123456" || token.Metadata["io.flipt.auth.role"] != "Admin" {
		t.Errorf("token: got %q and %v", token.Credential.Reveal(), token.Metadata)
	}
	if c.Cache.TTL != 90*time.Minute || c.Cache.NegativeTTL != 1500*time.Millisecond || c.Cache.Size != 7 {
		t.Errorf("cache: got %+v", c.Cache)
	}
	want := config.Rule{
		Name: "a", Match: config.Match{Hosts: []string{"a.example", "b.example"}, Paths: []string{"/x, y"}},
		Access: "optional", Credentials: []string{"cookie", "bearer", "basic"}, Unauthenticated: "auto", Invalid: "ignore",
	}
	if len(c.Rules) != 2 || !reflect.DeepEqual(c.Rules[0], want) {
		t.Errorf("rules: got %+v, want %+v", c.Rules, want)
	}
}

// TestPositions finds the same mistakes at their places in all three formats.
func TestPositions(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"wrong.yaml": {"2:10: log.level: ", "4:5: rules[0].acces: ", `5:14: rules[1]["naïve"]: `, "6:14: cache.ttl: "},
		"wrong.json": {"2:20: log.level: ", "3:14: rules[0].acces: ", `3:51: rules[1]["naïve"]: `, "4:20: cache.ttl: "},
		"wrong.toml": {"2:9: log.level: ", "5:1: rules[0].acces: ", `8:1: rules[1]["naïve"]: `, "10:7: cache.ttl: "},
	} {
		_, err := config.Load(config.Options{Path: "testdata/formats/" + name})
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), name+":"+w) {
				t.Errorf("%s: got\n%v\nwant %s", name, err, w)
			}
		}
	}
}

// TestReferences replaces whole values, in lists and maps too.
func TestReferences(t *testing.T) {
	t.Parallel()
	const text = `
authentication:
  required: ${env:REQUIRED}
  methods:
    token:
      enabled: true
      storage:
        tokens:
          a: {credential: "${file:/run/a}", scopes: ["${env:SCOPE}"], metadata: {k: "${env:SCOPE}"}}
upstream: {remove_headers: "${env:HEADERS}"}
cache: {size: "${env:SIZE}", ttl: "${env:TTL}"}
`
	f, err := config.Load(config.Options{
		Path: "gateward.yaml",
		Env:  []string{"REQUIRED=false", "SCOPE=read", "HEADERS=X-A,X-B", "SIZE=12", "TTL=1d12h"},
		Files: files{}.with("gateward.yaml", text).
			with("/run/a", "line one is secret\n\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	token := f.Config.Authentication.Methods.Token.Storage.Tokens["a"]
	if got := token.Credential.Reveal(); got != "line one is secret\n" {
		t.Errorf("credential: got %q, want all but one line break", got)
	}
	if !slices.Equal(token.Scopes, []string{"read"}) || token.Metadata["k"] != "read" {
		t.Errorf("got %v, %v", token.Scopes, token.Metadata)
	}
	if c := f.Config; c.Authentication.Required || c.Cache.Size != 12 || c.Cache.TTL != 36*time.Hour || len(c.Upstream.RemoveHeaders) != 2 {
		t.Errorf("got %+v", c)
	}
	if !slices.Equal(f.Read, []string{"gateward.yaml", "/run/a"}) {
		t.Errorf("read: got %v", f.Read)
	}
}

// TestAliases writes out YAML aliases and merge keys, and bounds them.
func TestAliases(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, envless+`
rules:
  - &base {name: a, access: anonymous, match: &m {paths: [/a]}}
  - {<<: *base, name: b}
  - {name: c, access: deny, match: *m}
`)
	for i, want := range []string{"a anonymous [/a]", "b anonymous [/a]", "c deny [/a]"} {
		r := f.Config.Rules[i]
		if got := fmt.Sprint(r.Name, " ", r.Access, " ", r.Match.Paths); got != want {
			t.Errorf("rule %d: got %s, want %s", i, got, want)
		}
	}
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%[1]d [*a%d,*a%[2]d,*a%[2]d,*a%[2]d,*a%[2]d,*a%[2]d,*a%[2]d,*a%[2]d]\n", i+1, i)
	}
	if got := mustFail(t, b.String()).Error(); !strings.Contains(got, "too large once its aliases are written out") {
		t.Errorf("a billion of aliases: got %s", got)
	}
}

const envless = "authentication: {required: false}\n"

func TestSearch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files       []string
		path        string
		want, wrong string
	}{
		"working directory first": {files: []string{"gateward.toml", "/etc/gateward/gateward.yaml"}, want: "gateward.toml"},
		"yaml first, and a warning": {
			files: []string{"gateward.json", "gateward.yaml"}, want: "gateward.yaml",
		},
		"etc":           {files: []string{"/etc/gateward/gateward.yml"}, want: "/etc/gateward/gateward.yml"},
		"none":          {},
		"named":         {files: []string{"gateward.yaml", "x.json"}, path: "x.json", want: "x.json"},
		"named missing": {path: "x.yaml", wrong: "x.yaml:1:1: cannot be read: file does not exist"},
		"ending":        {files: []string{"x.conf"}, path: "x.conf", wrong: "x.conf:1:1: has an unknown format"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := files{}.with("/unrelated", "")
			for _, n := range tt.files {
				content := ""
				if strings.HasSuffix(n, ".json") {
					content = "{}"
				}
				fsys.with(n, content)
			}
			f, err := config.Load(config.Options{
				Path: tt.path, Dirs: config.SearchDirs(), Files: fsys, Env: []string{"GATEWARD_AUTHENTICATION_REQUIRED=false"},
			})
			if tt.wrong != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.wrong) {
					t.Errorf("got %v, want %s", err, tt.wrong)
				}
				return
			}
			if err != nil || f.Path != tt.want {
				t.Fatalf("got %v, %v, want %s", f, err, tt.want)
			}
			if got := strings.Contains(texts(f.Warnings), "gateward.json is not"); got != strings.Contains(name, "warning") {
				t.Errorf("warnings: %s", texts(f.Warnings))
			}
		})
	}
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	mustLoad(t, envless+"#"+strings.Repeat("x", limit-len(envless)-1))
	if got := mustFail(t, envless+"#"+strings.Repeat("x", limit-len(envless))).Error(); !strings.Contains(got, "is larger than 4 MiB") {
		t.Errorf("got %s", got)
	}
}

// TestLarge reads large files in little time and bounds what it says of them.
func TestLarge(t *testing.T) {
	t.Parallel()
	var tokens, unknown strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&tokens, "k%d: {credential: c%d}, ", i, i)
		fmt.Fprintf(&unknown, "k%d: 1\n", i)
	}
	f := mustLoad(t, "authentication: {methods: {token: {enabled: true, storage: {tokens: {"+tokens.String()+"}}}}}")
	if n := len(f.Config.Authentication.Methods.Token.Storage.Tokens); n != 5_000 {
		t.Errorf("got %d tokens", n)
	}
	if n := len(f.Warnings); n != 201 || !strings.Contains(f.Warnings[200].Problem, "more problems follow") || !f.Warnings[200].Warning {
		t.Errorf("got %d warnings, last %v", n, f.Warnings[n-1])
	}
	_, err := config.Load(config.Options{Path: "x.toml", Files: files{}.with("x.toml", strings.Repeat("k = 1\n", 20_001))})
	if err == nil || err.Error() != "x.toml:1:1: has too many keys for TOML; write it as YAML or JSON" {
		t.Errorf("TOML: got %v", err)
	}
	problems := mustFail(t, "authentication: {methods: {token: {enabled: true, storage: {tokens: {"+tokens.String()+"}}}}}\n"+unknown.String())
	if n := len(problems); n != 201 || problems[0].Warning || problems[200].Warning {
		t.Errorf("got %d problems, first %v, last %v", n, problems[0], problems[n-1])
	}
}

func TestFile_Locate(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, envless+`rules:
  - name: a
    access: deny
    match:
      paths: [/a, /b]
      hosts: a.example b.example
cache:
  size: 5
`, `GATEWARD_RULES_0_MATCH_METHODS=GET`)
	for key, want := range map[string]string{
		"":                             "gateward.yaml:1:1",
		"rules":                        "gateward.yaml:3:3",
		"rules[0]":                     "gateward.yaml:3:5",
		"rules[0].match":               "gateward.yaml:5:5",
		"rules[0].match.paths[1]":      "gateward.yaml:6:19",
		"rules[0].match.paths[9]":      "gateward.yaml:6:14",
		"rules[0].match.hosts[1]":      "gateward.yaml:7:14",
		"rules[0].match.methods[0]":    "env GATEWARD_RULES_0_MATCH_METHODS",
		"rules[0].require.when":        "gateward.yaml:3:5",
		"rules[7].name":                "gateward.yaml:3:3",
		`authentication["a.b"].x`:      "gateward.yaml:1:1",
		"cache.size":                   "gateward.yaml:9:9",
		"server.grpc.tls":              "gateward.yaml:1:1",
		`]not[a"key`:                   "gateward.yaml:1:1",
		"authentication.required.more": "gateward.yaml:1:28",
	} {
		if got := f.Locate(key).String(); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

func TestFile_Place(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, envless+"rules:\n  - name: a\n    access: deny\n    match: {paths: [/a, b]}\n")
	bad := &gateward.ConfigError{Key: "[0].match.paths[1]", Problem: "does not begin with /", Remedy: "write /b"}
	warning := &gateward.ConfigError{Key: "[0].name", Problem: "is odd", Warning: true}
	if got := texts(f.Place(&gateward.ConfigError{Key: `[0]["name"]`, Problem: "x"}, "rules")); got != "gateward.yaml:3:11: rules[0].name: x\n" {
		t.Errorf("quoted key: got %s", got)
	}
	other := errors.New("no idea")
	err := fmt.Errorf("extauthz: %w", errors.Join(bad, fmt.Errorf("twice: %w", errors.Join(other, warning))))
	const want = `gateward.yaml:3:3: rules: no idea
gateward.yaml:3:11: warning: rules[0].name: is odd
gateward.yaml:5:25: rules[0].match.paths[1]: does not begin with /; write /b
`
	if got := texts(f.Place(err, "rules")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := f.Place(nil, "rules"); got != nil {
		t.Errorf("nil: got %v", got)
	}
	if got := texts(f.Place(&gateward.ConfigError{Problem: "x"}, "")); got != "gateward.yaml:1:1: x\n" {
		t.Errorf("root: got %s", got)
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	want := config.Default()
	want.Authentication.Required = false
	if got := mustLoad(t, envless).Config; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := want.Authentication.Session.CookieNames(); !slices.Equal(got, []string{"gateward_client_token", "flipt_client_token"}) {
		t.Errorf("cookies: got %v", got)
	}
	if got := (config.Session{CookiePrefix: "flipt", AcceptCookies: []string{"flipt_client_token"}}).CookieNames(); !slices.Equal(got, []string{"flipt_client_token"}) {
		t.Errorf("cookies: got %v", got)
	}
	if _, err := json.Marshal(want); err != nil {
		t.Error(err)
	}
}
