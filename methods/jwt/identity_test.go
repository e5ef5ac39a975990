package jwt_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/jwt"
)

func TestMethod_Identity(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.Name = "main" }))
	claims := base(object{
		"email": "Ada@Example.test", "email_verified": true, "name": "Ada", "groups": []string{"dev", "ops"},
		"scope": "read write", "auth_time": now.Unix() - 60,
	})
	got := accept(t, m, "token", claims)
	want := gateward.Identity{
		Principal: gateward.Principal{Issuer: iss, Subject: "ada"}, Method: "jwt", Provider: "main",
		Email: "Ada@Example.test", EmailVerified: true, Name: "Ada",
		Groups: []string{"dev", "ops"}, Scopes: []string{"read", "write"},
		AuthTime: now.Add(-time.Minute), Expiry: now.Add(5 * time.Minute),
		Claims: got.Claims, Metadata: got.Metadata,
	}
	equal(t, "identity", got, want)
	equal(t, "claims", got.Claims["groups"], any([]any{"dev", "ops"}))
	equal(t, "number", got.Claims["exp"], any(float64(now.Unix()+300)))
}

func TestSEC_C22_TypedClaims(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	for _, tc := range []struct {
		name   string
		claims object
		want   []string
	}{
		{"array", object{"groups": []string{"a", "b,c"}}, []string{"a", "b,c"}},
		{"string", object{"groups": "admin"}, nil},
		{"string with a comma", object{"groups": "admin,dev"}, nil},
		{"mixed", object{"groups": []any{"admin", 1}}, nil},
		{"object", object{"groups": object{"admin": true}}, nil},
		{"null", object{"groups": json.RawMessage("null")}, nil},
		{"missing", object{}, nil},
	} {
		equal(t, "groups "+tc.name, accept(t, m, tc.name, base(tc.claims)).Groups, tc.want)
	}
	for _, tc := range []struct {
		name   string
		claims object
		want   bool
	}{
		{"true", object{"email_verified": true}, true},
		{"false", object{"email_verified": false}, false},
		{"string", object{"email_verified": "true"}, false},
		{"number", object{"email_verified": 1}, false},
		{"missing", object{}, false},
	} {
		id := accept(t, m, tc.name, base(object{"email": "a@b.test"}, tc.claims))
		if id.Email != "a@b.test" || id.EmailVerified != tc.want {
			t.Errorf("email_verified %s: %q, %v", tc.name, id.Email, id.EmailVerified)
		}
	}
	if id := accept(t, m, "no address", base(object{"email_verified": true})); id.Email != "" || id.EmailVerified {
		t.Errorf("verified without an address: %+v", id)
	}
	if id := accept(t, m, "addresses", base(object{"email": []string{"a@b.test"}, "email_verified": true})); id.Email != "" || id.EmailVerified {
		t.Errorf("email of another type: %+v", id)
	}
	for _, at := range []any{"yesterday", -1, now.Unix() + 31, nil, true} {
		if id := accept(t, m, "auth_time", base(object{"auth_time": at})); !id.AuthTime.IsZero() {
			t.Errorf("auth_time %v is %v", at, id.AuthTime)
		}
	}
}

// email_verified speaks of the member email beside it, and of no other address.
func TestSEC_C22_VerifiedIsOfTheSameAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, at string
		claims   object
		email    string
		verified bool
	}{
		{"another claim", "upn", object{"upn": "boss@corp.test", "email": "ada@corp.test", "email_verified": true}, "boss@corp.test", false},
		{"pointer to email", "/profile/email", object{"profile": object{"email": "a@b.test", "email_verified": true}}, "a@b.test", true},
		{"flag elsewhere", "/profile/email", object{"profile": object{"email": "a@b.test"}, "email_verified": true}, "a@b.test", false},
		{"element of an array", "/emails/0", object{"emails": []string{"a@b.test"}, "email_verified": true}, "a@b.test", false},
		{"plain name", "email", object{"email": "a@b.test", "email_verified": true}, "a@b.test", true},
		{"turned off", "", object{"email": "a@b.test", "email_verified": true}, "", false},
		{"configured and missing", "/nowhere/email", object{"email": "a@b.test", "email_verified": true}, "", false},
	} {
		m := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ClaimsMapping = map[string]string{"email": tc.at} }))
		id := accept(t, m, tc.name, base(tc.claims))
		if id.Email != tc.email || id.EmailVerified != tc.verified {
			t.Errorf("%s: %q, %v, want %q, %v", tc.name, id.Email, id.EmailVerified, tc.email, tc.verified)
		}
	}
	// Without a mapping: the standard claim, or else Flipt's place.
	m := newMethod(t, issuer(t))
	id := accept(t, m, "Flipt's place", base(object{"user": object{"email": "a@b.test", "email_verified": true, "name": "Ada"}}))
	if id.Email != "a@b.test" || !id.EmailVerified || id.Name != "Ada" {
		t.Errorf("%+v", id)
	}
}

