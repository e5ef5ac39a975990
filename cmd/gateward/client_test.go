package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	adminToken = "the-administrator-of-the-tests"
	staffToken = "somebody-else-in-the-tests"
)

// TestPeopleScripts runs the program itself, with terminals.
func TestPeopleScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "people"),
		Setup: func(e *testscript.Env) error {
			s := httptest.NewServer(newFakeAPI())
			e.Defer(s.Close)
			e.Setenv("SERVER", s.URL)
			e.Setenv(serverVariable, s.URL)
			e.Setenv(tokenVariable, adminToken)
			e.Setenv("STAFF", staffToken)
			return nil
		},
	})
}

func TestGroupsHelp(t *testing.T) {
	t.Parallel()
	for word, all := range map[string][]command{"session": sessionCommands(), "user": userCommands()} {
		_, overview, _ := invoke(nil, word, "-h")
		for _, c := range all {
			if !strings.Contains(overview, "\n  "+c.name+" ") {
				t.Errorf("%s is not in the help:\n%s", c.name, overview)
			}
			words := strings.Fields(c.name)
			code, one, errs := invoke(nil, append(slices.Clone(words), "-h")...)
			if code != 0 || errs != "" || !strings.Contains(one, "Usage: gateward "+c.name+" ") || !strings.Contains(one, "GATEWARD_CLI_TOKEN") {
				t.Errorf("%s -h: %d\n%s%s", c.name, code, one, errs)
			}
			if _, same, _ := invoke(nil, append([]string{"help"}, words...)...); same != one {
				t.Errorf("help %s: got %s", c.name, same)
			}
			for line := range strings.Lines(one) {
				if len(line) > 110 {
					t.Errorf("long line of help: %s", line)
				}
			}
		}
	}
}

