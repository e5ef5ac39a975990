package gateward_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/gateward/gateward"

// layers fixes the height of every package of this module. A package may import
// only packages strictly below it; a package not listed fails the test.
var layers = map[string]int{
	".":                   0,
	"internal/outbound":   0,
	"internal/admit":      1,
	"internal/browser":    1,
	"internal/config":     1,
	"internal/credential": 1,
	"internal/keyset":     1,
	"internal/pointer":    1,
	"internal/telemetry":  1,
	"methods":             1,
	"sessions":            1,
	"envoy":               1,
	"extauthz/target":     1,
	"extauthz/wire":       1,
	"methods/token":       2,
	"methods/jwt":         2,
	"methods/clienttoken": 2,
	"methods/github":      2,
	"methods/oidc":        2,
	"sessions/file":       2,
	"sessions/memory":     2,
	"sessions/redis":      2,
	"loginsvc/page":       2,
	"extauthz":            3,
	"loginsvc":            3,
	"cmd/gateward":        4,

	// For tests only; see forTests.
	"internal/keyset/keysettest": 2,
	"methods/methodtest":         2,
	"methods/github/githubtest":  2,
	"methods/oidc/oidctest":      2,
	"sessions/redis/redistest":   2,
	"sessions/storetest":         2,
	"envoy/envoytest":            2,
}

// apart lists what a height alone would allow: the check path and the methods
// are put together by cmd/gateward and know only contracts.
var apart = map[string][]string{
	"extauthz": {
		"methods/token", "methods/jwt", "methods/clienttoken", "methods/github", "methods/oidc", "sessions/file", "sessions/memory",
		"sessions/redis", "loginsvc", "internal/config", "internal/keyset", "envoy",
	},
	"loginsvc": {
		"methods/token", "methods/jwt", "methods/clienttoken", "methods/github", "methods/oidc", "sessions/file", "sessions/memory",
		"sessions/redis", "extauthz", "internal/config", "internal/keyset", "envoy",
	},
	"methods":  {"internal/config", "extauthz", "loginsvc", "sessions/file", "sessions/memory", "sessions/redis", "envoy"},
	"sessions": {"internal/config", "extauthz", "loginsvc", "methods", "envoy"},
}

// owners names the packages that may import what begins with the key; a package
// stands for those below it too. Tests import what they like.
var owners = map[string][]string{
	"cel.dev/cel-go":                         {"extauthz"},
	"github.com/envoyproxy/go-control-plane": {"envoy/envoytest"},
	"github.com/coreos/go-oidc":              {"methods/oidc"},
	"github.com/lestrrat-go/jwx":             {"internal/keyset"},
	"github.com/redis/go-redis":              {"sessions/redis"},
	"go.etcd.io/bbolt":                       {"sessions/file"},
	"golang.org/x/crypto":                    {"sessions"},
	"golang.org/x/oauth2":                    {"methods/oidc"},
	"github.com/pelletier/go-toml":           {"internal/config"},
	"github.com/prometheus/":                 {"internal/telemetry"},
	"go.yaml.in/yaml":                        {"internal/config"},
	"google.golang.org/grpc":                 {"extauthz", "cmd/gateward", "envoy/envoytest"},
	"testing":                                forTests,
}

// forTests are the packages that only tests import.
var forTests = []string{
	"envoy/envoytest", "internal/keyset/keysettest", "methods/github/githubtest", "methods/methodtest", "methods/oidc/oidctest",
	"sessions/redis/redistest", "sessions/storetest",
}

// vague are names that say nothing of what a package owns.
var vague = []string{"common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"}

