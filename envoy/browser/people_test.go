package browser_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// user is what the API says of one.
type user struct {
	ID         string
	Enabled    bool
	Emails     []string
	Identities []struct{ Method, Provider, Email string }
}

// users asks the API, as a program that administers.
func (s *site) users(t *testing.T) []user {
	t.Helper()
	status, body := s.fetch(t, "/auth/v1/users", map[string]string{"Authorization": "Bearer " + bossToken})
	var list struct{ Users []user }
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK {
		t.Fatalf("GET /auth/v1/users: %d, %v: %s", status, err, body)
	}
	return list.Users
}

// throughGitHub and throughProvider log in on the page that offers both.
func (t *tab) throughGitHub(s *site, login string) {
	t.tb.Helper()
	t.clickText("a", "Login with GitHub")
	t.chooseAt(s.github, login)
}

func (t *tab) throughProvider(account string) {
	t.tb.Helper()
	t.clickText("a", "Login with Test provider")
	t.logInAs(account)
}

// TestOnePersonByTwoLogins: who comes by GitHub and by OpenID with the same verified
// address is one user if accounts are linked, and two if not. An address that is
// not verified links nobody, from whichever side.
func TestOnePersonByTwoLogins(t *testing.T) {
	t.Parallel()
	for linking, tt := range map[string]struct {
		users, waysOfAda int
	}{"verified_email": {5, 2}, `"off"`: {6, 1}} {
		t.Run(strings.Trim(linking, `"`), func(t *testing.T) {
			t.Parallel()
			s := startSite(t, siteOptions{config: func(s *site) string { return bothConfig(s, linking, "") }})
			c := startChromium(t, s.spki)
			s.github.addUser("ada", "ada@example.com", true)
			s.github.addUser("mallory", "ada@example.com", false)       // says that it is Ada's
			s.github.addUser("bob", "unverified-bob@example.com", true) // the provider has not verified his
			s.github.addUser("eve", "eve@elsewhere.example", true)      // nobody else's
			for _, account := range []string{"ada", "unverified-bob"} {
				tab := c.person(t).open(s.origin + "/")
				tab.throughProvider(account)
				tab.shows("x-auth-request-method: oidc")
			}
			for _, login := range []string{"mallory", "bob", "eve"} {
				tab := c.person(t).open(s.origin + "/")
				tab.throughGitHub(s, login)
				tab.shows("x-auth-request-method: github")
			}
			tab := c.person(t).open(s.origin + "/")
			tab.throughGitHub(s, "ada")
			tab.shows("x-auth-request-method: github", "x-auth-request-email: ada@example.com")

			all := s.users(t)
			if len(all) != tt.users {
				t.Errorf("got %d users, want %d: %+v", len(all), tt.users, all)
			}
			for _, u := range all {
				want := 1
				if len(u.Identities) > 0 && u.Identities[0].Email == "ada@example.com" {
					want = tt.waysOfAda
				}
				if len(u.Identities) != want {
					t.Errorf("got %d identities, want %d: %+v", len(u.Identities), want, u)
				}
			}
			tab.visit(s.origin + "/auth/account")
			tab.shows("Ada", "ada@example.com", "GitHub")
			if linked := strings.Contains(tab.text(), "Test provider"); linked != (tt.waysOfAda == 2) {
				t.Errorf("account page:\n%s", tab.text())
			}
		})
	}
}

// TestDisabledEverywhere: an administrator disables somebody, whose other browser
// and API client are refused by each replica on their next request. Enabled again,
// they have to log in.
func TestDisabledEverywhere(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := startSite(t, siteOptions{replicas: 2, config: func(s *site) string {
		address, port, _ := strings.Cut(redis.Addr, ":")
		return bothConfig(s, "verified_email", fmt.Sprintf(
			"\n    encryption_key: an-encryption-key-of-this-test-0123456789\n    storage: {type: redis, redis: {host: %q, port: %s}}", address, port))
	}})
	c := startChromium(t, s.spki)
	s.github.addUser("grace", "grace@example.com", true)
	one := c.person(t)
	phone, laptop, admin := one.open(s.origin+"/"), c.person(t).open(s.origin+"/"), c.person(t).open(s.origin+"/auth/admin")
	phone.throughGitHub(s, "grace")
	laptop.throughProvider("grace") // the same person
	admin.throughProvider("ada")
	if got, want := admin.address(), s.origin+"/auth/admin"; got != want {
		t.Errorf("the administrator came back to %s, want %s", got, want)
	}

	// Each replica has answered for her, and remembers the answer.
	sent := []map[string]string{
		{"Cookie": cookieName + "=" + phone.clientToken(s.origin)},
		{"Authorization": "Bearer " + laptop.clientToken(s.origin)},
	}
	everywhere := func(want int) {
		t.Helper()
		for _, header := range sent {
			for range 8 { // Envoy takes turns; see denied
				if status, body := s.fetch(t, "/", header); status != want {
					t.Errorf("got %d, want %d: %s", status, want, body)
				}
			}
		}
	}
	everywhere(http.StatusOK)

	admin.visit(s.origin + "/auth/admin?q=grace")
	admin.clickText("table a", "Grace")
	admin.shows("grace@example.com", "GitHub", "Test provider")
	disable(admin)
	admin.shows("Disabled", "All sessions have been ended")
	everywhere(http.StatusUnauthorized)
	for _, g := range s.replicas {
		if !denied(t, g) {
			t.Errorf("replica %s has refused nobody", g.GRPCAddress)
		}
	}
	laptop.visit(s.origin + "/again")
	if text := laptop.text(); strings.Contains(text, "x-auth-request-user") {
		t.Errorf("still let in:\n%s", text)
	}
	phone.visit(s.origin + "/again")
	phone.clickText("a", "Login with GitHub") // which knows her, and asks nothing
	phone.shows("This account has been disabled", "Use another account")

	admin.clickText("button", "Enable")
	admin.shows("This person may log in from now on.")
	everywhere(http.StatusUnauthorized) // what has ended has ended
	phone.visit(s.origin + "/back")
	phone.clickText("a", "Login with GitHub")
	phone.shows("GET /back", "x-auth-request-method: github")
	if all := s.users(t); len(all) != 2 {
		t.Errorf("users: got %+v, want Ada and Grace", all)
	}
}

// denied reports whether a replica has refused a client token.
func denied(t *testing.T, g *envoytest.Gateward) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.AdminAddress+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), `gateward_checks_total{method="session",outcome="deny",`)
}

// disable opens what asks whether one is sure, and is.
func disable(t *tab) {
	t.tb.Helper()
	t.soon().MustActivate()
	t.soon().MustElementR("summary", "Disable").MustClick()
	t.click("form[action$='/disable'] button")
}
