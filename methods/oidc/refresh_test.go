package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

func TestRefresh(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) { b.AuthTime = true })
	id, tokens := f.mustExchange()
	id.SessionID, id.Expiry, id.FreshUntil = "session-1", f.clock.Now().Add(time.Hour), f.clock.Now().Add(time.Minute)
	f.clock.Add(30 * time.Minute)
	u := oidctest.Ada()
	u.Name, u.Groups, u.Email = "Ada King", []string{"staff"}, "king@example.com"
	f.op.SetUser(u)
	got, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "Ada King" || strings.Join(got.Groups, " ") != "staff" || got.Email != "king@example.com" || got.Metadata["io.flipt.auth.name"] != "Ada King" {
		t.Errorf("what is known is not new: %+v", got)
	}
	if !got.AuthTime.Equal(id.AuthTime) || got.SessionID != "session-1" || !got.Expiry.Equal(id.Expiry) || !got.FreshUntil.Equal(id.FreshUntil) || got.Provider != "op" || !got.AllScopes {
		t.Errorf("what a refresh is not about has changed: %+v", got)
	}
	if next.RefreshToken.Reveal() == tokens.RefreshToken.Reveal() || next.IDToken.Reveal() == tokens.IDToken.Reveal() || next.SID != tokens.SID ||
		!next.Expiry.After(tokens.Expiry) {
		t.Error("the tokens are not new")
	}
	if f.op.Refreshes() != 1 || f.op.Requests(oidctest.Token) != 2 || f.count("refresh ok") != 1 {
		t.Errorf("%d refreshes, %v", f.op.Refreshes(), f.counts)
	}
	// The one that was rotated away is over.
	again, none, err := f.login.Refresh(t.Context(), id, tokens)
	f.refused(again, none, err, gateward.ErrInvalidCredential)
	if _, _, err := f.login.Refresh(t.Context(), got, next); err != nil {
		t.Error(err)
	}
}

func TestSEC_D18_RefreshRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault http.HandlerFunc
		want  error
	}{
		"invalid_grant":       {oidctest.OAuthError(http.StatusBadRequest, "invalid_grant"), gateward.ErrInvalidCredential},
		"invalid_grant, 401":  {oidctest.OAuthError(http.StatusUnauthorized, "invalid_grant"), gateward.ErrInvalidCredential},
		"invalid_grant, 200":  {oidctest.OAuthError(http.StatusOK, "invalid_grant"), gateward.ErrInvalidCredential},
		"unauthorized_client": {oidctest.OAuthError(http.StatusBadRequest, "unauthorized_client"), gateward.ErrInvalidCredential},
		// Keycloak and Auth0 about a wrong secret.
		"unauthorized_client, 401": {oidctest.OAuthError(http.StatusUnauthorized, "unauthorized_client"), gateward.ErrUnavailable},
		"access_denied, 401":       {oidctest.OAuthError(http.StatusUnauthorized, "access_denied"), gateward.ErrUnavailable},
		"access_denied":            {oidctest.OAuthError(http.StatusForbidden, "access_denied"), gateward.ErrInvalidCredential},
		"interaction_required":     {oidctest.OAuthError(http.StatusBadRequest, "interaction_required"), gateward.ErrInvalidCredential},
		"invalid_client":           {oidctest.OAuthError(http.StatusUnauthorized, "invalid_client"), gateward.ErrUnavailable},
		"invalid_request":          {oidctest.OAuthError(http.StatusBadRequest, "invalid_request"), gateward.ErrUnavailable},
		"temporarily_unavailable":  {oidctest.OAuthError(http.StatusBadRequest, "temporarily_unavailable"), gateward.ErrUnavailable},
		"slow_down":                {oidctest.OAuthError(http.StatusBadRequest, "slow_down"), gateward.ErrUnavailable},
		"server_error":             {oidctest.OAuthError(http.StatusBadRequest, "server_error"), gateward.ErrUnavailable},
		"invalid_grant, 500":       {oidctest.OAuthError(http.StatusInternalServerError, "invalid_grant"), gateward.ErrUnavailable},
		"invalid_grant, 429":       {oidctest.OAuthError(http.StatusTooManyRequests, "invalid_grant"), gateward.ErrUnavailable},
		"a page, 400":              {oidctest.Status(http.StatusBadRequest), gateward.ErrUnavailable},
		"a page, 502":              {oidctest.Status(http.StatusBadGateway), gateward.ErrUnavailable},
		"a page, 200":              {oidctest.Status(http.StatusOK), gateward.ErrUnavailable},
		"text": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte("error=invalid_grant"))
		}, gateward.ErrUnavailable},
		"nothing": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, gateward.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			id, tokens := f.mustExchange()
			f.op.Fault(oidctest.Token, tt.fault)
			got, none, err := f.login.Refresh(t.Context(), id, tokens)
			f.refused(got, none, err, tt.want)
			if n := f.op.Requests(oidctest.Token); n != 2 {
				t.Errorf("%d token requests, want one for the login and one for the refresh", n)
			}
		})
	}
}

