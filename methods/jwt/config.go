package jwt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// maxClockSkew bounds how far a clock may be off: more would turn expiry
	// into a suggestion.
	maxClockSkew = time.Minute
)

// Config is the jwt block of the configuration.
type Config struct {
	// Issuers are those whose tokens are accepted. One with an empty Name stands
	// for the keys of the block itself.
	Issuers []Issuer
}

// An Issuer is one issuer of tokens and what its tokens must be like.
type Issuer struct {
	// Name is the provider's name in identities, logs and metrics.
	Name string
	// JWKSURL is the address of the key set, PublicKeyFile a PEM file; exactly
	// one of them is set.
	JWKSURL, PublicKeyFile string
	// CAPath is a PEM file with the authorities that verify JWKSURL's server,
	// instead of the system's.
	CAPath         string
	ValidateClaims ValidateClaims
	// ClaimsMapping says where email, sub, picture, name and role are found: the
	// name of a claim, or a JSON pointer (RFC 6901). "" turns one off. An address
	// counts as verified only where a member email_verified with JSON's true is
	// beside a member email: absent or "true" is not verified, and neither is an
	// address from a claim of another name.
	ClaimsMapping map[string]string
	// Algorithms is the allow-list; [DefaultAlgorithms] when empty.
	Algorithms []string
	// ClockSkew is how far exp, nbf and iat may be off, at most a minute. Zero
	// means none.
	ClockSkew time.Duration
	// ScopesClaim and GroupsClaim say where scopes and groups are found, as in
	// ClaimsMapping. When empty: scope, or else scp; and groups.
	ScopesClaim, GroupsClaim string
}

// ValidateClaims are values that a token must have. An empty one is not looked
// at.
type ValidateClaims struct {
	// Issuer and Subject must equal iss and sub exactly.
	Issuer, Subject string
	// Audiences must share one value with aud.
	Audiences []string
}

// DefaultAlgorithms are those that are allowed where none are configured.
func DefaultAlgorithms() []string { return []string{"RS256", "RS512", "ES256", "ES512", "EdDSA"} }

// key returns the name of an issuer's key, relative to the jwt block.
func (i *Issuer) key(name string) string {
	if i.Name == "" {
		return name
	}
	block := fmt.Sprintf("issuers[%q]", i.Name)
	if name == "" {
		return block
	}
	return block + "." + name
}

// check returns the problems between issuers: each token must belong to one.
func (c *Config) check() []*gateward.ConfigError {
	if len(c.Issuers) == 0 {
		return []*gateward.ConfigError{{Problem: "one of jwks_url or public_key_file is required"}}
	}
	var problems []*gateward.ConfigError
	names, issuers := map[string]bool{}, map[string]string{}
	for n := range c.Issuers {
		i := &c.Issuers[n]
		if names[i.Name] {
			problems = append(problems, &gateward.ConfigError{Key: i.key(""), Problem: "repeated name"})
		}
		names[i.Name] = true
		if len(c.Issuers) == 1 {
			break
		}
		iss := i.ValidateClaims.Issuer
		other, taken := issuers[iss]
		issuers[iss] = i.Name
		switch {
		case iss == "":
			problems = append(problems, &gateward.ConfigError{
				Key:     i.key("validate_claims.issuer"),
				Problem: "non-empty value is required with several issuers",
				Remedy:  "set it to the iss claim of this issuer's tokens",
			})
		case taken:
			problems = append(problems, &gateward.ConfigError{
				Key:     i.key("validate_claims.issuer"),
				Problem: fmt.Sprintf("%q is already that of %q", iss, other),
				Remedy:  "a token must belong to one issuer",
			})
		}
	}
	return problems
}

