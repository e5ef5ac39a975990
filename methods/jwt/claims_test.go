package jwt_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/methods/jwt"
)

func TestSEC_C04_Audience(t *testing.T) {
	t.Parallel()
	two := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Audiences = []string{"gateward", "mine"} }))
	none := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Audiences = nil }))
	for _, tc := range []struct {
		name      string
		aud       any
		two, none bool
	}{
		{"string", "gateward", true, true},
		{"array", []string{"other", "mine"}, true, true},
		{"missing", nil, false, true},
		{"other", "other", false, true},
		{"others", []string{"other", "gateward2"}, false, true},
		{"empty array", []string{}, false, true},
		{"empty string", "", false, true},
		{"other case", "Gateward", false, true},
		{"comma list", "gateward,mine", false, true},
		{"number", 1, false, false},
		{"number in array", []any{"gateward", 1}, false, false},
		{"nested array", []any{[]string{"gateward"}}, false, false},
		{"object", object{"gateward": true}, false, false},
	} {
		for _, m := range []struct {
			name   string
			method *jwt.Method
			want   bool
		}{{"configured", two, tc.two}, {"not configured", none, tc.none}} {
			want := gateward.ErrInvalidCredential
			if m.want {
				want = nil
			}
			verdict(t, m.method, tc.name+", "+m.name, key().Token(t, base(object{"aud": tc.aud})), want)
		}
	}
}

func TestSEC_C05_Dates(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	strict := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ClockSkew = 0 }))
	n := float64(now.Unix())
	for _, tc := range []struct {
		name         string
		claims       object
		skew, strict bool // accepted with 30 s of skew, and with none
	}{
		{"only exp", object{}, true, true},
		{"float exp", object{"exp": n + 0.5}, true, true},
		{"exp now", object{"exp": n}, true, false},
		{"exp 29 s ago", object{"exp": n - 29}, true, false},
		{"exp 30 s ago", object{"exp": n - 30}, false, false},
		{"exp 61 s ago", object{"exp": n - 61}, false, false},
		{"exp far", object{"exp": 253402300799}, true, true},
		{"exp too far", object{"exp": 253402300800}, false, false},
		{"exp 1e300", object{"exp": 1e300}, false, false},
		{"exp string", object{"exp": "9999999999"}, false, false},
		{"exp negative", object{"exp": -1}, false, false},
		{"exp zero", object{"exp": 0}, false, false},
		{"exp true", object{"exp": true}, false, false},
		{"exp array", object{"exp": []any{n + 300}}, false, false},
		{"exp missing", object{"exp": nil}, false, false},
		{"exp missing, iat there", object{"exp": nil, "iat": n, "nbf": n}, false, false},
		{"nbf now", object{"nbf": n}, true, true},
		{"nbf in 30 s", object{"nbf": n + 30}, true, false},
		{"nbf in 31 s", object{"nbf": n + 31}, false, false},
		{"nbf string", object{"nbf": "0"}, false, false},
		{"nbf negative", object{"nbf": -5}, false, false},
		{"iat long ago", object{"iat": 1}, true, true},
		{"iat in 30 s", object{"iat": n + 30}, true, false},
		{"iat in 31 s", object{"iat": n + 31}, false, false},
		{"iat string", object{"iat": "0"}, false, false},
		{"iat 1e300", object{"iat": 1e300}, false, false},
	} {
		for _, m := range []struct {
			name   string
			method *jwt.Method
			want   bool
		}{{"with skew", m, tc.skew}, {"without", strict, tc.strict}} {
			want := gateward.ErrInvalidCredential
			if m.want {
				want = nil
			}
			verdict(t, m.method, tc.name+", "+m.name, key().Token(t, base(tc.claims)), want)
		}
	}
	for _, raw := range []string{`{"iss":"` + iss + `","sub":"a","aud":"gateward","exp":1e999}`, `{"iss":"` + iss + `","sub":"a","aud":"gateward","exp":null}`} {
		verdict(t, m, raw, key().SignRaw(t, []byte(`{"alg":"ES256"}`), []byte(raw)), gateward.ErrInvalidCredential)
	}
}

// The skew is granted to the token, not to who caches what comes of it.
func TestSEC_K02_ExpiryIsExact(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	id := accept(t, m, "expired within the skew", base(object{"exp": now.Unix() - 10}))
	if want := now.Add(-10 * time.Second); !id.Expiry.Equal(want) {
		t.Errorf("expiry %v, want %v", id.Expiry, want)
	}
	id = accept(t, m, "fraction", base(object{"exp": float64(now.Unix()) + 1.5}))
	if want := now.Add(1500 * time.Millisecond); !id.Expiry.Equal(want) {
		t.Errorf("expiry %v, want %v", id.Expiry, want)
	}
}

