package githubtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/methods/github/githubtest"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "https://app.example.com/callback"
)

func start(t *testing.T, o githubtest.Options) (*githubtest.Server, string) {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Unix(1e9, 0) }
	}
	o.CallbackURL = callback
	hub := githubtest.New(o)
	hub.AddUser(githubtest.User{ID: 1, Login: "ada", Emails: []githubtest.Email{{Address: "ada@example.com", Primary: true, Verified: true}}})
	server := httptest.NewServer(hub)
	t.Cleanup(server.Close)
	return hub, server.URL
}

// answer is a response whose body has been read.
type answer struct {
	StatusCode int
	Header     http.Header
}

// ask makes a request without following redirects.
func ask(t *testing.T, method, address string, form url.Values, header ...string) (answer, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header}, string(body)
}

func authorization(base string, change map[string]string) string {
	v := url.Values{
		"client_id": {"client"}, "redirect_uri": {callback}, "scope": {"user user:email read:org"}, "state": {"xyz"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for name, value := range change {
		v.Set(name, value)
		if value == "" {
			v.Del(name)
		}
	}
	return base + "/login/oauth/authorize?" + v.Encode()
}

func codeOf(t *testing.T, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("state") != "xyz" {
		t.Fatalf("location %s", location)
	}
	return u.Query().Get("code")
}

// token logs in and returns the answer in JSON.
func token(t *testing.T, hub *githubtest.Server, base string) map[string]any {
	t.Helper()
	location, err := hub.Authorize(authorization(base, nil), "ada")
	if err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, "POST", base+"/login/oauth/access_token", redemption(codeOf(t, location)), "Accept", "application/json")
	var all map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil || all["access_token"] == nil {
		t.Fatalf("answer %s", body)
	}
	return all
}

func redemption(code string) url.Values {
	return url.Values{"client_id": {"client"}, "client_secret": {"client-secret"}, "code": {code}, "code_verifier": {verifier}}
}

func TestPageSendsTheBrowserBack(t *testing.T) {
	t.Parallel()
	_, base := start(t, githubtest.Options{})
	res, page := ask(t, "GET", authorization(base, nil), nil)
	if res.StatusCode != http.StatusOK || !strings.Contains(page, "Continue as ada") || strings.Contains(page, "<script") || !strings.Contains(page, `value="xyz"`) {
		t.Fatalf("%d %s", res.StatusCode, page)
	}
	form, _ := url.ParseQuery(strings.SplitN(authorization("", nil), "?", 2)[1])
	form.Set("account", "ada")
	res, _ = ask(t, "POST", base+"/login/oauth/authorize", form)
	code := codeOf(t, res.Header.Get("Location"))
	if res.StatusCode != http.StatusFound || code == "" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	form.Set("cancel", "1")
	res, _ = ask(t, "POST", base+"/login/oauth/authorize", form)
	if to := res.Header.Get("Location"); !strings.Contains(to, "error=access_denied") || !strings.Contains(to, "state=xyz") {
		t.Errorf("cancelled: %s", to)
	}
}

func TestAuthorizationProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change map[string]string
		want   string
	}{
		"another host":      {map[string]string{"redirect_uri": "https://evil.example/callback"}, callback + "?error=redirect_uri_mismatch"},
		"another path":      {map[string]string{"redirect_uri": "https://app.example.com/callback2"}, callback + "?error=redirect_uri_mismatch"},
		"plain challenge":   {map[string]string{"code_challenge_method": "plain"}, callback + "?error=invalid_request"},
		"method missing":    {map[string]string{"code_challenge_method": ""}, callback + "?error=invalid_request"},
		"challenge missing": {map[string]string{"code_challenge": ""}, callback + "?error=invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, base := start(t, githubtest.Options{})
			res, _ := ask(t, "GET", authorization(base, tt.change), nil)
			if to := res.Header.Get("Location"); !strings.HasPrefix(to, tt.want) {
				t.Errorf("%d %s", res.StatusCode, to)
			}
		})
	}
	_, base := start(t, githubtest.Options{})
	if res, _ := ask(t, "GET", authorization(base, map[string]string{"client_id": "x"}), nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown application: %d", res.StatusCode)
	}
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	for accept, want := range map[string]string{
		"":                 "scope=user%2Cread%3Aorg&token_type=bearer",
		"application/json": `"scope":"user,read:org","token_type":"bearer"`,
		"application/xml":  "<scope>user,read:org</scope><token_type>bearer</token_type></OAuth>",
	} {
		location, err := hub.Authorize(authorization(base, nil), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if _, body := ask(t, "POST", base+"/login/oauth/access_token", redemption(codeOf(t, location)), "Accept", accept); !strings.Contains(body, want) {
			t.Errorf("%s: %s", accept, body)
		}
	}
	for name, change := range map[string]map[string]string{
		"bad_verification_code":        {"code": "x"},
		"bad_code_verifier":            {"code_verifier": "x"},
		"incorrect_client_credentials": {"client_secret": "x"},
		"redirect_uri_mismatch":        {"redirect_uri": callback + "/x"},
	} {
		location, err := hub.Authorize(authorization(base, nil), "ada")
		if err != nil {
			t.Fatal(err)
		}
		form := redemption(codeOf(t, location))
		for k, v := range change {
			form.Set(k, v)
		}
		if res, body := ask(t, "POST", base+"/login/oauth/access_token", form, "Accept", "application/json"); res.StatusCode != http.StatusOK || !strings.Contains(body, `"error":"`+name+`"`) {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
}

// TestScopesThatAreNotAskedFor are those of the last time.
func TestScopesThatAreNotAskedFor(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	token(t, hub, base)
	location, err := hub.Authorize(authorization(base, map[string]string{"scope": ""}), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, "POST", base+"/login/oauth/access_token", redemption(codeOf(t, location))); !strings.Contains(body, "scope=user%2Cread%3Aorg") {
		t.Errorf("answer %s", body)
	}
}

func TestAPIRefusals(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	raw, _ := token(t, hub, base)["access_token"].(string)
	bearer := []string{"Authorization", "token " + raw, "User-Agent", "test"}
	for name, tt := range map[string]struct {
		path   string
		header []string
		status int
		says   string
	}{
		"fine":            {"/user", bearer, 200, `"login":"ada"`},
		"no user agent":   {"/user", append([]string{"X-A", "b"}, "Authorization", "Bearer "+raw, "User-Agent", ""), 403, "User-Agent header"},
		"no credential":   {"/user", []string{"User-Agent", "test"}, 401, "Requires authentication"},
		"bad credential":  {"/user", []string{"User-Agent", "test", "Authorization", "Bearer x"}, 401, "Bad credentials"},
		"unknown version": {"/user", append(bearer[:4:4], "X-GitHub-Api-Version", "1999-01-01"), 400, "version"},
		"known version":   {"/user", append(bearer[:4:4], "X-GitHub-Api-Version", "2022-11-28"), 200, "ada"},
		"unknown path":    {"/nothing", bearer, 404, `"documentation_url"`},
		"somebody else":   {"/user/2/orgs", bearer, 404, "Not Found"},
		"bad state":       {"/user/memberships/orgs?state=x", bearer, 422, "Validation"},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := ask(t, "GET", base+tt.path, nil, tt.header...)
			if res.StatusCode != tt.status || !strings.Contains(body, tt.says) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	hub.GrantOnly("gist")
	raw, _ = token(t, hub, base)["access_token"].(string)
	for path, status := range map[string]int{"/user": 200, "/user/emails": 404, "/user/orgs": 403, "/user/memberships/orgs": 403, "/user/teams": 403} {
		res, _ := ask(t, "GET", base+path, nil, "Authorization", "Bearer "+raw, "User-Agent", "test")
		if res.StatusCode != status || res.Header.Get("X-Oauth-Scopes") != "gist" {
			t.Errorf("%s without its scope: %d", path, res.StatusCode)
		}
	}
	for range 40 {
		ask(t, "GET", base+"/user", nil, "Authorization", "Bearer x", "User-Agent", "test")
	}
	if res, body := ask(t, "GET", base+"/user", nil, "Authorization", "Bearer "+raw, "User-Agent", "test"); res.StatusCode != http.StatusForbidden {
		t.Errorf("after many bad credentials: %d %s", res.StatusCode, body)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	raw, _ := token(t, hub, base)["access_token"].(string)
	for i := range 75 {
		name := "org-" + strconv.Itoa(i)
		hub.AddOrganization(githubtest.Organization{Login: name})
		hub.SetMembership(name, "ada", githubtest.Active)
	}
	get := func(address string) (answer, int) {
		t.Helper()
		res, body := ask(t, "GET", address, nil, "Authorization", "Bearer "+raw, "User-Agent", "test")
		var all []any
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		return res, len(all)
	}
	res, n := get(base + "/user/orgs")
	want := `<` + base + `/user/1/orgs?page=2>; rel="next", <` + base + `/user/1/orgs?page=3>; rel="last"`
	if n != 30 || res.Header.Get("Link") != want {
		t.Errorf("%d entries, Link %s", n, res.Header.Get("Link"))
	}
	res, n = get(base + "/user/1/orgs?page=3")
	want = `<` + base + `/user/1/orgs?page=2>; rel="prev", <` + base + `/user/1/orgs?page=1>; rel="first"`
	if n != 15 || res.Header.Get("Link") != want {
		t.Errorf("%d entries, Link %s", n, res.Header.Get("Link"))
	}
	if _, n = get(base + "/user/orgs?per_page=1000"); n != 75 {
		t.Errorf("%d entries", n)
	}
	if _, n = get(base + "/user/orgs?page=9"); n != 0 {
		t.Errorf("%d entries behind the end", n)
	}
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	raw, _ := token(t, hub, base)["access_token"].(string)
	get := func(tag string) answer {
		res, _ := ask(t, "GET", base+"/user", nil, "Authorization", "Bearer "+raw, "User-Agent", "test", "If-None-Match", tag)
		return res
	}
	first := get("")
	again := get(first.Header.Get("Etag"))
	if again.StatusCode != http.StatusNotModified || again.Header.Get("X-Ratelimit-Remaining") != first.Header.Get("X-Ratelimit-Remaining") {
		t.Errorf("%d, remaining %s and %s", again.StatusCode, first.Header.Get("X-Ratelimit-Remaining"), again.Header.Get("X-Ratelimit-Remaining"))
	}
	hub.Rename("ada", "countess")
	if res := get(first.Header.Get("Etag")); res.StatusCode != http.StatusOK {
		t.Errorf("after a change: %d", res.StatusCode)
	}
}

func TestEnterprisePaths(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{Enterprise: true})
	location, err := hub.Authorize(authorization(base, map[string]string{"code_challenge": "anything"}), "ada")
	if err != nil {
		t.Fatal(err)
	}
	form := redemption(codeOf(t, location))
	form.Del("code_verifier")
	_, body := ask(t, "POST", base+"/login/oauth/access_token", form)
	v, _ := url.ParseQuery(body)
	header := []string{"Authorization", "Bearer " + v.Get("access_token"), "User-Agent", "test"}
	res, body := ask(t, "GET", base+"/api/v3/user", nil, header...)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "ldap_dn") || res.Header.Get("X-Github-Enterprise-Version") == "" || res.Header.Get("X-Ratelimit-Limit") != "" {
		t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
	}
	if res, _ := ask(t, "GET", base+"/user", nil, header...); res.StatusCode != http.StatusNotFound {
		t.Errorf("at the root: %d", res.StatusCode)
	}
}

func TestOfflineAccessExpires(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	hub.GrantOnly("user", "offline_access")
	all := token(t, hub, base)
	if all["expires_in"] != 28800.0 || all["refresh_token_expires_in"] != 15897600.0 {
		t.Fatalf("answer %v", all)
	}
	refresh, _ := all["refresh_token"].(string)
	form := url.Values{"client_id": {"client"}, "client_secret": {"client-secret"}, "grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	if _, body := ask(t, "POST", base+"/login/oauth/access_token", form); !strings.Contains(body, "access_token=") {
		t.Errorf("answer %s", body)
	}
	if _, body := ask(t, "POST", base+"/login/oauth/access_token", form); !strings.Contains(body, "error=bad_refresh_token") {
		t.Errorf("used twice: %s", body)
	}
	access, _ := all["access_token"].(string)
	if res, _ := ask(t, "GET", base+"/user", nil, "Authorization", "Bearer "+access, "User-Agent", "test"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old access token: %d", res.StatusCode)
	}
}

func TestSuspendedAccounts(t *testing.T) {
	t.Parallel()
	hub, base := start(t, githubtest.Options{})
	access, _ := token(t, hub, base)["access_token"].(string)
	hub.Suspend("ADA", true)
	res, body := ask(t, http.MethodGet, base+"/user", nil, "Authorization", "Bearer "+access, "User-Agent", "test")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(body, `"Sorry. Your account was suspended."`) {
		t.Errorf("status %d, %s", res.StatusCode, body)
	}
	if _, err := hub.Authorize(authorization(base, nil), "ada"); err == nil {
		t.Error("logs in all the same")
	}
	hub.Suspend("ada", false)
	if res, _ = ask(t, http.MethodGet, base+"/user", nil, "Authorization", "Bearer "+access, "User-Agent", "test"); res.StatusCode != http.StatusOK {
		t.Errorf("status %d afterwards", res.StatusCode)
	}
}
