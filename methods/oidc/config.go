package oidc

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// DefaultCacheTTL is how long metadata is used where nothing is configured.
	DefaultCacheTTL = 15 * time.Minute

	wellKnown     = "/.well-known/"
	wellKnownOIDC = "/.well-known/openid-configuration"
)

// Config is the oidc block of the configuration.
type Config struct {
	// EmailMatches are regular expressions (RE2) for the whole e-mail address. If
	// there are any, one must match.
	EmailMatches []string
	// CacheTTL is how long a provider's metadata is used before it is asked for
	// again; [DefaultCacheTTL] when zero.
	CacheTTL time.Duration
	// Providers are the providers by name.
	Providers map[string]ProviderConfig
}

// ProviderConfig is one provider's block.
type ProviderConfig struct {
	// IssuerURL is the issuer identifier, compared exactly.
	IssuerURL string
	// DiscoveryURL is where the metadata is, unless below IssuerURL: the whole
	// address, or what /.well-known/openid-configuration is to be appended to.
	// The metadata must name IssuerURL as its issuer all the same.
	DiscoveryURL string
	ClientID     string
	ClientSecret gateward.Secret
	// RedirectAddress is our own address, which [CallbackPath] is appended to.
	RedirectAddress string
	// Scopes are asked for beside openid.
	Scopes []string
	// Nonce is accepted and ignored: each attempt has a nonce of its own.
	Nonce string
	// UsePKCE is whether attempts are bound to a code verifier (RFC 7636); nil
	// means they are.
	UsePKCE *bool
	// Algorithms are those of ID tokens and logout tokens; RS256 when empty.
	Algorithms []string
	// FetchExtraUserInfo asks the userinfo endpoint in any case. Otherwise it is
	// asked where the ID token lacks an address or groups that the configuration
	// is about, or where a refresh brings no ID token.
	FetchExtraUserInfo bool
	// AuthorizeParameters are added to the authorization request, or replace
	// what is there. Those that keep the login safe are refused; max_age counts
	// as MaxAge and prompt as Prompt do, and with acr_values the ID token's acr
	// must be one of them.
	AuthorizeParameters map[string]string
	// UseEndSessionEndpoint ends the session at the provider with ours.
	UseEndSessionEndpoint bool
	// AllowFrontChannelLogout lets the provider end sessions through the browser.
	AllowFrontChannelLogout bool
	// ClaimsMapping says where email, name, picture and sub are: the name of a
	// claim, or a JSON pointer (RFC 6901). What sub names becomes metadata only:
	// the principal's subject is always the claim sub. An address from a claim
	// that is not called email is not verified by email_verified.
	ClaimsMapping map[string]string
	// CAPath is a PEM file with the authorities that verify the provider's
	// server, instead of the system's.
	CAPath string
	// GroupsClaim says where groups are, as in ClaimsMapping; "groups" when empty.
	GroupsClaim string
	// AllowedGroups, if there are any, must share one with the person's, compared
	// exactly.
	AllowedGroups []string
	// AllowedDomains, if there are any, must have the domain of the person's
	// verified address: "example.com", or "*.example.com" for what is below it. At
	// Google, where anybody can register an address of any domain, they must have
	// the claim hd instead, whatever the address is.
	AllowedDomains []string
	// EmailAuthority are the domains, in the same form, whose addresses only their
	// owners can have at this provider: see [methods.EmailAuthority].
	EmailAuthority []string
	// GraphURL is where Microsoft Graph is asked for the groups of a person who is
	// in too many for an ID token, if the configuration is about groups. Empty:
	// where Microsoft has it, if the issuer is at login.microsoftonline.com, and
	// otherwise nowhere.
	GraphURL string
	// RequireVerifiedEmail is whether an address that the provider does not call
	// verified counts for EmailMatches; nil means that it does not.
	RequireVerifiedEmail *bool
	// DisplayName is what a person reads; the provider's name when empty.
	DisplayName string
	// MaxAge is how long ago the person may have authenticated at the provider
	// at most, nil if that does not matter; an attempt can only ask for less.
	MaxAge *time.Duration
	// Prompt is passed on in every login, separated by spaces; an attempt can
	// only add to it.
	Prompt string
	// NeedsEmail and NeedsGroups say that what is configured outside this block
	// decides by addresses or by groups: the provider is asked for them, as for
	// what this block decides by.
	NeedsEmail, NeedsGroups bool
}

// CallbackPath returns the path that a provider sends browsers back to, which is
// registered there below redirect_address.
func CallbackPath(provider string) string { return "/auth/v1/method/oidc/" + provider + "/callback" }

// settings is a provider's configuration, checked and completed.
type settings struct {
	ProviderConfig
	discoveryURL string
	redirectURI  string
	scopes       []string // openid first
	pkce         bool
	verifiedOnly bool // see RequireVerifiedEmail
	mapping      mapping
	demands      demands
	domains      domainRules
	graphURL     string         // without a slash at its end, or ""
	roots        *x509.CertPool // nil: the system's
	authorities  string         // content of CAPath
}

