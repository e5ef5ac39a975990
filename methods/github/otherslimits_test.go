package github_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// A member is somebody with a session.
type member struct {
	id     gateward.Identity
	tokens gateward.Tokens
}

// member creates an account, adds it to an organization, and logs it in.
func (w *world) member(id int64, login, organization string) member {
	w.t.Helper()
	w.hub.AddUser(githubtest.User{ID: id, Login: login})
	if organization != "" {
		w.hub.SetMembership(organization, login, githubtest.Active)
	}
	who, tokens := w.mustLogin(login)
	return member{who, tokens}
}

func (w *world) refresh(m member) error {
	w.t.Helper()
	_, _, err := w.method.Refresh(w.t.Context(), m.id, m.tokens)
	return err
}

// limited has GitHub refuse by a secondary limit what do asks.
func (w *world) limited(wait time.Duration, do func() error) {
	w.t.Helper()
	w.hub.LimitSecondary(wait)
	err := do()
	w.hub.LimitSecondary(0)
	wantKind(w.t, err, gateward.ErrUnavailable)
}

// TestSEC_E08_StrangersKeepNobodyWaiting: what logins meet is nobody else's, be they
// of one account or of several, and known by then or not.
func TestSEC_E08_StrangersKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	beginning := func(w *world, login string) {
		w.limited(time.Hour, func() error { _, _, err := w.login(login); return err })
	}
	pastUser := func(w *world, login string) {
		w.hub.Fail("/user/teams", githubtest.Failure{Status: 403, Header: http.Header{"Retry-After": {"3600"}}, Body: `{"message":"no"}`})
		_, _, err := w.login(login)
		w.hub.Recover()
		wantKind(w.t, err, gateward.ErrUnavailable)
		if retryAfter(err) <= 0 {
			w.t.Errorf("the stranger's: %v", err)
		}
	}
	tests := map[string]struct {
		strangers []string
		bring     func(*world, string)
	}{
		"one":                    {[]string{"mallory", "mallory", "mallory"}, beginning},
		"two":                    {[]string{"mallory", "eve", "mallory"}, beginning},
		"two past the beginning": {[]string{"mallory", "eve"}, pastUser},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.hub.AddUser(githubtest.User{ID: 666, Login: "mallory"})
			w.hub.AddUser(githubtest.User{ID: 667, Login: "eve"})
			w.hub.AddUser(githubtest.User{ID: 102, Login: "bob"})
			id, tokens := w.mustLogin("Ada")
			for _, login := range tt.strangers {
				tt.bring(w, login)
				w.pass(time.Second)
			}
			if err := w.refresh(member{id, tokens}); err != nil {
				t.Errorf("a session: %v", err)
			}
			if _, _, err := w.login("bob"); err != nil {
				t.Errorf("a login: %v", err)
			}
			// Nor do they make a session's limit everybody's.
			bob := member{}
			bob.id, bob.tokens = w.mustLogin("bob")
			tt.bring(w, tt.strangers[0])
			w.limited(time.Hour, func() error { return w.refresh(member{id, tokens}) })
			if err := w.refresh(bob); err != nil {
				t.Errorf("another session: %v", err)
			}
		})
	}
}

// TestSEC_E08_RemovedMemberIsSeen however many limits strangers bring about.
func TestSEC_E08_RemovedMemberIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	w.hub.AddUser(githubtest.User{ID: 666, Login: "mallory"})
	id, tokens := w.mustLogin("Ada")
	w.hub.SetMembership("my-org", "Ada", "")
	for range 2 {
		w.limited(time.Minute, func() error { _, _, err := w.login("mallory"); return err })
	}
	w.pass(30 * time.Second)
	if err := w.refresh(member{id, tokens}); rule(err) != "allowed_organizations" {
		t.Errorf("removed: %v", err)
	}
}

