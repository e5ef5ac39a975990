package oidctest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The claims and answers here are those that the providers document. Each option
// makes the server speak as one of them; with [WithIssuer] it also calls itself
// what that provider would.

// none is the path of an endpoint that a provider does not have.
const none = "none"

// Google makes the provider speak as Google does: hd for accounts of an organization ([User] Claims), azp, no groups, no
// session id; a refresh token for access_type=offline, which stays the same; no
// end-session endpoint (https://developers.google.com/identity/openid-connect).
func Google() Option {
	return func(s *start) {
		s.paths = map[Endpoint]string{
			Authorization: "/o/oauth2/v2/auth", Keys: "/oauth2/v3/certs", Userinfo: "/v1/userinfo", EndSession: none,
		}
		s.behaviors = append(s.behaviors, func(p *Provider, b *Behavior) {
			b.KeepRefreshToken = true
			b.Offline = func(request url.Values) bool { return request.Get("access_type") == "offline" }
			b.Metadata = without("end_session_endpoint", "backchannel_logout_supported", "backchannel_logout_session_supported")
			b.IDToken = func(claims map[string]any) {
				delete(claims, "groups")
				delete(claims, "sid")
				claims["azp"] = p.ClientID
			}
			b.UserinfoClaims = without("groups")
		})
	}
}

// maxEntraGroups is how many groups an ID token of Microsoft's holds.
const maxEntraGroups = 200

// Entra makes the provider speak as the Microsoft identity platform (version 2.0) does for a tenant: no
// email_verified and no at_hash, groups as ids and, where there are more than 200,
// a reference in their place, with [Graph] to ask; a refresh token for
// offline_access (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference).
func Entra(tenant string) Option {
	return func(s *start) {
		base := "/" + tenant
		s.path = base + "/v2.0"
		s.paths = map[Endpoint]string{
			Authorization: base + "/oauth2/v2.0/authorize", Token: base + "/oauth2/v2.0/token", Keys: base + "/discovery/v2.0/keys",
			EndSession: base + "/oauth2/v2.0/logout", Userinfo: "/oidc/userinfo", Graph: "/v1.0/me/getMemberObjects",
		}
		s.behaviors = append(s.behaviors, func(p *Provider, b *Behavior) {
			b.AnswerWithIssuer, b.Offline = false, offlineAccess
			b.AuthMethods = []string{"client_secret_post", "client_secret_basic"}
			b.Metadata = func(document map[string]any) {
				without("backchannel_logout_supported", "backchannel_logout_session_supported")(document)
				document["frontchannel_logout_supported"], document["http_logout_supported"] = true, true
				document["tenant_region_scope"], document["cloud_graph_host_name"] = "EU", "graph.windows.net"
			}
			b.Callback = func(parameters map[string]string) { parameters["session_state"] = "0b5f-session-state" }
			b.TokenResponse = func(answer map[string]any) { answer["ext_expires_in"] = answer["expires_in"] }
			b.IDToken = func(claims map[string]any) { entraClaims(p, tenant, claims) }
			b.UserinfoClaims = without("groups", "email_verified")
			b.KeySet = func(entries []map[string]any) []map[string]any {
				for _, e := range entries {
					delete(e, "alg")
					e["issuer"] = p.Issuer
				}
				return entries
			}
		})
	}
}

func entraClaims(p *Provider, tenant string, claims map[string]any) {
	without("email_verified", "at_hash", "picture")(claims)
	sub, _ := claims["sub"].(string)
	claims["ver"], claims["tid"], claims["oid"] = "2.0", tenant, "oid-of-"+sub
	claims["aio"], claims["rh"], claims["uti"] = "AXQ", "0.A", "u-1"
	claims["nbf"], claims["preferred_username"] = claims["iat"], claims["email"]
	if groups, _ := claims["groups"].([]string); len(groups) > maxEntraGroups {
		delete(claims, "groups")
		claims["_claim_names"] = map[string]any{"groups": "src1"}
		claims["_claim_sources"] = map[string]any{"src1": map[string]any{
			// Never to be followed: it is this server's, so that it would be noticed.
			"endpoint": p.server.URL + "/reference/users/" + sub + "/getMemberObjects",
		}}
	}
}

// Okta makes the provider speak as an Okta organization's own server: ID tokens without
// email_verified and groups, which userinfo has; a refresh token for
// offline_access, which stays the same and is in every answer
// (https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/).
func Okta() Option {
	return func(s *start) {
		s.paths = map[Endpoint]string{
			Authorization: "/oauth2/v1/authorize", Token: "/oauth2/v1/token", Userinfo: "/oauth2/v1/userinfo", Keys: "/oauth2/v1/keys",
			EndSession: "/oauth2/v1/logout",
		}
		s.behaviors = append(s.behaviors, func(_ *Provider, b *Behavior) {
			b.AnswerWithIssuer, b.Offline, b.SameRefreshToken, b.AuthTime = false, offlineAccess, true, true
			b.Metadata = without("backchannel_logout_supported", "backchannel_logout_session_supported")
			b.UserinfoOnly = []string{"email_verified", "groups", "picture"}
			b.IDToken = func(claims map[string]any) {
				delete(claims, "sid")
				claims["ver"], claims["jti"], claims["amr"], claims["idp"] = 1, "ID.xYz", []string{"pwd"}, "00o1"
				claims["preferred_username"] = claims["email"]
			}
		})
	}
}

