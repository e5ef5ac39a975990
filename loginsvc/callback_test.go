package loginsvc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/sessions"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	before := w.now()
	a := v.logIn(w.google, "?rd="+url.QueryEscape("/reports?year=2026"))

	if got, want := a.location(), "/reports?year=2026"; got != want {
		t.Errorf("goes to %q, want %q", got, want)
	}
	if len(v.states()) != 0 {
		t.Errorf("attempt cookies left: %v", v.states())
	}
	token := v.token()
	if !sessions.IsClientToken(token) {
		t.Fatalf("client token %q", token)
	}
	all := w.sessions()
	if len(all) != 1 {
		t.Fatalf("got %d sessions, want 1", len(all))
	}
	s := all[0]
	key := sessions.KeyOf([]byte(token))
	if s.Key != key || s.ID != sessions.IDOf(key) {
		t.Error("the session is not the token's")
	}
	if !s.CreatedAt.Equal(before) || !s.ExpiresAt.Equal(before.Add(24*time.Hour)) || s.IdleTimeout != time.Hour {
		t.Errorf("times: created %v, expires %v, idle %v", s.CreatedAt, s.ExpiresAt, s.IdleTimeout)
	}
	if s.Address != peerOf.String() || !strings.Contains(s.UserAgent, "Firefox") {
		t.Errorf("got %q at %q", s.UserAgent, s.Address)
	}
	if s.Identity.Subject != "ada" || s.Tokens.SID != "sid-ada" || s.Tokens.IDToken.Reveal() != "id-token-canary" {
		t.Errorf("got %+v", s.Identity)
	}
	if got, want := w.metrics.last(), "google success"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
	if strings.Contains(a.body, token) || strings.Contains(w.logs.String(), token) {
		t.Error("the client token is somewhere else than in the cookie")
	}
}

func TestLogin_ForAScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	a := v.fetch(http.MethodGet, "/auth/v1/method/oidc/google/authorize?state=original")
	var body struct {
		AuthorizeURL string `json:"authorizeUrl"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	code, state := w.google.code(body.AuthorizeURL)
	if state == "original" {
		t.Error("the state is the caller's")
	}
	a = v.fetch(http.MethodGet, w.google.callback(code, state))
	if a.StatusCode != http.StatusSeeOther || a.location() != "/" || !strings.HasPrefix(a.body, `{"clientToken":"","authentication":{"id":"`) {
		t.Errorf("got %d to %q: %s", a.StatusCode, a.location(), a.body)
	}
}

// An attacker sends the victim to a callback with the attacker's own code and
// state. The victim's session, if there is one, stays what it was.
func TestSEC_D13_LoginCSRF(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker, victim := w.visitor(), w.visitor()
	victim.logIn(w.google, "")
	before := victim.token()

	code, state := w.google.code(attacker.authorize(w.google, "?rd=/evil"))
	a := victim.open(w.google.callback(code, state))
	if a.StatusCode != http.StatusSeeOther || a.location() != "/" || victim.token() != before {
		t.Errorf("got %d to %q, token changed: %v", a.StatusCode, a.location(), victim.token() != before)
	}
	if got := w.google.exchanges.Load(); got != 1 {
		t.Errorf("%d exchanges, want the victim's own", got)
	}
}

// Host and forwarding headers reach neither the provider nor a Location.
func TestSEC_D06_HostIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.host = "evil.example"
	v.headers["X-Forwarded-Host"] = []string{"evil.example"}
	v.headers["X-Forwarded-Proto"] = []string{"http"}
	v.headers["X-Forwarded-Prefix"] = []string{"//evil.example"}
	v.headers["Forwarded"] = []string{"host=evil.example;proto=http"}
	for _, path := range []string{
		"/auth/v1/method/oidc/google/authorize", "/auth/login?rd=/x", "/auth/v1/method", "/auth/account", "/auth/logout",
	} {
		a := v.open(path)
		if all := fmt.Sprint(a.Header) + a.body; strings.Contains(all, "evil") {
			t.Errorf("%s: %s", path, all)
		}
	}
	if a := v.logIn(w.google, ""); a.location() != "/" {
		t.Errorf("goes to %q", a.location())
	}
}

// Who is known and may not enter gets no cookie and no session, is told why,
// and can come back as somebody else.
func TestSEC_D11_NotAdmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.exchange = fmt.Errorf("test: %w", &gateward.NotAdmittedError{Rule: "email_matches"})
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
	a := v.open(w.google.callback(code, state))
	if a.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", a.StatusCode)
	}
	for _, want := range []string{
		"ada@example.com", "email_matches", a.Header.Get("X-Request-Id"),
		`href="/auth/v1/method/oidc/google/authorize?prompt=select_account&amp;rd=%2Fdeep"`, ">Use another account<",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q: %s", want, a.body)
		}
	}
	if len(w.sessions()) != 0 || v.token() != "" || a.cookie(tokenCookie) != nil {
		t.Error("a session or cookie is left")
	}
	if n := len(v.states()); n != 0 {
		t.Errorf("%d attempt cookies are left", n)
	}
	if got := w.metrics.last(); got != "google not_admitted" {
		t.Errorf("counted %q", got)
	}
}

