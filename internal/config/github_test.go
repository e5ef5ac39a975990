package config_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/config"
)

// A hub is a configuration with GitHub, to which each test adds what it is
// about.
type hub struct{ session, github, block, rest string }

func (h hub) String() string {
	if h.session == "" {
		h.session = onDomain
	}
	return fmt.Sprintf("authentication: {session: {%s}, %s methods: {github: {enabled: true, client_id: id, client_secret: secret, redirect_address: 'https://app.example.com', %s}}}\n%s",
		h.session, h.block, h.github, h.rest)
}

const members = "scopes: ['read:org'], allowed_organizations: [my-org]"

func TestGitHub(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, hub{github: members + ", allowed_teams: {My-Org: a b}, server_url: 'https://github.example.com', use_pkce: true, recheck_interval: 0s"}.String())
	c := f.Config
	m := c.Authentication.Methods.GitHub
	if !c.Authentication.Methods.SessionCompatible() || c.PublicURL() != "https://app.example.com" || c.Authentication.Session.AcceptCookies != nil {
		t.Errorf("people do not log in with it: %s, %v", c.PublicURL(), c.Authentication.Session.AcceptCookies)
	}
	if m.UsePKCE == nil || !*m.UsePKCE || m.RecheckInterval != 0 || !slices.Equal(m.AllowedTeams["My-Org"], []string{"a", "b"}) {
		t.Errorf("got %+v", m)
	}
	m = config.Default().Authentication.Methods.GitHub
	if m.Enabled || m.UsePKCE != nil || m.RecheckInterval != 15*time.Minute || len(m.Scopes) > 0 {
		t.Errorf("defaults: got %+v", m)
	}
}

