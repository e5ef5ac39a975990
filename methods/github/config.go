package github

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/outbound"
)

// MinRecheckInterval is the least [Config] RecheckInterval: a thousand people who
// are asked about more often would use up what GitHub lets an application ask.
const MinRecheckInterval = time.Minute

// defaultScope is asked for where no scope is configured. A request without scopes
// is granted what the person granted some other time, which may be anything.
const defaultScope = scopeEmail

// Config is the github block of the configuration.
type Config struct {
	ClientID     string
	ClientSecret gateward.Secret
	// RedirectAddress is our own address, which [CallbackPath] is appended to.
	RedirectAddress string
	// Scopes are asked for; user:email when empty. Without read:org (or what
	// implies it) nothing is known of organizations and teams, and without
	// user:email nothing of addresses.
	Scopes []string
	// AllowedOrganizations, if there are any, must share one with those that the
	// person is an active member of. Names have no case.
	AllowedOrganizations []string
	// AllowedTeams are slugs of teams by organization. If there are any, the person
	// must be in one of the teams of an allowed organization: an organization
	// without an entry admits nobody then.
	AllowedTeams map[string][]string
	// ServerURL is where people log in; https://github.com when empty.
	ServerURL string
	// APIURL is the REST API, derived from ServerURL when empty.
	APIURL string
	// UsePKCE is whether attempts are bound to a code verifier (RFC 7636); nil means
	// they are, except on GitHub Enterprise Server, which does not know it.
	UsePKCE *bool
	// RecheckInterval is for how long what GitHub says of a person counts; zero:
	// until the session ends. At least [MinRecheckInterval] otherwise.
	RecheckInterval time.Duration
	// CAPath is a PEM file with the authorities that verify the server, instead of
	// the system's.
	CAPath string
	// DisplayName is what a person reads; "GitHub" when empty.
	DisplayName string
	// EmailAuthority are the domains whose verified addresses are believed when
	// accounts are linked: example.com or *.example.com.
	EmailAuthority []string

	// RestrictedElsewhere says that rules outside this block decide who may enter,
	// which is not warned about then.
	RestrictedElsewhere bool
	// NeedsOrganizations and NeedsEmail say that rules outside this block are about
	// them: a person who did not grant the scope is told so, and identities hold all
	// organizations and teams, not only those that are allowed here.
	NeedsOrganizations, NeedsEmail bool
}

// settings is a configuration, checked and completed.
type settings struct {
	Config
	server, api   string // without a slash at their ends
	redirectURI   string
	scopes        []string
	pkce          bool
	organizations []string            // lower case
	teams         map[string][]string // lower case
	authority     *admit.Domains      // nil: none
	roots         *x509.CertPool      // nil: the system's
	authorities   string              // content of CAPath
}

// check returns the settings; they are of use only if no problem was added.
func (c Config) check(p *problems) settings {
	s := settings{Config: c}
	for _, required := range [][2]string{
		{"client_id", c.ClientID},
		{"client_secret", c.ClientSecret.Reveal()},
		{"redirect_address", c.RedirectAddress},
	} {
		if required[1] == "" {
			p.add(required[0], "non-empty value is required", "")
		}
	}
	s.checkAddresses(p)
	s.checkScopes(p)
	s.checkOrganizations(p)
	s.checkTeams(p)
	s.checkAuthority(p)
	if c.RecheckInterval < 0 || c.RecheckInterval > 0 && c.RecheckInterval < MinRecheckInterval {
		p.add("recheck_interval", fmt.Sprintf("%v is less than a minute", c.RecheckInterval), "write 15m, or 0 to ask only at login")
	}
	if c.RecheckInterval == 0 && (len(c.AllowedOrganizations) > 0 || c.NeedsOrganizations) {
		p.warn("recheck_interval", "is 0: who is removed from an organization keeps access until the session ends", "write 15m")
	}
	if c.CAPath != "" {
		var err error
		if s.roots, s.authorities, err = outbound.ReadAuthorities(c.CAPath); err != nil {
			p.add("ca_path", err.Error(), "")
		}
	}
	return s
}