// A token that was planted before the login is worth nothing after it, and the
// session that this browser had is over.
func TestSEC_D12_NewSessionAtLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	planted := sessions.ClientToken([32]byte{1, 2, 3})
	v.set(tokenCookie, planted.Reveal())
	v.logIn(w.google, "")
	first := v.token()
	if first == planted.Reveal() {
		t.Error("the planted token is in force")
	}
	v.logIn(w.corp, "")
	if v.token() == first {
		t.Error("the token stayed the same")
	}
	all := w.sessions()
	if len(all) != 1 || all[0].Key != sessions.KeyOf([]byte(v.token())) {
		t.Errorf("got %d sessions, want the new one alone", len(all))
	}
	old := w.visitor()
	old.set(tokenCookie, first)
	if a := old.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old token: got %d", a.StatusCode)
	}
}

func TestSEC_D27_I08_HeadersOfTheCallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	begun := v.open("/auth/v1/method/oidc/google/authorize")
	done := v.logIn(w.google, "?rd=/x")
	refused := v.open("/auth/v1/method/oidc/google/callback?code=a&code=b")
	for _, a := range []*answer{begun, done, refused} {
		for name, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Vary": "Cookie",
			"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%d: %s: got %q, want %q", a.StatusCode, name, got, want)
			}
		}
	}
	// A page's own policy would override the header.
	v.logIn(w.google, "")
	for path, want := range map[string]string{
		"/auth/v1/method/oidc/google/callback?code=secret&state=secret": "no-referrer",
		"/auth/login?error=1": "no-referrer", "/auth/nothing": "no-referrer",
		"/auth/account": "same-origin", "/auth/logout": "same-origin", // with forms, whose Origin counts
	} {
		a := v.open(path)
		if got := a.Header.Get("Referrer-Policy"); got != want || strings.Contains(a.body, `name="referrer"`) {
			t.Errorf("%s: got policy %q, want %q, or the page has its own: %s", path, got, want, a.body)
		}
	}
	if begun.StatusCode != http.StatusFound || done.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d and %d", begun.StatusCode, done.StatusCode)
	}
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut} {
		if a := v.send(method, "/auth/v1/method/oidc/google/callback", nil, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET" {
			t.Errorf("%s: got %d, Allow %q", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}

// A fault of ours or the provider's is 503, and every cookie stays.
func TestCallback_Unavailable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		down func(w *world)
	}{
		{"store", func(w *world) { w.store.down.Store(true) }},
		{"provider", func(w *world) { w.google.exchange = fmt.Errorf("test: %w", gateward.ErrUnavailable) }},
		{"unknown error", func(w *world) { w.google.exchange = http.ErrHandlerTimeout }},
		{"sealer", func(w *world) {
			w.options.Attempts = keylessSealer()
			w.start()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			v.logIn(w.corp, "")
			before := v.token()
			code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
			tt.down(w)
			a := v.open(w.google.callback(code, state))
			if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, ">Try again<") {
				t.Errorf("got %d %v: %s", a.StatusCode, a.Header, a.body)
			}
			if len(a.Cookies()) != 0 || v.token() != before {
				t.Errorf("cookies changed: %v", a.Cookies())
			}
			w.store.down.Store(false)
			if len(w.sessions()) != 1 {
				t.Errorf("%d sessions, want the old one", len(w.sessions()))
			}
			if got := w.metrics.last(); got != "google unavailable" {
				t.Errorf("counted %q", got)
			}
			if strings.Contains(a.body, "test:") {
				t.Errorf("the page tells of the inside: %s", a.body)
			}
		})
	}
}

// A cookie that is Strict would not come along with a redirect that the
// provider's page began.
func TestCallback_StrictCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.options.Cookies = browser.NewCookies(browser.CookieConfig{
			Prefix: "gateward", Domain: "app.example.com", PublicHost: "app.example.com", Secure: true, SameSite: http.SameSiteStrictMode,
		})
	})
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
	a := v.open(w.google.callback(code, state))
	if a.StatusCode != http.StatusOK || a.Header.Get("Refresh") != "0; url=/deep" || !strings.Contains(a.body, `href="/deep"`) || v.token() == "" {
		t.Errorf("got %d, Refresh %q: %s", a.StatusCode, a.Header.Get("Refresh"), a.body)
	}
}
