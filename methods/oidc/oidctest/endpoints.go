package oidctest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what one authorization has led to.
type grant struct {
	user        User
	redirectURI string
	nonce       string
	challenge   string
	sid         string
	authTime    time.Time
	request     url.Values // the authorization request
	asked       bool       // for auth_time, by max_age
	redeemed    bool       // the code was
}

// ServeHTTP implements [http.Handler].
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := p.endpointAt(r.URL.Path)
	p.mu.Lock()
	p.requests[e]++
	down, fault, b := p.down, p.faults[e], p.behavior
	p.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case fault != nil:
		fault(w, r)
		return
	}
	switch e {
	case Discovery:
		p.discovery(w, b)
	case Authorization:
		p.authorization(w, r, b)
	case Token:
		p.token(w, r, b)
	case Userinfo:
		p.userinfo(w, r, b)
	case Keys:
		p.keySet(w, b)
	case Graph:
		p.graph(w, r)
	case EndSession:
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

// endpointAt returns the endpoint at a path, or the path for what is none: a test
// may put a fault there.
func (p *Provider) endpointAt(path string) Endpoint {
	e := Endpoint(path)
	if slices.Contains(endpoints, e) {
		e = "" // it is elsewhere
	}
	for known, at := range p.paths {
		if at == path {
			e = known
		}
	}
	return e
}

func (p *Provider) discovery(w http.ResponseWriter, b Behavior) {
	document := map[string]any{
		"issuer":                                p.Issuer,
		"authorization_endpoint":                p.Address(Authorization),
		"token_endpoint":                        p.Address(Token),
		"userinfo_endpoint":                     p.Address(Userinfo),
		"jwks_uri":                              p.Address(Keys),
		"end_session_endpoint":                  p.Address(EndSession),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
	}
	if b.AnswerWithIssuer {
		document["authorization_response_iss_parameter_supported"] = true
	}
	if !b.SilentAuthMethods {
		document["token_endpoint_auth_methods_supported"] = b.AuthMethods
	}
	if b.Metadata != nil {
		b.Metadata(document)
	}
	writeJSON(w, http.StatusOK, document)
}

func (p *Provider) authorization(w http.ResponseWriter, r *http.Request, b Behavior) {
	q := r.URL.Query()
	if r.Method == http.MethodPost { // the page that asks, see manner
		if r.ParseForm() != nil {
			http.Error(w, "form", http.StatusBadRequest)
			return
		}
		q = r.PostForm
	}
	for name, values := range q {
		if len(values) != 1 {
			http.Error(w, "repeated parameter "+name, http.StatusBadRequest)
			return
		}
	}
	to, err := url.Parse(q.Get("redirect_uri"))
	method := q.Get("code_challenge_method")
	switch {
	case err != nil || !to.IsAbs() || len(b.RedirectURIs) > 0 && !slices.Contains(b.RedirectURIs, q.Get("redirect_uri")):
		http.Error(w, "The redirect URI included is not valid.", http.StatusBadRequest)
		return
	case q.Get("response_type") != "code", q.Get("client_id") != p.ClientID, q.Get("state") == "",
		!slices.Contains(strings.Fields(q.Get("scope")), "openid"), method != "" && method != "S256":
		http.Error(w, "not a request for a code", http.StatusBadRequest)
		return
	}
	if p.manner.authorize != nil && b.Deny == "" && p.manner.authorize(p, w, r) {
		return
	}
	answer := map[string]string{"state": q.Get("state")}
	if b.Deny != "" {
		answer["error"], answer["error_description"] = b.Deny, "<script>denied</script>"
	} else {
		answer["code"] = p.issueCode(q)
	}
	if b.AnswerWithIssuer {
		answer["iss"] = p.Issuer
	}
	if b.Callback != nil {
		b.Callback(answer)
	}
	v := to.Query()
	for name, value := range answer {
		v.Set(name, value)
	}
	to.RawQuery = v.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func (p *Provider) issueCode(q url.Values) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	p.sid = fmt.Sprintf("sid-%d", p.serial)
	code := fmt.Sprintf("code-canary-%d", p.serial)
	p.grants[code] = &grant{
		user: p.user, redirectURI: q.Get("redirect_uri"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"),
		sid: p.sid, authTime: p.now(), asked: q.Has("max_age"), request: q,
	}
	return code
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request, b Behavior) {
	refuse := p.manner.refuse
	if refuse == nil {
		refuse = writeError
	}
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	for _, values := range r.PostForm {
		if len(values) != 1 {
			refuse(w, http.StatusBadRequest, "invalid_request")
			return
		}
	}
	if !p.authenticated(r, b.AuthMethods) {
		w.Header().Set("WWW-Authenticate", `Basic realm="provider"`)
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	var answer map[string]any
	var problem string
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		answer, problem = p.redeem(r.PostForm, b)
	case "refresh_token":
		answer, problem = p.refresh(r.PostForm, b)
	default:
		problem = "unsupported_grant_type"
	}
	if problem != "" {
		status := http.StatusBadRequest
		if problem == "invalid_grant" {
			status = b.RefusalStatus
		}
		refuse(w, status, problem)
		return
	}
	if b.TokenResponse != nil {
		b.TokenResponse(answer)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

// authenticated checks the client (RFC 6749 §2.3.1), by one method exactly.
func (p *Provider) authenticated(r *http.Request, methods []string) bool {
	id, secret, basic := r.BasicAuth()
	if basic {
		var errs [2]error
		id, errs[0] = url.QueryUnescape(id)
		secret, errs[1] = url.QueryUnescape(secret)
		return errs == [2]error{} && slices.Contains(methods, "client_secret_basic") && !r.PostForm.Has("client_secret") &&
			id == p.ClientID && secret == p.ClientSecret
	}
	return slices.Contains(methods, "client_secret_post") &&
		r.PostForm.Get("client_id") == p.ClientID && r.PostForm.Get("client_secret") == p.ClientSecret
}

func (p *Provider) redeem(form url.Values, b Behavior) (answer map[string]any, problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[form.Get("code")]
	if g == nil {
		return nil, "invalid_grant"
	}
	if g.redeemed {
		maps.DeleteFunc(p.grants, func(_ string, other *grant) bool { return other == g })
		return nil, b.ReplayError
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if g.redirectURI != form.Get("redirect_uri") || g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return nil, "invalid_grant"
	}
	g.redeemed = true
	return p.issueTokens(g, "", b), ""
}

func (p *Provider) refresh(form url.Values, b Behavior) (answer map[string]any, problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := form.Get("refresh_token")
	g := p.grants[token]
	if g == nil || !g.redeemed {
		return nil, "invalid_grant"
	}
	if !b.KeepRefreshToken && !b.SameRefreshToken {
		delete(p.grants, token)
	}
	if g.user.Subject == p.user.Subject {
		g.user = p.user
	}
	p.refreshes++
	answer = p.issueTokens(g, token, b)
	if b.NoRefreshedIDToken {
		delete(answer, "id_token")
	}
	return answer, ""
}

// issueTokens makes a token answer. mu is held.
func (p *Provider) issueTokens(g *grant, refreshed string, b Behavior) map[string]any {
	p.serial++
	access := fmt.Sprintf("access-canary-%d", p.serial)
	p.grants[access] = g
	answer := map[string]any{
		"access_token": access, "token_type": "Bearer", "scope": "openid",
		"expires_in": int64(b.TokenLifetime / time.Second),
		"id_token":   p.idToken(g, access, refreshed != "", b),
	}
	switch {
	case b.NoRefreshToken, b.Offline != nil && !b.Offline(g.request), refreshed != "" && b.KeepRefreshToken:
		return answer
	case refreshed != "" && b.SameRefreshToken:
		answer["refresh_token"] = refreshed
		return answer
	}
	refresh := fmt.Sprintf("refresh-canary-%d", p.serial)
	if b.UnsignedRefreshTokens {
		refresh = encodeJSON(map[string]any{"alg": "none"}) + "." + encodeJSON(map[string]any{"sub": "somebody-else", "n": p.serial}) + "."
	}
	p.grants[refresh] = g
	answer["refresh_token"] = refresh
	return answer
}

// idToken makes an ID token. mu is held.
func (p *Provider) idToken(g *grant, access string, refreshed bool, b Behavior) string {
	now := p.now()
	sum := sha256.Sum256([]byte(access))
	claims := g.user.claims()
	maps.Copy(claims, map[string]any{
		"iss": p.Issuer, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(b.TokenLifetime).Unix(),
		"sid": g.sid, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	})
	if g.nonce != "" && !refreshed {
		claims["nonce"] = g.nonce
	}
	if g.asked || b.AuthTime {
		claims["auth_time"] = g.authTime.Unix()
	}
	for _, name := range b.UserinfoOnly {
		delete(claims, name)
	}
	if b.IDToken != nil {
		b.IDToken(claims)
	}
	if b.Sign != nil {
		return b.Sign(claims)
	}
	return p.Sign(nil, claims)
}

// claims returns what the provider says of a person.
func (u *User) claims() map[string]any {
	claims := map[string]any{"sub": u.Subject}
	for name, v := range map[string]string{"email": u.Email, "name": u.Name, "picture": u.Picture} {
		if v != "" {
			claims[name] = v
		}
	}
	if u.EmailVerified != nil {
		claims["email_verified"] = u.EmailVerified
	}
	if u.Groups != nil {
		claims["groups"] = u.Groups
	}
	maps.Copy(claims, u.Claims)
	return claims
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request, b Behavior) {
	u, ok := p.owner(r)
	switch {
	case !ok && p.manner.unauthorized != nil:
		p.manner.unauthorized(w)
		return
	case !ok:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeError(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	claims := u.claims()
	if b.UserinfoClaims != nil {
		b.UserinfoClaims(claims)
	}
	writeJSON(w, http.StatusOK, claims)
}

// owner returns whose access token a request has.
func (p *Provider) owner(r *http.Request) (User, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[token]
	if g == nil || !strings.HasPrefix(token, "access-") {
		return User{}, false
	}
	return g.user, true
}

func writeError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test has put in what JSON cannot say
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
