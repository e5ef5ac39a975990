// Package github logs people in with GitHub: it sends a browser there
// (authorization code with PKCE), redeems the code, asks the REST API who that is
// and which organizations and teams the person is an active member of, says who
// may enter, renews tokens that expire, and asks again whether all that still
// holds.
//
// GitHub is no OpenID provider: there is no ID token, no discovery and no logout,
// so that nothing here is shared with package oidc. Attempts, their state and
// cookies, the comparison of state and sessions are whoever's that calls it: see
// loginsvc. When a person is asked about again is methods/clienttoken's to decide.
package github

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

// name is the method's name in configuration, identities and metric labels.
const name = "github"

// The operations that [Options] OnRequest hears of.
const (
	opToken         = "token"
	opRefresh       = "refresh"
	opUser          = "user"
	opEmails        = "emails"
	opOrganizations = "organizations"
	opMembership    = "membership"
	opTeams         = "teams"
)

// Options are the dependencies of a [Method]. Logger and Now are required.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
	// OnRequest, if set, hears how every request to GitHub ended; the provider is
	// always "github". Operations are token, refresh, user, emails, organizations,
	// membership and teams; ok is false where GitHub gave no proper answer, and a
	// refusal is a proper answer, unless it says that we ask too much. It must not
	// block and is called by several goroutines.
	OnRequest func(provider, operation string, ok bool)
	// Transport replaces the connections to GitHub, and with them the checks of the
	// addresses that are dialled. For tests.
	Transport http.RoundTripper
	// Previous, if set, is the method that the new one replaces: what GitHub has
	// said lately, and that it wants to be left alone for a while, is taken over if
	// both ask the same server. Both methods may be closed, in any order.
	Previous *Method
}

// Method is login with GitHub. It is safe for concurrent use.
type Method struct {
	config   settings
	api      *api
	tokens   *http.Client
	logger   *slog.Logger
	now      func() time.Time
	report   func(operation string, ok bool)
	warnings []*gateward.ConfigError
}

var (
	_ methods.Login          = (*Method)(nil)
	_ methods.Admitter       = (*Method)(nil)
	_ methods.Rechecker      = (*Method)(nil)
	_ methods.EmailAuthority = (*Method)(nil)
)

// New returns the method for c. The error joins one [gateward.ConfigError] per
// problem, with keys relative to the github block. GitHub is not asked yet.
func New(c Config, o Options) (*Method, error) {
	p := &problems{}
	s := c.check(p)
	if p.errs != nil {
		return nil, errors.Join(p.errs...)
	}
	m := &Method{config: s, logger: o.Logger, now: o.Now, warnings: p.warnings}
	m.report = func(operation string, ok bool) {
		if o.OnRequest != nil {
			o.OnRequest(name, operation, ok)
		}
	}
	m.tokens = newTokenClient(o.Transport, &s)
	m.api = newAPI(&s, o, m.report)
	return m, nil
}

// CallbackPath returns the path that GitHub sends browsers back to, which is
// registered there below redirect_address.
func CallbackPath() string { return "/auth/v1/method/github/callback" }

// Method returns "github".
func (*Method) Method() string { return name }

// Name returns "": there is one GitHub.
func (*Method) Name() string { return "" }

// DisplayName returns what a person reads, "GitHub" if nothing is configured.
func (m *Method) DisplayName() string { return cmp.Or(m.config.DisplayName, "GitHub") }

// Issuer returns the issuer of every identity: the server's address without a
// slash at its end.
func (m *Method) Issuer() string { return m.config.server }

// RecheckInterval implements [methods.Rechecker].
func (m *Method) RecheckInterval() time.Duration { return m.config.RecheckInterval }

// Authoritative implements [methods.EmailAuthority].
func (m *Method) Authoritative(email string) bool {
	return m.config.authority != nil && m.config.authority.Match(email)
}

// Warnings returns what is risky about the configuration and used all the same,
// with keys relative to the github block.
func (m *Method) Warnings() []*gateward.ConfigError { return m.warnings }

// Close lets go of connections that are not in use. The method can be used
// afterwards; closing twice is harmless.
func (m *Method) Close() {
	m.tokens.CloseIdleConnections()
	m.api.client.CloseIdleConnections()
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
