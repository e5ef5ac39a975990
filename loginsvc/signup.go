package loginsvc

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// Everybody who logs in has a user, which is made at the first login. Who is kept
// out, by admission or by what is recorded, changes nothing in any record.

const (
	// manyUsers is how many users with one address a store tells at most.
	manyUsers = 100
	// signUpAttempts bounds how often a login begins anew because somebody else has
	// changed the user in the meantime.
	signUpAttempts = 10
	// noteInterval is how often it is noted at most that nothing but time has passed
	// between two logins.
	noteInterval = time.Minute
	// leaseTTL is more than a login can take, leaseWait how long one waits for
	// another of the same address, looking every leasePoll.
	leaseTTL  = 30 * time.Second
	leaseWait = 5 * time.Second
	leasePoll = 20 * time.Millisecond
	// maxEmail and maxName bound what is kept of a person, in bytes.
	maxEmail = 320
	maxName  = 256
)

// mayEnter returns nil if the user is enabled, and else a
// [*gateward.NotAdmittedError].
func mayEnter(u *sessions.User) error {
	switch {
	case u.Enabled:
		return nil
	case u.Waiting:
		return &gateward.NotAdmittedError{Rule: gateward.RuleUserWaiting}
	}
	return &gateward.NotAdmittedError{Rule: gateward.RuleUserDisabled}
}

// signUp returns the enabled user of an identity that l has just established: the
// one who has it, the one who is linked by the address, or a new one. Errors wrap
// [gateward.ErrNotAdmitted] for one who may not enter; all others are faults.
func (s *Service) signUp(ctx context.Context, l methods.Login, id *gateward.Identity) (sessions.User, error) {
	for range signUpAttempts {
		user, err := s.userFor(ctx, l, id)
		switch {
		case err == nil:
			return user, nil
		case errors.Is(err, sessions.ErrConflict), errors.Is(err, sessions.ErrNoUser):
			continue // somebody else was first
		case errors.Is(err, sessions.ErrTooMany):
			return sessions.User{}, fmt.Errorf("loginsvc: sign up: %w: %w", err, &gateward.UnavailableError{
				Reason: "This site has no room for anybody new. Please tell the people who run it.",
			})
		}
		return sessions.User{}, fmt.Errorf("loginsvc: sign up: %w", err)
	}
	return sessions.User{}, fmt.Errorf("loginsvc: sign up: the user kept changing: %w", gateward.ErrUnavailable)
}

// userFor is one attempt to [Service.signUp].
func (s *Service) userFor(ctx context.Context, l methods.Login, id *gateward.Identity) (sessions.User, error) {
	as := identityNow(l, id, s.now().UTC().Truncate(time.Microsecond))
	user, err := s.store.UserOf(ctx, id.Principal)
	if err == nil {
		return s.noteLogin(ctx, &user, id, as)
	}
	if !errors.Is(err, sessions.ErrNoUser) {
		return sessions.User{}, err
	}
	if !s.cfg.LinkAccounts || !as.Authoritative {
		return s.newUser(ctx, id, as)
	}
	release, err := s.lease(ctx, "signup:"+digest(as.Email))
	if err != nil {
		return sessions.User{}, err
	}
	defer release()
	user, err = s.userAt(ctx, &as) // also the one that who had the lease has made
	switch {
	case err == nil:
		return s.noteLogin(ctx, &user, id, as)
	case errors.Is(err, sessions.ErrNoUser):
		return s.newUser(ctx, id, as)
	}
	return sessions.User{}, err
}

// identityNow is what is kept of an identity that l has established now.
func identityNow(l methods.Login, id *gateward.Identity, now time.Time) sessions.UserIdentity {
	as := sessions.UserIdentity{
		Principal: id.Principal, Method: id.Method, Provider: id.Provider,
		Name: strings.ToValidUTF8(id.Name[:min(len(id.Name), maxName)], ""), LastLoginAt: now,
	}
	if id.EmailVerified && len(id.Email) <= maxEmail {
		as.Email = admit.LowerASCII(id.Email)
	}
	as.Authoritative = believed(l, &as)
	return as
}

// believed reports whether l, which may be nil, is believed the verified address of
// an identity of its own. What another issuer said is not, though its provider had
// the name that l has now.
func believed(l methods.Login, as *sessions.UserIdentity) bool {
	e, ok := l.(methods.EmailAuthority)
	if !ok || as.Email == "" {
		return false
	}
	issuer := issuerOf(l)
	return (issuer == "" || issuer == as.Issuer) && e.Authoritative(as.Email)
}

