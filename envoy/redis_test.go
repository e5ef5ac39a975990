package envoy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

func redisStore(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("type: redis, redis: {host: %q, port: %s}", host, port)
}

// TestSEC_D09_G05_K07_TwoReplicas: a callback is good once for both. And what one
// replica ends is over on the other, whose cache knows the session and would keep
// it for an hour: when it hears of it, and when it cannot hear.
func TestSEC_D09_G05_K07_TwoReplicas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr), redisStore(t, proxy.Addr)}})
	a, b := s.replicas[0], s.replicas[1]
	s.redeemsOnce(t)
	ended := func(how string, end func(*visitor)) {
		t.Helper()
		v := s.visit(t)
		callback := s.provider.Authorize(v.begin("/orders"))
		v.at = b // the replica that begins a login need not end it
		v.redirected(callback, http.StatusSeeOther)
		cookie := v.cookie()
		for range 3 {
			if got := b.status(t, cookie); got != 200 {
				t.Fatalf("%s: before: got %d", how, got)
			}
		}
		v.at = a
		end(v)
		if got := a.status(t, cookie); got != 401 {
			t.Errorf("%s: where it was ended: got %d", how, got)
		}
		b.becomes(t, cookie, 401)
		if got := b.status(t, cookie); got != 401 {
			t.Errorf("%s: after it was refused: got %d", how, got)
		}
	}
	byBoss := func(v *visitor) { a.end(t, a.self(t, v.bearer()).ID) }
	byOwner := func(v *visitor) {
		if got := v.do("POST", "/auth/logout", append(navigation(), "Sec-Fetch-Site: same-origin")...); got.status != http.StatusSeeOther {
			t.Errorf("logout: got %d", got.status)
		}
	}
	// Nothing but hearing helps here.
	b.reload(t, strings.Replace(b.config, "max_staleness: 1s", "max_staleness: 1h", 1))
	ended("heard, by an administrator", byBoss)
	ended("heard, by logout", byOwner)
	b.reload(t, b.config)
	for how, traffic := range map[string]redistest.Traffic{"subscription cut": redistest.Cut, "subscription silent": redistest.Paused} {
		ended(how, func(v *visitor) {
			proxy.SetSubscriptions(traffic)
			byBoss(v)
		})
		proxy.SetSubscriptions(redistest.Open)
	}
	ended("heard again", byBoss)
}

// redeemsOnce sends one callback to all replicas at once, many times.
func (s *site) redeemsOnce(t *testing.T) {
	t.Helper()
	v := s.visit(t)
	callback, err := url.Parse(s.provider.Authorize(v.begin("/orders")))
	if err != nil {
		t.Fatal(err)
	}
	cookies := "Cookie: "
	for _, c := range v.client.Jar.Cookies(callback) {
		cookies += c.Name + "=" + c.Value + "; "
	}
	asked := s.provider.Requests(oidctest.Token)
	counts := s.atOnce(t, envoytest.Message("GET", callback.RequestURI(), append(navigation(), cookies, "Connection: close")...), 10)
	if counts[http.StatusSeeOther] != 1 || counts[http.StatusBadRequest] != 9 || s.provider.Requests(oidctest.Token)-asked != 1 {
		t.Errorf("one callback ten times: answers by status %v, and the provider was asked %d times", counts, s.provider.Requests(oidctest.Token)-asked)
	}
	if n := len(s.replicas[0].tokens(t, asBoss)); n != 1 {
		t.Errorf("one callback made %d sessions", n)
	}
}

