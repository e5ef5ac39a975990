package envoy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const asBoss = "Authorization: Bearer " + adminToken

// An authentication is an entry of Flipt's API.
type authentication struct {
	ID     string `json:"id"`
	Method string `json:"method"`
}

// tokens asks a replica for the sessions that a caller may see.
func (r *replica) tokens(t *testing.T, header string) []authentication {
	t.Helper()
	got := envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/auth/v1/tokens?limit=100", header, "Connection: close"))
	var list struct {
		Authentications []authentication `json:"authentications"`
	}
	if err := json.Unmarshal(got.Body, &list); err != nil || got.Status != 200 {
		t.Fatalf("list sessions: got %d %s", got.Status, got.Body)
	}
	return list.Authentications
}

// self asks a replica who a caller is.
func (r *replica) self(t *testing.T, header string) authentication {
	t.Helper()
	got := envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/auth/v1/self", header, "Connection: close"))
	var a authentication
	if err := json.Unmarshal(got.Body, &a); err != nil || got.Status != 200 {
		t.Fatalf("self: got %d %s", got.Status, got.Body)
	}
	return a
}

// end ends a session as an administrator.
func (r *replica) end(t *testing.T, id string) {
	t.Helper()
	if got := envoytest.RawRequest(t, r.Address, envoytest.Message("DELETE", "/auth/v1/tokens/"+id, asBoss, "Connection: close")); got.Status != 200 {
		t.Fatalf("end session: got %d %s", got.Status, got.Body)
	}
}

// TestSEC_D23_G05_G10_EndedSessionsAreRefusedAtOnce, by their owner, an
// administrator or the provider, though the cache knows them and keeps what it
// knows for an hour.
func TestSEC_D23_G05_G10_EndedSessionsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	r := s.replicas[0]
	visitors := s.logInAll(t, 5)
	warm := func(v *visitor) {
		t.Helper()
		for _, header := range []string{v.bearer(), v.cookie()} {
			if got := r.status(t, header); got != 200 {
				t.Fatalf("%.10s: got %d", header, got)
			}
		}
	}
	over := func(how, bearer, cookie string) {
		t.Helper()
		if b, c := r.status(t, bearer), r.status(t, cookie); b != 401 || c != 401 {
			t.Errorf("%s: as bearer %d, as cookie %d, want 401", how, b, c)
		}
		if got := envoytest.RawRequest(t, r.Address, envoytest.Message("GET", "/auth/v1/self", bearer, "Connection: close")); got.Status != 401 {
			t.Errorf("%s: self answers %d", how, got.Status)
		}
	}
	for _, v := range visitors {
		warm(v)
	}
	for _, seen := range s.upstream.Requests() {
		if seen.Values("authorization") != nil || seen.Values("cookie") != nil || !slices.Equal(seen.Values("x-auth-request-user"), []string{"ada-1"}) {
			t.Errorf("the application saw %v", seen.Header)
		}
	}
	md, err := envoytest.Say(t.Context(), r.Address, metadata.Pairs("authorization", strings.TrimPrefix(visitors[0].bearer(), "Authorization: ")))
	if err != nil || !slices.Equal(md.Get("x-auth-request-user"), []string{"ada-1"}) || md.Get("authorization") != nil {
		t.Errorf("over gRPC: %v, the application saw %v", err, md)
	}
	if own, all := r.tokens(t, visitors[0].bearer()), r.tokens(t, asBoss); len(own) != 5 || len(all) != 5 {
		t.Errorf("%d sessions are Ada's own, an administrator sees %d", len(own), len(all))
	}
	if got := envoytest.RawRequest(t, r.Address, envoytest.Message("DELETE", "/auth/v1/tokens/"+r.self(t, visitors[0].bearer()).ID, "Authorization: Bearer "+staticToken, "Connection: close")); got.Status/100 != 4 {
		t.Errorf("somebody else ends a session: got %d", got.Status)
	}
	s.logsOutByToken(t, visitors[4])
	visitors = visitors[:4]
	for _, v := range visitors {
		warm(v)
	}

	for how, end := range map[string]func(v *visitor){
		"administrator":  func(v *visitor) { r.end(t, r.self(t, v.bearer()).ID) },
		"self, DELETE":   func(v *visitor) { v.do("DELETE", "/auth/v1/self/revoke", v.bearer()) },
		"self, PUT":      func(v *visitor) { v.do("PUT", "/auth/v1/self/expire", v.bearer()) },
		"page of logout": func(v *visitor) { v.do("POST", "/auth/logout", append(navigation(), "Sec-Fetch-Site: same-origin")...) },
	} {
		v := visitors[0]
		visitors = visitors[1:]
		bearer, cookie := v.bearer(), v.cookie()
		end(v)
		over(how, bearer, cookie)
		for _, other := range visitors {
			warm(other)
		}
		if got := v.open("/orders"); got.status != http.StatusFound {
			t.Errorf("%s: a navigation afterwards got %d", how, got.status)
		}
	}
}

