package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/gateward/gateward/internal/config"
)

// look reloads what has changed on disk.
func (s *server) look(ctx context.Context) {
	s.refreshCertificates(ctx)
	// A refused configuration is tried again even so: it may refer to files that
	// are not there yet, and nobody says which.
	if s.refused != "" || contents(s.stack.watched()) != s.seen {
		s.reload(ctx)
	}
}

// refreshCertificates takes changed certificates into use.
func (s *server) refreshCertificates(ctx context.Context) {
	if s.certificates != nil {
		s.certificates.refresh(ctx)
		s.dismiss(ctx)
	}
	if s.loginTLS != nil {
		s.loginTLS.refresh(ctx)
	}
}

// dismiss ends the connections of clients that may not ask any longer.
func (s *server) dismiss(ctx context.Context) {
	if n := s.grpc.clients.dismiss(s.certificates.admits); n > 0 {
		s.logger.LogAttrs(ctx, slog.LevelInfo, "connections of clients that are not admitted any longer ended", slog.Int("connections", n))
	}
}

// reload reads the configuration again and takes it into use as a whole, or not
// at all.
func (s *server) reload(ctx context.Context) {
	// Before reading, so that what changes meanwhile is looked at again.
	s.seen = contents(s.stack.watched())
	next, err := load(s.lifetime, s.options, s.surroundings, s.stack, nil) //nolint:contextcheck // what is built outlives the signal that ends ctx
	s.metrics.ConfigReload(err == nil, s.now())
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	previous := s.stack
	s.stack, s.refused = next, ""
	if !slices.Equal(previous.watched(), next.watched()) {
		s.seen = contents(next.watched())
	}
	s.dependencies.expect(&next.file.Config)
	s.level.Set(logLevel(next.file.Config.Log.Level))
	if s.certificates != nil {
		s.certificates.admit(next.file.Config.Server.GRPC.TLS.AllowedPrincipals)
		s.dismiss(ctx)
	}
	s.service.Swap(next.engine)
	if s.http != nil {
		s.http.swap(next.login)
	}
	s.replaced.add(retirement, func() { previous.retire(next) })

	for _, w := range next.file.Warnings {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "configuration warning", problemAttrs(w)...)
	}
	for _, key := range needRestart(&previous.file.Config, &next.file.Config) {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "configuration change needs a restart", slog.String("key", key),
			slog.String("position", next.file.Locate(key).String()))
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "configuration reloaded", slog.String("config", next.file.Path),
		slog.Int("rules", len(next.file.Config.Rules)))
}

// refuse logs why a configuration cannot be used, unless it has done so.
func (s *server) refuse(ctx context.Context, err error) {
	if s.refused == err.Error() {
		return
	}
	s.refused = err.Error()
	var problems config.Problems
	if !errors.As(err, &problems) {
		problems = config.Problems{{Problem: err.Error()}}
	}
	for _, p := range problems {
		if !p.Warning {
			s.logger.LogAttrs(ctx, slog.LevelError, "configuration problem", problemAttrs(p)...)
		}
	}
	s.logger.LogAttrs(ctx, slog.LevelError, "configuration not usable, the previous one stays in use")
}

// needRestart returns the keys whose change has no effect on a running server.
func needRestart(was, is *config.Config) []string {
	var keys []string
	for _, k := range []struct{ key, was, is string }{
		{"server.grpc.address", was.Server.GRPC.Address, is.Server.GRPC.Address},
		{"server.grpc.tls.cert_file", was.Server.GRPC.TLS.CertFile, is.Server.GRPC.TLS.CertFile},
		{"server.grpc.tls.key_file", was.Server.GRPC.TLS.KeyFile, is.Server.GRPC.TLS.KeyFile},
		{"server.grpc.tls.client_ca_file", was.Server.GRPC.TLS.ClientCAFile, is.Server.GRPC.TLS.ClientCAFile},
		{"server.http.address", was.Server.HTTP.Address, is.Server.HTTP.Address},
		{"server.http.tls.cert_file", was.Server.HTTP.TLS.CertFile, is.Server.HTTP.TLS.CertFile},
		{"server.http.tls.key_file", was.Server.HTTP.TLS.KeyFile, is.Server.HTTP.TLS.KeyFile},
		{"server.admin.address", was.Server.Admin.Address, is.Server.Admin.Address},
		{"log.format", was.Log.Format, is.Log.Format},
	} {
		if k.was != k.is {
			keys = append(keys, k.key)
		}
	}
	return append(keys, storageChanges(&was.Authentication.Session, &is.Authentication.Session)...)
}