func TestSEC_C15_OtherPurposes(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	logout := object{"http://schemas.openid.net/event/backchannel-logout": object{}}
	for _, events := range []any{logout, object{}, []any{logout}, []any{}, "x", "", 0, false} {
		refuse(t, m, fmt.Sprintf("events %v without a type", events), base(object{"events": events}))
	}
	null := bytes.Replace(payload(t, base()), []byte("{"), []byte(`{"events":null,`), 1)
	verdict(t, m, "events null", key().SignRaw(t, []byte(`{"alg":"ES256"}`), null), gateward.ErrInvalidCredential)
	accept(t, m, "another claim", base(object{"event": logout, "x": object{"events": logout}}))
	for typ, want := range map[string]error{
		"logout+jwt": gateward.ErrInvalidCredential, "application/LOGOUT+JWT": gateward.ErrInvalidCredential,
		"secevent+jwt": gateward.ErrInvalidCredential, "dpop+jwt": gateward.ErrInvalidCredential, "oauth-authz-req+jwt": gateward.ErrInvalidCredential,
		"logout": gateward.ErrInvalidCredential, "logout+jws": gateward.ErrInvalidCredential, "logout+jwt ": gateward.ErrInvalidCredential,
		"logout+jwt;x=y": gateward.ErrInvalidCredential, "JWT ": gateward.ErrInvalidCredential, "JOSE+JSON": gateward.ErrInvalidCredential,
		"application/": gateward.ErrInvalidCredential, "application/application/jwt": gateward.ErrInvalidCredential,
		"text/jwt": gateward.ErrInvalidCredential, "Bearer": gateward.ErrInvalidCredential, "JO\u017fE": gateward.ErrInvalidCredential, "JWT\x00": gateward.ErrInvalidCredential,
		"JWT": nil, "jwt": nil, "application/JWT": nil, "at+jwt": nil, "Application/at+jwt": nil, "AT+JWT": nil, "JOSE": nil, "application/jose": nil, "": nil,
	} {
		verdict(t, m, fmt.Sprintf("typ %q", typ), key().Sign(t, object{"typ": typ}, base()), want)
	}
	verdict(t, m, "no typ", key().Sign(t, object{"typ": nil}, base()), nil) // as Kubernetes sends them
	for _, typ := range []string{`null`, `1`, `true`, `["JWT"]`, `{}`} {
		header := []byte(`{"alg":"ES256","typ":` + typ + `}`)
		verdict(t, m, "typ "+typ, key().SignRaw(t, header, payload(t, base())), gateward.ErrInvalidCredential)
	}
}

func TestSEC_C16_NestedAndEncrypted(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	inner := key().Token(t, base())
	verdict(t, m, "nested", key().SignRaw(t, []byte(`{"alg":"ES256","cty":"JWT"}`), []byte(inner)), gateward.ErrInvalidCredential)
	verdict(t, m, "five parts", inner+".AA.AA", gateward.ErrInvalidCredential)
}

func TestSEC_C18_RepeatedClaims(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	for _, extra := range []string{`"sub":"eve"`, `"su\u0062":"eve"`, `"x":{"a":1,"a":2}`, `"x":[{"a":1,"a":2}]`} {
		raw := bytes.Replace(payload(t, base()), []byte("{"), []byte("{"+extra+","), 1)
		verdict(t, m, extra, key().SignRaw(t, []byte(`{"alg":"ES256"}`), raw), gateward.ErrInvalidCredential)
	}
	for _, raw := range []string{`[]`, `"x"`, `null`, ``, `{}`, `{}{}`, `1`} {
		verdict(t, m, raw, key().SignRaw(t, []byte(`{"alg":"ES256"}`), []byte(raw)), gateward.ErrInvalidCredential)
	}
}

func payload(t *testing.T, claims object) []byte {
	t.Helper()
	j, err := keyset.Parse(key().Token(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(j.UnverifiedPayload())
}

func TestSEC_C24_BoundTokens(t *testing.T) {
	t.Parallel()
	m := newMethod(t, issuer(t))
	for _, cnf := range []any{object{"jkt": "x"}, object{"x5t#S256": "x"}, object{}, "x"} {
		refuse(t, m, "cnf", base(object{"cnf": cnf}))
	}
}

func TestMethod_Subject(t *testing.T) {
	t.Parallel()
	only := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ValidateClaims.Subject = "user@domain.com" }))
	accept(t, only, "the subject", base(object{"sub": "user@domain.com"}))
	for _, sub := range []any{"user@domain.com ", "User@domain.com", "user", "", nil, 1} {
		refuse(t, only, "another subject", base(object{"sub": sub}))
	}
	mapped := newMethod(t, issuer(t, func(i *jwt.Issuer) { i.ClaimsMapping = map[string]string{"sub": "/user/id"} }))
	if id := accept(t, mapped, "mapped", base(object{"sub": nil, "user": object{"id": "u1"}})); id.Subject != "u1" {
		t.Errorf("subject %q", id.Subject)
	}
	if id := accept(t, mapped, "both", base(object{"user": object{"id": "u1"}})); id.Subject != "ada" {
		t.Errorf("subject %q", id.Subject)
	}
	refuse(t, mapped, "mapped, number", base(object{"sub": nil, "user": object{"id": 1}}))
	refuse(t, mapped, "sub of another type is not replaced", base(object{"sub": 1, "user": object{"id": "u1"}}))
}
