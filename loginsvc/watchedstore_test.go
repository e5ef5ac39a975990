package loginsvc_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// A keeper is a backend with users.
type keeper interface {
	sessions.Backend
	sessions.Users
}

// A watchedStore counts what is written, and can be down.
type watchedStore struct {
	keeper
	writes atomic.Int64
	down   atomic.Bool
	// before is called before an operation, "create", "delete", "delete where",
	// "use", "mark", "marked", "create user", "replace user", "user", "user of",
	// "users by email" or "acquire", unless nil. An error takes its place.
	before func(ctx context.Context, operation, name string) error
}

func (s *watchedStore) begin(ctx context.Context, operation, name string) error {
	switch operation {
	case "marked", "user", "user of", "users by email":
	default:
		s.writes.Add(1)
	}
	if err := s.fault(); err != nil || s.before == nil {
		return err
	}
	return s.before(ctx, operation, name)
}

func (s *watchedStore) fault() error {
	if s.down.Load() {
		return fmt.Errorf("test: store is down: %w", gateward.ErrUnavailable)
	}
	return nil
}

func (s *watchedStore) Create(ctx context.Context, v sessions.Session) error {
	if err := s.begin(ctx, "create", v.ID); err != nil {
		return err
	}
	return s.keeper.Create(ctx, v)
}

func (s *watchedStore) Get(ctx context.Context, id string) (sessions.Session, error) {
	if err := s.fault(); err != nil {
		return sessions.Session{}, err
	}
	return s.keeper.Get(ctx, id)
}

func (s *watchedStore) Expire(ctx context.Context, id string, at time.Time) error {
	s.writes.Add(1)
	if err := s.fault(); err != nil {
		return err
	}
	return s.keeper.Expire(ctx, id, at)
}

func (s *watchedStore) Delete(ctx context.Context, id string) error {
	if err := s.begin(ctx, "delete", id); err != nil {
		return err
	}
	return s.keeper.Delete(ctx, id)
}

func (s *watchedStore) DeleteWhere(ctx context.Context, f sessions.Filter) (int, error) {
	if err := s.begin(ctx, "delete where", f.SID); err != nil {
		return 0, err
	}
	return s.keeper.DeleteWhere(ctx, f)
}

func (s *watchedStore) List(ctx context.Context, f sessions.Filter, limit int, token string) (sessions.Page, error) {
	if err := s.fault(); err != nil {
		return sessions.Page{}, err
	}
	return s.keeper.List(ctx, f, limit, token)
}

func (s *watchedStore) Use(ctx context.Context, name string, until time.Time) (bool, error) {
	if err := s.begin(ctx, "use", name); err != nil {
		return false, err
	}
	return s.keeper.Use(ctx, name, until)
}

func (s *watchedStore) Mark(ctx context.Context, name string, at, until time.Time) error {
	if err := s.begin(ctx, "mark", name); err != nil {
		return err
	}
	return s.keeper.Mark(ctx, name, at, until)
}

func (s *watchedStore) Marked(ctx context.Context, name string) (time.Time, error) {
	if err := s.begin(ctx, "marked", name); err != nil {
		return time.Time{}, err
	}
	return s.keeper.Marked(ctx, name)
}

func (s *watchedStore) CreateUser(ctx context.Context, u sessions.User) error {
	if err := s.begin(ctx, "create user", u.ID); err != nil {
		return err
	}
	return s.keeper.CreateUser(ctx, u)
}

func (s *watchedStore) ReplaceUser(ctx context.Context, u sessions.User) error {
	if err := s.begin(ctx, "replace user", u.ID); err != nil {
		return err
	}
	return s.keeper.ReplaceUser(ctx, u)
}

func (s *watchedStore) User(ctx context.Context, id string) (sessions.User, error) {
	if err := s.begin(ctx, "user", id); err != nil {
		return sessions.User{}, err
	}
	return s.keeper.User(ctx, id)
}

func (s *watchedStore) UserOf(ctx context.Context, p gateward.Principal) (sessions.User, error) {
	if err := s.begin(ctx, "user of", p.Subject); err != nil {
		return sessions.User{}, err
	}
	return s.keeper.UserOf(ctx, p)
}

func (s *watchedStore) UsersByEmail(ctx context.Context, email string) ([]sessions.User, error) {
	if err := s.begin(ctx, "users by email", email); err != nil {
		return nil, err
	}
	return s.keeper.UsersByEmail(ctx, email)
}

func (s *watchedStore) ListUsers(ctx context.Context, f sessions.UserFilter, limit int, token string) (sessions.UserPage, error) {
	if err := s.fault(); err != nil {
		return sessions.UserPage{}, err
	}
	return s.keeper.ListUsers(ctx, f, limit, token)
}

func (s *watchedStore) Acquire(ctx context.Context, name string, ttl time.Duration) (sessions.Lease, error) {
	if err := s.begin(ctx, "acquire", name); err != nil {
		return nil, err
	}
	return s.keeper.Acquire(ctx, name, ttl)
}
