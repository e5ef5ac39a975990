package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward/internal/outbound"
)

// algorithms are the signature algorithms that a JWT may be verified with (RFC
// 7518 §3.1, RFC 8037 §3.1). Those with shared keys are not among them.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (c *checker) issuers() {
	m := c.file.Config.Authentication.Methods.JWT
	if !m.Enabled {
		return
	}
	all := m.All()
	// Without named issuers, or with any issuer key beside them, there is an
	// unnamed issuer even if it lacks a key source.
	if (len(all) == 0 || all[0].Name != "") && (len(m.Issuers) == 0 || c.unnamedIssuer()) {
		all = append([]NamedIssuer{{Key: jwtKey, Issuer: m.Issuer}}, all...)
	}
	claimed := map[string]string{}
	for _, i := range all {
		c.issuer(i.Key, i.Issuer)
		key, iss := i.Key+".validate_claims.issuer", i.ValidateClaims.Issuer
		switch first, repeated := claimed[iss]; {
		case len(all) == 1:
		case iss == "":
			c.bad(key, "is missing, and there are several issuers: their tokens could not be told apart",
				"set it to the iss claim of this issuer's tokens")
		case repeated:
			c.bad(key, "is also the issuer of "+first, "give each issuer its own iss claim")
		default:
			claimed[iss] = i.Key
		}
	}
}

// unnamedIssuer reports whether any key of the unnamed issuer is set.
func (c *checker) unnamedIssuer() bool {
	return slices.ContainsFunc(c.at(jwtKey).entries, func(e *entry) bool {
		return e.key != "enabled" && e.key != "issuers"
	})
}

func (c *checker) issuer(key string, i Issuer) {
	switch {
	case i.JWKSURL == "" && i.PublicKeyFile == "":
		c.bad(key, "authentication: one of jwks_url or public_key_file is required", "set "+key+".jwks_url or "+key+".public_key_file")
	case i.JWKSURL != "" && i.PublicKeyFile != "":
		c.bad(key, "authentication: only one of jwks_url or public_key_file can be set", "remove one of the two")
	case i.JWKSURL != "":
		c.jwksURL(key+".jwks_url", i.JWKSURL)
	default:
		c.fileExists(key+".public_key_file", i.PublicKeyFile, "authentication: public_key_file ")
		if i.CAPath != "" {
			c.bad(key+".ca_path", "is of no use with public_key_file", "remove it")
		}
	}
	c.fileExists(key+".ca_path", i.CAPath, "")
	for _, attribute := range sortedKeys(i.ClaimsMapping) {
		at := childKey(key+".claims_mapping", attribute)
		if known := []string{"email", "name", "picture", "role", "sub"}; !slices.Contains(known, attribute) {
			c.bad(at, "authentication: claims_mapping invalid claim key '"+attribute+"'", "the keys are "+strings.Join(known, ", "))
		}
	}
	if len(i.ValidateClaims.Audiences) == 0 {
		c.warn(key+".validate_claims.audiences", "no audience: a token that the issuer made for any other service is accepted",
			"set it to the names that this service's tokens are made for")
	}
	c.algorithms(key+".algorithms", i.Algorithms)
	if i.ClockSkew > time.Minute {
		c.bad(key+".clock_skew", "would let tokens live on for "+formatDuration(i.ClockSkew)+" after they expire", "synchronise the clocks, and set at most 1m")
	}
}

func (c *checker) algorithms(key string, names []string) {
	if len(names) == 0 {
		c.bad(key, "names no algorithm, so no token could be accepted", "remove the key, or name one of "+strings.Join(algorithms(), ", "))
	}
	for i, name := range names {
		if slices.Contains(algorithms(), name) {
			continue
		}
		at := c.itemKey(key, i)
		problem := c.shown(at, name) + " is not a known algorithm"
		switch upper := strings.ToUpper(name); {
		case upper == "NONE":
			problem = c.shown(at, name) + " would accept tokens that nobody signed"
		case strings.HasPrefix(upper, "HS"):
			problem = c.shown(at, name) + " is refused: its key both signs and verifies, so whoever can verify a token can forge one"
		}
		c.bad(at, problem, "name some of "+strings.Join(algorithms(), ", "))
	}
}

// jwksURL admits https, and http to this machine: whoever can change a key set
// on its way can sign tokens.
func (c *checker) jwksURL(key, text string) {
	if u := c.webURL(key, text, "authentication: jwks_url "); u != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		c.bad(key, "keys fetched by plain http can be replaced on the way", fmt.Sprintf("write https://; http is for localhost only, not for %s", c.shown(key, u.Hostname())))
	}
}

// loopback reports whether a host can only be this machine.
func loopback(host string) bool { return outbound.IsLoopback(strings.TrimSuffix(host, ".")) }
