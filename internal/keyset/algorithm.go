package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that crypto.Hash.New makes
	_ "crypto/sha512" // likewise
	"errors"
	"fmt"
	"math/big"
)

// keyKind is a type of key, curve included, so that an algorithm and a key fit
// exactly or not at all (RFC 8725 §2.1, §3.2).
type keyKind uint8

const (
	kindRSA keyKind = iota + 1
	kindP256
	kindP384
	kindP521
	kindEd25519
)

// String returns the name that a message to an operator uses.
func (k keyKind) String() string {
	switch k {
	case kindRSA:
		return "RSA"
	case kindP256:
		return "P-256"
	case kindP384:
		return "P-384"
	case kindP521:
		return "P-521"
	case kindEd25519:
		return "Ed25519"
	}
	return "unknown"
}

// algorithm is a signature algorithm of RFC 7518 §3 or RFC 8037 §3.1.
type algorithm struct {
	kind keyKind
	hash crypto.Hash // 0 for EdDSA, which hashes by itself
	pss  bool
}

// Algorithms returns the names of all signature algorithms that a source can be
// made for. EdDSA means Ed25519 only, which tokens and keys may also name as
// Ed25519 (RFC 9864 §2.2). There is no symmetric one: a public key could then be
// taken for a secret.
func Algorithms() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
		"ES256", "ES384", "ES512", "EdDSA",
	}
}

// algorithmOf returns the algorithm of a name, compared exactly.
func algorithmOf(name string) (algorithm, bool) {
	switch name {
	case "RS256":
		return algorithm{kind: kindRSA, hash: crypto.SHA256}, true
	case "RS384":
		return algorithm{kind: kindRSA, hash: crypto.SHA384}, true
	case "RS512":
		return algorithm{kind: kindRSA, hash: crypto.SHA512}, true
	case "PS256":
		return algorithm{kind: kindRSA, hash: crypto.SHA256, pss: true}, true
	case "PS384":
		return algorithm{kind: kindRSA, hash: crypto.SHA384, pss: true}, true
	case "PS512":
		return algorithm{kind: kindRSA, hash: crypto.SHA512, pss: true}, true
	case "ES256":
		return algorithm{kind: kindP256, hash: crypto.SHA256}, true
	case "ES384":
		return algorithm{kind: kindP384, hash: crypto.SHA384}, true
	case "ES512":
		return algorithm{kind: kindP521, hash: crypto.SHA512}, true
	case "EdDSA":
		return algorithm{kind: kindEd25519}, true
	}
	return algorithm{}, false
}

// canonicalAlgorithm returns the one name that an algorithm has here.
func canonicalAlgorithm(name string) string {
	if name == "Ed25519" {
		return "EdDSA"
	}
	return name
}

func checkAlgorithms(names []string) error {
	if len(names) == 0 {
		return errors.New("keyset: no algorithm is allowed")
	}
	for _, name := range names {
		if _, ok := algorithmOf(name); !ok {
			return fmt.Errorf("keyset: unknown algorithm %q", name)
		}
	}
	return nil
}

// digest hashes the signing input, or returns nil if the algorithm does that.
func (a algorithm) digest(input []byte) []byte {
	if a.hash == 0 {
		return nil
	}
	h := a.hash.New()
	h.Write(input) // never returns an error
	return h.Sum(nil)
}

// verify reports whether signature is public's over input, whose digest the
// caller has computed. A key of another type than the algorithm's is refused.
func (a algorithm) verify(public crypto.PublicKey, input, digest, signature []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch {
		case a.kind != kindRSA:
			return false
		case a.pss:
			// RFC 7518 §3.5: the salt is as long as the hash.
			opts := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(k, a.hash, digest, signature, &opts) == nil
		default:
			return rsa.VerifyPKCS1v15(k, a.hash, digest, signature) == nil
		}
	case *ecdsa.PublicKey:
		return a.kind == ecKind(k) && verifyECDSA(k, digest, signature)
	case ed25519.PublicKey:
		return a.kind == kindEd25519 && len(signature) == ed25519.SignatureSize &&
			ed25519.Verify(k, input, signature)
	}
	return false
}

// verifyECDSA takes the signature as r and s of fixed length (RFC 7518 §3.4),
// never as ASN.1, and neither may be zero.
func verifyECDSA(k *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (k.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r := new(big.Int).SetBytes(signature[:size])
	s := new(big.Int).SetBytes(signature[size:])
	if r.Sign() == 0 || s.Sign() == 0 {
		return false
	}
	return ecdsa.Verify(k, digest, r, s)
}

// ecKind returns the kind of an elliptic curve key, 0 for a curve that no
// algorithm uses.
func ecKind(k *ecdsa.PublicKey) keyKind {
	switch k.Curve.Params().Name {
	case "P-256":
		return kindP256
	case "P-384":
		return kindP384
	case "P-521":
		return kindP521
	}
	return 0
}
