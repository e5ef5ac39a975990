package oidc_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_D19_UserinfoSpeaksOfPartOfAnObject: what it does not speak of there is as
// the ID token says, until it has told it once.
func TestSEC_D19_UserinfoSpeaksOfPartOfAnObject(t *testing.T) {
	t.Parallel()
	ada := func() claims {
		return claims{"email": "ada@example.com", "email_verified": true, "groups": []any{"staff"}, "since": 1842.0}
	}
	for name, tt := range map[string]struct {
		token, login, refresh claims // of the object, in the ID token and in userinfo
		want, wantThen        string
	}{
		"another member": {ada(), claims{"x": 1}, claims{"x": 1}, "ada@example.com verified staff", "ada@example.com verified staff"},
		"empty":          {ada(), claims{}, claims{}, "ada@example.com verified staff", "ada@example.com verified staff"},
		"groups only": {
			claims{"email": "ada@example.com", "email_verified": true},
			claims{"groups": []any{"staff"}},
			claims{"groups": []any{"left"}},
			"ada@example.com verified staff", "ada@example.com verified left",
		},
		"groups no more": {
			claims{"email": "ada@example.com", "email_verified": true},
			claims{"groups": []any{"staff"}},
			claims{"x": 1},
			"ada@example.com verified staff", "ada@example.com verified",
		},
		"address only": {
			claims{"groups": []any{"staff"}},
			claims{"email": "ada@example.com", "email_verified": true},
			claims{"email": "new@example.com"},
			"ada@example.com verified staff", "new@example.com unverified staff",
		},
		"address no more": {
			claims{"groups": []any{"staff"}},
			claims{"email": "ada@example.com", "email_verified": true},
			claims{},
			"ada@example.com verified staff", " unverified staff",
		},
		"another address":   {ada(), claims{}, claims{"email": "eve@example.com"}, "ada@example.com verified staff", "eve@example.com unverified staff"},
		"the same address":  {ada(), claims{}, claims{"email": "ada@example.com"}, "ada@example.com verified staff", "ada@example.com verified staff"},
		"address is null":   {ada(), claims{}, claims{"email": nil}, "ada@example.com verified staff", " unverified staff"},
		"verified only":     {ada(), claims{}, claims{"email_verified": false}, "ada@example.com verified staff", "ada@example.com unverified staff"},
		"groups whole":      {ada(), claims{}, claims{"groups": []any{"a", "b"}}, "ada@example.com verified staff", "ada@example.com verified a b"},
		"no groups":         {ada(), claims{}, claims{"groups": []any{}}, "ada@example.com verified staff", "ada@example.com verified"},
		"groups are null":   {ada(), claims{}, claims{"groups": nil}, "ada@example.com verified staff", "ada@example.com verified"},
		"no object":         {ada(), claims{}, nil, "ada@example.com verified staff", " unverified"},
		"other at login":    {ada(), claims{"email": "eve@example.com", "groups": []any{"root"}}, ada(), "ada@example.com verified staff", "ada@example.com verified staff"},
		"verified at login": {claims{"email": "a@b.test"}, claims{"email": "c@d.test", "email_verified": true}, claims{"email": "a@b.test", "email_verified": true}, "a@b.test unverified", "a@b.test verified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.FetchExtraUserInfo, p.GroupsClaim = true, "/user/of/groups"
				p.ClaimsMapping = map[string]string{"email": "/user/of/email"}
			})
			info := func(of any) func(claims) { return func(c claims) { c["user"] = claims{"of": of} } }
			f.op.Configure(func(b *oidctest.Behavior) {
				b.NoRefreshedIDToken, b.IDToken, b.UserinfoClaims = true, info(tt.token), info(tt.login)
			})
			id, tokens := f.mustExchange()
			nested(t, &id, tt.want)
			var then any // nil and not a nil map
			if tt.refresh != nil {
				then = tt.refresh
			}
			f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = info(then) })
			for range 2 { // what is gone does not come back by itself
				got, next, err := f.login.Refresh(t.Context(), id, tokens)
				if err != nil {
					t.Fatal(err)
				}
				nested(t, &got, tt.wantThen)
				id, tokens = got, next
			}
		})
	}
}

// nested checks what an identity says of address and groups, and that its claims
// say it, too, at /user/of.
func nested(t *testing.T, id *gateward.Identity, want string) {
	t.Helper()
	said := func(email string, verified bool, groups []string) string {
		word := map[bool]string{true: " verified", false: " unverified"}[verified]
		return strings.Join(append([]string{email + word}, groups...), " ")
	}
	if s := said(id.Email, id.EmailVerified, id.Groups); s != want {
		t.Errorf("identity: %q, want %q", s, want)
	}
	user, _ := id.Claims["user"].(claims)
	of, _ := user["of"].(claims)
	list, _ := of["groups"].([]any)
	var groups []string
	for _, g := range list {
		groups = append(groups, g.(string))
	}
	email, _ := of["email"].(string)
	if s := said(email, of["email_verified"] == true, groups); s != want {
		t.Errorf("claims: %q, want %q", s, want)
	}
}

