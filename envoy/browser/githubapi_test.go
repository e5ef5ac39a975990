package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/methods/github/githubtest"
)

// hub is a GitHub server and what is documented of its API.
type hub struct {
	*githubtest.Server
	t    *testing.T
	api  *openAPI
	http *httptest.Server
	// prefix is the path of the API.
	prefix string
}

// hubScopes are all that the endpoints need.
const hubScopes = "read:org user:email"

// startHub starts a server on which Ada is everything that a person can be.
func startHub(t *testing.T, document string, enterprise bool) *hub {
	t.Helper()
	h := &hub{t: t, api: readOpenAPI(t, document)}
	if enterprise {
		h.prefix = "/api/v3"
	}
	h.Server = githubtest.New(githubtest.Options{Enterprise: enterprise, Now: time.Now})
	h.http = httptest.NewServer(h.Server)
	t.Cleanup(h.http.Close)
	h.AddUser(githubtest.User{Login: "ada", Name: "Ada Lovelace", Emails: []githubtest.Email{
		{Address: "ada@example.com", Primary: true, Verified: true, Public: true}, {Address: "countess@example.org"},
	}})
	// Grace has no name, no organization and a private address.
	h.AddUser(githubtest.User{Login: "grace", Emails: []githubtest.Email{{Address: "grace@example.com", Primary: true, Verified: true}}})
	for i := range 31 {
		h.AddOrganization(githubtest.Organization{Login: fmt.Sprintf("org-%d", i)})
		h.SetMembership(fmt.Sprintf("org-%d", i), "ada", githubtest.Active)
	}
	h.AddOrganization(githubtest.Organization{Login: "waiting"})
	h.SetMembership("waiting", "ada", githubtest.Pending)
	for _, o := range []githubtest.Organization{{Login: "closed", RestrictsApps: true}, {Login: "sso", SAML: true}} {
		h.AddOrganization(o)
		h.SetMembership(o.Login, "ada", githubtest.Active)
	}
	h.AddTeam("org-1", "engineers", "")
	h.AddTeam("org-1", "compilers", "engineers")
	h.SetTeam("org-1", "engineers", "ada", true)
	h.SetTeam("org-1", "compilers", "ada", true)
	return h
}

// token logs a person in, who grants these scopes.
func (h *hub) token(login, scopes string) string {
	h.t.Helper()
	location, err := h.Authorize(h.http.URL+"/login/oauth/authorize?"+url.Values{
		"client_id": {"client"}, "redirect_uri": {"http://127.0.0.1/callback"}, "scope": {scopes}, "state": {"state"},
	}.Encode(), login)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		h.t.Fatal(err)
	}
	form := url.Values{"client_id": {"client"}, "client_secret": {"client-secret"}, "code": {u.Query().Get("code")}}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.http.URL+"/login/oauth/access_token", strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := h.http.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		h.t.Fatalf("no access token: %v", err)
	}
	return answer.AccessToken
}

// asked is a request to the API.
type asked struct {
	path   string // as documented; where it differs, target is what is asked for
	target string
	token  string
	header map[string]string
	want   int
}

// ask sends a request and checks the response's status and body. It returns the
// response's header.
func (h *hub) ask(name string, q asked) http.Header {
	h.t.Helper()
	if q.target == "" {
		q.target = h.http.URL + h.prefix + q.path
	} else if strings.HasPrefix(q.target, "/") {
		q.target = h.http.URL + h.prefix + q.target
	}
	status, header, body, err := h.get(h.t.Context(), q)
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	if status != q.want {
		h.t.Errorf("%s: GET %s: got %d, want %d: %s", name, q.target, status, q.want, body)
	}
	if err := h.api.check(q.path, status, body); err != nil {
		h.t.Errorf("%s: %v", name, err)
	}
	if len(body) > 0 && header.Get("Content-Type") != "application/json; charset=utf-8" {
		h.t.Errorf("%s: content type %q", name, header.Get("Content-Type"))
	}
	return header
}

func (h *hub) get(ctx context.Context, q asked) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.target, http.NoBody)
	if err != nil {
		return 0, nil, nil, err
	}
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	resp, err := h.http.Client().Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, body, err
}

