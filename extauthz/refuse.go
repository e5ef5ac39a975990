package extauthz

import (
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/browser"
)

// retryAfter is how long a client is asked to wait after a fault, in seconds:
// long enough for a restart or a fail-over to be over.
const retryAfter = "2"

// realm is the protection space of challenges (RFC 9110 §11.5).
const realm = "gateward"

// refusals makes the answers that let nothing pass.
type refusals struct {
	faultsAsErrors bool
	random         io.Reader
	forms          map[int]*form
	redirect       []byte // headers
}

// A form is what all refusals with one status have in common, encoded.
type form struct {
	problem             browser.Problem
	json                []byte // body
	script, page, plain []byte // headers
}

func newRefusals(cfg Config, o Options) *refusals {
	r := &refusals{
		faultsAsErrors: cfg.FaultsAsErrors, random: o.Random, forms: map[int]*form{},
		// The answer is another one with a cookie.
		redirect: encodeHeaders(append(browser.PlainHeaders(), browser.Header{Name: "vary", Value: "Cookie"})),
	}
	for _, status := range browser.Statuses() {
		p := browser.ProblemFor(status)
		r.forms[status] = &form{
			problem: p, json: browser.JSON(nil, p),
			script: encodeHeaders(browser.JSONHeaders()), page: encodeHeaders(browser.PageHeaders()), plain: encodeHeaders(browser.PlainHeaders()),
		}
	}
	return r
}

func encodeHeaders(headers []browser.Header) []byte {
	var b []byte
	for _, h := range headers {
		b = wire.AppendHeader(b, h.Name, h.Value)
	}
	return b
}

// refuse encodes a denial or a fault in the form that the client understands.
func (e *Engine) refuse(q *request, d *decision) wire.Encoded {
	x := &explanations[d.reason]
	f := e.refusals.forms[x.status]
	q.decisionID = e.refusals.newID()
	requestID := q.requestID()

	h := wire.AppendHeader(q.extra[:0], "x-request-id", requestID)
	h = wire.AppendHeader(h, "x-gateward-decision-id", q.decisionID)

	answer := wire.Refusal{
		Code: int32(x.code), Status: x.status, //nolint:gosec // a gRPC code
		Error: x.outcome == OutcomeFault && e.refusals.faultsAsErrors,
	}
	var headers, body []byte
	client := browser.Classify(q.view.Method, q.view)
	if e.sendsToLogin(q, d, client) {
		answer.Status = http.StatusFound
		h = e.appendRedirect(h, q, d)
		headers, body = e.refusals.redirect, append(q.scratch[:0], redirectBody...)
		q.scratch = body
	} else {
		h = appendReason(h, d)
		headers, body = e.form(q, d, f, client, requestID)
	}
	q.extra = h
	metadata := e.refusalMetadata(q, d)
	size := len(headers) + len(h) + len(body) + len(metadata) + 32
	return wire.AppendRefusal(make([]byte, 0, size), answer, metadata, body, headers, h)
}

// form returns the headers and the body that a client understands.
func (e *Engine) form(q *request, d *decision, f *form, client browser.Client, requestID string) (headers, body []byte) {
	by := d.notAdmittedBy()
	p := f.problem
	if by != nil && by.Reason != "" {
		p.Message, p.Advice = by.Reason, by.Reason
	}
	switch client {
	case browser.GRPC:
		// The body becomes grpc-message, the HTTP status grpc-status.
		headers, body = f.plain, append(q.scratch[:0], browser.Plain(f.problem)...)
	case browser.Navigation:
		headers, body = f.page, browser.Page(q.scratch[:0], p, requestID, e.detail(q, d, by))
	case browser.Script, browser.WebSocket:
		if p == f.problem {
			return f.script, f.json
		}
		headers, body = f.script, browser.JSON(q.scratch[:0], p)
	}
	q.scratch = body
	return headers, body
}

// notAdmittedBy returns the rule by which the person may not enter at all; nil if
// that is not why the request is refused, or not known.
func (d *decision) notAdmittedBy() *gateward.NotAdmittedError {
	if d.reason != ReasonNotAdmitted && d.reason != ReasonUserDisabled {
		return nil
	}
	var by *gateward.NotAdmittedError
	if !errors.As(d.err, &by) {
		return nil
	}
	return by
}

