package keyset

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
)

const (
	// maxStale is how long keys are used after the last successful fetch while
	// their source is down.
	maxStale = 24 * time.Hour
	// cooldown is the least time between two fetches that tokens can cause which
	// no key verifies.
	cooldown = 30 * time.Second
	// maxWaiting bounds the tokens with unknown keys that wait for a fetch.
	// Anybody can make up such: they must not pile up behind a source that hangs.
	maxWaiting = 256
	// minRetry and maxRetry bound the time between attempts while the source is
	// down. Requests without any key may shorten it to minRetry.
	minRetry = time.Second
	maxRetry = time.Minute
)

// RemoteConfig is what a [Remote] is made of. URL, Algorithms, Logger and Now
// are required.
type RemoteConfig struct {
	// URL is the address of the JWK set: https, or http on a loopback host.
	URL string
	// RootCAs verify the server's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// Algorithms is the allow-list, of names that [Algorithms] returns.
	Algorithms []string

	Logger *slog.Logger
	Now    func() time.Time
	// OnRefresh, if set, hears how every fetch ended and when. It is called from
	// one goroutine and must not block.
	OnRefresh func(ok bool, at time.Time)
	// Transport replaces the connections of its own, and with them the checks of
	// the address that is dialled. For tests.
	Transport http.RoundTripper
}

// Remote verifies with a JWK set that it fetches when first asked, caches and
// refreshes in the background before it goes stale. While the address cannot be
// reached the last keys serve for up to 24 hours; without any, Verify returns
// [gateward.ErrUnavailable]. It is safe for concurrent use, and at most one
// fetch runs at a time.
type Remote struct {
	fetcher    fetcher
	algorithms []string
	logger     *slog.Logger
	now        func() time.Time
	onRefresh  func(ok bool, at time.Time)

	current atomic.Pointer[snapshot] // nil until the first success
	waiting atomic.Int64             // calls of refresh that wait
	cancel  context.CancelFunc
	done    chan struct{} // closed when the background goroutine has ended
	wake    chan struct{} // asks it for an attempt; filled only with mu held

	mu sync.Mutex
	// pending is closed when the attempt that runs or has been asked for is
	// over; nil if there is none.
	pending  chan struct{}
	ended    time.Time // of the last attempt
	failures int       // attempts since the last success
	asked    time.Time // last attempt caused by a token that no key verifies
	ignored  string    // what was last logged about ignored keys
}

// snapshot is one fetched key set.
type snapshot struct {
	keys *keys
	at   time.Time
}

// NewRemote returns a source for the set at c.URL. It does not fetch yet, so
// that an unreachable address does not stop a start. Its goroutine ends with ctx
// or Close, whichever is first.
func NewRemote(ctx context.Context, c RemoteConfig) (*Remote, error) {
	if err := checkAlgorithms(c.Algorithms); err != nil {
		return nil, err
	}
	f, err := newFetcher(c)
	if err != nil {
		return nil, err
	}
	r := &Remote{
		fetcher:    f,
		algorithms: slices.Clone(c.Algorithms),
		logger:     c.Logger,
		now:        c.Now,
		onRefresh:  c.OnRefresh,
		done:       make(chan struct{}),
		wake:       make(chan struct{}, 1),
	}
	ctx, r.cancel = context.WithCancel(ctx)
	go r.run(ctx)
	return r, nil
}

// Close implements [Source]. Keys that are there already keep serving.
func (r *Remote) Close() {
	r.cancel()
	<-r.done
}

// Verify implements [Source]. A token that no key of the set verifies causes one
// fetch per cooldown, which this call and all others wait for: its key may be
// newer than the set, under a key id of its own or of the key that it replaces.
// Within the cooldown the token is refused at once. While the source is down so
// is a token whose key id the set has, without waiting; for another one Verify
// returns [gateward.ErrUnavailable].
func (r *Remote) Verify(ctx context.Context, j *JWS) error {
	if err := check(j, r.algorithms); err != nil {
		return err
	}
	s, fresh, err := r.usable(ctx)
	if err != nil {
		return err
	}
	v := s.keys.verify(j)
	if v != verified && !fresh && (v == unknownKey || !r.down()) {
		err = r.refresh(ctx)
		if latest := r.current.Load(); !latest.keys.agrees(s.keys, j) {
			v = latest.keys.verify(j)
		}
	}
	switch {
	case v == verified:
		return nil
	case v == unknownKey && err != nil:
		return err
	}
	return invalid("signature does not verify with any key of the set")
}

// usable returns keys that are not too old, waiting for a fetch if there are
// none; fresh says that it did.
func (r *Remote) usable(ctx context.Context) (s *snapshot, fresh bool, err error) {
	if s := r.usableNow(); s != nil {
		return s, false, nil
	}
	if attempt := r.ask(false); attempt != nil {
		if err := r.wait(ctx, attempt); err != nil {
			return nil, false, err
		}
	}
	if s := r.usableNow(); s != nil {
		return s, true, nil
	}
	return nil, false, unavailable("no keys yet")
}

