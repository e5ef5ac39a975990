package jwt_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
	"github.com/gateward/gateward/methods/jwt"
)

// remote is an issuer whose keys are at an address.
func remote(t testing.TB, changes ...func(*jwt.Issuer)) jwt.Issuer {
	t.Helper()
	i := issuer(t, func(i *jwt.Issuer) { i.Name, i.PublicKeyFile, i.JWKSURL = "main", "", "https://issuer.test/jwks" })
	for _, change := range changes {
		change(&i)
	}
	return i
}

// successor returns the method that takes the place of previous, which may be
// nil. Only closing ends what it does in the background.
func successor(t testing.TB, o jwt.Options, previous *jwt.Method, issuers ...jwt.Issuer) *jwt.Method {
	t.Helper()
	o.Previous = previous
	m, err := jwt.New(context.WithoutCancel(t.Context()), jwt.Config{Issuers: issuers}, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantFetches(t *testing.T, e *keysettest.Endpoint, what string, n int) {
	t.Helper()
	if got := e.Fetches(); got != n {
		t.Errorf("%s: %d fetches, want %d", what, got, n)
	}
}

// A change of the configuration during an outage does not lose the keys that
// last it out.
func TestSEC_C14_KeysSurviveAReloadDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := &keysettest.Endpoint{}, options()
		e.Serve(keysettest.Document(t, key().JWK(nil)))
		o.Transport = e
		heard := make(chan string, 10)
		o.OnRefresh = func(issuer string, _ bool, _ time.Time) { heard <- issuer }
		old := successor(t, o, nil, remote(t))
		mine := key().Token(t, base(object{"aud": "mine"}))
		verdict(t, old, "old", key().Token(t, base()), nil)
		verdict(t, old, "old, other audience", mine, gateward.ErrInvalidCredential)
		e.Fail(http.StatusServiceUnavailable)
		next := successor(t, o, old, remote(t, func(i *jwt.Issuer) {
			i.ValidateClaims.Audiences = append(i.ValidateClaims.Audiences, "mine")
		}))
		verdict(t, next, "new", mine, nil)
		wantFetches(t, e, "shared", 1)

		// The old one goes as servers retire it; the set goes on being refreshed.
		old.Close()
		old.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if e.Fetches() < 2 {
			t.Error("the shared key set is not refreshed any more")
		}
		verdict(t, next, "new, alone", mine, nil)
		next.Close()
		close(heard)
		for name := range heard {
			if name != "main" {
				t.Errorf("a refresh was reported of %q", name)
			}
		}
		n := e.Fetches()
		time.Sleep(10 * time.Minute)
		wantFetches(t, e, "closed", n)
	}) // and a goroutine that is left fails the test
}

func TestMethod_CloseInAnyOrder(t *testing.T) {
	for name, order := range map[string][]int{
		"oldest first": {0, 1, 2}, "newest first": {2, 1, 0}, "twice": {1, 1, 1, 0, 0, 2}, "middle last": {2, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := &keysettest.Endpoint{}, options()
				e.Serve(keysettest.Document(t, key().JWK(nil)))
				o.Transport = e
				var all [3]*jwt.Method
				all[0] = successor(t, o, nil, remote(t), remote(t, other))
				all[1] = successor(t, o, all[0], remote(t))
				all[2] = successor(t, o, all[1], remote(t))
				closed := map[int]bool{}
				for _, i := range order {
					all[i].Close()
					if closed[i] = true; len(closed) < len(all) {
						// Whatever is closed, the set that is in use is fetched again.
						n := e.Fetches()
						verdict(t, all[2], "known key", key().Token(t, base()), nil)
						time.Sleep(10 * time.Minute)
						synctest.Wait()
						if e.Fetches() == n {
							t.Errorf("no refresh after closing %d", i)
						}
					}
				}
				n := e.Fetches()
				time.Sleep(time.Hour)
				wantFetches(t, e, "all closed", n)

				// What has ended is not taken over.
				last := successor(t, o, all[2], remote(t))
				verdict(t, last, "after the end", key().Token(t, base()), nil)
				wantFetches(t, e, "after the end", n+1)
				last.Close()
			})
		})
	}
}

// other makes an issuer another one.
func other(i *jwt.Issuer) { i.Name, i.ValidateClaims.Issuer = "other", "https://other.test" }

