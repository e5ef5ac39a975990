// Package keysettest issues keys, tokens and key sets for tests of whatever
// verifies them. It signs with the standard library only, so that it shares no
// code with what it tests, and it signs anything: what a token must not be is
// the test's business.
package keysettest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
)

// A Key is a private key with the key id and the algorithm that it signs with.
type Key struct {
	ID        string
	Algorithm string
	Signer    crypto.Signer
}

// NewKey generates a key that fits algorithm, a name of RFC 7518 §3.1 or EdDSA.
func NewKey(tb testing.TB, id, algorithm string) Key {
	tb.Helper()
	var s crypto.Signer
	var err error
	switch algorithm {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		s, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		s, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		s, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, s, err = ed25519.GenerateKey(rand.Reader)
	default:
		tb.Fatalf("keysettest: no key for algorithm %q", algorithm)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return Key{ID: id, Algorithm: algorithm, Signer: s}
}

// With returns the same key under another algorithm of its type.
func (k Key) With(algorithm string) Key {
	k.Algorithm = algorithm
	return k
}

// Token returns claims as a compact JWS with the header that a provider sends.
func (k Key) Token(tb testing.TB, claims map[string]any) string {
	tb.Helper()
	return k.Sign(tb, nil, claims)
}

// Sign is Token with header members added or, where the value is nil, removed.
func (k Key) Sign(tb testing.TB, header, claims map[string]any) string {
	tb.Helper()
	all := map[string]any{"alg": k.Algorithm, "typ": "JWT"}
	if k.ID != "" {
		all["kid"] = k.ID
	}
	for name, v := range header {
		if v == nil {
			delete(all, name)
			continue
		}
		all[name] = v
	}
	return k.SignRaw(tb, marshal(tb, all), marshal(tb, claims))
}

// SignRaw signs a header and a payload as they are.
func (k Key) SignRaw(tb testing.TB, header, payload []byte) string {
	tb.Helper()
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(k.Signature(tb, []byte(input)))
}

// Signature returns the signature of input as a JWS carries it.
func (k Key) Signature(tb testing.TB, input []byte) []byte {
	tb.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[k.Algorithm[2:]]
	digest := input
	if hash != 0 {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	var opts crypto.SignerOpts = hash
	if k.Algorithm[:2] == "PS" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	if e, ok := k.Signer.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, e, digest)
		if err != nil {
			tb.Fatal(err)
		}
		size := (e.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	signature, err := k.Signer.Sign(rand.Reader, digest, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

// PEM returns the public key as a PKIX block.
func (k Key) PEM(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Signer.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// JWK returns the public key as an entry of a key set, with members added or,
// where the value is nil, removed.
func (k Key) JWK(members map[string]any) map[string]any {
	all := map[string]any{"alg": k.Algorithm, "use": "sig"}
	if k.ID != "" {
		all["kid"] = k.ID
	}
	switch p := k.Signer.Public().(type) {
	case *rsa.PublicKey:
		all["kty"] = "RSA"
		all["n"] = encode(p.N.Bytes())
		all["e"] = encode(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		params := p.Params()
		size := (params.BitSize + 7) / 8
		point, _ := p.Bytes() // 0x04, x, y
		all["kty"], all["crv"] = "EC", params.Name
		all["x"], all["y"] = encode(point[1:1+size]), encode(point[1+size:])
	case ed25519.PublicKey:
		all["kty"], all["crv"], all["x"] = "OKP", "Ed25519", encode(p)
	}
	maps.Copy(all, members)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// Document returns a JWK set of entries.
func Document(tb testing.TB, entries ...map[string]any) []byte {
	tb.Helper()
	if entries == nil {
		entries = []map[string]any{}
	}
	return marshal(tb, map[string]any{"keys": entries})
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
