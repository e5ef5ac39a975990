package main

import (
	"context"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/internal/config"
)

func envoyCommand(_ context.Context, p *program, f *flags) error {
	path := f.config()
	c := envoy.Default()
	var t envoy.TLS
	f.StringVar(&c.Upstream, "upstream", "", "`HOST:PORT` of the application (required)")
	f.BoolVar(&c.UpstreamHTTP2, "upstream-http2", false, "talk HTTP/2 to the application, not only for gRPC")
	f.StringVar(&c.ListenAddress, "listen", c.ListenAddress, "`HOST:PORT` on which Envoy listens")
	var replicas []string
	f.Func("gateward", "`ADDRESS` of this server for Envoy; repeat it for each replica", func(a string) error {
		replicas = append(replicas, a)
		return nil
	})
	var logins []string
	f.Func("login", "`ADDRESS` of the login service for Envoy; repeat it for each replica", func(a string) error {
		logins = append(logins, a)
		return nil
	})
	f.BoolVar(&c.AccessLog, "access-log", false, "have Envoy log each request, with Gateward's decision")
	f.StringVar(&t.CAFile, "ca", "", "`FILE` on Envoy's machine with the CA of this server's certificate")
	f.StringVar(&t.ServerName, "server-name", "", "`NAME` that this server's certificate is for")
	f.StringVar(&t.CertFile, "cert", "", "`FILE` on Envoy's machine with its client certificate")
	f.StringVar(&t.KeyFile, "key", "", "`FILE` on Envoy's machine with its client key")
	if err := f.parse(); err != nil {
		return err
	}
	if c.Upstream == "" {
		return usagef("envoy: --upstream is missing; name the application, for instance --upstream 127.0.0.1:8000")
	}
	file, err := config.Load(p.configOptions(*path))
	if err != nil {
		return err
	}
	s := &file.Config.Server
	c.GRPCAddresses = replicas
	if len(replicas) == 0 {
		c.GRPCAddresses = []string{s.GRPC.Address}
	}
	c.HTTPAddresses = logins
	if len(logins) == 0 {
		c.HTTPAddresses = nil
		if s.HTTP.Address != "" {
			c.HTTPAddresses = []string{s.HTTP.Address}
		}
	}
	c.FaultsAsErrors = s.GRPC.Faults == "error"
	c.IdentityHeaders = identityHeaders(&file.Config.Upstream.IdentityHeaders)
	c.RemoveHeaders = file.Config.Upstream.RemoveHeaders
	if s.GRPC.TLS.CertFile != "" {
		switch {
		case t.CAFile == "":
			return usagef("envoy: --ca is missing; server.grpc.tls is on, and Envoy has to know whose certificate to accept")
		case s.GRPC.TLS.ClientCAFile != "" && (t.CertFile == "" || t.KeyFile == ""):
			return usagef("envoy: --cert and --key are missing; server.grpc.tls.client_ca_file asks Envoy for a certificate")
		}
		c.GRPCTLS = &t
	}
	if s.HTTP.TLS.CertFile != "" {
		if t.CAFile == "" {
			return usagef("envoy: --ca is missing; server.http.tls is on, and Envoy has to know whose certificate to accept")
		}
		c.HTTPTLS = &envoy.TLS{CAFile: t.CAFile, ServerName: t.ServerName}
	}
	return envoy.Bootstrap(p.stdout, c)
}

// identityHeaders are the names of the headers that this server sets.
func identityHeaders(h *config.IdentityHeaders) []string {
	var names []string
	for _, n := range []string{h.Subject, h.Email, h.Name, h.Groups, h.Method, h.Scopes, h.Issuer, h.UserID} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}
