package extauthz

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/target"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
	"github.com/gateward/gateward/internal/telemetry"
	"github.com/gateward/gateward/methods"
)

// An Engine decides checks by one configuration. Safe for concurrent use.
type Engine struct {
	rules          []*rule // in the order in which they are tried
	named          map[string]*rule
	fallback       *rule
	none           *rule // counts what was answered before a rule was looked for
	authenticators []methods.Authenticator
	finder         *credential.Finder
	headers        *headerSet
	variables      map[string]expressionVariable
	refusals       *refusals
	cache          *cache
	flights        singleflight.Group

	refuseAmbiguous    bool
	forwardCredentials bool

	requests sync.Pool // of *request
	counters engineCounters
	metrics  *telemetry.Metrics
	log      *slog.Logger
	now      func() time.Time
	warnings []*gateward.ConfigError
}

type engineCounters struct {
	hit, miss, negative telemetry.Counter
	panics              telemetry.Counter
	duration            [OutcomeAllow + 1]telemetry.Histogram
}

// New returns an engine for cfg that asks authenticators in this order. The
// error joins a [gateward.ConfigError] for everything that is wrong with cfg.
func New(cfg Config, authenticators []methods.Authenticator, o Options) (*Engine, error) {
	headers, err := newHeaderSet(cfg.Upstream)
	errs := []error{err}
	expressions, err := newExpressionCompiler()
	if err != nil {
		return nil, err
	}
	c := &ruleCompiler{expressions: expressions}
	for _, a := range authenticators {
		c.methodNames = append(c.methodNames, a.Name())
	}
	configured := c.compile(cfg.Rules)
	e := &Engine{
		rules:          slices.Concat([]*rule{c.loginService()}, configured, c.excluded(cfg.Exclude)),
		named:          map[string]*rule{},
		fallback:       c.fallback(cfg.Required),
		none:           c.newRule(ruleNone, AccessDeny),
		authenticators: authenticators,
		finder:         credential.NewFinder(cfg.CookieNames),
		headers:        headers,
		variables:      expressionVariables(),
		refusals:       newRefusals(cfg, o),
		cache:          newCache(cfg.Cache),

		refuseAmbiguous:    cfg.RefuseAmbiguous,
		forwardCredentials: cfg.Upstream.ForwardCredentials,

		counters: engineCounters{
			hit:      o.Metrics.CacheRequests("hit"),
			miss:     o.Metrics.CacheRequests("miss"),
			negative: o.Metrics.CacheRequests("negative"),
			panics:   o.Metrics.Panics(),
		},
		metrics: o.Metrics, log: o.Logger, now: o.Now, warnings: c.warnings,
	}
	for outcome := range e.counters.duration {
		e.counters.duration[outcome] = o.Metrics.CheckDuration(Outcome(outcome).String())
	}
	for _, r := range configured {
		e.named[r.name] = r
	}
	e.requests.New = func() any { return &request{} }
	if err := errors.Join(append(errs, c.errs...)...); err != nil {
		return nil, err
	}
	return e, nil
}

// Warnings returns what is suspicious about the configuration and used all the
// same.
func (e *Engine) Warnings() []*gateward.ConfigError { return e.warnings }

// A request is a check on its way. It is reused, with its buffers.
type request struct {
	view    *wire.View
	now     time.Time
	target  target.Target
	host    []byte
	hostBuf []byte
	plain   bool

	authorization, cookies [][]byte

	// scratch, extra and metadata are buffers for the answer.
	scratch, extra, metadata []byte
	// decisionID is set once an answer carries it.
	decisionID string
}

// A decision is what becomes of a check.
type decision struct {
	reason Reason
	rule   *rule
	// who is the identity behind an allow, or what the credential was found
	// to be; nil if none was judged.
	who *resolved
	// judged is the credential that was looked at, whatever came of it.
	judged credential.Found
	err    error
}

// Decide answers one check. scanned is what [wire.Scan] had to say about the
// message, or why there is none. The context's deadline bounds the check; the
// answer is always in time, and always an answer: what cannot be decided is a
// fault.
func (e *Engine) Decide(ctx context.Context, v *wire.View, scanned error) wire.Encoded {
	q, _ := e.requests.Get().(*request)
	defer e.release(q)
	q.view, q.now = v, e.now()
	d := e.decide(ctx, q, scanned)
	answer := e.answer(q, &d)
	e.record(ctx, q, &d)
	return answer
}

func (e *Engine) release(q *request) {
	// Nothing of the message may be reachable from the pool.
	clear(q.authorization)
	clear(q.cookies)
	q.view, q.host, q.authorization, q.cookies, q.decisionID = nil, nil, q.authorization[:0], q.cookies[:0], ""
	e.requests.Put(q)
}

