package jwt_test

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/jwt"
	"github.com/gateward/gateward/methods/methodtest"
)

var _ methods.Authenticator = (*jwt.Method)(nil)

const iss = "https://issuer.test/realms/main"

// now is when all tests take place.
var now = time.Unix(1_800_000_000, 0)

type object = map[string]any

var key = sync.OnceValue(func() keysettest.Key { return keysettest.NewKey(&testing.T{}, "a", "ES256") })

var otherKey = sync.OnceValue(func() keysettest.Key { return keysettest.NewKey(&testing.T{}, "a", "ES256") })

// base are the claims of a good token; with changes some of them, nil removes.
func base(changes ...object) object {
	c := object{"iss": iss, "sub": "ada", "aud": "gateward", "exp": now.Unix() + 300}
	for _, change := range changes {
		maps.Copy(c, change)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func pemFile(t testing.TB, k keysettest.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, k.PEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issuer is the usual one; its key is in a file.
func issuer(t testing.TB, changes ...func(*jwt.Issuer)) jwt.Issuer {
	t.Helper()
	i := jwt.Issuer{
		PublicKeyFile:  pemFile(t, key()),
		ValidateClaims: jwt.ValidateClaims{Issuer: iss, Audiences: []string{"gateward"}},
		ClockSkew:      30 * time.Second,
	}
	for _, change := range changes {
		change(&i)
	}
	return i
}

func options() jwt.Options {
	return jwt.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
}

func newMethod(t testing.TB, issuers ...jwt.Issuer) *jwt.Method {
	t.Helper()
	m, err := jwt.New(t.Context(), jwt.Config{Issuers: issuers}, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func bearer(v string) gateward.Credential {
	return gateward.Credential{Scheme: gateward.SchemeBearer, Value: gateward.NewSecret(v)}
}

// verdict checks the outcome of one token; nil means that it is accepted.
func verdict(t *testing.T, m *jwt.Method, what, token string, target error) gateward.Identity {
	t.Helper()
	id, err := m.Authenticate(t.Context(), bearer(token))
	if !errors.Is(err, target) || (target == nil) != (err == nil) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
	return id
}

func refuse(t *testing.T, m *jwt.Method, what string, claims object) {
	t.Helper()
	verdict(t, m, what, key().Token(t, claims), gateward.ErrInvalidCredential)
}

func accept(t *testing.T, m *jwt.Method, what string, claims object) gateward.Identity {
	t.Helper()
	return verdict(t, m, what, key().Token(t, claims), nil)
}

func TestConformance(t *testing.T) {
	methodtest.Run(t, func(t *testing.T) methodtest.Case {
		good := bearer(key().Token(t, base(object{"email": "ada@example.test", "groups": []string{"dev"}})))
		jwtScheme := good
		jwtScheme.Scheme = gateward.SchemeJWT
		return methodtest.Case{
			Method: newMethod(t, issuer(t)),
			Good:   []gateward.Credential{good, jwtScheme, bearer(key().Token(t, base(object{"sub": "bob"})))},
			Bad: []gateward.Credential{
				bearer(otherKey().Token(t, base())), bearer(key().Token(t, base(object{"exp": 1}))),
				bearer(key().Token(t, base(object{"aud": "canary-51f2c9", "sub": "canary-51f2c9"}))),
			},
			Foreign: []gateward.Credential{
				bearer("opaque"), bearer("a.b.c"), bearer("eyJhbGciOiJub25lIn0.e30"), bearer("eyJ.a.b.c.d"),
				{Scheme: gateward.SchemeBasic, Value: good.Value},
				{Scheme: gateward.SchemeCookie, Value: good.Value},
				{Value: good.Value},
			},
		}
	})
}

func TestConformance_Remote(t *testing.T) {
	methodtest.Run(t, func(t *testing.T) methodtest.Case {
		e := &keysettest.Endpoint{}
		e.Serve(keysettest.Document(t, key().JWK(nil)))
		o := options()
		o.Transport = e
		m, err := jwt.New(t.Context(), jwt.Config{Issuers: []jwt.Issuer{
			issuer(t, func(i *jwt.Issuer) { i.PublicKeyFile, i.JWKSURL = "", "https://issuer.test/jwks" }),
		}}, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return methodtest.Case{
			Method: m,
			Good:   []gateward.Credential{bearer(key().Token(t, base()))},
			Bad:    []gateward.Credential{bearer(otherKey().Token(t, base()))},
		}
	})
}

func TestMethod_Claims(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	token := key().Token(t, base())
	for _, tc := range []struct {
		name   string
		scheme gateward.Scheme
		value  string
		want   bool
	}{
		{"bearer", gateward.SchemeBearer, token, true},
		{"cookie", gateward.SchemeCookie, token, false},
		{"jwt", gateward.SchemeJWT, token, true},
		{"jwt with anything", gateward.SchemeJWT, "x", true},
		{"basic", gateward.SchemeBasic, token, false},
		{"none", gateward.SchemeNone, token, false},
		{"header with a space", gateward.SchemeBearer, "eyAiYWxnIjoi.e30.AA", true},
		{"header with a line feed", gateward.SchemeBearer, "ewoiYWxnIjoi.e30.AA", true},
		{"no object", gateward.SchemeBearer, "abcd.e30.AA", false},
		{"another letter", gateward.SchemeBearer, "evcd.e30.AA", false},
		{"one dot", gateward.SchemeBearer, "eyJhbGciOiJub25lIn0.e30", false},
		{"JWE", gateward.SchemeBearer, "eyJh.a.b.c.d", false},
		{"opaque", gateward.SchemeBearer, "eyJhbGciOiJub25lIn0", false},
		{"dots", gateward.SchemeBearer, strings.Repeat(".", 60<<10), false},
		{"empty", gateward.SchemeBearer, "", false},
	} {
		if got := m.Claims(gateward.Credential{Scheme: tc.scheme, Value: gateward.NewSecret(tc.value)}); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestSEC_C01_DefaultAlgorithms(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
		k := keysettest.NewKey(t, "a", alg)
		i := issuer(t)
		i.PublicKeyFile = pemFile(t, k)
		i.Algorithms = []string{alg}
		verdict(t, newMethod(t, i), alg+" when listed", k.Token(t, base()), nil)
		i.Algorithms = nil
		want := gateward.ErrInvalidCredential
		switch alg {
		case "RS256", "RS512", "ES256", "ES512", "EdDSA":
			want = nil
		case "ES384": // no default algorithm can use the key
			if _, err := jwt.New(t.Context(), jwt.Config{Issuers: []jwt.Issuer{i}}, options()); err == nil {
				t.Error("a key that nothing can use is accepted")
			}
			continue
		}
		verdict(t, newMethod(t, i), alg+" by default", k.Token(t, base()), want)
	}
}

func TestSEC_C01_None(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	for _, alg := range []any{"none", "None", "nOnE", nil, ""} {
		token := key().Sign(t, object{"alg": alg}, base())
		verdict(t, m, "signed", token, gateward.ErrInvalidCredential)
		verdict(t, m, "unsigned", token[:strings.LastIndexByte(token, '.')+1], gateward.ErrInvalidCredential)
	}
}

func TestSEC_C03_IssuerIsExactAndBoundToItsKeys(t *testing.T) {
	t.Parallel()
	issA, issB := "https://a.test", "https://b.test"
	a := issuer(t, func(i *jwt.Issuer) { i.Name, i.ValidateClaims.Issuer = "a", issA })
	b := issuer(t, func(i *jwt.Issuer) {
		i.Name, i.ValidateClaims.Issuer, i.PublicKeyFile = "b", issB, pemFile(t, otherKey())
	})
	m := newMethod(t, a, b)
	for _, tc := range []struct {
		name string
		key  keysettest.Key
		iss  any
		want error
	}{
		{"a", key(), issA, nil},
		{"b", otherKey(), issB, nil},
		{"b signed by a", key(), issB, gateward.ErrInvalidCredential},
		{"a signed by b", otherKey(), issA, gateward.ErrInvalidCredential},
		{"trailing slash", key(), issA + "/", gateward.ErrInvalidCredential},
		{"prefix", key(), "https://a.tes", gateward.ErrInvalidCredential},
		{"longer", key(), issA + ".evil.test", gateward.ErrInvalidCredential},
		{"other case", key(), "https://A.test", gateward.ErrInvalidCredential},
		{"space", key(), " " + issA, gateward.ErrInvalidCredential},
		{"empty", key(), "", gateward.ErrInvalidCredential},
		{"missing", key(), nil, gateward.ErrInvalidCredential},
		{"array", key(), []string{issA}, gateward.ErrInvalidCredential},
		{"number", key(), 1, gateward.ErrInvalidCredential},
	} {
		id := verdict(t, m, tc.name, tc.key.Token(t, base(object{"iss": tc.iss})), tc.want)
		if tc.want == nil && (id.Provider != tc.name || id.Issuer != tc.iss) {
			t.Errorf("%s: provider %q, issuer %q", tc.name, id.Provider, id.Issuer)
		}
	}
	// A slash in the configuration must be in the token.
	slash := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Issuer = issA + "/" }))
	refuse(t, slash, "missing slash", base(object{"iss": issA}))
	accept(t, slash, "slash", base(object{"iss": issA + "/"}))
	// One issuer without a configured iss takes all.
	all := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Issuer = "" }))
	for _, v := range []any{issA, issB, nil} {
		accept(t, all, "any issuer", base(object{"iss": v}))
	}
	refuse(t, all, "issuer of another type", base(object{"iss": 12345}))
}

func TestSEC_C23_IdentityIsIssuerAndSubject(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Issuer = "" }))
	a := accept(t, m, "a", base(object{"iss": "https://a.test", "email": "ada@example.test"}))
	b := accept(t, m, "b", base(object{"iss": "https://b.test", "email": "ada@example.test"}))
	if a.Principal == b.Principal || a.Principal != (gateward.Principal{Issuer: "https://a.test", Subject: "ada"}) {
		t.Errorf("principals %v and %v", a.Principal, b.Principal)
	}
	for name, sub := range map[string]any{"missing": nil, "empty": "", "number": 123, "null in an array": []any{}, "broken text": "\uFFFD"} {
		refuse(t, m, "sub "+name, base(object{"sub": sub, "email": "ada@example.test", "user": object{"sub": "x"}}))
	}
}

