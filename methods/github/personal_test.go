package github_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
)

// manyTeams puts whoever asks into more teams than are read.
func (w *world) manyTeams() {
	w.hub.Fail("/user/teams", githubtest.Failure{
		Status: http.StatusOK, Body: `[]`, Header: http.Header{"Link": {`<` + w.server.URL + `/user/teams?page=2>; rel="next"`}},
	})
}

// personal reports whether an error is about the person only.
func personal(err error) bool {
	e := (*gateward.UnavailableError)(nil)
	return errors.As(err, &e) && e.Personal
}

// TestSEC_E08_WhatPeopleCanBringAbout is told from outages, which are not their
// doing.
func TestSEC_E08_WhatPeopleCanBringAbout(t *testing.T) {
	t.Parallel()
	fails := func(path string, f githubtest.Failure) func(*world) {
		return func(w *world) { w.hub.Fail(path, f) }
	}
	tests := map[string]struct {
		bring func(*world)
		want  bool
	}{
		"rate limit":         {func(w *world) { w.hub.LimitRate("Ada", 0) }, true},
		"secondary limit":    {func(w *world) { w.hub.LimitSecondary(time.Hour) }, true},
		"too many teams":     {(*world).manyTeams, true},
		"too many addresses": {func(w *world) { w.hub.SetEmails("Ada", make([]githubtest.Email, 5001)...) }, true},
		"answer too large":   {fails("/user/teams", githubtest.Failure{Status: 200, Body: `[]` + strings.Repeat(" ", 5<<20)}), true},
		"refusal":            {fails("/user/teams", githubtest.Failure{Status: 403, Body: `{"message":"the organization has an IP allow list"}`}), true},
		"refusal on the way": {fails("/user/teams", githubtest.Failure{Status: 403, Header: http.Header{"Content-Type": {"text/html"}}, Body: `no`}), false},
		"500":                {fails("/user", githubtest.Failure{Status: 500, Body: `{"message":"no"}`}), false},
		"503":                {fails("/user/teams", githubtest.Failure{Status: 503, Body: `{"message":"no"}`}), false},
		"not JSON":           {fails("/user", githubtest.Failure{Status: 200, Body: `<html>`}), false},
		"not found":          {fails("/user/teams", githubtest.Failure{Status: 404, Body: `{"message":"Not Found"}`}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			id, tokens := w.mustLogin("Ada")
			tt.bring(w)
			for _, again := range []string{"", "again"} {
				fresh, none, err := w.method.Refresh(t.Context(), id, tokens)
				w.refused(fresh, none, err, gateward.ErrUnavailable)
				if personal(err) != tt.want {
					t.Errorf("personal is not %v %s: %v", tt.want, again, err)
				}
			}
		})
	}
}

// TestSEC_E08_SecondaryLimitsArePersonal for whoever meets one, with however many
// tokens: two people may bring about theirs together. Who only has to wait for others
// has done nothing.
func TestSEC_E08_SecondaryLimitsArePersonal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.AddUser(githubtest.User{ID: 102, Login: "bob"})
	w.hub.AddUser(githubtest.User{ID: 103, Login: "carol"})
	ada, first := w.mustLogin("Ada")
	carol, carols := w.mustLogin("carol")
	_, second := w.mustLogin("Ada")
	bob, bobs := w.mustLogin("bob")
	w.hub.LimitSecondary(time.Hour)
	for _, tokens := range []gateward.Tokens{first, second, first} {
		if _, _, err := w.method.Refresh(t.Context(), ada, tokens); !personal(err) {
			t.Errorf("hers alone: %v", err)
		}
	}
	if _, _, err := w.method.Refresh(t.Context(), bob, bobs); !personal(err) {
		t.Errorf("his, too: %v", err)
	}
	if _, _, err := w.method.Refresh(t.Context(), ada, first); !personal(err) {
		t.Errorf("hers still: %v", err)
	}
	_, _, err := w.method.Refresh(t.Context(), carol, carols)
	if wantKind(t, err, gateward.ErrUnavailable); personal(err) {
		t.Errorf("everybody's: %v", err)
	}
}