// logsOutByToken: the provider ends its last session, by what it calls it, and
// nobody else can.
func (s *site) logsOutByToken(t *testing.T, last *visitor) {
	t.Helper()
	r := s.replicas[0]
	logout := func(token string) *envoytest.RawResponse {
		t.Helper()
		body := "logout_token=" + token
		return envoytest.RawRequest(t, r.Address, append(envoytest.Message("POST", "/auth/v1/method/oidc/op/revoke",
			"Content-Type: application/x-www-form-urlencoded", fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close"), body...))
	}
	if got := logout(s.keys.sign(t, "RS256", claims(map[string]any{"iss": s.provider.Issuer, "aud": s.provider.ClientID}))); got.Status != 400 {
		t.Errorf("a logout token of somebody else's: got %d %s", got.Status, got.Body)
	}
	if got := r.status(t, last.cookie()); got != 200 {
		t.Errorf("after that: got %d", got)
	}
	token := s.provider.LogoutToken(nil)
	if got := logout(token); got.Status != 200 || got.Get("cache-control") != "no-store" {
		t.Errorf("logout token: got %d %s", got.Status, got.Body)
	}
	if got := r.status(t, last.cookie()); got != 401 {
		t.Errorf("after the logout token: got %d", got)
	}
	if got := logout(token); got.Status != 400 {
		t.Errorf("logout token again: got %d", got.Status)
	}
}

// TestKilledWithFileStore: a session that a browser was told of is there
// after gateward was killed in the middle of its work.
func TestKilledWithFileStore(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{storage: []string{fileStore(t)}})
	r := s.replicas[0]
	var mu sync.Mutex
	var acknowledged []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				v := s.visit(t)
				begun, err := v.send("GET", "/auth/v1/method/oidc/op/authorize?rd=/x", navigation()...)
				if err != nil || begun.status != http.StatusFound {
					continue // it is dead by now
				}
				back, err := v.send("GET", s.provider.Authorize(begun.location()), navigation()...)
				if err == nil && back.status == http.StatusSeeOther && v.token() != "" {
					mu.Lock()
					acknowledged = append(acknowledged, v.cookie())
					mu.Unlock()
				}
			}
		})
	}
	envoytest.Eventually(t, "logins", time.Minute, func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if len(acknowledged) < 25 {
			return fmt.Errorf("%d so far", len(acknowledged))
		}
		return nil
	})
	r.gateward.Kill()
	cancel()
	wg.Wait()
	r.restart(t, r.config, false)
	for i, cookie := range acknowledged {
		if i == 0 {
			r.becomes(t, cookie, 200) // Envoy connects again
		} else if got := r.status(t, cookie); got != 200 {
			t.Errorf("session %d of %d: got %d", i+1, len(acknowledged), got)
		}
	}
}

