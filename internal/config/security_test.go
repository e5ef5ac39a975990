package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gateward/gateward/internal/config"
)

// refusals loads each configuration and wants a problem with the text.
func refusals(t *testing.T, tests map[string][2]string) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mustFail(t, tt[0]).Error(); !strings.Contains(got, tt[1]) {
				t.Errorf("got\n%s\nwant %s", got, tt[1])
			}
		})
	}
}

const oneToken = "authentication: {methods: {token: {enabled: true, storage: {tokens: {ci: {credential: 0123456789abcdef0123}}}}}}\n"

func TestSEC_R01_MistakesAreRefused(t *testing.T) {
	t.Parallel()
	refusals(t, map[string][2]string{
		"no method":           {"log: {level: info}", "authentication.methods: no method is enabled"},
		"empty allow rule":    {oneToken + "rules: [{name: a, require: {}}]", "gateward.yaml:2:19: rules[0].require: requires nothing"},
		"unknown key":         {"authentication:\n  methods:\n    jwt:\n      validate_claims:\n        audiance: app\n", "gateward.yaml:5:9: authentication.methods.jwt.validate_claims.audiance: unknown key; did you mean audiences?"},
		"duplicate key":       {oneToken + "log:\n  level: info\n  level: debug\n", "gateward.yaml:4:3: log.level: is set twice"},
		"unresolved variable": {oneToken + "log: {level: '${env:LEVEL}'}", "gateward.yaml:2:14: log.level: refers to the environment variable LEVEL, which is not set"},
		"required credential": {"authentication: {methods: {token: {enabled: true, storage: {tokens: {a.b: {}}}}}}", `tokens["a.b"]: has no credential`},
	})
}

func TestSEC_C01_SharedKeysAndNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"none", "None", "nOnE", "HS256", "hs512", "HS384", "RS1", ""} {
		text := fmt.Sprintf("authentication: {methods: {jwt: {enabled: true, jwks_url: 'https://a.example/k', algorithms: [RS256, %q]}}}", alg)
		if got := mustFail(t, text).Error(); !strings.Contains(got, "authentication.methods.jwt.algorithms[1]: ") {
			t.Errorf("%s: got %s", alg, got)
		}
	}
}

func TestSEC_C04_MissingAudienceWarns(t *testing.T) {
	t.Parallel()
	const text = "authentication: {methods: {jwt: {enabled: true, jwks_url: 'https://a.example/k'%s}}}"
	const want = "warning: authentication.methods.jwt.validate_claims.audiences: no audience: "
	if got := texts(mustLoad(t, fmt.Sprintf(text, "")).Warnings); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	if got := texts(mustLoad(t, fmt.Sprintf(text, ", validate_claims: {audiences: app}")).Warnings); strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestSEC_C13_KeySetsComeByHTTPS(t *testing.T) {
	t.Parallel()
	for url, admitted := range map[string]bool{
		"https://a.example/keys": true, "http://localhost:1/k": true, "http://127.0.0.1/k": true, "http://[::1]:8/k": true,
		"http://a.example/k": false, "http://127.0.0.1.evil.example/k": false, "http://localhost.evil.example/": false,
		"ftp://localhost/k": false, "https:///k": false, "//a.example/k": false, "file:///etc/keys": false,
		"https://user@a.example/k": false, "http://0.0.0.0/k": false,
	} {
		_, err := loadYAML("authentication: {methods: {jwt: {enabled: true, jwks_url: '" + url + "'}}}")
		if (err == nil) != admitted {
			t.Errorf("%s: admitted %t, want %t: %v", url, err == nil, admitted, err)
		}
	}
}

func TestSEC_J08_ReservedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		":path", ":authority", "Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer",
		"Upgrade", "Proxy-Connection", "x-envoy-original-path", "X-Envoy-Peer-Metadata", "Authorization", "Cookie", "a b", "a\tb", "ä",
	} {
		got := mustFail(t, oneToken+fmt.Sprintf("upstream: {identity_headers: {user_id: %q}}", name)).Error()
		if !strings.Contains(got, "upstream.identity_headers.user_id: ") {
			t.Errorf("%s: got %s", name, got)
		}
	}
	for _, name := range []string{"X_Auth_Request_User", "x-auth-request-user", "X.Auth.Request.User"} {
		got := mustFail(t, oneToken+fmt.Sprintf("upstream: {identity_headers: {user_id: %q}}", name)).Error()
		if !strings.Contains(got, "carries subject already") {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if got := texts(mustLoad(t, oneToken+"upstream: {identity_headers: {user_id: X_User_Id}}").Warnings); !strings.Contains(got, "user_id: has an underscore") {
		t.Errorf("got %s", got)
	}
}

func TestSEC_P01_Q06_OpenListenersWarn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text       string
		grpc, admn bool
	}{
		"defaults":          {"", true, false},
		"loopback":          {"server: {grpc: {address: 'localhost:9001'}, admin: {address: '[::1]:9091'}}", false, false},
		"socket":            {"server: {grpc: {address: 'unix:///run/gateward.sock'}, admin: {address: ':9091'}}", false, true},
		"another interface": {"server: {grpc: {address: '10.0.0.1:9001'}, admin: {address: '10.0.0.1:9091'}}", true, true},
		"tls":               {"server: {grpc: {address: ':9001', tls: {cert_file: /c, key_file: /k}}}", false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := files{}.with("gateward.yaml", oneToken+tt.text).with("/c", "").with("/k", "")
			f, err := config.Load(config.Options{Path: "gateward.yaml", Files: fsys})
			if err != nil {
				t.Fatal(err)
			}
			got := texts(f.Warnings)
			if strings.Contains(got, "warning: server.grpc.address: ") != tt.grpc || strings.Contains(got, "service mesh") != tt.grpc {
				t.Errorf("grpc: got %s", got)
			}
			if strings.Contains(got, "warning: server.admin.address: ") != tt.admn {
				t.Errorf("admin: got %s", got)
			}
		})
	}
}