// newIssuer returns an issuer, or nil if any of its problems is not a warning.
func newIssuer(ctx context.Context, c Issuer, o Options) (*issuer, []*gateward.ConfigError) {
	i := &issuer{Issuer: c, logger: o.Logger}
	var problems []*gateward.ConfigError
	add := func(key, problem, remedy string) {
		problems = append(problems, &gateward.ConfigError{Key: c.key(key), Problem: problem, Remedy: remedy})
	}
	for n, name := range c.Algorithms {
		if !slices.Contains(keyset.Algorithms(), name) {
			add(fmt.Sprintf("algorithms[%d]", n), fmt.Sprintf("unknown algorithm %q", name),
				"use one of "+strings.Join(keyset.Algorithms(), ", "))
		}
	}
	if len(c.Algorithms) == 0 {
		i.Algorithms = DefaultAlgorithms()
	}
	if c.ClockSkew < 0 || c.ClockSkew > maxClockSkew {
		add("clock_skew", fmt.Sprintf("%s is not between 0s and %s", c.ClockSkew, maxClockSkew), "")
	}
	if slices.Contains(c.ValidateClaims.Audiences, "") {
		add("validate_claims.audiences", "an audience is empty", "remove it")
	}
	var errs []*gateward.ConfigError
	i.mapping, errs = newMapping(&c)
	problems = append(problems, errs...)
	if len(problems) == 0 {
		var p *gateward.ConfigError
		if i.source, p = newSource(ctx, &i.Issuer, o); p != nil {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if len(c.ValidateClaims.Audiences) == 0 {
		problems = append(problems, &gateward.ConfigError{
			Key:     c.key("validate_claims.audiences"),
			Problem: "no audience: a token that the issuer made for any other service is accepted",
			Remedy:  "list the audiences that stand for this service",
			Warning: true,
		})
	}
	return i, problems
}

// newSource returns where the keys come from.
func newSource(ctx context.Context, c *Issuer, o Options) (keyset.Source, *gateward.ConfigError) {
	switch {
	case c.JWKSURL == "" && c.PublicKeyFile == "":
		return nil, &gateward.ConfigError{Key: c.key(""), Problem: "one of jwks_url or public_key_file is required"}
	case c.JWKSURL != "" && c.PublicKeyFile != "":
		return nil, &gateward.ConfigError{Key: c.key(""), Problem: "only one of jwks_url or public_key_file can be set"}
	case c.PublicKeyFile != "" && c.CAPath != "":
		return nil, &gateward.ConfigError{Key: c.key("ca_path"), Problem: "is of no use with public_key_file", Remedy: "remove it"}
	case c.PublicKeyFile != "":
		data, err := outbound.ReadFile(c.PublicKeyFile)
		if err != nil {
			return nil, c.problem("public_key_file", err)
		}
		s, err := keyset.NewStatic(data, c.Algorithms)
		if err != nil {
			return nil, c.problem("public_key_file", fmt.Errorf("%s: %w", c.PublicKeyFile, err))
		}
		return s, nil
	}
	return newRemote(ctx, c, o)
}

// newRemote returns the key set at an address: that of the previous method, if
// it is the same one.
func newRemote(ctx context.Context, c *Issuer, o Options) (keyset.Source, *gateward.ConfigError) {
	madeOf := origin{issuer: c.Name, url: c.JWKSURL, algorithms: fmt.Sprintf("%q", c.Algorithms)}
	cfg := keyset.RemoteConfig{
		URL: c.JWKSURL, Algorithms: c.Algorithms,
		Logger: o.Logger, Now: o.Now, Transport: o.Transport,
	}
	if o.OnRefresh != nil {
		name := c.Name
		cfg.OnRefresh = func(ok bool, at time.Time) { o.OnRefresh(name, ok, at) }
	}
	if c.CAPath != "" {
		var err error
		if cfg.RootCAs, madeOf.authorities, err = outbound.ReadAuthorities(c.CAPath); err != nil {
			return nil, c.problem("ca_path", err)
		}
	}
	if s := o.Previous.share(madeOf); s != nil {
		return s, nil
	}
	s, err := newSharedSource(ctx, madeOf, cfg)
	if err != nil {
		return nil, c.problem("jwks_url", err)
	}
	return s, nil
}

// problem returns what is wrong with a key's value, as the operator reads it.
func (i *Issuer) problem(key string, err error) *gateward.ConfigError {
	return &gateward.ConfigError{Key: i.key(key), Problem: strings.TrimPrefix(err.Error(), "keyset: ")}
}