// userAt returns the one user with an identity that is believed the address of as,
// both when it was last used and by the configuration of now, or
// [sessions.ErrNoUser]. With several, or so many that not all are known, nobody knows
// which is meant; and a user with another subject of as's issuer is somebody else,
// who had the address before (OpenID Connect Core §5.7). But while one of them is
// disabled, nobody else enters by that address either.
func (s *Service) userAt(ctx context.Context, as *sessions.UserIdentity) (sessions.User, error) {
	all, err := s.store.UsersByEmail(ctx, as.Email)
	if err != nil {
		return sessions.User{}, err
	}
	more := len(all) >= manyUsers
	all = slices.DeleteFunc(all, func(u sessions.User) bool {
		return !slices.ContainsFunc(u.Identities, func(i sessions.UserIdentity) bool {
			return i.Authoritative && i.Email == as.Email && believed(s.byPath[loginPath(i.Method, i.Provider)], &i)
		})
	})
	sameIssuer := func(i sessions.UserIdentity) bool { return i.Issuer == as.Issuer }
	if len(all) == 1 && !more && !slices.ContainsFunc(all[0].Identities, sameIssuer) {
		return all[0], nil
	}
	for i := range all {
		if !all[i].Enabled && !all[i].Waiting {
			return sessions.User{}, mayEnter(&all[i])
		}
	}
	return sessions.User{}, sessions.ErrNoUser
}

// noteLogin notes a login of the user, if it is enabled, with an identity that may
// be new to it. Of somebody who waits, the configuration may have made an
// administrator.
func (s *Service) noteLogin(ctx context.Context, user *sessions.User, id *gateward.Identity, as sessions.UserIdentity) (sessions.User, error) {
	next := *user
	if next.Waiting && s.admins.Has(id) {
		next.Enabled, next.Waiting = true, false
	}
	if err := mayEnter(&next); err != nil {
		return sessions.User{}, err
	}
	next.Identities = slices.Clone(user.Identities)
	changed, since := next.Enabled != user.Enabled, time.Time{}
	i := slices.IndexFunc(next.Identities, func(i sessions.UserIdentity) bool { return i.Principal == as.Principal })
	linked := i < 0
	if linked {
		changed, next.Identities = true, append(next.Identities, as)
	} else {
		was := next.Identities[i]
		if as.Email == "" { // withheld, perhaps: what is known of the person stays
			as.Email, as.Authoritative = was.Email, was.Authoritative
		}
		since, was.LastLoginAt = was.LastLoginAt, as.LastLoginAt
		changed, next.Identities[i] = changed || was != as, as
	}
	if changed {
		next.UpdatedAt = as.LastLoginAt
	} else if as.LastLoginAt.Sub(since) < noteInterval {
		return *user, nil
	}
	next.LastLoginAt = as.LastLoginAt
	if err := s.store.ReplaceUser(ctx, next); err != nil {
		return sessions.User{}, err
	}
	if linked {
		s.logUser(ctx, "identity linked to user", &next, &as)
	}
	return next, nil
}

// newUser makes the user of an identity that nobody has, as far as
// [Config.SignUp] lets somebody new enter.
func (s *Service) newUser(ctx context.Context, id *gateward.Identity, as sessions.UserIdentity) (sessions.User, error) {
	signUp := cmp.Or(s.cfg.SignUp, SignUpOpen)
	if s.admins.Has(id) { // or nobody could ever begin
		signUp = SignUpOpen
	}
	if signUp == SignUpClosed {
		return sessions.User{}, &gateward.NotAdmittedError{Rule: gateward.RuleSignUp}
	}
	userID, err := s.newUserID()
	if err != nil {
		return sessions.User{}, err
	}
	now := as.LastLoginAt
	user := sessions.User{
		ID: userID, Revision: 1, Enabled: signUp == SignUpOpen, Waiting: signUp == SignUpApproval,
		Identities: []sessions.UserIdentity{as}, CreatedAt: now, UpdatedAt: now, LastLoginAt: now,
	}
	if err := s.store.CreateUser(ctx, user); err != nil {
		return sessions.User{}, err
	}
	s.logUser(ctx, "user created", &user, &as)
	return user, mayEnter(&user)
}

func (s *Service) logUser(ctx context.Context, message string, u *sessions.User, as *sessions.UserIdentity) {
	s.log.LogAttrs(ctx, slog.LevelInfo, message, //nolint:sloglint // the callers' messages are constants
		slog.String("user_id", u.ID), slog.Bool("enabled", u.Enabled), slog.Bool("waiting", u.Waiting),
		slog.String("auth_method", as.Method), slog.String("provider", as.Provider),
		slog.String("issuer", as.Issuer), slog.String("subject_hash", subjectHash(as.Principal)))
}

// newUserID returns a random UUID of version 4 (RFC 9562 §5.4).
func (s *Service) newUserID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("make user id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// lease takes a lease, waiting for whoever has it, and returns how to give it back.
func (s *Service) lease(ctx context.Context, name string) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		lease, err := s.store.Acquire(waiting, name, leaseTTL)
		if err != nil {
			return nil, err
		}
		if lease != nil {
			return func() {
				// If this fails, the lease ends by itself.
				giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
				defer cancel()
				_ = lease.Release(giving)
			}, nil
		}
		select {
		case <-time.After(leasePoll):
		case <-waiting.Done():
			return nil, fmt.Errorf("another login with the same address is under way: %w", gateward.ErrUnavailable)
		}
	}
}
