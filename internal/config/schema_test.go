package config_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gateward/gateward/internal/config"
)

// A schema is the part of JSON Schema that ours uses.
type schema struct {
	root map[string]any
	t    *testing.T
}

func newSchema(t *testing.T) schema {
	t.Helper()
	s := schema{t: t}
	if err := json.Unmarshal(config.Schema(), &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// errs returns what is wrong with v; a keyword that it does not know fails the
// test rather than passing everything.
func (s schema) errs(path string, sub map[string]any, v any) []string {
	var errs []string
	bad := func(format string, args ...any) { errs = append(errs, path+": "+fmt.Sprintf(format, args...)) }
	for keyword, want := range sub {
		switch keyword {
		case "description", "default", "title", "$schema", "$defs", "properties":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			def, ok := s.root["$defs"].(map[string]any)[name].(map[string]any)
			if !ok {
				s.t.Fatalf("%s: no definition %s", path, name)
			}
			errs = append(errs, s.errs(path, def, v)...)
		case "anyOf":
			var all []string
			for _, alternative := range want.([]any) {
				e := s.errs(path, alternative.(map[string]any), v)
				if len(e) == 0 {
					all = nil
					break
				}
				all = append(all, e...)
			}
			errs = append(errs, all...)
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("%v is not one of %v", v, want)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				bad("%q does not match %s", text, want)
			}
		case "type":
			types, ok := want.([]any)
			if !ok {
				types = []any{want}
			}
			if !slices.ContainsFunc(types, func(t any) bool { return hasType(v, t.(string)) }) {
				bad("%v is not a %v", v, want)
			}
		case "items":
			items, _ := v.([]any)
			for i, item := range items {
				errs = append(errs, s.errs(fmt.Sprintf("%s[%d]", path, i), want.(map[string]any), item)...)
			}
		case "additionalProperties":
			members, _ := v.(map[string]any)
			properties, _ := sub["properties"].(map[string]any)
			for key, member := range members {
				if p, ok := properties[key]; ok {
					errs = append(errs, s.errs(path+"."+key, p.(map[string]any), member)...)
				} else if open, ok := want.(map[string]any); ok {
					errs = append(errs, s.errs(path+"."+key, open, member)...)
				} else {
					bad("unknown key %s", key)
				}
			}
		default:
			s.t.Fatalf("%s: keyword %s", path, keyword)
		}
	}
	return errs
}

func hasType(v any, name string) bool {
	switch v := v.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case int:
		return name == "integer" || name == "number"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	}
	return false
}

// TestSchema agrees with Load about what is structurally right.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := newSchema(t)
	for pattern, valid := range map[string]bool{
		"testdata/documented/{required,exclude,token,jwks,pem,claims,google,oidc,github,github-orgs,github-teams,redis,memory,cleanup}.yaml": true,
		"testdata/documented/{kubernetes,session}.yaml":                   false,
		"testdata/formats/same.{yaml,json}":                               true,
		"testdata/formats/wrong.{yaml,json}":                              false,
		"testdata/mistakes/{warn-*,token-*,jwt-key-file,jwt-no-key}.yaml": true,
		"testdata/mistakes/unknown-*.yaml":                                false,
		"testdata/mistakes/duration-bare.yaml":                            false,
		"testdata/mistakes/{rule-access,log,no-value}.yaml":               false,
	} {
		names := expand(t, pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			unmarshal := yaml.Unmarshal
			if filepath.Ext(name) == ".json" {
				unmarshal = json.Unmarshal
			}
			if err := unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			if errs := s.errs("", s.root, v); (len(errs) == 0) != valid {
				t.Errorf("%s: valid %t, want %t: %v", name, !valid, valid, errs)
			}
		}
	}
	for _, text := range []string{"90s", "1h30m", "7d", "1.5s", ".5h", "${env:TTL}"} {
		if errs := s.errs("", s.root, map[string]any{"cache": map[string]any{"ttl": text}}); len(errs) > 0 {
			t.Error(errs)
		}
	}
	for _, text := range []any{"90", 90.0, "-1s", "1 s", "s", ""} {
		if errs := s.errs("", s.root, map[string]any{"cache": map[string]any{"ttl": text}}); len(errs) == 0 {
			t.Errorf("%v is a duration", text)
		}
	}
}

