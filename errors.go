package gateward

import (
	"errors"
	"time"
)

// The sentinels decide whose fault a refusal is. Errors that wrap none of them
// are ours, and are treated like [ErrUnavailable].
var (
	// ErrNoCredential: the request has no credential. 401, and what is said about
	// it names no error (RFC 6750 §3.1).
	ErrNoCredential = errors.New("no credential")
	// ErrInvalidCredential: the credential is malformed, unknown, expired or
	// revoked. The client's fault: 401.
	ErrInvalidCredential = errors.New("invalid credential")
	// ErrNotAdmitted: the identity is established and may not enter. 403.
	ErrNotAdmitted = errors.New("not admitted")
	// ErrUnavailable: whatever is needed to judge the credential (a key set, a
	// provider, a store) cannot be had now. Our fault: 503, never 401.
	ErrUnavailable = errors.New("unavailable")
)

// A NotAdmittedError is [ErrNotAdmitted] with the configured rule that keeps the
// identity out.
type NotAdmittedError struct {
	// Rule is the key of the rule, such as "email_matches", or one of the Rule
	// constants. The person who is refused may see it.
	Rule string
	// Reason says more, in sentences for the person who is refused: what is
	// missing and what to do; or "". It holds nothing that a stranger may not know.
	Reason string
	// URL is where the person can do that, or "": an https address at the
	// provider.
	URL string
}

// Rules that keep out a person whose identity is all right, because of what is
// recorded of the person.
const (
	// RuleUserDisabled: an administrator has disabled the person.
	RuleUserDisabled = "user_disabled"
	// RuleUserWaiting: no administrator has enabled the person yet, see sign_up.
	RuleUserWaiting = "user_waiting"
	// RuleSignUp: nobody new may enter.
	RuleSignUp = "sign_up"
)

// Error names the rule.
func (e *NotAdmittedError) Error() string { return ErrNotAdmitted.Error() + " by " + e.Rule }

// Unwrap returns [ErrNotAdmitted].
func (e *NotAdmittedError) Unwrap() error { return ErrNotAdmitted }

// An UnavailableError is [ErrUnavailable] with what a person may know of it.
type UnavailableError struct {
	// Reason says in a sentence or two what does not work; no internals.
	Reason string
	// RetryAfter is after how long it may work again; zero if that is not known.
	RetryAfter time.Duration
	// Personal: it concerns this person only, who may have brought it about, such as
	// a rate limit of their own. What was known before does not count for long then.
	Personal bool
}

// Error returns the reason.
func (e *UnavailableError) Error() string { return ErrUnavailable.Error() + ": " + e.Reason }

// Unwrap returns [ErrUnavailable].
func (e *UnavailableError) Unwrap() error { return ErrUnavailable }

// A ConfigError is one problem with one configuration key. Packages that are
// built from configuration return them (joined with [errors.Join] when there
// are several), with Key relative to their own block; who called them knows
// where that block stands.
type ConfigError struct {
	// Key is the path of the offending key, such as "match.paths[1]"; "" is
	// the block itself.
	Key string
	// Problem says what is wrong, in lower case, naming the value unless it is
	// a secret.
	Problem string
	// Remedy says what to do, or is "".
	Remedy string
	// Warning: the configuration is used all the same.
	Warning bool
}

// Error returns "key: problem; remedy".
func (e *ConfigError) Error() string {
	s := e.Problem
	if e.Key != "" {
		s = e.Key + ": " + s
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}
