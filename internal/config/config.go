// Package config finds, reads and decodes Gateward's configuration, and says
// where every mistake in it stands.
//
// It owns the keys and their documentation, the three file formats, the
// environment, references to secrets, units, and the checks that need nothing
// but the configuration. Path patterns, CEL expressions, key sets and
// certificates are checked by the packages that use them; [File.Place] finds
// the positions for what those report. Files are decoded from trees that know
// line and column, so that each problem does too.
package config

import (
	"net/netip"
	"time"

	"github.com/gateward/gateward"
)

// Config is the configuration with defaults, file and environment applied.
// Field by field it mirrors the keys in docs/configuration.md, where each is
// explained; the explanations themselves are in docs.go.
type Config struct {
	Authentication Authentication `key:"authentication"`
	Rules          []Rule         `key:"rules"`
	Upstream       Upstream       `key:"upstream"`
	Cache          Cache          `key:"cache"`
	Limits         Limits         `key:"limits"`
	Paths          Paths          `key:"paths"`
	Pages          Pages          `key:"pages"`
	Server         Server         `key:"server"`
	Log            Log            `key:"log"`
}

// Authentication is the block "authentication", which follows Flipt's.
type Authentication struct {
	Required           bool         `key:"required"`
	Exclude            Exclude      `key:"exclude"`
	Session            Session      `key:"session"`
	Methods            Methods      `key:"methods"`
	AllowedDomains     []string     `key:"allowed_domains"`
	AllowedUserFilters []UserFilter `key:"allowed_user_filters"`
	SignUp             string       `key:"sign_up" enum:"open|approval|closed"`
	AccountLinking     string       `key:"account_linking" enum:"off|verified_email"`
	Grants             []Grant      `key:"grants"`
	Admins             People       `key:"admins"`
}

// Exclude is the block "authentication.exclude". Management and Metadata have
// no effect.
type Exclude struct {
	Evaluation bool     `key:"evaluation"`
	OFREP      bool     `key:"ofrep"`
	Management bool     `key:"management"`
	Metadata   bool     `key:"metadata"`
	Hosts      []string `key:"hosts"`
}

// Methods is the block "authentication.methods".
type Methods struct {
	Token  TokenMethod  `key:"token"`
	OIDC   OIDCMethod   `key:"oidc"`
	GitHub GitHubMethod `key:"github"`
	JWT    JWTMethod    `key:"jwt"`
}

// TokenMethod is the block "authentication.methods.token".
type TokenMethod struct {
	Enabled bool         `key:"enabled"`
	Storage TokenStorage `key:"storage"`
}

// TokenStorage is the block "authentication.methods.token.storage".
type TokenStorage struct {
	Type   string                 `key:"type"`
	Tokens map[string]StaticToken `key:"tokens" mapkey:"id"`
}

// StaticToken is one entry of "authentication.methods.token.storage.tokens". In
// a configuration that [Load] returns with the method enabled, exactly one of
// Credential and CredentialHash is set; the hash is "sha256:" and 64 lower-case
// hexadecimal digits.
type StaticToken struct {
	Credential     gateward.Secret   `key:"credential"`
	CredentialHash string            `key:"credential_hash"`
	Metadata       map[string]string `key:"metadata" mapkey:"key"`
	Scopes         []string          `key:"scopes"`
}

// JWTMethod is the block "authentication.methods.jwt". The embedded issuer is
// the unnamed one; use [JWTMethod.All] for all that are configured.
type JWTMethod struct {
	Enabled bool `key:"enabled"`
	Issuer
	Issuers map[string]Issuer `key:"issuers" mapkey:"name"`
}

// Issuer describes whose JSON Web Tokens are accepted, and how they are read.
type Issuer struct {
	JWKSURL        string            `key:"jwks_url"`
	PublicKeyFile  string            `key:"public_key_file"`
	ValidateClaims ValidateClaims    `key:"validate_claims"`
	ClaimsMapping  map[string]string `key:"claims_mapping" mapkey:"attribute"`
	Algorithms     []string          `key:"algorithms"`
	ClockSkew      time.Duration     `key:"clock_skew"`
	ScopesClaim    string            `key:"scopes_claim"`
	GroupsClaim    string            `key:"groups_claim"`
	CAPath         string            `key:"ca_path"`
}

