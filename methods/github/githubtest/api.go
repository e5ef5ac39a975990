package githubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// hourlyLimit is how many requests a person's tokens may make in an hour.
	hourlyLimit = 5000
	// maxBadLogins is after how many bad tokens everybody is refused for a while.
	maxBadLogins = 30
	lockout      = time.Minute

	documentation = "https://docs.github.com/rest"
)

// apiVersions are the versions of the API that there are.
func apiVersions() []string { return []string{"2022-11-28", "2026-03-10"} }

// A call is one request to the API by whom it is for.
type call struct {
	s     *Server
	r     *http.Request
	base  string // address of the API
	user  *account
	grant *grant
}

// A reply is what an endpoint answers.
type reply struct {
	status int // 200 when zero
	header http.Header
	body   any
	// list is the whole list of which a page is sent, at canonical. A [made] is made
	// for that.
	list      []any
	canonical string
}

type endpoint func(c *call) reply

// made is an entry of a list that may be long.
type made func() any

func (s *Server) newRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", s.authorize)
	mux.HandleFunc("POST /login/oauth/authorize", s.consented)
	mux.HandleFunc("POST /login/oauth/access_token", s.token)
	for _, e := range []struct {
		path   string
		scopes []string
		serve  endpoint
	}{
		{"/user", nil, getUser},
		{"/user/emails", []string{"user:email"}, getEmails},
		{"/user/orgs", []string{"user", "read:org"}, getOrganizations},
		{"/user/memberships/orgs", []string{"user", "repo", "read:org"}, getMemberships},
		{"/user/memberships/orgs/{org}", []string{"user", "repo", "read:org"}, getMembership},
		{"/user/teams", []string{"user", "repo", "read:org"}, getTeams},
		// What the links of pages lead to.
		{"/user/{id}/emails", []string{"user:email"}, getEmails},
		{"/user/{id}/orgs", []string{"user", "read:org"}, getOrganizations},
		{"/user/{id}/memberships/orgs", []string{"user", "repo", "read:org"}, getMemberships},
		{"/user/{id}/teams", []string{"user", "repo", "read:org"}, getTeams},
	} {
		mux.HandleFunc("GET "+s.apiPrefix()+e.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e.scopes, e.serve) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeReply(w, refuse(http.StatusNotFound, "Not Found"))
	})
	return mux
}

// serve answers one request to the API.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, scopes []string, e endpoint) {
	h := w.Header()
	h.Set("X-Github-Media-Type", "github.v3; format=json")
	h.Set("Access-Control-Expose-Headers", "ETag, Link, X-GitHub-OTP, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Used, "+
		"X-RateLimit-Resource, X-RateLimit-Reset, X-OAuth-Scopes, X-Accepted-OAuth-Scopes, X-GitHub-SSO, X-GitHub-Request-Id")
	s.mu.Lock()
	answer := s.answer(h, r, scopes, e)
	s.mu.Unlock()
	writeReply(w, answer)
}

// answer returns what a request is answered with. mu is held.
func (s *Server) answer(h http.Header, r *http.Request, scopes []string, e endpoint) reply {
	c := &call{s: s, r: r, base: s.baseOf(r)}
	if refused, ok := c.admit(h); !ok {
		return refused
	}
	h.Set("X-Oauth-Scopes", strings.Join(c.grant.scopes, ", "))
	h.Set("X-Accepted-Oauth-Scopes", strings.Join(scopes, ", "))
	if id := r.PathValue("id"); id != "" && id != strconv.FormatInt(c.user.ID, 10) {
		return refuse(http.StatusNotFound, "Not Found")
	}
	switch {
	case scopes == nil || c.grant.has(scopes...):
	case strings.HasSuffix(r.URL.Path, "/emails"):
		return refuse(http.StatusNotFound, "Not Found") // as documented
	default:
		return refuse(http.StatusForbidden, "You need at least read:org scope or user scope to list your organizations.")
	}
	return c.complete(h, e(c))
}

// baseOf returns the address of the API as the client wrote it.
func (s *Server) baseOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + s.apiPrefix()
}

// admit finds out whose request it is, or refuses it. The lock is held.
func (c *call) admit(h http.Header) (reply, bool) {
	now := c.s.options.Now()
	if c.r.UserAgent() == "" {
		return reply{status: http.StatusForbidden, header: http.Header{"Content-Type": {"text/html"}}, body: rawBody(
			"Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).")}, false
	}
	if v := c.r.Header.Get("X-Github-Api-Version"); v != "" {
		if !slices.Contains(apiVersions(), v) {
			return refuse(http.StatusBadRequest, "The specified API version is not supported."), false
		}
		h.Set("X-Github-Api-Version-Selected", v)
	}
	if now.Before(c.s.lockedUntil) {
		return refuse(http.StatusForbidden, "Maximum number of login attempts exceeded. Please try again later."), false
	}
	scheme, raw, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if raw == "" || !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
		return refuse(http.StatusUnauthorized, "Requires authentication"), false
	}
	g := c.s.tokens[raw]
	if g == nil || !g.expires.IsZero() && !now.Before(g.expires) || c.s.userByID(g.user) == nil {
		if c.s.badLogins++; c.s.badLogins >= maxBadLogins {
			c.s.badLogins, c.s.lockedUntil = 0, now.Add(lockout)
		}
		return refuse(http.StatusUnauthorized, "Bad credentials"), false
	}
	c.grant, c.user = g, c.s.userByID(g.user)
	if c.user.suspended { // not in the documentation; clients in use know it
		return refuse(http.StatusForbidden, "Sorry. Your account was suspended."), false
	}
	return c.withinLimits(h, now)
}