func TestSEC_Q02_PrincipalsNeedCertificates(t *testing.T) {
	t.Parallel()
	refusals(t, map[string][2]string{
		"no authority": {oneToken + "server: {grpc: {tls: {allowed_principals: [envoy]}}}", "server.grpc.tls.allowed_principals: needs client_ca_file"},
		"no tls":       {oneToken + "server: {grpc: {tls: {client_ca_file: /ca}}}", "server.grpc.tls.client_ca_file: needs cert_file"},
		"empty string": {oneToken + "server: {grpc: {tls: {allowed_principals: ''}}}", "server.grpc.tls.allowed_principals: names nothing"},
	})
}

func TestSEC_N06_WorldReadableSecretsWarn(t *testing.T) {
	t.Parallel()
	const want = "stands in a file that every user of this machine can read; chmod o-r gateward.yaml"
	const byReference = "authentication: {methods: {token: {enabled: true, storage: {tokens: {ci: {credential: '${env:C}'}}}}}}"
	tests := map[string]struct {
		text string
		mode os.FileMode
		warn bool
	}{
		"inline, world":     {oneToken, 0o644, true},
		"inline, group":     {oneToken, 0o640, false},
		"reference, world":  {byReference, 0o644, false},
		"no secrets, world": {"authentication: {required: false}", 0o644, false},
	}
	for name, tt := range tests {
		fsys := files{fstest.MapFS{"gateward.yaml": {Data: []byte(tt.text), Mode: tt.mode}}}
		f, err := config.Load(config.Options{Path: "gateward.yaml", Files: fsys, Env: []string{"C=0123456789abcdef0123"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(f.Warnings); strings.Contains(got, want) != tt.warn {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// TestSEC_N05_SecretsAreNeverShown puts a canary wherever a secret can stand,
// in good and in bad configurations, and looks for it in everything that comes
// out.
func TestSEC_N05_SecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry!${x}" // short, not for Bearer, unresolved
	quoted := func(s string) string { return "'" + s + "'" }
	env := []string{
		"CANARY=" + canary,
		envToken + "STORAGE_TOKENS_ENV_CREDENTIAL=" + canary,
		envToken + "STORAGE_TOKENS_ENV_CREDENTIAL_HASH=x",
		"GATEWARD_AUTHENTICATION_METHODS_TOKEN_STORAGE_TOKENS=" + canary,
		"GATEWARD_NO_SUCH_KEY=" + canary,
		"FLIPT_AUTHENTICATION_NO_SUCH_KEY=" + canary,
		"GATEWARD_RULES_9_NAME=" + canary,
	}
	token := func(value string) string {
		return "authentication: {methods: {token: {enabled: true, storage: {tokens: {a: {credential: " + value + "}, b: {credential: " + value + "}}}}}}\n"
	}
	texts := []string{
		token(quoted(canary)), token("'${env:CANARY}'"), token("'${file:/canary}'"), token("*" + canary), token("&" + canary), token("!" + canary),
		token("[" + canary + "]"), token("{" + canary + ": x"), token("\"" + canary), token("'${secret:" + canary + "}'"),
		token("0123456789abcdef0123") + "credential:" + canary, token("|\n" + canary),
	}
	for _, key := range []string{
		"log: {level: %s}", "log: {format: [%s]}", "cache: {ttl: %s}", "cache: {size: %s}", "paths: {ambiguous: %s}", "rules: %s",
		"rules: [{name: %s, access: %[1]s, credentials: %[1]s, require: {methods: %[1]s}, shadow: %[1]s}]", "log: %s",
		"authentication: {session: {cookie_prefix: %s, accept_cookies: [%[1]s, %[1]s]}, required: %[1]s}",
		"authentication: {methods: {jwt: {enabled: true, jwks_url: %s, algorithms: %[1]s, clock_skew: %[1]s}}}",
		"authentication: {methods: {jwt: {enabled: true, jwks_url: 'https://u:c4n4ry!@a b/'}}}",
		"authentication: {methods: {jwt: {enabled: true, public_key_file: %s, ca_path: %[1]s}}}",
		"authentication: {methods: {token: {enabled: true, storage: {type: %s, tokens: {a: {credential_hash: %[1]s, scopes: [%[1]s]}}}}}}",
		"server: {grpc: {address: %s, tls: {cert_file: %[1]s}}, admin: {address: %[1]s}, drain_delay: %[1]s}",
		"upstream: {identity_headers: {subject: %s, email: %[1]s}, remove_headers: %[1]s}",
		"authentication: {session: {domain: %s, secure: %[1]s, token_lifetime: %[1]s, same_site: %[1]s, return_to: [%[1]s]}, methods: {oidc: {enabled: true}}}",
		"authentication: {session: {encryption_key: %s, previous_encryption_keys: [%[1]s, %[1]s]}}",
		"authentication: {session: {previous_encryption_keys: %s}}",
		"authentication: {session: {storage: {type: %s}, cleanup: {grace_period: %[1]s}}}",
		"authentication: {session: {storage: {type: redis, redis: {password: %s, host: %[1]s, mode: %[1]s, addresses: [%[1]s], prefix: %[1]s, ca_cert_path: %[1]s, master_name: %[1]s}}}}",
		"authentication: {methods: {oidc: {enabled: true, email_matches: ['a((', %s], providers: {a: {issuer_url: %[1]s, discovery_url: %[1]s, client_id: %[1]s, client_secret: %[1]s, redirect_address: %[1]s, scopes: [%[1]s], algorithms: [%[1]s], claims_mapping: {email: %[1]s, x: %[1]s}, prompt: %[1]s, ca_path: %[1]s}}}}}",
		"authentication: {admins: {emails: [%s], subjects: [%[1]s]}}",
		"server: {public_url: %s, http: {address: %[1]s, tls: {cert_file: %[1]s}}, client_ip: {trusted_hops: %[1]s, trusted_proxies: %[1]s}}",
		"pages: {name: %s, logo: %[1]s, language: %[1]s}", "cache: {max_staleness: %s}",
	} {
		for _, ref := range []string{"'${env:CANARY}'", "'${file:/canary}'"} {
			if !strings.Contains(key, "%s") {
				ref = ""
			}
			text := strings.ReplaceAll(strings.ReplaceAll(key, "%[1]s", ref), "%s", ref)
			texts = append(texts, text)
		}
	}
	fsys := func(text string) files { return files{}.with("/canary", canary).with("gateward.yaml", text) }
	const alphabet = "c4n4ry"
	for _, text := range texts {
		f, err := config.Load(config.Options{Path: "gateward.yaml", Files: fsys(text), Env: env})
		if err == nil {
			t.Errorf("%s: loads", text)
		}
		if got := fmt.Sprintf("%v %+v %#v %v", err, err, err, f); strings.Contains(got, alphabet) {
			t.Errorf("%s: shown in\n%s", text, got)
		}
	}
	for _, name := range []string{"x.toml", "x.json"} { // which say where a syntax is wrong in words of their own
		for _, text := range []string{
			"authentication.methods.token.storage.tokens.a.credential = c4n4ry", "credential = 'c4n4ry", "credential = \"c4n4ry\\q\"",
			`{"credential": c4n4ry}`, `{"credential": "c4n4ry`, `{"credential": "c4n4ry\q"}`, `{"log": "c4n4ry"}`, "log = 'c4n4ry'", "credential = 4.c4n4ry",
		} {
			_, err := config.Load(config.Options{Path: name, Files: files{}.with(name, text)})
			if got := fmt.Sprint(err); err == nil || strings.Contains(got, alphabet) {
				t.Errorf("%s: %s: got %s", name, text, got)
			}
		}
	}

	f := mustLoad(t, strings.Replace(token("c4n4ry"), ", b: {credential: c4n4ry}", "", 1))
	dump, err := json.Marshal(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{string(dump), fmt.Sprintf("%v", f), fmt.Sprintf("%+v", f.Config), fmt.Sprintf("%#v", f.Config), fmt.Sprint(f.Warnings)} {
		if strings.Contains(got, alphabet) {
			t.Errorf("shown in\n%s", got)
		}
	}
	if len(f.Warnings) == 0 || f.Config.Authentication.Methods.Token.Storage.Tokens["a"].Credential.Reveal() != "c4n4ry" {
		t.Errorf("the canary did not sing: %v", f.Warnings)
	}
}
