package main

import (
	"net/http"
	"time"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/jwt"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/token"
	"github.com/gateward/gateward/sessions/redis"
)

// This file is where the configuration's blocks become the Config structs of
// the packages that they are for, and nothing else: field by field, so that a
// key can be followed by searching for its name.

func engineConfig(c *config.Config, cookies *browser.Cookies) extauthz.Config {
	cfg := extauthz.Config{
		Required: c.Authentication.Required,
		Exclude: extauthz.Exclude{
			Evaluation: c.Authentication.Exclude.Evaluation,
			OFREP:      c.Authentication.Exclude.OFREP,
			Hosts:      c.Authentication.Exclude.Hosts,
		},
		Upstream: extauthz.Upstream{
			IdentityHeaders: extauthz.IdentityHeaders{
				Subject: c.Upstream.IdentityHeaders.Subject,
				Email:   c.Upstream.IdentityHeaders.Email,
				Name:    c.Upstream.IdentityHeaders.Name,
				Groups:  c.Upstream.IdentityHeaders.Groups,
				Method:  c.Upstream.IdentityHeaders.Method,
				Scopes:  c.Upstream.IdentityHeaders.Scopes,
				Issuer:  c.Upstream.IdentityHeaders.Issuer,
				UserID:  c.Upstream.IdentityHeaders.UserID,
			},
			RemoveHeaders:      c.Upstream.RemoveHeaders,
			ForwardCredentials: c.Upstream.ForwardCredentials,
		},
		CookieNames: append([]string{cookies.TokenName()}, c.Authentication.Session.AcceptCookies...),
		Login:       loginOf(c, cookies),
		Cache: extauthz.Cache{
			Size:        c.Cache.Size,
			TTL:         c.Cache.TTL,
			NegativeTTL: c.Cache.NegativeTTL,

			MaxStaleness: c.Cache.MaxStaleness,
		},
		RefuseAmbiguous: c.Paths.Ambiguous == "refuse",
		FaultsAsErrors:  c.Server.GRPC.Faults == "error",
	}
	if c.Authentication.Methods.OIDC.Enabled {
		cfg.SessionMethods = append(cfg.SessionMethods, "oidc")
	}
	if c.Authentication.Methods.GitHub.Enabled {
		cfg.SessionMethods = append(cfg.SessionMethods, "github")
	}
	for _, r := range c.Rules {
		cfg.Rules = append(cfg.Rules, extauthz.Rule{
			Name: r.Name,
			Match: extauthz.Match{
				Hosts:   r.Match.Hosts,
				Paths:   r.Match.Paths,
				Methods: r.Match.Methods,
			},
			Access:      extauthz.Access(r.Access),
			Credentials: r.Credentials,
			Require: extauthz.Require{
				Methods:       r.Require.Methods,
				Emails:        r.Require.Emails,
				Domains:       r.Require.Domains,
				Groups:        r.Require.Groups,
				Organizations: r.Require.Organizations,
				Teams:         r.Require.Teams,
				Scopes:        r.Require.Scopes,
				When:          r.Require.When,
				MaxAuthAge:    r.Require.MaxAuthAge,
			},
			Invalid:         r.Invalid,
			Unauthenticated: r.Unauthenticated,
			Shadow:          r.Shadow,
		})
	}
	return cfg
}

// cookiesOf returns how the client token travels. Without a login there is no
// domain that could be somebody's, and nothing that a name has to protect.
func cookiesOf(c *config.Config, now func() time.Time) *browser.Cookies {
	s := &c.Authentication.Session
	cfg := browser.CookieConfig{Prefix: s.CookiePrefix, Domain: s.Domain, PublicHost: c.PublicHost(), SameSite: sameSite(s.SameSite), Now: now}
	if c.Authentication.Methods.SessionCompatible() {
		cfg.Secure = s.IsSecure(c.PublicURL())
	}
	return browser.NewCookies(cfg)
}

