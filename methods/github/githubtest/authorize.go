package githubtest

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLifetime is for how long a code can be redeemed.
const codeLifetime = 10 * time.Minute

// grant is what a person has granted: a code first, then tokens.
type grant struct {
	user                 int64
	scopes               []string
	redirectURI          string
	challenge            string
	expires              time.Time // zero: never
	access, refreshToken string
	refreshExpires       time.Time
}

// chooser is the page on which a person says who they are. It needs no script.
//
//nolint:gochecknoglobals // it is compiled once and never changed
var chooser = template.Must(template.New("chooser").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Authorize application</title></head>
<body><h1>Authorize {{.Client}}</h1>
<p>The application asks for: {{range .Scopes}}<code>{{.}}</code> {{else}}public data only{{end}}</p>
<form method="post" action="{{.Action}}">
{{range $name, $value := .Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<h2>Select an account</h2>
{{range .Accounts}}<p><button type="submit" name="account" value="{{.}}">Continue as {{.}}</button></p>
{{end}}<p><button type="submit" name="cancel" value="1">Cancel</button></p>
</form></body></html>
`))

// authorize shows the page, or refuses what an application asks for.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	to, problem := s.checkAuthorization(q)
	var accounts []string
	for _, u := range s.users {
		accounts = append(accounts, u.Login)
	}
	s.mu.Unlock()
	switch {
	case to == "":
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	case problem != nil:
		http.Redirect(w, r, problem.location(to, q.Get("state")), http.StatusFound) //nolint:gosec // see checkAuthorization
		return
	}
	if hint := q.Get("login"); hint != "" && slices.Contains(accounts, hint) {
		accounts = []string{hint}
	}
	fields := map[string]string{}
	for name := range q {
		fields[name] = q.Get(name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = chooser.Execute(w, map[string]any{
		"Client": s.options.ClientID, "Scopes": splitScopes(q.Get("scope")), "Fields": fields,
		"Accounts": accounts, "Action": "/login/oauth/authorize",
	})
}

// consented takes the page's form and sends the browser back.
func (s *Server) consented(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	account := r.PostForm.Get("account")
	if r.PostForm.Has("cancel") {
		account = ""
	}
	location, err := s.finish(r.PostForm, account)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	http.Redirect(w, r, location, http.StatusFound) //nolint:gosec // see checkAuthorization
}

// Authorize does what a browser would for the person of that login: it returns
// where an authorization address leads to. Without a login the person cancels.
func (s *Server) Authorize(address, login string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("githubtest: authorize: not an address")
	}
	return s.finish(u.Query(), login)
}

// finish returns where a browser is sent back to.
func (s *Server) finish(q url.Values, login string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to, problem := s.checkAuthorization(q)
	if to == "" {
		return "", errors.New("githubtest: authorize: unknown application")
	}
	if problem == nil && login == "" {
		problem = &oauthError{"access_denied", "The user has denied your application access."}
	}
	if problem != nil {
		return problem.location(to, q.Get("state")), nil
	}
	u := s.userBy(login)
	switch {
	case u == nil:
		return "", errors.New("githubtest: authorize: unknown account")
	case u.suspended:
		return "", errors.New("githubtest: authorize: the account is suspended")
	}
	g := &grant{
		user: u.ID, redirectURI: q.Get("redirect_uri"), expires: s.options.Now().Add(codeLifetime),
		scopes: splitScopes(q.Get("scope")),
	}
	if !s.options.Enterprise {
		g.challenge = q.Get("code_challenge")
	}
	switch {
	case s.consent != nil:
		g.scopes = *s.consent
	case !q.Has("scope"):
		g.scopes = u.consented
	}
	g.scopes = normalize(g.scopes)
	u.consented = g.scopes
	code := s.random(15)
	s.codes[code] = g
	return withQuery(to, url.Values{"code": {code}, "state": q["state"]}), nil
}

// checkAuthorization returns where the browser goes in the end, "" if that is
// nobody's, and what is wrong. mu is held.
func (s *Server) checkAuthorization(q url.Values) (to string, problem *oauthError) {
	if q.Get("client_id") != s.options.ClientID {
		return "", nil
	}
	to = q.Get("redirect_uri")
	registered := s.options.CallbackURL
	switch {
	case to == "" && registered == "":
		return "", nil
	case to == "":
		to = registered
	case registered != "" && !below(registered, to):
		return registered, &oauthError{"redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."}
	}
	if s.suspended {
		return to, &oauthError{"application_suspended", "Your application has been suspended. Contact support@github.com."}
	}
	if challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method"); !s.options.Enterprise &&
		(challenge != "" || method != "") && (method != "S256" || len(challenge) != 43) {
		return to, &oauthError{"invalid_request", "The code_challenge must be 43 characters and its method S256."}
	}
	return to, nil
}

// below reports whether a redirect URI may be used with the registered one: same
// host and port, where a loopback address may change its port, and a path below.
func below(registered, to string) bool {
	a, errA := url.Parse(registered)
	b, errB := url.Parse(to)
	if errA != nil || errB != nil || a.Scheme != b.Scheme || a.Hostname() != b.Hostname() {
		return false
	}
	if a.Port() != b.Port() && a.Hostname() != "127.0.0.1" {
		return false
	}
	base := strings.TrimSuffix(a.Path, "/")
	return b.Path == a.Path || strings.HasPrefix(b.Path, base+"/")
}

type oauthError struct{ code, description string }

// location returns the address that tells an application of the error.
func (e *oauthError) location(to, state string) string {
	v := url.Values{"error": {e.code}, "error_description": {e.description}, "error_uri": {errorURI}}
	if state != "" {
		v.Set("state", state)
	}
	return withQuery(to, v)
}

const errorURI = "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/"

func withQuery(address string, v url.Values) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + v.Encode()
}

// splitScopes reads a list of scopes, however it is separated.
func splitScopes(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == ',' })
}

// implied are the scopes that another one includes.
func implied(scope string) []string {
	switch scope {
	case "user":
		return []string{"read:user", "user:email", "user:follow"}
	case "admin:org":
		return []string{"write:org", "read:org"}
	case "write:org":
		return []string{"read:org"}
	case "repo":
		return []string{"repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"}
	}
	return nil
}

// normalize leaves out scopes that are there twice or included in another one.
func normalize(scopes []string) []string {
	var kept []string
	for _, scope := range scopes {
		included := slices.ContainsFunc(scopes, func(other string) bool { return slices.Contains(implied(other), scope) })
		if !included && !slices.Contains(kept, scope) {
			kept = append(kept, scope)
		}
	}
	return kept
}

// has reports whether a grant includes one of some scopes.
func (g *grant) has(some ...string) bool {
	return slices.ContainsFunc(g.scopes, func(scope string) bool {
		return slices.Contains(some, scope) || slices.ContainsFunc(implied(scope), func(s string) bool { return slices.Contains(some, s) })
	})
}
