package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/memory"
	"github.com/gateward/gateward/sessions/storetest"
)

// An observed backend is a backend.
func TestObserve_Conforms(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	observed := func(_ *testing.T, o storetest.Options) sessions.Backend {
		b := memory.New(memory.Options{Now: o.Now, Random: rand.Reader, GracePeriod: o.GracePeriod})
		return sessions.Observe(b, sessions.Observer{Now: o.Now, Observe: func(operation string, _ error, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen[operation] = true
		}})
	}
	storetest.Run(t, observed)
	storetest.RunUsers(t, observed)
	for _, operation := range sessions.Operations() {
		if !seen[operation] {
			t.Errorf("%s was never observed", operation)
		}
		delete(seen, operation)
	}
	for operation := range seen {
		t.Errorf("%s is not among Operations", operation)
	}
}

var errDown = errors.New("down")

// A slow backend takes a second for everything and fails.
type slow struct {
	sessions.Backend // nil: whatever is not overridden must not be called
	now              time.Time
	lease            sessions.Lease
}

func (b *slow) fail() error {
	b.now = b.now.Add(time.Second)
	return errDown
}

func (b *slow) Create(context.Context, sessions.Session) error            { return b.fail() }
func (b *slow) Get(context.Context, string) (s sessions.Session, _ error) { return s, b.fail() }
func (b *slow) Touch(context.Context, string, time.Time) error            { return b.fail() }
func (b *slow) Replace(context.Context, sessions.Session) error           { return b.fail() }
func (b *slow) Expire(context.Context, string, time.Time) error           { return b.fail() }
func (b *slow) Delete(context.Context, string) error                      { return b.fail() }
func (b *slow) Ping(context.Context) error                                { return b.fail() }
func (b *slow) Publish(context.Context, sessions.Revocation) error        { return b.fail() }
func (b *slow) Key(context.Context, string) ([]byte, error)               { return nil, b.fail() }
func (b *slow) Count(context.Context) (map[string]int, error)             { return nil, b.fail() }
func (b *slow) Use(context.Context, string, time.Time) (bool, error)      { return false, b.fail() }
func (b *slow) Mark(context.Context, string, time.Time, time.Time) error  { return b.fail() }
func (b *slow) Marked(context.Context, string) (at time.Time, _ error)    { return at, b.fail() }
func (b *slow) DeleteWhere(context.Context, sessions.Filter) (int, error) {
	return 0, b.fail()
}

func (b *slow) List(context.Context, sessions.Filter, int, string) (p sessions.Page, _ error) {
	return p, b.fail()
}

func (b *slow) Acquire(context.Context, string, time.Duration) (sessions.Lease, error) {
	if b.lease != nil {
		return b.lease, nil
	}
	return nil, b.fail()
}

func (b *slow) CreateUser(context.Context, sessions.User) error               { return b.fail() }
func (b *slow) User(context.Context, string) (u sessions.User, _ error)       { return u, b.fail() }
func (b *slow) ReplaceUser(context.Context, sessions.User) error              { return b.fail() }
func (b *slow) UsersByEmail(context.Context, string) ([]sessions.User, error) { return nil, b.fail() }

func (b *slow) DisabledKeys(context.Context) ([]sessions.Key, error) { return nil, b.fail() }

func (b *slow) UserOf(context.Context, gateward.Principal) (u sessions.User, _ error) {
	return u, b.fail()
}

func (b *slow) ListUsers(context.Context, sessions.UserFilter, int, string) (p sessions.UserPage, _ error) {
	return p, b.fail()
}

type slowLease struct{ *slow }

func (l slowLease) Renew(context.Context, time.Duration) (bool, error) { return false, l.fail() }
func (l slowLease) Release(context.Context) error                      { return l.fail() }

func TestObserve_TellsNameErrorAndTime(t *testing.T) {
	t.Parallel()
	b := &slow{now: time.Unix(0, 0)}
	var got []string
	o := sessions.Observe(b, sessions.Observer{Now: func() time.Time { return b.now }, Observe: func(operation string, err error, took time.Duration) {
		if !errors.Is(err, errDown) || took != time.Second {
			t.Errorf("%s: got %v after %v, want %v after 1s", operation, err, took, errDown)
		}
		got = append(got, operation)
	}})
	ctx := t.Context()
	errs := []error{
		o.Create(ctx, sessions.Session{}), second(o.Get(ctx, "")), o.Touch(ctx, "", b.now), o.Replace(ctx, sessions.Session{}),
		o.Expire(ctx, "", b.now), o.Delete(ctx, ""), second(o.List(ctx, sessions.Filter{}, 1, "")), second(o.DeleteWhere(ctx, sessions.Filter{})),
		second(o.Count(ctx)), second(o.Use(ctx, "", b.now)), o.Mark(ctx, "", b.now, b.now), second(o.Marked(ctx, "")),
	}
	l, err := o.Acquire(ctx, "", time.Second)
	if l != nil {
		t.Error("a lease although there is none")
	}
	errs = append(errs, err)
	held := sessions.Observe(&slow{lease: slowLease{b}}, sessions.Observer{Now: func() time.Time { return b.now }, Observe: func(operation string, err error, took time.Duration) {
		if operation != sessions.OpAcquire {
			got = append(got, operation)
		}
		if failed := operation != sessions.OpAcquire; errors.Is(err, errDown) != failed || (took == time.Second) != failed {
			t.Errorf("%s: got %v after %v", operation, err, took)
		}
	}})
	if l, err = held.Acquire(ctx, "", time.Second); l == nil || err != nil {
		t.Fatalf("acquire: got %v, %v", l, err)
	}
	errs = append(errs, second(l.Renew(ctx, time.Second)), l.Release(ctx), o.Publish(ctx, sessions.Revocation{}), second(o.Key(ctx, "")), o.Ping(ctx),
		o.CreateUser(ctx, sessions.User{}), second(o.User(ctx, "")), second(o.UserOf(ctx, gateward.Principal{})), second(o.UsersByEmail(ctx, "")),
		o.ReplaceUser(ctx, sessions.User{}), second(o.ListUsers(ctx, sessions.UserFilter{}, 1, "")), second(o.DisabledKeys(ctx)))
	for i, err := range errs {
		if !errors.Is(err, errDown) {
			t.Errorf("operation %d: the error was lost: %v", i, err)
		}
	}
	if want := sessions.Operations(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func second[T any](_ T, err error) error { return err }
