package loginsvc

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
)

const (
	// realm is the protection space of challenges (RFC 9110 §11.5), that of the
	// check path.
	realm = "gateward"
	// retryAfter is what a client is asked to wait after a fault of ours, in
	// seconds.
	retryAfter = "5"
	// year is for Strict-Transport-Security.
	year = "max-age=31536000"
)

// setHeaders sets what every answer carries.
func (s *Service) setHeaders(x *exchange) {
	h := x.w.Header()
	h.Set("X-Request-Id", x.requestID)
	h.Set("X-Gateward-Decision-Id", x.decisionID)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Cookie")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if s.cfg.PublicURL.Scheme == "https" {
		h.Set("Strict-Transport-Security", year)
	}
}

// json answers with v as JSON, in the form of grpc-gateway, and so of Flipt:
// nothing escaped for HTML, no newline at the end; indented with ?pretty.
func (s *Service) json(x *exchange, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if x.r.URL.Query().Has("pretty") {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// empty is the answer that says nothing but that all is well.
type empty struct{}

// page answers with a page.
func (s *Service) page(x *exchange, status int, d page.Document) {
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", d.CSP)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	x.w.WriteHeader(status)
	_, _ = x.w.Write(d.HTML)
}

// redirect sends the browser elsewhere with 302 or 303, never with a status
// that would have it send the body again (RFC 9700 §4.12). to is one of our own
// links, a checked target, or a provider's address.
func (s *Service) redirect(x *exchange, status int, to string) {
	x.w.Header().Set("Location", to)
	x.w.WriteHeader(status)
}

// A failure is a request that is not granted, and how that is said.
type failure struct {
	status int
	// message is for programs, in Flipt's words where it has some; "" is the
	// status's own.
	message string
	// title and text are for people; "" are the status's own.
	title, text   string
	account, rule string
	// noSession: nobody is logged in, as in [page.Error].
	noSession bool
	// reason and reasonURL say more to people, as in [page.Error].
	reason, reasonURL string
	actions           []page.Action
	// retryAfter is after how long it may work again; zero is not known.
	retryAfter time.Duration
	// waiting: the page is the one for who has to wait for an administrator.
	waiting bool
	// err is for the log alone; the failure is logged where there is one.
	err error
}

// refuse answers with a failure: a page for who opens one, JSON for programs.
func (s *Service) refuse(x *exchange, f failure) {
	p := problemFor(f.status)
	if f.message != "" {
		p.Message = f.message
	}
	if f.title != "" {
		p.Title, p.Advice = f.title, f.text
	}
	switch {
	case f.retryAfter > 0:
		x.w.Header().Set("Retry-After", strconv.Itoa(seconds(f.retryAfter)))
	case p.Status == http.StatusServiceUnavailable:
		x.w.Header().Set("Retry-After", retryAfter)
	}
	if f.err != nil {
		s.logFailure(x, p.Status, f.err)
	}
	switch {
	case x.client == browser.Navigation && f.waiting:
		s.page(x, p.Status, s.pages.Waiting(page.Waiting{Account: f.account, NoSession: f.noSession, RequestID: x.requestID, Actions: f.actions}))
		return
	case x.client == browser.Navigation:
		s.page(x, p.Status, s.pages.Error(page.Error{
			Status: p.Status, Title: p.Title, Text: p.Advice, Reason: f.reason, ReasonURL: f.reasonURL,
			Account: f.account, NoSession: f.noSession, Rule: f.rule, RequestID: x.requestID, Actions: f.actions,
		}))
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(p.Status)
	_, _ = x.w.Write(browser.JSON(nil, p))
}

// problemFor is [browser.ProblemFor] with what only the login service answers.
func problemFor(status int) browser.Problem {
	if status == http.StatusNotFound {
		return browser.Problem{
			Status: status, Code: 5, Message: "Not Found", // NOT_FOUND; Flipt's words
			Title:  "There is nothing here",
			Advice: "The address may be mistyped, or what it named is gone.",
		}
	}
	return browser.ProblemFor(status)
}

func (s *Service) notFound(x *exchange) {
	s.refuse(x, failure{status: http.StatusNotFound, actions: s.startAction()})
}

// startAction is the way out of a dead end.
func (s *Service) startAction() []page.Action {
	return []page.Action{{Label: "Go to the start page", URL: s.cfg.DefaultTarget}}
}

// newID returns 128 random bits in hexadecimal. Without randomness it returns a
// constant: an answer that cannot be correlated is better than none.
func (s *Service) newID() string {
	var b [16]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "unavailable"
	}
	return hex.EncodeToString(b[:])
}
