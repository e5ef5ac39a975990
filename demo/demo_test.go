package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestUpstreamShowsWhatItReceived(t *testing.T) {
	t.Parallel()
	u, err := startUpstream(t.Context(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	got, err := sendHTTP(t.Context(), http.DefaultClient, u.address, example{path: "/a%2Fb?c", header: []field{{"X_Odd", "1"}, {"X-B", "2"}}})
	if err != nil || got.status != 200 {
		t.Fatal(got, err)
	}
	for _, want := range []string{`"path": "/a%2Fb?c"`, `"x_odd"`, `"x-b"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("%s is missing in %s", want, got.text)
		}
	}
	page, err := sendHTTP(t.Context(), http.DefaultClient, u.address, example{path: "/", header: []field{{"Accept", "text/html"}, {"X-B", "<script>"}}})
	if err != nil || !strings.Contains(page.text, "<td>&lt;script&gt;") {
		t.Errorf("page: got %v, %q", err, page.text)
	}

	conn, err := grpc.NewClient("passthrough:///"+u.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for method, want := range map[string]string{"/Say": "x-b: 2", "/Count": "hello 3"} {
		got, err := sendGRPC(t.Context(), conn, example{path: echoService + method, header: []field{{"X-B", "2"}}})
		if err != nil || got.status != 0 || !strings.Contains(got.text, want) {
			t.Errorf("%s: got %+v, %v", method, got, err)
		}
	}
	if err := checkReflection(t.Context(), conn); err != nil {
		t.Errorf("reflection: %v", err)
	}
}

// TestCompareCanFail: a check that cannot fail would prove nothing.
func TestCompareCanFail(t *testing.T) {
	t.Parallel()
	e := example{want: 200, shows: []string{"a"}, hides: []string{"b"}}
	for text, tt := range map[string]struct {
		got reply
		ok  bool
	}{
		"good":   {reply{200, "a"}, true},
		"status": {reply{401, "a"}, false},
		"shows":  {reply{200, ""}, false},
		"hides":  {reply{200, "ab"}, false},
	} {
		if err := e.compare(tt.got); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", text, err)
		}
	}
	// Nothing listens there: every example differs.
	address, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + address
	if err := check(t.Context(), io.Discard, address, places{origin, origin, origin}, examples(tokens{})); err == nil {
		t.Error("check passes without an Envoy")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	i, err := startIssuer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer i.server.Close()
	tokens, err := i.tokens(time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if parts := strings.Split(tokens.Unsigned, "."); len(parts) != 3 || parts[2] != "" {
		t.Errorf("unsigned token has a signature: %s", tokens.Unsigned)
	}
	input, signature := tokens.EdDSA[:strings.LastIndex(tokens.EdDSA, ".")], tokens.EdDSA[strings.LastIndex(tokens.EdDSA, ".")+1:]
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !ed25519.Verify(i.edKey, []byte(input), raw) {
		t.Errorf("EdDSA signature: %v", err)
	}
	resp, err := http.Get(i.url + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var set struct{ Keys []map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || len(set.Keys) != 3 {
		t.Errorf("key set: %v, %v", set, err)
	}
	for _, k := range set.Keys {
		if k["d"] != "" || k["kid"] == "" {
			t.Errorf("key %v: private, or without an id", k)
		}
	}
}

// TestCommandsSurviveTheShell runs a printed line through a shell that prints
// its arguments instead of sending them.
func TestCommandsSurviveTheShell(t *testing.T) {
	t.Parallel()
	e := example{path: "/a/../b", header: []field{{"X", `it's $HOME "x"`}}}
	got, err := exec.CommandContext(t.Context(), "sh", "-c", `curl() { printf '%s\n' "$@"; }; `+e.command("127.0.0.1:1")).Output()
	want := "-i\n--path-as-is\n-H\nX: it's $HOME \"x\"\nhttp://127.0.0.1:1/a/../b\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestTakenPortIsExplained(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	err = run(t.Context(), []string{"--port", port, "--directory", t.TempDir()}, "envoy", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "choose another with --port") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line with a remedy", err)
	}
}

// TestChildThatEndsIsReported: its last words are in the error, and nothing is
// waited for in vain.
func TestChildThatEndsIsReported(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "child")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho no such luck\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ended := make(chan *process, 1)
	p, err := startProcess(t.TempDir(), "child", ended, file)
	if err != nil {
		t.Fatal(err)
	}
	err = p.waitReady(context.WithoutCancel(t.Context()), func() (string, error) { return "", io.EOF })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("got %v", err)
	}
	if got := <-ended; got != p {
		t.Errorf("got %v", got)
	}
}