func TestNew_ErrorReleasesKeySets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := &keysettest.Endpoint{}, options()
		e.Serve(keysettest.Document(t, key().JWK(nil)))
		o.Transport = e
		old := successor(t, o, nil, remote(t))
		verdict(t, old, "before", key().Token(t, base()), nil)
		o.Previous = old
		for range 3 {
			_, err := jwt.New(context.WithoutCancel(t.Context()), jwt.Config{Issuers: []jwt.Issuer{
				remote(t), remote(t, other), remote(t, func(i *jwt.Issuer) { i.Name, i.JWKSURL = "bad", "http://issuer.test/jwks" }),
			}}, o)
			if err == nil {
				t.Fatal("a bad address is accepted")
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if e.Fetches() < 2 {
			t.Error("the old method's key set is not refreshed any more")
		}
		verdict(t, old, "after", key().Token(t, base()), nil)
		old.Close()
	}) // a source that was not released is a goroutine that is left
}

func TestMethod_SharesOnlyTheSameKeySet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := func(path string) func(*jwt.Issuer) { return func(i *jwt.Issuer) { i.CAPath = path } }
	first, same := file("first.pem", ca), file("same.pem", ca)
	changed := file("changed.pem", bytes.Repeat(ca, 2))
	none := func(*jwt.Issuer) {}
	for name, tc := range map[string]struct {
		was, is func(*jwt.Issuer)
		shared  bool
	}{
		"nothing": {none, none, true},
		"claims and times": {none, func(i *jwt.Issuer) {
			i.ValidateClaims = jwt.ValidateClaims{Issuer: iss, Subject: "ada", Audiences: []string{"x", "gateward"}}
			i.ClaimsMapping, i.ClockSkew, i.GroupsClaim, i.ScopesClaim = map[string]string{"name": "n"}, time.Second, "g", "s"
		}, true},
		"default algorithms, written out": {none, func(i *jwt.Issuer) { i.Algorithms = jwt.DefaultAlgorithms() }, true},
		"another CA file, same content":   {authority(first), authority(same), true},
		"address":                         {none, func(i *jwt.Issuer) { i.JWKSURL += "2" }, false},
		"name":                            {none, func(i *jwt.Issuer) { i.Name = "renamed" }, false},
		"algorithms":                      {none, func(i *jwt.Issuer) { i.Algorithms = []string{"ES256"} }, false},
		"a CA file":                       {none, authority(first), false},
		"no CA file":                      {authority(first), none, false},
		"content of the CA file":          {authority(first), authority(changed), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, o := &keysettest.Endpoint{}, options()
			e.Serve(keysettest.Document(t, key().JWK(nil)))
			o.Transport = e
			old := successor(t, o, nil, remote(t, tc.was))
			defer old.Close()
			verdict(t, old, "old", key().Token(t, base()), nil)
			next := successor(t, o, old, remote(t, tc.is))
			defer next.Close()
			verdict(t, next, "new", key().Token(t, base()), nil)
			fetches := 2
			if tc.shared {
				fetches = 1
			}
			wantFetches(t, e, "both", fetches)
		})
	}
	// What has ended with its context is not taken over.
	ended, cancel := context.WithCancel(t.Context())
	e, o := &keysettest.Endpoint{}, options()
	e.Serve(keysettest.Document(t, key().JWK(nil)))
	o.Transport = e
	old, err := jwt.New(ended, jwt.Config{Issuers: []jwt.Issuer{remote(t)}}, o)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	live := successor(t, o, old, remote(t))
	verdict(t, live, "after the context", key().Token(t, base()), nil)
	old.Close()
	live.Close()
	// From a file to an address and back there is nothing to share.
	m := successor(t, o, nil, issuer(t))
	for _, i := range []jwt.Issuer{remote(t), issuer(t), remote(t)} {
		next := successor(t, o, m, i)
		m.Close()
		verdict(t, next, "back and forth", key().Token(t, base()), nil)
		m = next
	}
	m.Close()
}

// Reloads, requests and retirements go on at the same time.
func TestMethod_SharingIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	e, o := &keysettest.Endpoint{}, options()
	e.Serve(keysettest.Document(t, key().JWK(nil)))
	o.Transport = e
	first := successor(t, o, nil, remote(t))
	token := key().Token(t, base())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			m := successor(t, o, first, remote(t))
			for range 3 {
				verdict(t, m, "meanwhile", token, nil)
			}
			m.Close()
		})
	}
	wg.Go(first.Close)
	wg.Wait()
}
