package loginsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func post(v *visitor, target, contentType, body string) *answer {
	return v.send(http.MethodPost, target, http.Header{
		"Content-Type": {contentType}, "Accept": {"*/*"}, "Sec-Fetch-Mode": nil, "Sec-Fetch-Site": nil,
	}, body)
}

const (
	form          = "application/x-www-form-urlencoded"
	revokeAddress = "/auth/v1/method/oidc/google/revoke"
)

func TestSEC_D23_BackChannelLogout(t *testing.T) {
	t.Parallel()
	login := func(t *testing.T) (*world, *visitor) {
		w := newWorld(t)
		v := w.visitor()
		v.logIn(w.google, "")
		w.visitor().logIn(w.corp, "") // the same sid and subject, another provider
		w.google.subject = "bob"
		w.visitor().logIn(w.google, "")
		return w, v
	}
	token := func(s string) string { return url.Values{"logout_token": {s}}.Encode() }
	for _, tt := range []struct {
		name, contentType, body string
		status, left            int
		want                    string
	}{
		{"by sid", form, token("sid=sid-ada jti=1"), 200, 2, `{}`},
		{"by subject", form + "; charset=utf-8", token("sub=ada jti=1"), 200, 2, `{}`},
		{"by both", form, token("sid=sid-ada sub=ada jti=1"), 200, 2, `{}`},
		{"as JSON", "application/json", `{"logout_token":"sid=sid-ada jti=1"}`, 200, 2, `{}`},
		{"nobody's", form, token("sid=sid-zoe jti=1"), 200, 3, `{}`},
		{"invalid", form, token("garbage"), 400, 3, `{"code":3,"message":"revoke: invalid logout token","details":[]}`},
		{"names nothing", form, token("jti=1"), 400, 3, `{"code":3,"message":"revoke: invalid logout token","details":[]}`},
		{"two tokens", form, token("sid=sid-ada jti=1") + "&logout_token=x", 400, 3, ""},
		{"no token", form, "", 400, 3, ""},
		{"no type", "", token("sid=sid-ada jti=1"), 400, 3, ""},
		{"another type", "text/plain", token("sid=sid-ada jti=1"), 400, 3, ""},
		{"too long", form, token("sid=sid-ada jti=" + strings.Repeat("1", 4096)), 400, 3, ""},
		{"provider unavailable", form, token("unavailable"), 503, 3, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, v := login(t)
			a := post(w.visitor(), revokeAddress, tt.contentType, tt.body)
			if a.StatusCode != tt.status || tt.want != "" && a.body != tt.want || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.body, tt.status, tt.want)
			}
			if n := len(w.sessions()); n != tt.left {
				t.Errorf("%d sessions are left, want %d", n, tt.left)
			}
			if a := v.fetch(http.MethodGet, "/auth/v1/self"); (a.StatusCode == http.StatusUnauthorized) != (tt.left == 2) {
				t.Errorf("the person: got %d", a.StatusCode)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		t.Parallel()
		w, _ := login(t)
		if a := post(w.visitor(), revokeAddress+"?"+token("sid=sid-ada jti=1"), form, ""); a.StatusCode != http.StatusBadRequest || len(w.sessions()) != 3 {
			t.Errorf("got %d", a.StatusCode)
		}
	})
	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		w, v := login(t)
		post(w.visitor(), revokeAddress, form, token("sub=ada jti=1"))
		w.google.subject = "ada"
		w.pass(50 * time.Millisecond)
		v.logIn(w.google, "")
		if a := post(w.visitor(), revokeAddress, form, token("sub=ada jti=1")); a.StatusCode != http.StatusBadRequest {
			t.Errorf("got %d", a.StatusCode)
		}
		if a := v.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusOK {
			t.Errorf("the new session: got %d", a.StatusCode)
		}
		if a := post(w.visitor(), "/auth/v1/method/oidc/corp/revoke", form, token("sub=ada jti=1")); a.StatusCode != http.StatusOK {
			t.Errorf("the same jti of another provider: got %d", a.StatusCode)
		}
	})
	t.Run("store down", func(t *testing.T) {
		t.Parallel()
		w, _ := login(t)
		w.store.down.Store(true)
		if a := post(w.visitor(), revokeAddress, form, token("sid=sid-ada jti=1")); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %d", a.StatusCode)
		}
		w.store.down.Store(false)
		if a := post(w.visitor(), revokeAddress, form, token("sid=sid-ada jti=1")); a.StatusCode != http.StatusOK || len(w.sessions()) != 2 {
			t.Errorf("later: got %d", a.StatusCode)
		}
	})
}

func TestFrontChannelLogout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		allowed bool
		query   string
		status  int
		left    int
		message string
	}{
		{"allowed", true, "?iss=https://google.idp.test&sid=sid-ada", 200, 0, ""},
		{"somebody else's sid", true, "?iss=https://google.idp.test&sid=sid-bob", 200, 1, ""},
		{"not allowed", false, "?iss=https://google.idp.test&sid=sid-ada", 400, 1, "revoke: operation disabled"},
		{"other issuer", true, "?iss=https://evil.example&sid=sid-ada", 400, 1, "revoke: issuer mismatch"},
		{"no issuer", true, "?sid=sid-ada", 400, 1, "revoke: issuer mismatch"},
		{"no sid", true, "?iss=https://google.idp.test", 400, 1, "revoke: operation requires sid or sub"},
		{"nothing", true, "", 400, 1, "revoke: operation requires sid or sub"},
		{"two sids", true, "?iss=https://google.idp.test&sid=sid-ada&sid=x", 400, 1, "revoke: operation requires sid or sub"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.google.front = tt.allowed
			v := w.visitor()
			v.logIn(w.google, "")
			a := w.visitor().fetch(http.MethodGet, revokeAddress+tt.query, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe")
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.message) || len(w.sessions()) != tt.left {
				t.Errorf("got %d %s, %d sessions", a.StatusCode, a.body, len(w.sessions()))
			}
		})
	}
}
