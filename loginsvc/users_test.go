package loginsvc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

// patch is a request of the administrator "boss".
func (v *visitor) patch(target, body string) *answer {
	v.w.t.Helper()
	return v.send(http.MethodPatch, target, http.Header{
		"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}, "Authorization": {"Bearer boss"}, "Content-Type": {"application/json"},
	}, body)
}

// asBoss is a request of the administrator "boss" without a body.
func (w *world) asBoss(method, target string) *answer {
	w.t.Helper()
	return w.visitor().fetch(method, target, "Authorization", "Bearer boss", "Sec-Fetch-Site", "")
}

func TestSEC_P02_UsersAreForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signUpAs("open", true))
	admin, bob := w.visitor(), w.visitor()
	admin.logIn(w.google, "")
	w.google.subject = "bob"
	bob.logIn(w.google, "")
	id := w.users()[1].ID
	for _, c := range [][2]string{
		{"GET", "/auth/v1/users"}, {"GET", "/auth/v1/users/" + id}, {"PATCH", "/auth/v1/users/" + id}, {"DELETE", "/auth/v1/tokens?user=" + id},
	} {
		for _, tt := range []struct {
			name    string
			v       *visitor
			headers []string
			status  int
		}{
			{"nobody", w.visitor(), nil, 401},
			{"a person", bob, nil, 403},
			{"a token", w.visitor(), []string{"Authorization", "Bearer ci"}, 403},
			{"another site, with an administrator's cookie", admin, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		} {
			if tt.status == 403 && len(tt.headers) == 4 && c[0] == "GET" {
				continue // another site cannot read the answer
			}
			a := tt.v.fetch(c[0], c[1], tt.headers...)
			if a.StatusCode != tt.status || strings.Contains(a.body, "bob") {
				t.Errorf("%s %s: %s: got %d %s", c[0], c[1], tt.name, a.StatusCode, a.body)
			}
		}
	}
	if len(w.sessions()) != 2 || !w.users()[1].Enabled {
		t.Error("something has changed")
	}
	for _, c := range [][2]string{{"GET", "/auth/v1/users"}, {"GET", "/auth/v1/users/" + id}, {"DELETE", "/auth/v1/tokens?user=" + id}} {
		if a := admin.fetch(c[0], c[1]); a.StatusCode != http.StatusOK {
			t.Errorf("the administrator: %s %s: got %d %s", c[0], c[1], a.StatusCode, a.body)
		}
	}
}