func TestClient_UsageErrors(t *testing.T) {
	t.Parallel()
	a := newFakeAPI()
	environ := a.start(t)
	for _, tt := range []struct{ line, want string }{
		{"session", "a command is missing"},
		{"session stop", `unknown command "stop"`},
		{"user", "a command is missing"},
		{"session list stray", `unexpected argument "stray"`},
		{"session list --limit 0", "--limit is less than 1"},
		{"session list --limit x", "invalid value"},
		{"session list --subject 101", "github:101"},
		{"session list --subject oidc:101", "oidc/google:1234"},
		{"session list --method none", "no session is begun"},
		{"session list --user bad/id", "neither the ID of a user nor"},
		{"session list --user=", "--user is empty"},
		{"session list --user u-1 --user u-2", "there is one already"},
		{"session list --server=", "--server is empty"},
		{"session list --token=", "--token is empty"},
		{"session list --token bad\x00token", "the token holds"},
		{"session list --server app.example.com", "like https://app.example.com"},
		{"session list --server https://ada:secret@app.example.com", "like https://"},
		{"session list --server https://app.example.com/?x", "like https://"},
		{"session list --server ftp://app.example.com", "like https://"},
		{"session list --server https://", "like https://"},
		{"session revoke", "which?"},
		{"session revoke --yes", "which?"},
		{"session revoke s-1 --user u-1 --yes", "exclude each other"},
		{"session revoke --user u-1", "--yes"},
		{"session revoke --before yesterday --yes", "RFC 3339"},
		{"session revoke --method METHOD_NONE --yes", "no session is begun"},
		{"session revoke ada@example.com", "not the ID of a session"},
		{"session revoke ..", "not the ID of a session"},
		{"session revoke s-1 a/b", "not the ID of a session"},
		{"session revoke -- --yes", "not the ID of a session"},
		{"user list --email=", "--email is empty"},
		{"user disable", "who?"},
		{"user disable u-1 ../tokens", "neither"},
		{"user disable u-1 --enabled", "flag provided but not defined"},
	} {
		code, out, errs := invoke(environ, strings.Fields(tt.line)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errs, "gateward: ") || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d\n%s%s", tt.line, code, out, errs)
		}
		if strings.Contains(errs, "secret") {
			t.Errorf("%s: a password is shown: %s", tt.line, errs)
		}
	}
	for _, arguments := range [][]string{{"session", "revoke", ""}, {"user", "disable", "u-1", ""}} {
		if code, _, errs := invoke(environ, arguments...); code != exitUsage || !strings.Contains(errs, "is empty") {
			t.Errorf("%q: %d %s", arguments, code, errs)
		}
	}
	for name, environ := range map[string][]string{"no server": environ[1:], "no token": environ[:1]} {
		if code, _, errs := invoke(environ, "user", "list"); code != exitUsage || !strings.Contains(errs, name+";") {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	if len(a.asked) != 0 {
		t.Errorf("asked %q", a.asked)
	}
}

func TestClient_Errors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status       int
		header, body string
		want         string
	}{
		"not authenticated": {401, "", `{"code":16,"message":"request was not authenticated"}`, "token not accepted; set GATEWARD_CLI_TOKEN to "},
		"forbidden":         {403, "", `{"code":7,"message":"administrators only"}`, "administrators only; it takes the token of somebody whom authentication.admins names"},
		"too often":         {429, "", `{"code":8,"message":"too many requests"}`, "too many requests; try again later"},
		"unavailable":       {503, "", `{"code":14,"message":"service is temporarily unavailable"}`, "unavailable; try again later"},
		"bad request":       {400, "", `{"code":3,"message":"parsing field \"limit\""}`, `parsing field "limit"`},
		"terminal":          {400, "", `{"message":"a\u001b[31m\u009b31m\nb\u202e"}`, `a\x1b[31m\u009b31m\nb\u202e`},
		"another's 404":     {404, "", "<title>nginx\x1b[2J</title>", "status 404; is this the address of Gateward's login service?"},
		"another's 502":     {502, "", "bad gateway", "status 502; is this"},
		"redirect":          {302, "https://app.test/auth/login?rd=x", "", "the answer leads to https://app.test; --server has to be"},
		"strange redirect":  {302, "https://app.test\u202e/", "", `leads to https://app.test\u202e; `},
		"no redirect":       {304, "", "", "the answer leads elsewhere; --server"},
		"a page":            {200, "", "<html>", "not Gateward's; is this the address"},
		"another's JSON":    {200, "", `{"items":[]}`, "not Gateward's"},
		"no list":           {200, "", `{"users":{},"nextPageToken":""}`, "not Gateward's"},
		"no end":            {200, "", `{"users":[],"nextPageToken":"again"}`, "the list has no end"},
		"too long":          {200, "", `{"users":["` + strings.Repeat("x", maxAnswer) + `"],"nextPageToken":""}`, "longer than"},
		"empty":             {204, "", "", "status 204"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newFakeAPI()
			a.answer = func(w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header()["Location"] = []string{tt.header}
				}
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			}
			code, out, errs := invoke(a.start(t), "user", "list", "--email", "a@example.com")
			if code != exitError || out != "" || !strings.HasPrefix(errs, "gateward: http://127.0.0.1:") || !strings.Contains(errs, tt.want) {
				t.Errorf("%d\n%s%s", code, out, errs)
			}
			if strings.Contains(errs, adminToken) || strings.ContainsAny(errs, "\x1b\u009b\u202e") || strings.Count(errs, "\n") != 1 {
				t.Errorf("got %q", errs)
			}
		})
	}
	gone := httptest.NewServer(newFakeAPI())
	gone.Close()
	code, _, errs := invoke(nil, "user", "list", "--server", gone.URL, "--token", adminToken)
	if code != exitError || !strings.HasPrefix(errs, "gateward: "+gone.URL+": no answer: ") || !strings.Contains(errs, "refused") {
		t.Errorf("nobody there: %d %s", code, errs)
	}
}

