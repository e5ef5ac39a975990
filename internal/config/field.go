package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

// A shape is how a Go type is written in a configuration file.
type shape uint8

const (
	shapeString shape = iota
	shapeSecret
	shapeBool
	shapeInt
	shapeDuration
	shapeSecrets // a list of secrets
	shapeList    // of strings
	shapeBlock   // a struct
	shapeBlocks  // a list of structs
	shapeNamed   // structs by name
	shapeTexts   // strings by name
	shapeLists   // lists of strings by name
)

func shapeOf(t reflect.Type) shape {
	switch t {
	case reflect.TypeFor[gateward.Secret]():
		return shapeSecret
	case reflect.TypeFor[[]gateward.Secret]():
		return shapeSecrets
	case reflect.TypeFor[time.Duration]():
		return shapeDuration
	case reflect.TypeFor[*bool](): // nil where nobody said anything
		return shapeBool
	}
	switch t.Kind() { //nolint:exhaustive // everything else is a string, which a test checks
	case reflect.Bool:
		return shapeBool
	case reflect.Int:
		return shapeInt
	case reflect.Struct:
		return shapeBlock
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return shapeBlocks
		}
		return shapeList
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			return shapeNamed
		}
		if t.Elem().Kind() == reflect.Slice {
			return shapeLists
		}
		return shapeTexts
	}
	return shapeString
}

// texts reports whether a value of the shape is a map whose values each stand in
// one environment variable.
func (s shape) texts() bool { return s == shapeTexts || s == shapeLists }

// leaf reports whether a value of the shape stands in one environment variable.
func (s shape) leaf() bool { return s <= shapeList }

// A field is one key of a block.
type field struct {
	key   string
	index []int // for reflect.Value.FieldByIndex
	typ   reflect.Type
	enum  []string
	// mapKey names the keys of a map in the documentation.
	mapKey string
	// negative is what is said of a negative duration, where Flipt has words for
	// it.
	negative string
}

func (f field) shape() shape { return shapeOf(f.typ) }

// fieldsOf returns the keys of a block in the order of their declaration, with
// those of embedded structs in place.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Anonymous {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				fields = append(fields, f)
			}
			continue
		}
		f := field{key: sf.Tag.Get("key"), index: []int{i}, typ: sf.Type, mapKey: sf.Tag.Get("mapkey"), negative: sf.Tag.Get("negative")}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, "|")
		}
		fields = append(fields, f)
	}
	return fields
}

// defaulter is implemented by the structs that stand in lists and maps and
// have defaults.
type defaulter interface{ setDefaults() }

// newElement returns a settable struct for an element of a list or a map.
func newElement(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(defaulter); ok {
		d.setDefaults()
	}
	return v.Elem()
}

// A documented key is a field with its place in the whole, for the schema, the
// reference and suggestions.
type documentedKey struct {
	field
	// path names map keys and list items by placeholders: "rules[]",
	// "tokens.<id>".
	path  string
	value reflect.Value // the default
}

// walk calls visit for every key below a block, each block before its keys.
func walk(path string, block reflect.Value, visit func(documentedKey)) {
	for _, f := range fieldsOf(block.Type()) {
		k := documentedKey{field: f, path: f.key, value: block.FieldByIndex(f.index)}
		if path != "" {
			k.path = path + "." + f.key
		}
		visit(k)
		switch f.shape() { //nolint:exhaustive // the others have nothing below them
		case shapeBlock:
			walk(k.path, k.value, visit)
		case shapeBlocks:
			walk(k.path+"[]", newElement(f.typ.Elem()), visit)
		case shapeNamed:
			walk(k.path+".<"+f.mapKey+">", newElement(f.typ.Elem()), visit)
		}
	}
}

// secretKeys calls visit for the key of every secret, or list of secrets, that
// there is a place for in a block with its values.
func secretKeys(key string, block reflect.Value, visit func(key string)) {
	for _, f := range fieldsOf(block.Type()) {
		k, v := childKey(key, f.key), block.FieldByIndex(f.index)
		switch f.shape() { //nolint:exhaustive // there are no secrets in the others
		case shapeSecret, shapeSecrets:
			visit(k)
		case shapeBlock:
			secretKeys(k, v, visit)
		case shapeBlocks:
			for i := range v.Len() {
				secretKeys(itemKey(k, i), v.Index(i), visit)
			}
		case shapeNamed:
			names := v.MapKeys()
			slices.SortFunc(names, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
			for _, name := range names {
				secretKeys(childKey(k, name.String()), v.MapIndex(name), visit)
			}
		}
	}
}

// envName returns the name of the environment variable for a documented path.
func envName(path string) string {
	path = strings.NewReplacer("[]", "_<N>", ".", "_").Replace(path)
	return envPrefix + strings.ToUpper(path)
}
