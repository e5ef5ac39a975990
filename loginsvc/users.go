package loginsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/sessions"
)

const (
	messageNoUser = "getting user by id not found"
	// enableAttempts bounds how often a change of a user is tried again because
	// somebody else has changed it in the meantime.
	enableAttempts = 10
)

// A userMessage is a [sessions.User] as administrators see it. Like Flipt's messages it
// has all its strings and lists, and no times that are unknown.
type userMessage struct {
	ID          string            `json:"id"`
	Enabled     bool              `json:"enabled"`
	Waiting     bool              `json:"waiting"`
	Emails      []string          `json:"emails"`
	Identities  []identityMessage `json:"identities"`
	CreatedAt   *timestamp        `json:"createdAt,omitempty"`
	UpdatedAt   *timestamp        `json:"updatedAt,omitempty"`
	LastLoginAt *timestamp        `json:"lastLoginAt,omitempty"`
}

type identityMessage struct {
	Method      string     `json:"method"`
	Provider    string     `json:"provider"`
	Issuer      string     `json:"issuer"`
	Subject     string     `json:"subject"`
	Email       string     `json:"email"`
	Name        string     `json:"name"`
	LastLoginAt *timestamp `json:"lastLoginAt,omitempty"`
}

func userMessageOf(u *sessions.User) userMessage {
	v := userMessage{
		ID: u.ID, Enabled: u.Enabled, Waiting: u.Waiting, Emails: u.Emails(), Identities: []identityMessage{},
		CreatedAt: at(u.CreatedAt), UpdatedAt: at(u.UpdatedAt), LastLoginAt: at(u.LastLoginAt),
	}
	if v.Emails == nil {
		v.Emails = []string{}
	}
	for i := range u.Identities {
		id := &u.Identities[i]
		v.Identities = append(v.Identities, identityMessage{
			Method: methodName(id.Method), Provider: id.Provider, Issuer: id.Issuer, Subject: id.Subject,
			Email: id.Email, Name: id.Name, LastLoginAt: at(id.LastLoginAt),
		})
	}
	return v
}

// listUsers lists users in the order of their creation; with an address, all those
// who have it.
func (s *Service) listUsers(x *exchange) {
	if _, ok := s.adminCaller(x); !ok {
		return
	}
	q := x.r.URL.Query()
	limit, problem := limitOf(q)
	disabled := q.Get("disabled")
	if problem == "" && !slices.Contains([]string{"", "true", "false"}, disabled) {
		problem = `parsing field "disabled": not true or false`
	}
	if problem != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: problem})
		return
	}
	f := sessions.UserFilter{Disabled: disabled == "true"}
	p, err := s.findUsers(x.r.Context(), f, admit.LowerASCII(q.Get("email")), limit, q.Get("pageToken"))
	if err != nil {
		s.refusePage(x, err)
		return
	}
	list := struct {
		Users         []userMessage `json:"users"`
		NextPageToken string        `json:"nextPageToken"`
	}{[]userMessage{}, p.Next}
	for i := range p.Users {
		list.Users = append(list.Users, userMessageOf(&p.Users[i]))
	}
	s.json(x, http.StatusOK, list)
}

func (s *Service) findUsers(ctx context.Context, f sessions.UserFilter, email string, limit int, token string) (sessions.UserPage, error) {
	if email == "" {
		return s.store.ListUsers(ctx, f, limit, token)
	}
	all, err := s.store.UsersByEmail(ctx, email)
	if f.Disabled {
		all = slices.DeleteFunc(all, func(u sessions.User) bool { return u.Enabled })
	}
	return sessions.UserPage{Users: all}, err
}

func (s *Service) getUser(x *exchange) {
	if _, ok := s.adminCaller(x); !ok {
		return
	}
	if u, ok := s.userNamed(x, x.params[0]); ok {
		s.json(x, http.StatusOK, userMessageOf(&u))
	}
}

// userNamed returns the user with this id, or answers.
func (s *Service) userNamed(x *exchange, id string) (sessions.User, bool) {
	u, err := sessions.User{}, sessions.ErrNoUser
	if len(id) <= maxSessionID {
		u, err = s.store.User(x.r.Context(), id)
	}
	s.refuseUser(x, err)
	return u, err == nil
}

// refuseUser answers what cannot be done with a user, unless err is nil.
func (s *Service) refuseUser(x *exchange, err error) {
	switch {
	case err == nil:
	case errors.Is(err, sessions.ErrNoUser), errors.Is(err, sessions.ErrTampered):
		s.refuse(x, failure{status: http.StatusNotFound, message: messageNoUser})
	default:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	}
}

