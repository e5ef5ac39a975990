package extauthz

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
	"github.com/gateward/gateward/sessions"
)

// Bounds on waiting for a verdict on a credential.
const (
	// maxWait is waited when Envoy set no deadline or a longer one.
	maxWait = 5 * time.Second
	// answerMargin is kept of Envoy's deadline for the answer's way back, or a
	// quarter of it if that is less: past the deadline Envoy would decide by
	// itself.
	answerMargin = 20 * time.Millisecond
	// maxPending bounds the verifications under way of one method. It is a last
	// resort: a method bounds itself what it lets wait.
	maxPending = 4096
)

var (
	errNobodyClaims = fmt.Errorf("extauthz: no method knows such a credential: %w", gateward.ErrInvalidCredential)
	errOver         = fmt.Errorf("extauthz: over before the verdict: %w", gateward.ErrInvalidCredential)
	errDeadline     = errors.New("extauthz: no verdict in time")
	errOverloaded   = errors.New("extauthz: too many verifications under way")
	errPanic        = errors.New("extauthz: authenticator panicked")
)

// A resolved is what a credential turned out to be, with everything of the
// answer that depends on nothing else ready-made. It is immutable.
type resolved struct {
	// reason is ReasonIdentified, or why there is no identity.
	reason Reason
	// err is what the operator reads when there is no identity.
	err error
	// identity may also be there with ReasonNotAdmitted, to be told; it counts
	// for nothing.
	identity gateward.Identity
	facts    admit.Facts
	// keys are those by which the identity can be denied ([Engine.standing]);
	// person: somebody who logs in may be behind it.
	keys   []sessions.Key
	person bool
	// method is the index of the method's name; see Engine.methodNames.
	method int
	// headers are the fields of an OkHttpResponse that set the identity
	// headers; metadata are fields of the dynamic metadata.
	headers, metadata []byte
}

// same reports whether two identities are of one caller. Subjects are unique
// only within their issuer, and without one within their method.
func (r *resolved) same(o *resolved) bool {
	return r == o || r.identity.Principal == o.identity.Principal && r.identity.Method == o.identity.Method
}

// identify returns what the credential is, from the cache or from the method
// that claims it. It never returns nil.
func (e *Engine) identify(ctx context.Context, q *request, f credential.Found) *resolved {
	key := keyOf(f.Scheme, f.Value)
	r, generation := e.cache.get(&key, e.instant(q.now))
	if r != nil {
		if r.reason == ReasonIdentified {
			e.counters.hit.Inc()
		} else {
			e.counters.negative.Inc()
		}
		return r
	}
	e.counters.miss.Inc()
	return e.verify(ctx, q, &flight{e: e, key: key, generation: generation, credential: credentialOf(f)})
}

func credentialOf(f credential.Found) gateward.Credential {
	return gateward.Credential{Scheme: f.Scheme, Value: gateward.NewSecret(string(f.Value))}
}

// A flight is a verification for all who ask for the same at the same time.
type flight struct {
	e   *Engine
	key cacheKey
	// generation is that of the cache before the flight: who asks after a
	// revocation does not join a flight from before it.
	generation uint64
	// whole: the identity is wanted with what the cache does not keep, and is
	// not put there.
	whole      bool
	credential gateward.Credential
}

// A landing is the end of a flight.
type landing struct {
	*resolved
	began time.Time
}

// over reports whether the identity that was found has ended by now: who joined
// late, or waited long, must not have it.
func (l *landing) over(now time.Time) bool {
	end := l.identity.Expiry
	return l.reason == ReasonIdentified && !end.IsZero() && !end.After(now)
}

// name is the same for flights that one can stand in for the other.
func (f *flight) name() string {
	b := make([]byte, 0, len(f.key.hash)+10)
	b = append(append(b, f.key.hash[:]...), byte(f.key.scheme), 0)
	if f.whole {
		b[len(b)-1] = 1
	}
	return string(binary.BigEndian.AppendUint64(b, f.generation))
}

func (f *flight) fly(ctx context.Context) landing {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
	defer cancel()
	l := landing{began: f.e.now()}
	l.resolved = f.e.judge(ctx, f.credential, f.whole)
	if !f.whole {
		f.e.cache.put(&f.key, l.resolved, f.generation, f.e.instant(l.began))
	}
	return l
}