// Auth0 makes the provider speak as Auth0 does: an issuer with a slash at its end, claims of one's own below a name with
// slashes (namespace), a refresh token for offline_access that stays the same, and
// 403 for a refused code or refresh token (https://auth0.com/docs/secure/tokens).
func Auth0(namespace string) Option {
	return func(s *start) {
		s.path = "/"
		s.paths = map[Endpoint]string{Token: "/oauth/token", Keys: "/.well-known/jwks.json", EndSession: "/oidc/logout"}
		s.behaviors = append(s.behaviors, func(p *Provider, b *Behavior) {
			b.AnswerWithIssuer, b.Offline, b.KeepRefreshToken, b.RefusalStatus = false, offlineAccess, true, http.StatusForbidden
			b.TokenLifetime = 10 * time.Hour
			shape := func(claims map[string]any) {
				if groups, ok := claims["groups"]; ok {
					claims[namespace+"groups"] = groups
				}
				delete(claims, "groups")
				claims["nickname"], claims["updated_at"] = "ada", p.now().UTC().Format(time.RFC3339)
			}
			b.IDToken = func(claims map[string]any) {
				shape(claims)
				delete(claims, "at_hash")
			}
			b.UserinfoClaims = shape
		})
	}
}

// Keycloak makes the provider speak as a realm there does: typ and azp in ID tokens, groups as paths, a key for
// encryption beside the one for signatures, iss in callbacks, refresh tokens that
// are replaced (https://www.keycloak.org/docs/latest/server_admin/).
func Keycloak(realm string) Option {
	return func(s *start) {
		s.path = "/realms/" + realm
		base := s.path + "/protocol/openid-connect"
		s.paths = map[Endpoint]string{
			Authorization: base + "/auth", Token: base + "/token", Userinfo: base + "/userinfo", Keys: base + "/certs", EndSession: base + "/logout",
		}
		s.behaviors = append(s.behaviors, func(p *Provider, b *Behavior) {
			b.AuthTime = true
			b.Metadata = func(document map[string]any) {
				document["frontchannel_logout_supported"], document["frontchannel_logout_session_supported"] = true, true
			}
			b.Callback = func(parameters map[string]string) { parameters["session_state"] = "b6a1-session-state" }
			b.TokenResponse = func(answer map[string]any) {
				answer["not-before-policy"], answer["refresh_expires_in"], answer["session_state"] = 0, 1800, "b6a1-session-state"
				answer["scope"] = "openid email profile"
			}
			b.IDToken = func(claims map[string]any) {
				claims["typ"], claims["azp"], claims["acr"], claims["jti"] = "ID", p.ClientID, "1", "9d7c-jti"
				claims["preferred_username"] = "ada"
				asPaths(claims)
			}
			b.UserinfoClaims = asPaths
			b.KeySet = func(entries []map[string]any) []map[string]any {
				encryption := map[string]any{"kid": "enc-1", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "n": entries[0]["n"], "e": entries[0]["e"]}
				return append([]map[string]any{encryption}, entries...)
			}
		})
	}
}

// asPaths writes groups as a mapper with full paths does.
func asPaths(claims map[string]any) {
	groups, _ := claims["groups"].([]string)
	paths := make([]string, len(groups))
	for i, g := range groups {
		paths[i] = "/" + g
	}
	claims["groups"] = paths
}

// KeycloakLogoutToken is [Provider.LogoutToken] as Keycloak writes it.
func (p *Provider) KeycloakLogoutToken() string {
	p.tb.Helper()
	return p.LogoutToken(func(claims map[string]any) {
		claims["typ"] = "Logout"
		claims["events"] = map[string]any{
			"http://schemas.openid.net/event/backchannel-logout": map[string]any{}, "revoke_offline_access": true,
		}
	})
}

// offlineAccess asks for a refresh token as OpenID Connect Core §11 has it.
func offlineAccess(request url.Values) bool {
	return slices.Contains(strings.Fields(request.Get("scope")), "offline_access")
}

func without(names ...string) func(map[string]any) {
	return func(m map[string]any) {
		for _, name := range names {
			delete(m, name)
		}
	}
}

// ManyGroups returns n ids such as Microsoft has.
func ManyGroups(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%08x-7a3e-4f55-9b0c-0123456789ab", i)
	}
	return all
}

// graph answers as Microsoft Graph does (directoryObject: getMemberObjects).
func (p *Provider) graph(w http.ResponseWriter, r *http.Request) {
	u, ok := p.owner(r)
	var body struct {
		SecurityEnabledOnly *bool `json:"securityEnabledOnly"`
	}
	switch {
	case !ok:
		GraphError(http.StatusUnauthorized, "InvalidAuthenticationToken")(w, r)
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
		GraphError(http.StatusMethodNotAllowed, "Request_BadRequest")(w, r)
	case json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body) != nil || body.SecurityEnabledOnly == nil:
		GraphError(http.StatusBadRequest, "Request_BadRequest")(w, r)
	default:
		w.Header().Set("OData-Version", "4.0")
		writeJSON(w, http.StatusOK, map[string]any{
			"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)", "value": append([]string{}, u.Groups...),
		})
	}
}

// GraphError is a fault of [Graph]: an error as Microsoft writes it.
func GraphError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, status, map[string]any{"error": map[string]any{
			"code": code, "message": "provider-description-canary", "innerError": map[string]any{"request-id": "1"},
		}})
	}
}
