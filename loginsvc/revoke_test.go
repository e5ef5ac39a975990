package loginsvc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// keep puts a session with these facts into the store.
func (w *world) keep(name string, id gateward.Identity) {
	w.t.Helper()
	key := sessions.KeyOf([]byte(name))
	err := w.store.keeper.Create(w.t.Context(), sessions.Session{
		ID: sessions.IDOf(key), Key: key, Identity: id, CreatedAt: w.now(), UpdatedAt: w.now(), LastSeenAt: w.now(), ExpiresAt: w.now().Add(time.Hour), UserAgent: name,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// left names the sessions that are left.
func (w *world) left() string {
	var all []string
	for _, s := range w.sessions() {
		all = append(all, s.UserAgent)
	}
	return strings.Join(all, " ")
}

// sixSessions keeps those of three people, by three providers, a second apart.
func sixSessions(w *world) {
	of := func(method, provider, issuer, subject, user string) gateward.Identity {
		return gateward.Identity{Principal: gateward.Principal{Issuer: issuer, Subject: subject}, Method: method, Provider: provider, UserID: user}
	}
	for i, id := range []gateward.Identity{
		of("oidc", "google", "https://google.idp.test", "1", "ada"),
		of("oidc", "corp", "https://corp.idp.test", "1", "bob"),
		of("github", "", "https://github.com", "101", "ada"),
		of("oidc", "google", "https://google.idp.test", "2", "eve"),
		of("oidc", "tenants", "https://tenants.test/t1", "x:y/z", "eve"),
		of("oidc", "google", "https://google.idp.test", "1", "ada"),
	} {
		w.keep(string(rune('a'+i)), id)
		w.pass(time.Second)
	}
}

func TestTokens_DeleteMany(t *testing.T) {
	t.Parallel()
	before := url.QueryEscape(time.Date(2026, 3, 1, 12, 0, 2, 123456000, time.UTC).Format(time.RFC3339Nano))
	for _, tt := range []struct {
		query, left string
		revoked     int // -1: 400
	}{
		{"user=ada", "b d e", 3},
		{"user=nobody", "a b c d e f", 0},
		{"method=METHOD_OIDC", "c", 5},
		{"method=METHOD_GITHUB", "a b d e f", 1},
		{"subject=oidc/google:1", "b c d e", 2},
		{"subject=oidc/corp:1", "a c d e f", 1},
		{"subject=github:101", "a b d e f", 1},
		{"subject=oidc%2Ftenants%3Ax%3Ay%2Fz", "a b c d f", 1},
		{"subject=token:boss", "a b c d e f", 0},
		{"subject=oidc/google:101", "a b c d e f", 0},
		{"subject=oidc/tenants:101", "a b c d e f", 0}, // of a former provider
		{"before=" + before, "c d e f", 2},
		{"before=2026-03-01T13:00:02%2B01:00", "c d e f", 2},
		{"user=ada&method=METHOD_OIDC", "b c d e", 2},
		{"user=eve&subject=oidc/google:1", "a b c d e f", 0},
		{"user=ada&subject=oidc/google:1&before=" + before + "&method=METHOD_OIDC", "b c d e f", 1},
		{"user=eve&subject=oidc/tenants:x:y/z", "a b c d f", 1},
		{"user=ada&pretty", "b d e", 3},
		{"", "a b c d e f", -1},
		{"pretty=1", "a b c d e f", -1},
		{"user=", "a b c d e f", -1},
		{"user=ada&x=1", "a b c d e f", -1},
		{"user=ada&user=bob", "a b c d e f", -1},
		{"User=ada", "a b c d e f", -1},
		{"user=" + strings.Repeat("x", 100), "a b c d e f", -1},
		{"method=METHOD_NONE", "a b c d e f", -1},
		{"method=oidc", "a b c d e f", -1},
		{"method=METHOD_GITHUB&subject=oidc/google:1", "a b c d e f", -1},
		{"subject=1", "a b c d e f", -1},
		{"subject=oidc:1", "a b c d e f", -1},
		{"subject=oidc/google:", "a b c d e f", -1},
		{"subject=oidc/:1", "a b c d e f", -1},
		{"subject=:1", "a b c d e f", -1},
		{"subject=gihub:101", "a b c d e f", -1},
		{"subject=GitHub:101", "a b c d e f", -1},
		{"subject=METHOD_GITHUB:101", "a b c d e f", -1},
		{"subject=none:101", "a b c d e f", -1},
		{"subject=github/x:101", "a b c d e f", -1},
		{"subject=token/x:boss", "a b c d e f", -1},
		{"subject=oidc/gogle:1", "a b c d e f", -1},
		{"subject=oidc/Google:1", "a b c d e f", -1},
		{"before=yesterday", "a b c d e f", -1},
		{"before=0001-01-01T00:00:00Z", "a b c d e f", -1},
		{"user=ada&before=0001-01-01T00:00:00Z", "a b c d e f", -1},
		{"before=", "a b c d e f", -1},
		{"user=ada;method=x", "a b c d e f", -1},
		{"user=%zz", "a b c d e f", -1},
	} {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sixSessions(w)
			a := w.asBoss(http.MethodDelete, "/auth/v1/tokens?"+tt.query)
			want, status := fmt.Sprintf(`{"revoked":%d}`, tt.revoked), http.StatusOK
			if tt.revoked < 0 {
				want, status = a.body, http.StatusBadRequest
			}
			if got := strings.Join(strings.Fields(a.body), ""); a.StatusCode != status || tt.revoked >= 0 && got != want {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.body, status, want)
			}
			if got := w.left(); got != tt.left {
				t.Errorf("left: %s, want %s", got, tt.left)
			}
			if n := w.metrics.revocations["admin"]; n != max(tt.revoked, 0) {
				t.Errorf("counted %d", n)
			}
		})
	}
}

