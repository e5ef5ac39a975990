package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/demo/provider"
)

const (
	clientID     = "client"
	clientSecret = "client-secret"
	redirectURI  = "http://localhost:1/callback"
	verifier     = "0123456789012345678901234567890123456789012"
)

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// TestLogin walks through a login, a refresh, a second login without a choice,
// and a logout.
func TestLogin(t *testing.T) {
	t.Parallel()
	p, err := provider.Start(t.Context(), provider.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{redirectURI},
		PostLogoutRedirectURIs: []string{"http://localhost:1/"}, AccessTokenLifetime: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := newBrowser(t)
	code := b.login(p.Issuer, "ada")
	tokens := b.token(p.Issuer, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}})
	if tokens.RefreshToken == "" || tokens.ExpiresIn != 60 && tokens.ExpiresIn != 59 {
		t.Errorf("tokens: got %+v", tokens)
	}
	claims := payload(t, tokens.IDToken)
	for name, want := range map[string]any{"sub": "ada", "email": "ada@example.com", "name": "Ada Lovelace", "nonce": "n", "email_verified": true} {
		if claims[name] != want {
			t.Errorf("%s: got %v, want %v", name, claims[name], want)
		}
	}
	if groups, ok := claims["groups"].([]any); !ok || len(groups) != 2 {
		t.Errorf("groups: got %v", claims["groups"])
	}
	refreshed := b.token(p.Issuer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}})
	if refreshed.RefreshToken == "" || refreshed.RefreshToken == tokens.RefreshToken || payload(t, refreshed.IDToken)["sub"] != "ada" {
		t.Errorf("refreshed: got %+v", refreshed)
	}
	if again := b.token(p.Issuer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}); again.AccessToken != "" {
		t.Error("a refresh token works twice")
	}
	if code := b.login(p.Issuer, ""); code == "" {
		t.Error("no second login without a choice")
	}
	b.get(p.Issuer + "/end_session?id_token_hint=" + refreshed.IDToken)
	if page := b.get(b.authorizeURL(p.Issuer)); requestID.FindStringSubmatch(page) == nil {
		t.Errorf("no choice after the logout: %s", page)
	}
}

func TestPKCEIsRequired(t *testing.T) {
	t.Parallel()
	p, err := provider.Start(t.Context(), provider.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{redirectURI}, AccessTokenLifetime: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := newBrowser(t)
	code := b.login(p.Issuer, "grace")
	got := b.token(p.Issuer, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("x", 43)}})
	if got.AccessToken != "" {
		t.Error("a wrong verifier gets tokens")
	}
}

// browser follows redirects, but not those back to the client.
type browser struct {
	t      *testing.T
	client *http.Client
	// back is the last address of the client that it was sent to.
	back string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	b.client = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "localhost:1" {
			b.back = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

func (b *browser) authorizeURL(issuer string) string {
	sum := sha256.Sum256([]byte(verifier))
	return issuer + "/authorize?" + url.Values{
		"client_id": {clientID}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "state": {"s"}, "nonce": {"n"},
		"scope":          {"openid email profile groups offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// login returns the code for an account, or for whoever this browser is known
// to be.
func (b *browser) login(issuer, account string) string {
	b.t.Helper()
	b.back = ""
	page := b.get(b.authorizeURL(issuer))
	if account != "" {
		id := requestID.FindStringSubmatch(page)
		if id == nil {
			b.t.Fatalf("no login page: %s", page)
		}
		b.post(issuer+"/login", url.Values{"id": {id[1]}, "account": {account}})
	}
	u, err := url.Parse(b.back)
	if err != nil || u.Query().Get("state") != "s" {
		b.t.Fatalf("sent back to %q: %v", b.back, err)
	}
	return u.Query().Get("code")
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ExpiresIn    int    `json:"expires_in"`
}

func (b *browser) token(issuer string, form url.Values) tokens {
	b.t.Helper()
	form.Set("client_id", clientID)
	form.Set("client_secret", clientSecret)
	var got tokens
	if err := json.Unmarshal([]byte(b.post(issuer+"/oauth/token", form)), &got); err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *browser) get(address string) string { return b.send(http.MethodGet, address, nil) }

func (b *browser) post(address string, form url.Values) string {
	return b.send(http.MethodPost, address, form)
}

func (b *browser) send(method, address string, form url.Values) string {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(b, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
