package oidc_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestSEC_D14_Email(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		email    string
		verified any
		rule     string // that refuses
	}{
		"verified":               {"ada@company.com", true, ""},
		"verified, as text":      {"ada@company.com", "true", ""},
		"case":                   {"Ada@Company.COM", true, ""},
		"second pattern":         {"x@flipt.io", true, ""},
		"unverified":             {"ada@company.com", false, "require_verified_email"},
		"unverified, as text":    {"ada@company.com", "false", "require_verified_email"},
		"not said":               {"ada@company.com", nil, "require_verified_email"},
		"verified, odd text":     {"ada@company.com", "TRUE", "require_verified_email"},
		"verified, a number":     {"ada@company.com", 1, "require_verified_email"},
		"other domain":           {"ada@evil.com", true, "email_matches"},
		"two @":                  {"a@evil.com@company.com", true, "email_matches"},
		"domain goes on":         {"a@company.com.evil.com", true, "email_matches"},
		"quoted":                 {`"a@x"@company.com`, true, "email_matches"},
		"subdomain":              {"a@x.company.com", true, "email_matches"},
		"no local part":          {"@company.com", true, "email_matches"},
		"space":                  {"a b@company.com", true, "email_matches"},
		"line break":             {"ada@company.com\n", true, "email_matches"},
		"line break in front":    {"evil\nada@company.com", true, "email_matches"},
		"NUL":                    {"ada@company.com\x00", true, "email_matches"},
		"final dot":              {"ada@company.com.", true, "email_matches"},
		"comment":                {"ada(x)@company.com", true, "email_matches"},
		"two addresses":          {"ada@company.com,eve@evil.com", true, "email_matches"},
		"angle brackets":         {"<ada@company.com>", true, "email_matches"},
		"a letter that looks so": {"ada@cоmpany.com", true, "email_matches"},
		"dot is a dot":           {"x@fliptXio", true, "email_matches"},
		"Kelvin is no k":         {"\u212aim@one.test", true, "email_matches"},
		"one address":            {"KIM@one.test", true, ""},
		"whole address":          {"bob@one.test", true, ""},
		"more in front":          {"evilbob@one.test", true, "email_matches"},
		"more behind":            {"bob@one.test.evil.test", true, "email_matches"},
		"empty":                  {"", true, "email_matches"},
		"too long":               {strings.Repeat("a", 250) + "@company.com", true, "email_matches"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(c *oidc.Config, _ *oidc.ProviderConfig) {
				c.EmailMatches = []string{`^[^@]*@company\.com`, `.*@flipt\.io`, `^kim@one\.test$`, `bob@one\.test`}
			})
			u := oidctest.Ada()
			u.Email, u.EmailVerified = tt.email, tt.verified
			f.op.SetUser(u)
			id, tokens, err := f.exchange()
			if got := rule(err); got != tt.rule {
				t.Fatalf("refused by %q (%v), want %q", got, err, tt.rule)
			}
			if tt.rule == "" {
				if err := f.login.Admit(&id); err != nil {
					t.Errorf("admitted at login, not later: %v", err)
				}
				return
			}
			f.refused(id, tokens, err, gateward.ErrNotAdmitted)
			if id.Subject != "ada-1" || id.Name == "" || tokens.AccessToken.Reveal() != "" {
				t.Errorf("the page could not say who was refused, or there are tokens: %+v", id)
			}
			if err := f.login.Admit(&id); rule(err) != tt.rule {
				t.Errorf("later refused by %v, want %s", err, tt.rule)
			}
		})
	}
}

func TestSEC_D14_VerificationNotRequired(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *oidc.Config, p *oidc.ProviderConfig) {
		c.EmailMatches, p.RequireVerifiedEmail = []string{`^.*@example\.com$`}, no()
	})
	u := oidctest.Ada()
	u.EmailVerified = nil
	f.op.SetUser(u)
	if id, _ := f.mustExchange(); id.EmailVerified {
		t.Error("an address that nobody has verified is called verified")
	}
}