// One provider may have many issuers, one for each tenant.
func TestTokens_DeleteManyOfTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sixSessions(w)
	w.keep("tenant", gateward.Identity{Principal: gateward.Principal{Issuer: "https://corp.idp.test/tenant", Subject: "9"}, Method: "oidc", Provider: "corp"})
	if a := w.asBoss(http.MethodDelete, "/auth/v1/tokens?subject=oidc/corp:9"); a.body != `{"revoked":1}` || w.left() != "a b c d e f" {
		t.Errorf("got %d %s, left %s", a.StatusCode, a.body, w.left())
	}
}

// A provider may have had another issuer, or have many: what the present one's index
// finds is not all.
func TestTokens_DeleteManyOfEveryIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sixSessions(w)
	w.keep("former", gateward.Identity{Principal: gateward.Principal{Issuer: "https://former.idp.test", Subject: "1"}, Method: "oidc", Provider: "corp"})
	if a := w.asBoss(http.MethodDelete, "/auth/v1/tokens?subject=oidc/corp:1"); a.body != `{"revoked":2}` || w.left() != "a c d e f" {
		t.Errorf("got %d %s, left %s", a.StatusCode, a.body, w.left())
	}
	if a := w.asBoss(http.MethodGet, "/auth/v1/tokens?subject=oidc/corp:1"); a.StatusCode != http.StatusOK || strings.Contains(a.body, `"id"`) {
		t.Errorf("afterwards: got %d %s", a.StatusCode, a.body)
	}
}

// What is wrong with a subject is said, and what to write.
func TestTokens_SubjectMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for subject, want := range map[string]string{
		"gihub:101":    `no method is called "gihub"; write METHOD:SUBJECT`,
		"github/x:101": "github has no providers; write github:SUBJECT",
		"oidc:101":     "a provider is needed; write METHOD:SUBJECT",
		"oidc/gogle:1": `no provider is called "gogle", nor is there a session of one`,
		"101":          "write METHOD:SUBJECT",
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			a := w.asBoss(method, "/auth/v1/tokens?subject="+url.QueryEscape(subject))
			var body struct{ Message string }
			if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusBadRequest || !strings.HasPrefix(body.Message, `parsing field "subject": `+want) {
				t.Errorf("%s %s: got %d %s", method, subject, a.StatusCode, a.body)
			}
		}
	}
}

// An administrator who ends everything is logged out as well.
func TestTokens_DeleteManyOfOneself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signUpAs("open", true))
	v := w.visitor()
	v.logIn(w.google, "")
	if a := v.fetch(http.MethodDelete, "/auth/v1/tokens?method=METHOD_GITHUB"); a.StatusCode != http.StatusOK || v.token() == "" {
		t.Errorf("of others: got %d %s", a.StatusCode, a.body)
	}
	if a := v.fetch(http.MethodDelete, "/auth/v1/tokens?method=METHOD_OIDC"); a.StatusCode != http.StatusOK || v.token() != "" || len(w.sessions()) != 0 {
		t.Errorf("got %d %s, token %q", a.StatusCode, a.body, v.token())
	}
}

