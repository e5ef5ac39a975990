package config

import (
	"reflect"
	"slices"
	"strings"
)

// Undocumented returns the keys without an explanation, the explanations
// without a key, and those that are not sentences.
func Undocumented() []string {
	var wrong, paths []string
	walk("", reflect.ValueOf(Default()), func(k documentedKey) {
		paths = append(paths, k.path)
		if k.shape() == shapeNamed || k.shape().texts() {
			paths = append(paths, k.path+".<"+k.mapKey+">")
		}
		if k.shape() == shapeString && k.typ.Kind() != reflect.String {
			wrong = append(wrong, "type of "+k.path)
		}
		if d, _ := docFor(k.path); d.text == "" {
			wrong = append(wrong, k.path)
		}
	})
	seen := map[string]bool{}
	for _, d := range docs() {
		if !slices.Contains(paths, d.path) || seen[d.path] || !strings.HasSuffix(d.text, ".") {
			wrong = append(wrong, d.path)
		}
		seen[d.path] = true
	}
	return wrong
}

// ReadEmailPattern is readEmailPattern.
func ReadEmailPattern(text string) (cleared string, dots, open, headless bool) {
	e := readEmailPattern(text)
	return e.clear, e.dots, e.open, e.headless
}
