package envoy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512" // SHA-384 and SHA-512
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

const (
	staticToken = "static-token-0123456789abcdef"
	adminToken  = "admin-token-0123456789abcdef"
	issuer      = "https://issuer.test"
)

// siteYAML is a configuration with a bit of everything; %s is the JWKS.
const siteYAML = `
authentication:
  methods:
    token:
      enabled: true
      storage:
        tokens:
          ci: {credential: ` + staticToken + `, metadata: {team: build}, scopes: [read]}
          "Boss.1": {credential: ` + adminToken + `, scopes: [read, admin]}
    jwt:
      enabled: true
      jwks_url: %s
      validate_claims: {issuer: ` + issuer + `, audiences: [app]}
      algorithms: [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA]
rules:
- {name: public, match: {paths: [/public/**, /healthz]}, access: anonymous}
- {name: maybe, match: {paths: [/maybe]}, access: optional}
- {name: admin, match: {paths: [/admin, /admin/**, /Admin, /Admin/**]}, require: {scopes: [admin]}}
- {name: closed, match: {paths: [/closed/**]}, access: deny}
- {name: echo, match: {paths: [/envoytest.Echo/*]}, credentials: [bearer]}
cache: {ttl: 1s, negative_ttl: 100ms}
server: {drain_delay: 0s}
log: {level: debug}
`

// stack is a real Envoy, gateward and an application.
type stack struct {
	*envoytest.EnvoyProcess
	gateward *envoytest.Gateward
	upstream *envoytest.Upstream
	keys     *keyring
}

// startStack starts one. change may edit Envoy's bootstrap.
func startStack(t *testing.T, config string, change ...func(string) string) *stack {
	t.Helper()
	envoytest.Envoy(t)
	s := &stack{upstream: envoytest.StartUpstream(t), keys: newKeyring(t)}
	if strings.Contains(config, "%s") {
		config = fmt.Sprintf(config, s.keys.url)
	}
	s.gateward = envoytest.StartGateward(t, config, envoytest.GatewardOptions{})
	c := envoy.Default()
	c.ListenAddress, c.AdminAddress = "127.0.0.1:0", "127.0.0.1:0"
	c.GRPCAddresses, c.HTTPAddresses, c.Upstream = []string{s.gateward.GRPCAddress}, nil, s.upstream.Address
	c.Timeout = 5 * time.Second // the machine may be busy; deadlines have their own tests
	bootstrap := render(t, c)
	for _, f := range change {
		bootstrap = f(bootstrap)
	}
	s.EnvoyProcess = envoytest.StartEnvoy(t, bootstrap)
	return s
}

// unnormalized is an Envoy that passes paths on as it gets them, as one does by
// default.
func unnormalized(bootstrap string) string {
	return strings.NewReplacer("normalize_path: true", "normalize_path: false", "merge_slashes: true", "merge_slashes: false").Replace(bootstrap)
}

// unstripped is an Envoy whose configuration does nothing against forged
// headers, and does not restrict what an answer may change.
func unstripped(bootstrap string) string {
	b := strings.ReplaceAll(bootstrap, `remove_on_match: {key_matcher: {safe_regex: {regex: "`, `remove_on_match: {key_matcher: {safe_regex: {regex: "nothing-`)
	from := strings.Index(b, "              decoder_header_mutation_rules:")
	to := strings.Index(b, "              # The route was chosen before")
	return b[:from] + b[to:]
}

func (s *stack) get(t *testing.T, target string, header ...string) *envoytest.RawResponse {
	t.Helper()
	return envoytest.RawRequest(t, s.Address, envoytest.Message("GET", target, append(header, "Connection: close")...))
}

// reached returns the requests that reached the application since the last
// call.
func (s *stack) reached() []envoytest.Request { return s.upstream.Requests() }

// A keyring signs tokens with a key of each kind and serves their public
// halves.
type keyring struct {
	url    string
	rsa    *rsa.PrivateKey
	ec     map[string]*ecdsa.PrivateKey // by algorithm
	ed     ed25519.PrivateKey
	server *httptest.Server
}

// testKeys are made once: RSA keys take a while.
var testKeys = sync.OnceValue(func() *keyring {
	k := &keyring{ec: map[string]*ecdsa.PrivateKey{}}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if k.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	if _, k.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return k
})

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	k := *testKeys()
	k.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(map[string]any{"keys": k.jwks()}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(k.server.Close)
	k.url = k.server.URL + "/jwks.json"
	return &k
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *keyring) jwks() []map[string]string {
	keys := []map[string]string{
		{"kty": "RSA", "kid": "rsa", "n": b64(k.rsa.N.Bytes()), "e": b64(big.NewInt(int64(k.rsa.E)).Bytes())},
		{"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "x": b64(k.ed.Public().(ed25519.PublicKey))},
	}
	for _, alg := range slices.Sorted(maps.Keys(k.ec)) {
		point, err := k.ec[alg].PublicKey.Bytes() // 4, X, Y
		if err != nil {
			panic(err)
		}
		n := len(point) / 2
		keys = append(keys, map[string]string{
			"kty": "EC", "kid": alg, "crv": k.ec[alg].Curve.Params().Name,
			"x": b64(point[1 : 1+n]), "y": b64(point[1+n:]),
		})
	}
	return keys
}

// claims of a token that is good for a minute, with changes; nil removes.
func claims(change map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{
		"iss": issuer, "aud": "app", "sub": "ada", "iat": now, "exp": now + 60,
		"email": "ada@example.com", "scope": "read write", "groups": []string{"dev"},
	}
	for name, v := range change {
		c[name] = v
		if v == nil {
			delete(c, name)
		}
	}
	return c
}

func part(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b64(b)
}

// sign makes a compact JWS with any of the algorithms, HS256 (keyed with the
// PEM of the RSA public key) and none included.
func (k *keyring) sign(t *testing.T, alg string, c map[string]any) string {
	t.Helper()
	kid := alg
	if alg[0] == 'R' || alg[0] == 'P' || alg == "HS256" {
		kid = "rsa"
	}
	signed := part(t, map[string]string{"alg": alg, "kid": kid, "typ": "JWT"}) + "." + part(t, c)
	if strings.EqualFold(alg, "none") {
		return signed + "."
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	var digest []byte
	if hash != 0 {
		h := hash.New()
		h.Write([]byte(signed))
		digest = h.Sum(nil)
	}
	var sig []byte
	var err error
	switch alg[:2] {
	case "RS":
		sig, err = rsa.SignPKCS1v15(nil, k.rsa, hash, digest)
	case "PS":
		sig, err = rsa.SignPSS(rand.Reader, k.rsa, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES":
		sig, err = k.signECDSA(alg, digest)
	case "Ed":
		sig = ed25519.Sign(k.ed, []byte(signed))
	case "HS":
		der, derr := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
		mac := hmac.New(hash.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(signed))
		sig, err = mac.Sum(nil), derr
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(sig)
}

func (k *keyring) signECDSA(alg string, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k.ec[alg], digest)
	if err != nil {
		return nil, err
	}
	n := (k.ec[alg].Curve.Params().BitSize + 7) / 8
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return sig, nil
}