// TestSEC_G13_L03_RedisKilled: sessions wait, everything else works, and both
// come back by themselves; also where gateward begins while Redis is gone.
func TestSEC_G13_L03_RedisKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true, More: []string{"--appendfsync", "always"}})
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr)}})
	r, v := s.replicas[0], s.visit(t)
	late := s.visit(t)
	v.logIn("/orders")
	r.becomes(t, v.cookie(), 200)
	others := func(when string) {
		t.Helper()
		token := s.keys.sign(t, "RS256", claims(map[string]any{"jti": when})) // no cache knows it
		for _, header := range []string{"Authorization: Bearer " + staticToken, "Authorization: Bearer " + token} {
			if got := r.status(t, header); got != 200 {
				t.Errorf("%s: %.30s: got %d", when, header, got)
			}
		}
	}
	unavailable := func(what string, got *answer) {
		t.Helper()
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Values("Set-Cookie") != nil {
			t.Errorf("%s: got %d, Retry-After %q, %d cookies", what, got.status, got.header.Get("Retry-After"), len(got.header.Values("Set-Cookie")))
		}
	}
	others("before")
	callback := s.provider.Authorize(late.begin("/orders"))

	server.Kill()
	r.becomes(t, v.cookie(), 503)
	unavailable("script", v.do("GET", "/orders"))
	for _, path := range []string{"/orders", "/auth/account", "/auth/logout"} {
		got := v.open(path)
		unavailable(path, got)
		if !got.page() {
			t.Errorf("%s: no page: %s", path, got.body)
		}
	}
	unavailable("callback", late.open(callback))
	unavailable("logout", v.do("POST", "/auth/logout", append(navigation(), "Sec-Fetch-Site: same-origin")...))
	unavailable("self", v.do("GET", "/auth/v1/self", v.bearer()))
	if got := r.status(t, "X-None: 1"); got != 401 {
		t.Errorf("without a credential: got %d", got)
	}
	others("while Redis is gone")
	if v.token() == "" {
		t.Error("the browser has lost its cookie")
	}

	server.Restart()
	r.becomes(t, v.cookie(), 200)
	if got := late.open(callback); got.status != http.StatusSeeOther {
		t.Errorf("a login that waited: got %d %s", got.status, got.body)
	}

	server.Kill()
	if err := r.gateward.Terminate(); err != nil {
		t.Fatal(err)
	}
	r.restart(t, r.config, true)
	r.becomes(t, "Authorization: Bearer "+staticToken, 200)
	others("started while Redis is gone")
	unavailable("started while Redis is gone", v.do("GET", "/orders"))
	// The key that seals a login is kept in Redis, too.
	got := s.visit(t).open("/auth/v1/method/oidc/op/authorize?rd=/orders")
	unavailable("authorize", got)
	if !got.page() {
		t.Errorf("authorize: no page: %s", got.body)
	}
	server.Restart()
	r.becomes(t, v.cookie(), 200)
	r.gateward.WaitReady(t)
	if got := s.visit(t).logIn("/orders"); got != "/orders" {
		t.Errorf("a new login came back to %s", got)
	}
}

// TestSEC_L01_RedisHangs: a store that says nothing costs those who need it a
// 503 of gateward's own, before Envoy loses patience, and nobody else anything.
func TestSEC_L01_RedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startSite(t, siteOptions{storage: []string{redisStore(t, server.Addr)}, cache: uncached})
	r, v := s.replicas[0], s.visit(t)
	v.logIn("/orders")
	server.Pause()
	for range 3 {
		got := v.do("GET", "/orders")
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("X-Gateward-Decision-Id") == "" {
			t.Errorf("got %d %v: not gateward's own answer", got.status, got.header)
		}
		if got := r.status(t, "Authorization: Bearer "+staticToken); got != 200 {
			t.Errorf("with a static token: got %d", got)
		}
	}
	server.Resume()
	r.becomes(t, v.cookie(), 200)
}

// TestSEC_L09_RestartWithSessions: one of two replicas restarts, and nobody who
// is logged in, logging in or logging out notices.
func TestSEC_L09_RestartWithSessions(t *testing.T) {
	t.Parallel()
	store := redisStore(t, redistest.Start(t).Addr)
	s := startSite(t, siteOptions{storage: []string{store, store}, balance: true, server: "drain_delay: 3s"})
	r := s.replicas[0]
	healthy := func() {
		t.Helper()
		r.WaitStat(t, "cluster.gateward.membership_healthy", 2)
	}
	healthy()
	known := s.visit(t)
	known.logIn("/orders")

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var logins atomic.Int64
	wg.Go(func() {
		pace := time.NewTicker(20 * time.Millisecond) // leaves the machine to what restarts
		defer pace.Stop()
		for ; ctx.Err() == nil; <-pace.C {
			v := s.visit(t)
			if err := v.comeAndGo(); err != nil {
				t.Error(err)
				return
			}
			got, err := envoytest.SendRaw(t.Context(), r.Address, envoytest.Message("GET", "/orders", known.cookie(), "Connection: close"))
			if err != nil || got.Status != 200 {
				t.Errorf("a session of before: got %+v, %v", got, err)
				return
			}
			logins.Add(1)
		}
	})
	defer wg.Wait()
	defer cancel()
	more := func() {
		t.Helper()
		want := logins.Load() + 5
		envoytest.Eventually(t, "logins", time.Minute, func(context.Context) error {
			if n := logins.Load(); n < want && !t.Failed() {
				return fmt.Errorf("%d of %d", n, want)
			}
			return nil
		})
	}
	more()
	if err := r.gateward.Terminate(); err != nil {
		t.Errorf("terminate: %v", err)
	}
	more()
	r.restart(t, r.config, false)
	healthy()
	more()
}

