package envoy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gateward/gateward/methods/github/githubtest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSignUpByApproval: who is new waits, on a page that says so, until an
// administrator enables the user.
func TestSignUpByApproval(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{people: "  sign_up: approval", admins: `subjects: ["token:boss", "oidc/op:boss-1"]`})
	r := s.replicas[0]
	v := s.visit(t)
	for range 2 {
		v.keptOut(v.byOP(oidctest.Ada()), 403, "Your account is waiting", "ada@example.com", "Use another account", "prompt=select_account")
	}
	script := s.visit(t).logInBy("oidc/op", s.provider.Authorize, "Accept: application/json")
	if script.status != 403 || script.page() || !strings.Contains(script.body, "waiting for an administrator") || !json.Valid([]byte(script.body)) {
		t.Errorf("a script is told %d %s", script.status, script.body)
	}
	all := r.users(t)
	if len(all) != 1 || all[0].Enabled || !all[0].Waiting || !slices.Equal(all[0].Emails, []string{"ada@example.com"}) {
		t.Fatalf("users after three logins: %+v", all)
	}
	if n := len(r.tokens(t, asBoss)); n != 0 {
		t.Errorf("who waits has %d sessions", n)
	}
	// Nobody but an administrator enables.
	for _, header := range []string{"Authorization: Bearer " + staticToken, "X-None: 1", v.cookie()} {
		if got := r.call(t, "PATCH", "/auth/v1/users/"+all[0].ID, `{"enabled": true}`, header, "Content-Type: application/json"); got.Status != 401 && got.Status != 403 {
			t.Errorf("enable with %.30s: got %d %s", header, got.Status, got.Body)
		}
	}
	r.enable(t, all[0].ID, true)
	v.entered(v.byOP(oidctest.Ada()))
	r.admits(t, "enabled", v.cookie())
	// Who waits can be refused, too.
	g := s.visit(t)
	g.keptOut(g.byOP(oidctest.Grace()), 403, "Your account is waiting")
	r.enable(t, r.userOf(t, "1207").ID, false)
	g.keptOut(g.byOP(oidctest.Grace()), 403, "This account has been disabled")
	// Whom the configuration names administrator needs nobody.
	b := s.visit(t)
	b.entered(b.byOP(boss()))
	if u := r.userOf(t, "boss-1"); !u.Enabled || u.Waiting {
		t.Errorf("the administrator: %+v", u)
	}
}

// TestSignUpClosed: nobody new enters, and no record is made; who was here before
// enters as ever.
func TestSignUpClosed(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{people: "  sign_up: open"})
	r, known, v := s.replicas[0], s.visit(t), s.visit(t)
	known.entered(known.byOP(oidctest.Ada()))
	r.reload(t, strings.Replace(r.config, "sign_up: open", "sign_up: closed", 1))
	v.keptOut(v.byOP(oidctest.Grace()), 403, "This account is not known here", "grace@example.com", "Use another account")
	if all := r.users(t); len(all) != 1 {
		t.Errorf("users: %+v", all)
	}
	r.admits(t, "who was here before", known.cookie())
	again := s.visit(t)
	again.entered(again.byOP(oidctest.Ada()))
}

// TestSEC_E03_AccountLinking: the same person by two providers is one user where that is
// configured, never by an address that is not verified or that a provider is not
// believed.
func TestSEC_E03_AccountLinking(t *testing.T) {
	t.Parallel()
	s := startSite(t, believed(siteOptions{people: "  account_linking: off"}))
	r := s.replicas[0]
	in := func(a func(*visitor) *answer) *visitor {
		t.Helper()
		v := s.visit(t)
		return v.entered(a(v))
	}
	both := func(login, opAddress, githubAddress string, verified bool) (byOP, byGitHub user) {
		t.Helper()
		subject := s.person(login, githubAddress, verified)
		logins := []func(v *visitor) *answer{
			func(v *visitor) *answer { return v.byOP(atOP(login, opAddress)) }, func(v *visitor) *answer { return v.byGitHub(login) },
		}
		if strings.HasSuffix(login, "reversed") {
			slices.Reverse(logins)
		}
		for _, one := range logins {
			in(one)
		}
		return r.userOf(t, login), r.userOf(t, subject)
	}
	if one, two := both("off", "off@example.com", "off@example.com", true); one.ID == two.ID {
		t.Errorf("with linking off: %+v", one)
	}
	r.reload(t, strings.Replace(r.config, "account_linking: off", "account_linking: verified_email", 1))
	for _, tt := range []struct {
		name, op, github string
		verified, linked bool
	}{
		{"same", "same@example.com", "same@example.com", true, true},
		{"case", "case@example.com", "Case@Example.com", true, true},
		{"unverified", "unverified@example.com", "unverified@example.com", false, false},
		{"different", "different@example.com", "differing@example.com", true, false},
		{"unbelieved", "unbelieved@example.org", "unbelieved@example.org", true, false}, // GitHub is not
		{"same reversed", "reversed@example.com", "reversed@example.com", true, true},
		{"unbelieved reversed", "unbelieving@example.org", "unbelieving@example.org", true, false},
	} {
		one, two := both(tt.name, tt.op, tt.github, tt.verified)
		if (one.ID == two.ID) != tt.linked {
			t.Errorf("%s: linked %t, want %t: %+v and %+v", tt.name, one.ID == two.ID, tt.linked, one, two)
		}
		if tt.linked && len(one.Identities) != 2 {
			t.Errorf("%s: %+v", tt.name, one)
		}
	}
	s.logsOutEverywhere(t)
}

