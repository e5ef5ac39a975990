package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/envoy/envoytest"
)

const (
	clientID     = "gateward"
	clientSecret = "the-provider-knows-this-secret"
)

// provider is a running provider/provider.mjs.
type provider struct {
	*envoytest.Process
	issuer string
}

// providerConfig is the argument of provider.mjs.
type providerConfig struct {
	Port               int      `json:"port"`
	Clients            []client `json:"clients"`
	AccessTokenSeconds int      `json:"accessTokenSeconds,omitempty"`
}

// client is the metadata of a client (OpenID Connect Dynamic Client
// Registration 1.0 §2).
type client struct {
	ID                     string   `json:"client_id"`
	Secret                 string   `json:"client_secret"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	GrantTypes             []string `json:"grant_types"`
	ResponseTypes          []string `json:"response_types"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
}

// startProvider starts a provider whose only client logs people in for origin
// under the provider names.
func startProvider(tb testing.TB, origin string, accessTokenSeconds int, names ...string) *provider {
	tb.Helper()
	node, err := exec.LookPath("node")
	dir := filepath.Join(envoytest.Root(tb), "envoy/browser/provider")
	if _, missing := os.Stat(filepath.Join(dir, "node_modules/oidc-provider")); err != nil || missing != nil {
		lacking(tb, "no Node.js, or not what the provider needs: install nodejs and npm, and run npm ci in envoy/browser/provider")
	}
	address := envoytest.FreeAddress(tb)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	c := client{
		ID: clientID, Secret: clientSecret, PostLogoutRedirectURIs: []string{origin},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}
	for _, name := range names {
		c.RedirectURIs = append(c.RedirectURIs, origin+"/auth/v1/method/oidc/"+name+"/callback")
	}
	config := providerConfig{Clients: []client{c}, AccessTokenSeconds: accessTokenSeconds}
	if config.Port, err = strconv.Atoi(port); err != nil {
		tb.Fatal(err)
	}
	argument, err := json.Marshal(config)
	if err != nil {
		tb.Fatal(err)
	}
	p := &provider{issuer: "http://" + address}
	p.Process = envoytest.StartProcess(tb, "provider", node, os.Environ(), filepath.Join(dir, "provider.mjs"), string(argument))
	envoytest.Eventually(tb, "the provider", 30*time.Second, func(context.Context) error {
		if !strings.Contains(p.Log(), "ready "+p.issuer) {
			return errors.New("not ready")
		}
		return nil
	})
	return p
}

// grants returns how often the provider granted tokens by this grant type.
func (p *provider) grants(tb testing.TB, grantType string) int {
	tb.Helper()
	counts := map[string]int{}
	p.ask(tb, "/test/grants", &counts)
	return counts[grantType]
}

// forget makes the provider refuse to refresh the account's tokens.
func (p *provider) forget(tb testing.TB, account string) {
	tb.Helper()
	p.ask(tb, "/test/gone?account="+url.QueryEscape(account), nil)
}

func (p *provider) ask(tb testing.TB, path string, into any) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, p.issuer+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			tb.Fatal(err)
		}
	}
}

// lacking skips a test for which a part is missing; where CI=true it fails.
func lacking(tb testing.TB, how string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(how)
	}
	tb.Skip(how)
}
