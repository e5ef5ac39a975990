package oidc_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// An https provider cannot send us to services of this machine.
func TestSEC_C26_NoHTTPBehindHTTPS(t *testing.T) {
	t.Parallel()
	f := setupTLS(t)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) { m["token_endpoint"] = "http://127.0.0.1:1/token" }
	})
	_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	wantKind(t, err, gateward.ErrUnavailable)
}

func TestSEC_Q04_ServerIsVerified(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, oidctest.WithTLS())
	_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	wantKind(t, err, gateward.ErrUnavailable)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the operator is not told why: %v", err)
	}
	f = setupTLS(t)
	f.mustExchange()
}

func TestSEC_Q08_LinkLocal(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"} {
		m, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "https://" + host })
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Providers()[0].AuthCodeURL(t.Context(), newAttempt())
		wantKind(t, err, gateward.ErrUnavailable)
		if !strings.Contains(err.Error(), "link-local or metadata address") {
			t.Errorf("%s: %v", host, err)
		}
	}
	// Nor by way of the metadata.
	f := setupTLS(t)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.Metadata = func(m map[string]any) { m["jwks_uri"] = "https://169.254.169.254/keys" }
	})
	_, _, err := f.exchange()
	wantKind(t, err, gateward.ErrUnavailable)
}

func TestSEC_Q08_NoProxyFromEnvironment(t *testing.T) {
	proxy := oidctest.Start(t)
	t.Setenv("HTTPS_PROXY", proxy.Issuer)
	t.Setenv("HTTP_PROXY", proxy.Issuer)
	m, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = "https://169.254.169.254" })
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Providers()[0].AuthCodeURL(t.Context(), newAttempt())
	wantKind(t, err, gateward.ErrUnavailable)
	if !strings.Contains(err.Error(), "link-local") {
		t.Errorf("somebody else was asked: %v", err)
	}
}

// redirecting is a provider without a network whose metadata is elsewhere.
type redirecting struct {
	to    string
	asked []string
}

func (r *redirecting) RoundTrip(q *http.Request) (*http.Response, error) {
	r.asked = append(r.asked, q.URL.String())
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: q}
	body := `{"issuer":"https://issuer.test","authorization_endpoint":"https://issuer.test/a","token_endpoint":"https://issuer.test/t","jwks_uri":"https://issuer.test/k"}`
	if len(r.asked) == 1 {
		res.StatusCode, res.Header = http.StatusFound, http.Header{"Location": {r.to}}
		body = ""
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	return res, nil
}

// A redirect of the metadata stays within its origin: what is read there decides
// where codes and secrets go.
func TestSEC_C26_DiscoveryRedirect(t *testing.T) {
	t.Parallel()
	for to, followed := range map[string]bool{
		"/elsewhere": true, "https://issuer.test/elsewhere": true, "https://ISSUER.test/elsewhere": true,
		"http://issuer.test/.well-known/openid-configuration": false, "https://evil.test/elsewhere": false, "//evil.test/elsewhere": false,
		"https://issuer.test:8443/elsewhere": false, "https://x@issuer.test/elsewhere": false, "https://sub.issuer.test/": false,
	} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			transport := &redirecting{to: to}
			m, err := oidc.New(t.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": {
				IssuerURL: "https://issuer.test", ClientID: "c", ClientSecret: gateward.NewSecret("s"), RedirectAddress: "https://app.test",
			}}}, oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if _, err = m.Providers()[0].AuthCodeURL(t.Context(), newAttempt()); (err == nil) != followed {
				t.Errorf("error %v", err)
			}
			if want := map[bool]int{true: 2, false: 1}[followed]; len(transport.asked) != want {
				t.Errorf("asked %q", transport.asked)
			}
		})
	}
}

func TestDiscoveryRedirectToAnotherHost(t *testing.T) {
	t.Parallel()
	other := oidctest.Start(t)
	f := setup(t, nil)
	f.op.Fault(oidctest.Discovery, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.Issuer+r.URL.Path, http.StatusFound)
	})
	_, err := f.login.AuthCodeURL(t.Context(), newAttempt())
	wantKind(t, err, gateward.ErrUnavailable)
	if other.Requests(oidctest.Discovery) != 0 {
		t.Error("the redirect was followed")
	}
}
