package oidc_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// agrees checks that an identity says the same of address and groups wherever it
// says it.
func agrees(t *testing.T, id *gateward.Identity) {
	t.Helper()
	var written claims
	if err := json.Unmarshal([]byte(id.Metadata["io.flipt.auth.claims"]), &written); err != nil {
		t.Fatal(err)
	}
	for where, c := range map[string]claims{"claims": id.Claims, "metadata": written} {
		list, _ := c["groups"].([]any)
		var groups []string
		for _, g := range list {
			groups = append(groups, g.(string))
		}
		email, _ := c["email"].(string)
		verified := c["email_verified"] == true
		if !slices.Equal(groups, id.Groups) || email != id.Email || verified != id.EmailVerified {
			t.Errorf("%s: %v, %v, %v; the identity: %q, %q, %v", where, c["groups"], c["email"], c["email_verified"], id.Groups, id.Email, id.EmailVerified)
		}
	}
	if m := id.Metadata; m["io.flipt.auth.email"] != id.Email || m["io.flipt.auth.oidc.email"] != id.Email ||
		(m["io.flipt.auth.oidc.email_verified"] == "true") != id.EmailVerified {
		t.Errorf("metadata %v of %+v", m, id)
	}
}

// TestSEC_D19_UserinfoOutweighsAnOldIDToken: the ID token is that of the login, and
// says what was so then.
func TestSEC_D19_UserinfoOutweighsAnOldIDToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(claims) // of userinfo
		rule   string       // that keeps the person out then, "" for none
		want   string       // address, whether it is verified, groups
	}{
		"as it was":          {func(claims) {}, "", "ada@example.com verified engineering staff"},
		"another group":      {set("groups", []string{"left"}), "allowed_groups", "ada@example.com verified left"},
		"in no group":        {set("groups", []string{}), "allowed_groups", "ada@example.com verified"},
		"no word of groups":  {set("groups", nil), "groups_claim", "ada@example.com verified"},
		"groups not to read": {set("groups", 1), "groups_claim", "ada@example.com verified"},
		"another address":    {set("email", "new@elsewhere.test"), "allowed_domains", "new@elsewhere.test verified engineering staff"},
		"no address":         {set("email", nil), "allowed_domains", " unverified engineering staff"},
		"null for one":       {func(c claims) { c["email"] = nil }, "allowed_domains", " unverified engineering staff"},
		"not verified":       {set("email_verified", false), "allowed_domains", "ada@example.com unverified engineering staff"},
		"verified as before": {set("email_verified", nil), "allowed_domains", "ada@example.com unverified engineering staff"},
		"new, and unverified": {
			func(c claims) { c["email"] = "ada.king@example.com"; delete(c, "email_verified") }, "allowed_domains",
			"ada.king@example.com unverified engineering staff",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.FetchExtraUserInfo, p.AllowedGroups, p.AllowedDomains = true, []string{"staff"}, []string{"example.com"}
			})
			id, tokens := f.mustExchange()
			f.op.Configure(func(b *oidctest.Behavior) { b.NoRefreshedIDToken, b.UserinfoClaims = true, tt.change })
			for range 2 { // what is gone does not come back by itself
				got, next, err := f.login.Refresh(t.Context(), id, tokens)
				if rule(err) != tt.rule || (err != nil) != (tt.rule != "") || got.Subject != id.Subject {
					t.Fatalf("%+v, %v, want %q", got, err, tt.rule)
				}
				said := map[bool]string{true: " verified", false: " unverified"}[got.EmailVerified]
				if s := strings.Join(append([]string{got.Email + said}, got.Groups...), " "); s != tt.want {
					t.Errorf("%q, want %q", s, tt.want)
				}
				if tt.rule != "groups_claim" || name == "no word of groups" {
					agrees(t, &got)
				}
				id, tokens = got, next
			}
			// A new ID token is what counts again.
			f.op.Configure(func(b *oidctest.Behavior) { b.NoRefreshedIDToken, b.UserinfoClaims = false, nil })
			if got, _, err := f.login.Refresh(t.Context(), id, tokens); err != nil || got.Email != "ada@example.com" || len(got.Groups) != 2 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestSEC_D19_UserinfoIsAskedForAnOldIDToken, which lacked nothing at the login.
