package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gateward/gateward/internal/config"
)

const healthcheckTimeout = 2 * time.Second

// errNotServing is the answer of a server that is there and does not serve.
var errNotServing = errors.New("not serving")

func healthcheckCommand(ctx context.Context, p *program, f *flags) error {
	path := f.config()
	address := f.String("address", "", "`ADDRESS` of the gRPC listener, instead of the configured one")
	secure := f.Bool("tls", false, "with --address: use TLS")
	if err := f.parse(); err != nil {
		return err
	}
	if *path != "" && *address != "" {
		return usagef("healthcheck: --config and --address exclude each other")
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	var err error
	if *address != "" {
		err = askHealth(ctx, *address, *secure)
	} else {
		err = p.askConfigured(ctx, *path)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, "serving")
	return err
}

// askConfigured asks the server that the configuration describes. Where its
// gRPC listener wants a certificate, which a health check does not have, the
// admin listener is asked instead.
func (p *program) askConfigured(ctx context.Context, path string) error {
	file, err := config.Load(p.configOptions(path))
	if err != nil {
		return fmt.Errorf("%w\nthe address is unknown without a configuration; --address needs none", err)
	}
	s := &file.Config.Server
	if s.GRPC.TLS.ClientCAFile != "" {
		return askReady(ctx, s.Admin.Address)
	}
	return askHealth(ctx, s.GRPC.Address, s.GRPC.TLS.CertFile != "")
}

// askHealth asks grpc.health.v1 at address.
func askHealth(ctx context.Context, address string, secure bool) error {
	creds := insecure.NewCredentials()
	if secure {
		// The listener is asked whether it lives, not who it is, and is told
		// nothing; and the certificate is not for the name it is dialled by.
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) //nolint:gosec // see above
	}
	conn, err := grpc.NewClient("passthrough:///gateward",
		grpc.WithTransportCredentials(creds),
		grpc.WithNoProxy(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx, address) }))
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	defer func() { _ = conn.Close() }()
	r, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s: %w", address, errNotServing)
	}
	return nil
}

// askReady asks /readyz at address.
func askReady(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateward/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, address) },
	}}
	r, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	defer func() { _ = r.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", address, errNotServing)
	}
	return nil
}

// dial connects to an address to listen on: one without a host, or with one
// that stands for all of them, is this host.
func dial(ctx context.Context, address string) (net.Conn, error) {
	network, addr := splitAddress(address)
	if network == "tcp" {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("localhost", port)
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
