package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"
)

// issuer signs JSON Web Tokens with keys of its own and publishes them at
// /keys. It exists to be tried against; it is no model of an identity provider.
type issuer struct {
	url    string
	server *http.Server
	rsa    *rsa.PrivateKey
	ecdsa  *ecdsa.PrivateKey
	ed     ed25519.PrivateKey
	edKey  ed25519.PublicKey
}

// tokens are what the examples present.
type tokens struct {
	RS256, ES256, EdDSA string
	// These must be refused.
	WrongAudience, Expired, Unsigned, KeyConfusion string
}

func startIssuer(ctx context.Context) (*issuer, error) {
	i := &issuer{}
	var err error
	if i.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if i.ecdsa, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if i.edKey, i.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	keys, err := i.keySet()
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.url = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(keys)
	})
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.server.Serve(l) }()
	return i, nil
}

// keySet returns the public keys as a JSON Web Key Set (RFC 7517, RFC 8037).
func (i *issuer) keySet() ([]byte, error) {
	point, err := i.ecdsa.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"keys": []map[string]string{
		{
			"kty": "RSA", "kid": "demo-rs256", "alg": "RS256", "use": "sig",
			"n": encode(i.rsa.N.Bytes()), "e": encode(big.NewInt(int64(i.rsa.E)).Bytes()),
		},
		{
			"kty": "EC", "kid": "demo-es256", "alg": "ES256", "use": "sig", "crv": "P-256",
			"x": encode(point[1:33]), "y": encode(point[33:]),
		},
		{
			"kty": "OKP", "kid": "demo-eddsa", "alg": "EdDSA", "use": "sig", "crv": "Ed25519",
			"x": encode(i.edKey),
		},
	}})
}

// tokens signs what the examples need; good ones are valid for twelve hours.
func (i *issuer) tokens(now time.Time) (tokens, error) {
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{
			"iss": i.url, "sub": "ada", "aud": "demo", "iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(),
			"email": "ada@example.test", "email_verified": true, "name": "Ada Lovelace", "groups": []string{"staff", "engine"},
		}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	public, err := x509.MarshalPKIXPublicKey(&i.rsa.PublicKey)
	if err != nil {
		return tokens{}, err
	}
	// The public key as the secret of an HMAC: anybody can sign with that.
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})

	var t tokens
	for _, s := range []struct {
		to     *string
		alg    string
		sign   func([]byte) ([]byte, error)
		change map[string]any
	}{
		{&t.RS256, "RS256", i.signRSA, nil},
		{&t.ES256, "ES256", i.signECDSA, nil},
		{&t.EdDSA, "EdDSA", i.signEd25519, nil},
		{&t.WrongAudience, "RS256", i.signRSA, map[string]any{"aud": "another"}},
		{&t.Expired, "RS256", i.signRSA, map[string]any{"exp": now.Add(-time.Hour).Unix(), "iat": now.Add(-2 * time.Hour).Unix()}},
		{&t.Unsigned, "none", func([]byte) ([]byte, error) { return nil, nil }, nil},
		{&t.KeyConfusion, "HS256", func(in []byte) ([]byte, error) { return signHMAC(secret, in), nil }, nil},
	} {
		if *s.to, err = compact(s.alg, claims(s.change), s.sign); err != nil {
			return tokens{}, fmt.Errorf("sign a %s token: %w", s.alg, err)
		}
	}
	return t, nil
}

// compact returns a JWS in compact serialization (RFC 7515 §7.1).
func compact(alg string, claims map[string]any, sign func([]byte) ([]byte, error)) (string, error) {
	kids := map[string]string{"RS256": "demo-rs256", "HS256": "demo-rs256", "ES256": "demo-es256", "EdDSA": "demo-eddsa"}
	header := map[string]string{"alg": alg, "typ": "JWT"}
	if kid := kids[alg]; kid != "" {
		header["kid"] = kid
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := encode(h) + "." + encode(c)
	signature, err := sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + encode(signature), nil
}

func (i *issuer) signRSA(in []byte) ([]byte, error) {
	sum := sha256.Sum256(in)
	return rsa.SignPKCS1v15(rand.Reader, i.rsa, crypto.SHA256, sum[:])
}

// signECDSA returns r and s, 32 bytes each (RFC 7518 §3.4).
func (i *issuer) signECDSA(in []byte) ([]byte, error) {
	sum := sha256.Sum256(in)
	r, s, err := ecdsa.Sign(rand.Reader, i.ecdsa, sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

func (i *issuer) signEd25519(in []byte) ([]byte, error) { return ed25519.Sign(i.ed, in), nil }

func signHMAC(secret, in []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write(in)
	return m.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
