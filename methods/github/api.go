package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// apiVersion is the version of the REST API that is asked for.
	apiVersion = "2022-11-28"
	// patience is how long a single request may take for which there is no time left:
	// one that takes longer hangs, and has not come too late.
	patience = 2500 * time.Millisecond
	// ssoHeader says which organizations want a single sign-on first.
	ssoHeader = "X-Github-Sso"
)

var (
	errHangs = errors.New("the request hangs")
	// errOwnTurn: there was no time left after others about the same person.
	errOwnTurn = errors.New("too many requests about the same person at once")
)

// api asks the REST API. It is used by the methods of several configurations.
type api struct {
	base   string
	origin origin
	client *http.Client
	logins *slots // for requests of logins
	slots  *slots // for those of sessions
	known  *answers
	limits *limits
	now    func() time.Time
	report func(operation string, ok bool)
}

// origin is all that what is known of an API depends on.
type origin struct{ server, api, authorities string }

// newAPI returns what asks the API, with what Options Previous knows of the same.
func newAPI(s *settings, o Options, report func(string, bool)) *api {
	a := &api{
		base: s.api, origin: origin{s.server, s.api, s.authorities}, now: o.Now, report: report,
		client: newAPIClient(o.Transport, s), logins: newSlots(), slots: newSlots(),
		known: newAnswers(), limits: newLimits(o.Now),
	}
	if o.Previous != nil && o.Previous.api.origin == a.origin {
		old := o.Previous.api
		a.client, a.known, a.limits = old.client, old.known, old.limits
		a.logins, a.slots = old.logins, old.slots
	}
	return a
}

// A refusal is a proper answer that is not what was asked for. It holds nothing
// that GitHub wrote but an address.
type refusal struct {
	status int
	kind   refusalKind
	// explained: GitHub has said why, so that it is nobody's on the way there.
	explained bool
	// url is where the person can do something about it, as GitHub sent it, or "".
	url string
}

type refusalKind int

const (
	refusedOther     refusalKind = iota
	refusedNotFound              // or not to be known
	refusedByPolicy              // the organization has not approved the application
	refusedSignOnSSO             // the organization wants its single sign-on first
	refusedSuspended             // GitHub has suspended the account
)

// isOrganizations reports whether an organization refuses, and not GitHub.
func (r *refusal) isOrganizations() bool {
	return r.kind == refusedByPolicy || r.kind == refusedSignOnSSO
}

func (r *refusal) Error() string {
	switch r.kind {
	case refusedByPolicy:
		return fmt.Sprintf("an organization has not approved the application (status %d)", r.status)
	case refusedSignOnSSO:
		return fmt.Sprintf("an organization wants its single sign-on (status %d)", r.status)
	case refusedSuspended:
		return fmt.Sprintf("GitHub has suspended the account (status %d)", r.status)
	case refusedNotFound, refusedOther:
	}
	return fmt.Sprintf("status %d", r.status)
}

// get returns what is at an address of the API. Errors wrap
// [gateward.ErrInvalidCredential] where the token is no good, a [*refusal] where
// GitHub says no to this request only, and else [gateward.ErrUnavailable].
func (a *api) get(ctx context.Context, operation, address string, g granted) (*answer, error) {
	return a.inTurn(ctx, operation, address, g, false)
}

// more is [api.get] of what is asked for only because a list is long: with less to
// read there had been time, so that it is the person's if there is none left.
func (a *api) more(ctx context.Context, operation, address string, g granted) (*answer, error) {
	return a.inTurn(ctx, operation, address, g, true)
}