func TestMethod_Scopes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, at string
		claims   object
		want     []string
	}{
		{"scope", "", object{"scope": "read  write "}, []string{"read", "write"}},
		{"scope array", "", object{"scope": []string{"read", "write"}}, []string{"read", "write"}},
		{"scp", "", object{"scp": []string{"read"}}, []string{"read"}},
		{"scp string", "", object{"scp": "read write"}, []string{"read", "write"}},
		{"scope before scp", "", object{"scope": "read", "scp": "admin"}, []string{"read"}},
		{"a bad scope is not replaced", "", object{"scope": 1, "scp": "admin"}, nil},
		{"space within an element", "", object{"scope": []string{"read admin"}}, nil},
		{"other white space", "", object{"scope": "read\tadmin"}, nil},
		{"comma is no separator", "", object{"scope": "read,admin"}, []string{"read,admin"}},
		{"empty element", "", object{"scope": []string{""}}, nil},
		{"configured", "permissions", object{"permissions": []string{"a"}, "scope": "b"}, []string{"a"}},
		{"pointer", "/auth/scopes", object{"auth": object{"scopes": "a b"}}, []string{"a", "b"}},
		{"URL as a name", "https://x.test/scopes", object{"https://x.test/scopes": "a"}, []string{"a"}},
		{"missing", "", object{}, nil},
	} {
		m := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ScopesClaim = tc.at }))
		got := accept(t, m, tc.name, base(tc.claims)).Scopes
		if len(got) == 0 {
			got = nil
		}
		equal(t, tc.name, got, tc.want)
	}
	m := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.GroupsClaim = "/realm_access/roles" }))
	id := accept(t, m, "groups claim", base(object{"groups": []string{"x"}, "realm_access": object{"roles": []string{"a"}}}))
	equal(t, "groups claim", id.Groups, []string{"a"})
}

func TestMethod_FliptMetadata(t *testing.T) {
	t.Parallel()
	loose := func(i *jwt.Issuer) { i.ValidateClaims = jwt.ValidateClaims{} }
	metadata := func(claims object, mapping map[string]string) map[string]string {
		m := newMethod(t, issuer(t, loose, func(i *jwt.Issuer) { i.ClaimsMapping = mapping }))
		id := accept(t, m, "metadata", claims)
		all := id.Metadata["io.flipt.auth.claims"]
		var decoded map[string]any
		if err := json.Unmarshal([]byte(all), &decoded); err != nil || len(decoded) != len(id.Claims) {
			t.Errorf("claims %s: %v", all, err)
		}
		delete(id.Metadata, "io.flipt.auth.claims")
		return id.Metadata
	}
	minimal := object{"sub": "ada", "exp": now.Unix() + 300}
	with := func(c object) object {
		for name, v := range minimal {
			c[name] = v
		}
		return c
	}
	user := object{"email": "a@b.test", "sub": 123, "image": "https://x.test/p.png", "name": "Ada", "role": "admin"}
	equal(t, "nothing", metadata(minimal, nil), map[string]string{})
	equal(t, "defaults", metadata(with(object{"iss": iss, "user": user}), nil), map[string]string{
		"io.flipt.auth.jwt.issuer": iss, "io.flipt.auth.jwt.email": "a@b.test", "io.flipt.auth.jwt.sub": "123",
		"io.flipt.auth.jwt.picture": "https://x.test/p.png", "io.flipt.auth.jwt.name": "Ada", "io.flipt.auth.jwt.role": "admin",
	})
	equal(t, "mapped and turned off", metadata(with(object{"user": user, "r": []string{"x", "y"}, "n": 1e20}), map[string]string{
		"email": "", "sub": "n", "picture": "", "name": "/user/nope", "role": "/r/1",
	}), map[string]string{"io.flipt.auth.jwt.role": "y", "io.flipt.auth.jwt.sub": "100000000000000000000"})
	equal(t, "user of another type", metadata(with(object{"user": "x"}), nil), map[string]string{})
	equal(t, "null and list", metadata(with(object{"user": object{"image": json.RawMessage("null"), "role": []string{"a b", "c"}}}), nil),
		map[string]string{"io.flipt.auth.jwt.role": `["a b","c"]`})
	equal(t, "prefix", metadata(with(object{"io.flipt.auth.role": "x", "io.flipt.authz": true, "io.flipt.other": "no"}), nil),
		map[string]string{"io.flipt.auth.role": "x", "io.flipt.authz": "true"})
	equal(t, "spoofed", metadata(with(object{
		"iss": iss, "io.flipt.auth.claims": "{}", "io.flipt.auth.jwt.issuer": "https://evil.test", "io.flipt.auth.jwt.email": "evil@b.test", "user": user,
	}), nil)["io.flipt.auth.jwt.issuer"], iss)
}