func (r *Remote) usableNow() *snapshot {
	if s := r.current.Load(); s != nil && r.now().Sub(s.at) <= maxStale {
		return s
	}
	return nil
}

// refresh returns when there is nothing more to be learned about a token that no
// key verifies: nil when the set is as the source has it, give or take the
// cooldown, and [gateward.ErrUnavailable] when the source could not be asked or
// too many wait for its answer.
func (r *Remote) refresh(ctx context.Context) error {
	if attempt := r.ask(true); attempt != nil {
		defer r.waiting.Add(-1)
		if r.waiting.Add(1) > maxWaiting {
			return unavailable("too many tokens with unknown keys wait")
		}
		if err := r.wait(ctx, attempt); err != nil {
			return err
		}
	}
	if r.down() {
		return unavailable("unknown key, and its source is unreachable")
	}
	return nil
}

// down reports whether the last attempt was unsuccessful.
func (r *Remote) down() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures > 0
}

// ask returns the attempt to wait for: the one in flight, or a new one unless it
// is too soon, and then nil.
func (r *Remote) ask(unverified bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending != nil {
		return r.pending
	}
	now := r.now()
	if r.failures > 0 && now.Sub(r.ended) < minRetry {
		return nil
	}
	if unverified {
		if now.Sub(r.asked) < cooldown {
			return nil
		}
		r.asked = now
	}
	r.pending = make(chan struct{})
	r.wake <- struct{}{} // never blocks: it is drained before pending is cleared
	return r.pending
}

// wait returns nil when the attempt is over, whatever came of it. It does not
// outlive ctx, and an attempt does not depend on who waits for it.
func (r *Remote) wait(ctx context.Context, attempt <-chan struct{}) error {
	select {
	case <-attempt:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("keyset: wait for keys: %w: %w", gateward.ErrUnavailable, ctx.Err())
	case <-r.done:
		return unavailable("closed")
	}
}

func unavailable(reason string) error {
	return fmt.Errorf("keyset: %s: %w", reason, gateward.ErrUnavailable)
}

// run makes one attempt after another: when asked, and on its own from the first
// time on.
func (r *Remote) run(ctx context.Context) {
	defer close(r.done)
	defer r.fetcher.client.CloseIdleConnections()
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		}
		timer.Reset(r.attempt(ctx))
	}
}

// attempt fetches the set once and returns when to do so again.
func (r *Remote) attempt(ctx context.Context) time.Duration {
	r.mu.Lock()
	if r.pending == nil {
		r.pending = make(chan struct{})
	}
	select {
	case <-r.wake: // asked for while the timer fired: this is that attempt
	default:
	}
	r.mu.Unlock()

	all, ignored, fresh, err := r.fetcher.fetch(ctx)
	now := r.now()
	if err == nil {
		r.current.Store(&snapshot{keys: newKeys(all), at: now})
	}

	closing := ctx.Err() != nil // nobody's failure
	if !closing {
		// Before anybody goes on who has waited: what they see of it is told.
		r.report(err, len(all), ignored, now)
	}
	r.mu.Lock()
	r.ended = now
	if err == nil {
		r.failures = 0
	} else {
		r.failures++
	}
	failures := r.failures
	close(r.pending)
	r.pending = nil
	r.mu.Unlock()

	if closing {
		return maxRetry
	}
	if err != nil {
		return retryAfter(failures)
	}
	return fresh / 5 * 4 // before it goes stale
}

// report tells the observer and the log. It is called by one goroutine only.
func (r *Remote) report(err error, usable int, ignored []string, now time.Time) {
	if r.onRefresh != nil {
		r.onRefresh(err == nil, now)
	}
	if err != nil {
		r.logger.Warn("jwks refresh unsuccessful", slog.String("url", r.fetcher.label), slog.Any("err", err))
		return
	}
	// Providers publish keys that are not for us as a matter of course: say it
	// once, not at every refresh.
	text := strings.Join(ignored, "; ")
	if text != r.ignored && text != "" {
		r.logger.Warn("jwks keys ignored", slog.String("url", r.fetcher.label), slog.String("keys", text))
	}
	r.ignored = text
	if usable == 0 {
		r.logger.Warn("jwks holds no usable key", slog.String("url", r.fetcher.label))
	}
}

// retryAfter doubles from minRetry to maxRetry.
func retryAfter(failures int) time.Duration {
	d := minRetry
	for i := 1; i < failures && d < maxRetry; i++ {
		d *= 2
	}
	return min(d, maxRetry)
}
