package config

import (
	"bytes"
	_ "embed" // for the introduction
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

//go:embed introduction.md
var introduction string

// Reference returns docs/configuration.md: how a configuration is written, and
// every key of it.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	section := ""
	walk("", reflect.ValueOf(Default()), func(k documentedKey) {
		if top, _, _ := strings.Cut(k.path, "."); strings.TrimSuffix(top, "[]") != section {
			section = strings.TrimSuffix(top, "[]")
			fmt.Fprintf(&b, "\n## %s\n", section)
		}
		describe(&b, k)
	})
	return b.Bytes()
}

func describe(b *bytes.Buffer, k documentedKey) {
	d, same := docFor(k.path)
	fmt.Fprintf(b, "\n### `%s`\n\n%s", k.path, typeName(k))
	if k.shape().leaf() {
		fmt.Fprintf(b, " · %s", defaultText(k))
	}
	b.WriteString(".")
	switch {
	case k.shape().leaf():
		fmt.Fprintf(b, " Environment: `%s`.", envName(k.path))
	case k.shape().texts():
		fmt.Fprintf(b, " Environment: `%s`.", envName(k.path+".<"+k.mapKey+">"))
	}
	text := d.text
	if same != "" {
		text = "As `" + same + "`."
	}
	fmt.Fprintf(b, "\n\n%s\n", text)
	if k.shape() == shapeNamed || k.shape().texts() {
		entry := k.path + ".<" + k.mapKey + ">"
		if d, same := docFor(entry); same == "" && d.text != "" {
			fmt.Fprintf(b, "\n`%s`: %s\n", entry, d.text)
		}
	}
}

func typeName(k documentedKey) string {
	oneOf := ""
	if k.enum != nil {
		oneOf = ": `" + strings.Join(k.enum, "`, `") + "`"
	}
	switch k.shape() {
	case shapeBlock:
		return "Block"
	case shapeBlocks:
		return "List of blocks"
	case shapeNamed:
		return "Blocks by " + k.mapKey
	case shapeTexts:
		return "Strings by " + k.mapKey
	case shapeLists:
		return "Lists by " + k.mapKey
	case shapeBool:
		return "Boolean"
	case shapeInt:
		return "Whole number"
	case shapeDuration:
		return "Duration"
	case shapeList:
		if oneOf != "" {
			return "List out of" + strings.TrimPrefix(oneOf, ":")
		}
		return "List"
	case shapeSecret:
		return "String, secret"
	case shapeSecrets:
		return "List of secrets"
	case shapeString:
	}
	if oneOf != "" {
		return "One of" + strings.TrimPrefix(oneOf, ":")
	}
	return "String"
}

func defaultText(k documentedKey) string {
	if d, _ := docFor(k.path); d.derived != "" {
		return "default: " + d.derived
	}
	v := defaultValue(k)
	if v == nil {
		return "no default"
	}
	if s, ok := v.(string); ok {
		return "default `" + s + "`"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("config: default of " + k.path + " does not marshal: " + err.Error())
	}
	return "default `" + strings.ReplaceAll(string(text), `","`, `", "`) + "`"
}
