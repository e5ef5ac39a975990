package loginsvc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// People see and end their own sessions, administrators everybody's.
func TestSEC_P04_TokensAreOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, bob := w.visitor(), w.visitor()
	ada.logIn(w.google, "")
	w.pass(time.Second)
	w.google.subject = "bob"
	bob.logIn(w.google, "")
	w.pass(time.Second)
	w.corp.subject = "ada" // the same subject of another issuer is somebody else
	other := w.visitor()
	other.logIn(w.corp, "")
	all := w.sessions()
	if len(all) != 3 {
		t.Fatalf("got %d sessions", len(all))
	}
	list := func(v *visitor, headers ...string) []string {
		a := v.fetch(http.MethodGet, "/auth/v1/tokens", headers...)
		var body struct {
			Authentications []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
		if strings.Contains(a.body, ada.token()) || strings.Contains(a.body, fmt.Sprintf("%x", all[0].Key)) {
			t.Error("the list holds what can be presented or found by")
		}
		var ids []string
		for _, e := range body.Authentications {
			ids = append(ids, e.ID)
		}
		return ids
	}
	if got := list(ada); len(got) != 1 || got[0] != all[0].ID {
		t.Errorf("ada sees %v", got)
	}
	if got := list(w.visitor(), "Authorization", "Bearer boss"); len(got) != 3 || got[0] != all[0].ID || got[2] != all[2].ID {
		t.Errorf("the administrator sees %v", got)
	}
	if got := list(w.visitor(), "Authorization", "Bearer ci"); len(got) != 0 {
		t.Errorf("a static token sees %v", got)
	}
	for _, c := range []string{"GET", "DELETE"} {
		for _, id := range []string{all[1].ID, all[2].ID, "unknown", strings.Repeat("x", 100)} {
			a := ada.fetch(c, "/auth/v1/tokens/"+id, "Sec-Fetch-Site", "same-origin")
			if a.StatusCode != http.StatusNotFound || a.body != `{"code":5,"message":"getting authentication by id not found","details":[]}` {
				t.Errorf("%s %s: got %d %s", c, id, a.StatusCode, a.body)
			}
		}
	}
	if a := bob.fetch("DELETE", "/auth/v1/tokens/"+all[1].ID, "Sec-Fetch-Site", "same-origin"); a.StatusCode != http.StatusOK || bob.token() != "" {
		t.Errorf("one's own: got %d, cookie %q", a.StatusCode, bob.token())
	}
	if a := w.visitor().fetch("DELETE", "/auth/v1/tokens/"+all[2].ID, "Authorization", "Bearer boss"); a.StatusCode != http.StatusOK {
		t.Errorf("the administrator: got %d", a.StatusCode)
	}
	if got := w.sessions(); len(got) != 1 || got[0].ID != all[0].ID {
		t.Errorf("%d sessions are left", len(got))
	}
}