// TestSEC_E08_PagesThatTakeTooLong: of many pages each is in time, and all together
// are not; a page that does not come is an outage, whichever it is.
func TestSEC_E08_PagesThatTakeTooLong(t *testing.T) {
	t.Parallel()
	for pages, want := range map[int]bool{1: false, 2: false, 10: false, 20: false, 36: true, 50: true} {
		synctest.Test(t, func(t *testing.T) {
			last := fmt.Sprint(pages)
			slow := roundTripper(func(r *http.Request) (*http.Response, error) {
				page := r.URL.Query().Get("page")
				took := 200 * time.Millisecond
				if page == last || pages == 1 && r.URL.Path == "/user/teams" {
					took = time.Hour
				}
				select {
				case <-time.After(took):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				header := http.Header{"Content-Type": {"application/json"}}
				switch r.URL.Path {
				case "/user":
					return answerWith(http.StatusOK, header, `{"id":1,"login":"ada"}`), nil
				case "/user/teams":
					n := 1
					_, _ = fmt.Sscan(page, &n)
					header.Set("Link", fmt.Sprintf(`<https://api.github.com/user/teams?page=%d>; rel="next"`, n+1))
				}
				return answerWith(http.StatusOK, header, `[]`), nil
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
			_, _, err = m.Refresh(t.Context(), id, gateward.Tokens{AccessToken: gateward.NewSecret("gho_1")})
			if wantKind(t, err, gateward.ErrUnavailable); personal(err) != want {
				t.Errorf("%d pages: personal is not %v: %v", pages, want, err)
			}
		})
	}
}

// TestSEC_E08_LongListsKeepNobodyIn: where organizations are configured a list that
// is too long is not needed to know that a person is in none of them.
func TestSEC_E08_LongListsKeepNobodyIn(t *testing.T) {
	t.Parallel()
	t.Run("teams", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, allow("my-org"))
		w.organizations("my-org")
		id, tokens := w.mustLogin("Ada")
		w.manyTeams()
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); !errors.Is(err, gateward.ErrUnavailable) || !personal(err) {
			t.Errorf("whose teams are not known: %v", err)
		}
		w.hub.SetMembership("my-org", "Ada", "")
		for _, path := range []string{"/user/teams", "/user/emails", "/user/emails"} { // whatever fails
			if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
				t.Errorf("removed: %v", err)
			}
			w.hub.Recover()
			w.hub.Fail(path, githubtest.Failure{Status: 502})
		}
		w.hub.Recover()
		w.hub.SetMembership("my-org", "Ada", githubtest.Active)
		w.hub.SetEmails("Ada", make([]githubtest.Email, 5001)...)
		w.hub.Fail("/user/teams", githubtest.Failure{Status: 502})
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); !errors.Is(err, gateward.ErrUnavailable) || !personal(err) {
			t.Errorf("two failures: %v", err)
		}
	})
	t.Run("organizations", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, allow("other", "My-Org", "restricted", "nobody-s"))
		w.hub.AddOrganization(githubtest.Organization{Login: "other"})
		w.hub.SetMembership("other", "Ada", githubtest.Pending)
		w.hub.AddOrganization(githubtest.Organization{Login: "restricted", RestrictsApps: true})
		w.organizations(names(1001)...)
		w.organizations("my-org")
		id, tokens := w.mustLogin("Ada")
		if len(id.Organizations) != 1 || id.Organizations[0] != "my-org" {
			t.Errorf("organizations %v", id.Organizations)
		}
		w.hub.Fail("/user/memberships/orgs/my-org", githubtest.Failure{Status: 502, Times: 1})
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); !errors.Is(err, gateward.ErrUnavailable) || personal(err) {
			t.Errorf("not known: %v", err)
		}
		w.hub.Fail("/user/memberships/orgs/my-org", githubtest.Failure{Status: 403, Body: `{"message":"no"}`})
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("refused: %v", err)
		}
		w.hub.Recover()
		w.hub.SetMembership("my-org", "Ada", "")
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
			t.Errorf("removed: %v", err)
		}
	})
}

