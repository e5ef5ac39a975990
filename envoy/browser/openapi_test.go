package browser_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gateward/gateward/envoy/envoytest"
)

// An openAPI is GitHub's description of its API (OpenAPI 3.0.3). It is read
// strictly: a response may have no property that its schema does not name.
type openAPI struct {
	tb       testing.TB
	document map[string]any
	schemas  map[string]*jsonschema.Schema // by operation and status
	seen     map[string]bool               // likewise
}

// readOpenAPI reads a file of the npm package @octokit/openapi.
func readOpenAPI(tb testing.TB, name string) *openAPI {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(envoytest.Root(tb), "envoy/browser/provider/node_modules/@octokit/openapi/generated", name))
	if err != nil {
		lacking(tb, "no description of GitHub's API: install nodejs and npm, and run npm ci in envoy/browser/provider")
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	d, ok := document.(map[string]any)
	if version, _ := d["openapi"].(string); !ok || !strings.HasPrefix(version, "3.0.") {
		tb.Fatalf("%s is not OpenAPI 3.0", name)
	}
	return &openAPI{tb: tb, document: d, schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
}

// at returns the member of the document that a reference points to.
func (d *openAPI) at(reference string) map[string]any {
	d.tb.Helper()
	node := d.document
	for _, part := range strings.Split(strings.TrimPrefix(reference, "#/"), "/") {
		next, ok := node[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)].(map[string]any)
		if !ok {
			d.tb.Fatalf("GitHub's description has no %s", reference)
		}
		node = next
	}
	return node
}

func pointer(parts ...string) string {
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
	}
	return "#/" + strings.Join(parts, "/")
}

// responses are what GET may answer at a path, by status.
func (d *openAPI) responses(path string) map[string]any {
	return d.at(pointer("paths", path, "get", "responses"))
}

// check compares a response with what the document says of GET at a path.
func (d *openAPI) check(path string, status int, body []byte) error {
	name := strconv.Itoa(status)
	response, ok := d.responses(path)[name].(map[string]any)
	if !ok {
		return fmt.Errorf("status %d is not documented for %s", status, path)
	}
	d.seen[path+" "+name] = true
	if reference, ok := response["$ref"].(string); ok {
		response = d.at(reference)
	}
	content, ok := response["content"].(map[string]any)
	if !ok {
		if len(body) > 0 {
			return fmt.Errorf("status %d of %s has a body: %s", status, path, body)
		}
		return nil
	}
	media, _ := content["application/json"].(map[string]any)
	schema, err := d.schema(path+" "+name, media["schema"])
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("body of %s: %w", path, err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("status %d of %s: %w\n%s", status, path, err, body)
	}
	return nil
}

// unseen returns what of a path has not been checked yet.
func (d *openAPI) unseen(path string) []string {
	var left []string
	for _, status := range slices.Sorted(maps.Keys(d.responses(path))) {
		if at := path + " " + status; !d.seen[at] {
			left = append(left, at)
		}
	}
	return left
}

// schema compiles the schema of a response, which keeps the name.
func (d *openAPI) schema(name string, node any) (*jsonschema.Schema, error) {
	if s := d.schemas[name]; s != nil {
		return s, nil
	}
	t := &translation{document: d, definitions: map[string]any{}}
	root := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": []any{t.schema(node)}, "$defs": t.definitions}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("github.json", root); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}
	s, err := c.Compile("github.json")
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}
	d.schemas[name] = s
	return s, nil
}

// A translation turns schemas of OpenAPI 3.0 into JSON Schema.
type translation struct {
	document    *openAPI
	definitions map[string]any // by the name of the component
}

func (t *translation) schema(node any) any {
	s, ok := node.(map[string]any)
	if !ok {
		return node // additionalProperties may be true or false
	}
	if reference, ok := s["$ref"].(string); ok { // what is beside it does not count
		name := reference[strings.LastIndex(reference, "/")+1:]
		if _, known := t.definitions[name]; !known {
			t.definitions[name] = true // a schema may refer to itself
			t.definitions[name] = t.schema(t.document.at(reference))
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	all := map[string]any{}
	for key, value := range s {
		switch key {
		case "properties":
			properties, _ := value.(map[string]any)
			named := map[string]any{}
			for name, property := range properties {
				named[name] = t.schema(property)
			}
			all[key] = named
		case "items", "additionalProperties", "not":
			all[key] = t.schema(value)
		case "allOf", "anyOf", "oneOf":
			list, _ := value.([]any)
			var translated []any
			for _, one := range list {
				translated = append(translated, t.schema(one))
			}
			all[key] = translated
		case "nullable", "discriminator", "example", "deprecated", "externalDocs", "x-github-breaking-changes":
		default:
			all[key] = value
		}
	}
	if d, ok := s["discriminator"].(map[string]any); ok {
		all["allOf"] = t.chosen(d)
	}
	if _, open := all["additionalProperties"]; !open && all["properties"] != nil {
		all["additionalProperties"] = false
	}
	if s["nullable"] == true {
		return map[string]any{"anyOf": []any{all, map[string]any{"type": "null"}}}
	}
	return all
}

// chosen are the schemas that the value of one property chooses.
func (t *translation) chosen(discriminator map[string]any) []any {
	var all []any
	mapping, _ := discriminator["mapping"].(map[string]any)
	for _, value := range slices.Sorted(maps.Keys(mapping)) {
		property := fmt.Sprint(discriminator["propertyName"])
		all = append(all, map[string]any{
			"if": map[string]any{
				"required":   []any{property},
				"properties": map[string]any{property: map[string]any{"const": value}},
			},
			"then": t.schema(map[string]any{"$ref": mapping[value]}),
		})
	}
	return all
}
