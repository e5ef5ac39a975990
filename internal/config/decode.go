package config

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

// A decoder fills a Config from a tree and notes what does not fit.
type decoder struct {
	env   environment
	files fs.StatFS
	// read are the files that ${file:} referred to.
	read     []string
	problems Problems
	// failed are the keys with problems. Checks that depend on them are not
	// made: one mistake, one message.
	failed []string
}

func (d *decoder) bad(pos Position, key, problem, remedy string) {
	d.problems = append(d.problems, Problem{Position: pos, Key: key, Problem: problem, Remedy: remedy})
	if key != "" {
		d.failed = append(d.failed, key)
	}
}

// expect notes a problem unless n is of one of the kinds.
func (d *decoder) expect(key string, n *node, what string, kinds ...kind) bool {
	if slices.Contains(kinds, n.kind) {
		return true
	}
	problem, remedy := "is "+n.kind.String(), "write "+what
	if n.kind == kindNull {
		problem, remedy = "has no value", "remove the key, or give it a value ({} is an empty block, [] an empty list)"
	}
	d.bad(n.pos, key, problem, remedy)
	return false
}

// block decodes the keys of a struct.
func (d *decoder) block(key string, n *node, v reflect.Value) {
	if !d.expect(key, n, "a block of keys", kindMapping) {
		return
	}
	fields := fieldsOf(v.Type())
	for _, e := range n.entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			d.unknown(key, e, fields)
			continue
		}
		d.field(childKey(key, e.key), e.value, v.FieldByIndex(fields[i].index), fields[i])
	}
}

func (d *decoder) unknown(block string, e *entry, fields []field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	remedy := "the keys here are " + strings.Join(slices.Sorted(slices.Values(keys)), ", ")
	if len(d.problems) <= maxProblems { // those after are hardly told
		if near := nearest(e.key, keys); near != "" {
			remedy = "did you mean " + near + "?"
		} else if elsewhere := keyElsewhere(e.key); elsewhere != "" {
			remedy = "there is " + elsewhere
		}
	}
	d.bad(e.pos, childKey(block, e.key), "unknown key", remedy)
}

// keyElsewhere returns the path of the only key with this name, or "".
func keyElsewhere(key string) string {
	var found []string
	walk("", reflect.ValueOf(Default()), func(k documentedKey) {
		if _, same := docFor(k.path); k.key == key && same == "" {
			found = append(found, k.path)
		}
	})
	if len(found) != 1 || strings.Contains(found[0], "<") {
		return ""
	}
	return found[0]
}

func (d *decoder) field(key string, n *node, v reflect.Value, f field) {
	switch f.shape() {
	case shapeBlock:
		d.block(key, n, v)
	case shapeBlocks:
		d.blocks(key, n, v)
	case shapeNamed, shapeTexts, shapeLists:
		d.mapping(key, n, v, f)
	case shapeList:
		d.list(key, n, v, f)
	case shapeBool:
		d.boolean(key, n, v)
	case shapeInt:
		d.integer(key, n, v)
	case shapeDuration:
		d.duration(key, n, v, f)
	case shapeSecrets:
		var texts []string
		d.list(key, n, reflect.ValueOf(&texts).Elem(), f)
		secrets := make([]gateward.Secret, len(texts))
		for i, text := range texts {
			secrets[i] = gateward.NewSecret(text)
		}
		v.Set(reflect.ValueOf(secrets))
	case shapeSecret:
		if text, ok := d.text(key, n); ok {
			v.Set(reflect.ValueOf(gateward.NewSecret(text)))
		}
	case shapeString:
		if text, ok := d.text(key, n); ok && d.admitted(key, n, text, f.enum) {
			v.SetString(text)
		}
	}
}

// admitted checks a word against those that a key allows.
func (d *decoder) admitted(key string, n *node, word string, enum []string) bool {
	if len(enum) == 0 || slices.Contains(enum, word) {
		return true
	}
	remedy := "write one of " + strings.Join(enum, ", ")
	if near := nearest(word, enum); near != "" && n.reference == "" {
		remedy += "; did you mean " + near + "?"
	}
	d.bad(n.pos, key, n.shown()+" is not a value of this key", remedy)
	return false
}