// withinLimits counts the request.
func (c *call) withinLimits(h http.Header, now time.Time) (reply, bool) {
	if c.s.options.Enterprise { // off by default there
		return reply{}, true
	}
	if wait := c.s.secondary.Sub(now); wait > 0 {
		refused := refuse(http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
		refused.header = http.Header{"Retry-After": {strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)}}
		return refused, false
	}
	u := c.user
	c.s.startHour(u)
	exceeded := u.used >= u.limit
	if !exceeded {
		u.used++
	}
	c.countHeaders(h)
	if exceeded {
		return refuse(http.StatusForbidden, fmt.Sprintf("API rate limit exceeded for user ID %d. If you reach out to GitHub Support for help, please include the request ID.", u.ID)), false
	}
	return reply{}, true
}

// startHour begins a new hour of requests if the last one is over. mu is held.
func (s *Server) startHour(u *account) {
	if now := s.options.Now(); !now.Before(u.reset) {
		u.used, u.limit, u.reset = 0, hourlyLimit, now.Add(time.Hour)
	}
}

func (c *call) countHeaders(h http.Header) {
	h.Set("X-Ratelimit-Limit", strconv.Itoa(c.user.limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(c.user.limit-c.user.used))
	h.Set("X-Ratelimit-Used", strconv.Itoa(c.user.used))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(c.user.reset.Unix(), 10))
	h.Set("X-Ratelimit-Resource", "core")
}

// complete cuts the page out of a list, and answers with 304 where the client knows
// the answer.
func (c *call) complete(h http.Header, answer reply) reply {
	if answer.list != nil {
		page, link := c.page(answer.list, answer.canonical)
		answer.body = page
		if link != "" {
			h.Set("Link", link)
		}
	}
	if answer.status != 0 {
		return answer
	}
	body, err := json.Marshal(answer.body)
	if err != nil {
		panic("githubtest: " + err.Error()) // net/http ends the request
	}
	sum := sha256.Sum256(append(body, h.Get("Link")...))
	tag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
	h.Set("Etag", tag)
	h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
	h.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
	if c.r.Header.Get("If-None-Match") != tag {
		return answer
	}
	c.s.unchanged[c.s.plainPath(c.r.URL.Path)]++
	if !c.s.options.Enterprise {
		c.user.used-- // it does not count
		c.countHeaders(h)
	}
	return reply{status: http.StatusNotModified, header: answer.header}
}

// page cuts a page out of a list, and returns the links to the others.
func (c *call) page(all []any, canonical string) ([]any, string) {
	q := c.r.URL.Query()
	number := func(name string, otherwise, most int) int {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 1 {
			return otherwise
		}
		return min(n, most)
	}
	size := number("per_page", 30, 100)
	page := number("page", 1, 1<<20)
	last := max((len(all)+size-1)/size, 1)
	var links []string
	link := func(relation string, n int) {
		q.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf(`<%s%s?%s>; rel=%q`, c.base, canonical, q.Encode(), relation))
	}
	if page > 1 {
		link("prev", min(page-1, last))
	}
	if page < last {
		link("next", page+1)
		link("last", last)
	}
	if page > 1 {
		link("first", 1)
	}
	from := min((page-1)*size, len(all))
	cut := all[from:min(from+size, len(all))]
	for i, entry := range cut {
		if f, ok := entry.(made); ok {
			cut[i] = f()
		}
	}
	return cut, strings.Join(links, ", ")
}

// rawBody is a body that is not JSON.
type rawBody string

// refuse is an error as the API writes them (schema basic-error).
func refuse(status int, message string) reply {
	return reply{status: status, body: map[string]any{
		"message": message, "documentation_url": documentation, "url": documentation, "status": strconv.Itoa(status),
	}}
}

func writeReply(w http.ResponseWriter, answer reply) {
	if answer.body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	for name, v := range answer.header {
		w.Header()[http.CanonicalHeaderKey(name)] = v
	}
	text, plain := answer.body.(rawBody)
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(answer.body); err != nil {
		panic("githubtest: " + err.Error()) // net/http ends the request
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	switch {
	case plain:
		_, _ = w.Write([]byte(text))
	case answer.body != nil:
		_, _ = w.Write(b.Bytes())
	}
}
