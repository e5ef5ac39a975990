package extauthz

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/target"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/internal/credential"
)

// maxReturn bounds what is kept of where somebody wanted to go, in bytes.
const maxReturn = 2 << 10

// redirectBody is for whoever does not follow a redirect.
const redirectBody = "Please log in.\n"

// A login is a compiled [Login].
type login struct {
	url    string
	scheme string
	// host is canonical and authority has its port, unless that is the scheme's
	// own.
	host, authority string
	pattern         target.HostPattern // of host
	covers          func(host string) bool
}

// newLogin returns nil if nobody can log in.
func newLogin(c *Login) (*login, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // what there is to say about no login is nothing
	}
	wrong := func(problem string) error {
		return &gateward.ConfigError{Key: "server.public_url", Problem: problem, Remedy: "write it like https://app.example.com"}
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, wrong("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, wrong(fmt.Sprintf("scheme %q is not https", u.Scheme))
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, wrong("more than a scheme, a host and a port")
	case bytes.ContainsFunc([]byte(c.URL), func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }):
		return nil, wrong("has characters that no URL has")
	}
	host, ok := target.ParseHost(nil, []byte(u.Host))
	if !ok {
		return nil, wrong(fmt.Sprintf("%q is not a host", u.Host))
	}
	pattern, err := target.CompileHost(string(host))
	if err != nil {
		return nil, wrong(err.Error())
	}
	l := &login{url: c.URL, scheme: u.Scheme, host: string(host), pattern: pattern, covers: c.Covers}
	if l.covers == nil {
		l.covers = func(host string) bool { return host == l.host }
	}
	l.authority = string(l.appendAuthority(nil, host, []byte(u.Host)))
	return l, nil
}

// appendAuthority appends a canonical host with the port that sent, the same
// host as it was sent, has, unless it is that of our scheme.
func (l *login) appendAuthority(dst, host, sent []byte) []byte {
	dst = append(dst, host...)
	colon := bytes.LastIndexByte(sent, ':')
	if colon <= bytes.LastIndexByte(sent, ']') {
		return dst
	}
	port := string(sent[colon+1:])
	if l.scheme == "https" && port == "443" || l.scheme == "http" && port == "80" {
		return dst
	}
	return append(append(dst, ':'), port...)
}

// appendLocation appends the address of the login page from which q leads back
// to where it is. Every byte that came with the request is escaped.
func (l *login) appendLocation(dst []byte, q *request) []byte {
	dst = append(append(dst, l.url...), "?rd="...)
	path := q.view.Path
	authority := l.appendAuthority(q.scratch[:0], q.host, q.view.Host)
	q.scratch = authority
	if string(authority) != l.authority {
		dst = appendEscaped(append(append(dst, l.scheme...), "%3A//"...), authority)
		if len(l.scheme)+len("://")+len(authority)+len(path) > maxReturn {
			path = nil
		}
	}
	if len(path) > maxReturn || !returnable(path) {
		return append(dst, '/')
	}
	return appendEscaped(dst, path)
}

// returnable reports whether a target can be gone back to: two slashes in front
// begin a host to a browser, and what cannot be in a URL was not meant.
func returnable(path []byte) bool {
	return len(path) > 0 && path[0] == '/' && (len(path) == 1 || path[1] != '/' && path[1] != '\\') &&
		!bytes.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// appendEscaped appends a value of a query, in which everything is escaped that
// might mean something there (RFC 3986 §3.4).
func appendEscaped(dst, value []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range value {
		if isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/' {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', digits[c>>4], digits[c&15])
	}
	return dst
}

// A redirection says whom a rule sends to the login.
type redirection uint8

const (
	redirectNavigations redirection = iota
	redirectReads                   // every GET and HEAD
	redirectNobody
)

