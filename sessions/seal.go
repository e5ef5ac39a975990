package sessions

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/gateward/gateward"
)

// Masters returns the secrets that keys are derived from: the first seals, all
// of them open. They are asked for when first needed, because they may be kept
// in a store that is not reachable yet; an error is asked again.
type Masters func(ctx context.Context) ([][]byte, error)

// ConfiguredMasters returns the configured secrets, the one in force first.
func ConfiguredMasters(current gateward.Secret, previous []gateward.Secret) Masters {
	all := [][]byte{[]byte(current.Reveal())}
	for _, p := range previous {
		all = append(all, []byte(p.Reveal()))
	}
	return func(context.Context) ([][]byte, error) { return all, nil }
}

// KeptMasters returns the secret that k keeps under name, made when first asked
// for, and the configured previous ones.
func KeptMasters(k Keys, name string, previous []gateward.Secret) Masters {
	return func(ctx context.Context) ([][]byte, error) {
		key, err := k.Key(ctx, name)
		if err != nil {
			return nil, err
		}
		all := [][]byte{key}
		for _, p := range previous {
			all = append(all, []byte(p.Reveal()))
		}
		return all, nil
	}
}

// sealVersion begins everything that is sealed.
const sealVersion = 1

// keyIDSize is the length of what names the key in something sealed.
const keyIDSize = 4

// A Sealer encrypts and authenticates small values for one purpose
// (XChaCha20-Poly1305, whose nonces are long enough to be random, under a key
// derived by HKDF). A value can be opened only for the purpose, and together
// with the context, that it was sealed for. Safe for concurrent use.
type Sealer struct {
	purpose string
	masters Masters
	random  io.Reader

	mu   sync.Mutex
	keys []sealKey // of the masters, once they are known
}

type sealKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// NewSealer returns a Sealer for a purpose, such as "session". Each purpose has
// keys of its own.
func NewSealer(purpose string, m Masters, random io.Reader) *Sealer {
	return &Sealer{purpose: purpose, masters: m, random: random}
}

// Seal appends plaintext, sealed, to dst. bound is what it belongs to, such as a
// session's id: without the same it cannot be opened. Errors come from the
// masters and the randomness.
func (s *Sealer) Seal(ctx context.Context, dst, plaintext, bound []byte) ([]byte, error) {
	keys, err := s.derived(ctx)
	if err != nil {
		return nil, err
	}
	k := &keys[0]
	var nonce [chacha20poly1305.NonceSizeX]byte
	if _, err := io.ReadFull(s.random, nonce[:]); err != nil {
		return nil, fmt.Errorf("sessions: seal %s: %w", s.purpose, err)
	}
	dst = append(append(append(dst, sealVersion), k.id[:]...), nonce[:]...)
	return k.aead.Seal(dst, nonce[:], plaintext, bound), nil
}

// Open returns what was sealed. It returns [ErrTampered] for anything that this
// Sealer, with the same bound, has not sealed under one of the masters.
func (s *Sealer) Open(ctx context.Context, sealed, bound []byte) ([]byte, error) {
	keys, err := s.derived(ctx)
	if err != nil {
		return nil, err
	}
	const head = 1 + keyIDSize + chacha20poly1305.NonceSizeX
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, ErrTampered
	}
	for i := range keys {
		if !bytes.Equal(keys[i].id[:], sealed[1:1+keyIDSize]) {
			continue
		}
		if plain, err := keys[i].aead.Open(nil, sealed[1+keyIDSize:head], sealed[head:], bound); err == nil {
			return plain, nil
		}
	}
	return nil, ErrTampered
}

func (s *Sealer) derived(ctx context.Context) ([]sealKey, error) {
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	if keys != nil {
		return keys, nil
	}
	masters, err := s.masters(ctx) // outside of the lock: it may have to wait
	if err != nil {
		return nil, fmt.Errorf("sessions: key for %s: %w", s.purpose, err)
	}
	if len(masters) == 0 {
		return nil, errors.New("sessions: no key for " + s.purpose)
	}
	for _, m := range masters {
		if len(m) == 0 { // anybody could derive the same keys
			return nil, errors.New("sessions: empty key for " + s.purpose)
		}
		const size = chacha20poly1305.KeySize
		b, err := hkdf.Key(sha256.New, m, nil, "gateward "+s.purpose, size+keyIDSize)
		if err != nil {
			return nil, fmt.Errorf("sessions: key for %s: %w", s.purpose, err)
		}
		aead, err := chacha20poly1305.NewX(b[:size])
		if err != nil {
			return nil, fmt.Errorf("sessions: key for %s: %w", s.purpose, err)
		}
		keys = append(keys, sealKey{[keyIDSize]byte(b[size:]), aead})
	}
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
	return keys, nil
}
