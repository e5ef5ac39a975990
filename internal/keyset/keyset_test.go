package keyset_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

// testKeys are made once: RSA keys take a while.
var testKeys = sync.OnceValue(func() map[string]keysettest.Key {
	tb := &testing.T{}
	all := map[string]keysettest.Key{}
	r := keysettest.NewKey(tb, "rsa", "RS256")
	for _, name := range keyset.Algorithms() {
		if name[0] == 'R' || name[0] == 'P' {
			all[name] = r.With(name)
			continue
		}
		all[name] = keysettest.NewKey(tb, "k-"+name, name)
	}
	return all
})

var claims = map[string]any{"iss": "https://issuer.test", "sub": "ada", "exp": 4102444800}

func parse(t testing.TB, token string) *keyset.JWS {
	t.Helper()
	j, err := keyset.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func static(t testing.TB, k keysettest.Key, algorithms ...string) *keyset.Static {
	t.Helper()
	if algorithms == nil {
		algorithms = keyset.Algorithms()
	}
	s, err := keyset.NewStatic(k.PEM(t), algorithms)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func TestStatic_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	for name, k := range testKeys() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := static(t, k)
			token := k.Token(t, claims)
			if err := s.Verify(t.Context(), parse(t, token)); err != nil {
				t.Fatalf("own token: %v", err)
			}
			for other, o := range testKeys() {
				if other == name {
					continue
				}
				if err := s.Verify(t.Context(), parse(t, o.Token(t, claims))); sameKey(k, o) != (err == nil) {
					t.Errorf("token of %s: %v", other, err)
				}
			}
			header, rest, _ := strings.Cut(token, ".")
			payload, signature, _ := strings.Cut(rest, ".")
			raw, _ := base64.RawURLEncoding.DecodeString(signature)
			for i := 0; i < len(raw); i += 5 {
				bad := bytes.Clone(raw)
				bad[i] ^= 1
				refuse(t, s, "flipped signature bit", header+"."+payload+"."+b64(bad))
			}
			refuse(t, s, "other payload", header+"."+b64([]byte(`{"sub":"eve"}`))+"."+signature)
			refuse(t, s, "short signature", header+"."+payload+"."+b64(raw[:len(raw)-1]))
			refuse(t, s, "long signature", header+"."+payload+"."+b64(append(raw, 0)))
			refuse(t, s, "signature with a leading zero", header+"."+payload+"."+b64(append([]byte{0}, raw...)))
		})
	}
}

// sameKey: RSA keys of the test are one key that serves six algorithms.
func sameKey(a, b keysettest.Key) bool { return a.ID == b.ID }

func refuse(t *testing.T, s keyset.Source, what, token string) {
	t.Helper()
	j, err := keyset.Parse(token)
	if err == nil {
		err = s.Verify(t.Context(), j)
	}
	if !errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("%s: %v, want %v", what, err, gateward.ErrInvalidCredential)
	}
}

func TestSEC_C01_AlgorithmAllowList(t *testing.T) {
	t.Parallel()
	k := testKeys()["RS256"]
	s := static(t, k, "RS256", "RS512")
	if err := s.Verify(t.Context(), parse(t, k.With("RS512").Token(t, claims))); err != nil {
		t.Errorf("listed algorithm: %v", err)
	}
	refuse(t, s, "RS384, not listed", k.With("RS384").Token(t, claims))
	refuse(t, s, "PS256, not listed", k.With("PS256").Token(t, claims))
	for _, alg := range []any{"none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RS256\x00", nil, 1, []string{"RS256"}, map[string]any{}} {
		token := k.Sign(t, map[string]any{"alg": alg}, claims)
		refuse(t, s, "alg variant", token)
		refuse(t, s, "alg variant unsigned", token[:strings.LastIndexByte(token, '.')+1])
		refuse(t, s, "alg variant with a short signature", token[:strings.LastIndexByte(token, '.')+3])
	}
	for _, bad := range []string{"none", "HS256", "ES256K", "rs256", ""} {
		if _, err := keyset.NewStatic(k.PEM(t), []string{"RS256", bad}); err == nil {
			t.Errorf("algorithm %q can be allowed", bad)
		}
	}
}

func TestSEC_C02_PublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"RS256", "ES256", "EdDSA"} {
		k := testKeys()[name]
		pemKey := k.PEM(t)
		block, _ := pem.Decode(pemKey)
		for _, secret := range [][]byte{pemKey, bytes.TrimSpace(pemKey), block.Bytes, nil} {
			for _, alg := range []string{"HS256", name} {
				input := b64([]byte(`{"alg":"`+alg+`"}`)) + "." + b64([]byte(`{"sub":"eve"}`))
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				refuse(t, static(t, k), name+" key as "+alg+" secret", input+"."+b64(mac.Sum(nil)))
			}
		}
	}
	// The type of the key decides, whatever the header says.
	es, rs := testKeys()["ES256"], testKeys()["RS256"]
	refuse(t, static(t, es), "RS256 header, ES256 key", rs.Token(t, claims))
	refuse(t, static(t, es), "ES384 header, P-256 key", es.Sign(t, map[string]any{"alg": "ES384"}, claims))
}

