package oidc_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_D04_IDToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	both := func(changes ...func(claims)) func(claims) {
		return func(c claims) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	tests := map[string]struct {
		change func(claims)
		ok     bool
	}{
		"as issued":           {func(claims) {}, true},
		"iss other":           {set("iss", "https://evil.test"), false},
		"iss with slash":      {func(c claims) { c["iss"] = c["iss"].(string) + "/" }, false},
		"iss missing":         {set("iss", nil), false},
		"iss array":           {func(c claims) { c["iss"] = []any{c["iss"]} }, false},
		"aud other":           {set("aud", "other"), false},
		"aud missing":         {set("aud", nil), false},
		"aud empty":           {set("aud", []string{}), false},
		"aud array":           {set("aud", []string{"gateward"}), true},
		"aud two, no azp":     {set("aud", []string{"gateward", "other"}), false},
		"aud two, azp":        {both(set("aud", []string{"other", "gateward"}), set("azp", "gateward")), true},
		"aud two, azp other":  {both(set("aud", []string{"gateward", "other"}), set("azp", "other")), false},
		"azp other":           {set("azp", "other"), false},
		"azp number":          {set("azp", 1), false},
		"exp past":            {set("exp", now.Add(-2*time.Minute).Unix()), false},
		"exp within skew":     {set("exp", now.Add(-30*time.Second).Unix()), true},
		"exp missing":         {set("exp", nil), false},
		"Aud":                 {both(set("aud", nil), set("Aud", "gateward")), false},
		"Iss":                 {func(c claims) { c["Iss"] = c["iss"]; delete(c, "iss") }, false},
		"Exp":                 {both(set("exp", nil), set("Exp", now.Add(time.Hour).Unix())), false},
		"exp string":          {set("exp", "9999999999"), false},
		"iat missing":         {set("iat", nil), false},
		"iat string":          {set("iat", "1"), false},
		"iat future":          {set("iat", now.Add(5*time.Minute).Unix()), false},
		"iat long ago":        {set("iat", now.Add(-48*time.Hour).Unix()), false},
		"nbf future":          {set("nbf", now.Add(time.Hour).Unix()), false},
		"sub missing":         {set("sub", nil), false},
		"sub empty":           {set("sub", ""), false},
		"sub number":          {set("sub", 7), false},
		"sub too long":        {set("sub", strings.Repeat("x", 256)), false},
		"sub long":            {set("sub", strings.Repeat("x", 255)), true},
		"sub broken":          {set("sub", "\xff"), false},
		"at_hash other":       {set("at_hash", "AAAA"), false},
		"at_hash missing":     {set("at_hash", nil), true},
		"claim typ Bearer":    {set("typ", "Bearer"), false},
		"claim typ Refresh":   {set("typ", "Refresh"), false},
		"claim typ ID":        {set("typ", "ID"), true},
		"events":              {set("events", claims{"http://schemas.openid.net/event/backchannel-logout": claims{}}), false},
		"auth_time string":    {set("auth_time", "1"), false},
		"auth_time to come":   {set("auth_time", now.Add(time.Hour).Unix()), false},
		"deep":                {set("x", json.RawMessage(strings.Repeat("[", 100)+strings.Repeat("]", 100))), false},
		"300 groups":          {func(c claims) { c["groups"] = manyGroups(300) }, true},
		"google without http": {set("iss", "accounts.google.com"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			f.op.Configure(func(b *oidctest.Behavior) { b.IDToken = tt.change })
			id, tokens, err := f.exchange()
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f.refused(id, tokens, err, gateward.ErrInvalidCredential)
		})
	}
}

