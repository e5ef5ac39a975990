package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/methodtest"
	"github.com/gateward/gateward/methods/token"
)

var _ methods.Authenticator = (*token.Method)(nil)

const secret = "Zm9vYmFyYmF6cXV4LXNlY3JldA=="

func bearer(v string) gateward.Credential {
	return gateward.Credential{Scheme: gateward.SchemeBearer, Value: gateward.NewSecret(v)}
}

func hashed(v string) string {
	h := sha256.Sum256([]byte(v))
	return "sha256:" + hex.EncodeToString(h[:])
}

func config() token.Config {
	return token.Config{Tokens: map[string]token.Token{
		"CI.deploy": {Credential: gateward.NewSecret(secret), Metadata: map[string]string{"io.flipt.auth.role": "admin", "Team": "build"}, Scopes: []string{"read", "write"}},
		"hashed":    {CredentialHash: hashed("another-long-secret")},
	}}
}

func newMethod(t testing.TB, c token.Config) *token.Method {
	t.Helper()
	m, err := token.New(c, token.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConformance(t *testing.T) {
	methodtest.Run(t, func(t *testing.T) methodtest.Case {
		cookie := bearer(secret)
		cookie.Scheme = gateward.SchemeCookie
		jwt, basic := bearer(secret), bearer(secret)
		jwt.Scheme, basic.Scheme = gateward.SchemeJWT, gateward.SchemeBasic
		return methodtest.Case{
			Method:  newMethod(t, config()),
			Good:    []gateward.Credential{bearer(secret), cookie, bearer("another-long-secret")},
			Bad:     []gateward.Credential{bearer("unknown-credential"), jwt, basic, bearer(hashed("another-long-secret"))},
			Foreign: []gateward.Credential{bearer("unknown-credential"), jwt, basic, bearer("a.b.c")},
		}
	})
}

func TestMethod_Identity(t *testing.T) {
	t.Parallel()
	c := config()
	m := newMethod(t, c)
	want := gateward.Identity{
		Principal: gateward.Principal{Subject: "CI.deploy"}, Method: "token",
		Metadata: maps.Clone(c.Tokens["CI.deploy"].Metadata), Scopes: []string{"read", "write"},
	}
	c.Tokens["CI.deploy"].Metadata["Team"] = "changed later"
	got, err := m.Authenticate(t.Context(), bearer(secret))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	got, err = m.Authenticate(t.Context(), bearer("another-long-secret"))
	if err != nil || got.Subject != "hashed" || got.Scopes != nil || got.Metadata != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNew_Problems(t *testing.T) {
	t.Parallel()
	cred := gateward.NewSecret
	for name, tc := range map[string]struct {
		tokens map[string]token.Token
		want   []string // keys, "!" before those that are warnings
	}{
		"none":            {nil, []string{"!storage.tokens"}},
		"empty":           {map[string]token.Token{"a": {}}, []string{`storage.tokens["a"].credential`}},
		"empty id":        {map[string]token.Token{"": {Credential: cred(secret)}}, []string{`storage.tokens[""]`}},
		"both":            {map[string]token.Token{"a": {Credential: cred(secret), CredentialHash: hashed(secret)}}, []string{`storage.tokens["a"].credential_hash`}},
		"short":           {map[string]token.Token{"a": {Credential: cred("hunter2")}}, []string{`!storage.tokens["a"].credential`}},
		"not token68":     {map[string]token.Token{"a": {Credential: cred("correct horse battery")}}, []string{`!storage.tokens["a"].credential`}},
		"long":            {map[string]token.Token{"a": {Credential: cred(strings.Repeat("x", 16<<10+1))}}, []string{`storage.tokens["a"].credential`}},
		"repeated":        {map[string]token.Token{"a": {Credential: cred(secret)}, "b": {Credential: cred(secret)}}, []string{`storage.tokens["b"]`}},
		"repeated hash":   {map[string]token.Token{"a": {Credential: cred(secret)}, "b": {CredentialHash: hashed(secret)}}, []string{`storage.tokens["b"]`}},
		"hash of nothing": {map[string]token.Token{"a": {CredentialHash: hashed("")}}, []string{`storage.tokens["a"].credential_hash`}},
		"hash scheme":     {map[string]token.Token{"a": {CredentialHash: hashed(secret)[7:]}}, []string{`storage.tokens["a"].credential_hash`}},
		"hash short":      {map[string]token.Token{"a": {CredentialHash: hashed(secret)[:70]}}, []string{`storage.tokens["a"].credential_hash`}},
		"hash odd":        {map[string]token.Token{"a": {CredentialHash: hashed(secret)[:70] + "g"}}, []string{`storage.tokens["a"].credential_hash`}},
		"hash long":       {map[string]token.Token{"a": {CredentialHash: hashed(secret) + "00"}}, []string{`storage.tokens["a"].credential_hash`}},
		"hash upper":      {map[string]token.Token{"a": {CredentialHash: "sha256:" + strings.ToUpper(hashed(secret)[7:])}}, nil},
		"scopes":          {map[string]token.Token{"a": {Credential: cred(secret), Scopes: []string{"ok", "", "a b"}}}, []string{`storage.tokens["a"].scopes[1]`, `storage.tokens["a"].scopes[2]`}},
		"all at once": {
			map[string]token.Token{"a": {}, "b": {Credential: cred("hunter2")}, "c": {}},
			[]string{`storage.tokens["a"].credential`, `storage.tokens["c"].credential`},
		},
	} {
		m, err := token.New(token.Config{Tokens: tc.tokens}, token.Options{Random: rand.Reader})
		var got []string
		for _, p := range split(err) {
			var ce *gateward.ConfigError
			if !errors.As(p, &ce) || ce.Warning {
				t.Errorf("%s: %v is no ConfigError", name, p)
				continue
			}
			got = append(got, ce.Key)
		}
		if m != nil {
			for _, w := range m.Warnings() {
				got = append(got, "!"+w.Key)
			}
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: problems %q, want %q", name, got, tc.want)
		}
		if (m == nil) != (err != nil) {
			t.Errorf("%s: method %v beside %v", name, m, err)
		}
		for _, leak := range []string{"hunter2", secret, hashed(secret)[7:30], "correct horse"} {
			if err != nil && strings.Contains(err.Error(), leak) {
				t.Errorf("%s: error holds a credential: %v", name, err)
			}
		}
	}
}

func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func TestNew_NoRandomness(t *testing.T) {
	t.Parallel()
	if m, err := token.New(config(), token.Options{Random: bytes.NewReader(make([]byte, 31))}); err == nil || m != nil {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestSEC_B10_EmptyCredentialNeverMatches(t *testing.T) {
	t.Parallel()
	m := newMethod(t, config())
	for _, s := range []gateward.Scheme{gateward.SchemeNone, gateward.SchemeBearer, gateward.SchemeCookie, gateward.SchemeAcceptedCookie} {
		for _, c := range []gateward.Credential{{Scheme: s}, {Scheme: s, Value: gateward.NewSecret("")}} {
			if _, err := m.Authenticate(t.Context(), c); m.Claims(c) || !errors.Is(err, gateward.ErrInvalidCredential) {
				t.Errorf("scheme %s: %v", s, err)
			}
		}
	}
}

// Secrets are compared by subtle, as arrays of one size, and by nothing else.
func TestSEC_B10_ConstantTimeCompare(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "token.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	compares := 0
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok {
			switch name := fmt.Sprint(s.X, ".", s.Sel); name {
			case "subtle.ConstantTimeCompare":
				compares++
			case "bytes.Equal", "bytes.Compare", "strings.Compare", "hmac.Equal":
				t.Errorf("%s is called", name)
			}
		}
		return true
	})
	if compares != 1 {
		t.Errorf("%d constant-time comparisons, want the one in find", compares)
	}
}

// The digest is HMAC, and nothing in memory is a credential or its bare hash.
func TestSEC_B10_OnlyKeyedDigestsInMemory(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, sha256.Size)
	m, err := token.New(config(), token.Options{Random: bytes.NewReader(key)})
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, key)
	mac.Write(hash[:])
	memory := dump(reflect.ValueOf(m))
	if !strings.Contains(memory, string(mac.Sum(nil))) {
		t.Error("the digest is not HMAC-SHA-256 of the credential's SHA-256")
	}
	other := sha256.Sum256([]byte("another-long-secret"))
	for name, s := range map[string]string{"credential": secret, "hash": string(hash[:]), "other hash": string(other[:])} {
		if strings.Contains(memory, s) {
			t.Errorf("the %s is in memory", name)
		}
	}
}

// dump returns every string and byte that v reaches.
func dump(v reflect.Value) string {
	var b strings.Builder
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			b.WriteString(v.String())
		case reflect.Uint8:
			b.WriteByte(byte(v.Uint()))
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				walk(k)
				walk(v.MapIndex(k))
			}
		default:
		}
	}
	walk(v)
	return b.String()
}