func TestSEC_D19_UserinfoIsAskedForAnOldIDToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*oidc.Config, *oidc.ProviderConfig)
		want   string // what is known in the end
		asked  int
	}{
		"allowed groups": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups, p.Scopes = []string{"left"}, nil }, "new@example.com left", 1},
		"groups elsewhere": {
			func(_ *oidc.Config, p *oidc.ProviderConfig) { p.NeedsGroups, p.Scopes = true, nil },
			"new@example.com left", 1,
		},
		"addresses": {func(*oidc.Config, *oidc.ProviderConfig) {}, "new@example.com left", 1},
		"addresses elsewhere": {
			func(_ *oidc.Config, p *oidc.ProviderConfig) { p.NeedsEmail, p.Scopes = true, nil },
			"new@example.com left", 1,
		},
		"email_matches": {func(c *oidc.Config, p *oidc.ProviderConfig) {
			c.EmailMatches, p.Scopes = []string{`^.*@example\.com$`}, nil
		}, "new@example.com left", 1},
		"allowed_domains": {
			func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.AllowedDomains, p.Scopes = []string{"example.com"}, nil
			},
			"new@example.com left", 1,
		},
		"neither": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.Scopes = nil }, "ada@example.com left staff", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, tt.change)
			f.op.Configure(func(b *oidctest.Behavior) { b.NoRefreshedIDToken = true })
			u := oidctest.Ada()
			u.Groups = []string{"left", "staff"}
			f.op.SetUser(u)
			id, tokens := f.mustExchange()
			if n := f.op.Requests(oidctest.Userinfo); n != 0 {
				t.Fatalf("%d requests at the login", n)
			}
			u.Groups, u.Email = []string{"left"}, "new@example.com"
			f.op.SetUser(u)
			got, _, err := f.login.Refresh(t.Context(), id, tokens)
			if s := strings.Join(append([]string{got.Email}, got.Groups...), " "); err != nil || s != tt.want {
				t.Errorf("%q, %v, want %q", s, err, tt.want)
			}
			agrees(t, &got)
			if n := f.op.Requests(oidctest.Userinfo); n != tt.asked {
				t.Errorf("%d requests, want %d", n, tt.asked)
			}
		})
	}
}

// TestSEC_D19_OldVerificationOfAnotherAddress: the ID token has verified the address
// of then.
func TestSEC_D19_OldVerificationOfAnotherAddress(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.NoRefreshedIDToken, b.UserinfoClaims = true, set("email_verified", nil)
	})
	id, tokens := f.mustExchange()
	u := oidctest.Ada()
	u.Email = "boss@example.com"
	f.op.SetUser(u)
	got, _, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || !id.EmailVerified || got.Email != u.Email || got.EmailVerified {
		t.Errorf("%+v, %v", got, err)
	}
	agrees(t, &got)
}

