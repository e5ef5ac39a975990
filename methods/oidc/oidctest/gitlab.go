package oidctest

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// GitLab makes the provider a GitLab: its paths, metadata, claims, lifetimes and
// errors, and the page that asks people whether they let the application in,
// which it shows once (https://docs.gitlab.com/integration/openid_connect_provider/
// and the Doorkeeper library, which answers there).
//
// A person's subject is a number there; the ID token has groups_direct and userinfo
// groups, which are [User] Groups both; a refresh replaces both tokens, and the
// replaced ones are of no use at once; a code that comes twice is invalid_grant.
// There is no end-session endpoint and no iss in callbacks.
func GitLab() Option {
	return func(s *start) {
		s.paths = map[Endpoint]string{
			Authorization: "/oauth/authorize", Token: "/oauth/token", Userinfo: "/oauth/userinfo", Keys: "/oauth/discovery/keys",
			EndSession: none,
		}
		s.manner = manner{authorize: askPerson, refuse: refuseLikeDoorkeeper, unauthorized: func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="Doorkeeper", error="invalid_token", error_description="The access token was revoked"`)
			w.WriteHeader(http.StatusUnauthorized)
		}}
		s.behaviors = append(s.behaviors, gitlabBehavior)
	}
}

func gitlabBehavior(p *Provider, b *Behavior) {
	b.AnswerWithIssuer, b.TokenLifetime, b.AuthTime = false, 2*time.Hour, true
	b.Metadata = func(document map[string]any) {
		for _, absent := range []string{"end_session_endpoint", "backchannel_logout_supported", "backchannel_logout_session_supported"} {
			delete(document, absent)
		}
		document["scopes_supported"] = []string{"api", "read_user", "openid", "profile", "email"}
		document["code_challenge_methods_supported"] = []string{"plain", "S256"}
	}
	b.TokenResponse = func(answer map[string]any) {
		answer["scope"], answer["created_at"] = "openid profile email", p.now().Unix()
	}
	b.IDToken = func(claims map[string]any) {
		claims["groups_direct"], claims["exp"] = claims["groups"], p.now().Add(2*time.Minute).Unix()
		for _, absent := range []string{"groups", "sid", "at_hash"} {
			delete(claims, absent)
		}
		gitlabProfile(p, claims)
	}
	b.UserinfoClaims = func(claims map[string]any) {
		gitlabProfile(p, claims)
		claims["https://gitlab.org/claims/groups/owner"] = claims["groups"]
	}
}

// gitlabProfile adds what both kinds of claims have.
func gitlabProfile(p *Provider, claims map[string]any) {
	sub, _ := claims["sub"].(string)
	sum := sha256.Sum256([]byte(sub))
	claims["sub_legacy"] = hex.EncodeToString(sum[:])
	claims["nickname"], claims["preferred_username"], claims["profile"] = "user-"+sub, "user-"+sub, p.server.URL+"/user-"+sub
}

// Grace is who to log in at a [GitLab], or any provider whose subjects are numbers.
func Grace() User {
	return User{
		Subject: "1207", Email: "grace@example.com", EmailVerified: true, Name: "Grace Hopper",
		Groups: []string{"compilers", "compilers/cobol"},
	}
}

// doorkeeperSays are the descriptions, which nobody ought to depend on.
var doorkeeperSays = map[string]string{
	"invalid_grant": "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the " +
		"authorization request, or was issued to another client.",
	"invalid_client": "Client authentication failed due to unknown client, no client authentication included, or unsupported " +
		"authentication method.",
	"invalid_request":        "The request is missing a required parameter, includes an unsupported parameter value, or is otherwise malformed.",
	"unsupported_grant_type": "The authorization grant type is not supported by the authorization server.",
}

func refuseLikeDoorkeeper(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("WWW-Authenticate", `Bearer realm="Doorkeeper", error="`+code+`", error_description="`+doorkeeperSays[code]+`"`)
	writeJSON(w, status, map[string]any{"error": code, "error_description": doorkeeperSays[code]})
}

var consentPage = template.Must(template.New("consent").Parse(`<!doctype html><html lang="en"><title>Authorize application</title>
<h1>Authorize the application to use your account?</h1>
<form action="{{.Action}}" method="post">{{range $name, $value := .Fields}}
<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<button name="commit" value="allow">Authorize</button> <button name="commit" value="deny">Cancel</button></form></html>`))

// askPerson shows the page to whom it has not been shown, and reads its form. What
// makes a request is in the form again, as on GitLab.
func askPerson(p *Provider, w http.ResponseWriter, r *http.Request) bool {
	p.mu.Lock()
	subject := p.user.Subject
	known := p.approved[subject]
	if r.Method == http.MethodPost && r.PostForm.Get("commit") == "allow" {
		p.approved[subject], known = true, true
	}
	p.mu.Unlock()
	switch {
	case known:
		return false
	case r.Method == http.MethodPost:
		to, err := url.Parse(r.PostForm.Get("redirect_uri"))
		if err != nil {
			return false
		}
		to.RawQuery = url.Values{
			"error": {"access_denied"}, "error_description": {"The resource owner or authorization server denied the request."},
			"state": {r.PostForm.Get("state")},
		}.Encode()
		http.Redirect(w, r, to.String(), http.StatusFound)
		return true
	}
	fields := map[string]string{}
	for name, values := range r.URL.Query() {
		fields[name] = values[0]
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = consentPage.Execute(w, map[string]any{"Action": p.paths[Authorization], "Fields": fields})
	return true
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// consent returns what a person who agrees sends, or nil if the answer is not the
// page that asks.
func (p *Provider) consent(res *http.Response) url.Values {
	if p.manner.authorize == nil || res.StatusCode != http.StatusOK {
		return nil
	}
	page, err := io.ReadAll(res.Body)
	if err != nil {
		p.tb.Errorf("oidctest: read the page: %v", err)
		return nil
	}
	form := url.Values{"commit": {"allow"}}
	for _, field := range hiddenField.FindAllStringSubmatch(string(page), -1) {
		form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return form
}

// Registered makes redirect URIs the only ones that the provider knows.
func (p *Provider) Registered(uris ...string) {
	p.Configure(func(b *Behavior) { b.RedirectURIs = slices.Clone(uris) })
}
