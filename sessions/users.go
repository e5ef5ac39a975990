package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/gateward/gateward"
)

// The errors about users that a caller decides on; beside them, [ErrConflict],
// [ErrTampered] and [ErrBadPage] mean what they mean for sessions.
var (
	// ErrNoUser: there is no such user.
	ErrNoUser = errors.New("sessions: no such user")
	// ErrTooMany: the backend keeps no more users.
	ErrTooMany = errors.New("sessions: too many users")
)

// A User is what is remembered of a person who has logged in, by whichever
// providers, beyond all sessions. Times are UTC and kept to the microsecond.
type User struct {
	// ID is a random UUID of version 4. It never changes and means nothing.
	ID string
	// Revision counts the calls of [Users.ReplaceUser].
	Revision uint64
	// Enabled: the person may enter.
	Enabled bool
	// Waiting: nobody has enabled the person yet; then Enabled is false.
	Waiting bool
	// Identities are what the person has logged in with, at least one, the first
	// login first.
	Identities []UserIdentity

	CreatedAt, UpdatedAt, LastLoginAt time.Time
}

// A UserIdentity is one of a person's identities, as the last login with it left
// it.
type UserIdentity struct {
	gateward.Principal

	// Method and Provider are those of [gateward.Identity].
	Method, Provider string
	// Email is the verified address in lower case (ASCII), or "".
	Email string
	// Authoritative: the provider is believed this address, see
	// methods.EmailAuthority.
	Authoritative bool
	// Name is a display name.
	Name        string
	LastLoginAt time.Time
}

// Emails returns the verified addresses, sorted, each once.
func (u *User) Emails() []string {
	var all []string
	for i := range u.Identities {
		if e := u.Identities[i].Email; e != "" && !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	slices.Sort(all)
	return all
}

// Keys returns what a [Denylist] holds of a disabled user: [KeyOfUser], and
// [KeyOfPrincipal] of every identity.
func (u *User) Keys() []Key {
	all := []Key{KeyOfUser(u.ID)}
	for i := range u.Identities {
		all = append(all, KeyOfPrincipal(u.Identities[i].Principal))
	}
	return all
}

// RevocationOf returns what is published when a user has become u, as
// [Users.CreateUser] (before is nil) and [Users.ReplaceUser] say. It is the zero
// Revocation if there is nothing to publish.
func RevocationOf(before, u *User) Revocation {
	var r Revocation
	if !u.Enabled {
		r.Denied = u.Keys()
	}
	r.Users = before != nil && (!before.Enabled && u.Enabled || !before.sameIdentities(u))
	return r
}

// sameIdentities reports whether u has the principals that o has, in any order.
func (u *User) sameIdentities(o *User) bool {
	mine, theirs := map[gateward.Principal]bool{}, map[gateward.Principal]bool{}
	for i := range u.Identities {
		mine[u.Identities[i].Principal] = true
	}
	for i := range o.Identities {
		theirs[o.Identities[i].Principal] = true
	}
	return maps.Equal(mine, theirs)
}

// Users keeps users. They never expire: nothing but a change ends what is said
// of them, and, except with a backend that lives in the process, no restart. The
// identities of one user are nobody else's. Listings are in the order of
// creation.
type Users interface {
	// CreateUser keeps u, whose ID is new; Revision is set to 1. It returns
	// [ErrConflict] if one of the identities is a user's already, and [ErrTooMany].
	// If u is disabled, it publishes its keys as Denied.
	CreateUser(ctx context.Context, u User) error

	// User returns the user with this id, or [ErrNoUser], or [ErrTampered].
	User(ctx context.Context, id string) (User, error)

	// UserOf returns the user with this identity, or [ErrNoUser], or [ErrTampered].
	UserOf(ctx context.Context, p gateward.Principal) (User, error)

	// UsersByEmail returns the users with this verified address in lower case, at
	// most 100; or [ErrTampered] if one of them cannot be read, or nobody would know
	// how many there are.
	UsersByEmail(ctx context.Context, email string) ([]User, error)

	// ReplaceUser puts u in place of the user with its id, provided that u.Revision
	// is still the kept one and no identity is another user's; otherwise it returns
	// [ErrConflict], or [ErrNoUser], or [ErrTampered]. ID and CreatedAt stay; Revision grows by one. A
	// user that is disabled afterwards has its keys published as Denied, whatever
	// it was before; one that no longer is, or has other identities than before,
	// as a change of Users.
	ReplaceUser(ctx context.Context, u User) error

	// ListUsers returns at most limit users (1 to 1000) that f selects, from where
	// pageToken, which an earlier page named, says. One that cannot be read
	// ([ErrTampered]) is left out.
	ListUsers(ctx context.Context, f UserFilter, limit int, pageToken string) (UserPage, error)

	// DisabledKeys returns the keys of all disabled users. It does not depend on
	// whether their records can be read.
	DisabledKeys(ctx context.Context) ([]Key, error)
}

// A UserFilter selects users.
type UserFilter struct {
	// Disabled selects those that are not enabled.
	Disabled bool
}

// A UserPage is a part of a list.
type UserPage struct {
	Users []User
	// Next is the token of the next page, "" if this is the last.
	Next string
}

// KeyOfUser returns the key of a user's id in a [Denylist].
func KeyOfUser(id string) Key { return nameKey("user", id) }

// KeyOfPrincipal returns the key of a principal in a [Denylist].
func KeyOfPrincipal(p gateward.Principal) Key { return nameKey("principal", p.Issuer, p.Subject) }

// nameKey tells lists of strings apart.
func nameKey(parts ...string) Key {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}
