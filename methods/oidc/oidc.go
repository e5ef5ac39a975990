// Package oidc logs people in with OpenID providers: it sends a browser to a
// provider (authorization code with PKCE), redeems the code, verifies what comes
// back, makes an identity of it, says who may enter, renews tokens, and
// understands a provider's word that a session is over.
//
// Attempts, their state and cookies, the comparison of state, sessions and the
// replay of logout tokens are whoever's that calls it: see loginsvc.
//
// The token requests are x/oauth2's and the claims of signed tokens are checked
// by go-oidc, where the specifications leave little room; signatures and keys are
// package internal/keyset's, whose key sets outlive an outage and whose errors say
// whose fault it was, and the metadata document is read here, because it has to be
// bounded, read strictly and kept while the provider is down.
package oidc

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gateward/gateward"
)

// name is the method's name in configuration, identities and metric labels.
const name = "oidc"

// The operations that [Options] OnRequest hears of.
const (
	opDiscovery = "discovery"
	opKeys      = "keys"
	opToken     = "token"
	opRefresh   = "refresh"
	opUserinfo  = "userinfo"
	opGraph     = "graph"
)

// Options are the dependencies of a [Method]. Logger and Now are required.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
	// OnRequest, if set, hears how every request to a provider ended. Operations
	// are discovery, keys, token, refresh, userinfo and graph; ok is false where
	// the provider gave no proper answer, and a refusal is a proper answer. It must
	// not block and is called by several goroutines.
	OnRequest func(provider, operation string, ok bool)
	// Transport replaces the connections to providers, and with them the checks
	// of the addresses that are dialled. For tests.
	Transport http.RoundTripper
	// Previous, if set, is the method that the new one replaces: a provider of
	// the same name takes over metadata and keys as they are, if everything that
	// they depend on is the same. Both methods may be closed, in any order.
	Previous *Method
}

// Method is login with OpenID Connect. It is safe for concurrent use.
type Method struct {
	providers []*Provider
	warnings  []*gateward.ConfigError
}

// New returns the method for c. The error joins one [gateward.ConfigError] per
// problem, with keys relative to the oidc block. No provider is asked yet. What
// runs in the background ends with ctx or [Method.Close]; what is taken over from
// [Options] Previous, with the ctx that it was made with or when the last method
// that uses it is closed.
func New(ctx context.Context, c Config, o Options) (*Method, error) {
	p := &problems{}
	m := &Method{}
	rules := newEmailRules(c.EmailMatches, p)
	if c.CacheTTL < 0 {
		p.add("cache_ttl", "must not be negative", "write a duration such as 15m")
	}
	if len(c.Providers) == 0 {
		p.warn("providers", "no provider is configured: nobody can log in with this method", "add one")
	}
	for _, n := range slices.Sorted(maps.Keys(c.Providers)) {
		if provider := newProvider(ctx, n, c, rules, o, p); provider != nil {
			m.providers = append(m.providers, provider)
		}
	}
	m.warnings = p.warnings
	if p.errs != nil {
		m.Close()
		return nil, errors.Join(p.errs...)
	}
	return m, nil
}

// Providers returns the providers, sorted by name: whatever lists them does so
// in the same order on every replica. The caller must not write to it.
func (m *Method) Providers() []*Provider { return m.providers }

// Warnings returns what is risky about the configuration and used all the same,
// with keys relative to the oidc block.
func (m *Method) Warnings() []*gateward.ConfigError { return m.warnings }

// Close ends what runs in the background, except where another method uses it
// too, and returns when it has ended. Closing twice is harmless.
func (m *Method) Close() {
	for _, p := range m.providers {
		p.peer.Close()
	}
}

// problems collects what is wrong with a configuration.
type problems struct {
	errs     []error
	warnings []*gateward.ConfigError
}

func (p *problems) add(key, problem, remedy string) {
	p.errs = append(p.errs, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy})
}

func (p *problems) warn(key, problem, remedy string) {
	p.warnings = append(p.warnings, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy, Warning: true})
}