func fileStore(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("type: file, file: {path: %q}", filepath.Join(t.TempDir(), "sessions.db"))
}

// reload gives a replica another configuration and waits until it is in force.
func (r *replica) reload(t *testing.T, config string) {
	t.Helper()
	const done = `"configuration reloaded"`
	before := strings.Count(r.gateward.Log(), done)
	if err := os.WriteFile(r.gateward.ConfigFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.gateward.Signal(syscall.SIGHUP)
	envoytest.Eventually(t, "reload", time.Minute, func(context.Context) error {
		if log := r.gateward.Log(); strings.Count(log, done) == before {
			return fmt.Errorf("not yet\n%s", log)
		}
		return nil
	})
}

// TestSEC_D14_K06_ReloadAndSessions: a reload leaves sessions alone, and refuses
// whoever the new configuration does not admit.
func TestSEC_D14_K06_ReloadAndSessions(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	r, v := s.replicas[0], s.visit(t)
	started := v.begin("/late")
	other := s.visit(t)
	other.logIn("/orders")
	if got := other.open("/orders"); got.status != 200 {
		t.Fatalf("before: got %d", got.status)
	}
	r.reload(t, strings.Replace(r.config, "rules:\n", "rules:\n- {name: new, match: {paths: [/new]}, access: deny}\n", 1))
	if got := other.open("/orders"); got.status != 200 {
		t.Errorf("after a reload: got %d", got.status)
	}
	if got := other.open("/new"); got.status != 403 {
		t.Errorf("the new rule: got %d", got.status)
	}
	if got := v.redirected(s.provider.Authorize(started), http.StatusSeeOther); got != "/late" {
		t.Errorf("a login that began before came back to %s", got)
	}

	stricter := strings.Replace(r.config, `^.*@example\.com$`, `^boss@example\.com$`, 1)
	r.reload(t, stricter)
	got := other.open("/orders")
	if got.status != 403 || !got.page() || !strings.Contains(got.body, "ada@example.com") {
		t.Errorf("no longer admitted: got %d %s", got.status, got.body)
	}
	if got := r.status(t, v.bearer()); got != 403 {
		t.Errorf("no longer admitted, as a script: got %d", got)
	}
	r.reload(t, r.config)
	if got := other.open("/orders"); got.status != 200 {
		t.Errorf("admitted again: got %d", got.status)
	}
}

// TestSEC_G15_EncryptionKeyRotation: what the old key has sealed is read as long
// as it is among the previous ones, the provider's tokens included.
func TestSEC_G15_EncryptionKeyRotation(t *testing.T) {
	t.Parallel()
	const oldKey, newKey = "old-key-0123456789abcdef0123456789", "new-key-0123456789abcdef0123456789"
	store := fileStore(t)
	o := siteOptions{storage: []string{store}, session: "encryption_key: " + oldKey}
	s := startSite(t, o)
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = time.Second })
	r, v := s.replicas[0], s.visit(t)
	v.logIn("/orders")
	expired := time.Now().Add(time.Second)
	if err := r.gateward.Terminate(); err != nil {
		t.Fatal(err)
	}
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = time.Hour })
	o.session = "encryption_key: " + newKey + ", previous_encryption_keys: [" + oldKey + "]"
	r.restart(t, o.config(s, store), false)
	passed(t, expired)
	r.becomes(t, v.cookie(), 200)
	if n := s.provider.Refreshes(); n != 1 {
		t.Errorf("%d refreshes with what the old key had sealed, want 1", n)
	}
	if err := r.gateward.Terminate(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Clean(strings.Split(store, `"`)[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{v.token(), "refresh-canary", "access-canary"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the file holds %.8s… as it is", secret)
		}
	}
}

// passed waits until a moment of the provider's has passed.
func passed(t *testing.T, moment time.Time) {
	t.Helper()
	envoytest.Eventually(t, "the time", time.Minute, func(context.Context) error {
		if left := time.Until(moment); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
}