const (
	userPath        = "/user"
	emailsPath      = "/user/emails"
	orgsPath        = "/user/orgs"
	membershipsPath = "/user/memberships/orgs"
	membershipPath  = "/user/memberships/orgs/{org}"
	teamsPath       = "/user/teams"
)

var nextLink = regexp.MustCompile(`<([^>]+)>; rel="next"`)

// TestGitHubServerDoesWhatIsDocumented: whatever the GitHub of our tests answers,
// GitHub's own description of its API admits, for every endpoint, every status
// that is described for it, and every state that a person can be in.
func TestGitHubServerDoesWhatIsDocumented(t *testing.T) {
	t.Parallel()
	for document, enterprise := range map[string]bool{"api.github.com.json": false, "ghes-3.19.json": true} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			h := startHub(t, document, enterprise)
			h.askEverything()
			h.askWithoutRights()
			if !enterprise { // it has no limits unless they are configured
				h.askTooOften()
			}
			for _, path := range []string{userPath, emailsPath, orgsPath, membershipsPath, membershipPath, teamsPath} {
				for _, left := range h.api.unseen(path) {
					if !outOfReach(left) {
						t.Errorf("not seen: %s", left)
					}
				}
			}
		})
	}
}

// outOfReach are statuses of which GitHub does not say who gets them.
func outOfReach(response string) bool { return response == teamsPath+" 404" }

// askEverything asks for what there is, for whoever may know it.
func (h *hub) askEverything() {
	ada, grace := h.token("ada", hubScopes), h.token("grace", hubScopes)
	lists := []string{emailsPath, orgsPath, membershipsPath, teamsPath}
	for login, token := range map[string]string{"ada": ada, "grace": grace} {
		for _, path := range append([]string{userPath}, lists...) {
			header := h.ask(login, asked{path: path, token: token, want: http.StatusOK})
			h.ask(login+", unchanged", asked{path: path, token: token, want: http.StatusNotModified, header: map[string]string{"If-None-Match": header.Get("Etag")}})
		}
	}
	for _, path := range lists {
		pages := 1
		for q := (asked{path: path, target: path + "?per_page=1", token: ada, want: http.StatusOK}); ; pages++ {
			next := nextLink.FindStringSubmatch(h.ask("page", q).Get("Link"))
			if next == nil {
				break
			}
			q.target = next[1]
		}
		if pages < 2 {
			h.t.Errorf("%s has one page only", path)
		}
		h.ask("past the end", asked{path: path, target: path + "?page=99", token: ada, want: http.StatusOK})
	}
	for _, state := range []string{githubtest.Active, githubtest.Pending} {
		h.ask(state, asked{path: membershipsPath, target: membershipsPath + "?state=" + state, token: ada, want: http.StatusOK})
	}
	for _, organization := range []string{"org-1", "waiting"} {
		h.ask(organization, asked{path: membershipPath, target: "/user/memberships/orgs/" + organization, token: ada, want: http.StatusOK})
	}
	if got := h.ask("SAML", asked{path: orgsPath, token: ada, want: http.StatusOK}).Get("X-Github-Sso"); !strings.HasPrefix(got, "partial-results; organizations=") {
		h.t.Errorf("X-GitHub-SSO: %q", got)
	}
	h.SignOn("sso", "ada", true)
	h.ask("after single sign-on", asked{path: membershipPath, target: "/user/memberships/orgs/sso", token: ada, want: http.StatusOK})
	h.SignOn("sso", "ada", false)
}

