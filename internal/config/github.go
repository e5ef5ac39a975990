package config

import (
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

// defaultRecheckInterval is how often it is asked again who is in an
// organization.
const defaultRecheckInterval = 15 * time.Minute

// GitHubMethod is the block "authentication.methods.github".
type GitHubMethod struct {
	Enabled              bool            `key:"enabled"`
	ClientID             string          `key:"client_id"`
	ClientSecret         gateward.Secret `key:"client_secret"`
	RedirectAddress      string          `key:"redirect_address"`
	Scopes               []string        `key:"scopes"`
	AllowedOrganizations []string        `key:"allowed_organizations"`
	// AllowedTeams are the teams by organization. In what [Load] returns, each
	// organization is one of AllowedOrganizations, without case.
	AllowedTeams map[string][]string `key:"allowed_teams" mapkey:"organization"`
	ServerURL    string              `key:"server_url"`
	APIURL       string              `key:"api_url"`
	// UsePKCE is nil unless it is configured: it then depends on the server.
	UsePKCE *bool `key:"use_pkce"`
	// RecheckInterval is zero where nothing is asked again.
	RecheckInterval time.Duration `key:"recheck_interval"`
	CAPath          string        `key:"ca_path"`
	DisplayName     string        `key:"display_name"`
	EmailAuthority  []string      `key:"email_authority"`
}

// public reports whether the server is github.com, where anybody can have an
// account.
func (m *GitHubMethod) public() bool {
	o, ok := origin(m.ServerURL)
	return m.ServerURL == "" || ok && (o == "https://github.com" || o == "https://www.github.com")
}

// asks reports whether one of the scopes is asked for. Without scopes, that is
// user:email.
func (m *GitHubMethod) asks(scopes ...string) bool {
	asked := m.Scopes
	if len(asked) == 0 {
		asked = []string{"user:email"}
	}
	return slices.ContainsFunc(asked, func(s string) bool { return slices.Contains(scopes, s) })
}

// asksEmail and asksOrganizations report whether a scope is asked for that lets
// GitHub tell them.
func (m *GitHubMethod) asksEmail() bool { return m.asks("user:email", "user") }

func (m *GitHubMethod) asksOrganizations() bool { return m.asks("read:org", "write:org", "admin:org") }

// allows reports whether an organization is one of AllowedOrganizations.
func (m *GitHubMethod) allows(organization string) bool {
	for _, o := range m.AllowedOrganizations {
		if strings.EqualFold(o, organization) {
			return true
		}
	}
	return false
}

// settleTeams gives organizations that the environment names, where a hyphen is
// an underscore, the name that allowed_organizations has.
func (m *GitHubMethod) settleTeams(fromEnv func(organization string) bool) {
	for _, name := range sortedKeys(m.AllowedTeams) {
		if m.allows(name) || !fromEnv(name) {
			continue
		}
		var meant []string
		for _, o := range m.AllowedOrganizations {
			if envWord(o) == envWord(name) {
				meant = append(meant, o)
			}
		}
		if len(meant) != 1 {
			continue // the checks refuse it
		}
		if _, taken := m.AllowedTeams[meant[0]]; !taken {
			m.AllowedTeams[meant[0]] = m.AllowedTeams[name]
			delete(m.AllowedTeams, name)
		}
	}
}
