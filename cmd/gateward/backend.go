package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
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
	// denylist knows who is disabled.
	denylist *sessions.Denylist
}

// Close ends what goes on in the background, too.
func (b *backend) Close() error {
	b.denylist.Close()
	return b.Backend.Close()
}

// Subscribe has l hear, and the denylist: first, so that who is disabled is refused
// before anything of theirs is looked at again.
func (b *backend) Subscribe(l sessions.Listener) (cancel func()) {
	first := b.Backend.Subscribe(b.denylist)
	second := b.Backend.Subscribe(l)
	return func() {
		second()
		first()
	}
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
		err = fileProblem(err)
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
	b.denylist = sessions.NewDenylist(b.Backend, s.logger) //nolint:contextcheck // it lives as long as the process
	s.metrics.SessionsActive(b.count)
	return b, nil
}

// fileProblem places what kept a session file from being opened.
func fileProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, file.ErrLocked):
		return &gateward.ConfigError{
			Key: "file.path", Problem: "names a file that another process has open",
			Remedy: "end that process, give each replica a path of its own, or set " + storageBlock + ".type to redis",
		}
	}
	return &gateward.ConfigError{
		Key: "file.path", Problem: "cannot be used: " + strings.TrimPrefix(err.Error(), "file: "),
		Remedy: "check the path and its permissions",
	}
}

// storage finds what is wrong with how a store is configured, without opening
// it: no file is made, and nobody is connected to. On a reload it keeps out what
// the next start would fail with.
func (b *builder) storage() {
	c := b.file.Config.Authentication.Session.Storage
	if c.Type != "redis" {
		return
	}
	r := redisConfig(&c.Redis)
	r.MinIdleConns = min(r.MinIdleConns, 0) // they would be opened at once
	store, err := redis.New(r, redis.Options{Now: b.now, Random: b.random})
	if err == nil {
		err = store.Close()
	}
	b.report(below("redis", err), storageBlock)
}

// storageChanges returns the keys below which a store differs from the one that
// is in use: all that is opened or made once, and kept by a reload.
func storageChanges(was, is *config.Session) []string {
	var keys []string
	changed := func(key string, differs bool) {
		if differs {
			keys = append(keys, sessionBlock+"."+key)
		}
	}
	changed("encryption_key", was.EncryptionKey.Reveal() != is.EncryptionKey.Reveal())
	changed("previous_encryption_keys", !reflect.DeepEqual(was.PreviousEncryptionKeys, is.PreviousEncryptionKeys))
	changed("cleanup", was.Cleanup != is.Cleanup)
	w, i := &was.Storage, &is.Storage
	changed("storage.type", w.Type != i.Type)
	if w.Type == i.Type { // and nothing of a kind that is not in use
		changed("storage.max_sessions", i.Type == "memory" && w.MaxSessions != i.MaxSessions)
		changed("storage.file.path", i.Type == "file" && w.File != i.File)
		changed("storage.redis", i.Type == "redis" && !reflect.DeepEqual(w.Redis, i.Redis))
	}
	return keys
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
