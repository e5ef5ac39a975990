package oidc_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// setupGitLab is a GitLab with Grace, who may enter as one of compilers.
func setupGitLab(t *testing.T) *fixture {
	t.Helper()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"compilers"} }, oidctest.GitLab())
	f.op.SetUser(oidctest.Grace())
	f.op.Registered("https://app.example.com" + oidc.CallbackPath("op"))
	return f
}

// GitLab asks once whether the application may be let in.
func TestGitLabAsksThePerson(t *testing.T) {
	t.Parallel()
	f := setupGitLab(t)
	address, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	if err != nil {
		t.Fatal(err)
	}
	open := func() (status int, page string) {
		c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := c.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		all, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(all)
	}
	if status, page := open(); status != http.StatusOK || !strings.Contains(page, "Authorize application") {
		t.Fatalf("status %d: %s", status, page)
	}
	f.mustExchange()
	if status, _ := open(); status != http.StatusFound {
		t.Errorf("status %d: it asks again", status)
	}
	// Whoever says no is sent back with an error.
	other := oidctest.Grace()
	other.Subject = "2000"
	f.op.SetUser(other)
	form := queryOf(t, address)
	form.Set("commit", "deny")
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.PostForm(f.op.Address(oidctest.Authorization), form)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := queryOf(t, res.Header.Get("Location")); got.Get("error") != "access_denied" || got.Get("state") == "" || got.Has("code") {
		t.Errorf("denied: %v", got)
	}
}

func TestGitLabKnowsItsRedirectURIs(t *testing.T) {
	t.Parallel()
	f := setupGitLab(t)
	address, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	if err != nil {
		t.Fatal(err)
	}
	q := queryOf(t, address)
	q.Set("redirect_uri", "https://app.example.com/elsewhere")
	res, err := http.Get(f.op.Address(oidctest.Authorization) + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
		t.Errorf("status %d", res.StatusCode)
	}
}

// Groups are in userinfo only, and both tokens are replaced by a refresh.
func TestGitLabGroupsAndRotation(t *testing.T) {
	t.Parallel()
	f := setupGitLab(t)
	id, tokens := f.mustExchange()
	if !slices.Equal(id.Groups, []string{"compilers", "compilers/cobol"}) || id.AuthTime.IsZero() || f.op.Requests(oidctest.Userinfo) != 1 {
		t.Errorf("%+v", id)
	}
	fresh, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || !slices.Equal(fresh.Groups, id.Groups) {
		t.Fatalf("%+v, %v", fresh, err)
	}
	got, none, err := f.login.Refresh(t.Context(), id, tokens)
	f.refused(got, none, err, gateward.ErrInvalidCredential)
	u := oidctest.Grace()
	u.Groups = []string{"fortran"}
	f.op.SetUser(u)
	if _, _, err = f.login.Refresh(t.Context(), fresh, next); rule(err) != "allowed_groups" {
		t.Errorf("left the group: %v", err)
	}
}

func TestGitLabRefusals(t *testing.T) {
	t.Parallel()
	f := setupGitLab(t)
	a := newAttempt()
	c := f.authorize(a)
	if _, _, err := f.login.Exchange(t.Context(), c, a); err != nil {
		t.Fatal(err)
	}
	// A code counts once.
	id, tokens, err := f.login.Exchange(t.Context(), c, a)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
	// So does its verifier.
	a = newAttempt()
	c = f.authorize(a)
	a.Verifier = gateward.NewSecret(random())
	id, tokens, err = f.login.Exchange(t.Context(), c, a)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
	// What an administrator of GitLab revokes is over, and asked for again.
	id, tokens = f.mustExchange()
	f.op.Revoke()
	id, tokens, err = f.login.Refresh(t.Context(), id, tokens)
	f.refused(id, tokens, err, gateward.ErrInvalidCredential)
	f.mustExchange()
	// A wrong secret is our mistake.
	f.op.ClientSecret = "another"
	id, tokens, err = f.exchange()
	f.refused(id, tokens, err, gateward.ErrUnavailable)
}

// Its answers are the documented ones.
func TestGitLabSpeaksLikeGitLab(t *testing.T) {
	t.Parallel()
	f := setupGitLab(t)
	f.mustExchange()
	res, err := http.PostForm(f.op.Address(oidctest.Token), url.Values{
		"grant_type": {"authorization_code"}, "code": {"x"}, "client_id": {f.op.ClientID}, "client_secret": {f.op.ClientSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"error":"invalid_grant"`) {
		t.Errorf("token: %d %s", res.StatusCode, body)
	}
	if res, err = http.Get(f.op.Address(oidctest.Userinfo)); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("WWW-Authenticate"), `realm="Doorkeeper"`) {
		t.Errorf("userinfo: %d %v", res.StatusCode, res.Header)
	}
	if res, err = http.Get(f.op.Address(oidctest.Discovery)); err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if strings.Contains(string(body), "end_session") || !strings.Contains(string(body), "/oauth/discovery/keys") {
		t.Errorf("metadata: %s", body)
	}
}
