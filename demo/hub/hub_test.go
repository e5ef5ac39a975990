package hub_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gateward/gateward/demo/hub"
)

const callback = "http://localhost:1/callback"

var action = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// visitor is a browser at a hub.
type visitor struct {
	t      *testing.T
	hub    *hub.Hub
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	h, err := hub.Start(t.Context(), hub.Config{ClientID: "client", ClientSecret: "secret", CallbackURL: callback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, h, &http.Client{
		Jar: jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what came back; location is where a redirect leads to.
type answer struct {
	status         int
	location, body string
}

func (v *visitor) send(method, address string, form url.Values) answer {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(body)}
}

// authorize opens the page for an application.
func (v *visitor) authorize(more string) answer {
	v.t.Helper()
	q := url.Values{"client_id": {"client"}, "redirect_uri": {callback}, "state": {"s"}, "scope": {"read:org"}}
	return v.send(http.MethodGet, v.hub.URL+"/login/oauth/authorize?"+q.Encode()+more, nil)
}

// choose chooses somebody on a page.
func (v *visitor) choose(page answer, login string) answer {
	v.t.Helper()
	found := action.FindStringSubmatch(page.body)
	if found == nil {
		v.t.Fatalf("nobody can be chosen: %s", page.body)
	}
	return v.send(http.MethodPost, v.hub.URL+html.UnescapeString(found[1]), url.Values{"account": {login}})
}

func wantCallback(t *testing.T, got answer) {
	t.Helper()
	to, err := url.Parse(got.location)
	if err != nil || !strings.HasPrefix(got.location, callback+"?") || to.Query().Get("code") == "" || to.Query().Get("state") != "s" {
		t.Errorf("got %d to %q, %v", got.status, got.location, err)
	}
}

// TestChoice: a browser is asked once, and again if the application wants it.
func TestChoice(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	page := v.authorize("")
	for _, want := range []string{"Ada Lovelace", "not a member", "has not accepted yet", "Accept an invitation"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%q is missing in %s", want, page.body)
		}
	}
	if got := v.choose(page, "nobody"); got.status != http.StatusBadRequest {
		t.Errorf("an unknown person: got %d", got.status)
	}
	wantCallback(t, v.choose(page, "ada-lovelace"))
	wantCallback(t, v.authorize(""))
	wantCallback(t, v.choose(v.authorize("&prompt=select_account"), "linus-guest"))
}

// TestInvitation: only who is invited can join.
func TestInvitation(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	at := v.hub.URL + "/orgs/" + hub.Organization + "/invitation"
	page := v.send(http.MethodGet, at, nil)
	if !strings.Contains(page.body, "Wanda") || strings.Contains(page.body, "Linus") {
		t.Errorf("got %s", page.body)
	}
	for login, want := range map[string]int{"linus-guest": http.StatusNotFound, "wanda": http.StatusOK} {
		if got := v.choose(page, login); got.status != want {
			t.Errorf("%s: got %d, want %d", login, got.status, want)
		}
	}
}

// TestOtherHosts: a name that a page elsewhere resolves to this machine is not
// this server.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.hub.URL+"/user", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "elsewhere.example"
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("got %s, want 421", resp.Status)
	}
}
