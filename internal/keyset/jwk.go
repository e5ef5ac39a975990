package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

const (
	// maxKeys bounds a key set: a choice among more would be arbitrary.
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192 // larger ones make every verification slow
	minRSAExp  = 65537
)

// parseSet reads a JWK set (RFC 7517 §5). Keys that must not or cannot verify
// are left out and named in ignored; a document that is no key set is an error.
func parseSet(document []byte) (all []key, ignored []string, err error) {
	defer func() { // a parser's panic must not end a process that guards a site
		if recover() != nil {
			all, ignored, err = nil, nil, errors.New("keyset: parse key set: the parser gave up")
		}
	}()
	if _, err := DecodeObject(document); err != nil {
		return nil, nil, fmt.Errorf("keyset: parse key set: %w", err)
	}
	// A map, because decoding into a struct compares names without case.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, nil, errors.New("keyset: parse key set: not a JSON object")
	}
	var entries []json.RawMessage
	if raw, ok := members["keys"]; !ok || json.Unmarshal(raw, &entries) != nil || entries == nil {
		return nil, nil, errors.New("keyset: parse key set: no array named keys")
	}
	if len(entries) > maxKeys {
		return nil, nil, fmt.Errorf("keyset: parse key set: %d keys, at most %d are accepted", len(entries), maxKeys)
	}
	for i, entry := range entries {
		k, err := parseJWK(entry)
		if err != nil {
			ignored = append(ignored, fmt.Sprintf("key %d %s: %v", i, quote(k.id), err))
			continue
		}
		all = append(all, k)
	}
	return all, ignored, nil
}

// parseJWK returns the key of one entry, or why it is ignored; the key id is set
// as far as it is known.
func parseJWK(entry []byte) (key, error) {
	var k key
	parsed, err := jwk.ParseKey(entry)
	if err != nil {
		return k, errors.New("unsupported or malformed, or its RSA modulus or exponent is too small")
	}
	k.id, _ = parsed.KeyID()
	if len(k.id) > maxKeyIDSize {
		return k, fmt.Errorf("key id of %d bytes, at most %d are accepted", len(k.id), maxKeyIDSize)
	}
	if use, ok := parsed.KeyUsage(); ok && use != string(jwk.ForSignature) {
		return k, fmt.Errorf("its use is %s", quote(use))
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return k, errors.New("its key_ops lack verify")
	}
	asymmetric, ok := parsed.(jwk.AsymmetricKey)
	if !ok {
		return k, errors.New("symmetric keys never verify")
	}
	if asymmetric.IsPrivate() {
		return k, errors.New("a private key that is public")
	}
	var public any
	if err := jwk.Export(parsed, &public); err != nil {
		return k, errors.New("unsupported or malformed")
	}
	if k.kind, err = kindOf(public); err != nil {
		return k, err
	}
	k.public = public
	if alg, ok := parsed.Algorithm(); ok {
		name := canonicalAlgorithm(alg.String())
		a, known := algorithmOf(name)
		if !known || a.kind != k.kind {
			return k, fmt.Errorf("its alg %s does not fit a key of type %s", quote(alg.String()), k.kind)
		}
		k.algorithm = name
	}
	return k, nil
}

// kindOf returns the kind of a public key that is strong enough to rely on.
func kindOf(public crypto.PublicKey) (keyKind, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < minRSABits:
			return 0, fmt.Errorf("RSA of %d bits, at least %d are needed", bits, minRSABits)
		case bits > maxRSABits:
			return 0, fmt.Errorf("RSA of %d bits, at most %d are accepted", bits, maxRSABits)
		case k.E < minRSAExp || k.E%2 == 0 || k.E > 1<<31-1:
			return 0, fmt.Errorf("RSA exponent %d, an odd one from %d to 2^31-1 is needed", k.E, minRSAExp)
		}
		return kindRSA, nil
	case *ecdsa.PublicKey:
		if kind := ecKind(k); kind != 0 {
			// Also proves that the point is on the curve.
			if _, err := k.Bytes(); err == nil {
				return kind, nil
			}
		}
		return 0, errors.New("an elliptic curve key on an unsupported curve or off it")
	case ed25519.PublicKey:
		return kindEd25519, checkEd25519(k)
	}
	return 0, errors.New("unsupported key type")
}

// quote makes a name from outside fit for a log line.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return fmt.Sprintf("%q", s)
}