func TestSEC_D18_RevokedAndDown(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	id, tokens := f.mustExchange()
	f.op.Down(true)
	got, none, err := f.login.Refresh(t.Context(), id, tokens)
	f.refused(got, none, err, gateward.ErrUnavailable)
	f.op.Down(false)
	got, tokens, err = f.login.Refresh(t.Context(), id, tokens)
	if err != nil {
		t.Fatalf("an outage has ended the session: %v", err)
	}
	f.op.Revoke()
	again, none, err := f.login.Refresh(t.Context(), got, tokens)
	f.refused(again, none, err, gateward.ErrInvalidCredential)
}

func TestRefreshHonoursItsContext(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	id, tokens := f.mustExchange()
	arrived := f.hang(oidctest.Token)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := f.login.Refresh(ctx, id, tokens)
		done <- err
	}()
	<-arrived
	cancel()
	err := <-done
	wantKind(t, err, gateward.ErrUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say why", err)
	}
}

func TestSEC_D19_RefreshedIDToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(claims)
		want   error
	}{
		"as issued":     {func(claims) {}, nil},
		"a nonce":       {set("nonce", "another"), nil},
		"another sub":   {set("sub", "eve"), gateward.ErrInvalidCredential},
		"no sub":        {set("sub", nil), gateward.ErrInvalidCredential},
		"another iss":   {set("iss", "https://evil.test"), gateward.ErrInvalidCredential},
		"another aud":   {set("aud", "other"), gateward.ErrInvalidCredential},
		"another azp":   {set("azp", "other"), gateward.ErrInvalidCredential},
		"expired":       {set("exp", 1), gateward.ErrInvalidCredential},
		"at_hash":       {set("at_hash", "AAAA"), gateward.ErrInvalidCredential},
		"group removed": {set("groups", []string{"engineering"}), gateward.ErrNotAdmitted},
		"no groups":     {set("groups", nil), gateward.ErrNotAdmitted},
		"other address": {set("email", "ada@evil.test"), gateward.ErrNotAdmitted},
		"not verified":  {set("email_verified", false), gateward.ErrNotAdmitted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(c *oidc.Config, p *oidc.ProviderConfig) {
				c.EmailMatches, p.AllowedGroups = []string{`^.*@example\.com$`}, []string{"staff"}
			})
			id, tokens := f.mustExchange()
			f.op.Configure(func(b *oidctest.Behavior) {
				b.IDToken = tt.change
				b.UserinfoClaims = set("groups", nil)
			})
			got, next, err := f.login.Refresh(t.Context(), id, tokens)
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f.refused(got, next, err, tt.want)
			if errors.Is(tt.want, gateward.ErrNotAdmitted) && got.Subject != id.Subject {
				t.Errorf("who is it that may not enter? %+v", got)
			}
		})
	}
}

// Without a new ID token userinfo is what tells that things have changed.
func TestSEC_D19_UserinfoOnRefresh(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.AllowedGroups = []string{"staff"} })
	f.op.Configure(func(b *oidctest.Behavior) {
		b.NoRefreshedIDToken, b.UserinfoOnly = true, []string{"groups"}
	})
	id, tokens := f.mustExchange()
	got, next, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || next.IDToken.Reveal() != tokens.IDToken.Reveal() || len(got.Groups) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	u := oidctest.Ada()
	u.Groups = []string{"engineering"}
	f.op.SetUser(u)
	got, next, err = f.login.Refresh(t.Context(), got, next)
	if rule(err) != "allowed_groups" || strings.Join(got.Groups, " ") != "engineering" {
		t.Errorf("removed from the group: %+v, %v", got, err)
	}
	// A claim that is gone is not what it was before.
	u.Groups = nil
	f.op.SetUser(u)
	if got, next, err = f.login.Refresh(t.Context(), got, next); rule(err) != "groups_claim" || got.Groups != nil {
		t.Errorf("groups gone: %+v, %v", got, err)
	}
	// Userinfo about somebody else is the end.
	f.op.Configure(func(b *oidctest.Behavior) { b.UserinfoClaims = set("sub", "eve") })
	again, none, err := f.login.Refresh(t.Context(), got, next)
	f.refused(again, none, err, gateward.ErrInvalidCredential)
}

