package browser_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// googleConfig is Flipt's documented example, character by character.
const googleConfig = `authentication:
  required: true
  methods:
    oidc:
      enabled: true
      providers:
        google:
          issuer_url: "https://accounts.google.com"
          client_id: "some_client_identifier"
          client_secret: "some_client_secret_credential"
          redirect_address: "https://your.flipt.instance.url.com"
          scopes:
            - email
            - profile
`

// TestDocumentedGoogleExample: the example as it is written, its addresses and
// secrets pointed elsewhere by the environment, logs people in.
func TestDocumentedGoogleExample(t *testing.T) {
	t.Parallel()
	const provider = "GATEWARD_AUTHENTICATION_METHODS_OIDC_PROVIDERS_GOOGLE_"
	s := startSite(t, siteOptions{
		providerNames: []string{"google"},
		config:        func(*site) string { return googleConfig },
		env: func(s *site) []string {
			return []string{
				"GATEWARD_AUTHENTICATION_SESSION_DOMAIN=" + host,
				provider + "ISSUER_URL=" + s.provider.issuer,
				provider + "CLIENT_ID=" + clientID,
				provider + "CLIENT_SECRET=" + clientSecret,
				provider + "REDIRECT_ADDRESS=" + s.origin,
			}
		},
	})
	tab := startChromium(t, s.spki).person(t).open(s.origin + "/deep?link=1")
	tab.logInAs("ada")
	tab.shows("GET /deep?link=1", "x-auth-request-user: ada", "x-auth-request-email: ada@example.com")

	status, body := s.fetch(t, "/auth/v1/method", nil)
	var got struct {
		Methods []struct {
			Method            string
			Enabled           bool
			SessionCompatible bool
			Metadata          map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatalf("GET /auth/v1/method: %d, %v: %s", status, err, body)
	}
	found := false
	for _, m := range got.Methods {
		if m.Method != "METHOD_OIDC" {
			if m.Enabled {
				t.Errorf("%s is enabled", m.Method)
			}
			continue
		}
		found = true
		providers, _ := m.Metadata["providers"].(map[string]any)
		google, _ := providers["google"].(map[string]any)
		want := map[string]any{
			"authorize_url": "/auth/v1/method/oidc/google/authorize",
			"callback_url":  "/auth/v1/method/oidc/google/callback",
		}
		if !m.Enabled || !m.SessionCompatible || !maps.Equal(google, want) || !slices.Equal(slices.Collect(maps.Keys(providers)), []string{"google"}) {
			t.Errorf("METHOD_OIDC: %+v", m)
		}
	}
	if !found {
		t.Errorf("no METHOD_OIDC in %s", body)
	}
}
