package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// TestSEC_D18_OneRefresh: requests that come together when the provider's tokens
// have just expired make one refresh, on one replica and on two, and all pass.
func TestSEC_D18_OneRefresh(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]int{"one replica": 1, "two replicas": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lifetime = 4
			redis := redistest.Start(t)
			s := startSite(t, siteOptions{replicas: replicas, accessTokenSeconds: lifetime, config: func(s *site) string {
				host, port, _ := strings.Cut(redis.Addr, ":")
				return strings.Replace(usualConfig(s), "  session:\n", fmt.Sprintf(
					"  session:\n    encryption_key: an-encryption-key-of-this-test-0123456789\n    storage: {type: redis, redis: {host: %q, port: %s}}\n", host, port), 1)
			}})
			tab := startChromium(t, s.spki).person(t).open(s.origin + "/")
			tab.logInAs("ada")
			tab.shows("x-auth-request-user: ada")
			token := tab.clientToken(s.origin)
			expired := time.Now().Add(lifetime * time.Second)
			envoytest.Eventually(t, "the tokens' end", patience, func(context.Context) error {
				if time.Now().Before(expired) {
					return errors.New("not yet")
				}
				return nil
			})
			before := s.provider.grants(t, "refresh_token")
			client, statuses := s.client(t), make([]int, 20)
			var wg sync.WaitGroup
			for i := range statuses {
				wg.Go(func() { statuses[i] = s.status(t, client, "/together", token) })
			}
			wg.Wait()
			for i, status := range statuses {
				if status != http.StatusOK {
					t.Errorf("request %d: got %d, want 200", i, status)
				}
			}
			if n := s.provider.grants(t, "refresh_token") - before; n != 1 {
				t.Errorf("refreshes: got %d, want 1", n)
			}
		})
	}
}

// TestSEC_D18_RefusedRefreshEndsTheSession: the provider closes an account, and
// its session is over when the tokens are.
func TestSEC_D18_RefusedRefreshEndsTheSession(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{accessTokenSeconds: 2})
	tab := startChromium(t, s.spki).person(t).open(s.origin + "/")
	tab.logInAs("grace")
	token := tab.clientToken(s.origin)
	s.provider.forget(t, "grace")
	client := s.client(t)
	envoytest.Eventually(t, "the end of the session", patience, func(context.Context) error {
		if status := s.status(t, client, "/", token); status != http.StatusUnauthorized {
			return fmt.Errorf("got %d, want 401", status)
		}
		return nil
	})
}

// status asks for a path with a client token, as a script does.
func (s *site) status(tb testing.TB, client *http.Client, path, token string) int {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, s.origin+path, http.NoBody)
	if err != nil {
		tb.Error(err)
		return 0
	}
	req.Header.Set("Cookie", cookieName+"="+token)
	resp, err := client.Do(req)
	if err != nil {
		tb.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
