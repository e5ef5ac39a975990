package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/gateward/gateward/demo/hub"
	"github.com/gateward/gateward/demo/provider"
)

//go:embed gateward.yaml.tmpl
var configTemplate string

// Static tokens of the demo. They open nothing but an application on this
// machine that shows requests.
const (
	readerToken = "demo-reader-token"
	adminToken  = "demo-administrator-token"
)

// stack is everything that the demo runs.
type stack struct {
	directory string
	out       io.Writer
	// origin is where a browser finds Envoy.
	origin   string
	upstream *upstream
	issuer   *issuer
	provider *provider.Provider
	hub      *hub.Hub
	gateward *process
	envoy    *process
	ended    chan *process
}

// start starts everything and waits until it is ready. What was started is
// stop's to end, also after an error.
func (s *stack) start(ctx context.Context, o options, address string) (tokens, error) {
	s.ended = make(chan *process, 2)
	var err error
	if s.upstream, err = startUpstream(ctx, filepath.Join(s.directory, "upstream.log")); err != nil {
		return tokens{}, err
	}
	if s.issuer, err = startIssuer(ctx); err != nil {
		return tokens{}, err
	}
	if err := s.startProviders(ctx, address); err != nil {
		return tokens{}, err
	}
	t, err := s.issuer.tokens(time.Now())
	if err != nil {
		return tokens{}, err
	}
	config, err := s.startGateward(ctx, o.gateward)
	if err != nil {
		return tokens{}, err
	}
	bootstrap, err := output(ctx, o.gateward, "envoy", "--config", config, "--listen", address, "--upstream", s.upstream.address)
	if err != nil {
		return tokens{}, err
	}
	return t, s.startEnvoy(ctx, o.envoy, bootstrap)
}

// clientID and clientSecret are what Gateward shows to the demo's providers, which
// know nobody else.
const (
	clientID     = "gateward"
	clientSecret = "demo-client-secret"
)

// startProviders starts the OpenID provider and the GitHub, which send browsers
// back to Envoy.
func (s *stack) startProviders(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	s.origin = "http://localhost:" + port
	s.provider, err = provider.Start(ctx, provider.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		RedirectURIs:           []string{s.origin + "/auth/v1/method/oidc/demo/callback"},
		PostLogoutRedirectURIs: []string{s.origin},
		AccessTokenLifetime:    5 * time.Minute,
	})
	if err != nil {
		return err
	}
	s.hub, err = hub.Start(ctx, hub.Config{
		ClientID: clientID, ClientSecret: clientSecret, CallbackURL: s.origin + "/auth/v1/method/github/callback",
	})
	return err
}

// startGateward writes its configuration, whose path it returns, and runs it.
func (s *stack) startGateward(ctx context.Context, binary string) (string, error) {
	grpc, err := freeAddress(ctx)
	if err != nil {
		return "", err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return "", err
	}
	login, err := freeAddress(ctx)
	if err != nil {
		return "", err
	}
	config, err := writeConfig(s.directory, configView{
		GRPC: grpc, HTTP: login, Admin: admin, Issuer: s.issuer.url, Reader: readerToken, Administrator: adminToken,
		Origin: s.origin, Provider: s.provider.Issuer, ClientSecret: clientSecret,
		Hub: s.hub.URL, Organization: hub.Organization, Team: hub.Team,
	})
	if err != nil {
		return "", err
	}
	if s.gateward, err = startProcess(s.directory, "gateward", s.ended, binary, "serve", "--config", config); err != nil {
		return "", err
	}
	fmt.Fprintf(s.out, "gateward   http://%s/metrics (admin)\n", admin)
	return config, s.gateward.waitReady(ctx, func() (string, error) { return "http://" + admin + "/readyz", nil })
}

// startEnvoy runs Envoy with Gateward's own bootstrap. Only its admin interface
// moves to a free port, so that it meets no other Envoy.
func (s *stack) startEnvoy(ctx context.Context, binary, bootstrap string) error {
	config, admin := filepath.Join(s.directory, "envoy.yaml"), filepath.Join(s.directory, "envoy.admin")
	if err := os.WriteFile(config, []byte(bootstrap), 0o600); err != nil {
		return err
	}
	if err := os.Remove(admin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	s.envoy, err = startProcess(s.directory, "envoy", s.ended, binary, "-c", config,
		"--config-yaml", "{admin: {address: {socket_address: {port_value: 0}}}}", "--admin-address-path", admin,
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	if err != nil {
		return err
	}
	return s.envoy.waitReady(ctx, func() (string, error) {
		text, err := os.ReadFile(admin)
		if err != nil {
			return "", fmt.Errorf("no admin address yet: %w", err)
		}
		if len(text) == 0 {
			return "", errors.New("no admin address yet")
		}
		return "http://" + strings.TrimSpace(string(text)) + "/ready", nil
	})
}

// stop ends everything, Envoy first, so that no request meets a missing part.
func (s *stack) stop() error {
	var errs []error
	for _, p := range []*process{s.envoy, s.gateward} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if s.provider != nil {
		errs = append(errs, s.provider.Close())
	}
	if s.hub != nil {
		errs = append(errs, s.hub.Close())
	}
	if s.issuer != nil {
		errs = append(errs, s.issuer.server.Close())
	}
	if s.upstream != nil {
		errs = append(errs, s.upstream.close())
	}
	return errors.Join(errs...)
}

// configView is what the configuration's template fills in.
type configView struct {
	GRPC, HTTP, Admin, Issuer, Reader, Administrator string
	Origin, Provider, ClientSecret                   string
	Hub, Organization, Team                          string
}

func writeConfig(directory string, v configView) (string, error) {
	t, err := template.New("gateward.yaml").Parse(configTemplate)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	file := filepath.Join(directory, "gateward.yaml")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}
