package pointer_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/pointer"
)

// FuzzPointer: every member of an object is found by its own pointer, and a name
// without a slash at its beginning finds the claim of that name and nothing else.
func FuzzPointer(f *testing.F) {
	for _, s := range []string{"/a", "/a/b/0", "/~0~1", "a/b", "a.b", "/", "", "/a~", "/a~2", "/01", "/a/-1", "/a/99999999999999999999", "//", "/~01"} {
		f.Add(s, []byte(`{"a":{"b":[1,{"c":null}]},"~/":2,"":{"":3},"a/b":4,"a.b":5,"~1":6}`))
	}
	f.Fuzz(func(t *testing.T, s string, document []byte) {
		var claims map[string]any
		if json.Unmarshal(document, &claims) != nil {
			return
		}
		checkMembers(t, claims, claims, "")
		e, err := pointer.Parse(s)
		if err != nil || s == "" {
			if v, ok := e.Find(claims); ok {
				t.Fatalf("%q finds %v", s, v)
			}
			return
		}
		got, ok := e.Find(claims)
		if s[0] != '/' {
			if want, there := claims[s]; ok != there || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q finds %v, want %v", s, got, want)
			}
			return
		}
		if ok && strings.Count(s, "/") != len(e) {
			t.Fatalf("%q has %d reference tokens", s, len(e))
		}
	})
}

// checkMembers looks for everything below v, which is at pointer.
func checkMembers(t *testing.T, claims map[string]any, v any, at string) {
	t.Helper()
	if at != "" && at != "/" {
		e, err := pointer.Parse(at)
		if err != nil {
			t.Fatalf("%q: %v", at, err)
		}
		if got, ok := e.Find(claims); !ok || !reflect.DeepEqual(got, v) {
			t.Fatalf("%q finds %v, want %v", at, got, v)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			checkMembers(t, claims, child, at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		}
	case []any:
		for i, child := range v {
			if i < 1<<16 {
				checkMembers(t, claims, child, at+"/"+strconv.Itoa(i))
			}
		}
	}
}