// verify has the credential judged, once for all who ask at the same time. The
// judgement outlives the request that began it, so that a client that goes
// away spoils it for nobody and its result is kept.
func (e *Engine) verify(ctx context.Context, q *request, f *flight) *resolved {
	timer := time.NewTimer(e.patience(q))
	defer timer.Stop()
	for again := true; ; again = false {
		verdict := e.flights.DoChan(f.name(), func() (any, error) { return f.fly(ctx), nil })
		select {
		case v := <-verdict:
			l := v.Val.(landing) //nolint:errcheck,forcetypeassert // the function above returns nothing else
			if again && (l.over(e.now()) || l.revocable() && e.cache.stale(e.instant(l.began).steady, e.instant(q.now).steady)) {
				continue // it began too long before this request; any other begins after it
			}
			if l.over(e.now()) {
				return &resolved{reason: ReasonInvalidCredential, err: errOver, method: l.method}
			}
			return l.resolved
		case <-timer.C:
			return &resolved{reason: ReasonDeadline, err: errDeadline}
		case <-ctx.Done():
			return &resolved{reason: ReasonDeadline, err: fmt.Errorf("extauthz: caller gone: %w", ctx.Err())}
		}
	}
}

// due is when the answer to a check that arrived now has to be ready.
func due(ctx context.Context, now time.Time) time.Time {
	wait := maxWait
	if deadline, ok := ctx.Deadline(); ok {
		left := deadline.Sub(now)
		wait = min(wait, left-min(answerMargin, left/4))
	}
	return now.Add(wait)
}

// patience is how long the check may still take.
func (e *Engine) patience(q *request) time.Duration { return q.deadline.Sub(e.now()) }

// judge asks the first method that claims the credential. A panic is answered
// like any other failure of ours: this runs outside of the request's goroutine,
// where nothing else would catch it.
func (e *Engine) judge(ctx context.Context, c gateward.Credential, whole bool) (r *resolved) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(ctx, v, debug.Stack())
			r = &resolved{reason: ReasonInternal, err: errPanic}
		}
	}()
	for i, a := range e.authenticators {
		if !a.Claims(c) {
			continue
		}
		select {
		case e.pending[i] <- struct{}{}:
			defer func() { <-e.pending[i] }()
		default:
			return &resolved{reason: ReasonOverloaded, err: errOverloaded, method: i + 1}
		}
		id, err := a.Authenticate(ctx, c)
		if err != nil {
			return e.resolveError(id, err, i+1)
		}
		return e.resolve(id, e.methodOf(&id, i+1), whole)
	}
	return &resolved{reason: ReasonInvalidCredential, err: errNobodyClaims}
}

// errorReason decides whose fault an authenticator's error is. What is not
// plainly the client's is ours.
func errorReason(err error) Reason {
	switch {
	case errors.Is(err, gateward.ErrUnavailable):
		return ReasonUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return ReasonDeadline
	case errors.Is(err, gateward.ErrInvalidCredential):
		return ReasonInvalidCredential
	case errors.Is(err, gateward.ErrNotAdmitted):
		return ReasonNotAdmitted
	}
	return ReasonInternal
}

// resolveError keeps what a method had to say instead of an identity. Who is
// known and not admitted is told so by name.
func (e *Engine) resolveError(id gateward.Identity, err error, method int) *resolved {
	r := &resolved{reason: errorReason(err), err: err, method: method}
	if r.reason == ReasonNotAdmitted {
		id.Claims, id.Metadata = nil, nil
		r.identity = id
	}
	return r
}

// resolve prepares an identity for its checks.
func (e *Engine) resolve(id gateward.Identity, method int, whole bool) *resolved {
	headers, err := e.headers.encode(&id)
	if err != nil {
		return &resolved{reason: ReasonIdentityTooLarge, err: err, method: method}
	}
	meta := wire.AppendMetadataString(nil, "subject", printable(id.Subject))
	meta = wire.AppendMetadataString(meta, "method", printable(id.Method))
	if id.SessionID != "" {
		meta = wire.AppendMetadataString(meta, "session_id", printable(id.SessionID))
	}
	if len(id.Scopes) > 0 {
		scopes := make([]string, len(id.Scopes))
		for i, s := range id.Scopes {
			scopes[i] = printable(s)
		}
		meta = wire.AppendMetadataList(meta, "scopes", scopes)
	}
	if !e.expressions && !whole { // expressions alone look at these, and a cache is full of them
		id.Claims, id.Metadata = nil, nil
	}
	r := &resolved{reason: ReasonIdentified, identity: id, method: method, headers: headers, metadata: meta}
	r.facts = admit.NewFacts(&r.identity)
	r.keys, r.person = e.deniable(&r.identity)
	return r
}

// printable is s in the form in which it appears in headers: ASCII without
// controls, which every log format carries.
func printable(s string) string { return joinValues([]string{s}, false) }
