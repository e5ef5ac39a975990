package config

import (
	"time"

	"github.com/gateward/gateward"
)

// defaultCacheTTL is how long a discovery document is used, also where cache_ttl
// is zero, as in Flipt.
const defaultCacheTTL = 15 * time.Minute

// OIDCMethod is the block "authentication.methods.oidc".
type OIDCMethod struct {
	Enabled      bool                    `key:"enabled"`
	EmailMatches []string                `key:"email_matches"`
	CacheTTL     time.Duration           `key:"cache_ttl"`
	Providers    map[string]OIDCProvider `key:"providers" mapkey:"name"`
}

// OIDCProvider is one entry of "authentication.methods.oidc.providers".
type OIDCProvider struct {
	IssuerURL       string          `key:"issuer_url"`
	DiscoveryURL    string          `key:"discovery_url"`
	ClientID        string          `key:"client_id"`
	ClientSecret    gateward.Secret `key:"client_secret"`
	RedirectAddress string          `key:"redirect_address"`
	Scopes          []string        `key:"scopes"`
	// Nonce is of no use any longer: every attempt has one of its own.
	Nonce                   string            `key:"nonce"`
	UsePKCE                 bool              `key:"use_pkce"`
	Algorithms              []string          `key:"algorithms"`
	AuthorizeParameters     map[string]string `key:"authorize_parameters" mapkey:"parameter"`
	FetchExtraUserInfo      bool              `key:"fetch_extra_user_info"`
	ClaimsMapping           map[string]string `key:"claims_mapping" mapkey:"attribute"`
	GroupsClaim             string            `key:"groups_claim"`
	AllowedGroups           []string          `key:"allowed_groups"`
	RequireVerifiedEmail    bool              `key:"require_verified_email"`
	MaxAge                  time.Duration     `key:"max_age"`
	Prompt                  string            `key:"prompt"`
	UseEndSessionEndpoint   bool              `key:"use_end_session_endpoint"`
	AllowFrontChannelLogout bool              `key:"allow_front_channel_logout"`
	CAPath                  string            `key:"ca_path"`
	DisplayName             string            `key:"display_name"`
}

func (p *OIDCProvider) setDefaults() {
	p.Algorithms = []string{"RS256"}
	p.UsePKCE = true
	p.RequireVerifiedEmail = true
}

// SessionCompatible reports whether a method is enabled that people log in with,
// so that there are sessions.
func (m *Methods) SessionCompatible() bool { return m.OIDC.Enabled }

// enabled tells for each method whether it is.
func (m *Methods) enabled() map[string]bool {
	return map[string]bool{"token": m.Token.Enabled, "oidc": m.OIDC.Enabled, "jwt": m.JWT.Enabled}
}

// anyEnabled reports whether there is a way to be recognised at all.
func (m *Methods) anyEnabled() bool { return m.Token.Enabled || m.OIDC.Enabled || m.JWT.Enabled }

// Admins is the block "authentication.admins": who may see and end what belongs
// to others.
type Admins struct {
	Emails   []string `key:"emails"`
	Groups   []string `key:"groups"`
	Subjects []string `key:"subjects"`
}
