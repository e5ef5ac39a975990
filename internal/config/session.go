package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

// Session is the block "authentication.session". In what [Load] returns, Domain
// is a bare host in lower case, AcceptCookies are the names that count, and
// Cleanup is what either of its two places says.
type Session struct {
	Domain string `key:"domain"`
	// Secure is nil unless it is configured; ask [Session.IsSecure].
	Secure                 *bool             `key:"secure"`
	TokenLifetime          time.Duration     `key:"token_lifetime"`
	IdleTimeout            time.Duration     `key:"idle_timeout"`
	StateLifetime          time.Duration     `key:"state_lifetime"`
	SameSite               string            `key:"same_site" enum:"lax|strict|none"`
	CookiePrefix           string            `key:"cookie_prefix"`
	AcceptCookies          []string          `key:"accept_cookies"`
	ReturnTo               []string          `key:"return_to"`
	EncryptionKey          gateward.Secret   `key:"encryption_key"`
	PreviousEncryptionKeys []gateward.Secret `key:"previous_encryption_keys"`
	Storage                SessionStorage    `key:"storage"`
	Cleanup                Cleanup           `key:"cleanup"`
}

// SessionStorage is the block "authentication.session.storage".
type SessionStorage struct {
	Type        string      `key:"type" enum:"memory|file|redis"`
	MaxSessions int         `key:"max_sessions"`
	File        FileStorage `key:"file"`
	Redis       Redis       `key:"redis"`
	// Cleanup is where Flipt has it; [Session.Cleanup] is what counts.
	Cleanup Cleanup `key:"cleanup"`
}

// FileStorage is the block "authentication.session.storage.file".
type FileStorage struct {
	Path string `key:"path"`
}

// Redis is the block "authentication.session.storage.redis".
type Redis struct {
	Mode             string          `key:"mode" enum:"single|cluster|sentinel"`
	Host             string          `key:"host"`
	Port             int             `key:"port"`
	Addresses        []string        `key:"addresses"`
	MasterName       string          `key:"master_name"`
	Username         string          `key:"username"`
	Password         gateward.Secret `key:"password"`
	SentinelUsername string          `key:"sentinel_username"`
	SentinelPassword gateward.Secret `key:"sentinel_password"`
	DB               int             `key:"db"`
	Prefix           string          `key:"prefix"`
	RequireTLS       bool            `key:"require_tls"`
	CACertPath       string          `key:"ca_cert_path"`
	CACertBytes      string          `key:"ca_cert_bytes"`
	CertPath         string          `key:"cert_path"`
	KeyPath          string          `key:"key_path"`
	InsecureSkipTLS  bool            `key:"insecure_skip_tls"`
	PoolSize         int             `key:"pool_size"`
	MinIdleConn      int             `key:"min_idle_conn"`
	ConnMaxIdleTime  time.Duration   `key:"conn_max_idle_time"`
	NetTimeout       time.Duration   `key:"net_timeout"`
}

// Endpoints returns the addresses to connect to, as host:port: Addresses, or
// else Host and Port.
func (r *Redis) Endpoints() []string {
	if len(r.Addresses) > 0 {
		return r.Addresses
	}
	return []string{net.JoinHostPort(r.Host, strconv.Itoa(r.Port))}
}

// Cleanup is the block "cleanup" of sessions.
type Cleanup struct {
	GracePeriod time.Duration `key:"grace_period" negative:"authentication: session_storage cleanup_grace_period must be a positive duration"`
}

func defaultSession() Session {
	cleanup := Cleanup{GracePeriod: 30 * time.Minute}
	return Session{
		TokenLifetime: 24 * time.Hour,
		StateLifetime: 10 * time.Minute,
		SameSite:      "lax",
		CookiePrefix:  "gateward",
		AcceptCookies: []string{"flipt_client_token"},
		Storage: SessionStorage{
			Type:        "memory",
			MaxSessions: 1_000_000,
			File:        FileStorage{Path: "/var/lib/gateward/sessions.db"},
			Redis:       Redis{Mode: "single", Host: "localhost", Port: 6379, Prefix: "gateward"},
			Cleanup:     cleanup,
		},
		Cleanup: cleanup,
	}
}