// TestGitHub_PublicURL is by OIDC's providers first.
func TestGitHub_PublicURL(t *testing.T) {
	t.Parallel()
	both := strings.Replace(login{session: onDomain}.String(), "methods: {", "methods: {github: {enabled: true, client_id: a, client_secret: b, redirect_address: 'https://b.example.com'}, ", 1)
	for text, want := range map[string]string{
		hub{}.String(): "https://app.example.com",
		both:           "https://app.example.com",
		hub{rest: "server: {public_url: 'https://app.example.com:8443'}"}.String(): "https://app.example.com:8443",
	} {
		if got := mustLoad(t, text).Config.PublicURL(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestGitHub_Environment sets everything by environment, under our names and
// under Flipt's.
func TestGitHub_Environment(t *testing.T) {
	t.Parallel()
	env := []string{
		envSession + "DOMAIN=app.example.com", envGitHub + "ENABLED=true", envGitHub + "CLIENT_ID=id", envGitHub + "CLIENT_SECRET=hush",
		envGitHub + "REDIRECT_ADDRESS=https://app.example.com", envGitHub + "SCOPES=read:org user:email",
		envGitHub + "ALLOWED_ORGANIZATIONS=My-Org,acme,a-b", envGitHub + "ALLOWED_TEAMS_MY_ORG=team-a team-b", envGitHub + "ALLOWED_TEAMS_ACME=ops",
		envGitHub + "USE_PKCE=false", envGitHub + "RECHECK_INTERVAL=5m", envGitHub + "EMAIL_AUTHORITY=example.com",
	}
	flipt := make([]string, len(env))
	for i, pair := range env {
		flipt[i] = "FLIPT_" + strings.TrimPrefix(pair, "GATEWARD_")
	}
	for _, vars := range [][]string{env, flipt} {
		f, err := config.Load(config.Options{Dirs: config.SearchDirs(), Files: files{}, Env: vars})
		if err != nil {
			t.Fatal(err)
		}
		m := f.Config.Authentication.Methods.GitHub
		want := map[string][]string{"My-Org": {"team-a", "team-b"}, "acme": {"ops"}}
		if !reflect.DeepEqual(m.AllowedTeams, want) {
			t.Errorf("teams: got %v, want %v", m.AllowedTeams, want)
		}
		if m.ClientSecret.Reveal() != "hush" || m.UsePKCE == nil || *m.UsePKCE || m.RecheckInterval != 5*time.Minute || !slices.Equal(m.EmailAuthority, []string{"example.com"}) {
			t.Errorf("got %+v", m)
		}
	}
}

// TestGitHub_EnvironmentBeatsTheFile: a team list of the file is replaced,
// whatever its organization is called in the name of the variable.
func TestGitHub_EnvironmentBeatsTheFile(t *testing.T) {
	t.Parallel()
	text := hub{github: members + ", allowed_teams: {my-org: [a]}"}.String()
	f := mustLoad(t, text, envGitHub+"ALLOWED_TEAMS_MY_ORG=b")
	if got := f.Config.Authentication.Methods.GitHub.AllowedTeams; !reflect.DeepEqual(got, map[string][]string{"my-org": {"b"}}) {
		t.Errorf("got %v", got)
	}
	ambiguous := hub{github: "scopes: ['read:org'], allowed_organizations: [my-org, my.org]"}.String()
	if got := mustFail(t, ambiguous, envGitHub+"ALLOWED_TEAMS_MY_ORG=b").Error(); !strings.Contains(got, "allowed_teams the organization 'my_org' was not declared") {
		t.Errorf("got %s", got)
	}
	// What stands in the file is never taken for something else.
	if got := mustFail(t, hub{github: members + ", allowed_teams: {my_org: [a]}"}.String()).Error(); !strings.Contains(got, "'my_org' was not declared") {
		t.Errorf("got %s", got)
	}
}

func TestSEC_R14_TeamsBelongToAllowedOrganizations(t *testing.T) {
	t.Parallel()
	const teams = "authentication.methods.github.allowed_teams."
	refusals(t, map[string][2]string{
		"other organization": {hub{github: members + ", allowed_teams: {my-other-org: [a]}"}.String(), teams + "my-other-org: authentication: allowed_teams the organization 'my-other-org' was not declared in 'allowed_organizations' field"},
		"no organization":    {hub{github: "allowed_teams: {my-org: [a]}"}.String(), "the organization 'my-org' was not declared"},
		"no team":            {hub{github: members + ", allowed_teams: {my-org: []}"}.String(), teams + "my-org: names no team"},
		"no scope":           {hub{github: "scopes: ['user:email'], allowed_organizations: [my-org]"}.String(), "authentication.methods.github.scopes: authentication: scopes must contain read:org when allowed_organizations is not empty"},
		"without scopes":     {hub{github: "allowed_organizations: [my-org]"}.String(), "scopes must contain read:org"},
	})
	mustLoad(t, hub{github: members + ", allowed_teams: {MY-ORG: [a]}"}.String())
	mustLoad(t, hub{github: "scopes: ['admin:org'], allowed_organizations: [my-org]"}.String())
}

func TestSEC_R02_GitHubIsComplete(t *testing.T) {
	t.Parallel()
	const block = "authentication.methods.github."
	whole := hub{}.String()
	refusals(t, map[string][2]string{
		"no client":    {strings.Replace(whole, "client_id: id, ", "", 1), block + "client_id: authentication: client_id non-empty value is required"},
		"no secret":    {strings.Replace(whole, "client_secret: secret, ", "", 1), block + "client_secret: authentication: client_secret non-empty value is required"},
		"no address":   {strings.Replace(whole, "redirect_address: 'https://app.example.com', ", "", 1), block + "redirect_address: authentication: redirect_address non-empty value is required"},
		"no domain":    {hub{session: "secure: true"}.String(), "authentication.session.domain: authentication: session_domain non-empty value is required"},
		"plain server": {hub{github: "server_url: 'http://github.example.com'"}.String(), block + "server_url: what the provider answers by plain http can be changed"},
		"plain API":    {hub{github: "api_url: 'http://github.example.com/api/v3'"}.String(), block + "api_url: what the provider answers by plain http can be changed"},
		"password":     {hub{github: "server_url: 'https://a:hush@github.example.com'"}.String(), block + "server_url: holds a user name or password"},
	})
	mustLoad(t, hub{github: "server_url: 'http://127.0.0.1:9000', api_url: 'http://127.0.0.1:9000/api/v3'"}.String())
}

func TestSEC_R04_GitHubForEverybodyWarns(t *testing.T) {
	t.Parallel()
	const want = "authentication.methods.github: lets everybody in"
	warnings(t, map[string][2]string{
		"everybody":    {hub{}.String(), want},
		"written out":  {hub{github: "server_url: 'https://github.com/'"}.String(), want},
		"organization": {hub{github: members}.String(), "no " + want},
		"domain":       {hub{block: "allowed_domains: [example.com],"}.String(), "no " + want},
		"filter":       {hub{block: "allowed_user_filters: [{type: id, patterns: 1}],"}.String(), "no " + want},
		"approval":     {hub{block: "sign_up: approval,"}.String(), "no " + want},
		"our own":      {hub{github: "server_url: 'https://github.example.com'"}.String(), "no " + want},
	})
}

func TestSEC_D01_GitHubPKCEIsOffOnlyWithAWarning(t *testing.T) {
	t.Parallel()
	const want = "authentication.methods.github.use_pkce: is false"
	warnings(t, map[string][2]string{
		"off":     {hub{github: "use_pkce: false"}.String(), want},
		"default": {hub{}.String(), "no " + want},
		"our own": {hub{github: "use_pkce: false, server_url: 'https://github.example.com'"}.String(), "no " + want},
	})
}

func TestGitHub_Recheck(t *testing.T) {
	t.Parallel()
	const key = "authentication.methods.github.recheck_interval: "
	refusals(t, map[string][2]string{
		"too often": {hub{github: members + ", recheck_interval: 59s"}.String(), key + `"59s" asks GitHub more often`},
		"negative":  {hub{github: members + ", recheck_interval: -1m"}.String(), key},
	})
	warnings(t, map[string][2]string{
		"off":                   {hub{github: members + ", recheck_interval: 0s"}.String(), key + "is off"},
		"off without members":   {hub{github: "recheck_interval: 0s"}.String(), "no " + key},
		"off, members in rules": {hub{github: "recheck_interval: 0s", rest: "rules: [{name: a, require: {teams: [a/b]}}]"}.String(), key + "is off"},
		"a minute":              {hub{github: members + ", recheck_interval: 1m"}.String(), "no " + key},
	})
}
