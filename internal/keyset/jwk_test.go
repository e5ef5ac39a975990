package keyset_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

func TestRemote_TokensAndKeysWithoutKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		unnamed := func(k keysettest.Key) keysettest.Key { k.ID = ""; return k }
		e.Serve(document(t, k[0], k[2]))
		r := remote(t, e)
		want(t, r, unnamed(k[0]), nil)
		want(t, r, unnamed(k[2]), nil)

		// One key without kid, alg and use, as small providers have it; rotated.
		bare := map[string]any{"kid": nil, "alg": nil, "use": nil}
		e.Serve(keysettest.Document(t, k[1].JWK(bare)))
		want(t, r, unnamed(k[1]), nil)
		want(t, r, k[1], nil)
		wantFetches(t, e, 2)
	})
}

func TestRemote_ManyKeysWithoutKeyID(t *testing.T) {
	t.Parallel()
	e, all := &keysettest.Endpoint{}, make([]keysettest.Key, 12)
	for i := range all {
		all[i] = keysettest.NewKey(t, "", "ES256")
	}
	e.Serve(document(t, all...))
	r := remote(t, e)
	want(t, r, all[9], nil)
	want(t, r, all[10], gateward.ErrInvalidCredential)
}

func TestSEC_C11_UnfitKeysAreIgnored(t *testing.T) {
	t.Parallel()
	k, ed := testKeys()["RS256"], testKeys()["EdDSA"]
	ec := testKeys()["ES256"]
	good := ecKeys()[0]
	for name, tc := range map[string]struct {
		key   keysettest.Key
		entry map[string]any
	}{
		"use enc":             {k, k.JWK(map[string]any{"use": "enc"})},
		"key_ops":             {k, k.JWK(map[string]any{"key_ops": []string{"encrypt"}})},
		"alg of another type": {k, k.JWK(map[string]any{"alg": "ES256"})},
		"alg HS256":           {k, k.JWK(map[string]any{"alg": "HS256"})},
		"alg RSA-OAEP":        {k, k.JWK(map[string]any{"alg": "RSA-OAEP"})},
		"small exponent":      {k, k.JWK(map[string]any{"e": "Aw"})},
		"even exponent":       {k, k.JWK(map[string]any{"e": "AQAC"})},
		"no modulus":          {k, k.JWK(map[string]any{"n": nil})},
		"private":             {k, k.JWK(map[string]any{"d": "AQAB", "p": "Aw", "q": "Aw"})},
		"oct":                 {k, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa", "alg": "HS256"}},
		"unknown type":        {k, map[string]any{"kty": "PQC", "kid": "rsa"}},
		"wrong curve":         {ec, ec.JWK(map[string]any{"crv": "P-384"})},
		"off the curve":       {ec, ec.JWK(map[string]any{"y": b64(make([]byte, 32))})},
		"secp256k1":           {ec, ec.JWK(map[string]any{"crv": "secp256k1"})},
		"alg of other curve":  {ec, ec.JWK(map[string]any{"alg": "ES384"})},
		"X25519":              {ed, ed.JWK(map[string]any{"crv": "X25519"})},
		"alg Ed25519 on RSA":  {k, k.JWK(map[string]any{"alg": "Ed25519"})},
		"short Ed25519":       {ed, ed.JWK(map[string]any{"x": "AAAA"})},
		"long kid":            {ed, ed.JWK(map[string]any{"kid": strings.Repeat("k", 257)})},
		"not an object":       {k, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			e := &keysettest.Endpoint{}
			e.Serve(keysettest.Document(t, tc.entry, good.JWK(nil)))
			r := remote(t, e, func(c *keyset.RemoteConfig) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
			want(t, r, good, nil)
			want(t, r, tc.key, gateward.ErrInvalidCredential)
			r.Close()
			if n := strings.Count(log.String(), "jwks keys ignored"); n != 1 {
				t.Errorf("ignored key logged %d times, want once:\n%s", n, &log)
			}
		})
	}
	// The name of RFC 9864 is EdDSA's, for the key and in the header.
	for _, members := range []map[string]any{{"alg": "Ed25519"}, {"alg": "EdDSA"}, {"alg": nil}} {
		e := &keysettest.Endpoint{}
		e.Serve(keysettest.Document(t, ed.JWK(members)))
		r := remote(t, e, func(c *keyset.RemoteConfig) { c.Algorithms = []string{"EdDSA"} })
		want(t, r, ed, nil)
		if err := r.Verify(t.Context(), parse(t, ed.Sign(t, map[string]any{"alg": "Ed25519"}, claims))); err != nil {
			t.Errorf("header alg Ed25519, key alg %v: %v", members["alg"], err)
		}
	}
	// A key for one algorithm does not serve another of its type.
	e := &keysettest.Endpoint{}
	e.Serve(document(t, k.With("RS512")))
	r := remote(t, e)
	want(t, r, k, gateward.ErrInvalidCredential)
	want(t, r, k.With("RS512"), nil)
	// And the same keys as they were are fine.
	e = &keysettest.Endpoint{}
	e.Serve(document(t, k, ec, ed))
	r = remote(t, e)
	for _, k := range []keysettest.Key{k, ec, ed} {
		want(t, r, k, nil)
	}
}
