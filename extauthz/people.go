package extauthz

import (
	"errors"
	"slices"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// Who is disabled is refused at once, whatever the cache holds and however long a
// token is valid: the list of the disabled is asked on every check.

// A Denylist knows which users are disabled ([sessions.Denylist]). Its methods
// take no lock and make no I/O.
type Denylist interface {
	// Denies reports whether k is [sessions.KeyOfUser] or [sessions.KeyOfPrincipal]
	// of a disabled user.
	Denies(k sessions.Key) bool
	// Known reports whether it is known at all who is disabled. Once it is, it
	// stays so.
	Known() bool
	// Empty reports whether nobody is disabled, as far as is known.
	Empty() bool
}

var (
	errDisabled = &gateward.NotAdmittedError{
		Rule:   gateward.RuleUserDisabled,
		Reason: "Your account here has been disabled. If you think that this is a mistake, please ask the people who run this site.",
	}
	errStandingUnknown = errors.New("extauthz: it is not known yet who is disabled")
)

// deniable returns the keys by which id can be denied, and whether somebody who
// logs in may be behind it.
func (e *Engine) deniable(id *gateward.Identity) (keys []sessions.Key, person bool) {
	if e.denylist == nil {
		return nil, false
	}
	if id.UserID != "" {
		keys = append(keys, sessions.KeyOfUser(id.UserID))
	}
	if id.Issuer != "" {
		keys = append(keys, sessions.KeyOfPrincipal(id.Principal))
	}
	return keys, id.UserID != "" || id.Issuer != "" && slices.Contains(e.userIssuers, id.Issuer)
}

// standing returns ReasonIdentified for an identity that may be used now, or why
// it may not.
func (e *Engine) standing(r *resolved) (Reason, error) {
	if len(r.keys) == 0 {
		return ReasonIdentified, nil
	}
	switch {
	case r.person && !e.denylist.Known():
		return ReasonUnavailable, errStandingUnknown
	case e.denylist.Empty():
		return ReasonIdentified, nil
	}
	for i := range r.keys {
		if e.denylist.Denies(r.keys[i]) {
			return ReasonUserDisabled, errDisabled
		}
	}
	return ReasonIdentified, nil
}