func (d *decoder) blocks(key string, n *node, v reflect.Value) {
	if !d.expect(key, n, "a list of blocks", kindList) {
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, len(n.items))
	for i, item := range n.items {
		element := newElement(v.Type().Elem())
		d.block(itemKey(key, i), item, element)
		list = reflect.Append(list, element)
	}
	v.Set(list)
}

func (d *decoder) mapping(key string, n *node, v reflect.Value, f field) {
	if !d.expect(key, n, "a block", kindMapping) {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		path := childKey(key, e.key)
		if e.key == "" {
			d.bad(e.pos, path, "the "+f.mapKey+" is empty", "give it a name")
			continue
		}
		element := newElement(v.Type().Elem())
		d.field(path, e.value, element, field{typ: element.Type()})
		m.SetMapIndex(reflect.ValueOf(e.key), element)
	}
	v.Set(m)
}

// list decodes a list of strings, or one string that holds them all. What
// looks like a list and holds nothing is refused, because to most keys an
// empty list means everything; [] says so clearly.
func (d *decoder) list(key string, n *node, v reflect.Value, f field) {
	list := []string{}
	if n.kind == kindList {
		for i, item := range n.items {
			path := itemKey(key, i)
			text, ok := d.text(path, item)
			if ok && strings.TrimSpace(text) == "" {
				d.bad(item.pos, path, "is empty", "remove it, or give it a value")
			} else if ok && d.admitted(path, item, text, f.enum) {
				list = append(list, text)
			}
		}
		v.Set(reflect.ValueOf(list))
		return
	}
	if n.kind != kindString && n.kind != kindNumber {
		d.expect(key, n, "a list, or strings separated by commas or spaces", kindList)
		return
	}
	text, ok := d.text(key, n)
	if !ok {
		return
	}
	for _, word := range splitList(text) {
		if d.admitted(key, &node{text: word, pos: n.pos, reference: n.reference}, word, f.enum) {
			list = append(list, word)
		}
	}
	if len(list) == 0 && len(splitList(text)) == 0 {
		d.bad(n.pos, key, "names nothing", "write [] for an empty list")
		return
	}
	v.Set(reflect.ValueOf(list))
}

// text decodes a string. A number counts as it is written.
func (d *decoder) text(key string, n *node) (string, bool) {
	if n.kind == kindBool {
		d.bad(n.pos, key, "is a boolean", "put it in quotes to make it a string")
		return "", false
	}
	if !d.expect(key, n, "a string", kindString, kindNumber) || !d.resolve(key, n) {
		return "", false
	}
	return n.text, true
}

func (d *decoder) boolean(key string, n *node, v reflect.Value) {
	if !d.expect(key, n, "true or false", kindBool, kindString) || !d.resolve(key, n) {
		return
	}
	word := strings.ToLower(n.text)
	if word != "true" && word != "false" {
		d.bad(n.pos, key, n.shown()+" is not a boolean", "write true or false")
		return
	}
	yes := word == "true"
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.ValueOf(&yes))
		return
	}
	v.SetBool(yes)
}

func (d *decoder) integer(key string, n *node, v reflect.Value) {
	if !d.expect(key, n, "a whole number", kindNumber, kindString) || !d.resolve(key, n) {
		return
	}
	i, err := parseInt(n.text)
	if err != nil {
		d.bad(n.pos, key, n.shown()+" is not a whole number", "write decimal digits, such as 100000")
		return
	}
	v.SetInt(int64(i))
}

func (d *decoder) duration(key string, n *node, v reflect.Value, f field) {
	if !d.expect(key, n, "a duration with its unit", kindString, kindNumber) || !d.resolve(key, n) {
		return
	}
	t, err := parseDuration(n.text)
	if errors.Is(err, errBareNumber) {
		remedy := "add the unit, such as 30s, 5m, 24h or 7d"
		if n.reference == "" {
			remedy = fmt.Sprintf("write %ss, %[1]sm, %[1]sh or %[1]sd", n.text)
		}
		d.bad(n.pos, key, n.shown()+" has no unit", remedy)
		return
	}
	if err != nil {
		problem := n.shown() + " " + err.Error()
		if errors.Is(err, errNegative) && f.negative != "" {
			problem = f.negative
		}
		d.bad(n.pos, key, problem, "write a duration such as 90s, 1h30m or 7d")
		return
	}
	v.SetInt(int64(t))
}
