package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/sessions"
)

// planted are cookies of the form of ours, in front of what a browser sends.
func planted(n int) string {
	var line []string
	for i := range n {
		line = append(line, tokenCookie+"="+sessions.ClientToken([32]byte{byte(i), 7}).Reveal())
	}
	return strings.Join(line, "; ")
}

// A sibling domain can put tokens of its own in front of ours, unless the name
// has __Host-. None of them saves the session from its end.
func TestSEC_G05_D12_NoTokenHidesAnother(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, v *visitor){
		"logout": func(_ *world, v *visitor) {
			if a := v.submit("/auth/logout"); a.StatusCode != http.StatusSeeOther {
				v.w.t.Errorf("got %d", a.StatusCode)
			}
		},
		"next login": func(w *world, v *visitor) { v.logIn(w.corp, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			v.logIn(w.google, "")
			old := w.sessions()[0].ID
			v.headers["Cookie"] = []string{planted(100)}
			end(w, v)
			if slices.ContainsFunc(w.sessions(), func(s sessions.Session) bool { return s.ID == old }) {
				t.Error("the session lives")
			}
		})
	}
}

// With a cookie that is Strict, the callback comes without it: the session that
// is to end is known from the beginning of the login.
func TestSEC_D12_OldSessionEndsWithStrictCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.options.Cookies = browser.NewCookies(browser.CookieConfig{
			Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true, SameSite: http.SameSiteStrictMode,
		})
	})
	v := w.visitor()
	var last string
	for range 3 {
		code, state := w.google.code(v.authorize(w.google, ""))
		delete(v.jar, tokenCookie) // the provider, another site, sends the browser here
		if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d", a.StatusCode)
		}
		if last == v.token() {
			t.Error("the token stayed the same")
		}
		last = v.token()
	}
	if all := w.sessions(); len(all) != 1 || all[0].Key != sessions.KeyOf([]byte(last)) {
		t.Errorf("%d sessions, want the last one alone", len(all))
	}
	// Somebody's games leave room for the login.
	v.headers["Cookie"] = []string{planted(100)}
	v.authorize(w.google, "?rd=/"+strings.Repeat("a", 1500))
	for name, value := range v.states() {
		if n := len(name + value); n > 3900 {
			t.Errorf("the attempt's cookie has %d bytes", n)
		}
	}
}

// A login that fails takes nothing away, whatever it is that fails.
func TestSEC_D12_FailedLoginLeavesTheOldSession(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"create", "marked", "delete", "delete, and the browser has gone"} {
		t.Run(failing, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			v.logIn(w.google, "")
			before := v.token()
			old := w.sessions()[0].ID
			code, state := w.google.code(v.authorize(w.google, ""))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			v.ctx = ctx
			failing, gone := strings.CutSuffix(failing, ", and the browser has gone")
			w.store.before = func(ctx context.Context, operation, name string) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if gone && operation == failing {
					cancel()
				}
				switch {
				case operation != failing, operation == "delete" && name != old:
					return nil
				}
				return fmt.Errorf("test: %w", gateward.ErrUnavailable)
			}
			a := v.open(w.google.callback(code, state))
			if a.StatusCode != http.StatusServiceUnavailable || len(a.Cookies()) != 0 || v.token() != before {
				t.Errorf("got %d, cookies %v", a.StatusCode, a.Cookies())
			}
			if all := w.sessions(); len(all) != 1 || all[0].ID != old {
				t.Errorf("%d sessions, want the old one alone", len(all))
			}
		})
	}
}

// The new session is there before the old one goes.
func TestSEC_D12_CreateBeforeDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	var operations []string
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "create" || operation == "delete" {
			operations = append(operations, operation)
		}
		return nil
	}
	v.logIn(w.google, "")
	if want := []string{"create", "delete"}; !slices.Equal(operations, want) {
		t.Errorf("got %v, want %v", operations, want)
	}
}

// A session never outlives what the login was good for, and what follows from
// the session is not kept in its identity.
func TestSEC_D11_SessionEndsWithTheIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	end := w.now().Add(20 * time.Minute)
	var created sessions.Session
	w.google.change = func(id *gateward.Identity) {
		id.Expiry, id.FreshUntil, id.SessionID = end, end, "somebody else's"
	}
	w.options.Store = &creations{w.store, &created}
	w.start()
	v := w.visitor()
	a := v.logIn(w.google, "")
	if !created.ExpiresAt.Equal(end) || !a.cookie(tokenCookie).Expires.Equal(end.Truncate(time.Second)) {
		t.Errorf("ends at %v, the cookie at %v, want %v", created.ExpiresAt, a.cookie(tokenCookie).Expires, end)
	}
	if id := created.Identity; id.SessionID != "" || !id.Expiry.IsZero() || !id.FreshUntil.IsZero() {
		t.Errorf("kept %+v", id)
	}
	w.google.change = func(id *gateward.Identity) { id.Expiry = w.now().Add(1000 * time.Hour) }
	w.visitor().logIn(w.google, "")
	if want := w.now().Add(24 * time.Hour); !created.ExpiresAt.Equal(want) {
		t.Errorf("ends at %v, want %v", created.ExpiresAt, want)
	}
}

