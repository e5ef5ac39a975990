package loginsvc_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
)

// A visitor is a browser: it keeps cookies, opens pages and follows nothing by
// itself.
type visitor struct {
	w       *world
	jar     map[string]*http.Cookie // by name: there is one host; by the world's clock
	headers http.Header
	host    string          // the header Host, that of publicURL if ""
	ctx     context.Context //nolint:containedctx // that of requests, the test's if nil
}

func (w *world) visitor() *visitor {
	return &visitor{w: w, jar: map[string]*http.Cookie{}, headers: http.Header{
		"Accept": {"text/html,application/xhtml+xml"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, "X-Forwarded-For": {"203.0.113.7"},
	}}
}

// An answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (a *answer) location() string { return a.Header.Get("Location") }

// cookie returns what the answer sets under a name that begins so, or nil.
func (a *answer) cookie(prefix string) *http.Cookie {
	for _, c := range a.Cookies() {
		if strings.HasPrefix(c.Name, prefix) {
			return c
		}
	}
	return nil
}

func (v *visitor) send(method, target string, headers http.Header, body string) *answer {
	v.w.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		v.w.t.Fatal(err)
	}
	base, _ := url.Parse(publicURL)
	u = base.ResolveReference(u)
	ctx := v.ctx
	if ctx == nil {
		ctx = v.w.t.Context()
	}
	r := httptest.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:4711"
	r.URL.Scheme, r.URL.Host = "", "" // as a server has it
	r.Host = cmp.Or(v.host, r.Host)
	for _, h := range []http.Header{v.headers, headers} {
		for name, values := range h {
			r.Header[name] = values
		}
	}
	for name, value := range v.cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	v.w.service.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		v.keep(c)
	}
	return &answer{res, withoutStyle(rec.Body.String())}
}

// withoutStyle is a page without its style sheets, for tests to show.
func withoutStyle(page string) string {
	for {
		head, rest, ok := strings.Cut(page, "<style>")
		if !ok {
			return page
		}
		_, rest, _ = strings.Cut(rest, "</style>")
		page = head + rest
	}
}

// open is a navigation.
func (v *visitor) open(target string) *answer {
	v.w.t.Helper()
	return v.send(http.MethodGet, target, nil, "")
}

// submit sends a form of one of our pages.
func (v *visitor) submit(target string) *answer {
	v.w.t.Helper()
	return v.send(http.MethodPost, target, http.Header{"Origin": {publicURL}}, "")
}

// fetch is a request by a script of one of our pages. A header that is "" is
// left out.
func (v *visitor) fetch(method, target string, headers ...string) *answer {
	v.w.t.Helper()
	h := http.Header{"Accept": {"*/*"}, "Sec-Fetch-Mode": {"cors"}}
	for i := 0; i < len(headers); i += 2 {
		h[http.CanonicalHeaderKey(headers[i])] = oneOrNone(headers[i+1])
	}
	return v.send(method, target, h, "")
}

// authorize begins a login with p and returns the provider's address.
func (v *visitor) authorize(p *provider, query string) string {
	v.w.t.Helper()
	a := v.open("/auth/v1/method/oidc/" + p.name + "/authorize" + query)
	if a.StatusCode != http.StatusFound {
		v.w.t.Fatalf("authorize: got %d %s", a.StatusCode, a.body)
	}
	return a.location()
}

// logIn goes through a whole login and returns the callback's answer.
func (v *visitor) logIn(p *provider, query string) *answer {
	v.w.t.Helper()
	code, state := p.code(v.authorize(p, query))
	a := v.open(p.callback(code, state))
	if a.StatusCode != http.StatusSeeOther {
		v.w.t.Fatalf("callback: got %d %s", a.StatusCode, a.body)
	}
	return a
}

// cookies returns the cookies by name.
func (v *visitor) cookies() map[string]string {
	all := map[string]string{}
	for name, c := range v.jar {
		if c.Expires.IsZero() || c.Expires.After(v.w.now()) {
			all[name] = c.Value
		}
	}
	return all
}

func (v *visitor) token() string { return v.cookies()[tokenCookie] }

// keep does with a Set-Cookie header what browsers do, as to prefixes and age.
func (v *visitor) keep(c *http.Cookie) {
	if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
		v.w.t.Errorf("no browser would keep %s", c)
	}
	if !c.HttpOnly {
		v.w.t.Errorf("a script can read %s", c)
	}
	if c.MaxAge < 0 {
		delete(v.jar, c.Name)
		return
	}
	v.jar[c.Name] = c
}

// set puts a cookie into the browser.
func (v *visitor) set(name, value string) {
	v.jar[name] = &http.Cookie{Name: name, Value: value}
}

// states returns the attempt cookies.
func (v *visitor) states() map[string]string {
	all := map[string]string{}
	for name, value := range v.cookies() {
		if id, ok := strings.CutPrefix(name, stateCookie); ok && len(id) == 22 {
			all[name] = value
		}
	}
	return all
}

// peerOf is the address that a test's browser has.
var peerOf = netip.MustParseAddr("203.0.113.7")

func oneOrNone(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
