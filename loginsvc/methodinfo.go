package loginsvc

import (
	"net/http"
	"slices"
)

// A methodInfo says of one method whether it is on, and where its logins begin.
type methodInfo struct {
	Method            string `json:"method"`
	Enabled           bool   `json:"enabled"`
	SessionCompatible bool   `json:"sessionCompatible"`
	// Metadata is null where there is none, as documented.
	Metadata any `json:"metadata"`
}

// loginLinks are in snake case within Flipt's JSON, too.
type loginLinks struct {
	AuthorizeURL string `json:"authorize_url"`
	CallbackURL  string `json:"callback_url"`
}

// methods lists Flipt's five methods in its order, and ours, enabled or not.
func (s *Service) methods(x *exchange) { s.json(x, http.StatusOK, s.methodList) }

func (s *Service) listMethods() any {
	providers := map[string]loginLinks{}
	for _, l := range s.logins {
		if l.Method() == "oidc" {
			providers[l.Name()] = loginLinks{s.methodLink(l, "authorize"), s.methodLink(l, "callback")}
		}
	}
	info := func(name string, sessionCompatible bool, metadata any) methodInfo {
		return methodInfo{
			Method: methodName(name), Enabled: slices.Contains(s.cfg.EnabledMethods, name),
			SessionCompatible: sessionCompatible, Metadata: metadata,
		}
	}
	github := loginLinks{s.link("/auth/v1/method/github/authorize"), s.link("/auth/v1/method/github/callback")}
	return struct {
		Methods []methodInfo `json:"methods"`
	}{[]methodInfo{
		info("token", false, nil),
		info("github", true, github),
		info("oidc", true, map[string]any{"providers": providers}),
		info("kubernetes", false, nil),
		info("jwt", false, nil),
		info("api_token", false, nil),
		info("basic", false, nil),
		info("mtls", false, nil),
	}}
}