func TestUsers_Methods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for target, allow := range map[string]string{
		"/auth/v1/users": "GET, HEAD", "/auth/v1/users/x": "GET, HEAD, PATCH", "/auth/v1/tokens": "DELETE, GET, HEAD", "/auth/account/sessions/revoke-all": "POST",
	} {
		if a := w.visitor().send(http.MethodPut, target, nil, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != allow {
			t.Errorf("%s: got %d, Allow %q", target, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}

func TestUsers_List(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		as := googleIdentity(fmt.Sprint("s", i))
		as.Email, as.Name, as.LastLoginAt = fmt.Sprintf("p%d@example.com", i/2), "P", w.now()
		w.put(sessions.User{
			ID: fmt.Sprint("u", i), Enabled: i%3 == 0, Waiting: i%3 == 1, Identities: []sessions.UserIdentity{as},
			CreatedAt: w.now(), UpdatedAt: w.now(), LastLoginAt: w.now(),
		})
		w.pass(time.Second)
	}
	list := func(query string) (ids []string, next string) {
		a := w.asBoss(http.MethodGet, "/auth/v1/users"+query)
		var body struct {
			Users         []struct{ ID string }
			NextPageToken string
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
		for _, u := range body.Users {
			ids = append(ids, u.ID)
		}
		return ids, body.NextPageToken
	}
	for query, want := range map[string]string{
		"":                                    "u0 u1 u2 u3 u4 u5 u6",
		"?disabled=true":                      "u1 u2 u4 u5",
		"?disabled=false":                     "u0 u1 u2 u3 u4 u5 u6",
		"?email=P1%40example.com":             "u2 u3",
		"?email=p1@example.com&limit=1":       "u2 u3",
		"?email=p1@example.com&disabled=true": "u2",
		"?email=nobody@example.com":           "",
	} {
		if got, next := list(query); strings.Join(got, " ") != want || next != "" {
			t.Errorf("%s: got %v, next %q, want %s", query, got, next, want)
		}
	}
	var all []string
	for token := ""; ; {
		ids, next := list("?limit=3&pageToken=" + token)
		if all = append(all, ids...); next == "" || len(all) > 7 {
			break
		}
		token = next
	}
	if got := strings.Join(all, " "); got != "u0 u1 u2 u3 u4 u5 u6" {
		t.Errorf("by pages: %s", got)
	}
	for _, query := range []string{"?limit=x", "?disabled=yes", "?pageToken=foreign"} {
		if a := w.asBoss(http.MethodGet, "/auth/v1/users"+query); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
	}
	want := `{"id":"u1","enabled":false,"waiting":true,"emails":["p0@example.com"],"identities":[{"method":"METHOD_OIDC","provider":"google",` +
		`"issuer":"https://google.idp.test","subject":"s1","email":"p0@example.com","name":"P","lastLoginAt":"2026-03-01T12:00:01.123456Z"}],` +
		`"createdAt":"2026-03-01T12:00:01.123456Z","updatedAt":"2026-03-01T12:00:01.123456Z","lastLoginAt":"2026-03-01T12:00:01.123456Z"}`
	if a := w.asBoss(http.MethodGet, "/auth/v1/users/u1"); a.body != want {
		t.Errorf("got %s\nwant %s", a.body, want)
	}
	for _, id := range []string{"unknown", strings.Repeat("x", 100)} {
		if a := w.asBoss(http.MethodGet, "/auth/v1/users/"+id); a.StatusCode != http.StatusNotFound {
			t.Errorf("%.10s: got %d", id, a.StatusCode)
		}
	}
	w.store.down.Store(true)
	for _, target := range []string{"/auth/v1/users", "/auth/v1/users/u1"} {
		if a := w.asBoss(http.MethodGet, target); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s, store down: got %d", target, a.StatusCode)
		}
	}
}

// Disabling ends everything of a person, with all identities and on all devices,
// and nothing of anybody else's.
func TestUsers_Disable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, phone, bob := w.visitor(), w.visitor(), w.visitor()
	ada.logIn(w.google, "")
	phone.logIn(w.google, "")
	w.google.subject = "bob"
	bob.logIn(w.google, "")
	w.google.subject = "ada"
	id := w.users()[0].ID
	a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":false}`)
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"enabled":false,"waiting":false`) || w.users()[0].Enabled {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	for i, v := range []*visitor{ada, phone, bob} {
		if got, want := v.fetch(http.MethodGet, "/auth/v1/self").StatusCode, []int{401, 401, 200}[i]; got != want {
			t.Errorf("browser %d: got %d, want %d", i, got, want)
		}
	}
	if n := w.metrics.revocations["disabled"]; n != 2 {
		t.Errorf("counted %v", w.metrics.revocations)
	}
	logs := w.logs.String()
	for _, want := range []string{`"msg":"user disabled"`, `"changed_user_id":"` + id + `"`, `"auth_method":"token"`} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log lacks %s: %s", want, logs)
		}
	}
	if a := ada.comeBack(w.google, ""); a.StatusCode != http.StatusForbidden {
		t.Errorf("a login: got %d", a.StatusCode)
	}
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":true}`); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"enabled":true`) {
		t.Errorf("enabling: got %d %s", a.StatusCode, a.body)
	}
	ada.logIn(w.google, "")
	if n := len(w.users()); n != 2 {
		t.Errorf("%d users", n)
	}
}

// What fails in the middle is done by asking again.
func TestUsers_DisableAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	id, down, replaced := w.users()[0].ID, true, 0
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "delete where" && down {
			return errors.New("test: lost")
		}
		if operation == "replace user" {
			replaced++
		}
		return nil
	}
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":false}`); a.StatusCode != http.StatusServiceUnavailable || w.users()[0].Enabled {
		t.Errorf("got %d, user %+v", a.StatusCode, w.users()[0])
	}
	down = false
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":false}`); a.StatusCode != http.StatusOK || len(w.sessions()) != 0 {
		t.Errorf("got %d, %d sessions", a.StatusCode, len(w.sessions()))
	}
	if replaced != 2 { // which is how every replica is told
		t.Errorf("the user was written %d times", replaced)
	}
}

