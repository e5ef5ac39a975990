package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/gateward/gateward"
)

// The errors that a caller decides on. Anything else from a backend wraps
// [gateward.ErrUnavailable].
var (
	// ErrNotFound: there is no such session, or it is over.
	ErrNotFound = errors.New("sessions: no such session")
	// ErrConflict: somebody else replaced the session in the meantime.
	ErrConflict = errors.New("sessions: session was replaced in the meantime")
	// ErrTampered: what is kept under the id is not what was put there. The
	// session is of no use: an invalid credential, not an outage.
	ErrTampered = errors.New("sessions: record is not authentic")
	// ErrBadPage: the page token is not one that List returned.
	ErrBadPage = errors.New("sessions: unknown page token")
	// ErrNoFilter: DeleteWhere was asked to delete everything.
	ErrNoFilter = errors.New("sessions: no filter")
)

// A Backend is everything that one place can keep. Every method is atomic and
// safe for concurrent use. A backend that is not reachable answers every method
// with an error that wraps [gateward.ErrUnavailable], as soon as it knows and at
// the latest when the context ends; it recovers by itself.
type Backend interface {
	Store
	Registry
	Once
	Marks
	Leaser
	Bus
	Keys
	Users
	// Ping reports whether the backend can be used now.
	Ping(ctx context.Context) error
	// Close ends what the backend does in the background.
	Close() error
}

// A Store keeps sessions by id. Whether one is live is judged by the backend's
// clock when it is read, never left to a cleanup. Once a method has returned
// without error, what it did survives whatever the backend survives.
type Store interface {
	// Create keeps s, whose ID and Key are new. Revision is set to 1.
	Create(ctx context.Context, s Session) error

	// Get returns the live session with this id, or [ErrNotFound], or
	// [ErrTampered].
	Get(ctx context.Context, id string) (Session, error)

	// Touch notes that the live session was used at seen. LastSeenAt never goes
	// back. A session that is not live is left alone, without an error.
	Touch(ctx context.Context, id string, seen time.Time) error

	// Replace puts a new Identity, Tokens and ExpiresAt, if earlier, in place of
	// the session's, provided that s.Revision is still that of the live session;
	// otherwise it returns [ErrConflict], or [ErrNotFound]. The other fields stay
	// as they are, apart from UpdatedAt. It publishes the session's key.
	Replace(ctx context.Context, s Session) error

	// Expire makes the session end at the given time, if that is earlier than its
	// end, and publishes its key. It returns [ErrNotFound] unless the session is
	// live.
	Expire(ctx context.Context, id string, at time.Time) error

	// Delete removes the session, expired or not, and publishes its key. That
	// there was none is no error.
	Delete(ctx context.Context, id string) error
}

// A Registry finds sessions by other things than their id.
type Registry interface {
	// List returns at most limit sessions (1 to 1000) that f selects, the oldest
	// first, from where pageToken, which an earlier Page named, says. A session
	// that is there from the first page to the last is listed exactly once.
	List(ctx context.Context, f Filter, limit int, pageToken string) (Page, error)

	// DeleteWhere removes the sessions that f selects, expired ones included, and
	// publishes their keys. It returns how many live ones it removed. With the
	// zero Filter it returns [ErrNoFilter].
	DeleteWhere(ctx context.Context, f Filter) (int, error)

	// Count returns the number of kept sessions by Identity.Method. It may count
	// some that have just expired.
	Count(ctx context.Context) (map[string]int, error)
}

// A Page is a part of a list.
type Page struct {
	Sessions []Session
	// Next is the token of the next page, "" if this is the last.
	Next string
}

// A Filter selects sessions. All fields that are set must agree.
type Filter struct {
	// Principal is whose session it is.
	Principal gateward.Principal
	// Method and Provider are Identity.Method and Identity.Provider.
	Method, Provider string
	// UserID is Identity.UserID.
	UserID string
	// SID is Tokens.SID, which means something together with Method and Provider
	// only.
	SID string
	// CreatedBefore is exclusive.
	CreatedBefore time.Time
	// Expired selects sessions that are over and still kept, too. DeleteWhere
	// ignores it.
	Expired bool
}

// Selects reports whether f selects s, [Filter.Expired] apart.
func (f *Filter) Selects(s *Session) bool {
	return (f.Principal == gateward.Principal{} || f.Principal == s.Identity.Principal) &&
		(f.Method == "" || f.Method == s.Identity.Method) &&
		(f.Provider == "" || f.Provider == s.Identity.Provider) &&
		(f.UserID == "" || f.UserID == s.Identity.UserID) &&
		(f.SID == "" || f.SID == s.Tokens.SID) &&
		(f.CreatedBefore.IsZero() || s.CreatedAt.Before(f.CreatedBefore))
}

// Zero reports whether f selects every live session.
func (f *Filter) Zero() bool {
	return f.Principal == gateward.Principal{} && f.Method == "" && f.Provider == "" && f.UserID == "" &&
		f.SID == "" && f.CreatedBefore.IsZero()
}

// A Once remembers what has been used.
type Once interface {
	// Use reports whether name has not been used before. Exactly one of several
	// callers hears true, on whichever replica. The name is forgotten after until.
	Use(ctx context.Context, name string, until time.Time) (first bool, err error)
}

// Marks remembers when something last happened, for every replica to ask.
type Marks interface {
	// Mark notes that name happened at the given time, kept to the microsecond, and
	// forgets it after until. A later time stays, and so does a later until.
	Mark(ctx context.Context, name string, at, until time.Time) error
	// Marked returns when name happened last, the zero time if nobody has marked it
	// or it is forgotten.
	Marked(ctx context.Context, name string) (time.Time, error)
}

// A Leaser sees to it that one of several replicas does something.
type Leaser interface {
	// Acquire takes the lease called name for ttl, or returns nil if somebody else
	// has it.
	Acquire(ctx context.Context, name string, ttl time.Duration) (Lease, error)
}

// A Lease is held until it is released or its time is over.
type Lease interface {
	// Renew makes the lease last for ttl from now, and reports whether it was
	// still held.
	Renew(ctx context.Context, ttl time.Duration) (bool, error)
	// Release gives the lease up, if it is still held.
	Release(ctx context.Context) error
}

// A Bus tells every replica what has been revoked.
type Bus interface {
	// Publish tells every listener of every replica. Listeners of this process
	// have heard before it returns, also when it returns an error.
	Publish(ctx context.Context, r Revocation) error

	// Subscribe makes l a listener until cancel is called. A listener is deaf
	// until it is told otherwise.
	Subscribe(l Listener) (cancel func())
}

// A Revocation says which identities must not be used from a cache any longer,
// and who must not enter at all.
type Revocation struct {
	Keys []Key
	// All: those of every session.
	All bool
	// Denied are [KeyOfUser] and [KeyOfPrincipal] of users that are disabled from
	// now on; see [Denylist].
	Denied []Key
	// Users: which users are disabled has changed.
	Users bool
}

// A Listener is told what has been revoked. Its methods return quickly and may
// be called from any goroutine.
type Listener interface {
	// Revoked is called after the revocation has come into force in the store.
	Revoked(r Revocation)
	// Hearing is called when the listener begins or ceases to hear what other
	// replicas publish. At each beginning it may have missed something.
	Hearing(ok bool)
}

// Keys keeps secrets that all replicas share.
type Keys interface {
	// Key returns the secret called name, which is made once, of 32 random bytes,
	// when it is first asked for.
	Key(ctx context.Context, name string) ([]byte, error)
}
