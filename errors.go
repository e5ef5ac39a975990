package gateward

import "errors"

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
	// Rule is the key of the rule, such as "email_matches". The person who is
	// refused may see it.
	Rule string
}

// Error names the rule.
func (e *NotAdmittedError) Error() string { return ErrNotAdmitted.Error() + " by " + e.Rule }

// Unwrap returns [ErrNotAdmitted].
func (e *NotAdmittedError) Unwrap() error { return ErrNotAdmitted }

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
