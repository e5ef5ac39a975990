// Package token authenticates with static tokens from the configuration. It
// keeps them as keyed digests only; how a token reaches a request, and what its
// scopes allow, is decided elsewhere.
package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"github.com/gateward/gateward"
)

// maxCredentialSize is the longest credential, in bytes, that is hashed at all.
const maxCredentialSize = 16 << 10

// digest is HMAC-SHA-256 of a credential's SHA-256, under a key that only this
// process knows. Who can time a look-up cannot choose digests with it, and a
// memory dump yields nothing to present.
type digest [sha256.Size]byte

// prefix is what the table is looked up by.
type prefix [16]byte

func (d *digest) prefix() prefix { return prefix(d[:16]) }

// entry is one token.
type entry struct {
	digest   digest
	identity gateward.Identity
}

// Method authenticates static tokens. It implements methods.Authenticator, does
// no I/O, takes the same time for any number of tokens, and is safe for
// concurrent use.
type Method struct {
	// inner and outer are the two padded keys of HMAC (RFC 2104 §2).
	inner, outer [sha256.BlockSize]byte
	table        map[prefix]*entry
	warnings     []*gateward.ConfigError
}

// Options are the dependencies of a [Method].
type Options struct {
	// Random yields the key of the digests. Required.
	Random io.Reader
}

// New returns the method for c. The error joins one [gateward.ConfigError] per
// problem, with keys relative to the token block.
func New(c Config, o Options) (*Method, error) {
	m := &Method{table: make(map[prefix]*entry, len(c.Tokens))}
	var key [sha256.Size]byte
	if _, err := io.ReadFull(o.Random, key[:]); err != nil {
		return nil, fmt.Errorf("token: make key: %w", err)
	}
	for i := range m.inner {
		m.inner[i], m.outer[i] = 0x36, 0x5c
	}
	subtle.XORBytes(m.inner[:], m.inner[:], key[:])
	subtle.XORBytes(m.outer[:], m.outer[:], key[:])

	var errs []error
	for _, p := range m.load(c) {
		if p.Warning {
			m.warnings = append(m.warnings, p)
			continue
		}
		errs = append(errs, p)
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return m, nil
}

// Warnings returns what is risky about the configuration and used all the same,
// with keys relative to the token block.
func (m *Method) Warnings() []*gateward.ConfigError { return m.warnings }

// Name returns "token".
func (*Method) Name() string { return "token" }

// Claims accepts a bearer token or client-token cookie that is in the table, so
// that all others are left to other methods.
func (m *Method) Claims(c gateward.Credential) bool { return m.find(c) != nil }

// Authenticate returns the token's identity: its configured id as subject, its
// metadata and scopes. It does not expire.
func (m *Method) Authenticate(_ context.Context, c gateward.Credential) (gateward.Identity, error) {
	e := m.find(c)
	if e == nil {
		return gateward.Identity{}, fmt.Errorf("token: unknown token: %w", gateward.ErrInvalidCredential)
	}
	return e.identity, nil
}

// find returns the entry of a credential, or nil.
func (m *Method) find(c gateward.Credential) *entry {
	switch c.Scheme {
	case gateward.SchemeBearer, gateward.SchemeCookie, gateward.SchemeAcceptedCookie:
	case gateward.SchemeNone, gateward.SchemeJWT, gateward.SchemeBasic:
		return nil
	default:
		return nil
	}
	v := c.Value.Reveal()
	if v == "" || len(v) > maxCredentialSize {
		return nil
	}
	var buf [2048]byte // hashing a string would copy it to the heap
	d := m.digest(sha256.Sum256(append(buf[:0], v...)))
	e := m.table[d.prefix()]
	if e == nil || subtle.ConstantTimeCompare(e.digest[:], d[:]) != 1 {
		return nil
	}
	return e
}

// digest computes HMAC (RFC 2104) on the stack: crypto/hmac allocates, and this
// runs on every check.
func (m *Method) digest(hash [sha256.Size]byte) digest {
	var block [sha256.BlockSize + sha256.Size]byte
	copy(block[:], m.inner[:])
	copy(block[sha256.BlockSize:], hash[:])
	sum := sha256.Sum256(block[:])
	copy(block[:], m.outer[:])
	copy(block[sha256.BlockSize:], sum[:])
	return sha256.Sum256(block[:])
}
