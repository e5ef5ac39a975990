package extauthz

import (
	"bytes"
	"context"
	"runtime/debug"
	"slices"
)

// maxShadowing bounds the evaluations of rules in shadow mode under way. What
// comes on top is counted as overloaded and not evaluated.
const maxShadowing = 256

// A shadowed is a rule in shadow mode and the reading that it matched.
type shadowed struct {
	rule *rule
	path []byte
}

// shadow counts what the rules in shadow mode would have decided. It does so
// beside the request, on a copy: verifying a credential that only they ask for
// must not cost the real answer its time.
func (e *Engine) shadow(ctx context.Context, q *request) {
	select {
	case e.shadowing <- struct{}{}:
	default:
		for i, s := range q.shadows {
			if !s.among(q.shadows[:i]) {
				s.rule.countShadow(e.metrics, ReasonOverloaded)
			}
		}
		return
	}
	q = q.clone()
	go func() {
		defer func() {
			<-e.shadowing
			if v := recover(); v != nil {
				e.panicked(ctx, v, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
		defer cancel()
		q.deadline = e.now().Add(maxWait)
		for i, s := range q.shadows {
			if !s.among(q.shadows[:i]) {
				s.rule.countShadow(e.metrics, e.shadowDecision(ctx, q, s, q.shadows[i+1:]))
			}
		}
	}()
}

// shadowDecision is what s.rule decides about the reading of s and those that
// it matched as well.
func (e *Engine) shadowDecision(ctx context.Context, q *request, s shadowed, others []shadowed) Reason {
	if !q.plain && s.rule.loosens() {
		return ReasonAmbiguousTarget
	}
	d := e.apply(ctx, q, s.rule, s.path)
	for _, o := range others {
		if o.rule == s.rule && s.rule.dependsOnPath() && d.allows() {
			d = e.apply(ctx, q, s.rule, o.path)
		}
	}
	return d.reason
}

// among reports whether the rule of s occurs in list.
func (s shadowed) among(list []shadowed) bool {
	return slices.ContainsFunc(list, func(o shadowed) bool { return o.rule == s.rule })
}

// clone returns a copy of what rules look at that outlives the message.
func (q *request) clone() *request {
	c := &request{view: q.view.Clone(), now: q.now, host: bytes.Clone(q.host), rawQuery: bytes.Clone(q.rawQuery), plain: q.plain}
	c.authorization = c.view.Values(nil, "authorization")
	c.cookies = c.view.Values(nil, "cookie")
	for _, s := range q.shadows {
		c.shadows = append(c.shadows, shadowed{s.rule, bytes.Clone(s.path)})
	}
	return c
}
