package loginsvc

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// A provider may end a session while the login that it belongs to is still under
// way: its logout token then finds nothing to delete. So the end is noted, and
// every login asks, once its session is kept, what has been ended since its
// callback came. Whichever of the two is later finds the other.
//
// A note is a name that is used up ([sessions.Once]), and its time is part of the
// name: whoever logs in again after a logout must not be taken for one who was
// logged out. The time is a second, and within it a fraction that is asked for
// only if something was noted in that second. It is as good as the clocks of the
// replicas agree.
const (
	noteSecond   = time.Second
	noteFraction = 50 * time.Millisecond
	// noteTries is how often a name is tried before it counts as a note: it may
	// be the trace of somebody who asks at the same time, which a store may keep
	// for a millisecond. The waits in between are random, up to noteWait and each
	// time twice as much, so that many who ask at once get out of step.
	noteTries = 8
	noteWait  = 2 * time.Millisecond
)

// errEnded: the provider ended the session while its login was under way.
var errEnded = errors.New("loginsvc: the provider ended the session before it began")

// noteEnd notes what a logout token of a provider names.
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
	until := now.Add(exchangeTimeout + clockSkew)
	for _, name := range names {
		for _, width := range []time.Duration{noteFraction, noteSecond} { // asked the other way round
			if _, err := s.use(ctx, noteAt(name, width, now), until); err != nil {
				return err
			}
		}
	}
	return nil
}

// endedSince reports whether the provider has ended the new session, or what it
// belongs to, since the callback came.
func (s *Service) endedSince(ctx context.Context, login string, session *sessions.Session, since time.Time) (bool, error) {
	names := []string{noteOfAll(login, session.Identity.Principal), noteOfNoSID(login, session.Identity.Principal)}
	if sid := session.Tokens.SID; sid != "" {
		names[1] = noteOfSID(login, sid)
	}
	for _, name := range names {
		if noted, err := s.noted(ctx, name, noteSecond, since, s.now()); noted || err != nil {
			return noted, err
		}
	}
	return false, nil
}

// noted reports whether there is a note with a time between since and until, both
// included. Asking leaves nothing behind.
func (s *Service) noted(ctx context.Context, name string, width time.Duration, since, until time.Time) (bool, error) {
	for at := since.Truncate(width); !at.After(until); at = at.Add(width) {
		first, err := s.use(ctx, noteAt(name, width, at), s.now())
		if err != nil {
			return false, err
		}
		if first {
			continue
		}
		if width == noteFraction {
			return true, nil
		}
		from, to := at, at.Add(width-noteFraction)
		if since.After(from) {
			from = since
		}
		if until.Before(to) {
			to = until
		}
		if found, err := s.noted(ctx, name, noteFraction, from, to); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// use is [sessions.Once.Use], repeated while the name is taken: what somebody who
// asks has used up is free again at once.
func (s *Service) use(ctx context.Context, name string, until time.Time) (first bool, err error) {
	for i := range noteTries {
		if i > 0 {
			pause := time.NewTimer(s.part(noteWait << i))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return false, ctx.Err()
			}
		}
		if first, err = s.store.Use(ctx, name, until); first || err != nil {
			return first, err
		}
	}
	return false, nil
}

// part returns a random part of d, or all of it without randomness.
func (s *Service) part(d time.Duration) time.Duration {
	var b [1]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return d
	}
	return d * time.Duration(b[0]) / 255
}

func noteAt(name string, width time.Duration, at time.Time) string {
	return name + ":" + width.String() + ":" + strconv.FormatInt(at.Truncate(width).UnixMilli(), 10)
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
