package loginsvc

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gateward/gateward/methods"
)

// A wish is what a login is asked for with: where to go afterwards, and how the
// provider is to treat the person.
type wish struct {
	// target is the checked return target, "" if there is none.
	target string
	maxAge *time.Duration
	// prompt is "", "login" or "select_account": "none" could only fail, and
	// lead to one redirect after another.
	prompt string
}

// wishOf reads rd, max_age and prompt. An rd that is no return target is none;
// anything else that cannot be understood, or is there twice, is an error of the
// client's, because leaving it out would weaken the login.
func (s *Service) wishOf(q url.Values) (wish, bool) {
	w := wish{}
	for _, name := range []string{"rd", "max_age", "prompt"} {
		if len(q[name]) > 1 {
			return wish{}, false
		}
	}
	w.target, _ = s.target(q.Get("rd"))
	if raw := q.Get("max_age"); raw != "" {
		seconds, err := strconv.ParseUint(raw, 10, 31)
		if err != nil {
			return wish{}, false
		}
		age := time.Duration(seconds) * time.Second
		w.maxAge = &age
	}
	switch w.prompt = q.Get("prompt"); w.prompt {
	case "", "login", "select_account":
		return w, true
	}
	return wish{}, false
}

// query is the wish as a query, to which others are appended.
func (w wish) query() url.Values {
	q := url.Values{}
	if w.target != "" {
		q.Set("rd", w.target)
	}
	if w.maxAge != nil {
		q.Set("max_age", strconv.FormatInt(int64(*w.maxAge/time.Second), 10))
	}
	if w.prompt != "" {
		q.Set("prompt", w.prompt)
	}
	return q
}

// accountPath and adminPath are the only return targets below /auth.
const accountPath = "/auth/account"

// target returns the checked form of a return target, or false.
func (s *Service) target(raw string) (string, bool) {
	if raw == "" {
		return "", false
	}
	if raw == s.link(accountPath) || raw == s.link(adminPath) {
		return raw, true
	}
	if target, ok := s.targets.Check(raw); ok {
		return target, true
	}
	return "", false
}

// destination is where a login that wished for target ends. It is checked again,
// because the configuration may have changed since the attempt began.
func (s *Service) destination(target string) string {
	if target, ok := s.target(target); ok {
		return target
	}
	return s.cfg.DefaultTarget
}

// loginPath is what names a provider in paths below /auth/v1/method. GitHub is
// one provider and one method.
func loginPath(method, name string) string {
	if method == "oidc" {
		return method + "/" + name
	}
	return method
}

// loginOf returns the provider that the path names, or nil.
func (s *Service) loginOf(x *exchange) methods.Login {
	if len(x.params) == 0 {
		return s.byPath["github"]
	}
	return s.byPath[loginPath("oidc", x.params[0])]
}

// unknownProvider answers a path that names no provider of ours. A method
// without any is not there at all, as in Flipt.
func (s *Service) unknownProvider(x *exchange, operation string) {
	for _, l := range s.logins {
		if l.Method() == "oidc" && len(x.params) > 0 {
			s.refuse(x, failure{status: http.StatusBadRequest, message: operation + ": unknown provider", actions: s.startAction()})
			return
		}
	}
	s.notFound(x)
}

// methodLink is the address of one of a provider's paths.
func (s *Service) methodLink(l methods.Login, end string) string {
	at := url.PathEscape(l.Method())
	if l.Method() == "oidc" {
		at += "/" + url.PathEscape(l.Name())
	}
	return s.link("/auth/v1/method/" + at + "/" + end)
}

// authorizeLink begins a login with a provider.
func (s *Service) authorizeLink(l methods.Login, w wish) string {
	return withQuery(s.methodLink(l, "authorize"), w.query())
}

// loginLink leads to the login page.
func (s *Service) loginLink(w wish, more ...string) string {
	q := w.query()
	for _, name := range more {
		q.Set(name, "1")
	}
	return withQuery(s.link("/auth/login"), q)
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
