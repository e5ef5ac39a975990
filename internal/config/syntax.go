package config

import (
	"bytes"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"
)

// Limits of a file. The depth is far beyond what any key needs.
const (
	maxFileSize = 4 << 20
	maxDepth    = 64
)

// A source is one file's text on its way into a tree.
type source struct {
	name     string
	data     []byte
	lines    []int // offset of each line
	widths   []int // of each line, in characters
	problems Problems
	// last is where offset has counted to: parsers go forward, and counting
	// from the start of a long line each time would take for ever.
	last struct{ offset, line, column int }
}

// parse reads the text in the format that the name's ending says. Its tree is
// nil if the text cannot be understood at all.
func parse(name string, data []byte) (*node, Problems) {
	s := &source{name: name, data: bytes.TrimPrefix(data, []byte("\ufeff"))}
	s.lines = append(s.lines, 0)
	for i, c := range s.data {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	for line, start := range s.lines {
		end := len(s.data)
		if line+1 < len(s.lines) {
			end = s.lines[line+1] - 1
		}
		s.widths = append(s.widths, utf8.RuneCount(s.data[start:end]))
	}
	if i := invalidUTF8(s.data); i >= 0 {
		s.bad(s.offset(i), "", "is not valid UTF-8", "save the file as UTF-8")
		return nil, s.problems
	}
	var root *node
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		root = s.yaml()
	case ".json":
		root = s.json()
	case ".toml":
		root = s.toml()
	default:
		s.bad(s.at(1, 1), "", "has an unknown format", "name the file .yaml, .yml, .json or .toml")
	}
	if root != nil && root.kind != kindMapping {
		s.bad(root.pos, "", "expected a block of keys, got "+root.kind.String(), "see docs/configuration.md for the keys")
		root = nil
	}
	return root, s.problems
}

func (s *source) bad(pos Position, key, problem, remedy string) {
	s.problems = append(s.problems, Problem{Position: pos, Key: key, Problem: problem, Remedy: remedy})
}

// at makes a position, moved into the file if a parser counts differently.
func (s *source) at(line, column int) Position {
	line = min(max(line, 1), len(s.lines))
	column = min(max(column, 1), s.widths[line-1]+1)
	return Position{File: s.name, Line: line, Column: column}
}

// offset makes a position of a byte offset.
func (s *source) offset(i int) Position {
	i = min(max(i, 0), len(s.data))
	line := sort.SearchInts(s.lines, i+1) // how many lines start at or before i
	if s.last.line != line || s.last.offset > i {
		s.last.line, s.last.offset, s.last.column = line, s.lines[line-1], 1
	}
	s.last.column += utf8.RuneCount(s.data[s.last.offset:i])
	s.last.offset = i
	return s.at(line, s.last.column)
}

// add puts an entry into a block; a key that is there already is a problem.
func (s *source) add(block *node, path string, e *entry) {
	if first := block.get(e.key); first != nil {
		s.bad(e.pos, childKey(path, e.key), "is set twice; the first is at "+first.pos.String(), "remove one of the two")
		return
	}
	block.put(e)
}

func (s *source) tooDeep(pos Position) {
	s.bad(pos, "", "is nested too deeply", "no key needs more than a few levels")
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return -1
}
