package githubtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refreshLifetime is that of refresh tokens.
const refreshLifetime = 15897600 * time.Second

// pair is a member of a token answer, in order.
type pair struct {
	name  string
	value any // string or int64
}

// token answers a token request: in the form that the client asks for, and with
// status 200 whatever it says.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	form := r.Form // GitHub takes parameters in the query, too
	if id, secret, ok := r.BasicAuth(); ok {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	if form.Get("client_id") != s.options.ClientID {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"Not Found"}`))
		return
	}
	s.mu.Lock()
	g, problem := s.grantTo(form)
	s.mu.Unlock()
	if problem != nil {
		writePairs(w, r, []pair{
			{"error", problem.code},
			{"error_description", problem.description},
			{"error_uri", "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/"},
		})
		return
	}
	all := []pair{{"access_token", g.access}}
	if g.refreshToken != "" {
		all = append(all,
			pair{"expires_in", int64(s.options.TokenLifetime / time.Second)},
			pair{"refresh_token", g.refreshToken},
			pair{"refresh_token_expires_in", int64(refreshLifetime / time.Second)})
	}
	writePairs(w, r, append(all, pair{"scope", strings.Join(g.scopes, ",")}, pair{"token_type", "bearer"}))
}

// grantTo redeems what a form holds. mu is held.
func (s *Server) grantTo(form url.Values) (*grant, *oauthError) {
	if subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(s.options.ClientSecret)) != 1 {
		return nil, &oauthError{"incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."}
	}
	now := s.options.Now()
	if form.Get("grant_type") == "refresh_token" {
		g := s.refresh[form.Get("refresh_token")]
		if g == nil || !now.Before(g.refreshExpires) {
			return nil, &oauthError{"bad_refresh_token", "The refresh token passed is incorrect or expired."}
		}
		delete(s.refresh, g.refreshToken)
		delete(s.tokens, g.access)
		return s.issue(*g, true), nil
	}
	code := form.Get("code")
	g := s.codes[code]
	if g == nil || !now.Before(g.expires) {
		return nil, &oauthError{"bad_verification_code", "The code passed is incorrect or expired."}
	}
	if to := form.Get("redirect_uri"); to != "" && to != g.redirectURI {
		return nil, &oauthError{"redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."}
	}
	delete(s.codes, code)
	challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
	if g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		// Not in the documentation; clients in use know it.
		return nil, &oauthError{"bad_code_verifier", "The code verifier passed is incorrect."}
	}
	u := s.userByID(g.user)
	if u == nil {
		return nil, &oauthError{"bad_verification_code", "The code passed is incorrect or expired."}
	}
	if s.verified && !slices.ContainsFunc(u.Emails, func(e Email) bool { return e.Primary && e.Verified }) {
		return nil, &oauthError{"unverified_user_email", "The user must have a verified primary email."}
	}
	return s.issue(*g, s.options.ExpiringTokens || slices.Contains(g.scopes, "offline_access")), nil
}

// issue makes tokens of a grant. mu is held.
func (s *Server) issue(g grant, expiring bool) *grant {
	g.access, g.refreshToken, g.expires = "gho_"+s.random(27), "", time.Time{}
	if expiring {
		now := s.options.Now()
		g.refreshToken = "ghr_" + s.random(57)
		g.expires, g.refreshExpires = now.Add(s.options.TokenLifetime), now.Add(refreshLifetime)
		s.refresh[g.refreshToken] = &g
	}
	s.tokens[g.access] = &g
	return &g
}

// writePairs writes an answer as a form, unless the client accepts something else.
func writePairs(w http.ResponseWriter, r *http.Request, all []pair) {
	accept := r.Header.Get("Accept")
	w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate")
	switch {
	case strings.Contains(accept, "application/json"):
		object := map[string]any{}
		for _, p := range all {
			object[p.name] = p.value
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(object)
	case strings.Contains(accept, "application/xml"):
		w.Header().Set("Content-Type", "application/xml; charset=utf-8")
		e := xml.NewEncoder(w)
		root := xml.StartElement{Name: xml.Name{Local: "OAuth"}}
		_ = e.EncodeToken(root)
		for _, p := range all {
			_ = e.EncodeElement(p.value, xml.StartElement{Name: xml.Name{Local: p.name}})
		}
		_ = e.EncodeToken(root.End())
		_ = e.Flush()
	default:
		form := url.Values{}
		for _, p := range all {
			if n, ok := p.value.(int64); ok {
				form.Set(p.name, strconv.FormatInt(n, 10))
			} else if text, ok := p.value.(string); ok {
				form.Set(p.name, text)
			}
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(form.Encode()))
	}
}