// Whoever asks for it need not wait for the end.
func TestUsers_DisableGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	boss := w.visitor()
	ctx, cancel := context.WithCancel(t.Context())
	boss.ctx = ctx
	w.store.before = func(ctx context.Context, operation, _ string) error {
		if operation == "delete where" {
			cancel() // the user is disabled by now
			return ctx.Err()
		}
		return nil
	}
	if a := boss.patch("/auth/v1/users/"+w.users()[0].ID, `{"enabled":false}`); a.StatusCode != http.StatusOK || len(w.sessions()) != 0 {
		t.Errorf("got %d, %d sessions", a.StatusCode, len(w.sessions()))
	}
}

// Two administrators at the same time, one of whom is faster.
func TestUsers_DisableConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	id, n, always := w.users()[0].ID, 0, false
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "replace user" {
			if n++; n == 1 || always {
				return sessions.ErrConflict
			}
		}
		return nil
	}
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":false}`); a.StatusCode != http.StatusOK || w.users()[0].Enabled {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	always = true
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":true}`); a.StatusCode != http.StatusServiceUnavailable || n > 20 {
		t.Errorf("got %d after %d", a.StatusCode, n)
	}
}

func TestUsers_PatchRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signUpAs("open", true))
	admin := w.visitor()
	admin.logIn(w.google, "")
	id := w.users()[0].ID
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `true`, `{"enabled":"false"}`, `{"enabled":0}`, `{"enabled":null}`, `{"Enabled":false}`, `{"enabled":false,"x":1}`,
		`{"x":1,"enabled":false}`, `{"enabled":true,"enabled":false}`, `{"enabled":false}{}`, `{"enabled":false`, `{"enabled":false} x`, `{"enabled":[false]}`,
		`{"enabled":` + strings.Repeat(" ", 70_000) + `false}`,
	} {
		if a := w.visitor().patch("/auth/v1/users/"+id, body); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40s: got %d %s", body, a.StatusCode, a.body)
		}
	}
	if a := w.visitor().patch("/auth/v1/users/unknown", `{"enabled":false}`); a.StatusCode != http.StatusNotFound {
		t.Errorf("unknown: got %d %s", a.StatusCode, a.body)
	}
	h := http.Header{"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}}
	if a := admin.send(http.MethodPatch, "/auth/v1/users/"+id, h, `{"enabled":false}`); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "nobody can disable themselves") {
		t.Errorf("oneself: got %d %s", a.StatusCode, a.body)
	}
	if !w.users()[0].Enabled || len(w.sessions()) != 1 {
		t.Error("something has changed")
	}
}

// A login that was let in before may keep its session while the others are ended.
func TestUsers_DisableEndsLateSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	u, n := w.users()[0], 0
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "delete where" {
			if n++; n == 2 {
				late := w.corp.identity()
				late.UserID = u.ID
				w.keep("late", late)
			}
		}
		return nil
	}
	if a := w.visitor().patch("/auth/v1/users/"+u.ID, `{"enabled":false}`); a.StatusCode != http.StatusOK || n < 2 || w.left() != "" {
		t.Errorf("got %d, left %q", a.StatusCode, w.left())
	}
}