func TestSEC_K04_SourceDownIsNotTheClientsFault(t *testing.T) {
	t.Parallel()
	e, o, clock := &keysettest.Endpoint{}, options(), now
	o.Transport, o.Now = e, func() time.Time { return clock }
	type refresh struct {
		issuer string
		ok     bool
	}
	refreshes := make(chan refresh, 10)
	o.OnRefresh = func(issuer string, ok bool, _ time.Time) { refreshes <- refresh{issuer, ok} }
	m, err := jwt.New(t.Context(), jwt.Config{Issuers: []jwt.Issuer{issuer(t, func(i *jwt.Issuer) {
		i.Name, i.PublicKeyFile, i.JWKSURL = "main", "", "https://issuer.test/jwks"
	})}}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e.Fail(http.StatusServiceUnavailable)
	token := key().Token(t, base())
	if _, err := m.Authenticate(t.Context(), bearer(token)); !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("source down: %v", err)
	}
	if got := <-refreshes; got != (refresh{"main", false}) {
		t.Errorf("observed %v", got)
	}
	e.Serve(keysettest.Document(t, key().JWK(nil)))
	clock = clock.Add(time.Second)
	verdict(t, m, "recovered", token, nil)
	if got := <-refreshes; got != (refresh{"main", true}) {
		t.Errorf("observed %v", got)
	}
}

// A log line never holds a token, whatever is odd about it.
func TestSEC_N01_NothingOfATokenIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options()
	o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m, err := jwt.New(t.Context(), jwt.Config{Issuers: []jwt.Issuer{issuer(t)}}, o)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.Authenticate(t.Context(), bearer(key().Token(t, base(object{"groups": "canary", "scope": []any{"canary", 1}}))))
	if err != nil || id.Groups != nil || id.Scopes != nil {
		t.Errorf("%v, %v, %v", id.Groups, id.Scopes, err)
	}
	if s := log.String(); strings.Count(s, "ignored") != 2 || strings.Contains(s, "canary") {
		t.Errorf("log: %s", s)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