// IsSecure reports whether our cookies are for https only, where browsers reach
// us at publicURL ([Config.PublicURL]).
func (s *Session) IsSecure(publicURL string) bool {
	if s.Secure != nil {
		return *s.Secure
	}
	return strings.HasPrefix(publicURL, "https://")
}

// CookieNames returns the names under which a client-token cookie is read; the
// first is the one that is ours to set.
func (s Session) CookieNames() []string {
	names := []string{s.CookiePrefix + "_client_token"}
	for _, name := range s.AcceptCookies {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// settle puts the values that follow from others in their place. What it cannot
// make sense of stays for the checks to refuse.
func (f *File) settle() {
	isSet := func(key string) bool {
		_, n := f.root.find(key)
		return n != nil
	}
	a := &f.Config.Authentication
	s := &a.Session
	if domain, err := cookieDomain(s.Domain); err == nil {
		s.Domain = domain
	}
	if a.Methods.SessionCompatible() && !isSet(sessionKey+".accept_cookies") {
		s.AcceptCookies = nil
	}
	// Where both are set and differ, the checks say so.
	switch documented, stored := isSet(cleanupKey), isSet(storedCleanupKey); {
	case documented && !stored:
		s.Storage.Cleanup = s.Cleanup
	case stored && !documented:
		s.Cleanup = s.Storage.Cleanup
	}
	if a.Methods.OIDC.CacheTTL == 0 {
		a.Methods.OIDC.CacheTTL = defaultCacheTTL
	}
	a.Methods.GitHub.settleTeams(func(organization string) bool {
		return f.Locate(childKey(githubKey+".allowed_teams", organization)).Env != ""
	})
}

// cookieDomain returns the host in what is configured as session.domain, which
// may be a whole URL: lower case, and without the dots around it, which say
// nothing (RFC 6265 §5.2.3). It returns "" if there is no host.
func cookieDomain(text string) (string, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.String(), nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text // as in Flipt, which shows up in its errors
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return canonicalHost(strings.TrimPrefix(u.Hostname(), ".")), nil
}

// PublicURL returns where browsers reach the login service, as an origin in
// lower case without a default port ("https://app.example.com"): of
// server.public_url, or else of the first redirect_address, by provider and last
// of GitHub. It is "" if there is neither.
func (c *Config) PublicURL() string {
	public, _ := c.publicURL()
	return public
}

// publicURL also returns the key that says so.
func (c *Config) publicURL() (public, key string) {
	if c.Server.PublicURL != "" {
		public, _ = origin(c.Server.PublicURL)
		return public, publicKey
	}
	if oidc := &c.Authentication.Methods.OIDC; oidc.Enabled {
		for _, name := range sortedKeys(oidc.Providers) {
			if public, ok := origin(oidc.Providers[name].RedirectAddress); ok {
				return public, childKey(providersKey, name) + ".redirect_address"
			}
		}
	}
	if github := &c.Authentication.Methods.GitHub; github.Enabled {
		if public, ok := origin(github.RedirectAddress); ok {
			return public, githubKey + ".redirect_address"
		}
	}
	return "", publicKey
}

// PublicHost returns the host of [Config.PublicURL], without port and brackets,
// or "".
func (c *Config) PublicHost() string {
	u, err := url.Parse(c.PublicURL())
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// origin returns the origin of an http or https URL (RFC 6454 §6.2), and whether
// text is one.
func origin(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", false
	}
	host, port := canonicalHost(u.Hostname()), u.Port()
	if host == "" {
		return "", false
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && (u.Scheme != "https" || port != "443") && (u.Scheme != "http" || port != "80") {
		host += ":" + port
	}
	return u.Scheme + "://" + host, true
}

// canonicalHost writes a host as browsers do, and without the dot at its end.
func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
