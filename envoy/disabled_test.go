package envoy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSEC_G10_K07_DisabledUserIsRefusedEverywhere: on the next request, whatever the
// caches know and by whichever credential; and again when replicas restart.
func TestSEC_G10_K07_DisabledUserIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := redisStore(t, server.Addr)
	s := startSite(t, siteOptions{storage: []string{store, store}, jwt: jwtOfOP, cache: "ttl: 1h, max_staleness: 1h"})
	a, b := s.replicas[0], s.replicas[1]
	browser, elsewhere, client, bystander := s.visit(t), s.visit(t), s.visit(t), s.visit(t)
	elsewhere.at = b
	for _, v := range []*visitor{browser, elsewhere, client} {
		v.entered(v.byOP(oidctest.Ada()))
	}
	bystander.entered(bystander.byOP(oidctest.Grace()))
	credentials := map[string]string{
		"browser": browser.cookie(), "other browser": elsewhere.cookie(), "bearer client": client.bearer(), "JWT": s.jwt("ada-1"),
	}
	others := map[string]string{"bystander": bystander.cookie(), "JWT of another": s.jwt("1207"), "static token": "Authorization: Bearer " + staticToken}
	warm := func(all map[string]string) {
		t.Helper()
		for what, header := range all {
			for range 2 {
				a.admits(t, what, header)
				b.admits(t, what+", second replica", header)
			}
		}
	}
	warm(credentials)
	warm(others)
	ada := a.userOf(t, "ada-1")
	out := func(when string) {
		t.Helper()
		for what, header := range credentials {
			a.refuses(t, when+", "+what, header)
			b.becomesRefused(t, header)
			b.refuses(t, when+", second replica, "+what, header)
		}
		for _, r := range s.replicas {
			if got := r.status(t, s.jwt("ada-1")); got != 403 {
				t.Errorf("%s, another JWT: got %d", when, got)
			}
		}
		again := s.visit(t)
		again.keptOut(again.byOP(oidctest.Ada()), 403, "This account has been disabled", "ada@example.com")
		warm(others)
	}

	a.enable(t, ada.ID, false)
	out("disabled")
	if got := a.tokens(t, asBoss); len(got) != 1 {
		t.Errorf("%d sessions are left, want the bystander's", len(got))
	}
	for _, r := range s.replicas {
		if err := r.gateward.Terminate(); err != nil {
			t.Fatal(err)
		}
		r.restart(t, r.config, false)
		r.becomes(t, "Authorization: Bearer "+staticToken, 200)
	}
	out("after restarts")

	b.enable(t, ada.ID, true)
	for _, r := range s.replicas {
		r.becomes(t, credentials["JWT"], 200)
		r.refuses(t, "a session that was ended", credentials["browser"])
	}
	browser.entered(browser.byOP(oidctest.Ada()))
	credentials = map[string]string{"enabled again": browser.cookie()}
	warm(credentials)
	if n := len(a.users(t)); n != 2 {
		t.Errorf("%d users, want 2", n)
	}
}

// becomesRefused waits until another replica has heard.
func (r *replica) becomesRefused(t *testing.T, header string) {
	t.Helper()
	envoytest.Eventually(t, "refusal", time.Minute, func(context.Context) error {
		if got := r.status(t, header); got != 401 && got != 403 {
			return fmt.Errorf("got %d\n%s", got, r.gateward.Log())
		}
		return nil
	})
}

// TestSEC_G10_DisabledUserStaysOut with a file: when gateward was killed, and a login
// that was under way.
func TestSEC_G10_DisabledUserStaysOut(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{storage: []string{fileStore(t)}, jwt: jwtOfOP})
	r, v, bystander := s.replicas[0], s.visit(t), s.visit(t)
	v.entered(v.byOP(oidctest.Ada()))
	bystander.entered(bystander.byOP(oidctest.Grace()))
	token := s.jwt("ada-1")
	under := s.visit(t)
	s.provider.SetUser(oidctest.Ada())
	callback := s.provider.Authorize(under.begin("/orders"))
	r.admits(t, "session", v.cookie())
	r.admits(t, "JWT", token)
	ada := r.userOf(t, "ada-1")
	r.enable(t, ada.ID, false)
	over := func(when string) {
		t.Helper()
		r.refuses(t, when+", session", v.cookie())
		r.refuses(t, when+", JWT", token)
		again := s.visit(t)
		again.keptOut(again.byOP(oidctest.Ada()), 403, "This account has been disabled")
		r.admits(t, when+", bystander", bystander.cookie())
	}
	over("disabled")
	under.keptOut(under.open(callback), 403, "This account has been disabled")
	r.gateward.Kill()
	r.restart(t, r.config, false)
	r.becomes(t, bystander.cookie(), 200)
	over("after it was killed")
	r.enable(t, ada.ID, true)
	r.admits(t, "JWT of who is enabled again", token)
	again := s.visit(t)
	again.entered(again.byOP(oidctest.Ada()))
}

