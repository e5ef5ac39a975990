package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// left names the sessions that are left.
func (a *fakeAPI) left() string {
	var all []string
	for _, s := range a.sessions {
		all = append(all, strings.TrimPrefix(s.id, "s-"))
	}
	return strings.Join(all, "")
}

// column returns a column of tab-separated output.
func column(out string, n int) string {
	var all []string
	for line := range strings.Lines(out) {
		all = append(all, strings.Split(strings.TrimSuffix(line, "\n"), "\t")[n])
	}
	return strings.Join(all, " ")
}

func TestUserList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ flags, ids, states, asked string }{
		{"", "u-0 u-1 u-2 u-3", "enabled enabled waiting disabled", "limit=100"},
		{"--disabled", "u-2 u-3", "waiting disabled", "disabled=true&limit=100"},
		{"--email 0@Example.com", "u-0 u-3", "enabled disabled", "email=0%40Example.com&limit=100"},
		{"--email 0@example.com --disabled", "u-3", "disabled", "disabled=true&email=0%40example.com&limit=100"},
		{"--email 7@example.com", "", "", "email=7%40example.com&limit=100"},
	} {
		a := newFakeAPI()
		code, out, errs := invoke(a.start(t), append([]string{"user", "list"}, strings.Fields(tt.flags)...)...)
		if code != 0 || errs != "" || column(out, 0) != tt.ids || column(out, 1) != tt.states {
			t.Errorf("%s: %d\n%s%s", tt.flags, code, out, errs)
		}
		if want := "GET /auth/v1/users?" + tt.asked; len(a.asked) != 1 || a.asked[0] != want {
			t.Errorf("%s: asked %q, want %q", tt.flags, a.asked, want)
		}
	}
	_, out, _ := invoke(newFakeAPI().start(t), "user", "list", "--limit=1")
	if want := "u-0\tenabled\t0@example.com\tNumber 0\toidc/google:0\t2026-03-01T12:00:01Z\n"; out != want {
		t.Errorf("got  %q\nwant %q", out, want)
	}
}

func TestUserList_JSON(t *testing.T) {
	t.Parallel()
	a := newFakeAPI()
	a.users[0]["later"] = "\u202e\u009b\x1b\U000e0041<"
	var got struct {
		Users []map[string]any
		More  *bool
	}
	code, out, _ := invoke(a.start(t), "user", "list", "--json", "--limit", "2")
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || len(got.Users) != 2 || got.More == nil || !*got.More {
		t.Fatalf("%d, %v: %s", code, err, out)
	}
	if got.Users[0]["later"] != a.users[0]["later"] || got.Users[0]["createdAt"] != "2026-03-01T12:00:00Z" || strings.ContainsAny(out, "\u202e\u009b\x1b") {
		t.Errorf("got %s", out)
	}
	if _, out, _ := invoke(a.start(t), "user", "list", "--json", "--email", "7@example.com"); strings.Join(strings.Fields(out), "") != `{"users":[],"more":false}` {
		t.Errorf("nobody: %s", out)
	}
}

