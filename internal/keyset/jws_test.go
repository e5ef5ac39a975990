package keyset_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
)

func TestSEC_C08_KeyIDIsOpaque(t *testing.T) {
	t.Parallel()
	k := testKeys()["ES256"]
	s := static(t, k)
	for name, kid := range map[string]any{
		"257 bytes": strings.Repeat("k", 257), "1 MB": strings.Repeat("k", 1<<20), "number": 1, "null": []any{}, "object": map[string]any{"a": "b"},
	} {
		refuse(t, s, name, k.Sign(t, map[string]any{"kid": kid}, claims))
	}
	for _, kid := range []string{"../../dev/null", "' OR 1=1 --", "http://127.0.0.1:1/", strings.Repeat("k", 256), "\x00\n"} {
		if err := s.Verify(t.Context(), parse(t, k.Sign(t, map[string]any{"kid": kid}, claims))); err != nil {
			t.Errorf("kid %q: %v", kid, err)
		}
	}
}

func TestSEC_C16_EncryptedAndCompressed(t *testing.T) {
	t.Parallel()
	k := testKeys()["ES256"]
	s := static(t, k)
	refuse(t, s, "five parts", k.Token(t, claims)+".AAAA.AAAA")
	refuse(t, s, "zip", k.Sign(t, map[string]any{"zip": "DEF"}, claims))
	refuse(t, s, "enc", k.Sign(t, map[string]any{"enc": "A128GCM"}, claims))
	refuse(t, s, "JSON serialization", `{"payload":"e30","protected":"e30","signature":"AA"}`)
}

func TestSEC_C17_DotFlood(t *testing.T) {
	for _, token := range []string{strings.Repeat(".", 60<<10), strings.Repeat(".", keyset.MaxTokenSize), "a" + strings.Repeat(".", 10_000)} {
		if _, err := keyset.Parse(token); !errors.Is(err, gateward.ErrInvalidCredential) {
			t.Errorf("%d dots: %v", len(token), err)
		}
		if allocs := testing.AllocsPerRun(100, func() { _, _ = keyset.Parse(token) }); allocs > 8 {
			t.Errorf("%d dots cost %v allocations", len(token), allocs)
		}
	}
}

func TestSEC_B08_TokenLength(t *testing.T) {
	t.Parallel()
	k := testKeys()["EdDSA"]
	long := k.Token(t, map[string]any{"pad": strings.Repeat("x", keyset.MaxTokenSize)})
	if _, err := keyset.Parse(long); !errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("long token: %v", err)
	}
	if _, err := keyset.Parse(k.Token(t, map[string]any{"pad": strings.Repeat("x", 11<<10)})); err != nil {
		t.Errorf("token within the limit: %v", err)
	}
	refuse(t, static(t, k), "long header", k.Sign(t, map[string]any{"x5c": strings.Repeat("x", 7<<10)}, claims))
}

func TestSEC_C18_RepeatedMembers(t *testing.T) {
	t.Parallel()
	k := testKeys()["ES256"]
	s := static(t, k)
	for _, header := range []string{
		`{"alg":"ES256","alg":"none"}`, `{"alg":"none","alg":"ES256"}`, `{"alg":"ES256","\u0061lg":"ES256"}`, `{"alg":"ES256","x":{"a":1,"a":1}}`,
		`{"alg":"ES256"} {}`, `["ES256"]`, `"ES256"`, `null`, ``, `{"alg":"ES256",}`, "{\"alg\":\"ES256\",\"x\":\"\xff\"}",
	} {
		refuse(t, s, header, k.SignRaw(t, []byte(header), []byte(`{}`)))
	}
	for _, object := range []string{
		`{"sub":"a","sub":"b"}`, `{"sub":"a","su\u0062":"b"}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"b":2}]}`,
		`{"a":1e999}`, `{"a":01}`, `[1]`, `{}{}`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		if v, err := keyset.DecodeObject([]byte(object)); err == nil {
			t.Errorf("%s is decoded as %v", object, v)
		}
	}
	if v, err := keyset.DecodeObject([]byte(" {\"a\":{\"b\":1},\"c\":[{\"b\":2},null,true,\"x\"]}\n")); err != nil || len(v) != 2 {
		t.Errorf("good object: %v, %v", v, err)
	}
}

func TestSEC_C19_Base64URLIsStrict(t *testing.T) {
	t.Parallel()
	k := testKeys()["ES256"]
	s := static(t, k)
	// A payload and signature of lengths that leave spare bits.
	token := k.SignRaw(t, []byte(`{"alg":"ES256" }`), []byte(`{"sub":"ab"}`+" "))
	parts := strings.Split(token, ".")
	if err := s.Verify(t.Context(), parse(t, token)); err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		for name, change := range map[string]func(string) string{
			"padding":        func(s string) string { return s + "=" },
			"full padding":   func(s string) string { return s + strings.Repeat("=", (4-len(s)%4)%4+4) },
			"line feed":      func(s string) string { return s[:4] + "\n" + s[4:] },
			"carriage":       func(s string) string { return s + "\r\n" },
			"space":          func(s string) string { return s + " " },
			"standard":       func(s string) string { return "+/" + s[2:] },
			"a lone digit":   func(s string) string { return s + strings.Repeat("A", (5-len(s)%4)%4) },
			"trailing bits":  trailingBit,
			"non-ASCII":      func(s string) string { return "é" + s[2:] },
			"percent-escape": func(s string) string { return "%41" + s[3:] },
		} {
			changed := slices.Clone(parts)
			if changed[i] = change(parts[i]); changed[i] == parts[i] {
				continue
			}
			if _, err := keyset.Parse(strings.Join(changed, ".")); !errors.Is(err, gateward.ErrInvalidCredential) {
				t.Errorf("part %d with %s: %v", i, name, err)
			}
		}
	}
	if trailingBit(parts[0]) == parts[0] || trailingBit(parts[2]) == parts[2] {
		t.Error("the token has no spare bits to test")
	}
}

// trailingBit sets the lowest bit of the last digit if that bit is spare.
func trailingBit(s string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(s)%4 == 0 {
		return s
	}
	last := strings.IndexByte(digits, s[len(s)-1])
	return s[:len(s)-1] + digits[last|1:last|1+1]
}
