package main

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// hold makes the next request for tokens wait, and returns a channel that is
// closed when it is there and what lets it go on.
func hold(t testing.TB, p *oidctest.Provider) (arrived <-chan struct{}, release func()) {
	t.Helper()
	there, let := make(chan struct{}), make(chan struct{})
	p.Fault(oidctest.Token, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil { // so that Go notices when the client has gone
			return
		}
		p.Fault(oidctest.Token, nil)
		close(there)
		select {
		case <-let:
			p.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
	release = sync.OnceFunc(func() { close(let) })
	t.Cleanup(release)
	return there, release
}

func await(t testing.TB, what <-chan struct{}, name string) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(patience):
		t.Fatal(name + " did not happen")
	}
}

// TestSEC_L09_DrainLoginService: logins are answered while we drain, and one that
// is under way is brought to its end.
func TestSEC_L09_DrainLoginService(t *testing.T) {
	t.Parallel()
	provider := oidctest.Start(t)
	r := serve(t, t.TempDir(), loginAt(provider))
	conn := r.dial()
	wantCheck(t, conn, 200, "authorization", "Bearer "+goodToken)
	r.signal(syscall.SIGTERM)
	r.wait(`"draining"`)
	r.person().logIn()

	arrived, release := hold(t, provider)
	landed := make(chan string, 1)
	go func() {
		a, err := r.person().try("GET", "/auth/login?rd=%2Fdeep")
		switch {
		case err != nil:
			landed <- err.Error()
		case strings.HasSuffix(a.location, "/deep"):
			landed <- "logged in"
		default:
			landed <- a.body
		}
	}()
	await(t, arrived, "the request for tokens")
	r.drained <- time.Now()
	conn.WaitForStateChange(t.Context(), connectivity.Ready) // the delay is over
	release()
	if got := <-landed; got != "logged in" {
		t.Errorf("the login under way ended with %s", got)
	}
	if code := r.ended(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.out)
	}
	if _, err := r.person().try("GET", "/auth/login"); err == nil {
		t.Error("the login service survived")
	}
}

// TestRefreshOutlivesReloadAndShutdown: a provider may replace a refresh token
// when it is used, so that a refresh under way must reach the store: also one that
// was begun before a reload, and also when we are told to end right after it.
func TestRefreshOutlivesReloadAndShutdown(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	provider := oidctest.Start(t, oidctest.WithClock(now))
	dir := t.TempDir()
	yaml := strings.Replace(loginAt(provider), "type: memory", "type: file, file: {path: DIR/sessions.db}", 1)
	r := start(t, dir, yaml, launch{now: now})
	cookie := r.person().logIn()
	conn := r.dial()
	wantCheck(t, conn, 200, "cookie", cookie)

	// The access token is about to expire: it is refreshed behind the check.
	ahead.Store(int64(time.Hour - 30*time.Second))
	arrived, release := hold(t, provider)
	wantCheck(t, conn, 200, "cookie", cookie)
	await(t, arrived, "the refresh")
	r.configure(strings.Replace(yaml, "First", "Second", 1))
	r.signal(syscall.SIGHUP)
	r.wait("configuration reloaded")
	r.signal(syscall.SIGTERM)
	r.wait(`"draining"`)
	r.drained <- time.Now()
	select {
	case <-r.exit:
		t.Fatal("ended while the refresh was under way")
	case <-time.After(100 * time.Millisecond): // far less than it is given; only a fault is over by then
	}
	release()
	if code := r.ended(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.out)
	}

	// The provider knows the new refresh token only.
	ahead.Store(int64(2*time.Hour - 40*time.Second))
	r = start(t, dir, yaml, launch{now: now})
	ahead.Store(int64(2*time.Hour + 10*time.Minute))
	wantCheck(t, r.dial(), 200, "cookie", cookie)
	if n := provider.Refreshes(); n != 2 {
		t.Errorf("%d refreshes, want one on either side of the restart\n%s", n, r.out)
	}
}