// askWithoutRights asks for what somebody may not know.
func (h *hub) askWithoutRights() {
	ada, public := h.token("ada", hubScopes), h.token("ada", "read:user")
	for _, path := range []string{userPath, emailsPath, orgsPath, membershipsPath} {
		h.ask("nobody", asked{path: path, want: http.StatusUnauthorized})
		h.ask("bad token", asked{path: path, token: "gho_of-nobody", want: http.StatusUnauthorized})
	}
	for _, path := range []string{membershipPath, teamsPath} {
		// For these, 401 is not described. It is as everywhere else.
		h.ask("nobody", asked{path: userPath, target: strings.Replace(path, "{org}", "org-1", 1), want: http.StatusUnauthorized})
	}
	h.ask("no scope", asked{path: emailsPath, token: public, want: http.StatusNotFound})
	for _, path := range []string{orgsPath, membershipsPath, teamsPath} {
		h.ask("no scope", asked{path: path, token: public, want: http.StatusForbidden})
	}
	h.ask("bad state", asked{path: membershipsPath, target: membershipsPath + "?state=former", token: ada, want: http.StatusUnprocessableEntity})
	for organization, want := range map[string]int{
		"of-nobody": http.StatusNotFound, "closed": http.StatusForbidden, "sso": http.StatusForbidden,
	} {
		h.ask(organization, asked{path: membershipPath, target: "/user/memberships/orgs/" + organization, token: ada, want: want})
	}
	h.SetMembership("org-30", "ada", "")
	h.ask("removed", asked{path: membershipPath, target: "/user/memberships/orgs/org-30", token: ada, want: http.StatusNotFound})
	// Everybody is locked out who shows too many bad tokens.
	for range 40 {
		_, _, _, err := h.get(h.t.Context(), asked{target: h.http.URL + h.prefix + userPath, token: "gho_of-nobody"})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	for _, path := range []string{userPath, emailsPath} {
		h.ask("locked out", asked{path: path, token: ada, want: http.StatusForbidden})
	}
	h.Recover()
}

// askTooOften asks more than GitHub answers.
func (h *hub) askTooOften() {
	ada := h.token("ada", hubScopes)
	h.LimitRate("ada", 0)
	for _, path := range []string{userPath, emailsPath, orgsPath, membershipsPath, teamsPath} {
		if got := h.ask("limit", asked{path: path, token: ada, want: http.StatusForbidden}).Get("X-Ratelimit-Remaining"); got != "0" {
			h.t.Errorf("X-RateLimit-Remaining: %q", got)
		}
	}
	h.Recover()
	h.LimitSecondary(time.Hour)
	if got := h.ask("secondary limit", asked{path: userPath, token: ada, want: http.StatusForbidden}).Get("Retry-After"); got == "" {
		h.t.Error("no Retry-After")
	}
	h.Recover()
}

// TestOpenAPICheckCanFail: a check that cannot fail would prove nothing. Every
// property that the description requires is taken away once, and every value is
// once of another type.
func TestOpenAPICheckCanFail(t *testing.T) {
	t.Parallel()
	h := startHub(t, "api.github.com.json", false)
	ada := h.token("ada", hubScopes)
	for path, component := range map[string]string{
		userPath: "private-user", emailsPath: "email", orgsPath: "organization-simple", membershipsPath: "org-membership", teamsPath: "team-full",
	} {
		_, _, body, err := h.get(t.Context(), asked{target: h.http.URL + path, token: ada})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.api.check(path, http.StatusOK, body); err != nil {
			t.Fatal(err)
		}
		required, _ := h.api.at(pointer("components", "schemas", component))["required"].([]any)
		if len(required) == 0 {
			t.Errorf("%s requires nothing", component)
		}
		for _, name := range required {
			for what, change := range map[string]func(map[string]any){
				"without":     func(o map[string]any) { delete(o, fmt.Sprint(name)) },
				"with an odd": func(o map[string]any) { o[fmt.Sprint(name)] = []any{[]any{}} },
			} {
				changed, err := mutate(body, change)
				if err != nil {
					t.Fatal(err)
				}
				if h.api.check(path, http.StatusOK, changed) == nil {
					t.Errorf("%s %s %s passes", path, what, name)
				}
			}
		}
		changed, err := mutate(body, func(o map[string]any) { o["made_up"] = true })
		if err != nil {
			t.Fatal(err)
		}
		if h.api.check(path, http.StatusOK, changed) == nil {
			t.Errorf("%s with a property that GitHub does not know passes", path)
		}
		if h.api.check(path, http.StatusTeapot, nil) == nil {
			t.Errorf("%s with a status that is not described passes", path)
		}
	}
}

// mutate changes the body's object, or the first of its list.
func mutate(body []byte, change func(map[string]any)) ([]byte, error) {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, err
	}
	first := value
	if list, ok := value.([]any); ok && len(list) > 0 {
		first = list[0]
	}
	object, ok := first.(map[string]any)
	if !ok {
		return nil, errors.New("no object in the body")
	}
	change(object)
	return json.Marshal(value)
}
