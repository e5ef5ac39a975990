package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gateward/gateward/internal/config"
)

// FuzzLoad: no input makes Load panic; it decides the same way twice; each
// problem stands inside the file; and what loads holds no empty credential.
func FuzzLoad(f *testing.F) {
	formats := []string{".yaml", ".json", ".toml"}
	for _, pattern := range []string{"testdata/documented/*", "testdata/formats/*", "testdata/mistakes/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			format := slices.Index(formats, filepath.Ext(name))
			if format < 0 {
				continue // a golden file
			}
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, uint8(format), "X", "")
		}
	}
	f.Add([]byte(oneToken), uint8(0), "AUTHENTICATION_METHODS_TOKEN_STORAGE_TOKENS_CI_CREDENTIAL", "${env:A}")
	f.Add([]byte(oneToken+"rules: [{name: a}]"), uint8(0), "RULES_0_MATCH_PATHS", ", ,")
	f.Add([]byte("\ufeffé: [\r\n"), uint8(0), "RULES", "")
	f.Add([]byte("rules: &a [*a]\n<<: {b: *a}"), uint8(0), "RULES_0_NAME", "a")
	f.Fuzz(func(t *testing.T, data []byte, format uint8, name, value string) {
		path := "gateward" + formats[format%3]
		load := func() (*config.File, error) {
			return config.Load(config.Options{
				Path: path, Env: []string{"GATEWARD_" + name + "=" + value, "A="}, Files: files{}.with(path, string(data)),
			})
		}
		file, err := load()
		again, errAgain := load()
		if !reflect.DeepEqual(file, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("two results:\n%v %v\n%v %v", file, err, again, errAgain)
		}
		problems, ok := err.(config.Problems) //nolint:errorlint // the documented type
		if (file == nil) != ok {
			t.Fatalf("got %v and %T %v", file, err, err)
		}
		if file != nil {
			problems = file.Warnings
			for id, token := range file.Config.Authentication.Methods.Token.Storage.Tokens {
				empty := token.Credential.Reveal() == "" && token.CredentialHash == ""
				if empty && file.Config.Authentication.Methods.Token.Enabled || id == "" {
					t.Errorf("token %q has an empty credential or id", id)
				}
			}
		}
		lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, p := range problems {
			if p.Env != "" {
				continue
			}
			if p.File != path || p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Errorf("outside the file: %v", p)
			}
		}
	})
}

// FuzzLocate: no key path leads out of the tree.
func FuzzLocate(f *testing.F) {
	file, err := loadYAML(oneToken + "rules: [{name: a, access: deny}]")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`rules[0].name`)
	f.Add(`a["b\"]"].c[99999999999999999999]`)
	f.Fuzz(func(t *testing.T, key string) {
		if p := file.Locate(key); p.File != "gateward.yaml" || p.Line < 1 || p.Line > 2 || p.Column < 1 {
			t.Errorf("got %v", p)
		}
	})
}
