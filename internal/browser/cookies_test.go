package browser_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
)

func cookieTime() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

func TestSEC_G02_SetCookie(t *testing.T) {
	t.Parallel()
	const at = "; Expires=Sun, 22 Nov 2026 10:00:00 GMT"
	for _, tt := range []struct {
		name         string
		c            browser.CookieConfig
		token, state string
	}{
		{
			name:  "own host",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true},
			token: "__Host-gateward_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "own host, written otherwise",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: ".App.Example.com", PublicHost: "app.example.COM:8443", Secure: true},
			token: "__Host-gateward_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "parent domain",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
			token: "__Secure-gateward_client_token=tok=; Path=/; Domain=example.com" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "strict: attempts stay lax",
			c:     browser.CookieConfig{Prefix: "gw", Domain: "example.com", PublicHost: "example.com", Secure: true, SameSite: http.SameSiteStrictMode},
			token: "__Host-gw_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Strict",
			state: "__Host-gw_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "none",
			c:     browser.CookieConfig{Prefix: "gw", Domain: "example.com", PublicHost: "example.com", Secure: true, SameSite: http.SameSiteNoneMode},
			token: "__Host-gw_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=None",
			state: "__Host-gw_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "Flipt's names",
			c:     browser.CookieConfig{Prefix: "flipt", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
			token: "flipt_client_token=tok=; Path=/; Domain=example.com" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-flipt_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "Flipt's names, development",
			c:     browser.CookieConfig{Prefix: "flipt", Domain: "localhost", PublicHost: "localhost"},
			token: "flipt_client_token=tok=; Path=/" + at + "; HttpOnly; SameSite=Lax",
			state: "flipt_client_state_1=sealed; Path=/" + at + "; HttpOnly; SameSite=Lax",
		},
		{
			name:  "development",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "localhost", PublicHost: "localhost:10000"},
			token: "gateward_client_token=tok=; Path=/" + at + "; HttpOnly; SameSite=Lax",
			state: "gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; SameSite=Lax",
		},
		{
			name:  "development below localhost",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "localhost", PublicHost: "app.localhost:10000"},
			token: "gateward_client_token=tok=; Path=/" + at + "; HttpOnly; SameSite=Lax",
			state: "gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; SameSite=Lax",
		},
		{
			name:  "development, parent domain",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "example.test", PublicHost: "app.example.test"},
			token: "gateward_client_token=tok=; Path=/; Domain=example.test" + at + "; HttpOnly; SameSite=Lax",
			state: "gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; SameSite=Lax",
		},
		{
			name:  "IP address",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "0.0.1", PublicHost: "127.0.0.1:80"},
			token: "gateward_client_token=tok=; Path=/" + at + "; HttpOnly; SameSite=Lax",
			state: "gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; SameSite=Lax",
		},
		{
			name:  "IP address, secure", // no browser takes a part of one for a domain
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "0.0.1", PublicHost: "127.0.0.1", Secure: true},
			token: "__Host-gateward_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "below an IP address",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "127.0.0.1", PublicHost: "app.127.0.0.1", Secure: true},
			token: "__Host-gateward_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
		{
			name:  "a domain that is not ours",
			c:     browser.CookieConfig{Prefix: "gateward", Domain: "xample.com", PublicHost: "app.example.com", Secure: true},
			token: "__Host-gateward_client_token=tok=; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
			state: "__Host-gateward_client_state_1=sealed; Path=/" + at + "; HttpOnly; Secure; SameSite=Lax",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := browser.NewCookies(tt.c)
			if got := k.Token(gateward.NewSecret("tok="), cookieTime()).String(); got != tt.token {
				t.Errorf("token:\n got %s\nwant %s", got, tt.token)
			}
			c, err := k.State("1", "sealed", cookieTime())
			if err != nil || c.String() != tt.state {
				t.Errorf("state: %v\n got %s\nwant %s", err, c, tt.state)
			}
			if name, _, _ := strings.Cut(tt.token, "="); k.TokenName() != name {
				t.Errorf("got name %q, want %q", k.TokenName(), name)
			}
			if name, _, _ := strings.Cut(tt.state, "="); k.StateName("1") != name {
				t.Errorf("got name %q, want %q", k.StateName("1"), name)
			}
		})
	}
}