func TestSEC_C07_HeadersNeverChooseKeys(t *testing.T) {
	t.Parallel()
	k, evil := testKeys()["ES256"], keysettest.NewKey(t, "k-ES256", "ES256")
	s := static(t, k)
	own := map[string]any{
		"jwk": evil.JWK(nil),
		"jku": "http://127.0.0.1:1/jwks",
		"x5u": "http://127.0.0.1:1/x5u",
		"x5c": []string{"MIIB"},
	}
	for name, v := range own {
		refuse(t, s, name, evil.Sign(t, map[string]any{name: v}, claims))
		if err := s.Verify(t.Context(), parse(t, k.Sign(t, map[string]any{name: v}, claims))); err != nil {
			t.Errorf("%s is not ignored in a good token: %v", name, err)
		}
	}
	for _, v := range []any{[]string{"exp"}, []string{}, nil, "b64", map[string]any{}} {
		header := map[string]any{"alg": "ES256", "crit": v}
		refuse(t, s, "crit", k.SignRaw(t, mustJSON(t, header), []byte(`{}`)))
	}
	refuse(t, s, "b64", k.Sign(t, map[string]any{"b64": true}, claims))
}

func TestSEC_C21_ECDSASignatureForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ES256", "ES384", "ES512"} {
		k := testKeys()[name]
		s := static(t, k)
		key, _ := k.Signer.(*ecdsa.PrivateKey)
		size := (key.Curve.Params().BitSize + 7) / 8
		token := k.Token(t, claims)
		input := token[:strings.LastIndexByte(token, '.')]
		raw := k.Signature(t, []byte(input))
		zero := make([]byte, size)
		order := key.Curve.Params().N
		for what, signature := range map[string][]byte{
			"all zero": make([]byte, 2*size),
			"r zero":   append(bytes.Clone(zero), raw[size:]...),
			"s zero":   append(bytes.Clone(raw[:size]), zero...),
			"r order":  append(order.FillBytes(make([]byte, size)), raw[size:]...),
			"s order":  append(bytes.Clone(raw[:size]), order.FillBytes(make([]byte, size))...),
			"asn.1":    asn1Signature(t, key, name, input),
			"empty":    {},
			"s padded": slices.Concat(raw[:size], []byte{0}, raw[size:]),
			"r padded": slices.Concat([]byte{0}, raw),
		} {
			refuse(t, s, name+" "+what, input+"."+b64(signature))
		}
	}
}

// Who allows EdDSA allows Ed25519, and nobody else does; nor is it anything but
// the algorithm of its key.
func TestSEC_C01_Ed25519IsEdDSA(t *testing.T) {
	t.Parallel()
	ed, es := testKeys()["EdDSA"], testKeys()["ES256"]
	header := map[string]any{"alg": "Ed25519"}
	if err := static(t, ed, "EdDSA").Verify(t.Context(), parse(t, ed.Sign(t, header, claims))); err != nil {
		t.Errorf("EdDSA allowed: %v", err)
	}
	refuse(t, static(t, es, "ES256"), "EdDSA not allowed", ed.Sign(t, header, claims))
	refuse(t, static(t, es), "key of another type", es.Sign(t, header, claims))
	for _, alg := range []string{"ed25519", "Ed25519 ", "Ed448"} {
		refuse(t, static(t, ed), alg, ed.Sign(t, map[string]any{"alg": alg}, claims))
	}
}

// RFC 7518 §3.5: the salt is as long as the hash, neither longer nor absent.
func TestStatic_PSSSalt(t *testing.T) {
	t.Parallel()
	k := testKeys()["PS256"]
	input := b64([]byte(`{"alg":"PS256"}`)) + "." + b64([]byte(`{}`))
	digest := sha256.Sum256([]byte(input))
	for _, salt := range []int{0, 20, 32, 64} {
		signature, err := k.Signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
		if salt == 0 { // means automatic, the longest possible
			salt = -1
		}
		if err != nil {
			t.Fatal(err)
		}
		err = static(t, k).Verify(t.Context(), parse(t, input+"."+b64(signature)))
		if (err == nil) != (salt == 32) {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
}

func asn1Signature(t *testing.T, key *ecdsa.PrivateKey, name, input string) []byte {
	t.Helper()
	if name != "ES256" {
		return []byte{0x30, 0x06, 2, 1, 1, 2, 1, 1}
	}
	d := sha256.Sum256([]byte(input))
	signature, err := ecdsa.SignASN1(rand.Reader, key, d[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestNewStatic_Files(t *testing.T) {
	t.Parallel()
	rs, ed := testKeys()["RS256"], testKeys()["EdDSA"]
	rsaPublic, _ := rs.Signer.Public().(*rsa.PublicKey)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(rsaPublic)})
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, rs.Signer.Public(), rs.Signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, tc := range map[string]struct {
		data []byte
		key  keysettest.Key
	}{
		"PKIX RSA":     {rs.PEM(t), rs},
		"PKCS #1 RSA":  {pkcs1, rs},
		"certificate":  {certificate, rs},
		"PKIX Ed25519": {ed.PEM(t), ed},
		"two keys":     {append(rs.PEM(t), ed.PEM(t)...), ed},
		"with text":    {append([]byte("the key of the issuer\n"), ed.PEM(t)...), ed},
	} {
		s, err := keyset.NewStatic(tc.data, keyset.Algorithms())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Verify(t.Context(), parse(t, tc.key.Token(t, claims))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	private, _ := x509.MarshalPKCS8PrivateKey(ed.Signer)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":       {nil, "no PEM block"},
		"not PEM":     {[]byte("ssh-ed25519 AAAA"), "no PEM block"},
		"garbage":     {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "parse public key"},
		"private key": {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "private key"},
		"RSA 1024":    {(keysettest.Key{Signer: small}).PEM(t), "1024 bits"},
		"P-224":       {(keysettest.Key{Signer: p224}).PEM(t), "curve"},
		"other block": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST"}), "unsupported PEM block"},
		"no fit":      {testKeys()["ES384"].PEM(t), "P-384"},
	} {
		_, err := keyset.NewStatic(tc.data, []string{"RS256", "ES256", "EdDSA"})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