// What userinfo has never told is the ID token's to say.
func TestOldIDTokenSaysWhatUserinfoNeverDid(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.FetchExtraUserInfo, p.AllowedGroups, p.GroupsClaim = true, []string{"staff"}, "/member/of"
	})
	f.op.Configure(func(b *oidctest.Behavior) {
		b.NoRefreshedIDToken = true
		b.IDToken = set("member", claims{"of": []string{"staff"}, "since": 1842})
		b.UserinfoClaims = func(c claims) { delete(c, "groups"); delete(c, "email"); delete(c, "email_verified") }
	})
	id, tokens := f.mustExchange()
	got, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || !slices.Equal(got.Groups, []string{"staff"}) || got.Email != id.Email || !got.EmailVerified {
		t.Fatalf("%+v, %v", got, err)
	}
	// That an address is verified need not be said twice, of the same one.
	f.op.Configure(func(b *oidctest.Behavior) {
		b.UserinfoClaims = func(c claims) { delete(c, "groups"); delete(c, "email_verified") }
	})
	if got, next, err = f.login.Refresh(t.Context(), got, next); err != nil || got.Email != id.Email || !got.EmailVerified {
		t.Fatalf("%+v, %v", got, err)
	}
	// Once it has told something, its silence counts, and only of that.
	f.op.Configure(func(b *oidctest.Behavior) {
		b.UserinfoClaims = func(c claims) { c["member"] = claims{"of": []string{"staff"}}; delete(c, "email_verified") }
	})
	if got, next, err = f.login.Refresh(t.Context(), got, next); err != nil {
		t.Fatal(err)
	}
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("email_verified", nil) })
	got, _, err = f.login.Refresh(t.Context(), got, next)
	member, _ := got.Claims["member"].(claims)
	if rule(err) != "groups_claim" || got.Groups != nil || member["of"] != nil || member["since"] != 1842.0 || got.Email != id.Email {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSEC_D19_NobodySaysSo: userinfo refuses, and an old ID token alone is not
// enough to go on with. Where there is no such endpoint, there is nothing better.
func TestSEC_D19_NobodySaysSo(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"staff"} })
	f.op.Configure(func(b *oidctest.Behavior) { b.NoRefreshedIDToken = true })
	id, tokens := f.mustExchange()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable} {
		f.op.Fault(oidctest.Userinfo, oidctest.Status(status))
		got, next, err := f.login.Refresh(t.Context(), id, tokens)
		wantKind(t, err, gateward.ErrUnavailable)
		if r := next.RefreshToken.Reveal(); got.Subject != "" || r == "" || r == tokens.RefreshToken.Reveal() {
			t.Fatalf("%d: %+v, or the new tokens are lost", status, got)
		}
		tokens = next
	}
	f.op.Fault(oidctest.Userinfo, nil)
	if _, _, err := f.login.Refresh(t.Context(), id, tokens); err != nil {
		t.Errorf("later: %v", err)
	}

	f = setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"staff"} })
	f.op.Configure(func(b *oidctest.Behavior) {
		b.NoRefreshedIDToken, b.Metadata = true, set("userinfo_endpoint", nil)
	})
	id, tokens = f.mustExchange()
	if got, _, err := f.login.Refresh(t.Context(), id, tokens); err != nil || !slices.Equal(got.Groups, id.Groups) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSEC_D16_ClaimsAndIdentityAgree: a rule that reads claims decides by what one
// that reads the identity does.
func TestSEC_D16_ClaimsAndIdentityAgree(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ token, info func(claims) }{
		"other groups":           {nil, set("groups", []string{"root"})},
		"no groups":              {nil, set("groups", nil)},
		"other address":          {nil, set("email", "eve@example.com")},
		"not verified":           {nil, set("email_verified", false)},
		"verified, by userinfo":  {set("email_verified", nil), func(claims) {}},
		"verified is another":    {set("email_verified", nil), set("email", "eve@example.com")},
		"verified is none":       {set("email_verified", nil), set("email", nil)},
		"verified, yet not this": {set("email", nil), set("email_verified", nil)},
		"denied by the token":    {set("email_verified", false), func(claims) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true })
			f.op.Configure(func(b *oidctest.Behavior) { b.IDToken, b.UserinfoClaims = tt.token, tt.info })
			id, _ := f.mustExchange()
			agrees(t, &id)
		})
	}
}

// TestNeedsElsewhere: groups and addresses that rules outside the block are about
// are asked for like those of the block.
func TestNeedsElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*oidc.ProviderConfig)
		want   string
	}{
		"nothing": {func(*oidc.ProviderConfig) {}, ""},
		"groups":  {func(p *oidc.ProviderConfig) { p.NeedsGroups = true }, "ada@example.com engineering staff"},
		"address": {func(p *oidc.ProviderConfig) { p.NeedsEmail = true }, "ada@example.com engineering staff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
				p.Scopes = []string{"profile"}
				tt.change(p)
			})
			f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoOnly = []string{"groups", "email", "email_verified"} })
			id, _ := f.mustExchange()
			if s := strings.TrimSpace(strings.Join(append([]string{id.Email}, id.Groups...), " ")); s != tt.want {
				t.Errorf("%q, want %q", s, tt.want)
			}
		})
	}
}