// inTurn is get or, of a long list, more.
func (a *api) inTurn(ctx context.Context, operation, address string, g granted, long bool) (*answer, error) {
	if wait, own := a.limits.left(operation, g.subject, g.session); wait > 0 {
		return nil, tooMany(operation, wait, own)
	}
	queue := a.logins
	if g.session {
		queue = a.slots
	}
	waiting, stop := context.WithTimeoutCause(ctx, patience, errHangs)
	defer stop()
	end, late, err := queue.turn(ctx, g.subject)
	if late {
		waiting = ctx // however long it took: GitHub has answered
		g.setLate()
	}
	if err != nil {
		return nil, outOfTime(ctx, waiting, operation, g, long, unavailable(operation, err))
	}
	proper := false
	defer func() { end(proper) }()
	asking, cancel := context.WithTimeoutCause(ctx, patience, errHangs)
	defer cancel()
	var got *answer
	got, proper, err = a.inSlot(ctx, queue, operation, address, g)
	return got, outOfTime(ctx, asking, operation, g, long, err)
}

// outOfTime returns err, or whose fault it is where there was no time left: the
// person's, if that is so because of a long list or because others about the same
// person have taken it. What hangs, as the cause of one says, is an outage.
func outOfTime(ctx, one context.Context, operation string, g granted, long bool, err error) error {
	switch {
	case !errors.Is(err, context.DeadlineExceeded), !errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(context.Cause(one), errHangs):
		return err
	case long:
		return unreadable(operation, err)
	case g.isLate():
		return tooManyAtOnce(operation, err)
	}
	return err
}

// inSlot waits for a slot and asks. proper: GitHub gave a proper answer.
func (a *api) inSlot(ctx context.Context, queue *slots, operation, address string, g granted) (got *answer, proper bool, err error) {
	if err := queue.take(ctx); err != nil {
		return nil, false, unavailable(operation, err)
	}
	defer queue.give()
	if wait, own := a.limits.enter(operation, g.subject, g.session); wait > 0 { // while we waited
		return nil, false, tooMany(operation, wait, own)
	}
	asked := a.now()
	got, err = a.ask(ctx, operation, address, g)
	refused := (*refusal)(nil)
	proper = err == nil || errors.Is(err, gateward.ErrInvalidCredential) || errors.As(err, &refused)
	if proper {
		a.limits.answered(operation, asked, err == nil)
	}
	if proper || !errors.Is(ctx.Err(), context.Canceled) { // that is nobody's failure
		a.report(operation, proper)
	}
	return got, proper, err
}

// ask makes one request.
func (a *api) ask(ctx context.Context, operation, address string, g granted) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unavailable(operation, errors.New("the address is not a URL"))
	}
	req.Header.Set("User-Agent", "gateward")
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-Github-Api-Version", apiVersion)
	req.Header.Set("Authorization", "Bearer "+g.AccessToken.Reveal())
	at := answerKey(g.AccessToken, address)
	old := a.known.get(at)
	if old != nil {
		req.Header.Set("If-None-Match", old.header.Get("Etag"))
	}
	res, err := a.client.Do(req)
	if err != nil {
		return nil, unavailable(operation, outbound.WithoutAddress(err))
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotModified && old != nil:
		return old.confirmedBy(res.Header), nil
	case res.StatusCode != http.StatusOK:
		return nil, a.refused(operation, res, g)
	}
	body, err := outbound.ReadJSON(res, maxBodySize)
	switch {
	case errors.Is(err, outbound.ErrTooLong):
		return nil, unreadable(operation, err)
	case err != nil:
		return nil, unavailable(operation, err)
	}
	got := &answer{header: keptHeaders(res.Header), body: body}
	a.known.put(at, got)
	return got, nil
}

// confirmedBy returns the answer with what a 304 says anew: scopes and single
// sign-on are not part of what an entity tag is about.
func (v *answer) confirmedBy(h http.Header) *answer {
	header := v.header.Clone()
	for name, values := range keptHeaders(h) {
		header[name] = values
	}
	return &answer{header: header, body: v.body}
}