func TestSEC_E08_SuspendedAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	id, tokens := w.mustLogin("Ada")
	id.UserID = "user-1"
	a := newAttempt()
	c := w.authorize(a, "Ada")
	w.hub.Suspend("Ada", true)
	_, none, err := w.method.Exchange(t.Context(), c, a)
	wantKind(t, err, gateward.ErrNotAdmitted)
	if said := notAdmitted(t, err); said.Rule != "suspended_account" || !strings.Contains(said.Reason, "suspended") || none.AccessToken.Reveal() != "" {
		t.Errorf("login: %+v", said)
	}
	w.quiet(err)
	fresh, _, err := w.method.Refresh(t.Context(), id, tokens)
	if wantKind(t, err, gateward.ErrNotAdmitted); rule(err) != "suspended_account" || fresh.Principal != id.Principal || fresh.UserID != "user-1" {
		t.Errorf("refresh: %+v, %v", fresh, err)
	}
	if w.count("user failed") != 0 {
		t.Error("a proper answer is counted as a failure")
	}
	w.hub.Suspend("Ada", false)
	for _, path := range []string{"/user/emails", "/user/teams", "/user/memberships/orgs"} {
		w.hub.Fail(path, githubtest.Failure{Status: 403, Body: `{"message":"Sorry. Your account was suspended."}`})
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "suspended_account" {
			t.Errorf("in the middle of %s: %v", path, err)
		}
		w.hub.Recover()
	}
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil {
		t.Errorf("no longer: %v", err)
	}
}

// TestSEC_E08_SessionsOfWhoeverIsOut end, or cannot be used, within an hour,
// whatever the person does at GitHub.
func TestSEC_E08_SessionsOfWhoeverIsOut(t *testing.T) {
	t.Parallel()
	remove := func(w *world) { w.hub.SetMembership("my-org", "Ada", "") }
	for name, tt := range map[string]struct {
		bring, each func(*world)
		most        time.Duration
		want        error
	}{
		"nothing":       {bring: remove, want: gateward.ErrInvalidCredential},
		"rate limit":    {bring: remove, each: func(w *world) { w.hub.LimitRate("Ada", 0) }, most: time.Hour, want: gateward.ErrUnavailable},
		"teams":         {bring: func(w *world) { remove(w); w.manyTeams() }, want: gateward.ErrInvalidCredential},
		"organizations": {bring: func(w *world) { remove(w); w.organizations(names(1001)...) }, want: gateward.ErrInvalidCredential},
		"suspended":     {bring: func(w *world) { w.hub.Suspend("Ada", true) }, want: gateward.ErrInvalidCredential},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, allow("my-org"))
			w.organizations("my-org")
			m, c := w.session("Ada")
			tt.bring(w)
			last := error(nil)
			for after := 15 * time.Minute; after < 8*time.Hour; after += 15 * time.Minute {
				w.pass(15 * time.Minute)
				if tt.each != nil {
					tt.each(w)
				}
				if _, last = m.Authenticate(t.Context(), c); last == nil && after >= max(tt.most, time.Minute) {
					t.Errorf("enters after %v", after)
				}
			}
			wantKind(t, last, tt.want)
		})
	}
}

// session logs somebody in and returns the credential of a session, and what judges
// it.
func (w *world) session(login string) (*clienttoken.Method, gateward.Credential) {
	w.t.Helper()
	id, tokens := w.mustLogin(login)
	store := memory.New(memory.Options{Now: w.now, Random: rand.Reader, GracePeriod: time.Hour})
	w.t.Cleanup(func() { _ = store.Close() })
	m := clienttoken.New(clienttoken.Options{
		Store: store, Leaser: store, Now: w.now, Logger: slog.New(slog.DiscardHandler),
		Logins: func(string, string) methods.Login { return w.method },
	})
	w.t.Cleanup(func() { _ = m.Close() })
	token := sessions.ClientToken(sha256.Sum256([]byte(login)))
	key, now := sessions.KeyOf([]byte(token.Reveal())), w.now()
	id.ConfirmedAt = now
	if err := store.Create(w.t.Context(), sessions.Session{
		ID: sessions.IDOf(key), Key: key, Identity: id, Tokens: tokens,
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}); err != nil {
		w.t.Fatal(err)
	}
	return m, gateward.Credential{Scheme: gateward.SchemeCookie, Value: token}
}