func TestSEC_G04_LongAttemptCookiesAreErrors(t *testing.T) {
	t.Parallel()
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true})
	longest := 0
	for n := 3500; n < 5<<10; n++ {
		c, err := k.State("id", strings.Repeat("x", n), cookieTime())
		if (c == nil) == (err == nil) {
			t.Fatalf("%d bytes: got cookie %v with error %v", n, c, err)
		}
		if err != nil {
			break
		}
		if longest = len(c.String()); longest > 4096 {
			t.Fatalf("%d bytes: got a cookie of %d", n, longest)
		}
	}
	if longest != 4096 {
		t.Errorf("got at most %d bytes, want 4096", longest)
	}
	for _, bad := range [][2]string{{"", "v"}, {"a;b", "v"}, {"a=b", "v"}, {strings.Repeat("a", 65), "v"}, {"a", "v;w"}, {"a", "v w"}, {"a", "v\n"}, {"a", "é"}, {"a", `"`}} {
		if c, err := k.State(bad[0], bad[1], cookieTime()); err == nil {
			t.Errorf("%q: got %v, want an error", bad, c)
		}
	}
}

func TestSEC_G06_ClearedCookiesAreGone(t *testing.T) {
	t.Parallel()
	for _, c := range []browser.CookieConfig{
		{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true},
		{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
		{Prefix: "flipt", Domain: "example.com", PublicHost: "app.example.com", Secure: true, SameSite: http.SameSiteStrictMode},
		{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com"},
		{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com", Now: time.Now},
	} {
		t.Run(browser.NewCookies(c).TokenName()+" "+c.Domain, func(t *testing.T) {
			t.Parallel()
			k := browser.NewCookies(c)
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			set := &url.URL{Scheme: "https", Host: c.PublicHost, Path: "/auth/v1/method/oidc/a/callback"}
			sibling := &url.URL{Scheme: "https", Host: "other.example.com", Path: "/"}
			state, err := k.State("abc", "v", time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(set, []*http.Cookie{k.Token(gateward.NewSecret("t="), time.Now().Add(time.Hour)), state})

			at := *set
			at.Path = "/"
			if got := names(jar.Cookies(&at)); !slices.Equal(got, []string{k.StateName("abc"), k.TokenName()}) {
				t.Fatalf("got %v after setting", got)
			}
			if got := jar.Cookies(sibling); (len(got) == 1) != k.Covers(sibling.Host) || len(got) > 1 {
				t.Errorf("the sibling gets %v, and Covers says %v", got, k.Covers(sibling.Host))
			}
			jar.SetCookies(&at, []*http.Cookie{k.ClearToken(), k.ClearState("abc")})
			if got := append(jar.Cookies(set), jar.Cookies(sibling)...); len(got) != 0 {
				t.Errorf("got %v after clearing", got)
			}
			if s := k.ClearToken().String(); !strings.Contains(s, "; Max-Age=0;") || strings.Contains(s, "; Secure") != c.Secure {
				t.Errorf("got %s", s)
			}
		})
	}
}

func names(cookies []*http.Cookie) (all []string) {
	for _, c := range cookies {
		all = append(all, c.Name)
	}
	slices.Sort(all)
	return all
}

func TestCookies_MaxAge(t *testing.T) {
	t.Parallel()
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gw", Domain: "localhost", Now: cookieTime})
	for expires, want := range map[time.Duration]string{
		90 * time.Second: "gw_client_token=t; Path=/; Max-Age=90; HttpOnly; SameSite=Lax",
		0:                "gw_client_token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; SameSite=Lax",
		-time.Hour:       "gw_client_token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; SameSite=Lax",
	} {
		if got := k.Token(gateward.NewSecret("t"), cookieTime().Add(expires)).String(); got != want {
			t.Errorf("%v:\n got %s\nwant %s", expires, got, want)
		}
	}
}

func TestCookies_Covers(t *testing.T) {
	t.Parallel()
	own := browser.NewCookies(browser.CookieConfig{Prefix: "gw", Domain: "App.example.com", PublicHost: "app.example.com:443", Secure: true})
	parent := browser.NewCookies(browser.CookieConfig{Prefix: "gw", Domain: "example.com", PublicHost: "app.example.com", Secure: true})
	v6 := browser.NewCookies(browser.CookieConfig{Prefix: "gw", PublicHost: "[::1]:8080"})
	for _, tt := range []struct {
		k    *browser.Cookies
		host string
		want bool
	}{
		{own, "app.example.com", true},
		{own, "APP.example.com:8443", true},
		{own, "app.example.com.", true},
		{own, "x.app.example.com", false},
		{own, "example.com", false},
		{own, "", false},
		{parent, "example.com", true},
		{parent, "app.example.com", true},
		{parent, "a.b.example.com:1", true},
		{parent, "evilexample.com", false},
		{parent, "example.com.evil", false},
		{parent, "", false},
		{v6, "[::1]", true},
		{v6, "[::1]:99", true},
		{v6, "[::2]", false},
	} {
		if got := tt.k.Covers(tt.host); got != tt.want {
			t.Errorf("%s, %q: got %v, want %v", tt.k.TokenName(), tt.host, got, tt.want)
		}
	}
}

func TestSEC_D25_EveryAttemptHasItsCookie(t *testing.T) {
	t.Parallel()
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true})
	r := &http.Request{Header: http.Header{"Cookie": {
		"a=1; " + k.StateName("one") + "=x; " + k.TokenName() + "=t",
		k.StateName("two") + "=y; gateward_client_state_three=bare; " + k.StateName("") + "=z; " + k.StateName("a.b") + "=z",
	}}}
	want := []browser.StateCookie{{ID: "one", Value: "x"}, {ID: "two", Value: "y"}}
	if got := k.States(r); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var many []string
	for range 100 {
		many = append(many, k.StateName("a")+"=x")
	}
	if got := k.States(&http.Request{Header: http.Header{"Cookie": {strings.Join(many, "; ")}}}); len(got) != 16 {
		t.Errorf("got %d attempts of 100, want 16", len(got))
	}
	if got := k.States(&http.Request{}); len(got) != 0 {
		t.Errorf("got %v from nothing", got)
	}
}

// However many others are in front, the one that is asked for is found.
func TestSEC_D02_AttemptsCannotBeCrowdedOut(t *testing.T) {
	t.Parallel()
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gateward", Domain: "localhost", PublicHost: "localhost"})
	var line []string
	for i := range 100 {
		line = append(line, k.StateName("x"+strings.Repeat("y", i%20))+"=planted")
	}
	line = append(line, k.StateName("one")+"=planted", k.StateName("one")+"=ours")
	r := &http.Request{Header: http.Header{"Cookie": {strings.Join(line, "; ")}}}
	if got, want := k.StateValues(r, "one"), []string{"planted", "ours"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := k.StateValues(r, "two"); len(got) != 0 {
		t.Errorf("got %v for an attempt that is not there", got)
	}
}

// After a login or logout only our own cookie counts, or none.
func TestSEC_G06_OtherTokensAreRemoved(t *testing.T) {
	t.Parallel()
	at := func(host string) *url.URL { return &url.URL{Scheme: "https", Host: host, Path: "/"} }
	for _, tt := range []struct {
		name     string
		c        browser.CookieConfig
		accepted []string
		set      []string // Set-Cookie lines of app.example.com, from before
		cookie   string   // the Cookie header, if not what the jar says
		want     int      // Set-Cookie lines
		left     []string
	}{
		{
			name: "host-only and for the domain", accepted: []string{"flipt_client_token", "old"},
			c:   browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
			set: []string{"flipt_client_token=a; Path=/", "old=b; Path=/; Domain=example.com", "app=c; Path=/"}, want: 6, left: []string{"app"},
		},
		{
			name: "our own name, host-only", c: browser.CookieConfig{Prefix: "flipt", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
			set: []string{"flipt_client_token=a; Path=/"}, want: 2,
		},
		{
			name: "own host", accepted: []string{"flipt_client_token", "flipt_client_token", "__Host-gateward_client_token", "absent"},
			c:   browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true},
			set: []string{"flipt_client_token=a; Path=/", "__Host-gateward_client_token=ours; Path=/; Secure"}, want: 3, left: []string{"__Host-gateward_client_token"},
		},
		{
			name: "__Host- belongs to no domain", accepted: []string{"__HOST-old", "__Secure-old"},
			c:   browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com"},
			set: []string{"__HOST-old=a; Path=/; Secure", "__Secure-old=a; Path=/; Secure; Domain=example.com"}, want: 4,
		},
		{
			name: "a value that net/http drops", accepted: []string{"old"},
			c:      browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true},
			cookie: `a=1;  old ="\`, want: 3,
		},
		{
			name: "not carried", accepted: []string{"old"},
			c:      browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "app.example.com", Secure: true},
			cookie: "xold=1; a=old=2; __Secure-gateward=1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			answer := http.Response{Header: http.Header{"Set-Cookie": tt.set}}
			jar.SetCookies(at("app.example.com"), answer.Cookies())
			r := &http.Request{Header: http.Header{"Cookie": {tt.cookie}}}
			for _, c := range jar.Cookies(at("app.example.com")) {
				r.AddCookie(c)
			}
			got := browser.NewCookies(tt.c).ClearOthers(r, tt.accepted)
			if len(got) != tt.want {
				t.Errorf("got %v, want %d", got, tt.want)
			}
			for _, c := range got {
				lower := strings.ToLower(c.Name)
				if c.MaxAge >= 0 || strings.HasPrefix(lower, "__") && !c.Secure || strings.HasPrefix(lower, "__host-") && c.Domain != "" || c.Path != "/" {
					t.Errorf("no browser would take %s", c)
				}
			}
			jar.SetCookies(at("app.example.com"), got)
			if left := names(jar.Cookies(at("app.example.com"))); !slices.Equal(left, tt.left) {
				t.Errorf("got %v left, want %v", left, tt.left)
			}
		})
	}
}