func (i *Issuer) setDefaults() {
	i.Algorithms = []string{"RS256", "RS512", "ES256", "ES512", "EdDSA"}
	i.ClockSkew = 30 * time.Second
}

// ValidateClaims are the claims that a token must carry.
type ValidateClaims struct {
	Issuer    string   `key:"issuer"`
	Subject   string   `key:"subject"`
	Audiences []string `key:"audiences"`
}

// A NamedIssuer is an issuer with its name, "" for the unnamed one, and the
// path of its block, for [File.Place].
type NamedIssuer struct {
	Name, Key string
	Issuer
}

// All returns the configured issuers: the unnamed one first, if it has a key
// source, then the others by name.
func (m JWTMethod) All() []NamedIssuer {
	var all []NamedIssuer
	if m.JWKSURL != "" || m.PublicKeyFile != "" {
		all = append(all, NamedIssuer{"", jwtKey, m.Issuer})
	}
	for _, name := range sortedKeys(m.Issuers) {
		all = append(all, NamedIssuer{name, childKey(jwtKey+".issuers", name), m.Issuers[name]})
	}
	return all
}

// Rule is one entry of the list "rules".
type Rule struct {
	Name        string   `key:"name"`
	Match       Match    `key:"match"`
	Access      string   `key:"access" enum:"anonymous|optional|authenticated|deny"`
	Credentials []string `key:"credentials" enum:"cookie|bearer|basic"`
	Require     Require  `key:"require"`
	// Unauthenticated says how who is not recognised is answered.
	Unauthenticated string `key:"unauthenticated" enum:"auto|redirect|status"`
	// Invalid is "" unless it is configured, which means refuse.
	Invalid string `key:"invalid" enum:"refuse|ignore"`
	Shadow  bool   `key:"shadow"`
}

func (r *Rule) setDefaults() {
	r.Access = "authenticated"
	r.Credentials = []string{"cookie", "bearer", "basic"}
	r.Unauthenticated = "auto"
}

// Match is the block "match" of a rule. An empty list matches everything.
type Match struct {
	Hosts   []string `key:"hosts"`
	Paths   []string `key:"paths"`
	Methods []string `key:"methods"`
}

// Require is the block "require" of a rule.
type Require struct {
	Methods       []string `key:"methods"`
	Emails        []string `key:"emails"`
	Domains       []string `key:"domains"`
	Groups        []string `key:"groups"`
	Organizations []string `key:"organizations"`
	Teams         []string `key:"teams"`
	Scopes        []string `key:"scopes"`
	When          string   `key:"when"`
	// MaxAuthAge is zero where it does not matter.
	MaxAuthAge time.Duration `key:"max_auth_age"`
}

func (r Require) empty() bool {
	return len(r.Methods)+len(r.Emails)+len(r.Domains)+len(r.Groups)+len(r.Organizations)+len(r.Teams)+len(r.Scopes) == 0 && r.When == "" && r.MaxAuthAge == 0
}

// Upstream is the block "upstream".
type Upstream struct {
	IdentityHeaders    IdentityHeaders `key:"identity_headers"`
	RemoveHeaders      []string        `key:"remove_headers"`
	ForwardCredentials bool            `key:"forward_credentials"`
}

// IdentityHeaders names the request header for each attribute of an identity;
// "" is not sent.
type IdentityHeaders struct {
	Subject string `key:"subject"`
	Email   string `key:"email"`
	Name    string `key:"name"`
	Groups  string `key:"groups"`
	Method  string `key:"method"`
	Scopes  string `key:"scopes"`
	Issuer  string `key:"issuer"`
	UserID  string `key:"user_id"`
}

// Cache is the block "cache".
type Cache struct {
	Size        int           `key:"size"`
	TTL         time.Duration `key:"ttl"`
	NegativeTTL time.Duration `key:"negative_ttl"`
	// MaxStaleness bounds what is answered from the cache while revocations by
	// other replicas cannot be heard.
	MaxStaleness time.Duration `key:"max_staleness"`
}

// Limits is the block "limits". Zero is no limit.
type Limits struct {
	LoginsPerMinute    int `key:"logins_per_minute"`
	RedirectsPerMinute int `key:"redirects_per_minute"`
}

