package sessions

import (
	"context"
	"time"

	"github.com/gateward/gateward"
)

// The operations that [Observe] names: one for every method of a [Backend] and
// of its leases that can fail, Close apart.
const (
	OpCreate      = "create"
	OpGet         = "get"
	OpTouch       = "touch"
	OpReplace     = "replace"
	OpExpire      = "expire"
	OpDelete      = "delete"
	OpList        = "list"
	OpDeleteWhere = "delete_where"
	OpCount       = "count"
	OpUse         = "use"
	OpMark        = "mark"
	OpMarked      = "marked"
	OpAcquire     = "acquire"
	OpRenew       = "renew"
	OpRelease     = "release"
	OpPublish     = "publish"
	OpKey         = "key"
	OpPing        = "ping"

	OpCreateUser   = "create_user"
	OpUser         = "user"
	OpUserOf       = "user_of"
	OpUsersByEmail = "users_by_email"
	OpReplaceUser  = "replace_user"
	OpListUsers    = "list_users"
	OpDisabledKeys = "disabled_keys"
)

// Operations returns the names of all operations, so that metrics can be there
// before the first one.
func Operations() []string {
	return []string{
		OpCreate, OpGet, OpTouch, OpReplace, OpExpire, OpDelete, OpList, OpDeleteWhere, OpCount,
		OpUse, OpMark, OpMarked, OpAcquire, OpRenew, OpRelease, OpPublish, OpKey, OpPing,
		OpCreateUser, OpUser, OpUserOf, OpUsersByEmail, OpReplaceUser, OpListUsers, OpDisabledKeys,
	}
}

// An Observer is told how a backend fares. Both fields are required.
type Observer struct {
	Now func() time.Time
	// Observe is called after every operation with its error and how long it
	// took. [ErrNotFound], [ErrConflict], [ErrTampered], [ErrBadPage],
	// [ErrNoFilter], [ErrNoUser] and [ErrTooMany] are answers, not failures of the
	// backend. It returns quickly
	// and is safe for concurrent use.
	Observe func(operation string, err error, took time.Duration)
}

// Observe returns b with everything that it does told to o.
func Observe(b Backend, o Observer) Backend { return &observed{b, o} }

// observed leaves Subscribe and Close to the backend.
type observed struct {
	Backend
	o Observer
}

// observing is called when an operation begins; what it returns, when it has
// ended.
func (o *Observer) observing(operation string) func(err *error) {
	begin := o.Now()
	return func(err *error) { o.Observe(operation, *err, o.Now().Sub(begin)) }
}

func (b *observed) Create(ctx context.Context, s Session) (err error) {
	defer b.o.observing(OpCreate)(&err)
	return b.Backend.Create(ctx, s)
}

func (b *observed) Get(ctx context.Context, id string) (_ Session, err error) {
	defer b.o.observing(OpGet)(&err)
	return b.Backend.Get(ctx, id)
}

func (b *observed) Touch(ctx context.Context, id string, seen time.Time) (err error) {
	defer b.o.observing(OpTouch)(&err)
	return b.Backend.Touch(ctx, id, seen)
}

func (b *observed) Replace(ctx context.Context, s Session) (err error) {
	defer b.o.observing(OpReplace)(&err)
	return b.Backend.Replace(ctx, s)
}

func (b *observed) Expire(ctx context.Context, id string, at time.Time) (err error) {
	defer b.o.observing(OpExpire)(&err)
	return b.Backend.Expire(ctx, id, at)
}

func (b *observed) Delete(ctx context.Context, id string) (err error) {
	defer b.o.observing(OpDelete)(&err)
	return b.Backend.Delete(ctx, id)
}

func (b *observed) List(ctx context.Context, f Filter, limit int, pageToken string) (_ Page, err error) {
	defer b.o.observing(OpList)(&err)
	return b.Backend.List(ctx, f, limit, pageToken)
}

func (b *observed) DeleteWhere(ctx context.Context, f Filter) (_ int, err error) {
	defer b.o.observing(OpDeleteWhere)(&err)
	return b.Backend.DeleteWhere(ctx, f)
}

func (b *observed) Count(ctx context.Context) (_ map[string]int, err error) {
	defer b.o.observing(OpCount)(&err)
	return b.Backend.Count(ctx)
}

func (b *observed) Use(ctx context.Context, name string, until time.Time) (_ bool, err error) {
	defer b.o.observing(OpUse)(&err)
	return b.Backend.Use(ctx, name, until)
}

func (b *observed) Mark(ctx context.Context, name string, at, until time.Time) (err error) {
	defer b.o.observing(OpMark)(&err)
	return b.Backend.Mark(ctx, name, at, until)
}

func (b *observed) Marked(ctx context.Context, name string) (_ time.Time, err error) {
	defer b.o.observing(OpMarked)(&err)
	return b.Backend.Marked(ctx, name)
}

func (b *observed) Acquire(ctx context.Context, name string, ttl time.Duration) (_ Lease, err error) {
	defer b.o.observing(OpAcquire)(&err)
	l, err := b.Backend.Acquire(ctx, name, ttl)
	if l == nil || err != nil {
		return nil, err
	}
	return &observedLease{l, &b.o}, nil
}

func (b *observed) Publish(ctx context.Context, r Revocation) (err error) {
	defer b.o.observing(OpPublish)(&err)
	return b.Backend.Publish(ctx, r)
}

func (b *observed) Key(ctx context.Context, name string) (_ []byte, err error) {
	defer b.o.observing(OpKey)(&err)
	return b.Backend.Key(ctx, name)
}

func (b *observed) Ping(ctx context.Context) (err error) {
	defer b.o.observing(OpPing)(&err)
	return b.Backend.Ping(ctx)
}

type observedLease struct {
	Lease
	o *Observer
}

func (l *observedLease) Renew(ctx context.Context, ttl time.Duration) (_ bool, err error) {
	defer l.o.observing(OpRenew)(&err)
	return l.Lease.Renew(ctx, ttl)
}

func (l *observedLease) Release(ctx context.Context) (err error) {
	defer l.o.observing(OpRelease)(&err)
	return l.Lease.Release(ctx)
}

func (b *observed) CreateUser(ctx context.Context, u User) (err error) {
	defer b.o.observing(OpCreateUser)(&err)
	return b.Backend.CreateUser(ctx, u)
}

func (b *observed) User(ctx context.Context, id string) (_ User, err error) {
	defer b.o.observing(OpUser)(&err)
	return b.Backend.User(ctx, id)
}

func (b *observed) UserOf(ctx context.Context, p gateward.Principal) (_ User, err error) {
	defer b.o.observing(OpUserOf)(&err)
	return b.Backend.UserOf(ctx, p)
}

func (b *observed) UsersByEmail(ctx context.Context, email string) (_ []User, err error) {
	defer b.o.observing(OpUsersByEmail)(&err)
	return b.Backend.UsersByEmail(ctx, email)
}

func (b *observed) ReplaceUser(ctx context.Context, u User) (err error) {
	defer b.o.observing(OpReplaceUser)(&err)
	return b.Backend.ReplaceUser(ctx, u)
}

func (b *observed) ListUsers(ctx context.Context, f UserFilter, limit int, pageToken string) (_ UserPage, err error) {
	defer b.o.observing(OpListUsers)(&err)
	return b.Backend.ListUsers(ctx, f, limit, pageToken)
}

func (b *observed) DisabledKeys(ctx context.Context) (_ []Key, err error) {
	defer b.o.observing(OpDisabledKeys)(&err)
	return b.Backend.DisabledKeys(ctx)
}