// Whoever has no subject owns nothing: an empty filter would select everything.
func TestTokens_NobodyOwnsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	w.options.Identifier = nobody{}
	w.start()
	a := w.visitor().fetch(http.MethodGet, "/auth/v1/tokens")
	if a.body != `{"authentications":[],"nextPageToken":""}` {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if a := w.visitor().fetch(http.MethodGet, "/auth/v1/tokens/"+w.sessions()[0].ID); a.StatusCode != http.StatusNotFound {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestTokens_Pages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 30 {
		w.visitor().logIn(w.google, "")
		w.pass(time.Second)
	}
	v := w.visitor()
	v.logIn(w.google, "")
	seen := map[string]bool{}
	var sizes []int
	for token := ""; ; {
		a := v.fetch(http.MethodGet, "/auth/v1/tokens?pageToken="+token)
		var body struct {
			Authentications []struct{ ID string }
			NextPageToken   string
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(body.Authentications))
		for _, e := range body.Authentications {
			seen[e.ID] = true
		}
		if token = body.NextPageToken; token == "" {
			break
		}
	}
	if len(seen) != 31 || len(sizes) != 2 || sizes[0] != 25 {
		t.Errorf("%d sessions on pages of %v", len(seen), sizes)
	}
	w.pass(time.Hour)
	w.google.subject = "ada"
	v.logIn(w.google, "")
	if a := v.fetch(http.MethodGet, "/auth/v1/tokens"); strings.Count(a.body, `"id"`) != 1 {
		t.Errorf("expired ones are listed: %s", a.body)
	}
	if a := v.fetch(http.MethodGet, "/auth/v1/tokens?expired=true&limit=1000"); strings.Count(a.body, `"id"`) != 32 {
		t.Errorf("expired ones, asked for: %d", strings.Count(a.body, `"id"`))
	}
}

func TestTokens_BySubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sixSessions(w)
	ids := map[string]string{} // to the name
	for _, s := range w.sessions() {
		ids[s.ID] = s.UserAgent
	}
	for _, tt := range []struct {
		query, want string // "400" for a refusal
	}{
		{"subject=oidc/google:1", "a f"},
		{"subject=oidc/google:1&limit=1", "a f"},
		{"subject=oidc/corp:1", "b"},
		{"subject=github:101", "c"},
		{"subject=oidc%2Ftenants%3Ax%3Ay%2Fz", "e"},
		{"subject=oidc/google:2&user=eve", "d"},
		{"subject=oidc/google:2&user=ada", ""},
		{"subject=github:101&method=METHOD_GITHUB", "c"},
		{"subject=oidc/tenants:1", ""},
		{"subject=oidc/nobody:1", "400"},
		{"subject=gihub:101", "400"},
		{"subject=GitHub:101", "400"},
		{"subject=METHOD_GITHUB:101", "400"},
		{"subject=github/x:101", "400"},
		{"subject=github:101&method=METHOD_OIDC", "400"},
		{"subject=1", "400"},
		{"subject=oidc:1", "400"},
	} {
		var got []string
		for token := ""; ; {
			a := w.asBoss(http.MethodGet, "/auth/v1/tokens?"+tt.query+"&pageToken="+token)
			var body struct {
				Authentications []struct{ ID string }
				NextPageToken   string
			}
			if err := json.Unmarshal([]byte(a.body), &body); err != nil {
				t.Fatal(err)
			}
			for _, e := range body.Authentications {
				got = append(got, ids[e.ID])
			}
			if a.StatusCode != http.StatusOK {
				got = append(got, fmt.Sprint(a.StatusCode))
			}
			if token = body.NextPageToken; token == "" {
				break
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.query, s, tt.want)
		}
	}
	// Others find among their own.
	v := w.as("ada")
	for query, want := range map[string]int{"oidc/google:ada": 1, "oidc/google:1": 0, "github:101": 0} {
		if a := v.fetch(http.MethodGet, "/auth/v1/tokens?subject="+query); a.StatusCode != http.StatusOK || strings.Count(a.body, `"id"`) != want {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
	}
	// What was configured once they are not told.
	if a := v.fetch(http.MethodGet, "/auth/v1/tokens?subject=oidc/tenants:1"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a former provider: got %d %s", a.StatusCode, a.body)
	}
}

// What ends somebody's session here asks no provider, which may be away: that
// person's browser is elsewhere.
func TestTokens_EndsWithoutTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	w.google.endErr = gateward.ErrUnavailable
	root := w.as("root")
	for name, end := range map[string]func(id string) *answer{
		"API":     func(id string) *answer { return root.fetch(http.MethodDelete, "/auth/v1/tokens/"+id) },
		"page":    func(id string) *answer { return root.submit("/auth/admin/sessions/" + id + "/revoke") },
		"account": func(id string) *answer { return w.as("ada").submit("/auth/account/sessions/" + id + "/revoke") },
	} {
		w.as("ada")
		all := w.sessions()
		id := all[len(all)-1].ID
		w.logs.Reset()
		if a := end(id); a.StatusCode >= 400 || slices.ContainsFunc(w.sessions(), func(s sessions.Session) bool { return s.ID == id }) {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.body)
		}
		if strings.Contains(w.logs.String(), "no address for a logout at the provider") {
			t.Errorf("%s: the provider was asked", name)
		}
		w.pass(time.Second)
	}
}
