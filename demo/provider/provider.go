// Package provider is a development OpenID provider: a certified library
// (github.com/zitadel/oidc) around a handful of made-up people, who log in by
// a click. It keeps everything in memory and is for machines that nobody else
// reaches.
package provider

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Config describes the provider's one client. All fields are required.
type Config struct {
	// ClientID and ClientSecret are what the client authenticates with.
	ClientID, ClientSecret string
	// RedirectURIs and PostLogoutRedirectURIs are where it may send browsers.
	RedirectURIs, PostLogoutRedirectURIs []string
	// AccessTokenLifetime is how long tokens last before they have to be
	// refreshed.
	AccessTokenLifetime time.Duration
}

// A Provider is running.
type Provider struct {
	// Issuer is its issuer identifier, an http URL on this machine.
	Issuer string
	server *http.Server
}

// Start serves a provider on a free port of this machine.
func Start(ctx context.Context, c Config) (*Provider, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	issuer := "http://" + l.Addr().String()
	handler, err := newHandler(issuer, c)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p := &Provider{Issuer: issuer, server: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// Close ends it.
func (p *Provider) Close() error { return p.server.Close() }

func newHandler(issuer string, c Config) (http.Handler, error) {
	s, err := newStorage(c)
	if err != nil {
		return nil, err
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	o, err := op.NewProvider(&op.Config{
		CryptoKey: key, CryptoKeyId: "demo", CodeMethodS256: true, AuthMethodPost: true,
		GrantTypeRefreshToken: true, DefaultLogoutRedirectURI: "/logged-out",
		SupportedClaims: []string{"sub", "email", "email_verified", "name", "picture", "groups"},
		SupportedScopes: []string{"openid", "email", "profile", "groups", "offline_access"},
	}, s, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	page, err := template.New("login").Parse(loginTemplate)
	if err != nil {
		return nil, err
	}
	l := &login{storage: s, callback: op.AuthCallbackURL(o), template: page}
	issued := op.NewIssuerInterceptor(o.IssuerFromRequest)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", issued.HandlerFunc(l.page))
	mux.HandleFunc("POST /login", issued.HandlerFunc(l.choose))
	mux.HandleFunc("GET /logged-out", loggedOut)
	mux.HandleFunc("/end_session", func(w http.ResponseWriter, r *http.Request) {
		l.forget(w, r)
		o.ServeHTTP(w, r)
	})
	mux.Handle("/", o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A name that a page elsewhere resolves to this machine is not this server.
		if !strings.HasPrefix(issuer, "http://"+r.Host) {
			http.Error(w, "wrong host", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}
