package oidc_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
)

// FuzzEmail: whatever is admitted is one plain address in that very domain.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{
		"ada@company.com", "Ada@COMPANY.com", "a@evil.com@company.com", "a@company.com.evil.com", `"a@x"@company.com`, "@company.com",
		"a\n@company.com", "a@company.com\n", "ä@company.com", "a@cоmpany.com", "a@\u212aompany.com", "<a@company.com>", "a@company.com,b@evil.com",
		"a b@company.com", "a@company.com ", "a(@evil.com)@company.com", "a@[127.0.0.1]", "a%40evil.com@company.com", "\xff@company.com", "a@xcompany.com",
	} {
		f.Add(s)
	}
	m, err := oidc.New(f.Context(), oidc.Config{
		EmailMatches: []string{`.*@company\.com`},
		Providers: map[string]oidc.ProviderConfig{"op": {
			IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test", Scopes: []string{"email"},
		}},
	}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	p := m.Providers()[0]
	f.Fuzz(func(t *testing.T, address string) {
		issuer := gateward.Principal{Issuer: "https://issuer.test", Subject: "1"}
		if p.Admit(&gateward.Identity{Principal: issuer, Email: address}) == nil {
			t.Fatalf("%q is admitted unverified", address)
		}
		if p.Admit(&gateward.Identity{Principal: issuer, Email: address, EmailVerified: true}) != nil {
			return
		}
		at := strings.LastIndexByte(address, '@')
		if strings.Count(address, "@") != 1 || at == 0 || strings.ToLower(address[at+1:]) != "company.com" || len(address) > 254 || !utf8.ValidString(address) ||
			strings.ContainsFunc(address, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) || strings.ContainsAny(address, `"<>(),:;\[]`) {
			t.Fatalf("admitted %q", address)
		}
	})
}

// offline is a provider without a network: the key is real, and the token answer
// is what a test makes it.
type offline struct {
	keys   []byte
	answer []byte
	info   []byte // what userinfo says; nil if there is none
}

func (o *offline) RoundTrip(r *http.Request) (*http.Response, error) {
	body := o.keys
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		body = []byte(`{"issuer":"https://issuer.test","authorization_endpoint":"https://issuer.test/a","token_endpoint":"https://issuer.test/t","jwks_uri":"https://issuer.test/k"}`)
		if o.info != nil {
			body = append(body[:len(body)-1], `,"userinfo_endpoint":"https://issuer.test/u"}`...)
		}
	case "/t":
		body = o.answer
	case "/u":
		body = o.info
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}, nil
}

