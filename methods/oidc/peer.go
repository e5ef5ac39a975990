package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// retryInterval is the least time between two attempts at new metadata while
	// there is old metadata to go on with.
	retryInterval = 10 * time.Second
	// firstRetryInterval is the same while there is none, and everybody who wants
	// to log in waits for it.
	firstRetryInterval = 3 * time.Second
)

// origin is all that one peer depends on. Its name is part of it because requests
// are reported under that name.
type origin struct {
	provider, issuer, discoveryURL string
	algorithms                     string
	ttl                            time.Duration
	authorities                    [sha256.Size]byte
}

// peer is what is known of a provider whatever we want of it: its metadata and
// its keys. It is made once and used by the methods of several configurations, and
// ends with its last user.
type peer struct {
	origin origin
	// client is for documents, tokens for requests that carry secrets.
	client, tokens *http.Client
	keyConfig      keyset.RemoteConfig
	logger         *slog.Logger
	now            func() time.Time
	onRequest      func(operation string, ok bool)
	// style is how the token endpoint has been found to want our secret, where
	// its metadata does not say.
	style atomic.Int32

	ctx    context.Context //nolint:containedctx // of the background, not of a call
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	known   *metadata // nil before the first success
	fetched time.Time // when known was
	failed  time.Time // end of the last attempt, if that was unsuccessful
	failure error     // of the last attempt, nil if that was successful
	pending *attempt  // in flight, or nil
	keys    *keyset.Remote
	users   int
}

// attempt is one request for metadata, which any number of callers wait for.
type attempt struct {
	done chan struct{}
	err  error // set before done is closed
}

// peerUse is one use of a peer.
type peerUse struct {
	*peer
	closing sync.Once
}

// newPeer returns the first use of a new peer.
func newPeer(ctx context.Context, provider string, s *settings, ttl time.Duration, o Options) *peerUse {
	p := &peer{
		origin: originOf(provider, s, ttl),
		logger: o.Logger.With(slog.String("provider", provider)),
		now:    o.Now,
		onRequest: func(operation string, ok bool) {
			if o.OnRequest != nil {
				o.OnRequest(provider, operation, ok)
			}
		},
		users: 1,
	}
	transport := o.Transport
	if transport == nil {
		transport = outbound.NewTransport(requestTimeout, s.roots, strings.HasPrefix(s.discoveryURL, "http:"))
	}
	p.client, p.tokens = newClient(transport), newTokenClient(transport)
	p.keyConfig = keyset.RemoteConfig{
		Algorithms: s.Algorithms, RootCAs: s.roots, Logger: p.logger, Now: o.Now, Transport: o.Transport,
		OnRefresh: func(ok bool, _ time.Time) { p.onRequest(opKeys, ok) },
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return &peerUse{peer: p}
}

func originOf(provider string, s *settings, ttl time.Duration) origin {
	return origin{
		provider: provider, issuer: s.IssuerURL, discoveryURL: s.discoveryURL, ttl: ttl,
		algorithms: strings.Join(s.Algorithms, " "), authorities: sha256.Sum256([]byte(s.authorities)),
	}
}

// share returns one more use of the method's peer of that origin, or nil if it
// has none that goes on. The method may be nil.
func (m *Method) share(o origin) *peerUse {
	if m == nil {
		return nil
	}
	for _, p := range m.providers {
		if p.peer.origin == o && p.peer.acquire() {
			return &peerUse{peer: p.peer.peer}
		}
	}
	return nil
}

// acquire adds a user, unless the peer has ended.
func (p *peer) acquire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 || p.ctx.Err() != nil {
		return false
	}
	p.users++
	return true
}

// Close ends this use, and the peer with its last use.
func (u *peerUse) Close() {
	u.closing.Do(func() {
		u.mu.Lock()
		u.users--
		last := u.users == 0
		u.mu.Unlock()
		if !last {
			return
		}
		u.cancel()
		u.work.Wait()
		if keys := u.keySet(); keys != nil {
			keys.Close()
		}
	})
}

// metadata returns what the provider says of itself: as it was, if that is not
// older than the TTL or the provider does not answer. Who waits for an answer may
// go away without the others noticing. Errors wrap [gateward.ErrUnavailable]; one
// serves for a while, so that strangers who begin logins are not a stream of
// requests to a provider that is down.
func (p *peer) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known, now := p.known, p.now()
	switch {
	case known != nil && (now.Sub(p.fetched) < p.origin.ttl || now.Sub(p.failed) < retryInterval):
		p.mu.Unlock()
		return known, nil
	case known == nil && p.failure != nil && now.Sub(p.failed) < firstRetryInterval:
		defer p.mu.Unlock()
		return nil, p.unavailable(p.failure)
	}
	a := p.start()
	p.mu.Unlock()

	var err error
	select {
	case <-a.done:
		err = a.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	return nil, p.unavailable(err)
}

