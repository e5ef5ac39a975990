package loginsvc

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/methods"
)

const unavailableText = "The service that says who you are, or our own store, does not answer at the moment. This is not your fault; please try again in a few seconds."

var (
	// errRefused stands in the log where there is no other error.
	errRefused = errors.New("loginsvc: callback refused")
	errBusy    = errors.New("loginsvc: too many callbacks of this provider under way")
)

// wishOfAttempt is what an attempt was asked for with, for trying it again.
func wishOfAttempt(a *attempt) wish {
	if a == nil {
		return wish{}
	}
	return wish{target: a.Target, maxAge: a.contract().MaxAge, prompt: a.Prompt}
}

// againActions are the ways out of a login that failed.
func (s *Service) againActions(w wish) []page.Action {
	return append([]page.Action{{Label: "Try again", URL: s.loginLink(w, "error")}}, s.startAction()...)
}

func (s *Service) callbackFailure(message string, a *attempt) failure {
	return failure{
		status: http.StatusBadRequest, message: message,
		title:   "That login did not work",
		text:    "The login took too long, was finished already, or began in another browser. Nothing is lost: please try again.",
		actions: s.againActions(wishOfAttempt(a)),
	}
}

// refuseCallback answers a callback that is no good: 400.
func (s *Service) refuseCallback(x *exchange, l methods.Login, result, message string, a *attempt) {
	s.loginFailed(x, l, result, errRefused)
	f := s.callbackFailure(message, a)
	if a == nil && len(s.cookies.States(x.r)) == 0 && len(s.presented(x)) == 0 { // nor any other cookie of ours
		f.reason = s.lostCookie(x, "").text
	}
	s.refuse(x, f)
}

// refuseProviderError answers a callback that brings an error. Its description
// is anybody's text and is not shown.
func (s *Service) refuseProviderError(x *exchange, l methods.Login, code string, a *attempt) {
	f := s.callbackFailure("callback: code exchange failed", a)
	f.title, f.text = "That login did not work", l.DisplayName()+" could not log you in. Please try again; if it keeps happening, please tell the people who run this site."
	result := resultInvalid
	switch code {
	case "access_denied":
		result = resultDenied
		f.title, f.text = "The login was cancelled", "You, or "+l.DisplayName()+", did not allow the login. You can try again, perhaps with another account."
		again := wishOfAttempt(a)
		again.prompt = "select_account"
		f.actions = slices.Insert(f.actions, 1, page.Action{Label: "Use another account", URL: s.authorizeLink(l, again)})
	case "temporarily_unavailable", "server_error":
		result = resultUnavailable
	}
	s.loginFailed(x, l, result, errors.New("loginsvc: provider answered "+knownError(code)))
	s.refuse(x, f)
}

// knownError is an error code that a provider may send (RFC 6749 §4.1.2.1,
// OpenID Connect Core §3.1.2.6), fit for a log.
func knownError(code string) string {
	switch code {
	case "access_denied", "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope",
		"server_error", "temporarily_unavailable", "interaction_required", "login_required",
		"account_selection_required", "consent_required":
		return code
	}
	return "an unknown error"
}

// refuseIdentity answers a person who is known and may not enter: 403, and a
// way to come back as somebody else.
func (s *Service) refuseIdentity(x *exchange, l methods.Login, a *attempt, id *gateward.Identity, err error) {
	f := explained(failure{
		status: http.StatusForbidden, message: "callback: account is not admitted",
		title: "This account does not have access",
		text:  "You have logged in, but this account may not enter. If you have another one, use that; otherwise please ask the people who run this site.",

		account: accountName(id), noSession: true,
	}, err)
	result := resultNotAdmitted
	switch f.rule {
	case gateward.RuleUserWaiting:
		result = resultWaiting
	case gateward.RuleUserDisabled:
		result = resultDisabled
	}
	s.loginFailed(x, l, result, err)
	again := wishOfAttempt(a)
	again.prompt = "select_account"
	f.actions = append([]page.Action{{Label: "Use another account", URL: s.authorizeLink(l, again)}}, s.startAction()...)
	s.refuse(x, f)
}

// explained is f with what err says to the person: which rule, why, what to do, and
// when to come again.
func explained(f failure, err error) failure {
	var refused *gateward.NotAdmittedError
	if errors.As(err, &refused) {
		f.rule, f.reason, f.reasonURL = refused.Rule, refused.Reason, refused.URL
		switch refused.Rule {
		case gateward.RuleUserWaiting:
			f.waiting, f.message = true, "account is waiting for an administrator to enable it"
		case gateward.RuleUserDisabled:
			f.message, f.title = "account is disabled", "This account has been disabled"
			f.text = "An administrator has disabled this account. If you think that it should not be, please ask the people who run this site."
		case gateward.RuleSignUp:
			f.message, f.title = "nobody new may enter", "This account is not known here"
			f.text = "You have logged in, but this site takes in nobody new. If you have another account, use that; otherwise please ask the people who run this site."
		}
	}
	var away *gateward.UnavailableError
	if errors.As(err, &away) {
		f.reason, f.retryAfter = away.Reason, away.RetryAfter
	}
	if f.reason != "" {
		f.message = f.reason
	}
	return f
}

// unavailable answers a login that cannot be finished for a fault of ours or
// the provider's: 503, and every cookie stays.
func (s *Service) unavailable(x *exchange, l methods.Login, a *attempt, err error) {
	s.loginFailed(x, l, resultUnavailable, err)
	f := explained(failure{
		status: http.StatusServiceUnavailable, message: "callback: service is temporarily unavailable",
		title: "The login could not be finished", text: unavailableText,
		actions: s.againActions(wishOfAttempt(a)),
	}, err)
	s.refuse(x, f)
}

// busy answers a callback for which there is no room at the moment: 503. Nothing
// has been used up, so that the same address works a little later.
func (s *Service) busy(x *exchange, l methods.Login, a *attempt) {
	s.loginFailed(x, l, resultUnavailable, errBusy)
	s.refuse(x, failure{
		status: http.StatusServiceUnavailable, message: "callback: service is temporarily unavailable",
		title: "The login has to wait", text: "Many people are logging in at the moment. Please reload this page in a few seconds.",
		actions: s.againActions(wishOfAttempt(a)),
	})
}

// refuseEnded answers a login whose session the provider has ended before it had
// begun.
func (s *Service) refuseEnded(x *exchange, l methods.Login, a *attempt, err error) {
	s.loginFailed(x, l, resultDenied, err)
	f := s.callbackFailure("callback: session was ended by the provider", a)
	f.text = "You were logged out at " + l.DisplayName() + " in the meantime. Please log in again."
	s.refuse(x, f)
}

// goOn sends the browser on from a page of ours.
func (s *Service) goOn(x *exchange, to string) {
	x.w.Header().Set("Refresh", "0; url="+to)
	s.page(x, http.StatusOK, s.pages.Error(page.Error{
		Status: http.StatusOK, Title: "You are logged in", Text: "Your page opens in a moment.",
		Actions: []page.Action{{Label: "Continue", URL: to}},
	}))
}

// shownEmail is an address for people to read, who must not take somebody for the
// person whose address it is.
func shownEmail(id *gateward.Identity) string {
	if id.Email == "" || id.EmailVerified {
		return id.Email
	}
	return id.Email + " (not verified)"
}

// accountName says who a person is, to that person.
func accountName(id *gateward.Identity) string {
	for _, name := range []string{shownEmail(id), id.Name} {
		if name != "" {
			return name
		}
	}
	return id.Subject
}
