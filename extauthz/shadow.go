package extauthz

import (
	"bytes"
	"context"
	"runtime/debug"
)

// maxShadowing bounds the evaluations of rules in shadow mode under way. What
// comes on top is counted as overloaded and not evaluated.
const maxShadowing = 256

// A shadowed is a rule in shadow mode, and the readings that it matched as far
// as they matter to it: the first one, and the others if it looks at the path.
type shadowed struct {
	rule  *rule
	paths [][]byte
}

// noteShadow keeps for later that a rule in shadow mode matched.
func (q *request) noteShadow(r *rule, path []byte) {
	for i := range q.shadows {
		if s := &q.shadows[i]; s.rule == r {
			if r.dependsOnPath() {
				s.paths = append(s.paths, path)
			}
			return
		}
	}
	q.shadows = append(q.shadows, shadowed{r, [][]byte{path}})
}

// shadow counts what the rules in shadow mode would have decided. It does so
// beside the request, on a copy: verifying a credential that only they ask for
// must not cost the real answer its time.
func (e *Engine) shadow(ctx context.Context, q *request) {
	select {
	case e.shadowing <- struct{}{}:
	default:
		for _, s := range q.shadows {
			s.rule.countShadow(e.metrics, ReasonOverloaded)
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
		for _, s := range q.shadows {
			s.rule.countShadow(e.metrics, e.shadowDecision(ctx, q, s))
		}
	}()
}

// shadowDecision is what s.rule decides about all its readings.
func (e *Engine) shadowDecision(ctx context.Context, q *request, s shadowed) Reason {
	if !q.plain && s.rule.loosens() {
		return ReasonAmbiguousTarget
	}
	var d decision
	for _, path := range s.paths {
		if d = e.apply(ctx, q, s.rule, path); !d.allows() {
			break
		}
	}
	return d.reason
}

// clone returns a copy of what rules look at that outlives the message.
func (q *request) clone() *request {
	c := &request{view: q.view.Clone(), now: q.now, host: bytes.Clone(q.host), rawQuery: bytes.Clone(q.rawQuery), plain: q.plain}
	c.authorization = c.view.Values(nil, "authorization")
	c.cookies = c.view.Values(nil, "cookie")
	for _, s := range q.shadows {
		paths := make([][]byte, len(s.paths))
		for i, path := range s.paths {
			paths[i] = bytes.Clone(path)
		}
		c.shadows = append(c.shadows, shadowed{s.rule, paths})
	}
	return c
}
