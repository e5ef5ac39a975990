package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/internal/telemetry"
)

func validateCommand(ctx context.Context, p *program, f *flags) error {
	path := f.config()
	if err := f.parse(); err != nil {
		return err
	}
	s, err := p.assembleOffline(ctx, *path)
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(p.stderr, problems.Error())
		return errSilent
	}
	if err != nil {
		return err
	}
	for _, w := range s.file.Warnings {
		fmt.Fprintln(p.stderr, w)
	}
	name, count := s.file.Path, ""
	if name == "" {
		name = "environment"
	}
	switch n := len(s.file.Warnings); n {
	case 0:
	case 1:
		count = " (1 warning)"
	default:
		count = fmt.Sprintf(" (%d warnings)", n)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: ok%s\n", name, count)
	return err
}

// assembleOffline builds all that the configuration describes and ends it at
// once, for what can be learned from that.
func (p *program) assembleOffline(ctx context.Context, path string) (*stack, error) {
	s, err := load(ctx, p.configOptions(path), p.surroundings(slog.New(slog.DiscardHandler)), nil, func(f *config.File) []config.Problem {
		t := &f.Config.Server.GRPC.TLS
		if t.CertFile == "" {
			return nil
		}
		_, err := newCertificates(tlsFilesOf(t), nil, slog.New(slog.DiscardHandler))
		return f.Place(err, "server.grpc.tls")
	})
	if err != nil {
		return nil, err
	}
	s.retire(nil)
	return s, nil
}

func schemaCommand(_ context.Context, p *program, f *flags) error {
	if err := f.parse(); err != nil {
		return err
	}
	_, err := p.stdout.Write(config.Schema())
	return err
}

func versionCommand(_ context.Context, p *program, f *flags) error {
	if err := f.parse(); err != nil {
		return err
	}
	b := buildInfo()
	_, err := fmt.Fprintf(p.stdout, "gateward %s (revision %s, %s %s/%s)\n", b.Version, b.Revision, b.GoVersion, runtime.GOOS, runtime.GOARCH)
	return err
}

// version is the release, written by the linker (see the Makefile). Without it
// the Go tool's own idea counts.
var version string

// buildInfo is what the Go tool wrote into the program.
func buildInfo() telemetry.Build {
	b := telemetry.Build{Version: "unknown", Revision: "unknown", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = cmp.Or(version, info.Main.Version, b.Version)
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}
