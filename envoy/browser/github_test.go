package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/methods/github/githubtest"
)

const (
	githubClientID     = "gateward-at-github"
	githubClientSecret = "github-knows-this-secret"
	// githubCookie is how GitHub knows a browser again.
	githubCookie = "github_session_of_the_tests"
)

// github is a GitHub that behaves like github.com: its API is at its root, and it
// knows browsers again in which somebody has logged in.
type github struct {
	*githubtest.Server
	url string
}

// startGitHub starts a GitHub at which nobody has an account yet.
func startGitHub(tb testing.TB, origin string) *github {
	tb.Helper()
	g := &github{Server: githubtest.New(githubtest.Options{
		ClientID: githubClientID, ClientSecret: githubClientSecret, Now: time.Now,
		CallbackURL: origin + "/auth/v1/method/github/callback",
	})}
	server := httptest.NewServer(http.HandlerFunc(g.serve))
	tb.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// serve is the server, which asks nobody twice who they are unless it is told to.
func (g *github) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/login/oauth/authorize" {
		g.ServeHTTP(w, r)
		return
	}
	if r.Method == http.MethodPost {
		http.SetCookie(w, &http.Cookie{Name: githubCookie, Value: r.PostFormValue("account"), Path: "/", HttpOnly: true})
		g.ServeHTTP(w, r)
		return
	}
	known, err := r.Cookie(githubCookie)
	if err != nil || r.URL.Query().Get("prompt") == "select_account" {
		g.ServeHTTP(w, r)
		return
	}
	location, err := g.Authorize(r.URL.String(), known.Value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	http.Redirect(w, r, location, http.StatusFound)
}

// addUser gives somebody an account with one address.
func (g *github) addUser(login, address string, verified bool) {
	g.AddUser(githubtest.User{
		Login: login, Name: strings.ToUpper(login[:1]) + login[1:],
		Emails: []githubtest.Email{{Address: address, Primary: true, Verified: verified}},
	})
}

// githubEnv points a documented example at the site's GitHub.
func githubEnv(s *site) []string {
	const block = "GATEWARD_AUTHENTICATION_METHODS_GITHUB_"
	return []string{
		"GATEWARD_AUTHENTICATION_SESSION_DOMAIN=" + host,
		block + "CLIENT_ID=" + githubClientID,
		block + "CLIENT_SECRET=" + githubClientSecret,
		block + "REDIRECT_ADDRESS=" + s.origin,
		block + "SERVER_URL=" + s.github.url,
		block + "API_URL=" + s.github.url, // and not below /api/v3, as of an Enterprise Server
		block + "USE_PKCE=true",           // likewise
		block + "RECHECK_INTERVAL=1m",
	}
}

// bothConfig logs people in at GitHub and at the provider, both of which are
// believed the addresses of example.com. Whoever has ada@example.com and the static
// token are administrators.
func bothConfig(s *site, linking, storage string) string {
	return fmt.Sprintf(`
authentication:
  account_linking: %[8]s
  admins: {emails: [ada@example.com], subjects: ["token:boss"]}
  session:
    domain: %[1]s%[9]s
  methods:
    token:
      enabled: true
      storage: {tokens: {boss: {credential: %[10]s}}}
    github:
      enabled: true
      server_url: %[6]s
      api_url: %[6]s
      use_pkce: true
      client_id: %[7]s
      client_secret: %[11]s
      redirect_address: %[5]s
      scopes: [user:email]
      email_authority: [example.com]
    oidc:
      enabled: true
      providers:
        op:
          display_name: Test provider
          issuer_url: %[2]s
          client_id: %[3]s
          client_secret: %[4]s
          redirect_address: %[5]s
          scopes: [email, profile, groups]
          require_verified_email: false
          email_authority: [example.com]
rules:
- {name: public, match: {paths: [/public]}, access: anonymous}
server: {drain_delay: 0s}
log: {level: debug}
`, host, s.provider.issuer, clientID, clientSecret, s.origin, s.github.url, githubClientID, linking, storage, bossToken, githubClientSecret)
}

// bossToken is the credential of a program that administers.
const bossToken = "the-static-token-of-the-boss-0123456789"

// chooseAt is choosing an account on GitHub's page.
func (t *tab) chooseAt(g *github, login string) {
	t.tb.Helper()
	if !strings.HasPrefix(t.address(), g.url+"/login/oauth/authorize") {
		t.tb.Fatalf("not at GitHub but at %s:\n%s", t.address(), t.text())
	}
	t.clickText("button", "Continue as "+login+"$")
}

// status is what the tab's page came with.
func (t *tab) status() int {
	t.tb.Helper()
	return t.soon().MustEval(`() => performance.getEntriesByType("navigation")[0].responseStatus`).Int()
}
