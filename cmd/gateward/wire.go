package main

import (
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/methods/jwt"
	"github.com/gateward/gateward/methods/token"
)

// This file is where the configuration's blocks become the Config structs of
// the packages that they are for, and nothing else: field by field, so that a
// key can be followed by searching for its name.

func engineConfig(c *config.Config) extauthz.Config {
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
		CookieNames: c.Authentication.Session.CookieNames(),
		Cache: extauthz.Cache{
			Size:        c.Cache.Size,
			TTL:         c.Cache.TTL,
			NegativeTTL: c.Cache.NegativeTTL,
		},
		RefuseAmbiguous: c.Paths.Ambiguous == "refuse",
		FaultsAsErrors:  c.Server.GRPC.Faults == "error",
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
				Methods: r.Require.Methods,
				Emails:  r.Require.Emails,
				Domains: r.Require.Domains,
				Groups:  r.Require.Groups,
				Scopes:  r.Require.Scopes,
				When:    r.Require.When,
			},
			Invalid: r.Invalid,
			Shadow:  r.Shadow,
		})
	}
	return cfg
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
	return tlsFiles{cert: c.CertFile, key: c.KeyFile, clientCA: c.ClientCAFile}
}
