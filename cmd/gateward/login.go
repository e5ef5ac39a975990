package main

import (
	"context"
	"log/slog"
	"net/url"
	"slices"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/sessions"
)

// The blocks whose packages report problems.
const (
	oidcBlock    = "authentication.methods.oidc"
	sessionBlock = "authentication.session"
	adminsBlock  = "authentication.admins"
	pagesBlock   = "pages"

	loginTLSBlock = "server.http.tls"
)

// localOrigin stands for the public URL where none is configured and nobody logs
// in: scripts that use the API need none.
const localOrigin = "http://localhost"

// attemptPurpose is what the seal of a login attempt is for.
const attemptPurpose = "login attempt"

// publicURL is where browsers reach the login service.
func publicURL(c *config.Config) *url.URL {
	u, err := url.Parse(c.PublicURL())
	if err != nil || u.Host == "" {
		u, _ = url.Parse(localOrigin)
	}
	return u
}

// oidc adds the logins at OpenID providers.
func (b *builder) oidc(ctx context.Context, previous *stack) {
	c := &b.file.Config.Authentication.Methods.OIDC
	if !c.Enabled {
		return
	}
	o := oidc.Options{Logger: b.logger, Now: b.now, OnRequest: b.asked}
	if previous != nil {
		o.Previous = previous.oidc
	}
	m, err := oidc.New(ctx, oidcConfig(c), o)
	b.report(err, oidcBlock)
	if m == nil {
		return
	}
	b.stack.oidc = m
	b.warn(m.Warnings(), oidcBlock)
	b.stack.methods = append(b.stack.methods, "oidc")
	for _, p := range m.Providers() {
		b.stack.logins = append(b.stack.logins, p)
	}
}

// asked hears how every request to a provider ended.
func (s *surroundings) asked(provider, operation string, ok bool) {
	s.metrics.ProviderRequest(provider, operation, ok)
	s.dependencies.set(providerName(provider), ok)
}

// sessions adds the authenticator of client tokens.
func (b *builder) sessions() {
	if len(b.stack.logins) == 0 || b.backend == nil {
		return
	}
	logins := slices.Clone(b.stack.logins)
	b.stack.sessions = clienttoken.New(clienttoken.Options{
		Store: b.backend, Leaser: b.backend, Logger: b.logger, Now: b.now,
		Logins: func(method, provider string) methods.Login {
			for _, l := range logins {
				if l.Method() == method && l.Name() == provider {
					return l
				}
			}
			return nil
		},
	})
	b.authenticators = append(b.authenticators, b.stack.sessions)
}

// cookies returns how the client token travels.
func (b *builder) cookies() *browser.Cookies { return cookiesOf(&b.file.Config, b.now) }

// loginOf returns where the check path sends people who have to log in.
func loginOf(c *config.Config, cookies *browser.Cookies) *extauthz.Login {
	if !c.Authentication.Methods.SessionCompatible() {
		return nil
	}
	return &extauthz.Login{URL: publicURL(c).JoinPath("auth", "login").String(), Covers: cookies.Covers}
}

// login makes the login service, which identifies callers by the stack's own
// engine.
func (b *builder) login() {
	b.loginCertificates()
	c := &b.file.Config
	a := &c.Authentication
	admins, err := admit.CompileAdmins(admit.AdminsConfig{Emails: a.Admins.Emails, Groups: a.Admins.Groups, Subjects: a.Admins.Subjects})
	b.report(err, adminsBlock)
	public := publicURL(c)
	targets, err := browser.NewReturnTargets(public, a.Session.ReturnTo)
	b.report(err, sessionBlock)
	pages, err := page.New(page.Site{Name: c.Pages.Name, Logo: c.Pages.Logo, Language: c.Pages.Language})
	b.report(err, pagesBlock)
	if b.backend == nil || b.stack.engine == nil || targets == nil || pages == nil {
		return
	}
	b.stack.login, err = loginsvc.New(loginsvc.Config{
		PublicURL: public, TokenLifetime: a.Session.TokenLifetime, IdleTimeout: a.Session.IdleTimeout,
		StateLifetime: a.Session.StateLifetime, EnabledMethods: b.stack.methods, AcceptCookies: a.Session.AcceptCookies,
		StartedAt: b.started,
	}, loginsvc.Options{
		Logger: b.logger, Metrics: b.metrics, Now: b.now, Random: b.random,
		Store: b.backend, Identifier: b.stack.engine,
		Attempts: sessions.NewSealer(attemptPurpose, b.backend.masters, b.random),
		Cookies:  b.cookies(), ReturnTargets: targets,
		ClientIP: browser.NewClientIP(c.Server.ClientIP.TrustedHops, c.Server.ClientIP.Prefixes()),
		Pages:    pages, Admins: admins, Logins: b.stack.logins,
	})
	b.report(err, "")
}

// loginCertificates looks at the files of the listener where none is opened;
// where one is, they are looked at then, and renewed without a reload.
func (b *builder) loginCertificates() {
	if t := &b.file.Config.Server.HTTP.TLS; b.backend == nil && t.CertFile != "" {
		_, err := newCertificates(loginTLSFiles(t), nil, slog.New(slog.DiscardHandler))
		b.report(err, loginTLSBlock)
	}
}

// loginTLSFiles are the files that the login service's listener uses.
func loginTLSFiles(t *config.HTTPTLS) tlsFiles {
	return tlsFiles{cert: t.CertFile, key: t.KeyFile, protocol: "http/1.1"}
}

// oidcFiles are the files that the method reads.
func oidcFiles(c *config.OIDCMethod) []string {
	if !c.Enabled {
		return nil
	}
	var files []string
	for _, p := range c.Providers {
		if p.CAPath != "" {
			files = append(files, p.CAPath)
		}
	}
	slices.Sort(files)
	return files
}
