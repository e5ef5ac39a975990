package loginsvc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// maxSubject bounds a subject as it is asked for, in bytes.
const maxSubject = 1024

// A selection is which sessions an administrator ends at once.
type selection struct {
	sessions.Filter
	// subject, unless "", is the sessions' subject, whoever the issuer is.
	subject string
}

// deleteTokens ends all sessions that the parameters select together.
func (s *Service) deleteTokens(x *exchange) {
	c, ok := s.adminCaller(x)
	if !ok {
		return
	}
	sel, problem := selectionOf(x.r.URL.RawQuery)
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	problem, err := s.problemWith(x.r.Context(), sessions.Filter{}, &sel)
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	n := 0
	if err == nil {
		n, err = s.endSelected(x.r.Context(), sel)
	}
	if n > 0 {
		s.metrics.Revocations(causeAdmin, n)
		s.logAdmin(x, &c, slog.String("reason", causeAdmin), slog.Int("sessions", n))
	}
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if id := c.identity.SessionID; id != "" {
		if _, err := s.store.Get(x.r.Context(), id); errors.Is(err, sessions.ErrNotFound) {
			s.clearToken(x)
		}
	}
	s.json(x, http.StatusOK, struct {
		Revoked int `json:"revoked"`
	}{n})
}

// selectionOf reads the parameters. None, an unknown one, or one that is empty or
// there twice is a mistake: it could end more than was meant.
func selectionOf(rawQuery string) (sel selection, problem string) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return sel, "the query cannot be read"
	}
	q.Del("pretty") // how the answer looks
	if len(q) == 0 {
		return sel, "one of subject, user, method and before is needed"
	}
	for name, values := range q {
		if len(values) != 1 || values[0] == "" {
			return sel, `parsing field "` + clip(name, maxSessionID) + `": one value is needed`
		}
		if problem := sel.set(name, values[0], q); problem != "" {
			return sel, problem
		}
	}
	return sel, ""
}

// set takes one parameter over.
func (sel *selection) set(name, value string, q url.Values) (problem string) {
	switch name {
	case "user":
		if len(value) > maxSessionID {
			return `parsing field "user": too long`
		}
		sel.UserID = value
	case "before":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil || t.IsZero() { // which would be no limit
			return `parsing field "before": not a time of RFC 3339`
		}
		sel.CreatedBefore = t
	case "method":
		method, problem := methodOf(q)
		if problem == "" && method == "" {
			problem = `parsing field "method": a method is needed`
		}
		if problem != "" {
			return problem
		}
		return sel.ofMethod(method)
	case "subject":
		method, problem := sel.ofSubjectNamed(value)
		if problem != "" {
			return `parsing field "subject": ` + problem
		}
		return sel.ofMethod(method)
	default:
		return "unknown parameter " + clip(name, maxSessionID)
	}
	return ""
}

// ofSubjectNamed takes over METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, and returns the
// method. Only OpenID Connect has providers, and all of its subjects have one.
func (sel *selection) ofSubjectNamed(value string) (method, problem string) {
	const forms = "write METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as github:101 or oidc/google:1234"
	who, subject, ok := strings.Cut(value, ":")
	method, provider, named := strings.Cut(who, "/")
	switch {
	case !ok || subject == "" || method == "" || named && provider == "" || len(value) > maxSubject:
		return "", forms
	case !slices.Contains(knownMethods(), method):
		return "", "no method is called " + strconv.Quote(clip(method, maxSessionID)) + "; " + forms
	case method == "oidc" && !named:
		return "", "a provider is needed; " + forms
	case method != "oidc" && named:
		return "", method + " has no providers; write " + method + ":SUBJECT"
	}
	sel.Provider, sel.subject = provider, subject
	return method, ""
}

// ofSubject reports whether a session, which the filter selects, has the subject.
func (sel *selection) ofSubject(session *sessions.Session) bool {
	return session.Identity.Subject == sel.subject
}

func (sel *selection) ofMethod(method string) (problem string) {
	if sel.Method != "" && sel.Method != method {
		return `the fields "method" and "subject" name different methods`
	}
	sel.Method = method
	return ""
}

// endSelected deletes what sel selects, and returns how many sessions that were.
func (s *Service) endSelected(ctx context.Context, sel selection) (n int, err error) {
	if sel.subject == "" {
		return s.store.DeleteWhere(ctx, sel.Filter)
	}
	if issuer := issuerOf(s.byPath[loginPath(sel.Method, sel.Provider)]); issuer != "" {
		f := sel.Filter
		f.Principal = gateward.Principal{Issuer: issuer, Subject: sel.subject}
		if n, err = s.store.DeleteWhere(ctx, f); err != nil {
			return n, err
		}
	}
	// One provider may have many issuers (a tenant each), or have had another one, and
	// that of one that is not configured any longer is not known: all are looked
	// through.
	more, err := s.endChosen(ctx, sel.Filter, sel.ofSubject)
	return n + more, err
}

// problemWith returns what is wrong with a subject that is asked for among what f
// selects: its provider is not configured, and no session is left of one that was,
// so that its name is mistyped.
func (s *Service) problemWith(ctx context.Context, f sessions.Filter, sel *selection) (problem string, err error) {
	if sel.Provider == "" || s.byPath[loginPath(sel.Method, sel.Provider)] != nil {
		return "", nil
	}
	f.Method, f.Provider, f.Expired = sel.Method, sel.Provider, true
	p, err := s.store.List(ctx, f, 1, "")
	if err != nil || len(p.Sessions) > 0 {
		return "", err
	}
	return `parsing field "subject": no provider is called ` + strconv.Quote(clip(sel.Provider, maxSessionID)) + ", nor is there a session of one", nil
}

// issuerOf returns the issuer of l's identities as far as its configuration tells,
// or "".
func issuerOf(l methods.Login) string {
	switch l := l.(type) {
	case interface{ Issuer() string }:
		return l.Issuer()
	case frontChannel:
		_, issuer := l.FrontChannel()
		return issuer
	}
	return ""
}

// revokeAll logs the person out everywhere: all sessions of the user, then, as
// logging out does, here and at the provider.
func (s *Service) revokeAll(x *exchange) {
	current, ok := s.sender(x)
	if !ok {
		return
	}
	n, err := s.endEverywhere(x.r.Context(), &current)
	if n > 0 {
		s.ended(x, causeAccount, n, nil, sessionAttrs(&current)[1:]...)
	}
	if err != nil {
		s.refuse(x, failure{
			status: http.StatusServiceUnavailable, err: err,
			title: "You may still be logged in", text: "Not all of your sessions could be ended, because our store does not answer at the moment. Please try again in a few seconds.",
			actions: []page.Action{{Label: "Your account", URL: s.link(accountPath)}},
		})
		return
	}
	next := s.endSessionURL(x, &current)
	s.clearToken(x)
	s.leave(x)
	if next == "" {
		next = s.loginLink(wish{}, "logged_out")
	}
	s.redirect(x, http.StatusSeeOther, next)
}

// endEverywhere deletes all sessions of current's person, itself included, and
// returns how many they were.
func (s *Service) endEverywhere(ctx context.Context, current *sessions.Session) (n int, err error) {
	filters, err := s.allOwn(ctx, &current.Identity)
	if err != nil {
		return 0, err
	}
	if len(filters) == 0 { // of nobody: this one at least
		return 1, s.store.Delete(ctx, current.ID)
	}
	for _, f := range filters {
		more, err := s.store.DeleteWhere(ctx, f)
		n += more
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