// detail tells a person who is not let in who they are to us, which rule it
// was, and where to do something about it, or else how to be somebody else.
func (e *Engine) detail(q *request, d *decision, by *gateward.NotAdmittedError) browser.Detail {
	if d.who == nil || d.who.reason != ReasonIdentified && d.who.reason != ReasonNotAdmitted {
		return browser.Detail{}
	}
	id := &d.who.identity
	x := browser.Detail{Account: cmp.Or(id.Email, id.Name, id.Subject), Rule: d.rule.name}
	if d.reason == ReasonNotAdmitted { // by no rule of ours
		x.Rule = ""
	}
	if by != nil {
		x.Rule = by.Rule
		if u, err := url.Parse(by.URL); err == nil && u.Scheme == "https" && browser.IsLink(by.URL) {
			x.LinkText, x.LinkURL = "Continue at "+u.Host, by.URL
			return x
		}
	}
	if explanations[d.reason].status == http.StatusForbidden {
		if x.LinkURL = e.switchAccount(q, d); x.LinkURL != "" {
			x.LinkText = "Use another account"
		}
	}
	return x
}

// appendReason appends the headers that only some reasons have.
func appendReason(h []byte, d *decision) []byte {
	challenge := func(code browser.ErrorCode, scopes []string) []byte {
		return wire.AppendHeaderBytes(h, "www-authenticate", browser.Challenge(nil, realm, code, scopes))
	}
	switch {
	case d.reason.Outcome() == OutcomeFault:
		return wire.AppendHeader(h, "retry-after", retryAfter)
	case d.reason == ReasonInsufficientScope:
		return challenge(browser.InsufficientScope, d.rule.require.Scopes())
	case d.reason == ReasonNoCredential:
		return challenge(browser.NoCredential, nil)
	case d.reason == ReasonAuthenticationTooOld:
		c := append(browser.Challenge(nil, realm, browser.NoCredential, nil), d.rule.authAgeChallenge()...)
		return wire.AppendHeaderBytes(h, "www-authenticate", c)
	case d.reason == ReasonMultipleCredentials:
		return challenge(browser.InvalidRequest, nil)
	case d.reason.invalid():
		// Of two conflicting cookies none is cleared: we could only clear the
		// genuine one, and the planted one would stay and be alone.
		return challenge(browser.InvalidToken, nil)
	}
	return h
}

// refusalMetadata is the dynamic metadata of a refusal.
func (e *Engine) refusalMetadata(q *request, d *decision) []byte {
	m := wire.AppendMetadataString(q.metadata[:0], "reason", d.reason.String())
	m = wire.AppendMetadataString(m, "decision_id", q.decisionID)
	var who []byte
	if d.who != nil {
		who = d.who.metadata
	}
	n := len(m)
	q.metadata = wire.AppendMetadataStruct(m, metadataKey, d.rule.metadata, who, m[:n])
	return q.metadata[n:]
}

// afterPanic is the answer when making one went wrong.
func (e *Engine) afterPanic() wire.Encoded {
	e.none.count(e, 0, ReasonInternal)
	x := &explanations[ReasonInternal]
	f := e.refusals.forms[x.status]
	id := e.refusals.newID()
	h := wire.AppendHeader(nil, "x-request-id", id)
	h = wire.AppendHeader(h, "x-gateward-decision-id", id)
	h = wire.AppendHeader(h, "retry-after", retryAfter)
	return wire.AppendRefusal(nil, wire.Refusal{
		Code: int32(x.code), Status: x.status, Error: e.refusals.faultsAsErrors, //nolint:gosec // a gRPC code
	}, nil, f.json, f.script, h)
}

// newID returns 128 random bits in hexadecimal. Without randomness it returns
// a constant: an answer that cannot be correlated is better than none.
func (r *refusals) newID() string {
	var b [16]byte
	if _, err := io.ReadFull(r.random, b[:]); err != nil {
		return "unavailable"
	}
	return hex.EncodeToString(b[:])
}

// requestID is the request's x-request-id where that can be repeated safely,
// otherwise our decision's id.
func (q *request) requestID() string {
	if id, ok := q.view.Get("x-request-id"); ok && browser.SafeRequestID(id) {
		return string(id)
	}
	return q.decisionID
}
