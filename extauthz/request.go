package extauthz

import (
	"bytes"
	"context"
	"errors"
	"time"

	"cel.dev/cel-go/common/types/ref"

	"github.com/gateward/gateward/extauthz/target"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/credential"
)

// A request is a check on its way. It is reused, with its buffers.
type request struct {
	view *wire.View
	now  time.Time
	// deadline is when the answer is due; see Engine.due.
	deadline time.Time
	target   target.Target
	rawQuery []byte
	host     []byte
	hostBuf  []byte
	plain    bool

	authorization, cookies [][]byte
	// shadows are rules in shadow mode that matched.
	shadows []shadowed
	// headers and query are what expressions see, made when first asked for.
	headers, query ref.Val

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

// allows reports whether the request may pass.
func (d *decision) allows() bool { return d.reason.Outcome() == OutcomeAllow }

func (e *Engine) release(q *request) {
	// Nothing of the message may be reachable from the pool.
	clear(q.authorization)
	clear(q.cookies)
	clear(q.shadows)
	q.target.Parse(nil)
	q.view, q.host, q.rawQuery, q.headers, q.query, q.decisionID = nil, nil, nil, nil, nil, ""
	q.authorization, q.cookies, q.shadows = q.authorization[:0], q.cookies[:0], q.shadows[:0]
	e.requests.Put(q)
}

// canonicalise fills in the host, the target and the headers with credentials.
// Where it reports false, the decision is final.
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
	q.rawQuery = q.target.Query()
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
	q.authorization = q.view.Values(q.authorization[:0], "authorization")
	q.cookies = q.view.Values(q.cookies[:0], "cookie")
	return decision{}, true
}

// isFor reports whether q, with this reading of its path, is for rule r.
func (q *request) isFor(r *rule, path []byte) bool {
	return r.matches(q.host, path, q.view.Method, q.plain) &&
		(!r.asSent || bytes.Equal(path, withoutQuery(q.view.Path)))
}

// hasLowerCase reports whether a method has a letter in lower case. Methods
// are case-sensitive and none has one: "post" would pass by every rule about
// POST, and might still be one to the upstream.
func hasLowerCase(method []byte) bool {
	return bytes.ContainsFunc(method, func(r rune) bool { return 'a' <= r && r <= 'z' })
}