// Whether an address is verified is said of that address only.
func TestSEC_D14_VerifiedIsOfTheSameAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mapping  map[string]string
		idToken  claims
		userinfo claims
		email    string
		verified bool
	}{
		"of another claim":           {map[string]string{"email": "upn"}, claims{"upn": "root@example.com", "email_verified": true}, nil, "root@example.com", false},
		"of a pointer":               {map[string]string{"email": "/user/email"}, claims{"user": claims{"email": "a@b.test", "email_verified": true}}, nil, "a@b.test", true},
		"of another object":          {map[string]string{"email": "/user/email"}, claims{"user": claims{"email": "a@b.test"}, "email_verified": true}, nil, "a@b.test", false},
		"of userinfo's address":      {nil, claims{"email": "root@example.com", "email_verified": nil}, claims{"email": "eve@evil.test", "email_verified": true}, "root@example.com", false},
		"of the same in userinfo":    {nil, claims{"email": "a@b.test", "email_verified": nil}, claims{"email": "a@b.test", "email_verified": true}, "a@b.test", true},
		"ID token says no":           {nil, claims{"email": "a@b.test", "email_verified": false}, claims{"email": "a@b.test", "email_verified": true}, "a@b.test", false},
		"address in userinfo only":   {nil, claims{"email": nil, "email_verified": true}, claims{"email": "a@b.test", "email_verified": nil}, "a@b.test", false},
		"both in userinfo":           {nil, claims{"email": nil, "email_verified": nil}, claims{"email": "a@b.test", "email_verified": "true"}, "a@b.test", true},
		"an array is no address":     {nil, claims{"email": []string{"a@b.test"}}, claims{"email": nil}, "", false},
		"ID token before userinfo":   {nil, claims{"email": "a@b.test"}, claims{"email": "c@d.test"}, "a@b.test", true},
		"turned off":                 {map[string]string{"email": ""}, nil, nil, "", false},
		"a pointer through an array": {map[string]string{"email": "/emails/1/email"}, claims{"emails": []any{1, claims{"email": "a@b.test", "email_verified": true}}}, nil, "a@b.test", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.ClaimsMapping, p.FetchExtraUserInfo = tt.mapping, true
			})
			f.op.Configure(func(b *oidctest.Behavior) {
				b.IDToken = func(c claims) { maps.Copy(c, tt.idToken); dropNil(c) }
				b.UserinfoClaims = func(c claims) { maps.Copy(c, tt.userinfo); dropNil(c) }
			})
			id, _ := f.mustExchange()
			if id.Email != tt.email || id.EmailVerified != tt.verified {
				t.Errorf("%q, verified %v; want %q, %v", id.Email, id.EmailVerified, tt.email, tt.verified)
			}
			if id.Subject != "ada-1" {
				t.Errorf("subject %q", id.Subject)
			}
		})
	}
}

func TestAllowedGroups(t *testing.T) {
	t.Parallel()
	distributed := func(c claims) {
		delete(c, "groups")
		c["_claim_names"] = claims{"groups": "src1"}
		c["_claim_sources"] = claims{"src1": claims{"endpoint": "https://graph.test/canary/getMemberObjects"}}
	}
	tests := map[string]struct {
		claim   string
		allowed []string
		change  func(claims)
		rule    string
	}{
		"one of them":                 {"", []string{"x", "staff"}, func(claims) {}, ""},
		"none of them":                {"", []string{"x"}, func(claims) {}, "allowed_groups"},
		"case counts":                 {"", []string{"Staff"}, func(claims) {}, "allowed_groups"},
		"in no group":                 {"", []string{"x"}, set("groups", []string{}), "allowed_groups"},
		"claim missing":               {"", []string{"x"}, set("groups", nil), "groups_claim"},
		"claim missing, none allowed": {"groups", nil, set("groups", nil), ""},
		"claim null":                  {"", []string{"x"}, set("groups", struct{}{}), "groups_claim"},
		"claim of numbers":            {"", []string{"1"}, set("groups", []int{1}), "groups_claim"},
		"another claim":               {"roles", []string{"staff"}, func(claims) {}, "groups_claim"},
		"overage":                     {"", []string{"staff"}, distributed, "groups_claim"},
		"overage, claim configured":   {"groups", nil, distributed, "groups_claim"},
		"overage, groups not needed":  {"", nil, distributed, ""},
		"overage said otherwise":      {"groups", nil, func(c claims) { delete(c, "groups"); c["hasgroups"] = true }, "groups_claim"},
		"overage of other claims": {"groups", nil, func(c claims) {
			delete(c, "groups")
			c["_claim_names"] = claims{"x": "s"}
			c["_claim_sources"] = claims{"s": claims{}}
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.GroupsClaim, p.AllowedGroups = tt.claim, tt.allowed })
			f.op.Configure(func(b *oidctest.Behavior) {
				b.IDToken = tt.change
				b.UserinfoClaims = set("groups", nil)
			})
			id, tokens, err := f.exchange()
			if got := rule(err); got != tt.rule || tt.rule == "" && err != nil {
				t.Fatalf("refused by %q (%v), want %q", got, err, tt.rule)
			}
			if tt.rule == "" {
				return
			}
			f.refused(id, tokens, err, gateward.ErrNotAdmitted)
			if id.Subject != "ada-1" || id.Email == "" {
				t.Errorf("the page could not say who was refused: %+v", id)
			}
		})
	}
	// Without the claims, which a session need not keep.
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"a"} })
	ada := gateward.Principal{Issuer: f.op.Issuer, Subject: "ada-1"}
	if err := f.login.Admit(&gateward.Identity{Principal: ada}); rule(err) != "allowed_groups" {
		t.Error(err)
	}
	if err := f.login.Admit(&gateward.Identity{Principal: ada, Groups: []string{"b", "a"}}); err != nil {
		t.Error(err)
	}
}

// TestSEC_C03_IdentityOfAnotherIssuer: a provider's name that is given to another
// issuer does not give it the sessions of the former one.
func TestSEC_C03_IdentityOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	f := setup(t, func(*oidc.Config, *oidc.ProviderConfig) {})
	for issuer, want := range map[string]error{
		f.op.Issuer: nil, f.op.Issuer + "/": gateward.ErrInvalidCredential, "https://former.test": gateward.ErrInvalidCredential, "": gateward.ErrInvalidCredential,
	} {
		id := gateward.Identity{Principal: gateward.Principal{Issuer: issuer, Subject: "ada-1"}}
		if err := f.login.Admit(&id); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", issuer, err, want)
		}
	}
}
