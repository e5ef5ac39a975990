package keyset_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

// forge returns a token that anybody can make for a key of small order: with S
// zero and the neutral element as R, one hash in at most eight fits. It returns
// false if none of many does.
func forge(public ed25519.PublicKey) (string, bool) {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	for i := range 200 {
		input := b64([]byte(`{"alg":"EdDSA"}`)) + "." + b64(fmt.Appendf(nil, `{"sub":"eve","n":%d}`, i))
		if ed25519.Verify(public, []byte(input), signature) {
			return input + "." + b64(signature), true
		}
	}
	return "", false
}

func TestSEC_C11_Ed25519KeysOfSmallOrder(t *testing.T) {
	t.Parallel()
	ff := strings.Repeat("ff", 30)
	for _, y := range []string{
		"01" + strings.Repeat("00", 31), "ec" + ff + "7f", strings.Repeat("00", 32),
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ed" + ff + "7f", "ee" + ff + "7f", // 0 and 1 again
	} {
		for _, sign := range []byte{0, 0x80} {
			public, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			public[31] |= sign
			token, ok := forge(public)
			if !ok {
				t.Fatalf("%x: no forgery; is it of small order?", public)
			}
			wantUnfit(t, public, token)
		}
	}
	// The others that are no encodings of a point: up to 2^255 - 1.
	other := testKeys()["EdDSA"].Token(t, claims)
	for first := 0xef; first <= 0xff; first++ {
		public := append([]byte{byte(first)}, bytes.Repeat([]byte{0xff}, 31)...)
		wantUnfit(t, public, other)
		public[31] = 0x7f
		wantUnfit(t, public, other)
	}
	// Keys that only look like them.
	for range 200 {
		static(t, keysettest.NewKey(t, "", "EdDSA"))
	}
}

// wantUnfit checks that public is used from neither a set nor a file.
func wantUnfit(t *testing.T, public ed25519.PublicKey, token string) {
	t.Helper()
	e := &keysettest.Endpoint{}
	e.Serve(keysettest.Document(t, map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}))
	refuse(t, remote(t, e), fmt.Sprintf("set with %x", public), token)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keyset.NewStatic(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []string{"EdDSA"})
	if err == nil || !strings.Contains(err.Error(), "Ed25519 key") {
		t.Errorf("file with %x: %v", public, err)
	}
}
