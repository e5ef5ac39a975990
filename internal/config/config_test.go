package config_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gateward/gateward/internal/config"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/configuration.md")

// files is a file system in memory that takes names as the os package does.
type files struct{ fstest.MapFS }

func (f files) Open(name string) (fs.File, error) {
	return f.MapFS.Open(strings.TrimPrefix(name, "/"))
}

func (f files) Stat(name string) (fs.FileInfo, error) {
	return f.MapFS.Stat(strings.TrimPrefix(name, "/"))
}

// with returns a file system with one more file, readable by its owner only.
func (f files) with(name, content string) files {
	if f.MapFS == nil {
		f.MapFS = fstest.MapFS{}
	}
	f.MapFS[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content), Mode: 0o600}
	return f
}

// loadYAML loads a configuration that is called gateward.yaml.
func loadYAML(text string, env ...string) (*config.File, error) {
	return config.Load(config.Options{Path: "gateward.yaml", Env: env, Files: files{}.with("gateward.yaml", text)})
}

func mustLoad(t *testing.T, text string, env ...string) *config.File {
	t.Helper()
	f, err := loadYAML(text, env...)
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return f
}

func mustFail(t *testing.T, text string, env ...string) config.Problems {
	t.Helper()
	f, err := loadYAML(text, env...)
	problems, ok := err.(config.Problems) //nolint:errorlint // the documented type
	if !ok || f != nil {
		t.Fatalf("got file %v and error %T %v, want problems", f, err, err)
	}
	return problems
}

func texts(problems []config.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (go test ./internal/config -update rewrites it)\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

// mistakesFiles is the world that the fixtures of mistakes live in.
func mistakesFiles() files {
	return files{}.with("/run/secrets/ci", "0123456789abcdef0123\n").with("/run/tls.crt", "x").with("/run/tls.key", "x")
}

// TestMistakes compares the problems of each file in testdata/mistakes with
// the golden file beside it. Lines "# env NAME=value" make its environment.
func TestMistakes(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/mistakes/*")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return filepath.Ext(n) == ".golden" })
	if len(names) < 150 {
		t.Fatalf("found %d mistakes, where are the others?", len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var env []string
			for line := range strings.Lines(string(data)) {
				if pair, ok := strings.CutPrefix(strings.TrimSpace(line), "# env "); ok {
					env = append(env, pair)
				}
			}
			path := "gateward" + filepath.Ext(name)
			f, err := config.Load(config.Options{Path: path, Env: env, Files: mistakesFiles().with(path, string(data))})
			problems, refused := err.(config.Problems) //nolint:errorlint // the documented type
			if warned := strings.Contains(name, "warn-"); warned == refused {
				t.Errorf("refused: %t, want %t", refused, !warned)
			}
			if !refused {
				problems = f.Warnings
			}
			if len(problems) == 0 {
				t.Error("no problem found")
			}
			if !slices.IsSortedFunc(problems, func(a, b config.Problem) int { return strings.Compare(a.Env, b.Env) }) {
				t.Error("the file does not come before the environment")
			}
			for _, p := range problems {
				if p.Problem == "" || p.Remedy == "" {
					t.Errorf("no remedy: %s", p)
				}
			}
			golden(t, name+".golden", []byte(texts(problems)))
		})
	}
}

// TestReference keeps docs/configuration.md what the code says.
func TestReference(t *testing.T) {
	t.Parallel()
	golden(t, "../../docs/configuration.md", config.Reference())
}

// TestSEC_R16_AlsoIsNeverOverheard: a mistake that is found elsewhere stops the
// configuration, whatever else was said about its place.
func TestSEC_R16_AlsoIsNeverOverheard(t *testing.T) {
	t.Parallel()
	env := []string{
		"GATEWARD_AUTHENTICATION_METHODS_TOKEN_ENABLED=true", "GATEWARD_SERVER_GRPC_ADDRESS=127.0.0.1:1",
		"FLIPT_AUTHENTICATION_METHODS_TOKEN_STORAGE_TOKENS_CI_CREDENTIAL=short",
	}
	f, err := config.Load(config.Options{Env: env})
	if err != nil || len(f.Warnings) == 0 {
		t.Fatalf("got %v, %v", f, err)
	}
	for _, w := range f.Warnings {
		for _, key := range []string{w.Key, "", "rules[1]", w.Key + ".x", "authentication"} {
			p := config.Problem{Position: w.Position, Key: key, Problem: "is wrong"}
			_, err := config.Load(config.Options{Env: env, Also: func(*config.File) []config.Problem { return []config.Problem{p} }})
			if err == nil {
				t.Errorf("%q beside %v was overheard", key, w)
			}
			p.Warning = true
			f, err := config.Load(config.Options{Env: env, Also: func(*config.File) []config.Problem { return []config.Problem{p, p} }})
			if err != nil {
				t.Errorf("a warning stops the configuration: %v", err)
			} else if key == w.Key && key != "" && len(f.Warnings) > 2 {
				t.Errorf("said twice: %v", f.Warnings)
			}
		}
	}
}
