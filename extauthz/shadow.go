package extauthz

import (
	"bytes"
	"context"
	"runtime/debug"
)

// maxShadowing bounds the evaluations of rules in shadow mode under way. What
// comes on top is counted as overloaded and not evaluated.
const maxShadowing = 64

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
		for _, s := range q.shadows {
			s.rule.countShadow(e.metrics, ReasonOverloaded)
		}
		return
	}
	q = q.clone()
	go func() {
		defer func() {
			if v := recover(); v != nil {
				e.panicked(ctx, v, debug.Stack())
			}
			<-e.shadowing
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
		defer cancel()
		for i, s := range q.shadows {
			if i > 0 && q.shadows[i-1].rule == s.rule {
				continue // counted with its first reading
			}
			d := e.apply(ctx, q, s.rule, s.path)
			for _, other := range q.shadows[i+1:] {
				if other.rule == s.rule {
					d = e.both(ctx, q, d, s.rule, other.path)
				}
			}
			s.rule.countShadow(e.metrics, d.reason)
		}
	}()
}

// clone returns a copy of what rules look at that outlives the message.
func (q *request) clone() *request {
	c := &request{view: q.view.Clone(), now: q.now, host: bytes.Clone(q.host), plain: q.plain}
	c.target.Parse(c.view.Path)
	c.authorization = c.view.Values(nil, "authorization")
	c.cookies = c.view.Values(nil, "cookie")
	for _, s := range q.shadows {
		c.shadows = append(c.shadows, shadowed{s.rule, bytes.Clone(s.path)})
	}
	return c
}
