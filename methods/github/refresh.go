package github

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
)

const (
	// refreshTimeout bounds the whole of a refresh, as [methods.Refresher] says,
	// with some time to give up in.
	refreshTimeout = 7500 * time.Millisecond
	// renewAhead is how long before its end an access token is renewed: not later
	// than who calls Refresh for that reason does so.
	renewAhead = 2 * time.Minute
)

// Refresh implements [methods.Refresher]. It renews tokens that have expired or are
// about to, and otherwise only asks again who the person is and what they belong
// to: the tokens are then returned as they were. It leaves it to the caller that
// there is only one at a time.
func (m *Method) Refresh(ctx context.Context, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	fail := func(err error) (gateward.Identity, gateward.Tokens, error) {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	switch {
	case id.Issuer != m.config.server:
		return fail(invalid("the session is another issuer's"))
	case !present(t.AccessToken):
		return fail(errors.New("github: there is no access token"))
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	renewable := present(t.RefreshToken)
	g, kept := grantedBy(t), gateward.Tokens{}
	if renewable && !t.Expiry.IsZero() && !m.now().Before(t.Expiry.Add(-renewAhead)) {
		var err error
		if g, err = m.renew(ctx, t); err != nil {
			return fail(err)
		}
		renewable, kept = false, g.Tokens
	}
	late := &atomic.Bool{}
	g = g.of(id.Subject, late)
	fresh, err := m.establish(ctx, g)
	if renewable && errors.Is(err, gateward.ErrInvalidCredential) {
		// It may have expired before its time by our clock.
		if g, err = m.renew(ctx, t); err != nil {
			return fail(err)
		}
		kept, g = g.Tokens, g.of(id.Subject, late)
		fresh, err = m.establish(ctx, g)
	}
	switch {
	case errors.Is(err, gateward.ErrInvalidCredential):
		return fail(err)
	case err != nil && !errors.Is(err, gateward.ErrNotAdmitted):
		// Of tokens that were renewed the old ones are of no use any more.
		return gateward.Identity{}, kept, err
	case err != nil && fresh.Subject == "": // GitHub does not say more of a suspended account
		return id, g.Tokens, err
	case fresh.Subject != id.Subject:
		return fail(invalid("the access token is somebody else's"))
	}
	// What the session is to us does not change by what GitHub says.
	fresh.AuthTime, fresh.SessionID, fresh.UserID = id.AuthTime, id.SessionID, id.UserID
	fresh.Expiry, fresh.FreshUntil, fresh.ConfirmedAt = id.Expiry, id.FreshUntil, id.ConfirmedAt
	return fresh, g.Tokens, err
}
