package oidc_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// TestSEC_D18_UserinfoRefusesOnRefresh: one refusal of the userinfo endpoint
// neither ends a session nor takes from it what that endpoint said before; the new
// tokens are kept, and the next refresh knows better.
func TestSEC_D18_UserinfoRefusesOnRefresh(t *testing.T) {
	t.Parallel()
	configs := map[string]struct {
		change func(*oidc.Config, *oidc.ProviderConfig)
		beside string // what is in userinfo only
	}{
		"allowed_groups": {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"staff"} }, "groups"},
		"groups_claim":   {func(_ *oidc.Config, p *oidc.ProviderConfig) { p.GroupsClaim = "groups" }, "groups"},
		"email_matches":  {func(c *oidc.Config, _ *oidc.ProviderConfig) { c.EmailMatches = []string{`^.*@example\.com$`} }, "email"},
		"no rule":        {func(*oidc.Config, *oidc.ProviderConfig) {}, "email"},
	}
	for name, tt := range configs {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				f := setup(t, tt.change)
				f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoOnly = []string{tt.beside} })
				id, tokens := f.mustExchange()
				f.op.Fault(oidctest.Userinfo, oidctest.Status(status))
				got, next, err := f.login.Refresh(t.Context(), id, tokens)
				wantKind(t, err, gateward.ErrUnavailable)
				f.quiet(err)
				if got.Subject != "" {
					t.Errorf("an identity without what it had: %+v", got)
				}
				if r := next.RefreshToken.Reveal(); r == "" || r == tokens.RefreshToken.Reveal() {
					t.Fatal("the new tokens are lost")
				}
				f.op.Fault(oidctest.Userinfo, nil)
				got, _, err = f.login.Refresh(t.Context(), id, next)
				if err != nil || got.Email != id.Email || !slices.Equal(got.Groups, id.Groups) {
					t.Errorf("later: %+v, %v", got, err)
				}
			})
		}
	}
}

// A refusal that takes nothing away is what it was: nothing to add.
func TestUserinfoRefusesWhatNobodyHad(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.GroupsClaim = "groups" })
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoOnly = []string{"groups"} })
	f.op.Fault(oidctest.Userinfo, oidctest.Status(http.StatusForbidden))
	id, tokens := f.mustExchange()
	if got, _, err := f.login.Refresh(t.Context(), id, tokens); err != nil || got.Email != id.Email || got.Groups != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