// A store need not keep the ID token.
func TestRefreshWithoutAnyIDToken(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.op.Configure(func(b *oidctest.Behavior) { b.NoRefreshedIDToken = true })
	id, tokens := f.mustExchange()
	tokens.IDToken = gateward.Secret{}
	got, tokens, err := f.login.Refresh(t.Context(), id, tokens)
	if err != nil || got.Email != id.Email || len(got.Groups) != 2 {
		t.Errorf("from the claims: %+v, %v", got, err)
	}
	got.Claims = nil
	got, _, err = f.login.Refresh(t.Context(), got, tokens)
	if err != nil || got.Email != id.Email || got.Subject != id.Subject {
		t.Errorf("from userinfo alone: %+v, %v", got, err)
	}
}

func TestRefreshOfWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	id, tokens := f.mustExchange()
	if _, _, err := f.login.Refresh(t.Context(), id, gateward.Tokens{}); err == nil || errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("without a refresh token: %v", err)
	}
	id.Issuer = "https://other.test"
	got, none, err := f.login.Refresh(t.Context(), id, tokens)
	f.refused(got, none, err, gateward.ErrInvalidCredential)
	if f.op.Requests(oidctest.Token) != 1 {
		t.Error("another issuer's refresh token was sent")
	}
}

// TestSEC_D18_WhatFollowsTheRotationFails: the tokens are there all the same, since
// the old refresh token is of no use any more.
func TestSEC_D18_WhatFollowsTheRotationFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault func(op *oidctest.Provider)
		mend  func(op *oidctest.Provider)
		// verified: the new ID token was.
		verified bool
	}{
		"userinfo": {
			func(op *oidctest.Provider) {
				op.Fault(oidctest.Userinfo, oidctest.Status(http.StatusServiceUnavailable))
			},
			func(op *oidctest.Provider) { op.Fault(oidctest.Userinfo, nil) }, true,
		},
		"keys": {
			func(op *oidctest.Provider) {
				op.RotateKeys()
				op.Fault(oidctest.Keys, oidctest.Status(http.StatusServiceUnavailable))
			},
			func(op *oidctest.Provider) { op.Fault(oidctest.Keys, nil) }, false,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true })
			id, tokens := f.mustExchange()
			f.clock.Add(time.Hour)
			tt.fault(f.op)
			got, next, err := f.login.Refresh(t.Context(), id, tokens)
			wantKind(t, err, gateward.ErrUnavailable)
			f.quiet(err)
			if got.Subject != "" {
				t.Errorf("an identity that is not known: %+v", got)
			}
			if r := next.RefreshToken.Reveal(); r == "" || r == tokens.RefreshToken.Reveal() || next.AccessToken.Reveal() == "" {
				t.Fatal("the tokens are lost")
			}
			// An ID token that is kept counts as verified later.
			if (next.IDToken.Reveal() != tokens.IDToken.Reveal()) != tt.verified || next.SID != tokens.SID {
				t.Error("want the last ID token that was verified")
			}
			tt.mend(f.op)
			f.clock.Add(time.Minute)
			if got, _, err = f.login.Refresh(t.Context(), id, next); err != nil || got.Subject != id.Subject {
				t.Errorf("later: %v", err)
			}
		})
	}
}

// TestSEC_D18_CancelledAfterTheRotation: whoever gives a refresh up gets what the
// provider has given.
func TestSEC_D18_CancelledAfterTheRotation(t *testing.T) {
	t.Parallel()
	f := setup(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.FetchExtraUserInfo = true })
	id, tokens := f.mustExchange()
	arrived := f.hang(oidctest.Userinfo)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-arrived
		cancel()
	}()
	_, next, err := f.login.Refresh(ctx, id, tokens)
	wantKind(t, err, gateward.ErrUnavailable)
	if r := next.RefreshToken.Reveal(); r == "" || r == tokens.RefreshToken.Reveal() {
		t.Error("the tokens are lost")
	}
}
