package extauthz

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/telemetry"
)

// answer encodes a decision.
func (e *Engine) answer(q *request, d *decision) wire.Encoded {
	if d.reason.Outcome() == OutcomeAllow {
		if answer, ok := e.allow(q, d); ok {
			return answer
		}
		d.reason = ReasonMalformedRequest
	}
	return e.refuse(q, d)
}

// record counts and logs a decision.
func (e *Engine) record(ctx context.Context, q *request, d *decision) {
	outcome := d.reason.Outcome()
	method := 0
	if d.who != nil {
		method = d.who.method
	}
	d.rule.count(e, method, d.reason)
	took := e.now().Sub(q.now)
	e.counters.duration[outcome].Observe(took.Seconds())

	level := slog.LevelDebug
	switch outcome {
	case OutcomeAllow:
	case OutcomeDeny:
		level = slog.LevelInfo
	case OutcomeFault:
		level = slog.LevelError
	}
	if !e.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("outcome", outcome.String()), slog.String("reason", d.reason.String()),
		slog.String("rule", d.rule.name), slog.String("auth_method", e.methodNames[method]),
		slog.String("http_method", clip(q.view.Method, 32)), slog.String("host", loggableHost(q.view.Host)),
		slog.String("path", loggable(q.view.Path, 256)), slog.String("peer", clip(q.view.SourceAddress, 64)),
		slog.String("request_id", q.requestID()), slog.String("stream_id", clip(q.view.StreamID, 32)),
		slog.Float64("duration_s", took.Seconds()))
	if q.decisionID != "" {
		attrs = append(attrs, slog.String("decision_id", q.decisionID))
	}
	if d.who != nil && d.who.reason == ReasonIdentified && e.log.Enabled(ctx, slog.LevelDebug) {
		attrs = append(attrs, slog.String("subject", d.who.identity.Subject), slog.String("issuer", d.who.identity.Issuer))
	}
	if d.err != nil {
		attrs = append(attrs, slog.String("err", clip([]byte(d.err.Error()), 512)))
	}
	e.log.LogAttrs(ctx, level, "check", attrs...)
}

// panicked counts and logs a panic that was recovered.
func (e *Engine) panicked(ctx context.Context, v any, stack []byte) {
	e.counters.panics.Inc()
	attrs := []slog.Attr{slog.String("stack", string(stack))}
	if err, ok := v.(runtime.Error); ok {
		// Any other value could be made of the request.
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	e.log.LogAttrs(ctx, slog.LevelError, "panic recovered", attrs...)
}

// methodOf is the index of the name of the method that established an identity,
// for which an authenticator vouched.
func (e *Engine) methodOf(id *gateward.Identity, authenticator int) int {
	if i := slices.Index(e.methodNames[1:], id.Method); i >= 0 {
		return i + 1
	}
	return authenticator
}

// count counts a check that this rule decided. The counter is looked up the
// first time.
func (r *rule) count(e *Engine, method int, reason Reason) {
	slot := &r.counters[method][reason]
	countIn(slot, func() telemetry.Counter {
		return e.metrics.Checks(r.name, e.methodNames[method], reason.Outcome().String(), reason.String())
	})
}

// countShadow counts what the rule would have decided.
func (r *rule) countShadow(m *telemetry.Metrics, reason Reason) {
	countIn(&r.shadowed[reason], func() telemetry.Counter {
		return m.ShadowChecks(r.name, reason.Outcome().String(), reason.String())
	})
}

func countIn(slot *atomic.Pointer[telemetry.Counter], find func() telemetry.Counter) {
	c := slot.Load()
	if c == nil {
		found := find()
		c = &found
		slot.Store(c)
	}
	(*c).Inc()
}

// clip is at most n bytes of b.
func clip(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}

// withoutQuery is a target without its query.
func withoutQuery(target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte("?"))
	return path
}

// loggable is at most n bytes of a target without what may hold secrets: it
// ends where a query or parameters begin, encoded or not.
func loggable(target []byte, n int) string {
	for i, c := range target {
		switch c {
		case '?':
			return clip(target[:i], n)
		case '#', ';':
			return clip(target[:i], n) + "…"
		case '%':
			if len(target) > i+2 && strings.Contains("23 25 26 3b 3d 3f", strings.ToLower(string(target[i+1:i+3]))) {
				return clip(target[:i], n) + "…"
			}
		}
	}
	return clip(target, n)
}

// loggableHost is the host that was asked for, without user information.
func loggableHost(host []byte) string {
	return clip(host[bytes.LastIndexByte(host, '@')+1:], 128)
}