func TestNew_Problems(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.pem")
	type change = func(*jwt.Issuer)
	one := func(c change) []jwt.Issuer { return []jwt.Issuer{issuer(t, c)} }
	for name, tc := range map[string]struct {
		issuers []jwt.Issuer
		want    []string // "key: problem" beginnings, "!" before warnings
	}{
		"none":         {nil, []string{"one of jwks_url or public_key_file is required"}},
		"neither":      {one(func(i *jwt.Issuer) { i.PublicKeyFile = "" }), []string{"one of jwks_url or public_key_file is required"}},
		"both":         {one(func(i *jwt.Issuer) { i.JWKSURL = "https://x.test" }), []string{"only one of jwks_url or public_key_file can be set"}},
		"no file":      {one(func(i *jwt.Issuer) { i.PublicKeyFile = missing }), []string{"public_key_file: stat " + missing + ": no such file or directory"}},
		"directory":    {one(func(i *jwt.Issuer) { i.PublicKeyFile = filepath.Dir(missing) }), []string{"public_key_file: read "}},
		"no key":       {one(func(i *jwt.Issuer) { i.PublicKeyFile = "jwt.go" }), []string{"public_key_file: jwt.go: keyset: no PEM block"}},
		"no fit":       {one(func(i *jwt.Issuer) { i.Algorithms = []string{"RS256"} }), []string{"public_key_file: "}},
		"ca unused":    {one(func(i *jwt.Issuer) { i.CAPath = missing }), []string{"ca_path: is of no use"}},
		"ca missing":   {one(func(i *jwt.Issuer) { i.PublicKeyFile, i.JWKSURL, i.CAPath = "", "https://x.test", missing }), []string{"ca_path: stat "}},
		"ca no PEM":    {one(func(i *jwt.Issuer) { i.PublicKeyFile, i.JWKSURL, i.CAPath = "", "https://x.test", "jwt.go" }), []string{"ca_path: jwt.go: no certificate"}},
		"http":         {one(func(i *jwt.Issuer) { i.PublicKeyFile, i.JWKSURL = "", "http://x.test" }), []string{"jwks_url: the address is plain http to another machine"}},
		"algorithms":   {one(func(i *jwt.Issuer) { i.Algorithms = []string{"ES256", "HS256", "none"} }), []string{`algorithms[1]: unknown algorithm "HS256"`, `algorithms[2]: unknown algorithm "none"`}},
		"skew":         {one(func(i *jwt.Issuer) { i.ClockSkew = 61 * time.Second }), []string{"clock_skew: 1m1s"}},
		"negative":     {one(func(i *jwt.Issuer) { i.ClockSkew = -1 }), []string{"clock_skew: -1ns"}},
		"mapping":      {one(func(i *jwt.Issuer) { i.ClaimsMapping = map[string]string{"groups": "x"} }), []string{"claims_mapping: invalid claim key 'groups'"}},
		"pointer":      {one(func(i *jwt.Issuer) { i.ClaimsMapping = map[string]string{"email": "/a~2"} }), []string{`claims_mapping["email"]: "/a~2" has a ~`}},
		"root":         {one(func(i *jwt.Issuer) { i.GroupsClaim, i.ScopesClaim = "/", "/~" }), []string{`groups_claim: "/"`, `scopes_claim: "/~"`}},
		"empty aud":    {one(func(i *jwt.Issuer) { i.ValidateClaims.Audiences = []string{""} }), []string{"validate_claims.audiences: an audience is empty"}},
		"no audience":  {one(func(i *jwt.Issuer) { i.ValidateClaims.Audiences = nil }), []string{"!validate_claims.audiences: no audience"}},
		"several: iss": {[]jwt.Issuer{issuer(t, named("a")), issuer(t, named("b"), func(i *jwt.Issuer) { i.ValidateClaims.Issuer = "" })}, []string{`issuers["b"].validate_claims.issuer: non-empty`}},
		"several: same iss and bad": {
			[]jwt.Issuer{issuer(t, named("a")), issuer(t, named("b"), func(i *jwt.Issuer) { i.PublicKeyFile = missing })},
			[]string{`issuers["b"].validate_claims.issuer: "` + iss + `" is already that of "a"`, `issuers["b"].public_key_file: stat `},
		},
		"several: unnamed": {[]jwt.Issuer{issuer(t), issuer(t, named("b"))}, []string{`issuers["b"].validate_claims.issuer: "` + iss + `" is already that of ""`}},
		"several, unnamed": {[]jwt.Issuer{issuer(t), issuer(t, named("b"), func(i *jwt.Issuer) { i.ValidateClaims.Issuer = iss + "/b" })}, nil},
	} {
		m, err := jwt.New(t.Context(), jwt.Config{Issuers: tc.issuers}, options())
		var got []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, p := range joined.Unwrap() {
				var ce *gateward.ConfigError
				if !errors.As(p, &ce) || ce.Warning {
					t.Fatalf("%s: %v is no ConfigError", name, p)
				}
				got = append(got, ce.Error())
			}
		}
		if m != nil {
			for _, w := range m.Warnings() {
				got = append(got, "!"+w.Error())
			}
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: problems %q, want %q", name, got, tc.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tc.want[i]) {
				t.Errorf("%s: problem %q, want %q", name, got[i], tc.want[i])
			}
		}
		if (m == nil) != (err != nil) {
			t.Errorf("%s: method %v beside %v", name, m, err)
		}
		if m != nil {
			m.Close()
		}
	}
}

