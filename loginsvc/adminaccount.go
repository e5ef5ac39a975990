package loginsvc

import (
	"context"
	"errors"

	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// completeAccount adds to an account page what goes beyond the session: the way to
// administration for administrators, what the person can log in with if that is
// several, and the button that ends everything.
func (s *Service) completeAccount(ctx context.Context, current *sessions.Session, v *page.Account) error {
	v.RevokeAllURL = s.link(accountPath + "/sessions/revoke-all")
	if s.admins.Has(&current.Identity) {
		v.AdminURL = s.link(adminPath)
	}
	if current.Identity.UserID == "" {
		return nil
	}
	u, err := s.store.User(ctx, current.Identity.UserID)
	switch {
	case errors.Is(err, sessions.ErrNoUser), errors.Is(err, sessions.ErrTampered):
		return nil // the page is about sessions, and those are there
	case err != nil:
		return err
	}
	if len(u.Identities) > 1 {
		v.Identities = s.identityLines(&u, false)
	}
	return nil
}