// patchUser enables or disables a user.
func (s *Service) patchUser(x *exchange) {
	c, ok := s.adminCaller(x)
	if !ok {
		return
	}
	enabled, ok := enabledIn(x.r.Body)
	if !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, message: `the body must be {"enabled": true} or {"enabled": false}`})
		return
	}
	u, ok := s.userNamed(x, x.params[0])
	if !ok {
		return
	}
	if !enabled && c.is(&u) {
		s.refuse(x, failure{status: http.StatusBadRequest, message: "nobody can disable themselves"})
		return
	}
	u, err := s.setEnabled(x.r.Context(), u.ID, enabled)
	if err != nil {
		s.refuseUser(x, err)
		return
	}
	s.logAdmin(x, &c, slog.String("changed_user_id", u.ID), slog.Bool("enabled", enabled))
	s.json(x, http.StatusOK, userMessageOf(&u))
}

// is reports whether the caller is this user, by whatever credential.
func (c *caller) is(u *sessions.User) bool {
	return c.identity.UserID == u.ID || slices.ContainsFunc(u.Identities, func(i sessions.UserIdentity) bool {
		return i.Principal == c.identity.Principal
	})
}

// enabledIn reads {"enabled": BOOL}, and nothing else.
func enabledIn(body io.Reader) (enabled, ok bool) {
	d := json.NewDecoder(body)
	var all [4]json.Token
	for i := range all {
		t, err := d.Token()
		if err != nil {
			return false, false
		}
		all[i] = t
	}
	enabled, ok = all[2].(bool)
	_, err := d.Token()
	ok = ok && all[0] == json.Delim('{') && all[1] == "enabled" && all[3] == json.Delim('}') && errors.Is(err, io.EOF)
	return enabled && ok, ok
}

// setEnabled lets a user enter, or keeps it out and ends all of its sessions; one
// that waits is decided about by either. It returns the user as it is then. Doing it
// again does again what may have failed. An error wraps [sessions.ErrNoUser], or is
// a fault.
func (s *Service) setEnabled(ctx context.Context, userID string, enabled bool) (sessions.User, error) {
	u, changed, err := s.replaceEnabled(ctx, userID, enabled)
	if err != nil {
		return sessions.User{}, fmt.Errorf("loginsvc: change user: %w", err)
	}
	n := 0
	if !enabled {
		// The user is kept out by now, whatever becomes of who asked for it.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
		defer cancel()
		n, err = s.endAllOf(ending, &u)
		if n > 0 {
			s.metrics.Revocations(causeDisabled, n)
		}
	}
	if changed || n > 0 {
		message := "user disabled"
		if enabled {
			message = "user enabled"
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, message, slog.String("user_id", u.ID), slog.Int("sessions", n)) //nolint:sloglint // one of two constants
	}
	if err != nil {
		return sessions.User{}, fmt.Errorf("loginsvc: end sessions of user: %w", err)
	}
	return u, nil
}

// replaceEnabled changes the record alone, and reports whether it was otherwise. Who
// is to be disabled is written in any case, so that every replica is told again.
func (s *Service) replaceEnabled(ctx context.Context, userID string, enabled bool) (u sessions.User, changed bool, err error) {
	for range enableAttempts {
		if u, err = s.store.User(ctx, userID); err != nil {
			return sessions.User{}, false, err
		}
		changed = u.Enabled != enabled || u.Waiting
		if enabled && !changed {
			return u, false, nil
		}
		next := u
		next.Enabled, next.Waiting = enabled, false
		if changed {
			next.UpdatedAt = s.now().UTC().Truncate(time.Microsecond)
		}
		if err = s.store.ReplaceUser(ctx, next); err == nil {
			next.Revision++
			return next, changed, nil
		}
		if !errors.Is(err, sessions.ErrConflict) {
			return sessions.User{}, false, err
		}
	}
	return sessions.User{}, false, fmt.Errorf("%w: %w", gateward.ErrUnavailable, err)
}

// endAllOf deletes the sessions of a user, and those of its identities that belong
// to no user. It does so twice: a login that was let in before may have kept its
// session during the first time. One that keeps it later finds the user disabled
// by itself.
func (s *Service) endAllOf(ctx context.Context, u *sessions.User) (n int, err error) {
	filters := allOf(u)
	for _, f := range append(filters, filters[0]) {
		more, err := s.store.DeleteWhere(ctx, f)
		n += more
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// logAdmin logs what an administrator has done.
func (s *Service) logAdmin(x *exchange, c *caller, what ...slog.Attr) {
	attrs := append(s.attrs(x), slog.String("auth_method", c.identity.Method), slog.String("provider", c.identity.Provider))
	attrs = append(append(attrs, personAttrs(&c.identity)...), what...)
	s.log.LogAttrs(x.r.Context(), slog.LevelInfo, "administrator changed users or sessions", attrs...)
}
