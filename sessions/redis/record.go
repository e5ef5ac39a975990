package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/gateward/gateward/sessions"
)

// maxSealers bounds for how many lost keys sessions can still be opened.
const maxSealers = 4

// The purposes that keys are derived for.
const (
	sessionPurpose = "session"
	userPurpose    = "user"
)

// sealers are those of one set of masters.
type sealers struct{ session, user *sessions.Sealer }

func (s *sealers) ofSessions() *sessions.Sealer { return s.session }
func (s *sealers) ofUsers() *sessions.Sealer    { return s.user }

func (s *Store) newSealers() *sealers {
	return &sealers{
		session: sessions.NewSealer(sessionPurpose, s.masters, s.random),
		user:    sessions.NewSealer(userPurpose, s.masters, s.random),
	}
}

// renewSealers asks for the masters again, and keeps the former for opening.
func (s *Store) renewSealers() {
	for {
		old := s.sealers.Load()
		all := append([]*sealers{s.newSealers()}, *old...)
		all = all[:min(len(all), maxSealers)]
		if s.sealers.CompareAndSwap(old, &all) {
			return
		}
	}
}

// seal returns what is kept of a session, bound to its id.
func (s *Store) seal(ctx context.Context, session *sessions.Session) ([]byte, error) {
	plain, err := sessions.Encode(nil, session)
	if err != nil {
		return nil, err
	}
	return (*s.sealers.Load())[0].session.Seal(ctx, nil, plain, []byte(session.ID))
}

// unseal opens what one of the sealers of a kind has sealed.
func (s *Store) unseal(ctx context.Context, kind func(*sealers) *sessions.Sealer, sealed, boundTo string) (plain []byte, err error) {
	err = sessions.ErrTampered
	for _, set := range *s.sealers.Load() {
		if plain, err = kind(set).Open(ctx, []byte(sealed), []byte(boundTo)); !errors.Is(err, sessions.ErrTampered) {
			break
		}
	}
	return plain, err
}

func (s *Store) open(ctx context.Context, id, sealed string) (sessions.Session, error) {
	plain, err := s.unseal(ctx, (*sealers).ofSessions, sealed, id)
	if err != nil {
		return sessions.Session{}, err
	}
	session, err := sessions.Decode(plain)
	if err == nil && session.ID != id {
		err = sessions.ErrTampered
	}
	return session, err
}

// read returns the command that reads a session for decode.
func (s *Store) read(id string) *command {
	return plain("HMGET", s.names.record(id), "v", "x", "s", "r", "u")
}

// decode returns the session that the command has read, over or not:
// [sessions.ErrNotFound] if there is none, or it is past its grace period.
func (s *Store) decode(ctx context.Context, id string, c *command) (sessions.Session, error) {
	f := c.list()
	if len(f) != 5 || f[0] == nil {
		return sessions.Session{}, sessions.ErrNotFound
	}
	sealed, _ := f[0].(string)
	session, err := s.open(ctx, id, sealed)
	if err != nil {
		return sessions.Session{}, err
	}
	ends, okX := number(f[1])
	seen, okS := number(f[2])
	changed, okU := number(f[4])
	if !okX || !okS || f[4] != nil && !okU || f[3] != strconv.FormatUint(session.Revision, 10) {
		return sessions.Session{}, sessions.ErrTampered
	}
	// What lies open can make a session end sooner, never later than the sealed
	// end.
	if ends < micro(session.ExpiresAt) {
		session.ExpiresAt = date(ends)
	}
	if seen > micro(session.LastSeenAt) {
		session.LastSeenAt = date(seen)
	}
	if changed > micro(session.UpdatedAt) {
		session.UpdatedAt = date(changed)
	}
	if s.keepFor(&session, s.now()) <= 0 {
		return sessions.Session{}, sessions.ErrNotFound
	}
	return session, nil
}

// keepFor is how long a session is kept from now on.
func (s *Store) keepFor(session *sessions.Session, now time.Time) time.Duration {
	return session.Deadline().Sub(now) + s.grace
}

// number reads a field.
func number(v any) (int64, bool) {
	text, ok := v.(string)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// milliseconds is a time to live: at least a second, and not more than Redis can
// add to its clock.
func milliseconds(d time.Duration) int64 {
	const century = 100 * 365 * 24 * time.Hour
	return max(min(d, century), time.Second).Milliseconds()
}

// micro is a time in microseconds since the epoch, 0 for the zero time.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func date(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// missing returns the names that are in all and not in others.
func missing(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(others, n) })
}
