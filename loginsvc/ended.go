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
// way: its logout token then finds nothing to delete. So the end is marked before
// anything is deleted, and every login asks, once its session is kept, whether
// something that it belongs to has been ended since its callback came. Whichever
// of the two is later finds the other.
//
// Whoever logs in again after a logout has an older mark, and is not taken for
// one who was logged out. Both times are by the clocks of our replicas: which was
// first is known as exactly as those agree.

// errEnded: the provider ended the session while its login was under way.
var errEnded = errors.New("loginsvc: the provider ended the session before it began")

// noteEnd marks what a logout token of a provider names, for as long as a login
// that is under way can ask.
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
	for _, name := range names {
		if err := s.store.Mark(ctx, name, now, now.Add(exchangeTimeout+clockSkew)); err != nil {
			return err
		}
	}
	return nil
}

// endedSince reports whether the provider has ended the new session, or what it
// belongs to, since the callback came, or at the same time.
func (s *Service) endedSince(ctx context.Context, login string, session *sessions.Session, since time.Time) (bool, error) {
	names := []string{noteOfAll(login, session.Identity.Principal), noteOfNoSID(login, session.Identity.Principal)}
	if sid := session.Tokens.SID; sid != "" {
		names[1] = noteOfSID(login, sid)
	}
	since = since.Truncate(time.Microsecond) // as marks are
	for _, name := range names {
		at, err := s.store.Marked(ctx, name)
		if err != nil {
			return false, err
		}
		if !at.Before(since) {
			return true, nil
		}
	}
	return false, nil
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