func TestLists_FollowPages(t *testing.T) {
	t.Parallel()
	a := newFakeAPI()
	a.users, a.sessions = nil, nil
	for i := range 2345 {
		a.users = append(a.users, map[string]any{"id": fmt.Sprint("u", i), "enabled": true, "emails": []string{""}})
		a.sessions = append(a.sessions, &fakeSession{fmt.Sprint("s", i), "oidc", "google", fmt.Sprint(i % 10), ""})
	}
	environ := a.start(t)
	for _, tt := range []struct {
		line        string
		want, asked int
		more        bool
	}{
		{"list", 1000, 10, true},
		{"list --limit 1", 1, 1, true},
		{"list --limit 250", 250, 3, true},
		{"list --limit 2344", 2344, 24, true},
		{"list --limit 2345", 2345, 24, false},
		{"list --limit 5000", 2345, 24, false},
		{"list --subject oidc/google:7", 234, 24, false},
		{"list --subject oidc/google:7 --limit 234", 234, 24, false},
		{"list --subject oidc/google:7 --limit 233", 233, 24, true},
		{"list --subject oidc/google:7 --limit 10", 10, 2, true},
		{"list --subject oidc/other:7", 0, 24, false},
	} {
		for _, word := range []string{"user", "session"} {
			if word == "user" && strings.Contains(tt.line, "subject") {
				continue
			}
			a.asked = nil
			code, out, errs := invoke(environ, append([]string{word}, strings.Fields(tt.line)...)...)
			ids := strings.Fields(column(out, 0))
			slices.Sort(ids)
			if n := len(slices.Compact(ids)); code != 0 || n != tt.want || strings.Contains(errs, "more than") != tt.more {
				t.Errorf("%s %s: %d, %d listed, want %d\n%s", word, tt.line, code, n, tt.want, errs)
			}
			if len(a.asked) != tt.asked {
				t.Errorf("%s %s: asked %d times, want %d: %q", word, tt.line, len(a.asked), tt.asked, a.asked)
			}
		}
	}
}

func TestSessionList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ flags, ids, asked string }{
		{"", "s-0 s-1 s-2 s-3 s-4 s-5", "limit=100"},
		{"--expired", "s-0 s-1 s-2 s-3 s-4 s-5", "expired=true&limit=100"},
		{"--user u-1", "s-2 s-3", "limit=100&user=u-1"},
		{"--user 1@example.com", "s-2 s-3", "limit=100&user=u-1"},
		{"--method github", "s-5", "limit=100&method=METHOD_GITHUB"},
		{"--method METHOD_OIDC --user u-2", "s-4", "limit=100&method=METHOD_OIDC&user=u-2"},
		{"--subject oidc/google:1", "s-2 s-3", "limit=100&method=METHOD_OIDC"},
		{"--subject github:2", "s-5", "limit=100&method=METHOD_GITHUB"},
		{"--subject github:2 --method oidc", "", "limit=100&method=METHOD_OIDC"},
	} {
		a := newFakeAPI()
		code, out, errs := invoke(a.start(t), append([]string{"session", "list"}, strings.Fields(tt.flags)...)...)
		if code != 0 || errs != "" || column(out, 0) != tt.ids {
			t.Errorf("%s: %d\n%s%s", tt.flags, code, out, errs)
		}
		if want := "GET /auth/v1/tokens?" + tt.asked; a.asked[len(a.asked)-1] != want {
			t.Errorf("%s: asked %q, want %q", tt.flags, a.asked, want)
		}
	}
	_, out, _ := invoke(newFakeAPI().start(t), "session", "list", "--limit=1")
	if want := "s-0\toidc/google:0\t0@example.com\tThe <b>\\x1b[2J\\u202e\\t0\t2026-03-01T12:00:00Z\t2026-03-02T12:00:00Z\n"; out != want {
		t.Errorf("got  %q\nwant %q", out, want)
	}
}

