// Package keyset verifies signatures of compact JSON Web Signatures (RFC 7515)
// with public keys from a file ([Static]) or from a JWKS address ([Remote]). It
// owns the parsing of the serialization, the allow-list of algorithms, the
// choice of the key and the life of a key set: fetching, caching, rotation and
// outage.
//
// What a payload claims, and whether that is acceptable, is decided by who asks:
// see methods/jwt. jwx parses the keys; the few lines that verify a signature
// call the standard library, and a fuzz test holds them against jwx.
package keyset

import (
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/gateward/gateward"
)

// maxTries bounds how many keys one token is tried against: a token without a
// kid would otherwise cost one verification per key of the set.
const maxTries = 10

// A Source verifies signatures with the keys of one issuer. Sources are safe
// for concurrent use.
type Source interface {
	// Verify reports whether j is signed by a key of this source with one of
	// the algorithms it was made for. Its errors wrap
	// [gateward.ErrInvalidCredential], or [gateward.ErrUnavailable] when the
	// keys cannot be had before ctx is done. It says nothing about the payload:
	// neither who issued it nor whether it is still valid.
	Verify(ctx context.Context, j *JWS) error
	// Close ends whatever the source does in the background and returns when it
	// has ended. Closing twice is harmless.
	Close()
}

// key is one public key that may verify signatures.
type key struct {
	id        string // kid, "" if it has none
	algorithm string // alg, "" if the key serves every algorithm of its kind
	kind      keyKind
	public    crypto.PublicKey
}

// serves reports whether the key may verify a signature made with a.
func (k *key) serves(name string, a algorithm) bool {
	return k.kind == a.kind && (k.algorithm == "" || k.algorithm == name)
}

// equal reports whether other is the same key for the same uses.
func (k key) equal(other key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.id == other.id && k.algorithm == other.algorithm && public.Equal(other.public)
}

// keys is an immutable key set.
type keys struct {
	all     []key
	byID    map[string][]key
	unnamed []key // those without a kid
}

func newKeys(all []key) *keys {
	s := &keys{all: all, byID: make(map[string][]key, len(all))}
	for _, k := range all {
		if k.id == "" {
			s.unnamed = append(s.unnamed, k)
			continue
		}
		s.byID[k.id] = append(s.byID[k.id], k)
	}
	return s
}

// A verdict is what a key set has to say about a signature.
type verdict uint8

const (
	// refused: the key that the token names does not verify it. Only another key
	// under the same name would change that.
	refused verdict = iota
	// unknownKey: no key here verifies it, and one that is not here might.
	unknownKey
	verified
)

// candidates returns the keys that may have signed j, and whether j names them. A
// kid selects among keys that have one (RFC 7515 §4.1.4: it is a hint, never a
// proof); a key without a kid serves any token that names no key of the set.
func (s *keys) candidates(j *JWS) (candidates []key, named bool) {
	if j.Header.KeyID == "" {
		return s.all, false
	}
	if candidates, named = s.byID[j.Header.KeyID]; named {
		return candidates, true
	}
	return s.unnamed, false
}

// agrees reports whether other can only say of j what s says, so that asking it
// would cost a verification for nothing.
func (s *keys) agrees(other *keys, j *JWS) bool {
	if s == other {
		return true
	}
	was, _ := s.candidates(j)
	is, _ := other.candidates(j)
	return slices.EqualFunc(was, is, key.equal)
}

// verify tries the keys that may have signed j.
func (s *keys) verify(j *JWS) verdict {
	a, ok := algorithmOf(j.Header.Algorithm)
	if !ok {
		return refused
	}
	candidates, named := s.candidates(j)
	digest, tries := a.digest(j.signingInput), 0
	for i := range candidates {
		if !candidates[i].serves(j.Header.Algorithm, a) {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if a.verify(candidates[i].public, j.signingInput, digest, j.signature) {
			return verified
		}
	}
	if named {
		return refused
	}
	return unknownKey
}

// check refuses an algorithm that is not in the allow-list, before any key is
// looked at or fetched.
func check(j *JWS, algorithms []string) error {
	if !slices.Contains(algorithms, j.Header.Algorithm) {
		return invalid("algorithm not allowed")
	}
	return nil
}

// invalid is the error for a token that its sender is to blame for. The reason
// is a constant: nothing of the token gets into an error.
func invalid(reason string) error {
	return fmt.Errorf("keyset: %s: %w", reason, gateward.ErrInvalidCredential)
}

// Static verifies with keys that do not change. It is safe for concurrent use.
type Static struct {
	keys       *keys
	algorithms []string
}

// NewStatic returns a source of the public keys in pemData: PKIX ("PUBLIC KEY"),
// PKCS #1 ("RSA PUBLIC KEY") or X.509 certificates, whose validity period is not
// looked at since the key is trusted by itself. Every key must be fit for one of
// algorithms, so that a mismatch shows at start and not as a refusal of every
// token.
func NewStatic(pemData []byte, algorithms []string) (*Static, error) {
	if err := checkAlgorithms(algorithms); err != nil {
		return nil, err
	}
	all, err := parsePEM(pemData)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if !slices.ContainsFunc(algorithms, func(name string) bool {
			a, _ := algorithmOf(name)
			return all[i].serves(name, a)
		}) {
			return nil, fmt.Errorf("keyset: none of the algorithms %v can use a key of type %s", algorithms, all[i].kind)
		}
	}
	return &Static{keys: newKeys(all), algorithms: slices.Clone(algorithms)}, nil
}

// Verify implements [Source].
func (s *Static) Verify(_ context.Context, j *JWS) error {
	if err := check(j, s.algorithms); err != nil {
		return err
	}
	if s.keys.verify(j) != verified {
		return invalid("signature does not verify")
	}
	return nil
}

// Close implements [Source]; there is nothing to end.
func (*Static) Close() {}
