package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"
)

const (
	keySize = 32
	// keyLifetime is for how long a secret is kept after it was last asked for.
	// Something that nobody has asked for in ten years is nobody's.
	keyLifetime = 10 * 365 * 24 * time.Hour
)

// errOtherKey: what is kept under a key's name is none.
var errOtherKey = errors.New("what is kept under its name is not a key")

// Key implements [sessions.Keys]. The secret lies in Redis as it is: with a
// configured one instead, who reads Redis cannot open what is sealed there.
//
// A failover can lose a secret that no replica had acknowledged. The replicas of
// Gateward that know it put it back when they connect again; if another has been
// made meanwhile, they go on with that one, and an error is logged. What was
// sealed with the lost one can then be opened only by those that knew it.
func (s *Store) Key(ctx context.Context, name string) ([]byte, error) {
	s.keysMu.Lock()
	known := s.keys[name]
	s.keysMu.Unlock()
	if known != nil {
		return slices.Clone(known), nil
	}
	fresh := make([]byte, keySize)
	if _, err := io.ReadFull(s.random, fresh); err != nil {
		return nil, unavailable("make key", err)
	}
	kept, err := s.keepKey(ctx, name, fresh)
	if err != nil {
		return nil, err
	}
	s.keysMu.Lock()
	defer s.keysMu.Unlock()
	if s.keys[name] == nil {
		s.keys[name] = kept
	}
	return slices.Clone(s.keys[name]), nil
}

// keepKey keeps value unless there is one already, and returns the one that is
// kept.
func (s *Store) keepKey(ctx context.Context, name string, value []byte) ([]byte, error) {
	op := fmt.Sprintf("keep key %.40q", name)
	c := call(s.scripts.key, s.names.key(name), value, milliseconds(keyLifetime))
	if err := s.runDurable(ctx, op, c); err != nil {
		return nil, err
	}
	if kept, ok := c.result.(string); ok && len(kept) == keySize {
		return []byte(kept), nil
	}
	return nil, unavailable(op, errOtherKey)
}

// checkKeys sees to it that the secrets that are in use here are those that are
// kept: the server may be another than before.
func (s *Store) checkKeys(ctx context.Context) {
	s.keysMu.Lock()
	known := maps.Clone(s.keys)
	s.keysMu.Unlock()
	for name, value := range known {
		kept, err := s.keepKey(ctx, name, value)
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "shared key not checked", slog.String("name", name), slog.Any("err", err))
			continue
		}
		if bytes.Equal(kept, value) {
			continue
		}
		s.log.LogAttrs(ctx, slog.LevelError, "shared key was lost and another made: configure one", slog.String("name", name))
		s.keysMu.Lock()
		s.keys[name] = kept
		s.keysMu.Unlock()
		s.renewSealers()
	}
}