// comeAndGo logs in, opens a page and logs out.
func (v *visitor) comeAndGo() error {
	begun, err := v.send("GET", "/auth/v1/method/oidc/op/authorize?rd=/orders", navigation()...)
	if err != nil || begun.status != http.StatusFound {
		return fmt.Errorf("authorize: got %+v, %w", begun, err)
	}
	back, err := v.send("GET", v.s.provider.Authorize(begun.location()), navigation()...)
	if err != nil || back.status != http.StatusSeeOther || back.location() != "/orders" {
		return fmt.Errorf("callback: got %+v, %w", back, err)
	}
	if got, err := v.send("GET", "/orders", navigation()...); err != nil || got.status != 200 {
		return fmt.Errorf("page: got %+v, %w", got, err)
	}
	got, err := v.send("POST", "/auth/logout", append(navigation(), "Sec-Fetch-Site: same-origin")...)
	if err != nil || got.status != http.StatusSeeOther {
		return fmt.Errorf("logout: got %+v, %w", got, err)
	}
	return nil
}

// survive asks for sessions until each has been answered by 200 so often, and
// fails the test if one is refused meanwhile.
func (r *replica) survive(t *testing.T, visitors []*visitor) {
	t.Helper()
	for i, v := range visitors {
		envoytest.Eventually(t, fmt.Sprintf("session %d", i+1), time.Minute, func(context.Context) error {
			switch got := r.status(t, v.cookie()); got {
			case 200:
				return nil
			case 503:
				return fmt.Errorf("got %d\n%s", got, r.gateward.Log())
			default:
				t.Fatalf("session %d of %d: got %d", i+1, len(visitors), got)
				return nil
			}
		})
	}
}

// logInAll logs in so many visitors.
func (s *site) logInAll(t *testing.T, n int) []*visitor {
	t.Helper()
	var all []*visitor
	for range n {
		v := s.visit(t)
		v.logIn("/orders")
		all = append(all, v)
	}
	return all
}

// uncached is a cache that hides nothing that happens in the store.
const uncached = "ttl: 1ms, max_staleness: 1ms"

// TestSentinelFailover: the master dies, and no session with it.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	store := fmt.Sprintf("type: redis, redis: {mode: sentinel, master_name: %s, addresses: [%s]}", redistest.MasterName, strings.Join(sentinel.Addrs, ", "))
	s := startSite(t, siteOptions{storage: []string{store}, cache: uncached})
	visitors := s.logInAll(t, 5)
	sentinel.KillMaster()
	s.replicas[0].survive(t, visitors)
	envoytest.Eventually(t, "login after the failover", time.Minute, func(context.Context) error {
		v := s.visit(t)
		callback := s.provider.Authorize(v.begin("/orders"))
		if got := v.open(callback); got.status != http.StatusSeeOther {
			return fmt.Errorf("got %d %s", got.status, got.body)
		}
		return nil
	})
}

// TestClusterResharding: slots move from one master to another while sessions in
// them are asked for, and then a master dies.
func TestClusterResharding(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	store := fmt.Sprintf("type: redis, redis: {mode: cluster, addresses: [%s]}", strings.Join(cluster.Addrs, ", "))
	s := startSite(t, siteOptions{storage: []string{store}, cache: uncached})
	visitors := s.logInAll(t, 12)
	done := make(chan error, 1)
	go func() { done <- cluster.Reshard(t.Context(), 0, 2000, 1) }()
	for moved := false; !moved; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			moved = true
		default:
		}
		s.replicas[0].survive(t, visitors)
	}
	s.logInAll(t, 3)
	cluster.KillMaster(1)
	s.replicas[0].survive(t, visitors)
}