// refused makes an error of an answer other than 200.
func (a *api) refused(operation string, res *http.Response, g granted) error {
	var said struct{ Message string }
	if body, err := outbound.ReadJSON(res, maxBodySize); err == nil {
		_ = json.Unmarshal(body, &said) // without a message the status alone counts
	}
	r := &refusal{status: res.StatusCode, kind: refusedOther, explained: said.Message != ""}
	sso := res.Header.Get(ssoHeader)
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("github: ask for %s: the access token is refused: %w", operation, gateward.ErrInvalidCredential)
	case res.StatusCode == http.StatusForbidden && strings.HasPrefix(sso, "required"),
		res.StatusCode == http.StatusForbidden && strings.Contains(said.Message, "SAML enforcement"):
		r.kind, r.url = refusedSignOnSSO, ssoURL(sso)
		return fmt.Errorf("github: ask for %s: %w", operation, r)
	case res.StatusCode == http.StatusForbidden && isSuspension(said.Message):
		r.kind = refusedSuspended
		return fmt.Errorf("github: ask for %s: %w", operation, r)
	}
	if wait, own, ok := limited(res.StatusCode, res.Header, said.Message, a.now()); ok {
		// Whoever meets one may have brought it about; that it is ours, others find out.
		switch {
		case own:
			wait = a.limits.hold(g.subject, wait)
		case g.session:
			wait = a.limits.holdSecondary(operation, g.subject, wait)
		default:
			wait = a.limits.hold(g.subject, cmp.Or(wait, defaultPause))
		}
		return tooMany(operation, wait, true)
	}
	switch {
	case res.StatusCode == http.StatusForbidden && strings.Contains(said.Message, "OAuth App access restrictions"):
		r.kind = refusedByPolicy
	case res.StatusCode == http.StatusNotFound:
		r.kind = refusedNotFound
	case res.StatusCode != http.StatusForbidden:
		return unavailable(operation, r)
	}
	return fmt.Errorf("github: ask for %s: %w", operation, r)
}

// isSuspension reports whether GitHub writes "Sorry. Your account was suspended.",
// which it does not document.
func isSuspension(message string) bool {
	said := strings.ToLower(message)
	return strings.Contains(said, "account was suspended") || strings.Contains(said, "account is suspended")
}

// ssoURL returns the address in "required; url=https://…", or "".
func ssoURL(header string) string {
	for part := range strings.SplitSeq(header, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "url="); ok {
			return v
		}
	}
	return ""
}

// tooMany is the error while GitHub wants to be left alone; own: by this person only.
func tooMany(operation string, wait time.Duration, own bool) error {
	return fmt.Errorf("github: ask for %s: %w", operation, &gateward.UnavailableError{
		Reason:     "GitHub has been asked too often and wants us to wait.",
		RetryAfter: wait,
		Personal:   own,
	})
}

// tooManyAtOnce is the error where other requests about the same person have taken
// all the time.
func tooManyAtOnce(operation string, cause error) error {
	return fmt.Errorf("github: ask for %s: %w: %w: %w", operation, &gateward.UnavailableError{
		Reason: "Too much of you is being asked at GitHub at the same time. Try again in a moment.", Personal: true,
	}, errOwnTurn, cause)
}

// unreadable is the error where what GitHub says of a person is too much, which the
// person may have brought about.
func unreadable(operation string, cause error) error {
	return fmt.Errorf("github: ask for %s: %w: %w", operation, &gateward.UnavailableError{
		Reason: "GitHub says more of you than can be read here. Leave teams and organizations that you do not need.", Personal: true,
	}, cause)
}

// isPersonal reports whether a failure is one person's only.
func isPersonal(err error) bool {
	e := (*gateward.UnavailableError)(nil)
	return errors.As(err, &e) && e.Personal
}

// unavailable is the error where GitHub did not answer as it should.
func unavailable(operation string, cause error) error {
	return fmt.Errorf("github: ask for %s: %w: %w", operation,
		&gateward.UnavailableError{Reason: "GitHub does not answer as it should at the moment."}, cause)
}
