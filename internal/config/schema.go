package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

// An object is a JSON object.
type object = map[string]any

// Schema returns the JSON Schema (2020-12) of the configuration, with which
// editors complete and check. It admits everything that [Load] can decode; the
// meaning of values is left to Load.
func Schema() []byte {
	root := blockSchema("", reflect.ValueOf(Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Gateward configuration"
	root["$defs"] = object{
		"reference": object{
			"type":        "string",
			"pattern":     `^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)\}$`,
			"description": "The value of an environment variable, or the content of a file.",
		},
		"text":     object{"type": []string{"string", "number"}},
		"boolean":  anyOf(object{"type": "boolean"}, object{"enum": []string{"true", "false"}}),
		"integer":  anyOf(object{"type": "integer"}, object{"type": "string", "pattern": `^[0-9_]+$`}, reference("reference")),
		"duration": anyOf(object{"type": "string", "pattern": `^([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h|d))+$`}, reference("reference")),
		"list":     anyOf(object{"type": "array", "items": reference("text")}, reference("text")),
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: schema of constants does not marshal: " + err.Error())
	}
	return append(out, '\n')
}

func reference(name string) object        { return object{"$ref": "#/$defs/" + name} }
func anyOf(alternatives ...object) object { return object{"anyOf": alternatives} }

func blockSchema(path string, v reflect.Value) object {
	properties := object{}
	for _, f := range fieldsOf(v.Type()) {
		k := f.key
		if path != "" {
			k = path + "." + f.key
		}
		properties[f.key] = keySchema(documentedKey{field: f, path: k, value: v.FieldByIndex(f.index)})
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func keySchema(k documentedKey) object {
	s := shapeSchema(k)
	d, _ := docFor(k.path)
	s["description"] = strings.ReplaceAll(d.text, "`", "")
	if k.shape().leaf() {
		if v := defaultValue(k); v != nil {
			s["default"] = v
		}
	}
	return s
}

func shapeSchema(k documentedKey) object {
	switch k.shape() {
	case shapeBlock:
		return blockSchema(k.path, k.value)
	case shapeBlocks:
		return object{"type": "array", "items": blockSchema(k.path+"[]", newElement(k.typ.Elem()))}
	case shapeNamed:
		below := k.path + ".<" + k.mapKey + ">"
		s := blockSchema(below, newElement(k.typ.Elem()))
		d, _ := docFor(below)
		s["description"] = strings.ReplaceAll(d.text, "`", "")
		return object{"type": "object", "additionalProperties": s}
	case shapeTexts:
		return object{"type": "object", "additionalProperties": reference("text")}
	case shapeLists:
		return object{"type": "object", "additionalProperties": reference("list")}
	case shapeBool:
		return anyOf(reference("boolean"), reference("reference"))
	case shapeInt:
		return reference("integer")
	case shapeDuration:
		return reference("duration")
	case shapeSecrets:
		return reference("list")
	case shapeList:
		if k.enum != nil {
			words := anyOf(object{"enum": k.enum}, reference("reference"))
			return anyOf(object{"type": "array", "items": words}, object{"type": "string"})
		}
		return reference("list")
	case shapeString:
		if k.enum != nil {
			return anyOf(object{"enum": k.enum}, reference("reference"))
		}
	case shapeSecret:
	}
	return reference("text")
}

// defaultValue returns a default as it is written in a file, or nil where there
// is none.
func defaultValue(k documentedKey) any {
	if d, _ := docFor(k.path); d.fallback != "" {
		return d.fallback
	}
	switch v := k.value.Interface().(type) {
	case gateward.Secret, []gateward.Secret, *bool:
		return nil
	case time.Duration:
		return formatDuration(v)
	case []string:
		if v == nil {
			return []string{}
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return k.value.Interface()
}