// The claims tell the subject, whatever the provider's mapping made of the rest.
func TestSessionSubject(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]apiSession{
		"oidc/google:real": {Method: "METHOD_OIDC", Metadata: map[string]string{
			"io.flipt.auth.oidc.provider": "google", "io.flipt.auth.oidc.sub": "mapped", "io.flipt.auth.claims": `{"sub":"real"}`,
		}},
		"oidc/google:mapped": {Method: "METHOD_OIDC", Metadata: map[string]string{
			"io.flipt.auth.oidc.provider": "google", "io.flipt.auth.oidc.sub": "mapped", "io.flipt.auth.claims": `{`,
		}},
		"github:101": {Method: "METHOD_GITHUB", Metadata: map[string]string{"io.flipt.auth.github.sub": "101", "io.flipt.auth.claims": `{"sub":"x"}`}},
		"kubernetes": {Method: "METHOD_KUBERNETES"},
	} {
		if got := subjectName(s.subject()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSessionRevoke(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arguments string
		code      int
		left, out string
	}{
		{"s-0", 0, "12345", "1 session ended\n"},
		{"s-0 s-3 --json s-5", 0, "124", "{\n  \"revoked\": 3\n}\n"},
		{"s-0 s-9 s-1", 1, "2345", "2 sessions ended\n"},
		{"s-9", 1, "012345", ""},
		{"--user u-1 --yes", 0, "0145", "2 sessions ended\n"},
		{"--user 1@EXAMPLE.com --yes", 0, "0145", "2 sessions ended\n"},
		{"--user 0@example.com --yes", 1, "012345", ""},
		{"--user 7@example.com --yes", 1, "012345", ""},
		{"--user u-9 --yes", 0, "012345", "0 sessions ended\n"},
		{"--yes --method github", 0, "01234", "1 session ended\n"},
		{"--yes --subject oidc/google:1", 0, "0145", "2 sessions ended\n"},
		{"--yes --subject oidc/google:1 --user u-2 --json", 0, "012345", "{\n  \"revoked\": 0\n}\n"},
	} {
		a := newFakeAPI()
		code, out, errs := invoke(a.start(t), append([]string{"session", "revoke"}, strings.Fields(tt.arguments)...)...)
		if code != tt.code || out != tt.out || (errs == "") != (code == 0) || a.left() != tt.left {
			t.Errorf("%s: %d, left %s\n%s%s", tt.arguments, code, a.left(), out, errs)
		}
	}
	a := newFakeAPI()
	invoke(a.start(t), "session", "revoke", "--before", "2026-03-01T13:00:00.5+01:00", "--yes")
	if want := "DELETE /auth/v1/tokens?before=2026-03-01T13%3A00%3A00.5%2B01%3A00"; a.asked[0] != want {
		t.Errorf("asked %q, want %q", a.asked, want)
	}
}

func TestUserDisableAndEnable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line         string
		code         int
		ids, enabled string
		errs         string
	}{
		{"disable u-1", 0, "u-1", "0", ""},
		{"disable 1@example.com u-1", 0, "u-1", "0", ""},
		{"enable 2@example.com", 0, "u-2", "012", ""},
		{"enable u-3 u-2", 0, "u-3 u-2", "0123", ""},
		{"disable u-0 u-1", 1, "u-1", "0", "user u-0: http://"},
		{"disable u-9 u-1", 1, "u-1", "0", "getting user by id not found"},
		{"disable u-1 0@example.com", 1, "", "01", "name one by its ID: u-0, u-3\ngateward: nothing has been changed"},
		{"disable u-1 7@example.com 0@example.com", 1, "", "01", "7@example.com: no user has this address"},
	} {
		a := newFakeAPI()
		code, out, errs := invoke(a.start(t), append([]string{"user"}, strings.Fields(tt.line)...)...)
		enabled := ""
		for i, u := range a.users {
			if u["enabled"] == true {
				enabled += fmt.Sprint(i)
			}
		}
		if code != tt.code || column(out, 0) != tt.ids || enabled != tt.enabled || !strings.Contains(errs, tt.errs) || (errs == "") != (code == 0) {
			t.Errorf("%s: %d, enabled %s\n%s%s", tt.line, code, enabled, out, errs)
		}
	}
	code, out, _ := invoke(newFakeAPI().start(t), "user", "disable", "u-9", "--json")
	if code != exitError || strings.Join(strings.Fields(out), "") != `{"users":[],"more":false}` {
		t.Errorf("nobody: %d %s", code, out)
	}
}

// A server that answers with more than was asked for must not make the wrong
// person lose access.
func TestUserDisable_WhoWasNotAskedFor(t *testing.T) {
	t.Parallel()
	a := newFakeAPI()
	a.users = a.users[1:2]
	a.users[0]["emails"] = []string{"other@example.com"}
	ignoring := newFakeAPI()
	ignoring.answer = a.listUsers
	a.users[0]["emails"] = []string{""} // what the fake compares with no address
	code, out, errs := invoke(ignoring.start(t), "user", "disable", "ada@example.com")
	if code != exitError || out != "" || !strings.Contains(errs, "no user has this address") || len(ignoring.asked) != 1 {
		t.Errorf("%d, asked %q\n%s%s", code, ignoring.asked, out, errs)
	}
}