// unauthenticated compiles a rule's key of that name.
func (c *ruleCompiler) unauthenticated(key string, r *rule, value string) {
	switch value {
	case "", "auto":
		return
	case "redirect":
		r.redirects = redirectReads
		if r.kinds&credential.Cookie == 0 {
			c.fail(key, "the rule admits no cookie, and nothing else comes of a login", "add cookie to its credentials, or use auto or status")
		}
	case "status":
		r.redirects = redirectNobody
	default:
		c.fail(key, fmt.Sprintf("unknown value %q", value), "use auto, redirect or status")
		return
	}
	if r.access == AccessAnonymous || r.access == AccessDeny {
		c.fail(key, fmt.Sprintf("access %s asks for no credential", r.access), "remove it, or set access: authenticated")
	}
}

// sendsToLogin reports whether a decision is answered by a redirect to the
// login: where somebody may be behind the request, and is likely to come back
// with what was missing. A bad credential is no hindrance where a login replaces
// it; an Authorization header, and cookies of which a login replaces one, would
// be the same afterwards, and lead to the login again.
func (e *Engine) sendsToLogin(q *request, d *decision, client browser.Client) bool {
	if e.login == nil || d.judged.FromHeader || d.rule.kinds&credential.Cookie == 0 {
		return false
	}
	loginHelps := d.reason == ReasonNoCredential || d.reason == ReasonInvalidCredential || d.reason == ReasonMalformedCredential ||
		d.reason == ReasonAuthenticationTooOld && e.isSession(&d.who.identity)
	return loginHelps && d.rule.redirects.includes(q, client) && e.login.covers(string(q.host))
}

func (r redirection) includes(q *request, client browser.Client) bool {
	switch r {
	case redirectNavigations:
		return client == browser.Navigation
	case redirectReads:
		if client == browser.Script {
			_, upgrade := q.view.Get("upgrade")
			return !upgrade && (string(q.view.Method) == "GET" || string(q.view.Method) == "HEAD")
		}
		return client == browser.Navigation
	case redirectNobody:
	}
	return false
}

// isSession reports whether a login made the identity.
func (e *Engine) isSession(id *gateward.Identity) bool {
	return id.SessionID != "" && slices.Contains(e.sessionMethods, id.Method)
}

// appendRedirect appends the header that sends the browser to the login.
func (e *Engine) appendRedirect(h []byte, q *request, d *decision) []byte {
	location := e.login.appendLocation(nil, q)
	if d.reason == ReasonAuthenticationTooOld {
		location = strconv.AppendInt(append(location, "&max_age="...), seconds(d.rule.maxAuthAge), 10)
	}
	return wire.AppendHeaderBytes(h, "location", location)
}

// switchAccount is the address where somebody who is logged in, and may not do
// this, logs in as somebody else; "" if that is nowhere.
func (e *Engine) switchAccount(q *request, d *decision) string {
	if e.login == nil || d.judged.FromHeader || !e.isSession(&d.who.identity) || !e.login.covers(string(q.host)) {
		return ""
	}
	return string(append(e.login.appendLocation(nil, q), "&prompt=select_account"...))
}

// minAuthAge is what somebody may need from a login back to the page.
const minAuthAge = time.Minute

// authAge compiles a rule's key max_auth_age.
func (c *ruleCompiler) authAge(key string, r *rule, age time.Duration) {
	r.maxAuthAge = age
	switch {
	case age < 0:
		c.fail(key, fmt.Sprintf("%v is negative", age), "say how long ago the login may be, such as 15m")
	case 0 < age && age < minAuthAge:
		c.warnings = append(c.warnings, &gateward.ConfigError{
			Key: key, Warning: true, Problem: fmt.Sprintf("%v may be over before a browser is back from the login", age),
			Remedy: fmt.Sprintf("use %v or more", minAuthAge),
		})
	}
}

// tooOld reports whether the person authenticated too long ago, or at a time
// that nobody knows.
func (r *rule) tooOld(id *gateward.Identity, now time.Time) bool {
	return r.maxAuthAge > 0 && (id.AuthTime.IsZero() || now.Sub(id.AuthTime) > r.maxAuthAge)
}

// authAgeChallenge is what RFC 9470 §3 adds to a challenge.
func (r *rule) authAgeChallenge() string {
	return fmt.Sprintf(`, error="insufficient_user_authentication", max_age="%d"`, seconds(r.maxAuthAge))
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