// creations shows what is created.
type creations struct {
	*watchedStore
	last *sessions.Session
}

func (c *creations) Create(ctx context.Context, s sessions.Session) error {
	*c.last = s
	return c.watchedStore.Create(ctx, s)
}

// A cookie from before, under another name that is read, would contradict ours
// and shut the browser out. A login and a logout remove it, and end what it
// carries.
func TestSEC_B02_AcceptedCookiesGoWithLoginAndLogout(t *testing.T) {
	t.Parallel()
	const accepted = "flipt_client_token"
	for _, tt := range []struct {
		name, domain string
		do           func(w *world, v *visitor) *answer
		want         int // lines that clear the accepted cookie
	}{
		{"login", "app.example.com", func(w *world, v *visitor) *answer { return v.logIn(w.google, "") }, 3},
		{"login, parent domain", "example.com", func(w *world, v *visitor) *answer { return v.logIn(w.google, "") }, 3},
		{"logout", "app.example.com", func(_ *world, v *visitor) *answer { return v.submit("/auth/logout") }, 3},
		{"logout, parent domain", "example.com", func(_ *world, v *visitor) *answer { return v.submit("/auth/logout") }, 3},
		{"logout by a script", "app.example.com", func(w *world, v *visitor) *answer {
			v.logIn(w.google, "")
			v.set(accepted, "x")
			return v.fetch(http.MethodDelete, "/auth/v1/self/revoke")
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) {
				w.config.AcceptCookies = []string{accepted}
				w.options.Cookies = browser.NewCookies(browser.CookieConfig{Prefix: "gateward", Domain: tt.domain, PublicHost: "app.example.com", Secure: true})
			})
			former := w.visitor()
			former.logIn(w.corp, "")
			old := w.sessions()[0].ID
			v := w.visitor()
			for name, value := range former.cookies() {
				if strings.HasSuffix(name, "gateward_client_token") {
					v.set(accepted, value)
				}
			}
			a := tt.do(w, v)
			n := 0
			for _, c := range a.Cookies() {
				if c.Name == accepted && c.MaxAge < 0 {
					n++
				}
			}
			if n != tt.want || v.cookies()[accepted] != "" {
				t.Errorf("cleared by %d lines, want %d: %v", n, tt.want, a.Cookies())
			}
			if tt.name != "logout by a script" && slices.ContainsFunc(w.sessions(), func(s sessions.Session) bool { return s.ID == old }) {
				t.Error("the session of the accepted cookie lives")
			}
			if a := w.visitor().logIn(w.google, ""); a.cookie(accepted) != nil {
				t.Error("cleared for a browser that does not have it")
			}
		})
	}
}

// Flipt's cookie is Strict, and does not come along from the provider: that it is
// there is known from the beginning of the login. What removes it stands before
// what sets ours, which may have the same name.
func TestSEC_G06_StrictFormerCookiesGoWithTheLogin(t *testing.T) {
	t.Parallel()
	const former = "flipt_client_token"
	for _, prefix := range []string{"gateward", "flipt"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) {
				w.config.AcceptCookies = []string{former}
				w.options.Cookies = browser.NewCookies(browser.CookieConfig{Prefix: prefix, Domain: "app.example.com", PublicHost: "app.example.com", Secure: true})
			})
			v := w.visitor()
			v.set(former, "OLD")
			code, state := w.google.code(v.authorize(w.google, ""))
			delete(v.jar, former)
			all := v.open(w.google.callback(code, state)).Cookies()
			removed, set := -1, -1
			for i, c := range all {
				switch {
				case c.Name == former && c.MaxAge < 0:
					removed = i
				case c.Name == w.options.Cookies.TokenName() && c.Value != "":
					set = i
				}
			}
			if removed < 0 || set < removed || !slices.ContainsFunc(all, func(c *http.Cookie) bool {
				return c.Name == former && c.MaxAge < 0 && c.Domain == "app.example.com"
			}) {
				t.Errorf("got %v", all)
			}
		})
	}
}

// A browser shows no Strict cookies to a login that another site led to, and an old
// one does not say who did: whatever may be there goes.
func TestSEC_G06_HiddenFormerCookiesGoWithTheLogin(t *testing.T) {
	t.Parallel()
	const former = "flipt_client_token"
	for site, want := range map[string]bool{"cross-site": true, "": true, "same-site": false, "same-origin": false, "none": false} {
		for _, accepted := range [][]string{{former}, nil} {
			w := newWorld(t)
			w.config.AcceptCookies = accepted
			w.start()
			v := w.visitor()
			v.headers["Sec-Fetch-Site"], v.headers["Sec-Fetch-Dest"] = oneOrNone(site), []string{"document"}
			a := v.logIn(w.google, "")
			if got := a.cookie(former) != nil; got != (want && accepted != nil) {
				t.Errorf("from %q, accepted %v: removed %v", site, accepted, got)
			}
		}
	}
}
