package github_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/github"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, h http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func callbackOf(code string) methods.Callback {
	return methods.Callback{Code: gateward.NewSecret(code)}
}

func validConfig() github.Config {
	return github.Config{
		ClientID: "id", ClientSecret: gateward.NewSecret("canary-secret"), RedirectAddress: "https://app.example.com/base/",
		Scopes: []string{"read:org", "user:email"}, AllowedOrganizations: []string{"My-Org"}, RecheckInterval: time.Minute,
	}
}

func newMethod(c github.Config) (*github.Method, error) {
	w := &world{log: &syncBuffer{}}
	o := w.options(nil)
	return github.New(c, o)
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*github.Config)
		want   string // "" for none
	}{
		"fine":                      {func(*github.Config) {}, ""},
		"client_id":                 {func(c *github.Config) { c.ClientID = "" }, "client_id: non-empty value is required"},
		"client_secret":             {func(c *github.Config) { c.ClientSecret = gateward.Secret{} }, "client_secret: non-empty value is required"},
		"redirect_address":          {func(c *github.Config) { c.RedirectAddress = "" }, "redirect_address: non-empty value is required"},
		"redirect_address no site":  {func(c *github.Config) { c.RedirectAddress = "app.example.com" }, "redirect_address: is not the address of a site"},
		"scope":                     {func(c *github.Config) { c.Scopes = []string{"user:email"} }, "scopes: must contain read:org when allowed_organizations is not empty"},
		"no scopes":                 {func(c *github.Config) { c.Scopes = nil }, "scopes: must contain read:org when allowed_organizations is not empty"},
		"scope implied":             {func(c *github.Config) { c.Scopes = []string{"admin:org"} }, ""},
		"two scopes in one":         {func(c *github.Config) { c.Scopes = []string{"read:org user:email"} }, "scopes[0]: "},
		"team's organization":       {func(c *github.Config) { c.AllowedTeams = map[string][]string{"my-other-org": {"a"}} }, "allowed_teams: the organization 'my-other-org' was not declared in 'allowed_organizations' field"},
		"team's organization, case": {func(c *github.Config) { c.AllowedTeams = map[string][]string{"MY-ORG": {"a"}} }, ""},
		"no team":                   {func(c *github.Config) { c.AllowedTeams = map[string][]string{"my-org": {}} }, "allowed_teams.my-org: names no team"},
		"team with its org":         {func(c *github.Config) { c.AllowedTeams = map[string][]string{"my-org": {"my-org/a"}} }, "allowed_teams.my-org[0]: "},
		"empty organization":        {func(c *github.Config) { c.AllowedOrganizations = []string{""} }, "allowed_organizations[0]: "},
		"organization address":      {func(c *github.Config) { c.AllowedOrganizations = []string{"github.com/a"} }, "allowed_organizations[0]: "},
		"http":                      {func(c *github.Config) { c.ServerURL = "http://ghe.example.com" }, "server_url: is plain http to another machine"},
		"http here":                 {func(c *github.Config) { c.ServerURL = "http://127.0.0.1:3000" }, ""},
		"www":                       {func(c *github.Config) { c.ServerURL = "https://www.github.com" }, "server_url: only leads to another address"},
		"no scheme":                 {func(c *github.Config) { c.ServerURL = "ghe.example.com" }, "server_url: is not an https address"},
		"user":                      {func(c *github.Config) { c.ServerURL = "https://canary@ghe.example.com" }, "server_url: holds user information"},
		"query":                     {func(c *github.Config) { c.APIURL = "https://ghe.example.com/api/v3?a=b" }, "api_url: holds a query"},
		"api http":                  {func(c *github.Config) { c.APIURL = "http://ghe.example.com" }, "api_url: is plain http"},
		"recheck too often":         {func(c *github.Config) { c.RecheckInterval = 59 * time.Second }, "recheck_interval: 59s is less than a minute"},
		"recheck negative":          {func(c *github.Config) { c.RecheckInterval = -time.Hour }, "recheck_interval: "},
		"recheck off":               {func(c *github.Config) { c.RecheckInterval = 0 }, ""},
		"ca_path":                   {func(c *github.Config) { c.CAPath = "/nowhere/ca.pem" }, "ca_path: stat /nowhere/ca.pem: no such file or directory"},
		"email_authority":           {func(c *github.Config) { c.EmailAuthority = []string{"a@b@c"} }, "email_authority: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := validConfig()
			tt.change(&c)
			_, err := newMethod(c)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("error %v, want %s", err, tt.want)
			case err != nil:
				if ce := (*gateward.ConfigError)(nil); !errors.As(err, &ce) || strings.Contains(err.Error(), "canary") {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	no := false
	tests := map[string]struct {
		change func(*github.Config)
		want   string // key, "" for none
		remedy string
	}{
		"none":                         {func(*github.Config) {}, "", ""},
		"anybody":                      {func(c *github.Config) { c.AllowedOrganizations = nil }, "allowed_organizations", "allowed_user_filters"},
		"anybody whom others restrict": {func(c *github.Config) { c.AllowedOrganizations, c.RestrictedElsewhere = nil, true }, "", ""},
		"no PKCE":                      {func(c *github.Config) { c.UsePKCE = &no }, "use_pkce", "remove it"},
		"no PKCE, Enterprise":          {func(c *github.Config) { c.UsePKCE, c.ServerURL = &no, "https://ghe.example.com" }, "", ""},
		"never asked again":            {func(c *github.Config) { c.RecheckInterval = 0 }, "recheck_interval", "15m"},
		"unencrypted":                  {func(c *github.Config) { c.RedirectAddress = "http://app.example.com" }, "redirect_address", "https"},
		"organization without teams": {func(c *github.Config) {
			c.AllowedOrganizations, c.AllowedTeams = []string{"a", "b"}, map[string][]string{"a": {"x"}}
		}, "allowed_organizations[1]", "allowed_teams"},
		"authority without addresses": {func(c *github.Config) {
			c.Scopes, c.EmailAuthority = []string{"read:org"}, []string{"example.com"}
		}, "scopes", "user:email"},
		"organizations needed elsewhere": {func(c *github.Config) {
			c.AllowedOrganizations, c.RestrictedElsewhere, c.NeedsOrganizations, c.Scopes = nil, true, true, []string{"user:email"}
		}, "scopes", "read:org"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := validConfig()
			tt.change(&c)
			m, err := newMethod(c)
			if err != nil {
				t.Fatal(err)
			}
			all := m.Warnings()
			if tt.want == "" {
				if len(all) > 0 {
					t.Errorf("warnings %v", all)
				}
				return
			}
			if len(all) != 1 || all[0].Key != tt.want || !all[0].Warning || !strings.Contains(all[0].Remedy, tt.remedy) {
				t.Errorf("warnings %v, want one of %s", all, tt.want)
			}
		})
	}
}

// TestServers: where each kind of server has its API, who issues its identities and
// whether it knows PKCE.
func TestServers(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	tests := map[string]struct {
		server, api string
		pkce        *bool
		issuer      string
		request     string
		challenge   bool
	}{
		"default":              {"", "", nil, "https://github.com", "https://api.github.com/user", true},
		"github.com":           {"https://GitHub.com/", "", nil, "https://github.com", "https://api.github.com/user", true},
		"github.com, no PKCE":  {"", "", &no, "https://github.com", "https://api.github.com/user", false},
		"data residency":       {"https://octo.ghe.com", "", nil, "https://octo.ghe.com", "https://api.octo.ghe.com/user", true},
		"enterprise server":    {"https://ghe.example.com/", "", nil, "https://ghe.example.com", "https://ghe.example.com/api/v3/user", false},
		"enterprise with PKCE": {"https://ghe.example.com", "", &yes, "https://ghe.example.com", "https://ghe.example.com/api/v3/user", true},
		"api of its own":       {"https://ghe.example.com", "https://api.example.com/v3/", nil, "https://ghe.example.com", "https://api.example.com/v3/user", false},
		"github.com:443":       {"https://github.com:443", "", nil, "https://github.com", "https://api.github.com/user", true},
		"data residency:443":   {"https://Octo.ghe.com:443/", "", nil, "https://octo.ghe.com", "https://api.octo.ghe.com/user", true},
		"enterprise, a port":   {"https://ghe.example.com:8443", "", nil, "https://ghe.example.com:8443", "https://ghe.example.com:8443/api/v3/user", false},
		"not ghe.com":          {"https://evilghe.com", "", nil, "https://evilghe.com", "https://evilghe.com/api/v3/user", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := validConfig()
			c.ServerURL, c.APIURL, c.UsePKCE = tt.server, tt.api, tt.pkce
			var asked []string
			w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
			o := w.options(nil)
			o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				if r.Method == http.MethodPost {
					body, _ := io.ReadAll(r.Body)
					form, _ := url.ParseQuery(string(body))
					if form.Has("code_verifier") != tt.challenge {
						t.Errorf("form %v", form)
					}
					return answerWith(200, http.Header{"Content-Type": {"application/json"}}, `{"access_token":"gho_1","token_type":"bearer","scope":"read:org"}`), nil
				}
				if r.Header.Get("User-Agent") == "" || r.Header.Get("X-Github-Api-Version") == "" {
					t.Errorf("header %v", r.Header)
				}
				return answerWith(500, nil, ""), nil
			})
			m, err := github.New(c, o)
			if err != nil {
				t.Fatal(err)
			}
			a := newAttempt()
			address, err := m.AuthCodeURL(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(address, "code_challenge") != tt.challenge || !strings.HasPrefix(address, tt.issuer+"/login/oauth/authorize?") || m.Issuer() != tt.issuer {
				t.Errorf("address %s, issuer %s", address, m.Issuer())
			}
			_, _, err = m.Exchange(t.Context(), callbackOf("code"), a)
			wantKind(t, err, gateward.ErrUnavailable)
			if len(asked) != 2 || asked[0] != tt.issuer+"/login/oauth/access_token" || asked[1] != tt.request {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

func TestAuthCodeURL(t *testing.T) {
	t.Parallel()
	m, err := newMethod(validConfig())
	if err != nil {
		t.Fatal(err)
	}
	query := func(m *github.Method, a methods.Attempt) url.Values {
		t.Helper()
		address, err := m.AuthCodeURL(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	a := newAttempt()
	q := query(m, a)
	if q.Get("scope") != "read:org user:email" || q.Get("client_id") != "id" || q.Has("prompt") || q.Has("login") ||
		q.Get("redirect_uri") != "https://app.example.com/base/auth/v1/method/github/callback" {
		t.Errorf("query %v", q)
	}
	a.Prompt, a.LoginHint = "login select_account", "ada"
	if q = query(m, a); q.Get("prompt") != "select_account" || q.Get("login") != "ada" {
		t.Errorf("query %v", q)
	}
	a.Prompt = "login"
	if q = query(m, a); q.Has("prompt") {
		t.Errorf("a prompt that GitHub does not know: %v", q)
	}
	// Without a scope GitHub would grant what was granted some other time.
	c := validConfig()
	c.Scopes, c.AllowedOrganizations = nil, nil
	if m, err = newMethod(c); err != nil {
		t.Fatal(err)
	}
	if q = query(m, a); q.Get("scope") != "user:email" {
		t.Errorf("query %v", q)
	}
}

func TestNamesAndAuthority(t *testing.T) {
	t.Parallel()
	c := validConfig()
	c.EmailAuthority = []string{"example.com"}
	m, err := newMethod(c)
	if err != nil {
		t.Fatal(err)
	}
	if m.Method() != "github" || m.Name() != "" || m.DisplayName() != "GitHub" || github.CallbackPath() != "/auth/v1/method/github/callback" {
		t.Errorf("%q %q %q", m.Method(), m.Name(), m.DisplayName())
	}
	if !m.Authoritative("ada@example.com") || m.Authoritative("ada@example.org") || m.Authoritative("") {
		t.Error("authority")
	}
	if m, err = newMethod(validConfig()); err != nil || m.Authoritative("ada@example.com") {
		t.Errorf("authority without configuration: %v", err)
	}
}