// TestSEC_E08_LimitsOfMembersAreFoundOut: two people whose sessions meet limits of
// their own hold others for minutes only, and not again at once; and never a login.
func TestSEC_E08_LimitsOfMembersAreFoundOut(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (w *world, good member, bad []member) {
		t.Helper()
		w = newWorld(t, allow("my-org"))
		w.organizations("my-org")
		good = w.member(102, "bob", "my-org")
		for n := range 4 {
			bad = append(bad, w.member(int64(666+n), fmt.Sprint("bad", n), "my-org"))
		}
		for _, m := range bad[:2] {
			w.limited(time.Hour, func() error { return w.refresh(m) })
		}
		w.pass(time.Second)
		if err := w.refresh(good); retryAfter(err) <= 0 {
			t.Fatalf("not held: %v", err)
		}
		return w, good, bad
	}
	again := func(w *world, good member, bad []member) {
		w.t.Helper()
		if err := w.refresh(good); err != nil {
			w.t.Errorf("found out: %v", err)
		}
		for _, m := range bad[2:] {
			w.limited(time.Minute, func() error { return w.refresh(m) })
		}
		if err := w.refresh(good); err != nil {
			w.t.Errorf("the same once more: %v", err)
		}
		w.pass(time.Hour)
		for _, m := range bad[2:] {
			w.limited(time.Minute, func() error { return w.refresh(m) })
		}
		if err := w.refresh(good); retryAfter(err) <= 0 {
			w.t.Errorf("an hour later a limit is nobody's: %v", err)
		}
	}
	t.Run("by a login", func(t *testing.T) {
		t.Parallel()
		w, good, bad := begin(t)
		if _, _, err := w.login("Ada"); err != nil {
			t.Fatalf("a login: %v", err)
		}
		again(w, good, bad)
	})
	t.Run("by a session", func(t *testing.T) {
		t.Parallel()
		w, good, bad := begin(t)
		w.pass(5*time.Minute - 2*time.Second)
		if err := w.refresh(good); retryAfter(err) <= 0 {
			t.Errorf("before its time: %v", err)
		}
		w.pass(time.Second)
		again(w, good, bad)
	})
	t.Run("not by whoever is limited", func(t *testing.T) {
		t.Parallel()
		w, good, bad := begin(t)
		w.pass(5 * time.Minute)
		before := w.apiRequests()
		for _, m := range bad[:2] {
			if err := w.refresh(m); !personal(err) {
				t.Errorf("who is limited: %v", err)
			}
		}
		if w.apiRequests() != before {
			t.Error("asked about somebody who is limited")
		}
		again(w, good, bad)
	})
	t.Run("or it is so", func(t *testing.T) {
		t.Parallel()
		w, good, bad := begin(t)
		for range 3 {
			w.pass(5 * time.Minute)
			before := w.apiRequests()
			w.limited(time.Hour, func() error { return w.refresh(bad[2]) })
			w.limited(time.Hour, func() error { return w.refresh(bad[3]) })
			w.limited(time.Hour, func() error { return w.refresh(good) })
			if asked := w.apiRequests() - before; asked > 1 {
				t.Errorf("%d questions while everything is held", asked)
			}
		}
	})
}

// TestSEC_E08_AnswersInBetween: limits of two people are not ours if GitHub answers
// others in the meantime; what it refuses is no such answer.
func TestSEC_E08_AnswersInBetween(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"answer": true, "refusal": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			id, tokens := w.mustLogin("Ada")
			bob, carol := w.member(102, "bob", ""), w.member(103, "carol", "")
			w.limited(time.Hour, func() error { return w.refresh(bob) })
			w.pass(time.Minute)
			if !answered {
				w.hub.Fail("/user", githubtest.Failure{Status: 401, Body: `{"message":"Bad credentials"}`})
			}
			_ = w.refresh(member{id, tokens})
			w.hub.Recover()
			w.pass(time.Minute)
			w.limited(time.Hour, func() error { return w.refresh(carol) })
			if err := w.refresh(member{id, tokens}); (err == nil) != answered {
				t.Errorf("held: %v", err)
			}
		})
	}
}

// TestSEC_E08_LimitOfOneOperationIsEverybodys: that GitHub answers who somebody is
// says nothing about a limit that everybody meets who asks for organizations.
func TestSEC_E08_LimitOfOneOperationIsEverybodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	var all []member
	for n := range 40 {
		all = append(all, w.member(int64(200+n), fmt.Sprint("good", n), "my-org"))
	}
	w.hub.Fail("/user/memberships/orgs", githubtest.Failure{
		Status: 403, Header: http.Header{"Retry-After": {"60"}}, Body: `{"message":"You have exceeded a secondary rate limit."}`,
	})
	doubted := map[string]bool{}
	for range 5 {
		for _, m := range all {
			w.pass(10 * time.Millisecond)
			err := w.refresh(m)
			if wantKind(t, err, gateward.ErrUnavailable); personal(err) {
				doubted[m.id.Subject] = true
			}
		}
		w.pass(61 * time.Second)
	}
	if len(doubted) > 2 {
		t.Errorf("%d people are doubted", len(doubted))
	}
	w.hub.Recover()
	w.pass(time.Minute)
	for _, m := range all {
		if err := w.refresh(m); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}