func sameSite(name string) http.SameSite {
	switch name {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

func oidcConfig(all *config.Config) oidc.Config {
	c := &all.Authentication.Methods.OIDC
	cfg := oidc.Config{EmailMatches: c.EmailMatches, CacheTTL: c.CacheTTL, Providers: make(map[string]oidc.ProviderConfig, len(c.Providers))}
	for name, p := range c.Providers {
		provider := oidc.ProviderConfig{
			IssuerURL:               p.IssuerURL,
			DiscoveryURL:            p.DiscoveryURL,
			ClientID:                p.ClientID,
			ClientSecret:            p.ClientSecret,
			RedirectAddress:         p.RedirectAddress,
			Scopes:                  p.Scopes,
			Nonce:                   p.Nonce,
			UsePKCE:                 &p.UsePKCE,
			Algorithms:              p.Algorithms,
			FetchExtraUserInfo:      p.FetchExtraUserInfo,
			AuthorizeParameters:     p.AuthorizeParameters,
			UseEndSessionEndpoint:   p.UseEndSessionEndpoint,
			AllowFrontChannelLogout: p.AllowFrontChannelLogout,
			ClaimsMapping:           p.ClaimsMapping,
			CAPath:                  p.CAPath,
			GroupsClaim:             p.GroupsClaim,
			AllowedGroups:           p.AllowedGroups,
			AllowedDomains:          p.AllowedDomains,
			EmailAuthority:          p.EmailAuthority,
			GraphURL:                p.GraphURL,
			RequireVerifiedEmail:    &p.RequireVerifiedEmail,
			DisplayName:             p.DisplayName,
			Prompt:                  p.Prompt,
			NeedsEmail:              all.NeedsEmail(p.EmailAuthority),
			NeedsGroups:             all.DecidesByGroup(),
		}
		if p.MaxAge > 0 {
			provider.MaxAge = &p.MaxAge
		}
		cfg.Providers[name] = provider
	}
	return cfg
}

func githubConfig(all *config.Config) github.Config {
	c := &all.Authentication.Methods.GitHub
	return github.Config{
		ClientID:             c.ClientID,
		ClientSecret:         c.ClientSecret,
		RedirectAddress:      c.RedirectAddress,
		Scopes:               c.Scopes,
		AllowedOrganizations: c.AllowedOrganizations,
		AllowedTeams:         c.AllowedTeams,
		ServerURL:            c.ServerURL,
		APIURL:               c.APIURL,
		UsePKCE:              c.UsePKCE,
		RecheckInterval:      c.RecheckInterval,
		CAPath:               c.CAPath,
		DisplayName:          c.DisplayName,
		EmailAuthority:       c.EmailAuthority,
		NeedsEmail:           all.NeedsEmail(c.EmailAuthority),
		NeedsOrganizations:   all.DecidesByOrganization(),
		RestrictedElsewhere:  all.Authentication.Limited(),
	}
}

func peopleConfig(c *config.People) admit.PeopleConfig {
	return admit.PeopleConfig{
		Emails:        c.Emails,
		Groups:        c.Groups,
		Organizations: c.Organizations,
		Teams:         c.Teams,
		Subjects:      c.Subjects,
	}
}

func grantsConfig(all []config.Grant) []admit.GrantConfig {
	var cfg []admit.GrantConfig
	for i := range all {
		cfg = append(cfg, admit.GrantConfig{PeopleConfig: peopleConfig(&all[i].People), Scopes: all[i].Scopes})
	}
	return cfg
}

func admissionConfig(c *config.Authentication) admit.AdmissionConfig {
	cfg := admit.AdmissionConfig{Domains: c.AllowedDomains}
	for _, f := range c.AllowedUserFilters {
		cfg.Filters = append(cfg.Filters, admit.FilterConfig{Type: f.Type, Patterns: f.Patterns})
	}
	return cfg
}

func redisConfig(c *config.Redis) redis.Config {
	return redis.Config{
		Mode:             c.Mode,
		Addresses:        c.Endpoints(),
		MasterName:       c.MasterName,
		Username:         c.Username,
		Password:         c.Password,
		SentinelUsername: c.SentinelUsername,
		SentinelPassword: c.SentinelPassword,
		DB:               c.DB,
		Prefix:           c.Prefix,
		TLS: redis.TLS{
			RequireTLS:      c.RequireTLS,
			CACertPath:      c.CACertPath,
			CACertBytes:     c.CACertBytes,
			CertPath:        c.CertPath,
			KeyPath:         c.KeyPath,
			InsecureSkipTLS: c.InsecureSkipTLS,
		},
		PoolSize:        c.PoolSize,
		MinIdleConns:    c.MinIdleConn,
		ConnMaxIdleTime: c.ConnMaxIdleTime,
		NetTimeout:      c.NetTimeout,
	}
}

func tokenConfig(c *config.TokenMethod) token.Config {
	cfg := token.Config{Tokens: make(map[string]token.Token, len(c.Storage.Tokens))}
	for id, t := range c.Storage.Tokens {
		cfg.Tokens[id] = token.Token{
			Credential:     t.Credential,
			CredentialHash: t.CredentialHash,
			Metadata:       t.Metadata,
			Scopes:         t.Scopes,
		}
	}
	return cfg
}

func jwtConfig(c *config.JWTMethod) jwt.Config {
	var cfg jwt.Config
	for _, i := range c.All() {
		cfg.Issuers = append(cfg.Issuers, jwt.Issuer{
			Name:          i.Name,
			JWKSURL:       i.JWKSURL,
			PublicKeyFile: i.PublicKeyFile,
			CAPath:        i.CAPath,
			ValidateClaims: jwt.ValidateClaims{
				Issuer:    i.ValidateClaims.Issuer,
				Subject:   i.ValidateClaims.Subject,
				Audiences: i.ValidateClaims.Audiences,
			},
			ClaimsMapping: i.ClaimsMapping,
			Algorithms:    i.Algorithms,
			ClockSkew:     i.ClockSkew,
			ScopesClaim:   i.ScopesClaim,
			GroupsClaim:   i.GroupsClaim,
		})
	}
	return cfg
}

// jwtFiles are the files that the method reads.
func jwtFiles(c *config.JWTMethod) []string {
	var files []string
	for _, i := range c.All() {
		for _, f := range []string{i.PublicKeyFile, i.CAPath} {
			if f != "" {
				files = append(files, f)
			}
		}
	}
	return files
}

func tlsFilesOf(c *config.TLS) tlsFiles {
	return tlsFiles{cert: c.CertFile, key: c.KeyFile, clientCA: c.ClientCAFile, protocol: "h2"}
}
