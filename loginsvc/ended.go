package loginsvc

import (
	"context"
	"errors"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// A provider may end a session while the login that it belongs to is still under
// way: its logout then finds nothing to delete. So the end is marked before
// anything is deleted, and every login asks, once its session is kept, whether
// something that it belongs to has been ended. Whichever of the two is later finds
// the other.
//
// A provider's session that has ended does not begin again: a mark of its sid counts
// for as long as it is remembered, also for a login whose code was made before the
// logout and whose callback came after it. A mark of a person counts only if it is
// not older than the callback: whoever logs in again after a logout is not taken for
// one who was logged out. Both times are by the clocks of our replicas: which was
// first is known as exactly as those agree.

// errEnded: the provider ended the session while its login was under way.
var errEnded = errors.New("loginsvc: the provider ended the session before it began")

// noteEnd marks what a logout token of a provider names, for as long as a login
// whose callback has come can ask. All of it is tried.
func (s *Service) noteEnd(ctx context.Context, login string, token methods.LogoutToken) error {
	var names []string
	if token.SID != "" {
		names = append(names, noteOfSID(login, token.SID))
	}
	switch {
	case token.Subject == "":
	case token.SID == "":
		names = append(names, noteOfAll(login, token.Principal))
	default:
		names = append(names, noteOfNoSID(login, token.Principal))
	}
	now := s.now()
	var errs []error
	for _, name := range names {
		errs = append(errs, s.store.Mark(ctx, name, now, now.Add(exchangeTimeout+clockSkew)))
	}
	return errors.Join(errs...)
}

// endedSince reports whether the provider has ended the new session, or, since the
// callback came or at the same time, what it belongs to.
func (s *Service) endedSince(ctx context.Context, login string, session *sessions.Session, since time.Time) (bool, error) {
	all, one := noteOfAll(login, session.Identity.Principal), noteOfNoSID(login, session.Identity.Principal)
	known := session.Tokens.SID != ""
	if known {
		one = noteOfSID(login, session.Tokens.SID)
	}
	at, err := s.store.Marked(ctx, one)
	if err != nil {
		return false, err
	}
	if known && !at.IsZero() {
		return true, nil
	}
	since = since.Truncate(time.Microsecond) // as marks are
	if !at.Before(since) {
		return true, nil
	}
	at, err = s.store.Marked(ctx, all)
	return err == nil && !at.Before(since), err
}

// noteOfSID is about the provider's session of that sid, noteOfAll about all
// sessions of a principal, noteOfNoSID about those of them without a sid.
func noteOfSID(login, sid string) string { return "ended:" + login + ":sid:" + digest(sid) }

func noteOfAll(login string, p gateward.Principal) string {
	return "ended:" + login + ":all:" + digest(p.Issuer+"\x00"+p.Subject)
}

func noteOfNoSID(login string, p gateward.Principal) string {
	return "ended:" + login + ":nosid:" + digest(p.Issuer+"\x00"+p.Subject)
}
