package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml reads one YAML document; an empty one is an empty block.
func (s *source) yaml() *node {
	decoder := yaml.NewDecoder(bytes.NewReader(s.data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return &node{kind: kindMapping, pos: s.at(1, 1)}
	} else if err != nil {
		s.yamlError(err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		s.bad(s.at(second.Line, second.Column), "", "is a second YAML document", "keep one document in the file")
		return nil
	} else if !errors.Is(err, io.EOF) {
		s.yamlError(err)
		return nil
	}
	// A file without aliases never has more nodes than bytes.
	c := yamlConverter{source: s, budget: len(s.data) + 100_000, open: map[*yaml.Node]bool{}}
	root := c.convert(document.Content[0], "", 0)
	if c.budget < 0 {
		s.bad(s.at(1, 1), "", "is too large once its aliases are written out", "use fewer aliases")
		return nil
	}
	if root != nil && root.kind == kindNull && document.Content[0].Value == "" {
		return &node{kind: kindMapping, pos: root.pos}
	}
	return root
}

// yamlError reports what the YAML parser said, without anything that it quotes
// from the file: a secret that begins with * reads as an alias.
func (s *source) yamlError(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits; out of range is clamped by at
		message = message[len(m[0]):]
		if regexp.MustCompile(`^did not find expected (key|',|'-'|node|<)|undefined tag handle`).MatchString(message) {
			line++ // what the grammar, unlike the scanner, reports counts from 0
		}
	}
	remedy := "check indentation and quotes"
	if anchor, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		anchor, _, _ = strings.Cut(anchor, "' referenced")
		pos := s.offset(max(bytes.Index(s.data, []byte("*"+anchor)), 0))
		s.bad(pos, "", "is not valid YAML: an alias names an anchor that does not exist", "quote a value that begins with *")
		return
	}
	if strings.ContainsAny(message, `'"`) && strings.Contains(message, "%") {
		message = "syntax error"
	}
	s.bad(s.at(line, 1), "", "is not valid YAML: "+message, remedy)
}

type yamlConverter struct {
	*source
	budget int
	open   map[*yaml.Node]bool // the anchors that are being written out
}

// convert copies y into our tree, aliases written out. It returns nil after a
// problem that leaves nothing to go on with.
func (c *yamlConverter) convert(y *yaml.Node, path string, depth int) *node {
	pos := c.at(y.Line, y.Column)
	if c.budget--; c.budget < 0 {
		return nil
	}
	if depth > maxDepth {
		c.tooDeep(pos)
		return nil
	}
	switch y.Kind {
	case yaml.AliasNode:
		if c.open[y.Alias] {
			c.bad(pos, path, "is an alias that contains itself", "write the value out")
			return nil
		}
		c.open[y.Alias] = true
		n := c.convert(y.Alias, path, depth+1)
		delete(c.open, y.Alias)
		if n != nil {
			n.pos = pos
		}
		return n
	case yaml.ScalarNode:
		return c.scalar(y, path, pos)
	case yaml.SequenceNode:
		if tag := y.ShortTag(); tag != "!!seq" {
			c.badTag(pos, path, tag)
		}
		n := &node{kind: kindList, pos: pos}
		for i, item := range y.Content {
			if v := c.convert(item, itemKey(path, i), depth+1); v != nil {
				n.items = append(n.items, v)
			}
		}
		return n
	case yaml.MappingNode:
		return c.mapping(y, path, pos, depth)
	case yaml.DocumentNode:
	}
	c.bad(pos, path, "is not a value", "")
	return nil
}

func (c *yamlConverter) scalar(y *yaml.Node, path string, pos Position) *node {
	n := &node{pos: pos, text: y.Value}
	switch tag := y.ShortTag(); tag {
	case "!!null":
		n.kind, n.text = kindNull, ""
	case "!!bool":
		n.kind = kindBool
	case "!!int", "!!float", "!!timestamp":
		n.kind = kindNumber
	case "!!str", "!!merge":
		n.kind = kindString
	default:
		c.badTag(pos, path, tag)
		return nil
	}
	return n
}

func (c *yamlConverter) badTag(pos Position, path, tag string) {
	if !strings.HasPrefix(tag, "!!") {
		// Perhaps a secret that begins with an exclamation mark.
		c.bad(pos, path, "has a YAML tag, which means nothing here", "put a value that begins with ! in quotes")
		return
	}
	c.bad(pos, path, "has the YAML tag "+quote(tag)+", which means nothing here", "remove the tag")
}

func (c *yamlConverter) mapping(y *yaml.Node, path string, pos Position, depth int) *node {
	if tag := y.ShortTag(); tag != "!!map" {
		c.badTag(pos, path, tag)
	}
	n := &node{kind: kindMapping, pos: pos}
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		keyPos := c.at(key.Line, key.Column)
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" {
			c.bad(keyPos, path, "has a key that is not a name", "write a string before the colon")
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, c.mergeSources(value, path, depth+1)...)
			continue
		}
		if v := c.convert(value, childKey(path, key.Value), depth+1); v != nil {
			c.add(n, path, &entry{key: key.Value, pos: keyPos, value: v})
		}
	}
	for _, m := range merged { // what is written out wins, then the first merged
		for _, e := range m.entries {
			if n.get(e.key) == nil {
				n.put(e)
			}
		}
	}
	return n
}

// mergeSources returns the blocks behind a merge key "<<".
func (c *yamlConverter) mergeSources(y *yaml.Node, path string, depth int) []*node {
	v := c.convert(y, childKey(path, "<<"), depth)
	if v == nil {
		return nil
	}
	blocks := []*node{v}
	if v.kind == kindList {
		blocks = v.items
	}
	for _, b := range blocks {
		if b.kind != kindMapping {
			c.bad(b.pos, childKey(path, "<<"), "expected a block to merge, got "+b.kind.String(), "merge an alias of a block")
			return nil
		}
	}
	return blocks
}