func (s *settings) checkAddresses(p *problems) {
	var server, api *url.URL
	if server = readAddress("server_url", s.ServerURL, defaultServer, p); server == nil {
		return
	}
	if s.server = site(server); isWWW(server) {
		p.add("server_url", "only leads to another address, which a login is not taken to", "write "+defaultServer+", or remove it")
	}
	enterprise := isEnterpriseServer(server)
	if api = readAddress("api_url", s.APIURL, apiOf(server), p); api == nil {
		return
	}
	s.api = site(api)
	s.pkce = !enterprise
	if s.UsePKCE != nil {
		s.pkce = *s.UsePKCE
		if !s.pkce && !enterprise {
			p.warn("use_pkce", "an authorization code that is stolen on its way can be used without PKCE", "remove it: GitHub knows PKCE")
		}
	}
	if s.RedirectAddress == "" {
		return
	}
	u, err := url.Parse(s.RedirectAddress)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || strings.ContainsAny(s.RedirectAddress, "?#") {
		p.add("redirect_address", "is not the address of a site", "write scheme and host, such as https://app.example.com")
		return
	}
	if u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()) {
		p.warn("redirect_address", "GitHub's answer travels unencrypted", "use https")
	}
	s.redirectURI = strings.TrimSuffix(s.RedirectAddress, "/") + CallbackPath()
}

func (s *settings) checkScopes(p *problems) {
	for i, scope := range s.Scopes {
		if !isScope(scope) {
			p.add(fmt.Sprintf("scopes[%d]", i), fmt.Sprintf("%q is not a scope", scope), "list one scope per entry")
		}
		if !slices.Contains(s.scopes, scope) {
			s.scopes = append(s.scopes, scope)
		}
	}
	if len(s.scopes) == 0 {
		s.scopes = []string{defaultScope}
	}
	asked := scopesOf(s.scopes)
	if len(s.AllowedOrganizations) > 0 && !asked.has(scopeOrganizations) {
		p.add("scopes", "must contain read:org when allowed_organizations is not empty", "add read:org")
	} else if s.NeedsOrganizations && !asked.has(scopeOrganizations) {
		p.warn("scopes", "lack read:org, so that nobody is in any organization or team", "add read:org")
	}
	if (s.NeedsEmail || len(s.EmailAuthority) > 0) && !asked.has(scopeEmail) {
		p.warn("scopes", "lack user:email, so that nobody has an e-mail address", "add user:email")
	}
}

func (s *settings) checkOrganizations(p *problems) {
	for i, o := range s.AllowedOrganizations {
		if !isName(o) {
			p.add(fmt.Sprintf("allowed_organizations[%d]", i), fmt.Sprintf("%q is not the name of an organization", o), "write it as in the organization's address")
		}
		s.organizations = append(s.organizations, admit.LowerASCII(o))
	}
	if len(s.AllowedOrganizations) == 0 && !s.RestrictedElsewhere {
		p.warn("allowed_organizations", "is empty: everybody who has an account at "+s.server+" may enter",
			"name your organizations, or limit who enters by authentication.allowed_user_filters or allowed_domains")
	}
}

func (s *settings) checkTeams(p *problems) {
	s.teams = map[string][]string{}
	for _, o := range slices.Sorted(maps.Keys(s.AllowedTeams)) {
		at, list := "allowed_teams."+o, s.AllowedTeams[o]
		if !slices.Contains(s.organizations, admit.LowerASCII(o)) {
			p.add("allowed_teams", fmt.Sprintf("the organization '%s' was not declared in 'allowed_organizations' field", o), "")
			continue
		}
		if len(list) == 0 {
			p.add(at, "names no team, so that it admits nobody", "name a team, or remove the organization from allowed_organizations")
		}
		for i, slug := range list {
			if slug == "" || strings.ContainsAny(slug, "/ ") {
				p.add(fmt.Sprintf("%s[%d]", at, i), fmt.Sprintf("%q is not the slug of a team", slug), "write it as in the team's address")
			}
			s.teams[admit.LowerASCII(o)] = append(s.teams[admit.LowerASCII(o)], admit.LowerASCII(slug))
		}
	}
	if len(s.AllowedTeams) == 0 {
		return
	}
	for i, o := range s.organizations {
		if len(s.teams[o]) == 0 && p.errs == nil {
			p.warn(fmt.Sprintf("allowed_organizations[%d]", i), fmt.Sprintf("%q has no entry in allowed_teams, so that it admits nobody", o),
				"add its teams to allowed_teams, or remove it")
		}
	}
}

func (s *settings) checkAuthority(p *problems) {
	if len(s.EmailAuthority) == 0 {
		return
	}
	var err error
	if s.authority, err = admit.CompileDomains(s.EmailAuthority); err != nil {
		p.add("email_authority", err.Error(), "write example.com or *.example.com")
	}
}

// isName reports whether s can be the name of an organization.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 100
}
