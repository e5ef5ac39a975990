package loginsvc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/internal/browser"
)

// restore puts cookies back that the browser had before, as somebody would who has
// copied them.
func (v *visitor) restore(kept map[string]string) {
	for name, value := range kept {
		v.set(name, value)
	}
}

// A state is good once for as long as its cookie can be opened, and not only for
// a moment.
func TestSEC_D02_StateIsUsedUpUntilItsEnd(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 9 * time.Minute, 10*time.Minute - time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			code, state := w.google.code(v.authorize(w.google, ""))
			kept := v.states()
			v.open(w.google.callback(code, state))
			v.submit("/auth/logout")
			w.pass(after)
			v.restore(kept)
			if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusBadRequest || w.metrics.last() != "google replayed" {
				t.Errorf("got %d, counted %q", a.StatusCode, w.metrics.last())
			}
			if n := w.google.exchanges.Load(); n != 1 {
				t.Errorf("%d exchanges, want 1", n)
			}
		})
	}
	t.Run("on a replica whose clock is behind", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		kept := v.states()
		v.open(w.google.callback(code, state))
		v.submit("/auth/logout")
		w.pass(10*time.Minute + 30*time.Second)
		w.options.Now = func() time.Time { return w.now().Add(-45 * time.Second) }
		w.start()
		v.restore(kept)
		v.open(w.google.callback(code, state))
		if got := w.metrics.last(); got != "google replayed" {
			t.Errorf("counted %q", got)
		}
	})
}

// Whatever the provider answers, the state is used up.
func TestSEC_D02_StateIsUsedUpByAnyAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"&error=access_denied", "&error=server_error", "&iss=https://evil.example&error=access_denied", ""} {
		w := newWorld(t)
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, ""))
		kept := v.states()
		v.open("/auth/v1/method/oidc/google/callback?state=" + state + answer)
		v.restore(kept)
		a := v.open(w.google.callback(code, state))
		if a.StatusCode != http.StatusBadRequest || w.metrics.last() != "google replayed" || w.google.exchanges.Load() != 0 || len(w.sessions()) != 0 {
			t.Errorf("after %q: got %d, counted %q, %d exchanges", answer, a.StatusCode, w.metrics.last(), w.google.exchanges.Load())
		}
	}
}

// An error of another issuer says nothing about this login (RFC 9207 §2.4).
func TestSEC_D05_ErrorsHaveAnIssuer(t *testing.T) {
	t.Parallel()
	for iss, want := range map[string]string{
		"": "google denied", "&iss=https://google.idp.test": "google denied",
		"&iss=https://corp.idp.test": "google invalid", "&iss=": "google invalid",
	} {
		w := newWorld(t)
		v := w.visitor()
		_, state := w.google.code(v.authorize(w.google, ""))
		a := v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=" + state + iss)
		if got := w.metrics.last(); got != want || strings.Contains(a.body, "cancelled") != (want == "google denied") || len(v.states()) != 0 {
			t.Errorf("%q: counted %q, want %q: %s", iss, got, want, a.body)
		}
	}
	w := newWorld(t)
	v := w.visitor()
	_, state := w.google.code(v.authorize(w.google, ""))
	if v.open("/auth/v1/method/oidc/corp/callback?error=access_denied&state=" + state); w.metrics.last() != "corp invalid" {
		t.Errorf("another provider's error: counted %q", w.metrics.last())
	}
}

