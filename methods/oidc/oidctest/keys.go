package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"sync"
)

// pool holds the RSA keys of all providers of a process: they take long to make
// and are worth nothing.
type pool struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
}

var shared pool

func (p *pool) get(n int) *rsa.PrivateKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.keys) <= n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err) // no randomness on this machine
		}
		p.keys = append(p.keys, k)
	}
	return p.keys[n]
}

// keyID returns the key id of key n.
func keyID(n int) string { return fmt.Sprintf("key-%d", n) }

// Sign returns claims as a compact JWS by the provider's key, with header members
// added to alg, kid and typ (JWT), or removed where the value is nil.
func (p *Provider) Sign(header, claims map[string]any) string {
	return sign(int(p.key.Load()), header, claims)
}

func sign(n int, header, claims map[string]any) string {
	all := map[string]any{"alg": "RS256", "typ": "JWT", "kid": keyID(n)}
	maps.Copy(all, header)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	input := encodeJSON(all) + "." + encodeJSON(claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, shared.get(n), crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // the key is ours and long enough
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// encodeJSON returns v as JSON in base64url.
func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test has put in what JSON cannot say
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p *Provider) keySet(w http.ResponseWriter, b Behavior) {
	n := int(p.key.Load())
	public := shared.get(n).PublicKey
	entries := []map[string]any{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID(n),
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}
	if b.KeySet != nil {
		entries = b.KeySet(entries)
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": entries})
}