// TestSEC_D19_ArraysAreReplacedWhole: an element of one means nothing in another.
func TestSEC_D19_ArraysAreReplacedWhole(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.FetchExtraUserInfo, p.ClaimsMapping = true, map[string]string{"email": "/mails/0/email"}
	})
	f.op.Configure(func(b *oidctest.Behavior) {
		b.NoRefreshedIDToken = true
		b.IDToken = set("mails", []any{claims{"email": "ada@example.com", "email_verified": true}})
		b.UserinfoClaims = set("mails", []any{claims{"email": "eve@example.com", "email_verified": true}})
	})
	id, tokens := f.mustExchange()
	if mails, _ := id.Claims["mails"].([]any); len(mails) != 1 || mails[0].(claims)["email"] != id.Email || id.Email != "ada@example.com" || !id.EmailVerified {
		t.Errorf("%+v", id)
	}
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("mails", []any{claims{"email": "new@example.com"}}) })
	got, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || got.Email != "new@example.com" || got.EmailVerified {
		t.Errorf("%+v, %v", got, err)
	}
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("mails", []any{}) })
	if got, _, err = f.login.Refresh(t.Context(), got, next); err != nil || got.Email != "" || got.EmailVerified {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzNestedUserinfo is FuzzUserinfo where address and groups are in one object:
// the identity and its claims agree, and what userinfo says now is what counts.
func FuzzNestedUserinfo(f *testing.F) {
	for _, s := range [][3]string{
		{`{"email":"a@b.test","email_verified":true,"groups":["a"]}`, `{"x":1}`, `{"x":1}`},
		{`{"email":"a@b.test","email_verified":true}`, `{"groups":["a"]}`, `{"email":"b@b.test"}`},
		{`{"groups":["a"]}`, `{"email":"a@b.test","email_verified":true}`, `{}`},
		{`{"email":"","email_verified":true}`, `{"email":"b@b.test"}`, `{"email_verified":true}`},
		{`{"email":"a@b.test"}`, `{"email":"a@b.test","email_verified":"true"}`, `null`},
		{`[]`, `{"groups":"a"}`, `[{"groups":["b"]}]`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	p, token, o := nestedOffline(f)
	f.Fuzz(func(t *testing.T, inToken, atLogin, atRefresh []byte) {
		if !json.Valid(inToken) {
			return
		}
		answer := func(raw []byte) []byte { return []byte(`{"sub":"ada","user":` + string(raw) + `}`) }
		o.info = answer(atLogin)
		o.answer, _ = json.Marshal(claims{"access_token": "a", "refresh_token": "r", "id_token": token(t, `,"user":`+string(inToken))})
		id, tokens, err := p.Exchange(t.Context(), methods.Callback{Code: gateward.NewSecret("code")}, methods.Attempt{Nonce: "n", Verifier: gateward.NewSecret("v")})
		if err != nil {
			return
		}
		consistent(t, within(&id))
		before := id
		o.info = answer(atRefresh)
		o.answer, _ = json.Marshal(claims{"access_token": "a", "refresh_token": "r"})
		if id, _, err = p.Refresh(t.Context(), id, tokens); err != nil {
			return
		}
		consistent(t, within(&id))
		var info claims
		if err := json.Unmarshal(o.info, &info); err != nil {
			t.Fatalf("accepted %s", o.info)
		}
		user, isObject := info["user"].(claims)
		if !isObject && (id.Email != "" || id.Groups != nil) {
			t.Fatalf("%+v against %s", id, atRefresh)
		}
		if v, said := user["email"]; said && v != id.Email && id.Email != "" || id.EmailVerified && user["email_verified"] == false {
			t.Fatalf("%+v against %s", id, atRefresh)
		}
		if id.EmailVerified && id.Email != before.Email && (user["email"] != id.Email || user["email_verified"] != true && user["email_verified"] != "true") {
			t.Fatalf("verified by nobody: %+v, before %+v, by %s", id, before, atRefresh)
		}
	})
}

// within returns an identity that has the claims of its object.
func within(id *gateward.Identity) *gateward.Identity {
	inner := *id
	inner.Claims, _ = id.Claims["user"].(claims)
	return &inner
}

func nestedOffline(f *testing.F) (*oidc.Provider, func(testing.TB, string) string, *offline) {
	f.Helper()
	now := time.Unix(1800000000, 0)
	k := keysettest.NewKey(f, "k", "ES256")
	o := &offline{keys: keysettest.Document(f, k.JWK(nil)), info: []byte(`{}`)}
	m, err := oidc.New(f.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": {
		IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test",
		Algorithms: []string{"ES256"}, FetchExtraUserInfo: true,
		GroupsClaim: "/user/groups", ClaimsMapping: map[string]string{"email": "/user/email"},
	}}}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Transport: o})
	if err != nil {
		f.Fatal(err)
	}
	return m.Providers()[0], func(t testing.TB, attributes string) string {
		return k.SignRaw(t, []byte(`{"alg":"ES256"}`), []byte(`{"iss":"https://issuer.test","aud":"c","exp":2000000000,"iat":1799999990,"nonce":"n","sub":"ada"`+attributes+`}`))
	}, o
}
