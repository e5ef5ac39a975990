// Package sessions holds the contract between whoever makes, uses and ends
// sessions and the backends that keep them: the [Session] itself, the small
// interfaces of a [Backend], and the sealing of what is kept.
//
// The backends are the packages below this one (memory, file, redis); package
// storetest proves that they keep the contract. Sessions are begun and listed by
// loginsvc, and verified by methods/clienttoken.
package sessions

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/gateward/gateward"
)

// TouchInterval is how often a session's use is noted at most.
const TouchInterval = time.Minute

// A Session is an authentication that outlives the request in which it was made.
// Times are UTC and kept to the microsecond.
type Session struct {
	// ID is [IDOf] Key. It is public: it names the session to its owner and to
	// administrators, and cannot be presented.
	ID string
	// Key is the SHA-256 of the client token.
	Key Key
	// Revision counts the calls of [Store.Replace].
	Revision uint64

	// Identity is what the login established. SessionID, Expiry and FreshUntil
	// are not kept: they follow from the session. UserID never changes.
	Identity gateward.Identity
	// Tokens are the provider's.
	Tokens gateward.Tokens

	CreatedAt time.Time
	// UpdatedAt is when Identity, Tokens or ExpiresAt last changed.
	UpdatedAt time.Time
	// LastSeenAt is when the session was last used, give or take [TouchInterval].
	LastSeenAt time.Time
	// ExpiresAt is the absolute end. It is never later than the creator set it.
	ExpiresAt time.Time
	// IdleTimeout ends the session when it has not been used for so long; zero
	// never.
	IdleTimeout time.Duration

	// UserAgent and Address are those of the browser that logged in, as it and
	// Envoy said; for its owner to recognise.
	UserAgent, Address string
}

// Deadline is when the session ends if it is not used before.
func (s *Session) Deadline() time.Time {
	if s.IdleTimeout > 0 {
		if idle := s.LastSeenAt.Add(s.IdleTimeout); idle.Before(s.ExpiresAt) {
			return idle
		}
	}
	return s.ExpiresAt
}

// Live reports whether the session can be used at now.
func (s *Session) Live(now time.Time) bool { return now.Before(s.Deadline()) }

// A Key is the SHA-256 of a client token. Who reads a store's keys can present
// none of them.
type Key [sha256.Size]byte

// KeyOf returns the key of a client token.
func KeyOf(clientToken []byte) Key { return sha256.Sum256(clientToken) }

// IDOf returns the public identifier of the session with this key, in the form
// of a UUID of version 8 (RFC 9562 §5.8). It tells nothing about the key.
func IDOf(k Key) string {
	sum := sha256.Sum256(append([]byte("gateward session id\x00"), k[:]...))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	var id [36]byte
	hex.Encode(id[:8], b[:4])
	hex.Encode(id[9:13], b[4:6])
	hex.Encode(id[14:18], b[6:8])
	hex.Encode(id[19:23], b[8:10])
	hex.Encode(id[24:], b[10:])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}

const (
	// clientTokenBytes is the entropy of a client token: 256 bits.
	clientTokenBytes = 32
	// clientTokenLength is that of its text in base64url with padding, Flipt's
	// form.
	clientTokenLength = (clientTokenBytes + 2) / 3 * 4
)

// ClientToken returns the text of a client token: base64url with padding.
func ClientToken(random [clientTokenBytes]byte) gateward.Secret {
	return gateward.NewSecret(base64.URLEncoding.EncodeToString(random[:]))
}

// IsClientToken reports whether s has the form of a client token.
func IsClientToken(s string) bool {
	if len(s) != clientTokenLength || s[len(s)-1] != '=' {
		return false
	}
	b, err := base64.URLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == clientTokenBytes // not less with "==", nor with line feeds, which are skipped
}
