package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/gateward/gateward/sessions"
)

const (
	// beatEvery is how often a heartbeat is published: with the commands, to come
	// back over the subscription. A subscription to a server that nobody publishes
	// on any longer is alive, and deaf.
	beatEvery = time.Second
	// deafAfter is after which silence a subscription counts as deaf.
	deafAfter = 3 * time.Second

	firstReconnect = 50 * time.Millisecond
	lastReconnect  = time.Second
)

var errSilent = errors.New("redis: heartbeat not heard")

// A bus is the listeners of a Store.
type bus struct {
	origin string // of our heartbeats

	mu        sync.Mutex
	listeners map[*sessions.Listener]struct{}
	hearing   bool
	started   bool
}

// Publish implements [sessions.Bus].
func (s *Store) Publish(ctx context.Context, r sessions.Revocation) error {
	s.bus.revoked(r)
	for _, text := range encode(r) {
		if err := s.run(ctx, "publish", plain("PUBLISH", s.names.channel(), text)); err != nil {
			return err
		}
	}
	return nil
}

// Subscribe implements [sessions.Bus]. The listener must not call the store from
// its methods.
func (s *Store) Subscribe(l sessions.Listener) (cancel func()) {
	b := &s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[*sessions.Listener]struct{}{}
	}
	b.listeners[&l] = struct{}{}
	if b.hearing {
		l.Hearing(true)
	}
	if !b.started {
		b.started = true
		s.spawn(s.listen)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, &l)
	}
}

// revoked tells the listeners of this process.
func (b *bus) revoked(r sessions.Revocation) {
	if len(r.Keys) == 0 && len(r.Denied) == 0 && !r.All && !r.Users {
		return
	}
	b.mu.Lock()
	all := make([]sessions.Listener, 0, len(b.listeners))
	for l := range b.listeners {
		all = append(all, *l)
	}
	b.mu.Unlock()
	for _, l := range all {
		l.Revoked(r)
	}
}

// hears is called when a new subscription hears, deaf when it does no longer.
func (b *bus) hears() { b.tell(true) }
func (b *bus) deaf()  { b.tell(false) }

func (b *bus) tell(hearing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !hearing && !b.hearing {
		return
	}
	b.hearing = hearing
	for l := range b.listeners {
		(*l).Hearing(hearing)
	}
}

// listen subscribes, again and again.
func (s *Store) listen(ctx context.Context) {
	wait := firstReconnect
	for ctx.Err() == nil {
		heard, err := s.hear(ctx)
		s.bus.deaf()
		if ctx.Err() != nil {
			return
		}
		if heard {
			wait = firstReconnect
			s.log.LogAttrs(ctx, slog.LevelWarn, "revocations of other replicas are not heard", slog.Any("err", err))
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, lastReconnect)
	}
}

// hear listens with one subscription until it is lost, and reports whether it
// has heard.
func (s *Store) hear(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	subscription := s.client.Subscribe(ctx)
	defer subscription.Close()
	// What ends a read is that its connection is closed.
	unhook := context.AfterFunc(ctx, func() { subscription.Close() })
	defer unhook()
	silence := time.AfterFunc(deafAfter, func() { cancel(errSilent) })
	defer silence.Stop()
	if err := subscription.Subscribe(ctx, s.names.channel()); err != nil {
		return false, fmt.Errorf("redis: subscribe: %w", spoken(err))
	}
	for {
		got, err := subscription.ReceiveTimeout(ctx, deafAfter)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return heard, fmt.Errorf("redis: listen: %w", spoken(err))
		}
		switch got := got.(type) {
		case *goredis.Subscription:
			s.spawn(func(life context.Context) { s.beat(life, ctx.Done()) })
		case *goredis.Message:
			if !s.receive(ctx, got.Payload) {
				continue
			}
			silence.Reset(deafAfter)
			if !heard {
				heard = true
				s.bus.hears()
				s.log.LogAttrs(ctx, slog.LevelInfo, "revocations of other replicas are heard")
				s.spawn(s.checkKeys)
			}
		}
	}
}

// receive passes a message on, and reports whether it is our own heartbeat.
func (s *Store) receive(ctx context.Context, text string) (own bool) {
	m, err := decode(text)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "malformed message ignored",
			slog.String("channel", s.names.channel()), slog.Int("bytes", len(text)))
		return false
	}
	s.bus.revoked(m.Revocation)
	return m.beat == s.bus.origin
}

// beat publishes heartbeats until done, in a cluster on one master after the
// other, as sessions' scripts publish what they revoke. That one is not heard
// says enough of its failure.
func (s *Store) beat(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for i := 0; ; i++ {
		_ = s.run(ctx, "publish heartbeat",
			call(s.scripts.publish, s.names.beat(i), s.names.channel(), beatMessage(s.bus.origin)))
		select {
		case <-ticker.C:
		case <-done:
			return
		}
	}
}
