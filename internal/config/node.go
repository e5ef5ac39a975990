package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A kind is what a node is, whatever format it was written in.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	// kindNumber is a number or a date: a value that the format gives a type
	// of its own, and that we take literally.
	kindNumber
	kindString
	kindList
	kindMapping
)

func (k kind) String() string {
	switch k {
	case kindBool:
		return "a boolean"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	case kindList:
		return "a list"
	case kindMapping:
		return "a block"
	case kindNull:
	}
	return "nothing"
}

// A node is a value as it was written. All formats and the environment end in
// this one tree.
type node struct {
	kind kind
	pos  Position
	// text is the value of a string, and a number or boolean as written.
	text string
	// reference is "${env:NAME}" or "${file:PATH}" once text has been replaced
	// by what that stands for. Such a text is never shown.
	reference string
	items     []*node
	entries   []*entry
	index     map[string]*entry
}

type entry struct {
	key   string
	pos   Position
	value *node
}

func (n *node) get(key string) *entry { return n.index[key] }

// put adds an entry, or replaces the one of the same key.
func (n *node) put(e *entry) {
	if n.index == nil {
		n.index = map[string]*entry{}
	}
	if old := n.index[e.key]; old != nil {
		*old = *e
		return
	}
	n.index[e.key] = e
	n.entries = append(n.entries, e)
}

// shown returns a scalar for a message. Callers never pass secrets; what came
// by reference may be one all the same, and is not shown.
func (n *node) shown() string {
	if n.reference != "" {
		return "the value of " + n.reference
	}
	return quote(n.text)
}

// quote quotes s for a message and keeps it short.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most])) + "…"
	}
	return strconv.Quote(s)
}

// A step leads from a node to one below it: by key, or by index when that is
// not negative.
type step struct {
	key   string
	index int
}

// childKey appends a key to a key path. What is not plain is quoted, so that a
// dot in a key cannot be mistaken for a step.
func childKey(path, key string) string {
	if !plainKey(key) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func itemKey(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func plainKey(key string) bool {
	for _, c := range key {
		if !isAlphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return key != ""
}

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric[T byte | rune](c T) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// enclosing returns the paths of what a key stands in, from the outside in.
func enclosing(path string) []string {
	var paths []string
	steps, _ := parseKey(path)
	at := ""
	for _, s := range steps[:max(len(steps)-1, 0)] {
		at = s.below(at)
		paths = append(paths, at)
	}
	return paths
}

// below returns the key path that the step leads to from path.
func (s step) below(path string) string {
	if s.index >= 0 {
		return itemKey(path, s.index)
	}
	return childKey(path, s.key)
}

// parseKey splits a key path into its steps, as far as it is well formed; rest
// is what is not.
func parseKey(path string) (steps []step, rest string) {
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return steps, path
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return steps, path
			}
			steps = append(steps, step{key: key, index: -1})
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			digits, after, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(digits)
			if err != nil || i < 0 {
				return steps, path
			}
			steps = append(steps, step{index: i})
			path = after
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps = append(steps, step{key: path[:end], index: -1})
			path = path[end:]
		}
	}
	return steps, ""
}

// canonicalKey writes a key path as we do: map keys are quoted only if they
// are not plain.
func canonicalKey(path string) string {
	steps, rest := parseKey(path)
	if rest != "" {
		return path
	}
	canonical := ""
	for _, s := range steps {
		canonical = s.below(canonical)
	}
	return canonical
}

// find follows a key path. It returns the position of the last node that
// exists on it, and that node if it is the path's end. A block stands where
// its key does, anything else where its value does.
func (n *node) find(path string) (Position, *node) {
	pos := n.pos
	steps, _ := parseKey(path)
	for _, s := range steps {
		if s.index >= 0 {
			if s.index >= len(n.items) {
				return pos, nil
			}
			n = n.items[s.index]
			pos = n.pos
			continue
		}
		e := n.get(s.key)
		if e == nil {
			return pos, nil
		}
		n, pos = e.value, e.value.pos
		if n.kind == kindMapping {
			pos = e.pos
		}
	}
	return pos, n
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
