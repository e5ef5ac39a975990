package envoy_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

// short is how long the provider's first tokens live. Those that a refresh gives
// live long, so that a slow machine sees no second one fall due.
const short = 2 * time.Second

// logInShortly logs in so many visitors whose tokens then expire.
func (s *site) logInShortly(t *testing.T, n int) []*visitor {
	t.Helper()
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = short })
	var all []*visitor
	for range n {
		v := s.visit(t)
		v.logIn("/orders")
		all = append(all, v)
	}
	expired := time.Now().Add(short)
	s.provider.Configure(func(b *oidctest.Behavior) { b.TokenLifetime = time.Hour })
	passed(t, expired)
	return all
}

// atOnce sends a request n times at once, spread over the replicas, and returns
// how often each status came.
func (s *site) atOnce(t *testing.T, message []byte, n int) map[int]int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			got, err := envoytest.SendRaw(t.Context(), s.replicas[i%len(s.replicas)].Address, message)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			counts[got.Status]++
		})
	}
	close(start)
	wg.Wait()
	return counts
}

// request is an ordinary one of the visitor's.
func (v *visitor) request() []byte {
	return envoytest.Message("GET", "/orders", v.cookie(), "Connection: close")
}

// refreshedOnce checks that twenty requests at once are served by one refresh.
func (s *site) refreshedOnce(t *testing.T, v *visitor) {
	t.Helper()
	asked, refreshed := s.provider.Requests(oidctest.Token), s.provider.Refreshes()
	if counts := s.atOnce(t, v.request(), 20); counts[http.StatusOK] != 20 {
		t.Errorf("answers by status: %v, want 20 of 200", counts)
	}
	if n, m := s.provider.Requests(oidctest.Token)-asked, s.provider.Refreshes()-refreshed; n != 1 || m != 1 {
		t.Errorf("the provider was asked %d times and gave tokens %d times, want once", n, m)
	}
	if counts := s.atOnce(t, v.request(), 20); counts[http.StatusOK] != 20 || s.provider.Requests(oidctest.Token)-asked != 1 {
		t.Errorf("afterwards: %v, and the provider was asked %d times", counts, s.provider.Requests(oidctest.Token)-asked)
	}
}

// TestSEC_D18_Refresh: requests that come at once share a refresh; a provider
// that is down ends no session, and one that refuses does.
func TestSEC_D18_Refresh(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	r := s.replicas[0]
	v := s.logInShortly(t, 3)
	s.refreshedOnce(t, v[0])

	s.provider.Down(true)
	if counts := s.atOnce(t, v[1].request(), 5); counts[http.StatusOK] != 5 {
		t.Errorf("while the provider is down: %v, want 5 of 200", counts)
	}
	s.provider.Down(false)
	refreshed := s.provider.Refreshes()
	envoytest.Eventually(t, "refresh once the provider is back", time.Minute, func(context.Context) error {
		if got := r.status(t, v[1].cookie()); got != http.StatusOK {
			t.Fatalf("got %d while the provider comes back", got)
		}
		if s.provider.Refreshes() == refreshed {
			return fmt.Errorf("none yet")
		}
		return nil
	})

	s.provider.Revoke()
	sessions := len(r.tokens(t, asBoss))
	r.becomes(t, v[2].cookie(), http.StatusUnauthorized)
	if got := v[2].open("/orders"); got.status != http.StatusFound {
		t.Errorf("after invalid_grant, a navigation: got %d", got.status)
	}
	if n := sessions - len(r.tokens(t, asBoss)); n != 1 {
		t.Errorf("invalid_grant ended %d sessions", n)
	}
}

// TestSEC_D18_RefreshOnTwoReplicas: twenty requests, ten for each, share a
// refresh.
func TestSEC_D18_RefreshOnTwoReplicas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr), redisStore(t, server.Addr)}})
	for _, v := range s.logInShortly(t, 2) {
		s.refreshedOnce(t, v)
	}
}
