package extauthz

import (
	"context"
	"fmt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/credential"
)

// Identify returns who sent a request with these values of the Authorization
// and Cookie headers, and how the credential that counts was presented. The
// credential is found and judged as in a check whose rule admits every kind,
// within the same time; requirements of rules play no part.
//
// The identity is whole: its claims and metadata, which the cache does without
// unless an expression looks at them, are asked of the method again. Errors wrap
// [gateward.ErrNoCredential], [gateward.ErrInvalidCredential],
// [gateward.ErrNotAdmitted] (the identity may then be there all the same, to be
// told who is not admitted; who is disabled is not by
// [gateward.RuleUserDisabled]) or [gateward.ErrUnavailable].
//
// Identify is for the login service, which must not believe identity headers.
func (e *Engine) Identify(ctx context.Context, authorization, cookies [][]byte) (gateward.Identity, gateward.Scheme, error) {
	found, problem := e.finder.Find(authorization, cookies, credential.All)
	switch {
	case problem != credential.None:
		return gateward.Identity{}, found.Scheme, fmt.Errorf("extauthz: identify: %s: %w", problem, gateward.ErrInvalidCredential)
	case found.Value == nil:
		return gateward.Identity{}, found.Scheme, fmt.Errorf("extauthz: identify: %w", gateward.ErrNoCredential)
	}
	now := e.now()
	q := &request{now: now, deadline: due(ctx, now)}
	key := keyOf(found.Scheme, found.Value)
	r, generation := e.cache.get(&key, e.instant(now))
	if r == nil || r.reason == ReasonIdentified && !e.expressions {
		r = e.verify(ctx, q, &flight{e: e, key: key, generation: generation, whole: !e.expressions, credential: credentialOf(found)})
	}
	reason, err := r.reason, r.err
	if reason == ReasonIdentified {
		if reason, err = e.standing(r); reason == ReasonIdentified {
			return r.identity, found.Scheme, nil
		}
	}
	return r.identity, found.Scheme, identifyError(reason, err)
}

// identifyError says whose fault it is that there is no identity.
func identifyError(reason Reason, err error) error {
	switch {
	case reason == ReasonNotAdmitted, reason == ReasonUserDisabled:
		return fmt.Errorf("extauthz: identify: %w", err)
	case reason.Outcome() == OutcomeDeny:
		return fmt.Errorf("extauthz: identify: %w: %s", gateward.ErrInvalidCredential, err.Error())
	}
	// What else the error may be is not for the caller: on a fault of ours
	// nobody is to lose a cookie.
	return fmt.Errorf("extauthz: identify: %s: %w: %s", reason, gateward.ErrUnavailable, err.Error())
}
