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
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/sessions"
)

// The blocks whose packages report problems.
const (
	oidcBlock           = "authentication.methods.oidc"
	githubBlock         = "authentication.methods.github"
	authenticationBlock = "authentication"
	sessionBlock        = "authentication.session"
	adminsBlock         = "authentication.admins"
	grantsBlock         = "authentication.grants"
	pagesBlock          = "pages"

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
	m, err := oidc.New(ctx, oidcConfig(&b.file.Config), o)
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

// github adds the login at GitHub.
func (b *builder) github(previous *stack) {
	c := &b.file.Config.Authentication.Methods.GitHub
	if !c.Enabled {
		return
	}
	o := github.Options{Logger: b.logger, Now: b.now, OnRequest: b.askedGitHub}
	if previous != nil {
		o.Previous = previous.github
	}
	m, err := github.New(githubConfig(&b.file.Config), o)
	b.report(err, githubBlock)
	if m == nil {
		return
	}
	b.stack.github = m
	b.warn(m.Warnings(), githubBlock)
	b.stack.methods = append(b.stack.methods, "github")
	b.stack.logins = append(b.stack.logins, m)
}

// people compiles what the configuration says of people, by whichever provider
// they come.
func (b *builder) people() {
	a := &b.file.Config.Authentication
	var err error
	b.stack.admins, err = admit.CompilePeople(peopleConfig(&a.Admins))
	b.report(err, adminsBlock)
	b.stack.grants, err = admit.CompileGrants(grantsConfig(a.Grants))
	b.report(err, grantsBlock)
	b.stack.admission, err = admit.CompileAdmission(admissionConfig(a))
	b.report(err, authenticationBlock)
}

// userIssuers are those whose people log in here.
func (b *builder) userIssuers() []string {
	var all []string
	if c := &b.file.Config.Authentication.Methods.OIDC; c.Enabled {
		for _, p := range c.Providers {
			all = append(all, p.IssuerURL)
		}
	}
	if b.stack.github != nil {
		all = append(all, b.stack.github.Issuer())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// asked hears how every request to a provider ended.
func (s *surroundings) asked(provider, operation string, ok bool) {
	s.metrics.ProviderRequest(provider, operation, ok)
	s.dependencies.set(providerName(provider), ok)
}

// askedGitHub hears how every request to GitHub ended.
func (s *surroundings) askedGitHub(provider, operation string, ok bool) {
	s.metrics.ProviderRequest(provider, operation, ok)
	s.dependencies.set(githubDependency, ok)
}

// sessions adds the authenticator of client tokens.
func (b *builder) sessions() {
	if len(b.stack.logins) == 0 || b.backend == nil {
		return
	}
	logins := slices.Clone(b.stack.logins)
	b.stack.sessions = clienttoken.New(clienttoken.Options{
		Store: b.backend, Leaser: b.backend, Logger: b.logger, Now: b.now,
		Admission: b.stack.admission, Grants: b.stack.grants,
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
		SignUp:    a.SignUp, LinkAccounts: a.AccountLinking == "verified_email",
		LoginsPerMinute: c.Limits.LoginsPerMinute, RedirectsPerMinute: c.Limits.RedirectsPerMinute,
	}, loginsvc.Options{
		Logger: b.logger, Metrics: b.metrics, Now: b.now, Random: b.random,
		Store: b.backend, Identifier: b.stack.engine,
		Attempts: sessions.NewSealer(attemptPurpose, b.backend.masters, b.random),
		Cookies:  b.cookies(), ReturnTargets: targets,
		ClientIP: browser.NewClientIP(c.Server.ClientIP.TrustedHops, c.Server.ClientIP.Prefixes()),
		Pages:    pages, Admins: b.stack.admins, Admission: b.stack.admission, Logins: b.stack.logins,
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

// githubFiles are the files that the method reads.
func githubFiles(c *config.GitHubMethod) []string {
	if !c.Enabled || c.CAPath == "" {
		return nil
	}
	return []string{c.CAPath}
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