// logsOutEverywhere: one person's sessions of two providers end together, by the
// person's own form; nobody else's do, and no other site can send it.
func (s *site) logsOutEverywhere(t *testing.T) {
	t.Helper()
	r := s.replicas[0]
	s.person("leaving", "leaving@example.com", true)
	v, elsewhere, other := s.visit(t), s.visit(t), s.visit(t)
	v.entered(v.byOP(atOP("leaving", "leaving@example.com")))
	elsewhere.entered(elsewhere.byGitHub("leaving"))
	other.entered(other.byOP(atOP("staying", "staying@example.com")))
	all := map[*visitor]string{v: v.cookie(), elsewhere: elsewhere.cookie(), other: other.cookie()}
	for _, header := range all {
		r.admits(t, "before", header)
	}
	const form = "/auth/account/sessions/revoke-all"
	if got := v.open("/auth/account"); got.status != 200 || !strings.Contains(got.body, `action="`+form+`"`) {
		t.Errorf("the account page: %d %s", got.status, got.text())
	}
	if got := v.do("POST", form, append(navigation(), "Sec-Fetch-Site: cross-site")...); got.status != 403 || v.token() == "" {
		t.Errorf("from another site: got %d", got.status)
	}
	r.admits(t, "after that", all[elsewhere])
	if got := v.do("POST", form, append(navigation(), "Sec-Fetch-Site: same-origin")...); got.status != http.StatusSeeOther || v.token() != "" {
		t.Errorf("log out everywhere: got %d %s", got.status, got.body)
	}
	r.refuses(t, "the session", all[v])
	r.refuses(t, "the session by the other provider", all[elsewhere])
	r.admits(t, "somebody else", all[other])
}