func named(name string) func(*jwt.Issuer) { return func(i *jwt.Issuer) { i.Name = name } }

// FuzzClaims: whatever the claims are, an identity comes out only of a token that
// is of the issuer, for the audience and in time, and says nothing else.
func FuzzClaims(f *testing.F) {
	for _, c := range []object{
		base(), base(object{"aud": []string{"x", "gateward"}}), base(object{"exp": "x"}), base(object{"nbf": 1e300}),
		base(object{"events": object{}}), base(object{"email": "a@b", "email_verified": "true", "groups": "a", "scope": []any{1}}),
		base(object{"user": object{"email": "x", "role": []any{object{}}}, "io.flipt.auth.claims": "x"}),
		{},
	} {
		raw, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	m := newMethod(f, issuer(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, err := m.Authenticate(t.Context(), bearer(key().SignRaw(t, []byte(`{"alg":"ES256"}`), raw)))
		if err != nil {
			if !errors.Is(err, gateward.ErrInvalidCredential) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if id.Issuer != iss || id.Subject == "" || id.Claims["sub"] != id.Subject || id.Claims["iss"] != iss {
			t.Fatalf("%q: identity %+v", raw, id.Principal)
		}
		if !id.Expiry.Add(30 * time.Second).After(now) {
			t.Fatalf("%q: expired at %v", raw, id.Expiry)
		}
		if id.EmailVerified && id.Email == "" {
			t.Fatalf("%q: verified without an address", raw)
		}
		for _, s := range id.Scopes {
			if s == "" || strings.ContainsAny(s, " \t\r\n") {
				t.Fatalf("%q: scope %q", raw, s)
			}
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	m := newMethod(b, issuer(b))
	c := bearer(key().Token(b, base(object{"email": "ada@example.test", "email_verified": true, "groups": []string{"dev", "ops"}, "scope": "openid email"})))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Authenticate(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
