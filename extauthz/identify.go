package extauthz

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
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
	err      error
	identity gateward.Identity
	facts    admit.Facts
	// method is the index of the method's counters; see rule.count.
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
	var key cacheKey
	key, q.scratch = keyOf(q.scratch, f.Scheme, f.Value)
	if r := e.cache.get(&key, q.now.UnixNano()); r != nil {
		if r.reason == ReasonIdentified {
			e.counters.hit.Inc()
		} else {
			e.counters.negative.Inc()
		}
		return r
	}
	e.counters.miss.Inc()
	return e.verify(ctx, q, key, gateward.Credential{Scheme: f.Scheme, Value: gateward.NewSecret(string(f.Value))})
}

// verify has the credential judged, once for all who ask at the same time. The
// judgement outlives the request that began it, so that a client that goes
// away spoils it for nobody and its result is kept.
func (e *Engine) verify(ctx context.Context, q *request, key cacheKey, c gateward.Credential) *resolved {
	verdict := e.flights.DoChan(string(key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
		defer cancel()
		r := e.judge(ctx, c)
		e.cache.put(&key, r, e.now().UnixNano())
		return r, nil
	})
	timer := time.NewTimer(e.patience(q))
	defer timer.Stop()
	select {
	case v := <-verdict:
		return v.Val.(*resolved) //nolint:errcheck,forcetypeassert // the function above returns nothing else
	case <-timer.C:
		return &resolved{reason: ReasonDeadline, err: errDeadline}
	case <-ctx.Done():
		return &resolved{reason: ReasonDeadline, err: fmt.Errorf("extauthz: caller gone: %w", ctx.Err())}
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
func (e *Engine) judge(ctx context.Context, c gateward.Credential) (r *resolved) {
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
			return &resolved{reason: errorReason(err), err: err, method: i + 1}
		}
		return e.resolve(id, i+1)
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

// resolve prepares an identity for its checks.
func (e *Engine) resolve(id gateward.Identity, method int) *resolved {
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
	if !e.expressions { // which alone look at these, and a cache is full of them
		id.Claims, id.Metadata = nil, nil
	}
	r := &resolved{reason: ReasonIdentified, identity: id, method: method, headers: headers, metadata: meta}
	r.facts = admit.NewFacts(&r.identity)
	return r
}

// printable is s in the form in which it appears in headers: ASCII without
// controls, which every log format carries.
func printable(s string) string { return joinValues([]string{s}, false) }