// expand is filepath.Glob with braces.
func expand(t *testing.T, pattern string) []string {
	t.Helper()
	var all []string
	before, rest, braces := strings.Cut(pattern, "{")
	if !braces {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s matches nothing", pattern)
		}
		return slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, ".golden") })
	}
	words, after, _ := strings.Cut(rest, "}")
	for word := range strings.SplitSeq(words, ",") {
		all = append(all, expand(t, before+word+after)...)
	}
	return all
}

// TestDocumentation explains every key exactly once, in sentences, and shows
// the default that counts.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	if wrong := config.Undocumented(); len(wrong) > 0 {
		t.Errorf("docs and keys differ: %v", wrong)
	}
	text := string(config.Reference())
	for _, want := range []string{
		"### `authentication.methods.token.storage.tokens.<id>.credential`\n\nString, secret · no default. Environment: `GATEWARD_AUTHENTICATION_METHODS_TOKEN_STORAGE_TOKENS_<ID>_CREDENTIAL`.\n",
		"### `authentication.methods.jwt.clock_skew`\n\nDuration · default `30s`.",
		"### `authentication.methods.jwt.issuers.<name>.clock_skew`\n\nDuration · default `30s`.",
		"### `rules[].invalid`\n\nOne of `refuse`, `ignore` · default `refuse`. Environment: `GATEWARD_RULES_<N>_INVALID`.",
		"### `rules[].credentials`\n\nList out of `cookie`, `bearer`, `basic` · default `[\"cookie\", \"bearer\", \"basic\"]`.",
		"### `authentication.required`\n\nBoolean · default `true`.",
		"### `authentication.session.secure`\n\nBoolean · default: `true` if `server.public_url` is https, otherwise `false`. Environment: `GATEWARD_AUTHENTICATION_SESSION_SECURE`.\n",
		"### `authentication.session.encryption_key`\n\nString, secret · no default.",
		"### `authentication.session.previous_encryption_keys`\n\nList of secrets · no default.",
		"### `authentication.methods.oidc.providers.<name>.authorize_parameters`\n\nStrings by parameter. Environment: `GATEWARD_AUTHENTICATION_METHODS_OIDC_PROVIDERS_<NAME>_AUTHORIZE_PARAMETERS_<PARAMETER>`.",
		"### `authentication.methods.oidc.providers.<name>.use_pkce`\n\nBoolean · default `true`.",
		"### `authentication.methods.github.use_pkce`\n\nBoolean · default: `true`, and `false` on a GitHub Enterprise Server, which does not know it.",
		"### `authentication.methods.github.allowed_teams`\n\nLists by organization. Environment: `GATEWARD_AUTHENTICATION_METHODS_GITHUB_ALLOWED_TEAMS_<ORGANIZATION>`.",
		"### `authentication.allowed_user_filters[].type`\n\nOne of `email`, `phone`, `id`, `group`, `organization`, `team` · no default.",
		"### `authentication.grants[].subjects`\n\nList · default `[]`. Environment: `GATEWARD_AUTHENTICATION_GRANTS_<N>_SUBJECTS`.",
		"### `upstream.identity_headers.issuer`\n\nString · no default.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/configuration.md lacks %q", want)
		}
	}
}

// TestIntroduction loads the examples that the documentation begins with.
func TestIntroduction(t *testing.T) {
	t.Parallel()
	examples := strings.Split(string(config.Reference()), "```yaml\n")[1:]
	if len(examples) != 2 {
		t.Fatalf("got %d examples", len(examples))
	}
	for _, example := range examples {
		example, _, _ = strings.Cut(example, "```\n")
		f := mustLoad(t, example, "CI_TOKEN=0123456789abcdef0123", "GOOGLE_CLIENT_ID=id", "GOOGLE_CLIENT_SECRET=secret")
		for _, w := range f.Warnings {
			if !strings.Contains(w.String(), "plain TCP is for a network that encrypts") {
				t.Errorf("the example is warned about: %s", w)
			}
		}
	}
}
