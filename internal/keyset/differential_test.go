package keyset_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/gateward/gateward/internal/keyset"
)

// FuzzVerify: whatever we accept, jwx accepts with the same payload. Header and
// payload are the fuzzer's and are signed properly, for a fuzzer cannot sign.
func FuzzVerify(f *testing.F) {
	all := testKeys()
	for _, k := range all {
		for _, header := range []string{
			`{"alg":"%"}`, `{"alg":"%","crit":["exp"]}`, `{"alg":"%","b64":false}`, `{"alg":"%","alg":"none"}`, "{ \"alg\" : \"%\"\r\n}",
			`{"alg":"%","kid":"k","typ":"JWT","x":{"y":[1]}}`, `{"alg":"none"}`, `{"\u0061lg":"%"}`, `{"alg":"%","jwk":{"kty":"oct","k":"AA"}}`,
		} {
			f.Add(k.Algorithm, []byte(strings.ReplaceAll(header, "%", k.Algorithm)), []byte(`{"sub":"ada"}`), "")
		}
		f.Add(k.Algorithm, []byte(`{"alg":"`+k.Algorithm+`"}`), []byte(nil), "")
		f.Add(k.Algorithm, []byte(`{"alg":"`+k.Algorithm+`"}`), []byte("not json"), "A")
	}
	f.Add("EdDSA", []byte(`{"alg":"Ed25519"}`), []byte(`{}`), "")
	f.Fuzz(func(t *testing.T, name string, header, payload []byte, tail string) {
		k, ok := all[name]
		if !ok {
			return
		}
		token := k.SignRaw(t, header, payload) + tail
		j, err := keyset.Parse(token)
		if err != nil {
			return
		}
		s, err := keyset.NewStatic(k.PEM(t), keyset.Algorithms())
		if err != nil {
			t.Fatal(err)
		}
		if s.Verify(t.Context(), j) != nil {
			return
		}
		alg, ok := jwa.LookupSignatureAlgorithm(j.Header.Algorithm)
		if !ok {
			t.Fatalf("accepted an algorithm that jwx does not know: %q", j.Header.Algorithm)
		}
		if namesKey(t, header) || len(bytes.TrimSpace(header)) != len(header) {
			// jwx reads the keys in a header, and has an opinion on them, and it
			// verifies the header without the blanks around it. To us all of
			// that is bytes that were signed (RFC 7515 §5.2).
			return
		}
		got, err := jws.Verify([]byte(token), jws.WithKey(alg, k.Signer.Public()))
		if err != nil {
			t.Fatalf("accepted what jwx refuses: %v\n%s", err, token)
		}
		if !bytes.Equal(got, j.UnverifiedPayload()) || !bytes.Equal(got, payload) {
			t.Fatalf("payload %q, jwx has %q", j.UnverifiedPayload(), got)
		}
	})
}

// namesKey reports whether a header has a member with a key or its address
// (RFC 7515 §4.1.2–8).
func namesKey(t *testing.T, header []byte) bool {
	t.Helper()
	var h map[string]json.RawMessage
	if err := json.Unmarshal(header, &h); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// FuzzParse: what is accepted is canonical (there is one serialization of it),
// within its limits, and read as encoding/json reads it.
func FuzzParse(f *testing.F) {
	for _, k := range testKeys() {
		f.Add(k.Token(f, claims))
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6bnVsbH0.e30.AA")
	f.Add("..")
	f.Add("eyJhbGciOiJFUzI1NiJ9.e3\n0.AA")
	f.Fuzz(func(t *testing.T, token string) {
		j, err := keyset.Parse(token)
		if err != nil {
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 || len(token) > keyset.MaxTokenSize || len(j.Header.KeyID) > 256 {
			t.Fatalf("accepted %q", token)
		}
		if got := b64(j.UnverifiedPayload()); got != parts[1] {
			t.Fatalf("payload %q is also written %q", parts[1], got)
		}
	})
}

// FuzzDecodeObject: what is accepted is what encoding/json reads, and it is
// accepted exactly if a reader of tokens sees no member twice.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":[1,2.5e3,-0,null,true,"\ud83d\ude00"]}}`, `{"a":"\ud800"}`, `{"a":1e400}`,
		`[{}]`, `{"":{}}`, "{\"a\":\"\xff\"}", `{"a":[1,]}`, `{"a" "b"}`, `{"a":":","b\\":"\":"}`, `{"a":{"b":1},"a":{"c":1}}`, `{"a":[{"b":1,"b":1}]}`,
		`null`, ` { "a" : "}" } `, `{"A":1,"a":2}`, `{"a":1,"\u0061":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := keyset.DecodeObject(raw)
		var want map[string]any
		unambiguous := json.Unmarshal(raw, &want) == nil && want != nil && !repeats(json.NewDecoder(bytes.NewReader(raw)))
		if !unambiguous && err == nil {
			t.Fatalf("%q is accepted", raw)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, encoding/json has %v", raw, got, want)
		}
		if unambiguous && err != nil && utf8.Valid(raw) && bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) < 30 {
			t.Fatalf("%q is refused: %v", raw, err)
		}
	})
}

// repeats reads one value of valid JSON and reports whether a member is repeated.
func repeats(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return true
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return false
	}
	seen := map[any]bool{}
	for d.More() {
		if delim == '{' {
			name, _ := d.Token()
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		if repeats(d) {
			return true
		}
	}
	_, err = d.Token()
	return err != nil
}

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"RS256", "PS256", "ES256", "ES512", "EdDSA"} {
		b.Run(name, func(b *testing.B) {
			k := testKeys()[name]
			s := static(b, k)
			token := k.Token(b, map[string]any{
				"iss": "https://issuer.test/realms/main", "sub": "0a1b2c3d-0000-1111-2222-333344445555", "aud": []string{"gateward", "account"},
				"exp": 4102444800, "iat": 1700000000, "auth_time": 1700000000, "jti": "8c1b2e3f", "scope": "openid email profile",
				"email": "ada@example.test", "email_verified": true, "name": "Ada Lovelace", "groups": []string{"dev", "ops", "admins"},
			})
			b.ReportAllocs()
			for b.Loop() {
				j, err := keyset.Parse(token)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := keyset.DecodeObject(j.UnverifiedPayload()); err != nil {
					b.Fatal(err)
				}
				if err := s.Verify(b.Context(), j); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