// decide canonicalises the request and asks its rule, or for an ambiguous
// target the rules of all its readings.
func (e *Engine) decide(ctx context.Context, q *request, scanned error) decision {
	if d, ok := e.canonicalise(q, scanned); !ok {
		return d
	}
	q.authorization = q.view.Values(q.authorization[:0], "authorization")
	q.cookies = q.view.Values(q.cookies[:0], "cookie")
	if q.view.RuleNamed {
		r := e.named[string(q.view.Rule)]
		if r == nil {
			return decision{reason: ReasonUnknownRule, rule: e.none}
		}
		path := q.target.Readings()[0]
		if !r.shadow {
			return e.apply(ctx, q, r, path)
		}
		e.shadow(ctx, q, r, path)
	}
	readings := q.target.Readings()
	d := e.byRules(ctx, q, readings[0])
	for _, path := range readings[1:] {
		if d.reason.Outcome() != OutcomeAllow {
			return d
		}
		// All let it pass, so any of them will do: the one that knows who it is.
		if next := e.byRules(ctx, q, path); next.reason.Outcome() != OutcomeAllow || next.who != nil && d.who == nil {
			d = next
		}
	}
	return d
}

// canonicalise fills in the host and target. Where it reports false, the
// decision is final.
func (e *Engine) canonicalise(q *request, scanned error) (decision, bool) {
	refuse := func(r Reason) (decision, bool) { return decision{reason: r, rule: e.none, err: scanned}, false }
	switch {
	case errors.Is(scanned, context.Canceled), errors.Is(scanned, context.DeadlineExceeded):
		return refuse(ReasonDeadline)
	case errors.Is(scanned, wire.ErrTooLarge):
		return refuse(ReasonHeadersTooLarge)
	case scanned != nil, len(q.view.Method) == 0:
		return refuse(ReasonMalformedRequest)
	case target.RefusedMethod(q.view.Method), hasLowerCase(q.view.Method):
		return refuse(ReasonHTTPMethodRefused)
	}
	host, ok := target.ParseHost(q.hostBuf[:0], q.view.Host)
	if !ok {
		return refuse(ReasonInvalidHost)
	}
	q.host, q.hostBuf = host, host
	q.target.Parse(q.view.Path)
	switch q.target.Class {
	case target.Plain:
		q.plain = true
	case target.Ambiguous:
		q.plain = false
		if e.refuseAmbiguous {
			return refuse(ReasonAmbiguousTarget)
		}
	case target.Hostile:
		return refuse(ReasonHostileTarget)
	default:
		return refuse(ReasonHostileTarget)
	}
	return decision{}, true
}

// hasLowerCase reports whether a method has a letter in lower case. Methods
// are case-sensitive and none has one: "post" would pass by every rule about
// POST, and might still be one to the upstream.
func hasLowerCase(method []byte) bool {
	return bytes.ContainsFunc(method, func(r rune) bool { return 'a' <= r && r <= 'z' })
}

// byRules applies the first rule that matches this reading of the target.
func (e *Engine) byRules(ctx context.Context, q *request, path []byte) decision {
	for _, r := range e.rules {
		if !r.matches(q.host, path, q.view.Method, q.plain) {
			continue
		}
		if r.shadow {
			e.shadow(ctx, q, r, path)
			continue
		}
		return e.apply(ctx, q, r, path)
	}
	return e.apply(ctx, q, e.fallback, path)
}

// shadow counts what a rule in shadow mode would have decided.
func (e *Engine) shadow(ctx context.Context, q *request, r *rule, path []byte) {
	d := e.apply(ctx, q, r, path)
	r.countShadow(e.metrics, d.reason)
}

// apply decides by one rule.
func (e *Engine) apply(ctx context.Context, q *request, r *rule, path []byte) decision {
	switch r.access {
	case AccessAnonymous:
		return decision{reason: ReasonAnonymous, rule: r}
	case AccessDeny:
		return decision{reason: ReasonRuleDenies, rule: r}
	case AccessOptional, AccessAuthenticated:
	}
	d := e.authenticate(ctx, q, r)
	if r.access == AccessOptional {
		if d.reason == ReasonNoCredential || r.ignoreInvalid && d.reason.invalid() {
			d.reason, d.who = ReasonAnonymous, nil
		}
		return d
	}
	if d.reason != ReasonIdentified {
		return d
	}
	if lack := r.require.CheckFacts(&d.who.facts); lack != admit.None {
		d.reason = lackReason(lack)
		return d
	}
	if r.when != nil {
		ok, err := r.when.eval(e.variables, &expressionScope{&d.who.identity, q, path})
		switch {
		case err != nil:
			d.reason, d.err = ReasonConditionError, err
		case !ok:
			d.reason = ReasonConditionFalse
		}
	}
	return d
}

// authenticate finds the credential that counts and has it judged.
func (e *Engine) authenticate(ctx context.Context, q *request, r *rule) decision {
	found, problem := e.finder.Find(q.authorization, q.cookies, r.kinds)
	d := decision{rule: r, judged: found}
	switch {
	case problem != credential.None:
		d.reason = problemReason(problem)
	case found.Value == nil:
		d.reason = ReasonNoCredential
	default:
		d.who = e.identify(ctx, q, found)
		d.reason, d.err = d.who.reason, d.who.err
	}
	return d
}
