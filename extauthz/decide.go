package extauthz

import (
	"bytes"
	"context"

	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
)

// decide asks the rule of every reading of the target, or the one that the
// route names.
func (e *Engine) decide(ctx context.Context, q *request, scanned error) decision {
	if d, ok := e.canonicalise(q, scanned); !ok {
		return d
	}
	if q.view.RuleNamed {
		r := e.named[string(q.view.Rule)]
		switch {
		case r == nil:
			return decision{reason: ReasonUnknownRule, rule: e.none}
		case r.shadow:
			for _, path := range q.target.Readings() {
				q.noteShadow(r, path)
			}
		default:
			return e.byName(ctx, q, r)
		}
	}
	readings := q.target.Readings()
	r := e.match(q, readings[0])
	d := e.apply(ctx, q, r, readings[0])
	for _, path := range readings[1:] {
		next := e.match(q, path)
		if next == r && !r.dependsOnPath() {
			continue
		}
		if d = e.both(ctx, q, d, next, path); !d.allows() {
			break
		}
		r = next
	}
	return d
}

// byName decides by the rule that the route names. The route was chosen by
// Envoy, perhaps from the path as it was sent. Where the path can be read in
// another way, a rule that loosens counts only if the other way is but another
// spelling, and configured rules that protect it count too.
func (e *Engine) byName(ctx context.Context, q *request, r *rule) decision {
	if !q.plain && r.loosens() {
		return decision{reason: ReasonAmbiguousTarget, rule: r}
	}
	sent := withoutQuery(q.view.Path)
	readings := q.target.Readings()
	d := e.apply(ctx, q, r, readings[0])
	for i, path := range readings {
		if i > 0 && r.dependsOnPath() {
			d = e.both(ctx, q, d, r, path)
		}
		if bytes.Equal(path, sent) {
			continue
		}
		if other := e.matchPath(q, path); other != nil && other != r {
			d = e.both(ctx, q, d, other, path)
		}
		if !d.allows() {
			break
		}
	}
	return d
}

// both is d, unless rule r decides otherwise for this reading: a request
// passes only if all of them let it, and as one and the same caller.
func (e *Engine) both(ctx context.Context, q *request, d decision, r *rule, path []byte) decision {
	if !d.allows() {
		return d
	}
	next := e.apply(ctx, q, r, path)
	switch {
	case !next.allows():
		return next
	case d.who != nil && next.who != nil && !d.who.same(next.who):
		return decision{reason: ReasonAmbiguousTarget, rule: r}
	}
	// What any of them judged stays here.
	d.judged.FromHeader = d.judged.FromHeader || next.judged.FromHeader
	return d
}

// match returns the first rule for this reading of the target. Rules in shadow
// mode are noted and passed over.
func (e *Engine) match(q *request, path []byte) *rule {
	for _, r := range e.rules {
		if !q.isFor(r, path) {
			continue
		}
		if !r.shadow {
			return r
		}
		q.noteShadow(r, path)
	}
	return e.fallback
}

// matchPath returns the first rule with paths of its own for this reading, or
// nil.
func (e *Engine) matchPath(q *request, path []byte) *rule {
	for _, r := range e.rules {
		if len(r.paths) > 0 && !r.shadow && q.isFor(r, path) {
			return r
		}
	}
	return nil
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
		if ok, err := e.evaluate(ctx, q, r.when, &d.who.identity, path); err != nil {
			d.reason, d.err = conditionReason(err), err
		} else if !ok {
			d.reason = ReasonConditionFalse
		}
	}
	// The last, because whoever meets everything else can do something about it.
	if d.reason == ReasonIdentified && r.tooOld(&d.who.identity, q.now) {
		d.reason = ReasonAuthenticationTooOld
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
		if d.reason == ReasonIdentified {
			d.reason, d.err = e.standing(d.who)
		}
	}
	return d
}

// Decide answers one check. scanned is what [wire.Scan] had to say about the
// message, or why there is none. The context's deadline bounds the check; the
// answer is always in time, and always an answer: what cannot be decided is a
// fault.
func (e *Engine) Decide(ctx context.Context, v *wire.View, scanned error) wire.Encoded {
	q, _ := e.requests.Get().(*request)
	defer e.release(q)
	q.view, q.now = v, e.now()
	q.deadline = due(ctx, q.now)
	d := e.decide(ctx, q, scanned)
	answer := e.answer(q, &d)
	e.record(ctx, q, &d)
	if len(q.shadows) > 0 {
		e.shadow(ctx, q)
	}
	return answer
}
