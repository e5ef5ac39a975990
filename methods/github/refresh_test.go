package github_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

func TestTokensThatDoNotExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, tokens := w.mustLogin("Ada")
	if !tokens.Expiry.IsZero() || tokens.RefreshToken.Reveal() != "" || tokens.AccessToken.Reveal() == "" {
		t.Errorf("expiry %v, refresh token %v", tokens.Expiry, tokens.RefreshToken.Reveal() != "")
	}
}

func TestTokensAreRenewedWhenTheyAreAboutToExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, expiring)
	id, tokens := w.mustLogin("Ada")
	if want := start().Add(8 * time.Hour); !tokens.Expiry.Equal(want) || tokens.RefreshToken.Reveal() == "" {
		t.Fatalf("expiry %v, want %v", tokens.Expiry, want)
	}
	w.pass(time.Hour)
	_, same, err := w.method.Refresh(t.Context(), id, tokens)
	if err != nil || same.AccessToken.Reveal() != tokens.AccessToken.Reveal() || w.count("refresh ok") != 0 {
		t.Fatalf("long before its end: %v", err)
	}
	w.pass(7*time.Hour - time.Minute)
	_, next, err := w.method.Refresh(t.Context(), id, tokens)
	if err != nil || next.AccessToken.Reveal() == tokens.AccessToken.Reveal() || next.RefreshToken.Reveal() == tokens.RefreshToken.Reveal() ||
		!next.Expiry.Equal(w.now().Add(8*time.Hour)) {
		t.Fatalf("a minute before its end: %v, %v", next.Expiry, err)
	}
	// Both old ones are dead now.
	_, none, err := w.method.Refresh(t.Context(), id, tokens)
	w.refused(gateward.Identity{}, none, err, gateward.ErrInvalidCredential)
	if _, _, err := w.method.Refresh(t.Context(), id, next); err != nil {
		t.Error(err)
	}
}

// TestTokensThatExpiredEarlier by GitHub's clock than by ours.
func TestTokensThatExpiredEarlier(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, expiring)
	id, tokens := w.mustLogin("Ada")
	w.pass(8 * time.Hour)
	tokens.Expiry = tokens.Expiry.Add(time.Hour)
	_, next, err := w.method.Refresh(t.Context(), id, tokens)
	if err != nil || next.AccessToken.Reveal() == tokens.AccessToken.Reveal() {
		t.Error(err)
	}
}

// TestRenewedTokensAreNotLost when what follows fails.
func TestRenewedTokensAreNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, expiring)
	id, tokens := w.mustLogin("Ada")
	w.pass(8 * time.Hour)
	w.hub.Fail("/user/teams", githubtest.Failure{Status: http.StatusBadGateway, Times: 1})
	_, next, err := w.method.Refresh(t.Context(), id, tokens)
	wantKind(t, err, gateward.ErrUnavailable)
	if next.RefreshToken.Reveal() == "" || next.RefreshToken.Reveal() == tokens.RefreshToken.Reveal() {
		t.Fatal("the new tokens are lost")
	}
	if _, _, err := w.method.Refresh(t.Context(), id, next); err != nil {
		t.Error(err)
	}
	w.hub.Fail("/user/teams", githubtest.Failure{Status: http.StatusBadGateway, Times: 1})
	_, none, err := w.method.Refresh(t.Context(), id, next)
	wantKind(t, err, gateward.ErrUnavailable)
	if none.AccessToken.Reveal() != "" {
		t.Error("tokens beside an error although none were renewed")
	}
}

func TestRefreshErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fail githubtest.Failure
		want error
	}{
		"bad_refresh_token":            {githubtest.Failure{Status: 200, Body: `{"error":"bad_refresh_token"}`}, gateward.ErrInvalidCredential},
		"incorrect_client_credentials": {githubtest.Failure{Status: 200, Body: `{"error":"incorrect_client_credentials"}`}, gateward.ErrUnavailable},
		"no such application":          {githubtest.Failure{Status: 404, Body: `{"error":"Not Found"}`}, gateward.ErrUnavailable},
		"500":                          {githubtest.Failure{Status: 500, Body: `{"error":"bad_refresh_token"}`, Header: http.Header{"Content-Type": {"text/html"}}}, gateward.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, expiring)
			id, tokens := w.mustLogin("Ada")
			w.pass(9 * time.Hour)
			w.hub.Fail("/login/oauth/access_token", tt.fail)
			fresh, none, err := w.method.Refresh(t.Context(), id, tokens)
			w.refused(fresh, none, err, tt.want)
		})
	}
}

func TestRefreshIsAboutTheSamePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id, _ := w.mustLogin("Ada")
	w.hub.AddUser(githubtest.User{ID: 102, Login: "bob"})
	_, tokens := w.mustLogin("bob")
	fresh, none, err := w.method.Refresh(t.Context(), id, tokens)
	w.refused(fresh, none, err, gateward.ErrInvalidCredential)
}

// TestHangs: whatever hangs, a refresh ends within the eight seconds of the
// contract and a login within fifteen.
func TestHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
		o := w.options(nil)
		o.Transport = hang
		m, err := github.New(github.Config{
			ClientID: "a", ClientSecret: gateward.NewSecret("b"), RedirectAddress: "https://app.example.com",
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		tokens := gateward.Tokens{
			AccessToken: gateward.NewSecret("gho_1"), RefreshToken: gateward.NewSecret("ghr_1"), Expiry: w.now(),
		}
		id := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "1"}}
		for name, tt := range map[string]struct {
			most time.Duration
			do   func() error
		}{
			"renewal": {8 * time.Second, func() error { _, _, err := m.Refresh(t.Context(), id, tokens); return err }},
			"recheck": {8 * time.Second, func() error {
				_, _, err := m.Refresh(t.Context(), id, gateward.Tokens{AccessToken: tokens.AccessToken})
				return err
			}},
			"login": {15 * time.Second, func() error {
				a := newAttempt()
				_, _, err := m.Exchange(t.Context(), callbackOf("code"), a)
				return err
			}},
		} {
			before := time.Now()
			err := tt.do()
			if took := time.Since(before); took > tt.most {
				t.Errorf("%s took %v", name, took)
			}
			wantKind(t, err, gateward.ErrUnavailable)
		}
	})
}

// TestSlowPages: each request is in time, and all together are not.
func TestSlowPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := roundTripper(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(3 * time.Second):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			body := `{"id":1,"login":"ada"}`
			header := http.Header{"Content-Type": {"application/json"}}
			if r.URL.Path != "/user" {
				body = `[]`
				header.Set("Link", `<https://api.github.com`+r.URL.Path+`?page=2>; rel="next"`)
			}
			return answerWith(http.StatusOK, header, body), nil
		})
		w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
		o := w.options(nil)
		o.Transport = slow
		m, err := github.New(github.Config{
			ClientID: "a", ClientSecret: gateward.NewSecret("b"), RedirectAddress: "https://app.example.com", Scopes: []string{"read:org"},
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		id := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "1"}}
		before := time.Now()
		_, _, err = m.Refresh(t.Context(), id, gateward.Tokens{AccessToken: gateward.NewSecret("gho_1")})
		wantKind(t, err, gateward.ErrUnavailable)
		if took := time.Since(before); took > 8*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestRequestsAtOnceAreBounded, and who waits for one goes away with its context.
func TestRequestsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		release := make(chan struct{})
		busy := roundTripper(func(r *http.Request) (*http.Response, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			select {
			case <-release:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return answerWith(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"id":1,"login":"ada"}`), nil
		})
		w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
		o := w.options(nil)
		o.Transport = busy
		m, err := github.New(github.Config{
			ClientID: "a", ClientSecret: gateward.NewSecret("b"), RedirectAddress: "https://app.example.com", Scopes: []string{"repo"},
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		id := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "1"}}
		refresh := func(ctx context.Context, n int) error {
			id := id
			id.Subject = fmt.Sprint(n/2 + 1)
			_, _, err := m.Refresh(ctx, id, gateward.Tokens{AccessToken: gateward.NewSecret("gho_1")})
			return err
		}
		results := make(chan error, 30)
		for n := range 30 {
			go func() { results <- refresh(t.Context(), n) }()
		}
		synctest.Wait()
		if n := now.Load(); n != 4 {
			t.Errorf("%d requests at once", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantKind(t, refresh(ctx, 30), gateward.ErrUnavailable)
		close(release)
		for range 30 { // one account has all these tokens
			if err := <-results; err != nil && !errors.Is(err, gateward.ErrInvalidCredential) {
				t.Error(err)
			}
		}
		if n := most.Load(); n != 4 {
			t.Errorf("%d requests at once", n)
		}
	})
}
