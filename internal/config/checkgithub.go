package config

import (
	"slices"
	"strings"
	"time"
)

const githubKey = methodsKey + ".github"

func (c *checker) github() {
	m := &c.file.Config.Authentication.Methods.GitHub
	if !m.Enabled {
		return
	}
	c.client(githubKey, "for GitHub", m.ClientID, m.ClientSecret, m.RedirectAddress)
	c.redirectAddress(githubKey+".redirect_address", m.RedirectAddress)
	c.scopes(githubKey+".scopes", m.Scopes)
	c.githubServer(m)
	c.teams(m)
	c.recheck(m)
	c.fileExists(githubKey+".ca_path", m.CAPath, "")
	c.githubScopes(m)
	if m.public() && m.UsePKCE != nil && !*m.UsePKCE {
		c.warn(githubKey+".use_pkce", "is false, so a login can be completed by whoever gets hold of its code", "remove it")
	}
	if m.public() && len(m.AllowedOrganizations) == 0 && !c.file.Config.Authentication.Limited() {
		c.warn(githubKey, "lets everybody in who has an account at https://github.com", "set "+githubKey+".allowed_organizations, "+domainsKey+" or "+filtersKey)
	}
}

// githubServer checks the addresses of a server of one's own.
func (c *checker) githubServer(m *GitHubMethod) {
	for _, v := range []struct{ key, value string }{
		{githubKey + ".server_url", m.ServerURL},
		{githubKey + ".api_url", m.APIURL},
	} {
		if v.value == "" {
			continue
		}
		if u := c.providerURL(v.key, v.value, "authentication: "+strings.TrimPrefix(v.key, githubKey+".")+" "); u != nil && (u.RawQuery != "" || u.Fragment != "" || u.ForceQuery) {
			c.bad(v.key, "has a query or a fragment", "write it without")
		}
	}
	if api, ok := origin(m.APIURL); ok && m.ServerURL == "" && api != "https://api.github.com" {
		c.warn(githubKey+".api_url", "is not GitHub's, and gets the tokens that https://github.com has issued", "set "+githubKey+".server_url too, or remove it")
	}
}

// teams checks whose members are allowed.
func (c *checker) teams(m *GitHubMethod) {
	const organizations, teams = githubKey + ".allowed_organizations", githubKey + ".allowed_teams"
	if len(m.AllowedOrganizations) > 0 && !m.asksOrganizations() {
		c.bad(githubKey+".scopes", "authentication: scopes must contain read:org when allowed_organizations is not empty", "add read:org")
	}
	names := sortedKeys(m.AllowedTeams)
	for i, name := range names {
		key := childKey(teams, name)
		first := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		switch {
		case !m.allows(name):
			c.bad(key, "authentication: allowed_teams the organization '"+name+"' was not declared in 'allowed_organizations' field", "add it to "+organizations)
		case first < i:
			c.bad(key, "is the organization "+quote(names[first])+" once more", "write it once: case does not count")
		case len(m.AllowedTeams[name]) == 0:
			c.bad(key, "names no team", "name one, or remove the organization from "+organizations)
		}
		for j, team := range m.AllowedTeams[name] {
			if at := c.itemKey(key, j); strings.ContainsAny(team, "/* \t") {
				c.bad(at, c.shown(at, team)+" is not the name of a team", "write it as in the team's address, such as my-team")
			}
		}
	}
	for i, name := range m.AllowedOrganizations {
		if at := c.itemKey(organizations, i); strings.ContainsAny(name, "/* \t") {
			c.bad(at, c.shown(at, name)+" is not the name of an organization", "write it as in its address, such as my-org")
		}
	}
}

// recheck checks how often it is asked who is a member.
func (c *checker) recheck(m *GitHubMethod) {
	const key, least, most = githubKey + ".recheck_interval", time.Minute, 24 * time.Hour
	switch {
	case m.RecheckInterval > most:
		c.warn(key, "is long: who is removed from an organization or a team keeps the access until then", "write 15m")
	case m.RecheckInterval == 0 && (len(m.AllowedOrganizations) > 0 || c.file.Config.decidedByOrganization() != ""):
		c.warn(key, "is off, so who is removed from an organization or a team keeps the access until the session ends", "write 15m")
	case m.RecheckInterval > 0 && m.RecheckInterval < least:
		c.bad(key, c.shown(key, formatDuration(m.RecheckInterval))+" asks GitHub more often than it likes to answer", "set at least 1m, or 0s to turn it off")
	}
}

// githubScopes warns where GitHub is not asked for what is decided by.
func (c *checker) githubScopes(m *GitHubMethod) {
	const key = githubKey + ".scopes"
	email := c.file.Config.decidedByEmail()
	if email == "" && c.file.Config.Authentication.AccountLinking == "verified_email" && len(m.EmailAuthority) > 0 {
		email = linkingKey
	}
	if email != "" && !m.asksEmail() {
		c.warn(key, "lacks user:email, and "+email+" decides by the address: GitHub then tells none that is verified", "add user:email")
	}
	if decides := c.file.Config.decidedByOrganization(); decides != "" && !m.asksOrganizations() {
		c.warn(key, "lacks read:org, and "+decides+" decides by it: GitHub then tells nobody's organizations and teams", "add read:org")
	}
}
