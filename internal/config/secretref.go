package config

import (
	"errors"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// maxReferenceSize bounds what ${file:} reads: secrets are short.
const maxReferenceSize = 1 << 20

// resolve replaces the text of a node that is a reference as a whole,
// ${env:NAME} or ${file:PATH}, by what it stands for, which must not be empty:
// an empty variable would turn off what the key turns on. Parts of a text are
// never replaced, and so are refused; what a reference yields is not looked at
// again.
func (d *decoder) resolve(key string, n *node) bool {
	if n.kind != kindString {
		return true
	}
	if !strings.HasPrefix(n.text, "${") || !strings.HasSuffix(n.text, "}") {
		if strings.Contains(n.text, "${env:") || strings.Contains(n.text, "${file:") {
			d.bad(n.pos, key, "holds a reference among other text, where it is not replaced", "make ${env:NAME} or ${file:/path} the whole value")
			return false
		}
		return true
	}
	if !d.refer(key, n) {
		return false
	}
	if strings.TrimSpace(n.text) == "" {
		d.bad(n.pos, key, n.shown()+" is empty", "give it a value, or remove the key")
		return false
	}
	return true
}

// refer replaces the text of a node that is a reference.
func (d *decoder) refer(key string, n *node) bool {
	scheme, name, _ := strings.Cut(n.text[2:len(n.text)-1], ":")
	switch {
	case scheme == "env" && regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name):
		return d.resolveEnv(key, n, name)
	case scheme == "file" && name != "":
		return d.resolveFile(key, n, name)
	}
	d.bad(n.pos, key, "is a reference of an unknown form", "write ${env:NAME} or ${file:/path}")
	return false
}

func (d *decoder) resolveEnv(key string, n *node, name string) bool {
	value, ok := d.env.vars[name]
	if !ok {
		d.bad(n.pos, key, "refers to the environment variable "+name+", which is not set", "set it, or correct the name")
		return false
	}
	// It has a purpose, whatever its name looked like.
	d.problems = slices.DeleteFunc(d.problems, func(p Problem) bool {
		return p.Warning && p.Env == name && p.Problem == fitsNoKey
	})
	n.text, n.reference = value, n.text
	return true
}

func (d *decoder) resolveFile(key string, n *node, name string) bool {
	d.read = append(d.read, name)
	if info, err := d.files.Stat(name); err == nil && !info.Mode().IsRegular() {
		// Reading a pipe or a device may never end.
		d.bad(n.pos, key, "refers to "+name+", which is not a regular file", "correct the path")
		return false
	}
	data, err := readFile(d.files, name, maxReferenceSize)
	if err != nil {
		d.bad(n.pos, key, "refers to the file "+name+", which cannot be read: "+reason(err), "create it, or correct the path")
		return false
	}
	text := strings.TrimSuffix(string(data), "\n")
	if len(text) < len(data) {
		text = strings.TrimSuffix(text, "\r")
	}
	n.text, n.reference = text, n.text
	return true
}

var errTooLarge = errors.New("file too large")

// readFile reads a file of at most limit bytes.
func readFile(files fs.FS, name string, limit int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}

// reason returns what went wrong with a file, without its name.
func reason(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
