package config

import (
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxTOMLKeys bounds the keys, tables and dots of a TOML file: the library takes
// time in the square of their number.
const maxTOMLKeys = 20_000

// toml reads a TOML document. The library's decoder judges whether it is
// valid; its parser, which judges less, yields the positions.
func (s *source) toml() *node {
	keys := 0
	for _, c := range s.data {
		if c == '=' || c == '[' || c == '.' {
			keys++
		}
	}
	if keys > maxTOMLKeys {
		s.bad(s.at(1, 1), "", "has too many keys for TOML", "write it as YAML or JSON")
		return nil
	}
	if err := toml.Unmarshal(s.data, &map[string]any{}); err != nil {
		s.tomlError(err)
		return nil
	}
	r := tomlReader{source: s}
	r.parser.Reset(s.data)
	root := &node{kind: kindMapping, pos: s.at(1, 1)}
	block, path := root, ""
	for r.parser.NextExpression() {
		switch e := r.parser.Expression(); e.Kind { //nolint:exhaustive // comments are not kept; values stand in key-values
		case unstable.Table:
			block, path = r.descend(root, "", e.Key(), false)
		case unstable.ArrayTable:
			block, path = r.descend(root, "", e.Key(), true)
		case unstable.KeyValue:
			if block != nil {
				r.keyValue(block, path, e, 0)
			}
		}
	}
	if r.parser.Error() != nil || len(s.problems) > 0 {
		if len(s.problems) == 0 {
			s.bad(s.at(1, 1), "", "is not valid TOML", "check brackets and quotes")
		}
		return nil
	}
	return root
}

func (s *source) tomlError(err error) {
	pos, message := s.at(1, 1), "syntax error"
	if de := (*toml.DecodeError)(nil); errors.As(err, &de) {
		line, column := de.Position()
		if line >= 1 && line <= len(s.lines) { // columns are in bytes here
			pos = s.offset(s.lines[line-1] + max(column-1, 0))
		}
		// strconv quotes the value, which may be a secret.
		if m := de.Error(); !strings.Contains(m, "strconv") {
			message = strings.TrimPrefix(strings.TrimPrefix(m, "toml: "), "toml: ")
		}
	}
	s.bad(pos, "", "is not valid TOML: "+message, "check quotes, brackets and that no key is set twice")
}

type tomlReader struct {
	*source
	parser unstable.Parser
}

// descend follows the key of a table header, makes what is missing, and
// returns the block at its end: a new item of a list for [[key]].
func (r *tomlReader) descend(n *node, path string, keys unstable.Iterator, list bool) (*node, string) {
	for depth := 0; keys.Next(); depth++ {
		k := keys.Node()
		pos := r.offset(int(k.Raw.Offset))
		if depth > maxDepth {
			r.tooDeep(pos)
			return nil, ""
		}
		key := string(k.Data)
		e := n.get(key)
		path = childKey(path, key)
		if list && keys.IsLast() {
			if e == nil {
				e = &entry{key, pos, &node{kind: kindList, pos: pos}}
				n.put(e)
			}
			item := &node{kind: kindMapping, pos: pos}
			e.value.items = append(e.value.items, item)
			return item, itemKey(path, len(e.value.items)-1)
		}
		if e == nil {
			e = &entry{key, pos, &node{kind: kindMapping, pos: pos}}
			n.put(e)
		}
		n = e.value
		if n.kind == kindList && len(n.items) > 0 { // [[a]] then [a.b]
			path = itemKey(path, len(n.items)-1)
			n = n.items[len(n.items)-1]
		}
	}
	return n, path
}

func (r *tomlReader) keyValue(block *node, path string, kv *unstable.Node, depth int) {
	keys := kv.Key()
	for keys.Next() {
		k := keys.Node()
		pos, key := r.offset(int(k.Raw.Offset)), string(k.Data)
		if depth++; depth > maxDepth {
			r.tooDeep(pos)
			return
		}
		path = childKey(path, key)
		if keys.IsLast() {
			if v := r.value(kv.Value(), path, pos, depth); v != nil {
				block.put(&entry{key, pos, v})
			}
			return
		}
		e := block.get(key)
		if e == nil {
			e = &entry{key, pos, &node{kind: kindMapping, pos: pos}}
			block.put(e)
		}
		block = e.value
	}
}

// value copies a value; where it begins is outer if the parser does not say.
func (r *tomlReader) value(v *unstable.Node, path string, outer Position, depth int) *node {
	n := &node{pos: outer, text: string(v.Data)}
	if v.Raw.Length > 0 {
		n.pos = r.offset(int(v.Raw.Offset))
	}
	if depth > maxDepth {
		r.tooDeep(n.pos)
		return nil
	}
	switch v.Kind { //nolint:exhaustive // everything else is a number or a date
	case unstable.String:
		n.kind = kindString
	case unstable.Bool:
		n.kind = kindBool
	case unstable.Array:
		n.kind = kindList
		for items := v.Children(); items.Next(); {
			if item := r.value(items.Node(), itemKey(path, len(n.items)), n.pos, depth+1); item != nil {
				n.items = append(n.items, item)
			}
		}
	case unstable.InlineTable:
		n.kind = kindMapping
		for entries := v.Children(); entries.Next(); {
			r.keyValue(n, path, entries.Node(), depth)
		}
	default:
		n.kind = kindNumber
	}
	return n
}
