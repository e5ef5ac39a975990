package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/gateward/gateward"
)

// Options say where a configuration comes from. The zero Options are defaults
// alone.
type Options struct {
	// Path is the file to read; if it is "", the first of gateward.yaml, .yml,
	// .json and .toml in Dirs is read, and none of them need exist.
	Path string
	// Dirs are searched in order; see [SearchDirs].
	Dirs []string
	// Env is the environment as NAME=value pairs, as os.Environ returns it.
	Env []string
	// Files reaches the file system, with names as for the os package; nil is
	// the operating system's.
	Files fs.StatFS
	// Also, unless nil, finds out what else is wrong with a configuration: what
	// only those can tell who use it. It is called once the file is decoded,
	// also when that already has mistakes, so that all of them are told at
	// once; what was found to be wrong before is not told twice.
	Also func(*File) []Problem
}

// SearchDirs returns the directories that are searched for a configuration
// when none is named: the working directory and /etc/gateward.
func SearchDirs() []string { return []string{".", "/etc/gateward"} }

// A File is a configuration with its origin. It is not written to after [Load]
// has returned it.
type File struct {
	Config Config
	// Path is the file that was read, or "" if there was none.
	Path string
	// Read are all files whose content went into Config: Path and the targets
	// of ${file:} references. When one changes, Config is out of date.
	Read []string
	// Warnings are in the order of the file and then of the environment.
	Warnings []Problem

	root *node
}

// Load finds, reads, decodes and checks a configuration. If it cannot be used,
// the error is of type [Problems] and names every mistake, with the warnings
// in between.
func Load(o Options) (*File, error) {
	if o.Files == nil {
		o.Files = osFiles{}
	}
	d := &decoder{env: newEnvironment(o.Env), files: o.Files}
	f := &File{Config: Default()}
	f.root = d.open(f, o)
	if f.root == nil {
		return nil, d.problems.told()
	}
	d.overlay(f.root)
	d.block("", f.root, reflect.ValueOf(&f.Config).Elem())
	f.settle()
	c := checker{file: f, decoder: d}
	c.check()
	slices.Sort(d.read)
	f.Read = append(f.Read, slices.Compact(d.read)...)
	if o.Also != nil {
		for _, p := range o.Also(f) {
			if !slices.ContainsFunc(d.problems, p.repeats) {
				d.problems = append(d.problems, p)
			}
		}
	}
	if d.problems.fatal() {
		return nil, d.problems.told()
	}
	f.Warnings = d.problems.told()
	return f, nil
}

// open finds and parses the file. It returns nil if there is nothing to decode.
func (d *decoder) open(f *File, o Options) *node {
	f.Path = o.Path
	if o.Path == "" && !d.search(f, o.Dirs) {
		return nil
	}
	if f.Path == "" {
		return &node{kind: kindMapping}
	}
	start := Position{File: f.Path, Line: 1, Column: 1}
	data, err := readFile(d.files, f.Path, maxFileSize)
	if errors.Is(err, errTooLarge) {
		d.bad(start, "", fmt.Sprintf("is larger than %d MiB", maxFileSize>>20), "is it the right file?")
		return nil
	}
	if err != nil {
		d.bad(start, "", "cannot be read: "+reason(err), "check the path and its permissions")
		return nil
	}
	f.Read = []string{f.Path}
	root, problems := parse(f.Path, data)
	d.problems = append(d.problems, problems...)
	for _, p := range problems {
		if p.Key != "" {
			d.failed = append(d.failed, p.Key)
		}
	}
	return root
}

// search sets f.Path to the first file found. It returns false when it is not
// clear whether there is one.
func (d *decoder) search(f *File, dirs []string) bool {
	for _, dir := range dirs {
		for _, ending := range []string{".yaml", ".yml", ".json", ".toml"} {
			name := filepath.Join(dir, "gateward"+ending)
			switch _, err := d.files.Stat(name); {
			case err == nil && f.Path == "":
				f.Path = name
			case err == nil:
				start := Position{File: f.Path, Line: 1, Column: 1}
				d.warn(start, "", "is read, and "+name+" is not", "keep one of the two, or name one with --config")
			case !errors.Is(err, fs.ErrNotExist):
				start := Position{File: name, Line: 1, Column: 1}
				d.bad(start, "", "cannot be read: "+reason(err), "check its permissions")
				return false
			}
		}
		if f.Path != "" {
			return true
		}
	}
	return true
}

// Locate returns where a key was set, such as
//
//	rules[2].match.paths[0]
//	authentication.methods.jwt.issuers["a.b"].jwks_url
//
// and for a key that was not set, where the nearest block around it was.
func (f *File) Locate(key string) Position {
	pos, _ := f.root.find(key)
	return pos
}

// Place gives positions to what a package reported about its part of the
// configuration. It takes joined and wrapped errors apart; prefix is the path
// of the block that the keys of each [gateward.ConfigError] are relative to.
// An error of another type becomes a problem of that block.
func (f *File) Place(err error, prefix string) []Problem {
	if err == nil {
		return nil
	}
	if ce, ok := err.(*gateward.ConfigError); ok { //nolint:errorlint // the tree of errors is walked by hand
		key := canonicalKey(joinKeys(prefix, ce.Key))
		return []Problem{{f.Locate(key), key, ce.Problem, ce.Remedy, ce.Warning}}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var problems []Problem
		for _, e := range joined.Unwrap() {
			problems = append(problems, f.Place(e, prefix)...)
		}
		Problems(problems).sort()
		return problems
	}
	if ce := (*gateward.ConfigError)(nil); errors.As(err, &ce) {
		return f.Place(errors.Unwrap(err), prefix)
	}
	return []Problem{{Position: f.Locate(prefix), Key: prefix, Problem: err.Error()}}
}

func joinKeys(prefix, key string) string {
	if prefix == "" || key == "" || key[0] == '[' {
		return prefix + key
	}
	return prefix + "." + key
}

// osFiles is the operating system's file system.
type osFiles struct{}

func (osFiles) Open(name string) (fs.File, error)     { return os.Open(name) } //nolint:gosec // the operator names the files
func (osFiles) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