// What an administrator's token can do is worth more than a page.
func TestClient_TokenGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := newFakeAPI()
		a.answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+r.URL.Path, status) }
		environ := a.start(t)
		for _, line := range []string{"user list", "user disable u-1", "session revoke s-1", "session revoke --user u-1 --yes"} {
			code, out, errs := invoke(environ, strings.Fields(line)...)
			if code != exitError || out != "" || !strings.Contains(errs, "leads to "+other.URL) {
				t.Errorf("%d, %s: %d %s%s", status, line, code, out, errs)
			}
		}
	}
	if len(seen) != 0 {
		t.Errorf("the other host was asked: %q", seen)
	}
}

func TestClient_TLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(newFakeAPI())
	defer s.Close()
	dir := t.TempDir()
	good, other, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem"), filepath.Join(dir, "empty.pem")
	write(t, good, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	write(t, other, string(newTestCA(t, "other").pem))
	write(t, empty, "nothing")
	for name, tt := range map[string]struct {
		file string
		code int
		want string
	}{
		"trusted":         {good, 0, ""},
		"another's":       {other, exitError, "certificate"},
		"no certificates": {empty, exitError, "no certificate in it"},
		"no file":         {filepath.Join(dir, "none"), exitError, "no such file"},
	} {
		code, out, errs := invoke([]string{tokenVariable + "=" + adminToken}, "user", "list", "--server", s.URL+"/", "--ca-file", tt.file)
		if code != tt.code || !strings.Contains(errs, tt.want) || (out != "") != (code == 0) {
			t.Errorf("%s: %d\n%s%s", name, code, out, errs)
		}
	}
	if code, _, errs := invoke([]string{tokenVariable + "=" + adminToken}, "user", "list", "--server", s.URL); code != exitError || !strings.Contains(errs, "certificate") {
		t.Errorf("without --ca-file: %d %s", code, errs)
	}
}

func TestClient_ClearTextIsWarnedAbout(t *testing.T) {
	t.Parallel()
	for server, warned := range map[string]bool{
		"http://gateward:8080": true, "http://10.0.0.7": true, "http://127.0.0.1:1": false, "http://[::1]:1": false,
		"http://localhost:1": false, "https://gateward:8080": false,
	} {
		var errs bytes.Buffer
		p := &program{environ: []string{serverVariable + "=" + server, tokenVariable + "=x"}, stderr: &errs}
		f := newFlags(command{name: "user list"}, p, nil)
		c, err := p.connect(f, f.connection())
		if err != nil || c.base != server || strings.Contains(errs.String(), "warning: ") != warned {
			t.Errorf("%s: %v, %q", server, err, errs.String())
		}
	}
}

// Only connections that the proxy cannot look into go through one.
func TestClient_NoProxyForClearText(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.test:3128")
	t.Setenv("HTTPS_PROXY", "http://proxy.test:3128")
	u, err := proxyOf(httptest.NewRequest(http.MethodGet, "http://app.example.com", nil))
	if u != nil || err != nil {
		t.Errorf("got %v, %v", u, err)
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "Ada", "\x1b[2J", "a\tb\r\n", "\u202eevil", "\u009b31m", "\xff", "é\u0301", "\U000e0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var columns, tabs, doc bytes.Buffer
		one := table{head: []string{"A", "B"}, rows: [][]string{{s, s}}}
		if one.write(&columns, true) != nil || one.write(&tabs, false) != nil || (&program{stdout: &doc}).document(s) != nil {
			t.Fatal("not written")
		}
		if strings.Count(tabs.String(), "\t") != 1 || strings.Count(tabs.String(), "\n") != 1 || strings.Count(columns.String(), "\n") != 2 {
			t.Errorf("%q is not one cell: %q", s, tabs.String())
		}
		for _, out := range []string{columns.String(), strings.Replace(tabs.String(), "\t", "", 1), doc.String()} {
			if line := strings.ReplaceAll(out, "\n", ""); visible(line) != line {
				t.Errorf("%q: got %q", s, out)
			}
		}
		var back string
		if err := json.Unmarshal(doc.Bytes(), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && back != string([]rune(s)) {
			t.Errorf("%q: JSON %s is %q, %v", s, doc.String(), back, err)
		}
	})
}
