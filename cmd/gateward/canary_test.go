package main

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// TestSEC_N01_NoSecretInAnyOutput gives every secret a name with "canary" in
// it, lets the program do all it can do with them at its most talkative, and
// looks for canaries in whatever came out.
func TestSEC_N01_NoSecretInAnyOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "canary-in-a-file-0123456789\n")
	issuer := newTokenIssuer(t)
	issuer.release()
	token := issuer.token(t, `{"sub":"ada","aud":"gateward","exp":4000000000,"jti":"canary"}`)
	expired := issuer.token(t, `{"sub":"ada","aud":"gateward","exp":4,"jti":"canary"}`)
	signature := token[strings.LastIndexByte(token, '.')+1:]
	environ := []string{"CANARY=canary-in-the-environment-01", "GATEWARD_CANARY=canary-fits-no-key"}
	good, bad := canaryConfigurations(issuer.url)

	var said strings.Builder
	say := func(what, text string) { said.WriteString("--- " + what + "\n" + text + "\n") }
	r := serve(t, dir, good, environ...)
	say("validate", strings.Join(outputOf(invoke(environ, "validate", "--config", r.config)), "\n"))
	conn := r.dial()
	presentCanaries(t, conn, token, expired)
	for name, yaml := range bad {
		r.configure(yaml)
		r.signal(syscall.SIGHUP)
		r.tick()
		code, out, errs := invoke(environ, "validate", "--config", r.config)
		say("validate "+name, out+errs)
		if code != 1 || errs == "" {
			t.Errorf("%s: exit code %d\n%s", name, code, errs)
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/goroutine?debug=2"} {
		_, body := r.get(path)
		say(path, body)
	}
	r.signal(syscall.SIGTERM)
	r.drained <- time.Now()
	r.ended()
	say("serve", r.out.String())

	// Names of ours that mention canaries are not secrets.
	text := said.String()
	for _, innocent := range []string{"canary_test.go", "GATEWARD_CANARY", "environment variable CANARY", "env:CANARY"} {
		text = strings.ReplaceAll(text, innocent, "")
	}
	for line := range strings.Lines(text) {
		if strings.Contains(strings.ToLower(line), "canary") || strings.Contains(line, signature) ||
			strings.Contains(line, base64.StdEncoding.EncodeToString([]byte("canary"))[:6]) {
			t.Errorf("%s", line)
		}
	}
	if !strings.Contains(text, `"msg":"check"`) || !strings.Contains(text, "configuration problem") {
		t.Error("this has not tested much")
	}
}

func outputOf(_ int, stdout, stderr string) []string { return []string{stdout, stderr} }

// canaryConfigurations returns a configuration full of secrets, and variants
// that are wrong just where they are.
func canaryConfigurations(keys string) (good string, bad map[string]string) {
	good = listeners + `
authentication:
  methods:
    token:
      enabled: true
      storage:
        tokens:
          plain: {credential: canary-in-the-configuration}
          file: {credential: "${file:DIR/secret}"}
          env: {credential: "${env:CANARY}"}
          short: {credential: canary}
    jwt: {enabled: true, jwks_url: "` + keys + `/?key=canary", validate_claims: {audiences: [gateward]}}
rules:
  - {name: open, access: optional, match: {paths: [/open/**]}}
`
	bad = map[string]string{
		"twice":       strings.Replace(good, "${env:CANARY}", "canary-in-the-configuration", 1),
		"both":        strings.Replace(good, "{credential: canary}", "{credential: canary-1, credential_hash: canary-2}", 1),
		"hash":        strings.Replace(good, "{credential: canary}", "{credential_hash: canary}", 1),
		"list":        strings.Replace(good, "{credential: canary}", "{credential: [canary, canary]}", 1),
		"block":       strings.Replace(good, "{credential: canary}", "{credential: {canary: canary}}", 1),
		"unknown key": strings.Replace(good, "{credential: canary}", "{credentail: canary}", 1),
		"syntax":      strings.Replace(good, "{credential: canary}", "{credential: \"canary", 1),
		"user info":   strings.Replace(good, "http://", "https://user:canary@", 1),
		"scheme":      strings.Replace(good, "http://", "ftp://user:canary@", 1),
		"reference":   strings.Replace(good, "{credential: canary}", "{credential: \"${canary}\"}", 1),
	}
	return good, bad
}

// presentCanaries sends credentials, good and bad, in every place.
func presentCanaries(t *testing.T, conn *grpc.ClientConn, token, expired string) {
	t.Helper()
	for credential, want := range map[string]int{
		"Bearer canary-in-the-configuration":   200,
		"Bearer canary-in-a-file-0123456789":   200,
		"Bearer canary-in-the-environment-01":  200,
		"Bearer canary-unknown":                401,
		"Bearer canary canary":                 401,
		"Bearer canary,Bearer canary":          401,
		"Bearer " + token:                      200,
		"Bearer " + expired:                    401,
		"JWT " + token[:len(token)-4] + "AAAA": 401,
		"Basic " + base64.StdEncoding.EncodeToString([]byte("canary:canary")): 401,
		"Canary canary": 401,
		"Bearer " + strings.Repeat("canary", 20_000): 401,
	} {
		wantCheck(t, conn, want, "authorization", credential)
	}
	for _, cookie := range []string{"canary-in-the-configuration", "canary-unknown", token} {
		for _, path := range []string{"/x?code=canary&state=canary&access_token=canary", "/open/x", "/a/../canary%00?canary"} {
			if _, err := check(t.Context(), conn, strings.ReplaceAll(path, "/canary", "/c"), "cookie", "gateward_client_token="+cookie+"; other=canary"); err != nil {
				t.Error(err)
			}
		}
	}
}