func (p *peer) unavailable(err error) error {
	return fmt.Errorf("oidc: ask provider %s for its metadata: %w: %w", p.origin.provider, gateward.ErrUnavailable, err)
}

// start returns the attempt in flight, or starts one. mu is held.
func (p *peer) start() *attempt {
	if p.pending != nil {
		return p.pending
	}
	a := &attempt{done: make(chan struct{})}
	if p.users == 0 || p.ctx.Err() != nil {
		a.err = errors.New("closed")
		close(a.done)
		return a
	}
	p.pending = a
	p.work.Go(func() { p.discover(a) })
	return a
}

// discover makes one attempt.
func (p *peer) discover(a *attempt) {
	m, err := p.fetch(p.ctx)
	closing := p.ctx.Err() != nil // nobody's failure
	if !closing {
		p.onRequest(opDiscovery, err == nil)
	}
	if err != nil && !closing {
		p.logger.LogAttrs(p.ctx, slog.LevelWarn, "provider discovery unsuccessful", slog.Any("err", err))
	}
	p.mu.Lock()
	old := p.settle(m, err)
	a.err, p.pending = p.failure, nil
	close(a.done)
	p.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// settle keeps what an attempt has brought, and returns the key set that it
// replaces, if any. mu is held.
func (p *peer) settle(m *metadata, err error) (old *keyset.Remote) {
	if err == nil && (p.known == nil || p.known.keysURL != m.keysURL) {
		c := p.keyConfig
		c.URL = m.keysURL
		var keys *keyset.Remote
		if keys, err = keyset.NewRemote(p.ctx, c); err == nil {
			old, p.keys = p.keys, keys
		}
	}
	if err != nil {
		p.failed, p.failure = p.now(), err
		return nil
	}
	p.known, p.fetched, p.failed, p.failure = m, p.now(), time.Time{}, nil
	return old
}

func (p *peer) fetch(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	document, err := getJSON(ctx, p.client, p.origin.discoveryURL, gateward.Secret{})
	if err != nil {
		return nil, err
	}
	return newMetadata(document, p.origin.issuer)
}

// keySet returns the provider's keys, nil before its metadata is known.
func (p *peer) keySet() *keyset.Remote {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys
}

// metadata is a provider's own description (OpenID Connect Discovery §3), as far
// as it is of use here. It is immutable.
type metadata struct {
	authorizationURL, tokenURL, keysURL string
	userinfoURL, endSessionURL          string // may be ""
	// answersWithIssuer: callbacks have the parameter iss (RFC 9207 §3).
	answersWithIssuer bool
	// style is AutoDetect if the provider does not say.
	style oauth2.AuthStyle
}

// newMetadata reads a document, whose issuer must be the configured one exactly:
// whoever answers for another could pass that one's people off as its own.
func newMetadata(document map[string]any, issuer string) (*metadata, error) {
	if got, ok := document["issuer"].(string); !ok || got != issuer {
		return nil, fmt.Errorf("metadata is of issuer %.200q, configured is %q; the two must be equal to the last character", got, issuer)
	}
	m := &metadata{style: styleOf(document["token_endpoint_auth_methods_supported"])}
	m.answersWithIssuer, _ = document["authorization_response_iss_parameter_supported"].(bool)
	plain := strings.HasPrefix(issuer, "http:")
	for _, e := range []struct {
		name     string
		to       *string
		required bool
	}{
		{"authorization_endpoint", &m.authorizationURL, true},
		{"token_endpoint", &m.tokenURL, true},
		{"jwks_uri", &m.keysURL, true},
		{"userinfo_endpoint", &m.userinfoURL, false},
		{"end_session_endpoint", &m.endSessionURL, false},
	} {
		v, present := document[e.name]
		if !present && !e.required {
			continue
		}
		s, _ := v.(string)
		u, err := outbound.ParseAddress(s)
		if err != nil {
			return nil, fmt.Errorf("metadata: %s %w", e.name, err)
		}
		// A provider elsewhere has no business with this machine's own services.
		if u.Scheme == "http" && !plain {
			return nil, fmt.Errorf("metadata: %s is plain http; https is needed", e.name)
		}
		*e.to = s
	}
	return m, nil
}

// styleOf returns how our secret goes to the token endpoint. Without a list,
// client_secret_basic is meant (OpenID Connect Discovery §3), and not always true.
func styleOf(v any) oauth2.AuthStyle {
	list, _ := v.([]any)
	style := oauth2.AuthStyleAutoDetect
	for _, m := range list {
		switch m {
		case "client_secret_basic":
			return oauth2.AuthStyleInHeader
		case "client_secret_post":
			style = oauth2.AuthStyleInParams
		}
	}
	return style
}
