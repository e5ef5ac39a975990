package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gateward": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// usage ARGS runs gateward, for a usage error: exit code 2 and nothing on
			// standard output. It is written "! usage".
			"usage": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec("gateward", args...)
				exit := (*exec.ExitError)(nil)
				if !neg || !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
					ts.Fatalf("gateward %v: %v, want exit code %d", args, err, exitUsage)
				}
				if out := ts.ReadFile("stdout"); out != "" {
					ts.Fatalf("usage error on standard output: %s", out)
				}
			},
			// serving ADDRESS waits until a health check of ADDRESS succeeds.
			"serving": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(untilServing(args[0]))
			},
			// pair CERT KEY CA writes a certificate, its key and its issuer.
			"pair": func(ts *testscript.TestScript, _ bool, args []string) {
				ca := newTestCA(t, "script")
				cert, key := ca.issue("gateward.test")
				for i, content := range [][]byte{cert, key, ca.pem} {
					ts.Check(os.WriteFile(ts.MkAbs(args[i]), content, 0o600))
				}
			},
		},
	})
}

func untilServing(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		err := askHealth(ctx, address, false)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("%s never served", address))
		case <-retry.C:
		}
	}
}

// invoke runs one command line in this process.
func invoke(environ []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, environ, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestHelpNamesEveryCommand(t *testing.T) {
	t.Parallel()
	_, all, _ := invoke(nil, "help")
	for _, c := range commands() {
		if !strings.Contains(all, "\n  "+c.name+" ") {
			t.Errorf("%s is not in the help", c.name)
		}
		code, one, errs := invoke(nil, "help", c.name)
		if code != 0 || errs != "" || !strings.Contains(one, "Usage: gateward "+c.name) {
			t.Errorf("help %s: %d\n%s%s", c.name, code, one, errs)
		}
		code, same, _ := invoke(nil, c.name, "-h")
		if code != 0 || same != one {
			t.Errorf("%s -h: %d, other than help %s", c.name, code, c.name)
		}
		for line := range strings.Lines(all + one) {
			if len(line) > 101 {
				t.Errorf("long line of help: %s", line)
			}
		}
	}
}

func TestSEC_Q06_PlainTCPIsWarnedAbout(t *testing.T) {
	t.Parallel()
	environ := []string{
		"GATEWARD_AUTHENTICATION_METHODS_TOKEN_ENABLED=true",
		"GATEWARD_AUTHENTICATION_METHODS_TOKEN_STORAGE_TOKENS_CI_CREDENTIAL=" + goodToken,
	}
	for address, warned := range map[string]bool{":9001": true, "10.0.0.7:9001": true, "127.0.0.1:9001": false, "unix:///run/gw.sock": false} {
		code, out, errs := invoke(append(environ, "GATEWARD_SERVER_GRPC_ADDRESS="+address), "validate")
		if got := strings.Contains(errs, "mesh"); code != 0 || got != warned {
			t.Errorf("%s: %d, warned %v\n%s%s", address, code, got, out, errs)
		}
	}
}

func TestValidateIsOffline(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	issuer.release()
	path := filepath.Join(t.TempDir(), "gateward.yaml")
	write(t, path, jwtConfiguration(issuer))
	if code, _, errs := invoke(nil, "validate", "--config", path); code != 0 {
		t.Errorf("%d: %s", code, errs)
	}
	select {
	case <-issuer.request:
		t.Error("the key set was asked for")
	default:
	}
}