// TestSEC_G10_EndSessionsOfUser: an administrator ends all sessions of one user at once,
// and nobody else does.
func TestSEC_G10_EndSessionsOfUser(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	r := s.replicas[0]
	visitors := s.logInAll(t, 3)
	bystander := s.visit(t)
	bystander.entered(bystander.byOP(oidctest.Grace()))
	for _, v := range append(slices.Clone(visitors), bystander) {
		r.admits(t, "before", v.cookie())
	}
	target := "/auth/v1/tokens?user=" + url.QueryEscape(r.userOf(t, "ada-1").ID)
	for _, tt := range []struct {
		name, target, header string
		want                 int
	}{
		{"nobody", target, "X-None: 1", 401},
		{"not an administrator", target, "Authorization: Bearer " + staticToken, 403},
		{"the user", target, visitors[0].bearer(), 403},
		{"no selection", "/auth/v1/tokens", asBoss, 400},
		{"empty selection", "/auth/v1/tokens?user=", asBoss, 400},
		{"unknown selection", target + "&all=true", asBoss, 400},
	} {
		if got := r.call(t, "DELETE", tt.target, "", tt.header); got.Status != tt.want {
			t.Errorf("%s: got %d %s", tt.name, got.Status, got.Body)
		}
	}
	r.admits(t, "after what was refused", visitors[0].cookie())
	if got := r.call(t, "DELETE", target, "", asBoss); got.Status != 200 || string(got.Body) != `{"revoked":3}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	for _, v := range visitors {
		r.refuses(t, "afterwards", v.cookie())
	}
	r.admits(t, "somebody else", bystander.cookie())
	again := s.visit(t)
	again.entered(again.byOP(oidctest.Ada())) // it is no ban
	if got := r.call(t, "DELETE", "/auth/v1/tokens?subject="+url.QueryEscape("oidc/op:ada-1"), "", asBoss); got.Status != 200 || string(got.Body) != `{"revoked":1}` {
		t.Errorf("by subject: got %d %s", got.Status, got.Body)
	}
	r.refuses(t, "by subject", again.cookie())
}

// TestOneUserHoweverManyLogins: the first logins of one person, by both providers at
// the same moment, each at its replica, make one user.
func TestOneUserHoweverManyLogins(t *testing.T) {
	t.Parallel()
	store := redisStore(t, redistest.Start(t).Addr)
	s := startSite(t, believed(siteOptions{storage: []string{store, store}, people: "  account_linking: verified_email"}))
	const rounds = 12
	for i := range rounds {
		login := fmt.Sprintf("person-%d", i)
		s.person(login, login+"@example.com", true)
		s.provider.SetUser(atOP(login, login+"@example.com"))
		s.meetAtTheEnd(t)
		byOP, byGitHub := s.visit(t), s.visit(t)
		callbacks := map[*visitor]string{
			byOP: s.provider.Authorize(byOP.redirected("/auth/v1/method/oidc/op/authorize?rd=/orders", http.StatusFound)),
		}
		var err error
		if callbacks[byGitHub], err = s.github.Authorize(byGitHub.redirected("/auth/v1/method/github/authorize?rd=/orders", http.StatusFound), login); err != nil {
			t.Fatal(err)
		}
		byGitHub.at = s.replicas[1]
		var wg sync.WaitGroup
		for v, callback := range callbacks {
			wg.Go(func() {
				if got, err := v.send("GET", callback, navigation()...); err != nil || got.status != http.StatusSeeOther {
					t.Errorf("login: got %+v, %v", got, err)
				}
			})
		}
		wg.Wait()
	}
	all := s.replicas[1].users(t)
	if len(all) != rounds {
		t.Errorf("%d users, want %d", len(all), rounds)
	}
	for _, u := range all {
		if len(u.Identities) != 2 {
			t.Errorf("identities of one person: %+v", u)
		}
	}
	r := s.replicas[0]
	if got := r.call(t, "DELETE", "/auth/v1/tokens?user="+all[0].ID, "", asBoss); string(got.Body) != `{"revoked":2}` {
		t.Errorf("its sessions: %d %s", got.Status, got.Body)
	}
}

// meetAtTheEnd makes each provider wait with its last answer until the other one is
// asked for its own.
func (s *site) meetAtTheEnd(t *testing.T) {
	t.Helper()
	atOP, atGitHub := make(chan struct{}), make(chan struct{})
	arriveAtOP, arriveAtGitHub := sync.OnceFunc(func() { close(atOP) }), sync.OnceFunc(func() { close(atGitHub) })
	wait := func(other chan struct{}) {
		select {
		case <-other:
		case <-t.Context().Done():
		}
	}
	s.provider.Configure(func(b *oidctest.Behavior) {
		b.TokenResponse = func(map[string]any) {
			arriveAtOP()
			wait(atGitHub)
		}
	})
	s.github.Fail("/user/teams", githubtest.Failure{Times: 1, Handler: func(w http.ResponseWriter, r *http.Request) {
		arriveAtGitHub()
		wait(atOP)
		s.github.ServeHTTP(w, r)
	}})
}

// TestUserIDForTheApplication: where it is asked for, the application gets the id
// of the user, the same by whichever provider, and nobody else can send one.
func TestUserIDForTheApplication(t *testing.T) {
	t.Parallel()
	s := startSite(t, believed(siteOptions{people: "  account_linking: verified_email"}))
	r := s.replicas[0]
	r.reload(t, r.config+"upstream: {identity_headers: {user_id: X-App-User}}\n")
	s.person("ada", "ada@example.com", true)
	one, two := s.visit(t), s.visit(t)
	one.entered(one.byOP(oidctest.Ada()))
	two.entered(two.byGitHub("ada"))
	id := r.userOf(t, "ada-1").ID
	s.upstream.Requests()
	for _, header := range []string{one.cookie(), two.cookie(), "Authorization: Bearer " + staticToken} {
		if got := r.call(t, "GET", "/orders", "", header, "X-App-User: "+id+"0"); got.Status != 200 {
			t.Errorf("got %d", got.Status)
		}
	}
	for i, seen := range s.upstream.Requests() {
		want := [][]string{{id}, {id}, nil}[i]
		if got := seen.Values("x-app-user"); !slices.Equal(got, want) {
			t.Errorf("request %d: the application saw %q, want %q", i, got, want)
		}
	}
}