// TestSEC_K07_DisabledWhileReplicaCannotHear: a replica that hears nothing lets
// nobody in who may have been disabled, for longer than max_staleness, and knows it
// once it hears again.
func TestSEC_K07_DisabledWhileReplicaCannotHear(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr), redisStore(t, proxy.Addr)}, jwt: jwtOfOP})
	a, b := s.replicas[0], s.replicas[1]
	others := map[string]string{
		"static token": "Authorization: Bearer " + staticToken, "JWT of nobody who logs in here": "Authorization: Bearer " + s.keys.sign(t, "RS256", claims(nil)),
	}
	for how, traffic := range map[string]redistest.Traffic{"cut": redistest.Cut, "silent": redistest.Paused} {
		v := s.visit(t)
		v.entered(v.byOP(atOP(how, how+"@example.com")))
		session, token := v.cookie(), s.jwt(how)
		for range 2 {
			b.admits(t, how+", before: session", session)
			b.admits(t, how+", before: JWT", token)
		}
		proxy.SetSubscriptions(traffic)
		a.enable(t, a.userOf(t, how).ID, false)
		for what, header := range map[string]string{"session": session, "JWT": token} {
			envoytest.Eventually(t, how+": refusal of "+what, time.Minute, func(context.Context) error {
				if got := b.status(t, header); got == 200 {
					return fmt.Errorf("got %d", got)
				}
				return nil
			})
			for range 3 {
				if got := b.status(t, header); got == 200 {
					t.Errorf("%s: %s: let in again", how, what)
				}
			}
		}
		for what, header := range others {
			b.admits(t, how+": "+what, header)
		}
		proxy.SetSubscriptions(redistest.Open)
		b.becomes(t, token, 403)
		b.becomes(t, s.jwt("somebody else"), 200)
		b.refuses(t, how+": session once it hears again", session)
	}
}

// TestSEC_K07_DisabledIsNotKnownYet: a replica that starts without the store does
// not let in who may be disabled, and everybody else.
func TestSEC_K07_DisabledIsNotKnownYet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true, More: []string{"--appendfsync", "always"}})
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr)}, jwt: jwtOfOP})
	r, v := s.replicas[0], s.visit(t)
	v.entered(v.byOP(oidctest.Ada()))
	ada := r.userOf(t, "ada-1").ID
	r.enable(t, ada, false)
	server.Kill()
	if err := r.gateward.Terminate(); err != nil {
		t.Fatal(err)
	}
	r.restart(t, r.config, true)
	r.becomes(t, "Authorization: Bearer "+staticToken, 200)
	r.admits(t, "JWT of nobody who logs in here", "Authorization: Bearer "+s.keys.sign(t, "RS256", claims(nil)))
	for what, header := range map[string]string{"JWT of who is disabled": s.jwt("ada-1"), "JWT of another": s.jwt("1207")} {
		for range 2 {
			if got := r.status(t, header); got != 503 {
				t.Errorf("%s: got %d, want 503", what, got)
			}
		}
	}
	for _, method := range []string{"GET", "PATCH"} {
		got := r.call(t, method, "/auth/v1/users/"+ada, `{"enabled": true}`, asBoss, "Content-Type: application/json")
		if got.Status != 503 || got.Get("retry-after") == "" {
			t.Errorf("%s of a user: got %d %s", method, got.Status, got.Body)
		}
	}
	server.Restart()
	r.becomes(t, s.jwt("1207"), 200)
	for range 2 {
		if got := r.status(t, s.jwt("ada-1")); got != 403 {
			t.Errorf("once the store is back: got %d", got)
		}
	}
	if log := r.gateward.Log(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// TestDisabledUserComesByAnotherProvider, which would be linked: the user stays out,
// and nothing is recorded.
func TestDisabledUserComesByAnotherProvider(t *testing.T) {
	t.Parallel()
	s := startSite(t, believed(siteOptions{people: "  account_linking: verified_email"}))
	r, v := s.replicas[0], s.visit(t)
	s.person("ada", "ada@example.com", true)
	v.entered(v.byOP(oidctest.Ada()))
	ada := r.userOf(t, "ada-1")
	r.enable(t, ada.ID, false)
	r.refuses(t, "the session", v.cookie())
	other := s.visit(t)
	other.keptOut(other.byGitHub("ada"), 403, "This account has been disabled", "ada@example.com")
	if all := r.users(t); len(all) != 1 || len(all[0].Identities) != 1 {
		t.Errorf("a refused login has left something: %+v", all)
	}
	r.enable(t, ada.ID, true)
	other.entered(other.byGitHub("ada"))
	if all := r.users(t); len(all) != 1 || len(all[0].Identities) != 2 {
		t.Errorf("after it was enabled: %+v", all)
	}
}