func TestLayers(t *testing.T) {
	t.Parallel()
	problems, err := checkArchitecture(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// TestLayersFindsViolations plants one violation at a time.
func TestLayersFindsViolations(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, source string
		want         string // "" for no problem
	}{
		"upward import": {
			"internal/config/a.go", `package config; import _ "github.com/gateward/gateward/extauthz"`,
			"internal/config/a.go (layer 1) imports extauthz (layer 3)",
		},
		"sideways import": {
			"methods/jwt/a.go", `package jwt; import _ "github.com/gateward/gateward/methods/token"`,
			"methods/jwt/a.go (layer 2) imports methods/token (layer 2)",
		},
		"root imports a package": {
			"a.go", `package gateward; import _ "github.com/gateward/gateward/methods"`,
			"a.go (layer 0) imports methods (layer 1)",
		},
		"unlisted package imported": {
			"cmd/gateward/a.go", `package main; import _ "github.com/gateward/gateward/nowhere"`,
			"cmd/gateward/a.go imports nowhere, which is not in layers",
		},
		"server imports a method": {
			"extauthz/a.go", `package extauthz; import _ "github.com/gateward/gateward/methods/jwt"`,
			"extauthz/a.go imports methods/jwt, which extauthz is kept apart from",
		},
		"method reads configuration": {
			"methods/jwt/a.go", `package jwt; import _ "github.com/gateward/gateward/internal/config"`,
			"methods/jwt/a.go imports internal/config, which methods is kept apart from",
		},
		"another's dependency": {
			"methods/jwt/a.go", `package jwt; import _ "github.com/lestrrat-go/jwx/v3/jwk"`,
			"methods/jwt/a.go imports github.com/lestrrat-go/jwx/v3/jwk, which only internal/keyset may",
		},
		"testing in the product": {
			"extauthz/a.go", `package extauthz; import _ "testing"`,
			"extauthz/a.go imports testing, which only " + strings.Join(forTests, ", ") + " may",
		},
		"test support in the product": {
			"cmd/gateward/a.go", `package main; import _ "github.com/gateward/gateward/envoy/envoytest"`,
			"cmd/gateward/a.go imports envoy/envoytest, which is for tests",
		},
		"package not listed": {
			"internal/cache/a.go", "// Package cache is new.\npackage cache",
			"internal/cache: not in layers; decide where it belongs",
		},
		"vague name": {
			"extauthz/util/a.go", "// Package util is vague.\npackage util",
			"extauthz/util: util says nothing of what the package owns",
		},
		"grpc below the server": {
			"extauthz/wire/a.go", `package wire; import _ "google.golang.org/grpc/mem"`, "",
		},
		"a test":           {"methods/jwt/a_test.go", `package jwt; import _ "github.com/lestrrat-go/jwx/v3/jwk"`, ""},
		"fixtures":         {"extauthz/testdata/a.go", `package broken; import _ "io/ioutil"`, ""},
		"tools":            {".tmp/mod/a.go", "package mod", ""},
		"a module of demo": {"demo/a.go", "package main", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{"demo/go.mod": {Data: []byte("module demo")}}
			for pkg := range layers {
				tree[path.Join(pkg, "doc.go")] = &fstest.MapFile{Data: []byte("// Package p is p.\npackage p")}
			}
			tree[tt.file] = &fstest.MapFile{Data: []byte(tt.source)}
			problems, err := checkArchitecture(tree)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(problems) > 0 || tt.want != "" && !slices.Contains(problems, tt.want) {
				t.Errorf("got %q, want %q", problems, tt.want)
			}
		})
	}

	t.Run("package without a comment", func(t *testing.T) {
		t.Parallel()
		problems, err := checkArchitecture(fstest.MapFS{"methods/a.go": {Data: []byte("package methods")}})
		if err != nil {
			t.Fatal(err)
		}
		if want := "methods: no package comment, or no such package"; !slices.Contains(problems, want) {
			t.Errorf("got %q, want %q", problems, want)
		}
	})
}

// checkArchitecture returns what is wrong with the sources in tree, sorted. It
// reads them itself rather than asking go list: the test cache sees files that a
// test opens, but not files that a subprocess opens.
func checkArchitecture(tree fs.FS) ([]string, error) {
	var problems []string
	documented := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipForeign(tree, name)
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		documented[pkg] = documented[pkg] || f.Doc != nil
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			problems = append(problems, checkImport(name, imported)...)
		}
		return nil
	})
	for pkg := range layers {
		if !documented[pkg] {
			problems = append(problems, pkg+": no package comment, or no such package")
		}
	}
	for pkg := range documented {
		if _, ok := layers[pkg]; !ok {
			problems = append(problems, pkg+": not in layers; decide where it belongs")
		}
		if base := path.Base(pkg); slices.Contains(vague, base) {
			problems = append(problems, fmt.Sprintf("%s: %s says nothing of what the package owns", pkg, base))
		}
	}
	slices.Sort(problems)
	return problems, err
}

// skipForeign leaves out what the go command leaves out of this module.
func skipForeign(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	if base := path.Base(dir); base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// checkImport returns what is wrong with file importing imported.
func checkImport(file, imported string) []string {
	var problems []string
	pkg := path.Dir(file)
	for _, prefix := range slices.Sorted(maps.Keys(owners)) {
		mine := func(owner string) bool { return within(pkg, owner) }
		if beginsPath(imported, prefix) && !slices.ContainsFunc(owners[prefix], mine) {
			problems = append(problems, fmt.Sprintf("%s imports %s, which only %s may",
				file, imported, strings.Join(owners[prefix], ", ")))
		}
	}
	if !within(imported, module) {
		return problems
	}
	target := cmp.Or(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"), ".")
	height, ok := layers[target]
	if !ok {
		return append(problems, fmt.Sprintf("%s imports %s, which is not in layers", file, target))
	}
	if height >= layers[pkg] {
		problems = append(problems, fmt.Sprintf("%s (layer %d) imports %s (layer %d)", file, layers[pkg], target, height))
	}
	if slices.Contains(forTests, target) && !slices.Contains(forTests, pkg) {
		problems = append(problems, fmt.Sprintf("%s imports %s, which is for tests", file, target))
	}
	for one, others := range apart {
		if within(pkg, one) && slices.ContainsFunc(others, func(other string) bool { return within(target, other) }) {
			problems = append(problems, fmt.Sprintf("%s imports %s, which %s is kept apart from", file, target, one))
		}
	}
	return problems
}

// within reports whether pkg is parent or lies below it.
func within(pkg, parent string) bool {
	return pkg == parent || strings.HasPrefix(pkg, parent+"/")
}

// beginsPath reports whether imported is prefix or continues it.
func beginsPath(imported, prefix string) bool {
	return imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
}
