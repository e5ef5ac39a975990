package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
	"github.com/gateward/gateward/sessions/memory"
	"github.com/gateward/gateward/sessions/redis"
)

// storageBlock is where the backend is configured.
const storageBlock = "authentication.session.storage"

// masterName is the secret that a backend keeps where none is configured; what the
// backends seal with is derived from it, too.
const masterName = "encryption"

// A backend is what sessions are kept in, and what seals what browsers keep for
// us. It lives as long as the process: a reload leaves sessions alone.
type backend struct {
	sessions.Backend
	masters sessions.Masters
}

// openBackend opens what c names. Nothing that is out of reach stops it, apart
// from a file that is somebody else's. Errors are placed in the configuration.
func (s *surroundings) openBackend(ctx context.Context, f *config.File) (*backend, error) {
	c := &f.Config.Authentication.Session
	b := &backend{}
	if c.EncryptionKey.Reveal() != "" {
		b.masters = sessions.ConfiguredMasters(c.EncryptionKey, c.PreviousEncryptionKeys)
	}
	var opened sessions.Backend
	var err error
	switch c.Storage.Type {
	case "memory":
		opened = memory.New(memory.Options{
			Now: s.now, Random: s.random, MaxSessions: c.Storage.MaxSessions, GracePeriod: c.Cleanup.GracePeriod,
			OnEvict: func() { s.metrics.Revocations("evicted", 1) },
		})
	case "file":
		opened, err = file.Open(ctx, c.Storage.File.Path, file.Options{
			Now: s.now, Random: s.random, Masters: b.masters, GracePeriod: c.Cleanup.GracePeriod,
		})
		if err != nil {
			err = &gateward.ConfigError{Key: "file.path", Problem: err.Error()}
		}
	case "redis":
		opened, err = redis.New(redisConfig(&c.Storage.Redis), redis.Options{ //nolint:contextcheck // it lives as long as the process
			Logger: s.logger, Now: s.now, Random: s.random, Masters: b.masters, GracePeriod: c.Cleanup.GracePeriod,
		})
		err = below("redis", err)
	default:
		err = &gateward.ConfigError{Key: "type", Problem: fmt.Sprintf("unknown kind of storage %q", c.Storage.Type), Remedy: "use memory, file or redis"}
	}
	if err != nil {
		return nil, config.Problems(f.Place(err, storageBlock))
	}
	observer := func(operation string, err error, d time.Duration) {
		s.metrics.StoreOperation(c.Storage.Type, operation, result(err), d)
		if c.Storage.Type == "redis" {
			s.dependencies.set(storeDependency, !errors.Is(err, gateward.ErrUnavailable))
		}
	}
	b.Backend = sessions.Observe(opened, sessions.Observer{Now: s.now, Observe: observer})
	if b.masters == nil {
		b.masters = sessions.KeptMasters(b.Backend, masterName, c.PreviousEncryptionKeys)
	}
	s.metrics.SessionsActive(b.count)
	return b, nil
}

// count returns how many sessions there are, or nil if that cannot be had in the
// time that a scrape has.
func (b *backend) count() map[string]int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := b.Count(ctx)
	if err != nil {
		return nil
	}
	return n
}

// result is the metric label for how an operation ended.
func result(err error) string {
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, sessions.ErrNotFound):
		return "not_found"
	case errors.Is(err, sessions.ErrConflict):
		return "conflict"
	case errors.Is(err, sessions.ErrTampered):
		return "tampered"
	case errors.Is(err, sessions.ErrBadPage), errors.Is(err, sessions.ErrNoFilter):
		return "refused"
	}
	return "error"
}

// below puts the keys of all ConfigErrors in err below a block.
func below(block string, err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, below(block, e))
		}
		return errors.Join(errs...)
	}
	var c *gateward.ConfigError
	if errors.As(err, &c) {
		placed := *c
		placed.Key = block
		if c.Key != "" {
			placed.Key += "." + c.Key
		}
		return &placed
	}
	return err
}