// idOf is how an attempt's cookie is called.
func idOf(state string) string {
	sum := sha256.Sum256([]byte("gateward attempt id\x00" + state))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// sealed makes an attempt cookie's value that is authentic under a name.
func (w *world) sealed(name, state string, created time.Time) string {
	w.t.Helper()
	plain, err := json.Marshal(map[string]any{"l": "oidc/google", "s": state, "n": "nonce", "v": "verifier", "c": created.Unix()})
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := w.options.Attempts.Seal(w.t.Context(), nil, plain, []byte(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// A cookie is good under its own name only, and for its own state only: each
// alone, as if the other did not exist.
func TestSEC_D02_AttemptsAreBoundToNameAndState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                  string
		sealedFor, sealsState string
		age                   time.Duration
		want                  string
	}{
		{"its own", idOf("a"), "a", 0, "google denied"},
		{"another name", idOf("b"), "a", 0, "google invalid"},
		{"no name", "", "a", 0, "google invalid"},
		{"another state", idOf("a"), "b", 0, "google invalid"},
		{"no state", idOf("a"), "", 0, "google invalid"},
		{"last moment", idOf("a"), "a", 10*time.Minute - time.Second, "google denied"},
		{"too old", idOf("a"), "a", 10 * time.Minute, "google late"},
		{"of a replica whose clock is ahead", idOf("a"), "a", -59 * time.Second, "google denied"},
		{"from the future", idOf("a"), "a", -2 * time.Minute, "google late"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			v.set(stateCookie+idOf("a"), w.sealed(tt.sealedFor, tt.sealsState, w.now().Add(-tt.age)))
			v.open("/auth/v1/method/oidc/google/callback?error=access_denied&state=a")
			if got := w.metrics.last(); got != tt.want {
				t.Errorf("counted %q, want %q", got, tt.want)
			}
		})
	}
}

// Cookies that somebody else has set, before ours in the header, stop no login:
// neither many nor one of the same name.
func TestSEC_D02_PlantedAttemptsAreInNobodysWay(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"gateward", "flipt"} {
		w := newWorld(t, func(w *world) {
			w.options.Cookies = browser.NewCookies(browser.CookieConfig{Prefix: prefix, Domain: "example.com", PublicHost: "app.example.com", Secure: true})
		})
		v := w.visitor()
		code, state := w.google.code(v.authorize(w.google, "?rd=/deep"))
		name := "__Host-" + prefix + "_client_state_"
		if _, ok := v.cookies()[name+idOf(state)]; !ok {
			t.Errorf("the attempt's cookie is not one that only our host can set: %v", v.cookies())
		}
		var line []string
		for i := range 20 {
			line = append(line, name+strings.Repeat("a", i+1)+"=1")
		}
		line = append(line, name+idOf(state)+"=planted", name+idOf(state)+"="+w.sealed(idOf("b"), state, w.now()))
		v.headers["Cookie"] = []string{strings.Join(line, "; ")} // ours come behind
		if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusSeeOther || a.location() != "/deep" {
			t.Errorf("%s: got %d to %q", prefix, a.StatusCode, a.location())
		}
	}
}

// A sibling domain's page begins no logins in the background, which would drop
// the oldest that are under way.
func TestSEC_D13_SiblingsDropNoAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	code, state := w.google.code(v.authorize(w.google, ""))
	for range 6 {
		w.pass(time.Second)
		v.send(http.MethodGet, "/auth/v1/method/oidc/google/authorize", http.Header{
			"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}, "Accept": {"image/*"},
		}, "")
	}
	if a := v.open(w.google.callback(code, state)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", a.StatusCode)
	}
}

// What the provider is told, and what the code is redeemed with, comes from the
// configuration, whatever the request says it was sent to.
func TestSEC_D06_RedirectURIIsConfigured(t *testing.T) {
	t.Parallel()
	w, op := newRealWorld(t, nil)
	v := w.visitor()
	v.host = "evil.example"
	v.headers["X-Forwarded-Host"] = []string{"evil.example"}
	v.headers["X-Forwarded-Proto"] = []string{"http"}
	v.headers["Forwarded"] = []string{"host=evil.example;proto=http"}
	address := v.open("/auth/v1/method/oidc/corp/authorize").location()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	const want = publicURL + "/auth/v1/method/oidc/corp/callback"
	if got := u.Query()["redirect_uri"]; len(got) != 1 || got[0] != want || strings.Contains(address, "evil") {
		t.Errorf("got redirect_uri %q, want %q, in %s", got, want, address)
	}
	back := op.Authorize(address)
	if !strings.HasPrefix(back, want+"?") {
		t.Fatalf("the provider sends the browser to %s", back)
	}
	if a := v.open(back); a.StatusCode != http.StatusSeeOther || a.location() != "/" {
		t.Errorf("got %d to %q, log %s", a.StatusCode, a.location(), w.logs)
	}
}