// FuzzIDToken: what is accepted as an ID token holds, read by encoding/json, what
// it must; and the identity holds nothing that it does not.
func FuzzIDToken(f *testing.F) {
	const required = `"iss":"https://issuer.test","aud":"c","exp":2000000000,"iat":1799999990,"nonce":"n"`
	for _, s := range []string{
		`{` + required + `,"sub":"ada"}`,
		`{` + required + `,"sub":"ada","email":"a@b.test","email_verified":true,"name":"Ada","groups":["a","b"],"sid":"s"}`,
		`{` + required + `,"sub":"ada","email":"a@b.test","email_verified":"true","groups":"a","auth_time":1799999000}`,
		`{` + required + `,"sub":"ada","auth_time":1800000050,"acr":"a"}`, `{` + required + `,"sub":"ada","auth_time":null}`,
		`{` + required + `,"sub":"ada","_claim_names":{"groups":"s"},"_claim_sources":{"s":{"endpoint":"x"}}}`,
		`{` + required + `,"sub":"ada","sub":"eve"}`, `{` + required + `,"Sub":"ada"}`, `{` + required + `,"sub":null}`, `{` + required + `,"sub":"ada","NONCE":"x"}`,
		`{"iss":"https://issuer.test","aud":["c","d"],"azp":"c","exp":2e9,"iat":1799999990.5,"nonce":"n","sub":"\ud800"}`,
		`{"iss":"https://issuer.test","aud":["c"],"exp":"2000000000","iat":1799999990,"nonce":"n","sub":"ada"}`,
		`{` + required + `,"sub":"ada","email":{"x":1},"email_verified":1,"groups":[1],"at_hash":"x","events":{},"typ":"Bearer"}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	now := time.Unix(1800000000, 0)
	k := keysettest.NewKey(f, "k", "ES256")
	o := &offline{keys: keysettest.Document(f, k.JWK(nil))}
	m, err := oidc.New(f.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": {
		IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test",
		Algorithms: []string{"ES256"},
	}}}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Transport: o})
	if err != nil {
		f.Fatal(err)
	}
	p := m.Providers()[0]
	accepted := func(t testing.TB, payload []byte) (gateward.Identity, bool) {
		token := k.SignRaw(t, []byte(`{"alg":"ES256"}`), payload)
		o.answer, _ = json.Marshal(map[string]any{"access_token": "a", "id_token": token})
		id, _, err := p.Exchange(t.Context(), methods.Callback{Code: gateward.NewSecret("code")}, methods.Attempt{Nonce: "n", Verifier: gateward.NewSecret("v")})
		return id, err == nil
	}
	if _, ok := accepted(f, []byte(`{`+required+`,"sub":"ada"}`)); !ok {
		f.Fatal("nothing is ever accepted")
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		id, ok := accepted(t, payload)
		if !ok {
			return
		}
		var c map[string]any
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatalf("accepted what is no JSON: %s", payload)
		}
		list, _ := c["aud"].([]any)
		exp, isDate := c["exp"].(float64)
		if c["iss"] != "https://issuer.test" || c["nonce"] != "n" || c["sub"] != id.Subject || id.Subject == "" || id.Issuer != "https://issuer.test" ||
			c["aud"] != "c" && !slices.Contains(list, any("c")) || len(list) > 1 && c["azp"] != "c" || !isDate || exp < float64(now.Unix()-60) {
			t.Fatalf("accepted %s as %+v", payload, id)
		}
		if id.EmailVerified && (c["email_verified"] != true && c["email_verified"] != "true" || c["email"] != id.Email) {
			t.Fatalf("verified by %s: %+v", payload, id)
		}
		groups, _ := c["groups"].([]any)
		for _, g := range id.Groups {
			if g != c["groups"] && !slices.Contains(groups, any(g)) {
				t.Fatalf("group %q from %s", g, payload)
			}
		}
		if at, said := c["auth_time"].(float64); !said && !id.AuthTime.IsZero() || said && float64(id.AuthTime.Unix()) > at {
			t.Fatalf("authenticated at %s by %s", id.AuthTime, payload)
		}
		if id.AuthTime.After(now) || !json.Valid([]byte(id.Metadata["io.flipt.auth.claims"])) {
			t.Fatalf("%+v", id)
		}
	})
}

// FuzzUserinfo: whatever userinfo says at a login and at a refresh without an ID
// token, the identity says nothing of address and groups that its claims do not,
// and at the refresh nothing that userinfo contradicts.
func FuzzUserinfo(f *testing.F) {
	for _, s := range [][2]string{
		{`{"sub":"ada"}`, `{"sub":"ada"}`},
		{`{"sub":"ada","groups":["b"]}`, `{"sub":"ada","groups":"b"}`},
		{`{"sub":"ada","groups":["b"]}`, `{"sub":"ada","groups":{"b":1}}`},
		{`{"sub":"ada","groups":["b"],"email":"b@b.test"}`, `{"sub":"ada"}`},
		{`{"sub":"ada","email":"b@b.test"}`, `{"sub":"ada","email":"a@b.test","email_verified":"true"}`},
		{`{"sub":"ada","email":"a@b.test"}`, `{"sub":"ada","email":"b@b.test"}`},
		{`{"sub":"ada","email_verified":false}`, `{"sub":"ada","email_verified":true}`},
		{`{"sub":"ada","email":null,"iss":"x"}`, `{"sub":"ada","email":null,"email_verified":true}`},
		{`{"sub":"ada","_claim_names":{"groups":"s"}}`, `{"sub":"eve"}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), true)
		f.Add([]byte(s[0]), []byte(s[1]), false)
	}
	now := time.Unix(1800000000, 0)
	k := keysettest.NewKey(f, "k", "ES256")
	o := &offline{keys: keysettest.Document(f, k.JWK(nil)), info: []byte(`{}`)}
	m, err := oidc.New(f.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": {
		IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test",
		Algorithms: []string{"ES256"}, FetchExtraUserInfo: true,
	}}}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Transport: o})
	if err != nil {
		f.Fatal(err)
	}
	p := m.Providers()[0]
	token := func(t *testing.T, attributes string) string {
		return k.SignRaw(t, []byte(`{"alg":"ES256"}`), []byte(`{"iss":"https://issuer.test","aud":"c","exp":2000000000,"iat":1799999990,"nonce":"n","sub":"ada"`+attributes+`}`))
	}
	f.Fuzz(func(t *testing.T, atLogin, atRefresh []byte, full bool) {
		attributes := ""
		if full {
			attributes = `,"email":"a@b.test","email_verified":true,"groups":["a"]`
		}
		o.info = atLogin
		o.answer, _ = json.Marshal(map[string]any{"access_token": "a", "refresh_token": "r", "id_token": token(t, attributes)})
		id, tokens, err := p.Exchange(t.Context(), methods.Callback{Code: gateward.NewSecret("code")}, methods.Attempt{Nonce: "n", Verifier: gateward.NewSecret("v")})
		if err != nil {
			return
		}
		consistent(t, &id)
		o.info = atRefresh
		o.answer, _ = json.Marshal(map[string]any{"access_token": "a", "refresh_token": "r"})
		id, _, err = p.Refresh(t.Context(), id, tokens)
		if err != nil {
			return
		}
		consistent(t, &id)
		var info map[string]any
		if err := json.Unmarshal(atRefresh, &info); err != nil || info["sub"] != "ada" {
			t.Fatalf("accepted %s", atRefresh)
		}
		if v, said := info["email"]; said && v != id.Email && id.Email != "" || id.EmailVerified && info["email_verified"] == false {
			t.Fatalf("%+v against %s", id, atRefresh)
		}
		if _, said := info["groups"]; said && slices.Contains(id.Groups, "a") && !strings.Contains(string(atRefresh), "a") {
			t.Fatalf("%q against %s", id.Groups, atRefresh)
		}
	})
}

// consistent checks an identity against its own claims.
func consistent(t *testing.T, id *gateward.Identity) {
	t.Helper()
	email, _ := id.Claims["email"].(string)
	verified := id.Claims["email_verified"] == true || id.Claims["email_verified"] == "true"
	if email != id.Email || id.Email != "" && verified != id.EmailVerified || id.EmailVerified && id.Email == "" {
		t.Fatalf("%q, %v: %v", id.Email, id.EmailVerified, id.Claims)
	}
	list, _ := id.Claims["groups"].([]any)
	for _, g := range id.Groups {
		if g != id.Claims["groups"] && !slices.Contains(list, any(g)) {
			t.Fatalf("%q: %v", id.Groups, id.Claims)
		}
	}
}