func TestTokens_DeleteManyStoreDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.down.Store(true)
	for _, query := range []string{"user=ada", "subject=oidc/google:1", "subject=token:x"} {
		if a := w.asBoss(http.MethodDelete, "/auth/v1/tokens?"+query); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
	}
}

// Log out everywhere: every session of the person, by whichever identity, then as a
// logout goes.
func TestAccount_RevokeAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	w.google.endpoint = "https://google.idp.test/logout?x=1"
	laptop, phone, bob := w.visitor(), w.visitor(), w.visitor()
	laptop.logIn(w.google, "")
	phone.logIn(w.corp, "")
	w.keep("old", w.google.identity()) // from before there were users
	w.keep("old phone", w.corp.identity())
	w.google.subject = "bob"
	bob.logIn(w.google, "")
	if a := laptop.send(http.MethodPost, "/auth/account/sessions/revoke-all", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, ""); a.StatusCode != http.StatusForbidden || len(w.sessions()) != 5 {
		t.Errorf("another site: got %d", a.StatusCode)
	}
	if a := w.visitor().submit("/auth/account/sessions/revoke-all"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.location(), "/auth/login") {
		t.Errorf("a stranger: got %d to %q", a.StatusCode, a.location())
	}
	a := laptop.submit("/auth/account/sessions/revoke-all")
	if a.StatusCode != http.StatusSeeOther || a.location() != w.google.endpoint || laptop.token() != "" {
		t.Errorf("got %d to %q, token %q", a.StatusCode, a.location(), laptop.token())
	}
	if got := w.sessions(); len(got) != 1 || got[0].Identity.Subject != "bob" || w.metrics.revocations["account"] != 4 {
		t.Errorf("%d sessions are left, counted %v", len(got), w.metrics.revocations)
	}
	if a := phone.open("/auth/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the other browser: got %d", a.StatusCode)
	}
	if a := laptop.open("/auth/login?rd=/x"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "You are logged out") {
		t.Errorf("afterwards: got %d %s", a.StatusCode, a.body)
	}
	w.google.endpoint = ""
	if a := bob.submit("/auth/account/sessions/revoke-all"); a.location() != "/auth/login?logged_out=1" {
		t.Errorf("without an address: to %q", a.location())
	}
}

// One's other sessions are those of all identities, also without a user.
func TestAccount_RevokeOthersOfAllIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	laptop := w.visitor()
	w.visitor().logIn(w.corp, "")
	laptop.logIn(w.google, "")
	w.keep("old", w.google.identity())
	w.keep("old phone", w.corp.identity())
	w.corp.subject = "bob"
	w.keep("bob's", w.corp.identity())
	if a := laptop.submit("/auth/account/sessions/revoke-others"); a.StatusCode != http.StatusSeeOther || w.metrics.revocations["account"] != 3 {
		t.Errorf("got %d, counted %v", a.StatusCode, w.metrics.revocations)
	}
	if got := w.sessions(); len(got) != 2 || got[0].Identity.Subject != "ada" || got[1].UserAgent != "bob's" {
		t.Errorf("left: %s", w.left())
	}
}

// Whose user cannot be found ends the sessions that name it all the same; while it
// cannot be looked for, nothing is said to be done.
func TestAccount_RevokeWithoutTheUser(t *testing.T) {
	t.Parallel()
	for err, status := range map[error]int{sessions.ErrNoUser: 303, sessions.ErrTampered: 303, gateward.ErrUnavailable: 503} {
		for _, what := range []string{"all", "others"} {
			w := newWorld(t)
			v := w.visitor()
			v.logIn(w.google, "")
			w.visitor().logIn(w.google, "")
			w.store.before = func(_ context.Context, operation, _ string) error {
				if operation == "user" {
					return err
				}
				return nil
			}
			left := map[string]int{"all": 0, "others": 1}[what]
			if status == 503 {
				left = 2
			}
			if a := v.submit("/auth/account/sessions/revoke-" + what); a.StatusCode != status || len(w.sessions()) != left {
				t.Errorf("%v: %s: got %d, %d sessions", err, what, a.StatusCode, len(w.sessions()))
			}
		}
	}
}

// Nobody is told to be logged out who is not.
func TestAccount_RevokeAllFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.visitor()
	v.logIn(w.google, "")
	w.store.before = failing("delete where")
	a := v.submit("/auth/account/sessions/revoke-all")
	if a.StatusCode != http.StatusServiceUnavailable || v.token() == "" || !strings.Contains(a.body, "You may still be logged in") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