// check returns the settings of a provider; they are of use only if no problem
// was added.
func (c ProviderConfig) check(provider string, p *problems) settings {
	k := keyOf(provider)
	s := settings{ProviderConfig: c, pkce: c.UsePKCE == nil || *c.UsePKCE}
	s.verifiedOnly = c.RequireVerifiedEmail == nil || *c.RequireVerifiedEmail
	if !validName(provider) {
		p.add(k(""), fmt.Sprintf("the name %q does not fit into a path", provider), "use letters, digits, - and _")
	}
	for _, required := range [][2]string{
		{"issuer_url", c.IssuerURL},
		{"client_id", c.ClientID},
		{"client_secret", c.ClientSecret.Reveal()},
		{"redirect_address", c.RedirectAddress},
	} {
		if required[1] == "" {
			p.add(k(required[0]), "non-empty value is required", "")
		}
	}
	s.checkAddresses(k, p)
	s.checkScopes(k, p)
	s.checkAlgorithms(k, p)
	s.checkParameters(k, p)
	s.takeDemands(k, p)
	s.takeDomains(k, p)
	s.mapping = newMapping(c, k, p)
	s.takeGraph(k, p)
	s.readAuthorities(k, p)
	if s.MaxAge != nil && *s.MaxAge < 0 {
		p.add(k("max_age"), "must not be negative", "write a duration such as 12h")
	}
	if slices.Contains(c.AllowedGroups, "") {
		p.add(k("allowed_groups"), "a group is empty", "remove it")
	}
	if c.Nonce != "" {
		p.warn(k("nonce"), "has no effect: each login has a nonce of its own", "remove it")
	}
	if !s.pkce {
		p.warn(k("use_pkce"), "an authorization code that is stolen on its way can be used without PKCE", "remove it: providers that do not know PKCE ignore it")
	}
	return s
}

// keyOf returns a function that makes the key of a member of a provider's block.
func keyOf(provider string) func(member string) string {
	block := "providers." + provider
	if !validName(provider) || strings.Contains(provider, ".") {
		block = fmt.Sprintf("providers[%q]", provider)
	}
	return func(member string) string {
		if member == "" {
			return block
		}
		return block + "." + member
	}
}

// validName reports whether a name is one segment of a path as it is.
func validName(s string) bool {
	return s != "." && s != ".." && regexp.MustCompile(`\A[A-Za-z0-9._~-]{1,64}\z`).MatchString(s)
}

func (s *settings) checkAddresses(key func(string) string, p *problems) {
	s.discoveryURL = strings.TrimSuffix(s.IssuerURL, "/") + wellKnownOIDC
	name := "issuer_url"
	if s.DiscoveryURL != "" {
		name, s.discoveryURL = "discovery_url", s.DiscoveryURL
		if !strings.Contains(s.DiscoveryURL, wellKnown) {
			s.discoveryURL = strings.TrimSuffix(s.DiscoveryURL, "/") + wellKnownOIDC
		}
	}
	if s.IssuerURL != "" {
		for name, address := range map[string]string{name: s.discoveryURL, "issuer_url": s.IssuerURL} {
			if _, err := outbound.ParseAddress(address); err != nil {
				p.add(key(name), err.Error(), "write the https address that the provider documents")
			}
		}
		// Claims and metadata name the issuer exactly so; a query there would
		// never be found in them (OpenID Connect Discovery §4.3).
		if strings.ContainsAny(s.IssuerURL, "?#") {
			p.add(key("issuer_url"), "an issuer has neither a query nor a fragment", "")
		}
	}
	if s.RedirectAddress == "" {
		return
	}
	u, err := url.Parse(s.RedirectAddress)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || strings.ContainsAny(s.RedirectAddress, "?#") {
		p.add(key("redirect_address"), "is not the address of a site", "write scheme and host, such as https://app.example.com")
		return
	}
	if u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()) {
		p.warn(key("redirect_address"), "the provider's answer travels unencrypted", "use https")
	}
	s.redirectURI = strings.TrimSuffix(s.RedirectAddress, "/")
}

func (s *settings) checkScopes(key func(string) string, p *problems) {
	s.scopes = []string{"openid"}
	for i, scope := range s.Scopes {
		if !validScope(scope) {
			p.add(key(fmt.Sprintf("scopes[%d]", i)), fmt.Sprintf("%q is not a scope", scope), "list one scope per entry")
		}
		if !slices.Contains(s.scopes, scope) {
			s.scopes = append(s.scopes, scope)
		}
	}
}

// validScope reports whether s is a scope-token (RFC 6749 §3.3).
func validScope(s string) bool {
	for n := range len(s) {
		if c := s[n]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

func (s *settings) checkAlgorithms(key func(string) string, p *problems) {
	for i, a := range s.Algorithms {
		if !slices.Contains(keyset.Algorithms(), a) {
			p.add(key(fmt.Sprintf("algorithms[%d]", i)), fmt.Sprintf("unknown or symmetric algorithm %q", a),
				"use one of "+strings.Join(keyset.Algorithms(), ", "))
		}
	}
	if len(s.Algorithms) == 0 {
		s.Algorithms = []string{"RS256"}
	}
}

// checkParameters refuses parameters that would undo what binds an answer to its
// request.
func (s *settings) checkParameters(key func(string) string, p *problems) {
	for _, param := range slices.Sorted(maps.Keys(s.AuthorizeParameters)) {
		at := parameterKey(key, param)
		switch strings.ToLower(param) {
		case "state", "nonce", "redirect_uri", "response_type", "client_id", "code_challenge", "code_challenge_method",
			"response_mode", "request", "request_uri":
			p.add(at, "is set by each login itself", "remove it")
		case "scope":
			p.add(at, "would replace the scopes", "use scopes")
		case "":
			p.add(key("authorize_parameters"), "a parameter has no name", "remove it")
		}
	}
}

func (s *settings) readAuthorities(key func(string) string, p *problems) {
	if s.CAPath == "" {
		return
	}
	var err error
	if s.roots, s.authorities, err = outbound.ReadAuthorities(s.CAPath); err != nil {
		p.add(key("ca_path"), err.Error(), "")
	}
}
