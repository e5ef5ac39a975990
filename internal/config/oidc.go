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
	AllowedDomains          []string          `key:"allowed_domains"`
	EmailAuthority          []string          `key:"email_authority"`
	GraphURL                string            `key:"graph_url"`
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