func TestSEC_B08_LongCredentialIsNotHashed(t *testing.T) {
	t.Parallel()
	c := bearer(strings.Repeat("x", 60<<10))
	m := newMethod(t, config())
	if m.Claims(c) {
		t.Error("claimed")
	}
}

func many(n int) token.Config {
	c := token.Config{Tokens: make(map[string]token.Token, n)}
	for i := range n {
		c.Tokens[fmt.Sprintf("t%d", i)] = token.Token{Credential: gateward.NewSecret(fmt.Sprintf("credential-number-%06d", i))}
	}
	return c
}

func TestMethod_Allocations(t *testing.T) {
	for _, n := range []int{1, 10_000} {
		m := newMethod(t, many(n))
		for name, c := range map[string]gateward.Credential{
			"known": bearer("credential-number-000000"), "unknown": bearer("credential-number-xxxxxx"), "long": bearer(strings.Repeat("x", 2<<10)),
		} {
			if allocs := testing.AllocsPerRun(100, func() { m.Claims(c) }); allocs != 0 {
				t.Errorf("%d tokens, %s: Claims allocates %v times", n, name, allocs)
			}
		}
		c := bearer("credential-number-000000")
		if allocs := testing.AllocsPerRun(100, func() { _, _ = m.Authenticate(t.Context(), c) }); allocs != 0 {
			t.Errorf("%d tokens: Authenticate allocates %v times", n, allocs)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		m := newMethod(b, many(n))
		for name, c := range map[string]gateward.Credential{
			"known": bearer("credential-number-000000"), "unknown": bearer("credential-number-xxxxxx"),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m.Claims(c)
				}
			})
		}
	}
}