// Paths is the block "paths".
type Paths struct {
	Ambiguous string `key:"ambiguous" enum:"every-reading|refuse"`
}

// Pages is the block "pages".
type Pages struct {
	Name     string `key:"name"`
	Logo     string `key:"logo"`
	Language string `key:"language" enum:"en"`
}

// Server is the block "server".
type Server struct {
	// PublicURL is as it is configured; ask [Config.PublicURL].
	PublicURL     string        `key:"public_url"`
	GRPC          GRPC          `key:"grpc"`
	HTTP          HTTP          `key:"http"`
	Admin         Admin         `key:"admin"`
	ClientIP      ClientIP      `key:"client_ip"`
	DrainDelay    time.Duration `key:"drain_delay"`
	ShutdownGrace time.Duration `key:"shutdown_grace"`
}

// GRPC is the block "server.grpc".
type GRPC struct {
	Address string `key:"address"`
	TLS     TLS    `key:"tls"`
	Faults  string `key:"faults" enum:"deny|error"`
}

// TLS is the block "server.grpc.tls". TLS is off without a certificate.
type TLS struct {
	CertFile          string   `key:"cert_file"`
	KeyFile           string   `key:"key_file"`
	ClientCAFile      string   `key:"client_ca_file"`
	AllowedPrincipals []string `key:"allowed_principals"`
}

// HTTP is the block "server.http".
type HTTP struct {
	Address string  `key:"address"`
	TLS     HTTPTLS `key:"tls"`
}

// HTTPTLS is the block "server.http.tls". TLS is off without a certificate.
type HTTPTLS struct {
	CertFile string `key:"cert_file"`
	KeyFile  string `key:"key_file"`
}

// ClientIP is the block "server.client_ip".
type ClientIP struct {
	TrustedHops    int      `key:"trusted_hops"`
	TrustedProxies []string `key:"trusted_proxies"`
}

// Prefixes returns TrustedProxies as networks; an address is a network of one.
// What [Load] has checked has no other entries.
func (c *ClientIP) Prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range c.TrustedProxies {
		if p, err := parsePrefix(text); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// Admin is the block "server.admin".
type Admin struct {
	Address string `key:"address"`
}

// Log is the block "log".
type Log struct {
	Level  string `key:"level" enum:"debug|info|warn|error"`
	Format string `key:"format" enum:"json|text"`
}

// Default returns the configuration of an empty file and an empty environment.
// It protects everything and accepts nobody, so [Load] refuses it.
func Default() Config {
	c := Config{
		Upstream: Upstream{IdentityHeaders: IdentityHeaders{
			Subject: "X-Auth-Request-User",
			Email:   "X-Auth-Request-Email",
			Name:    "X-Auth-Request-Preferred-Username",
			Groups:  "X-Auth-Request-Groups",
			Method:  "X-Auth-Request-Method",
			Scopes:  "X-Auth-Request-Scopes",
		}},
		Cache:  Cache{Size: 100_000, TTL: time.Minute, NegativeTTL: 2 * time.Second, MaxStaleness: 5 * time.Second},
		Limits: Limits{LoginsPerMinute: 30, RedirectsPerMinute: 3},
		Paths:  Paths{Ambiguous: "every-reading"},
		Pages:  Pages{Language: "en"},
		Server: Server{
			GRPC:          GRPC{Address: ":9001", Faults: "deny"},
			HTTP:          HTTP{Address: ":8080"},
			Admin:         Admin{Address: "127.0.0.1:9091"},
			DrainDelay:    3 * time.Second,
			ShutdownGrace: 10 * time.Second,
		},
		Log: Log{Level: "info", Format: "json"},
	}
	c.Authentication.Required = true
	c.Authentication.Session = defaultSession()
	c.Authentication.Methods.Token.Storage.Type = "static"
	c.Authentication.Methods.OIDC.CacheTTL = defaultCacheTTL
	c.Authentication.Methods.GitHub.RecheckInterval = defaultRecheckInterval
	c.Authentication.SignUp = "open"
	c.Authentication.AccountLinking = "off"
	c.Authentication.Methods.JWT.setDefaults()
	return c
}