// Through the program itself: who logs in is listed, kept out and let in.
func TestCommandLineOfAServer(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(loginAt(oidctest.Start(t)), "tokens: {", "tokens: {boss: {credential: "+adminToken+"}, ", 1) +
		"  admins: {subjects: [\"token:boss\"]}\n"
	r := serve(t, t.TempDir(), yaml)
	environ := []string{serverVariable + "=http://" + r.login, tokenVariable + "=" + adminToken}
	do := func(code int, line string) string {
		t.Helper()
		got, out, errs := invoke(environ, strings.Fields(line)...)
		if got != code {
			t.Fatalf("%s: %d\n%s%s", line, got, out, errs)
		}
		return out + errs
	}
	if out := do(0, "user list") + do(0, "session list"); out != "" {
		t.Errorf("before any login: %s", out)
	}
	conn := r.dial()
	cookie, email := r.person().logIn(), oidctest.Ada().Email
	wantCheck(t, conn, 200, "cookie", cookie)
	users := do(0, "user list")
	fields := strings.Split(users, "\t")
	if len(fields) != 6 || fields[1] != "enabled" || fields[2] != email || fields[5] == "\n" {
		t.Fatalf("users: %q", users)
	}
	id, identity := fields[0], fields[4]
	if got := do(0, "user list --email "+strings.ToUpper(email)); got != users {
		t.Errorf("by address: %q", got)
	}
	sessions := do(0, "session list")
	for _, flags := range []string{"--user " + id, "--user " + email, "--subject " + identity, "--method oidc", "--expired"} {
		if got := do(0, "session list "+flags); got != sessions || !strings.Contains(got, identity) {
			t.Errorf("sessions with %s: %q, want %q", flags, got, sessions)
		}
	}
	if got := do(0, "session list --user "+strings.Repeat("0", 36)) + do(0, "session list --method github"); got != "" {
		t.Errorf("nobody's sessions: %q", got)
	}
	do(0, "session revoke "+column(sessions, 0))
	wantCheck(t, conn, 401, "cookie", cookie)
	if got := do(1, "session revoke "+column(sessions, 0)); !strings.Contains(got, "no longer") {
		t.Errorf("again: %s", got)
	}
	for _, flags := range []string{"--user " + email, "--subject " + identity, "--method oidc", "--before 2100-01-01T00:00:00Z"} {
		cookie = r.person().logIn()
		if got := do(0, "session revoke --yes "+flags); got != "1 session ended\n" {
			t.Errorf("revoke %s: %s", flags, got)
		}
		wantCheck(t, conn, 401, "cookie", cookie)
	}

	cookie = r.person().logIn()
	if got := column(do(0, "user disable "+email), 1); got != "disabled" || do(0, "session list") != "" {
		t.Errorf("disabled: %s", got)
	}
	wantCheck(t, conn, 401, "cookie", cookie)
	if got := column(do(0, "user list --disabled"), 0); got != id {
		t.Errorf("disabled ones: %s", got)
	}
	if a := r.person().open("GET", "/auth/login?rd=%2Fdeep"); a.status != 403 {
		t.Errorf("login of a disabled user: %d\n%s", a.status, a.body)
	}
	do(0, "user enable "+id)
	wantCheck(t, conn, 200, "cookie", r.person().logIn())
	do(1, "user disable "+strings.Repeat("0", 36))

	environ[1] = tokenVariable + "=" + goodToken // not an administrator's
	if got := do(1, "user disable "+id); !strings.Contains(got, "authentication.admins") {
		t.Errorf("by somebody else: %s", got)
	}
	environ[1] = tokenVariable + "=" + otherToken
	if got := do(1, "session list"); !strings.Contains(got, "token not accepted") {
		t.Errorf("with a bad token: %s", got)
	}
}
