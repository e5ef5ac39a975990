package loginsvc_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/browser"
)

// byHTTP makes a browser look as if it had opened an http address.
func byHTTP(_ *world, v *visitor) {
	v.headers["X-Forwarded-Proto"] = []string{"http"}
	delete(v.headers, "Sec-Fetch-Mode")
	delete(v.headers, "Sec-Fetch-Site")
}

// The page that ends a loop names what this request shows of the cause, and then all
// others.
func TestSEC_D21_LoopNamesItsCause(t *testing.T) {
	t.Parallel()
	cookies := func(c browser.CookieConfig) func(*world) {
		return func(w *world) {
			c.Prefix, c.Domain, c.PublicHost = "gateward", "app.example.com", "app.example.com"
			w.options.Cookies = browser.NewCookies(c)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*world)
		target string
		visit  func(*world, *visitor)
		cause  string
	}{
		{name: "cookie not returned", target: "/x", cause: "the cookie does not come back"},
		{name: "domain of the target", target: "https://a.example.net/x", cause: "the cookie is for another domain"},
		{name: "domain of the request", target: "/x", visit: func(_ *world, v *visitor) { v.host = "other.example.com" }, cause: "the cookie is for another domain"},
		{name: "Secure over http", target: "/x", visit: byHTTP, cause: "http instead of https"},
		{name: "TLS in front of the proxy", target: "/x", visit: func(_ *world, v *visitor) { v.headers["X-Forwarded-Proto"] = []string{"http"} }, cause: "the cookie does not come back"},
		{name: "Secure with an http address", target: "/x", change: func(w *world) {
			w.config.PublicURL = &url.URL{Scheme: "http", Host: "app.example.com"}
		}, cause: "http instead of https"},
		{name: "not Secure, over http", target: "/x", change: cookies(browser.CookieConfig{}), visit: byHTTP, cause: "the cookie does not come back"},
		{name: "SameSite", target: "/x", change: cookies(browser.CookieConfig{Secure: true, SameSite: http.SameSiteStrictMode}), visit: func(_ *world, v *visitor) {
			v.headers["Sec-Fetch-Site"] = []string{"cross-site"}
		}, cause: "another site led here"},
		{name: "clock", target: "/x", visit: func(w *world, v *visitor) {
			v.set(stateCookie+"bounces", fmt.Sprintf("3.%d", w.now().Add(30*time.Second).Unix()))
		}, cause: "a clock is wrong"},
		{name: "unknown session", target: "/x", visit: func(_ *world, v *visitor) {
			v.set(tokenCookie, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		}, cause: "the session is not known"},
		{name: "known session", target: "/x", visit: func(w *world, v *visitor) { v.logIn(w.google, "") }, cause: "the session is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onlyGoogle)
			if tt.change != nil {
				tt.change(w)
				w.start()
			}
			v := w.visitor()
			if tt.visit != nil {
				tt.visit(w, v)
			}
			target := "/auth/login?rd=" + url.QueryEscape(tt.target)
			a := v.open(target)
			for n := 0; a.StatusCode == http.StatusFound; n++ {
				if n == 3 {
					t.Fatalf("redirect %d", n+1)
				}
				a = v.open(target)
			}
			for _, want := range []string{
				"The login does not hold: " + tt.cause, "refuses cookies", "the cookie does not cover", "Secure", "SameSite", "a clock is wrong.",
				"Please tell the people who run this site.", "/auth/v1/method/oidc/google/authorize?rd=", a.Header.Get("X-Request-Id"),
			} {
				if !strings.Contains(a.body, want) {
					t.Errorf("the page lacks %q: %s", want, a.body)
				}
			}
		})
	}
}

func TestLoop_Off(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	w.config.RedirectsPerMinute = 0
	w.start()
	v := w.visitor()
	for range 50 {
		if a := v.open("/auth/login?rd=/x"); a.StatusCode != http.StatusFound || len(a.Cookies()) != 0 {
			t.Fatalf("got %d", a.StatusCode)
		}
	}
}

// Two replicas whose clocks differ do not send a browser from one to the other for
// ever.
func TestSEC_D21_ClocksDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onlyGoogle)
	v := w.visitor()
	for n := 0; v.open("/auth/login?rd=/x").StatusCode == http.StatusFound; n++ {
		if n == 3 {
			t.Fatal("it goes on")
		}
		w.pass([]time.Duration{-20 * time.Second, 20 * time.Second}[n%2])
	}
}

// A callback without any cookie of ours says what may have become of it.
func TestCallback_NoCookieNamesTheCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	if a := v.open("/auth/v1/method/oidc/google/callback?code=x&state=y"); !strings.Contains(a.body, "without the cookie of its login") {
		t.Errorf("got %s", a.body)
	}
	byHTTP(w, v)
	if a := v.open("/auth/v1/method/oidc/google/callback?code=x&state=y"); !strings.Contains(a.body, "is for https only") {
		t.Errorf("got %s", a.body)
	}
	v = w.visitor()
	v.authorize(w.google, "")
	if a := v.open("/auth/v1/method/oidc/google/callback?code=x&state=y"); strings.Contains(a.body, "cookie") {
		t.Errorf("with another attempt's: %s", a.body)
	}
}
