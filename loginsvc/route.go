package loginsvc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A handler answers a request whose path and method fit.
type handler func(*Service, *exchange)

// A route is a path, in segments, and who answers which method there. A segment
// "*" is any one, and given to the handler. GET includes HEAD unless the route
// has side effects.
type route struct {
	path    []string
	methods map[string]handler
	onlyGET bool
}

// routes is everything below /auth.
func routes() []route {
	at := func(path string, m map[string]handler) route {
		return route{path: strings.Split(path, "/")[1:], methods: m}
	}
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	both := func(g, p handler) map[string]handler {
		return map[string]handler{http.MethodGet: g, http.MethodPost: p}
	}
	all := []route{
		at("/auth/login", get((*Service).loginPage)),
		at("/auth/account", get((*Service).accountPage)),
		at("/auth/account/sessions/revoke-others", post((*Service).revokeOthers)),
		at("/auth/account/sessions/revoke-all", post((*Service).revokeAll)),
		at("/auth/account/sessions/*/revoke", post((*Service).revokeOwn)),
		at("/auth/logout", both((*Service).logoutPage, (*Service).logout)),
		at("/auth/v1/method", get((*Service).methods)),
		at("/auth/v1/self", get((*Service).self)),
		at("/auth/v1/self/expire", map[string]handler{http.MethodPut: (*Service).expireSelf}),
		at("/auth/v1/self/revoke", map[string]handler{http.MethodDelete: (*Service).revokeSelf}),
		at("/auth/v1/tokens", map[string]handler{
			http.MethodGet: (*Service).listTokens, http.MethodDelete: (*Service).deleteTokens,
		}),
		at("/auth/v1/tokens/*", map[string]handler{
			http.MethodGet: (*Service).getToken, http.MethodDelete: (*Service).deleteToken,
		}),
		at("/auth/v1/users", get((*Service).listUsers)),
		at("/auth/v1/users/*", map[string]handler{
			http.MethodGet: (*Service).getUser, http.MethodPatch: (*Service).patchUser,
		}),
	}
	for _, under := range []string{"/auth/v1/method/oidc/*", "/auth/v1/method/github"} {
		callback := at(under+"/callback", get((*Service).callback))
		callback.onlyGET = true // it uses the attempt up
		all = append(all, callback, at(under+"/authorize", get((*Service).authorize)))
	}
	revoke := at("/auth/v1/method/oidc/*/revoke", both((*Service).frontChannel, (*Service).backChannel))
	revoke.onlyGET = true
	return append(append(all, revoke), adminRoutes()...)
}

// route finds who answers.
func (s *Service) route(x *exchange) {
	segments, ok := s.segments(x.r.URL)
	if !ok {
		s.notFound(x)
		return
	}
	for i := range s.routes {
		r := &s.routes[i]
		params, ok := r.match(segments)
		if !ok {
			continue
		}
		x.params = params
		method := x.r.Method
		if method == http.MethodHead && !r.onlyGET {
			method = http.MethodGet
		}
		if h := r.methods[method]; h != nil {
			h(s, x)
			return
		}
		x.w.Header().Set("Allow", r.allow())
		s.refuse(x, failure{status: http.StatusMethodNotAllowed, message: "Method Not Allowed"})
		return
	}
	s.notFound(x)
}

// segments splits a path. One slash at its end does not count, as in Flipt.
func (s *Service) segments(u *url.URL) ([]string, bool) {
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, s.prefix); ok && strings.HasPrefix(rest, "/") {
		path = rest
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, false
	}
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, raw := range segments {
		plain, err := url.PathUnescape(raw)
		if err != nil || plain == "" {
			return nil, false
		}
		segments[i] = plain
	}
	return segments, true
}

func (r *route) match(segments []string) (params []string, ok bool) {
	if len(segments) != len(r.path) {
		return nil, false
	}
	for i, want := range r.path {
		switch {
		case want == "*":
			params = append(params, segments[i])
		case want != segments[i]:
			return nil, false
		}
	}
	return params, true
}

// allow is the value of an Allow header (RFC 9110 §10.2.1).
func (r *route) allow() string {
	var all []string
	for m := range r.methods {
		all = append(all, m)
		if m == http.MethodGet && !r.onlyGET {
			all = append(all, http.MethodHead)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
