package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
)

// failing makes an operation of the store fail.
func failing(operation string) func(context.Context, string, string) error {
	return func(_ context.Context, o, _ string) error {
		if o == operation {
			return fmt.Errorf("test: %s: %w", o, gateward.ErrUnavailable)
		}
		return nil
	}
}

func limited(w *world) { w.config.LoginsPerMinute = 30 }

// A flood of logins from one address is refused, and costs nothing; others get in.
func TestSEC_L12_FloodOfLogins(t *testing.T) {
	t.Parallel()
	const authorize, callback = "/auth/v1/method/oidc/google/authorize", "/auth/v1/method/oidc/google/callback?code=x&state=y"
	for name, target := range map[string]string{"authorize": authorize, "callback": callback} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, limited)
			v := w.visitor()
			for i := range 30 {
				if a := v.open(target); a.StatusCode == http.StatusTooManyRequests {
					t.Fatalf("refused after %d", i)
				}
			}
			asked := len(w.google.attempts)
			for range 100 {
				a := w.visitor().open(target)
				if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "2" || !strings.Contains(a.body, "That was too often") {
					t.Fatalf("got %d, Retry-After %q: %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
				}
				if len(a.Cookies()) != 0 {
					t.Fatalf("sets %v", a.Cookies())
				}
			}
			if a := v.fetch(http.MethodGet, target); a.StatusCode != http.StatusTooManyRequests || a.body != `{"code":8,"message":"`+name+`: too many logins","details":[]}` {
				t.Errorf("a script: got %d %s", a.StatusCode, a.body)
			}
			if len(w.google.attempts) != asked || w.google.exchanges.Load() != 0 || w.store.writes.Load() != 0 {
				t.Error("a refused one had something done")
			}
			if n := strings.Count(w.logs.String(), `"level":"WARN"`); n != 1 || w.metrics.last() != "google limited" {
				t.Errorf("%d warnings, counted %q", n, w.metrics.last())
			}

			other := w.visitor()
			other.headers["X-Forwarded-For"] = []string{"203.0.113.8"}
			other.logIn(w.google, "")
			for _, free := range []string{strings.Replace(target, "google", "corp", 1), map[string]string{authorize: callback, callback: authorize}[target]} {
				if a := v.open(free); a.StatusCode == http.StatusTooManyRequests {
					t.Errorf("%s is refused as well", free)
				}
			}

			w.pass(2 * time.Second)
			if a := v.open(target); a.StatusCode == http.StatusTooManyRequests {
				t.Error("refused after the time that was named")
			}
			if a := v.open(target); a.StatusCode != http.StatusTooManyRequests {
				t.Errorf("more than one came back: got %d", a.StatusCode)
			}
			w.pass(time.Minute)
			v.logIn(w.google, "")
		})
	}
}

// What comes from one network of IPv6 is one client.
func TestSEC_L12_NeighbourhoodIsOneAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limited)
	refused := 0
	for i := range 40 {
		v := w.visitor()
		v.headers["X-Forwarded-For"] = []string{fmt.Sprintf("2001:db8::%x", i+1)}
		if v.open("/auth/v1/method/oidc/google/authorize").StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 40 were refused, want 10", refused)
	}
}

func TestSEC_L12_Off(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 200 {
		if a := w.visitor().open("/auth/v1/method/oidc/google/authorize"); a.StatusCode != http.StatusFound {
			t.Fatalf("got %d", a.StatusCode)
		}
	}
}

// Another site's page has its visitors' browsers ask for images: that uses up
// nothing of what their network may.
func TestSEC_L12_OtherSitesUseUpNoLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limited)
	for _, site := range []string{"cross-site", "same-site"} {
		image := http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}, "Accept": {"image/*"}}
		for _, target := range []string{"authorize", "callback?code=x&state=y"} {
			for range 100 {
				if a := w.visitor().send(http.MethodGet, "/auth/v1/method/oidc/google/"+target, image, ""); a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
					t.Fatalf("%s from %s: got %d %v", target, site, a.StatusCode, a.Cookies())
				}
			}
		}
	}
	if w.visitor().logIn(w.google, ""); w.google.exchanges.Load() != 1 {
		t.Errorf("%d exchanges", w.google.exchanges.Load())
	}
	// Who has a login under way counts wherever they say that they are.
	v := w.visitor()
	v.authorize(w.google, "")
	refused := 0
	for range 40 {
		if v.fetch(http.MethodGet, "/auth/v1/method/oidc/google/callback?code=x&state=y", "Sec-Fetch-Site", "cross-site").StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 11 {
		t.Errorf("%d of 40 refused, want 11", refused)
	}
}
