package extauthz

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gateward/gateward"
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
	// methodNames are what checks are counted by: none, the authenticators, and
	// the methods of sessions.
	methodNames    []string
	sessionMethods []string
	finder         *credential.Finder
	headers        *headerSet
	variables      map[string]expressionVariable
	refusals       *refusals
	login          *login // nil if nobody can log in
	cache          *cache
	denylist       Denylist // nil if nobody can be disabled
	userIssuers    []string
	flights        singleflight.Group
	// pending bounds the verifications under way, by method; shadowing those
	// of rules in shadow mode.
	pending   []chan struct{}
	shadowing chan struct{}

	refuseAmbiguous    bool
	forwardCredentials bool
	expressions        bool // some rule has one

	requests sync.Pool // of *request
	counters engineCounters
	metrics  *telemetry.Metrics
	log      *slog.Logger
	now      func() time.Time
	epoch    time.Time // when the engine was made
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
	login, err := newLogin(cfg.Login)
	errs = append(errs, err)
	c := newRuleCompiler(expressions, authenticators, cfg.SessionMethods)
	c.builtin = c.loginService(login)
	configured := c.compile(cfg.Rules)
	c.openSlashes(configured, cfg.Required)
	e := &Engine{
		rules:          slices.Concat(c.builtin, configured, c.excluded(cfg.Exclude)),
		named:          map[string]*rule{},
		fallback:       c.fallback(cfg.Required),
		none:           c.newRule(ruleNone, AccessDeny),
		authenticators: authenticators,
		methodNames:    append([]string{"none"}, c.methodNames...),
		sessionMethods: cfg.SessionMethods,
		finder:         credential.NewFinder(cfg.CookieNames),
		headers:        headers,
		variables:      expressionVariables(),
		refusals:       newRefusals(cfg, o),
		login:          login,
		cache:          newCache(cfg.Cache),
		denylist:       o.Denylist,
		userIssuers:    cfg.UserIssuers,

		refuseAmbiguous:    cfg.RefuseAmbiguous,
		forwardCredentials: cfg.Upstream.ForwardCredentials,

		shadowing: make(chan struct{}, maxShadowing),

		counters: engineCounters{
			hit:      o.Metrics.CacheRequests("hit"),
			miss:     o.Metrics.CacheRequests("miss"),
			negative: o.Metrics.CacheRequests("negative"),
			panics:   o.Metrics.Panics(),
		},
		metrics: o.Metrics, log: o.Logger, now: o.Now, epoch: o.Now(), warnings: c.warnings,
	}
	for outcome := range e.counters.duration {
		e.counters.duration[outcome] = o.Metrics.CheckDuration(Outcome(outcome).String())
	}
	for _, r := range configured {
		e.named[r.name] = r
		e.expressions = e.expressions || r.when != nil
	}
	for range authenticators {
		e.pending = append(e.pending, make(chan struct{}, maxPending))
	}
	e.requests.New = func() any { return &request{} }
	if err := errors.Join(append(errs, c.errs...)...); err != nil {
		return nil, err
	}
	return e, nil
}

// instant is the time t, as the engine's clock told it. With a clock that has a
// monotonic reading, as [time.Now] does, an entry of the cache grows old although
// the clock is set back.
func (e *Engine) instant(t time.Time) instant {
	return instant{steady: e.epoch.UnixNano() + int64(t.Sub(e.epoch)), wall: t.UnixNano()}
}

// Warnings returns what is suspicious about the configuration and used all the
// same.
func (e *Engine) Warnings() []*gateward.ConfigError { return e.warnings }