func TestSEC_D04_Signature(t *testing.T) {
	t.Parallel()
	foreign := keysettest.NewKey(t, "key-0", "RS256")
	es := keysettest.NewKey(t, "es", "ES256")
	encode := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	tests := map[string]func(t *testing.T, f *fixture) func(claims) string{
		"another key under the same name": func(t *testing.T, _ *fixture) func(claims) string {
			return func(c claims) string { return foreign.Token(t, c) }
		},
		"key in the header": func(t *testing.T, _ *fixture) func(claims) string {
			return func(c claims) string { return foreign.Sign(t, claims{"jwk": foreign.JWK(nil)}, c) }
		},
		"alg none": func(*testing.T, *fixture) func(claims) string {
			return func(c claims) string { return encode(claims{"alg": "none"}) + "." + encode(c) + "." }
		},
		"alg NoNe with kid": func(*testing.T, *fixture) func(claims) string {
			return func(c claims) string { return encode(claims{"alg": "NoNe", "kid": "key-0"}) + "." + encode(c) + "." }
		},
		"HS256 with the public key": func(t *testing.T, f *fixture) func(claims) string {
			secret := publicPEM(t, f)
			return func(c claims) string {
				input := encode(claims{"alg": "HS256", "kid": "key-0"}) + "." + encode(c)
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			}
		},
		"HS256 with the client secret": func(_ *testing.T, f *fixture) func(claims) string {
			return func(c claims) string {
				input := encode(claims{"alg": "HS256"}) + "." + encode(c)
				mac := hmac.New(sha256.New, []byte(f.op.ClientSecret))
				mac.Write([]byte(input))
				return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			}
		},
		"an algorithm that is not allowed": func(t *testing.T, f *fixture) func(claims) string {
			f.op.Configure(func(b *oidctest.Behavior) {
				b.KeySet = func(all []map[string]any) []map[string]any { return append(all, es.JWK(nil)) }
			})
			return func(c claims) string { return es.Token(t, c) }
		},
		"typ at+jwt":     header(claims{"typ": "at+jwt"}),
		"typ logout+jwt": header(claims{"typ": "logout+jwt"}),
		"crit":           header(claims{"crit": []string{"exp"}}),
		"too long": func(_ *testing.T, f *fixture) func(claims) string {
			return func(c claims) string { c["x"] = strings.Repeat("x", 20<<10); return f.op.Sign(nil, c) }
		},
		"not a token": func(*testing.T, *fixture) func(claims) string {
			return func(claims) string { return "id-token-canary" }
		},
		"empty":           func(*testing.T, *fixture) func(claims) string { return func(claims) string { return "" } },
		"repeated member": func(t *testing.T, f *fixture) func(claims) string { return f.repeated(t) },
	}
	for name, sign := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			s := sign(t, f)
			f.op.Configure(func(b *oidctest.Behavior) { b.Sign = s })
			id, tokens, err := f.exchange()
			f.refused(id, tokens, err, gateward.ErrInvalidCredential)
		})
	}

	t.Run("configured algorithm", func(t *testing.T) {
		t.Parallel()
		f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Algorithms = []string{"ES256"} })
		f.op.Configure(func(b *oidctest.Behavior) {
			b.KeySet = func(all []map[string]any) []map[string]any { return append(all, es.JWK(nil)) }
		})
		if _, _, err := f.exchange(); err == nil {
			t.Error("RS256 is accepted where ES256 is configured")
		}
		f.op.Configure(func(b *oidctest.Behavior) { b.Sign = func(c claims) string { return es.Token(t, c) } })
		f.mustExchange()
	})
}

func header(h claims) func(*testing.T, *fixture) func(claims) string {
	return func(_ *testing.T, f *fixture) func(claims) string {
		return func(c claims) string { return f.op.Sign(h, c) }
	}
}

// repeated signs claims in which sub is there twice, by a key of the test's.
func (f *fixture) repeated(t *testing.T) func(claims) string {
	k := keysettest.NewKey(t, "twice", "RS256")
	f.op.Configure(func(b *oidctest.Behavior) {
		b.KeySet = func(all []map[string]any) []map[string]any { return append(all, k.JWK(nil)) }
	})
	return func(c claims) string {
		payload, _ := json.Marshal(c)
		return k.SignRaw(t, []byte(`{"alg":"RS256","kid":"twice"}`), append([]byte(`{"sub":"root",`), payload[1:]...))
	}
}

// publicPEM fetches the provider's key as everybody can.
func publicPEM(t *testing.T, f *fixture) []byte {
	t.Helper()
	res, err := http.Get(f.op.Issuer + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set struct{ Keys []struct{ N, E string } }
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	n, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	var public crypto.PublicKey = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
