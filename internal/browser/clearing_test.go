package browser_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
)

// A hostJar is a browser at one host, which keeps a cookie of its host alone
// apart from one for the domain of that name (RFC 6265 §5.3 step 11), as
// net/http/cookiejar does not.
type hostJar struct {
	host string
	kept []*http.Cookie
}

func (j *hostJar) keep(all ...*http.Cookie) {
	for _, c := range all {
		if c.Domain != "" && c.Domain != j.host && (!strings.HasSuffix(j.host, "."+c.Domain) || !strings.Contains(c.Domain, ".")) {
			continue
		}
		j.kept = slices.DeleteFunc(j.kept, func(k *http.Cookie) bool { return k.Name == c.Name && k.Domain == c.Domain })
		if c.MaxAge >= 0 {
			j.kept = append(j.kept, c)
		}
	}
}

func (j *hostJar) request() *http.Request {
	r := &http.Request{Header: http.Header{}}
	for _, c := range j.kept {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// Whatever domain a former cookie was set for, after a login there is ours alone,
// and after a logout nothing.
func TestSEC_G06_FormerCookiesOfEveryDomainGo(t *testing.T) {
	t.Parallel()
	const flipt = "flipt_client_token"
	for _, tt := range []struct {
		name   string
		c      browser.CookieConfig
		former string
	}{
		{"accepted, domain is the host", browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com:8443"}, flipt},
		{"accepted, __Host-", browser.CookieConfig{Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true}, flipt},
		{"accepted, parent domain", browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "b.app.example.com", Secure: true}, flipt},
		{"our name, domain is the host", browser.CookieConfig{Prefix: "flipt", Domain: "app.example.com", PublicHost: "app.example.com"}, flipt},
		{"our name, parent domain", browser.CookieConfig{Prefix: "flipt", Domain: "example.com", PublicHost: "b.app.example.com", Secure: true}, flipt},
		{"our name, __Secure-", browser.CookieConfig{Prefix: "gw", Domain: "example.com", PublicHost: "b.app.example.com", Secure: true}, "__Secure-gw_client_token"},
		{"one label", browser.CookieConfig{Prefix: "flipt", Domain: "localhost", PublicHost: "localhost:8080"}, flipt},
		{"an address", browser.CookieConfig{Prefix: "flipt", Domain: "127.0.0.1", PublicHost: "127.0.0.1:8080"}, flipt},
		{"many labels", browser.CookieConfig{Prefix: "flipt", Domain: "g.h.example.com", PublicHost: "a.b.c.d.e.f.g.h.example.com"}, flipt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host, _, _ := strings.Cut(tt.c.PublicHost, ":")
			jar := &hostJar{host: host}
			former := []string{"", host, tt.c.Domain}
			if strings.HasSuffix(host, ".app.example.com") {
				former = append(former, "app.example.com")
			}
			if strings.HasPrefix(host, "127.") {
				former = []string{""}
			}
			k, accepted := browser.NewCookies(tt.c), []string{flipt}
			for name, last := range map[string]*http.Cookie{
				"login": k.Token(gateward.NewSecret("NEW"), cookieTime().Add(time.Hour)), "logout": k.ClearToken(),
			} {
				for _, domain := range former {
					jar.keep(&http.Cookie{Name: tt.former, Value: "OLD", Domain: domain})
				}
				want := []string{"NEW"}
				if name == "logout" {
					want = nil
				}
				jar.keep(append(k.ClearOthers(jar.request(), accepted), last)...)
				var left []string
				for _, c := range jar.request().Cookies() {
					left = append(left, c.Value)
				}
				if !slices.Equal(left, want) {
					t.Errorf("%s: got %v, want %v", name, left, want)
				}
			}
		})
	}
}

// What removes others never removes the token's own cookie, is for no single
// label above the host, and has an end.
func TestSEC_G06_ClearingIsBounded(t *testing.T) {
	t.Parallel()
	var accepted []string
	for i := range 100 {
		accepted = append(accepted, "old"+strings.Repeat("x", i))
	}
	for _, host := range []string{"app.example.com", "example.com", "localhost", "127.0.0.1", "[::1]:8080", strings.Repeat("a.", 100) + "example.com", ""} {
		k := browser.NewCookies(browser.CookieConfig{Prefix: "flipt", Domain: "example.com", PublicHost: host})
		own := k.ClearToken()
		all := k.ClearAllOthers(accepted)
		if len(all) == 0 || len(all) > 64 {
			t.Errorf("%s: %d cookies", host, len(all))
		}
		for _, c := range all {
			if c.Name == own.Name && c.Domain == own.Domain {
				t.Errorf("%s: %s removes our own", host, c)
			}
			if c.Domain != "" && c.Domain != host && !strings.Contains(c.Domain, ".") {
				t.Errorf("%s: %s is for a top-level domain", host, c)
			}
		}
	}
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gateward", Domain: "example.com", PublicHost: "example.com", Secure: true})
	for _, c := range k.ClearAllOthers([]string{"__Host-gateward_client_token", "__host-old"}) {
		if c.Domain != "" || c.Name != "__host-old" {
			t.Errorf("got %s", c)
		}
	}
}

// With more names than there is room for in one answer, each is still removed for
// where a cookie is likely: our host, alone and as a domain, and the sessions' domain.
func TestSEC_G06_NoNameIsLeftOut(t *testing.T) {
	t.Parallel()
	const host, domain = "auth.a.b.example.com", "example.com"
	k := browser.NewCookies(browser.CookieConfig{Prefix: "gw", Domain: domain, PublicHost: host, Secure: true})
	var accepted []string
	for i := range 16 {
		accepted = append(accepted, "old"+strings.Repeat("x", i))
	}
	all := k.ClearAllOthers(accepted)
	for _, name := range accepted {
		for _, d := range []string{"", host, domain} {
			if !slices.ContainsFunc(all, func(c *http.Cookie) bool { return c.Name == name && c.Domain == d }) {
				t.Errorf("leaves %s of %q", name, d)
			}
		}
	}
	if len(all) != 64 {
		t.Errorf("%d cookies, want all that there is room for", len(all))
	}
}
