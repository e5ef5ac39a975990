// Package redis keeps sessions and users in Redis 6.2 or later, where any number of
// replicas of Gateward share them: a single server, one that sentinels watch
// over, or a cluster. It owns the layout of the keys, the scripts that change
// them, and the channel over which replicas hear of revocations. What a session
// is, and how it is sealed, is package sessions'.
//
// # Layout
//
// A session is one key, whose name tells its public id. Indexes by method, by
// principal and by the provider's session id are sorted sets; an entry is
// written before the session and removed after it, so that no session is without
// its entries, and whoever finds an entry without a session passes over it.
// Every such key has a time to live: at the latest when a session is over and its
// grace period has passed, its key is gone. Redis must not evict keys before
// (maxmemory-policy noeviction): that would end sessions, and make new shared
// keys.
//
// A user is one key, too, and has no time to live; nor have the indexes of users.
// All of these are in one slot of a cluster, and each change of a user is one
// script, publication included. While a cluster moves that slot, users may neither
// be read nor changed: nobody can log in, and who is logged in stays so.
//
// Values are sealed. What can be read are ids, times, names of methods, which users
// are disabled, SHA-256 hashes of identities and addresses, with which a guess at
// them can be tested, and the secrets of [Store.Key] unless keys are configured.
//
// Who can write to Redis can, with configured keys too, put back an old record of
// a session (DUMP, RESTORE), and so undo that it was ended; but make none, nor one
// that goes beyond its sealed end. The same holds for an old record of a user
// together with the list of those who are disabled, which is in the open so that
// nobody has to be read to be denied: where the two do not agree, the user counts
// as tampered with, and is denied what either says. Only Gateward should be able to
// write there.
//
// # Failures
//
// An operation fails with [gateward.ErrUnavailable] after twice
// Config.NetTimeout at the latest; when several in a row have failed, the next
// ones do so at once, until the server answers again. Nothing has to be
// restarted.
//
// Replication in Redis is asynchronous. With sentinels or in a cluster a write
// therefore waits until one replica has it, for a tenth of a second at most. As
// long as replicas keep up, a failover loses nothing that was acknowledged, since
// the replica that has the most is promoted. What was written while none
// answered in time can be lost with its master, and this is logged; so can what
// a master accepts that is cut off from its replicas without knowing: set
// min-replicas-to-write and min-replicas-max-lag to rule it out. In a cluster,
// the master of an index and that of a session can fail apart.
//
// What a user of Redis' ACL needs is what [ACLRules] returns.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// ACLRules returns the rules, in the syntax of ACL SETUSER, that a user needs for
// a store with this prefix.
func ACLRules(prefix string) []string {
	return []string{
		"~" + prefix + ":*", "&" + prefix + ":*",
		"+@read", "+@write", "+@pubsub", "+@scripting", "+@connection", "-@dangerous", "-script", "+wait", "+cluster|slots",
	}
}

// MasterKey is the name of the secret that seals sessions and users unless Options.Masters
// is set.
const MasterKey = "encryption"

// Options are what a Store uses beside its configuration.
type Options struct {
	// Logger is nil for silence.
	Logger *slog.Logger
	// Now is the clock that sessions are judged by.
	Now func() time.Time
	// Random is the source of keys and nonces; nil: [rand.Reader].
	Random io.Reader
	// Masters are the secrets that sessions and users are sealed with; nil: one that
	// is made once and kept in Redis as [MasterKey]. With that lost, so are the users.
	Masters sessions.Masters
	// GracePeriod is how long a session is kept after it is over.
	GracePeriod time.Duration
}

// A Store is a [sessions.Backend] in Redis. Its methods are safe for concurrent
// use.
type Store struct {
	config  Config
	client  goredis.UniversalClient
	names   names
	scripts *scripts
	log     *slog.Logger
	now     func() time.Time
	random  io.Reader
	grace   time.Duration

	breaker breaker
	bus     bus
	// replicated: there should be replicas; vain: how many waits for one in a row
	// were in vain; unacknowledged: nothing waits for now.
	replicated     bool
	vain           atomic.Int32
	unacknowledged atomic.Bool

	masters sessions.Masters
	sealers atomic.Pointer[[]*sealers] // the first seals, all open
	keysMu  sync.Mutex
	keys    map[string][]byte // those that have been asked for

	// spawn runs f until Close, which waits for it.
	spawn   func(f func(ctx context.Context))
	stop    context.CancelFunc
	closing sync.Mutex
	closed  bool
	running sync.WaitGroup
}

var _ sessions.Backend = (*Store)(nil)

// quiet takes what the client would write to standard error. What matters of it
// is in the errors that it returns.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// New returns a Store without having connected to anything: Redis may be down.
// What is wrong with c are joined [*gateward.ConfigError]s.
func New(c Config, o Options) (*Store, error) {
	c = c.defaulted()
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	goredis.SetLogger(quiet{})
	s := &Store{
		config: c, client: client, names: names{c.Prefix}, scripts: newScripts(),
		log: o.Logger, now: o.Now, random: o.Random, grace: max(o.GracePeriod, 0),
		replicated: c.Mode != ModeSingle, masters: o.Masters, keys: map[string][]byte{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.masters == nil {
		s.masters = sessions.KeptMasters(s, MasterKey, nil)
	}
	s.sealers.Store(&[]*sealers{s.newSealers()})
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // what runs in the background ends with Close
	s.stop = stop
	s.spawn = func(f func(context.Context)) {
		s.closing.Lock()
		defer s.closing.Unlock()
		if !s.closed {
			s.running.Go(func() { f(ctx) })
		}
	}
	s.breaker.spawn = s.spawn
	s.breaker.probe = s.probe
	if s.bus.origin, err = s.nonce(); err != nil {
		return nil, err
	}
	return s, nil
}

// Ping implements [sessions.Backend]. It writes, since a server that is read-only
// or full is of no use.
func (s *Store) Ping(ctx context.Context) error {
	return s.run(ctx, "ping", plain("SET", s.names.ping(), "1", "PX", 10_000))
}

// Close implements [sessions.Backend]. Afterwards every method returns an error.
func (s *Store) Close() error {
	s.closing.Lock()
	already := s.closed
	s.closed = true
	s.closing.Unlock()
	if already {
		return nil
	}
	s.stop()
	s.running.Wait()
	s.bus.deaf()
	if err := s.client.Close(); err != nil && !errors.Is(err, goredis.ErrClosed) {
		return fmt.Errorf("redis: close: %w", err)
	}
	return nil
}

func (s *Store) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.NetTimeout)
	defer cancel()
	err := s.client.Ping(ctx).Err()
	if isAnswer(err) { // it is there; whoever asks hears what is wrong
		return nil
	}
	return err
}

// nonce tells one operation from another.
func (s *Store) nonce() (string, error) {
	var b [12]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("redis: read randomness: %w: %w", gateward.ErrUnavailable, err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
