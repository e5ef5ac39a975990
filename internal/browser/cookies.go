package browser

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

const (
	// maxSetCookie is the longest Set-Cookie value, in bytes, that every browser
	// keeps (draft-ietf-httpbis-rfc6265bis §5.6 bounds name and value by as much).
	maxSetCookie = 4096
	// maxStates bounds the attempt cookies of one request that are looked at.
	maxStates = 16
	// maxStateID bounds what names an attempt.
	maxStateID = 64
	// maxDomains bounds the domains that one name is removed for, maxCleared the
	// cookies that remove others in one answer: proxies bound its headers.
	maxDomains = 8
	maxCleared = 64
	// fliptPrefix is the one cookie prefix with which the token's name never gets
	// another one in front: whoever chooses it wants Flipt's own name.
	fliptPrefix = "flipt"

	// What a name begins with decides what browsers ask of the cookie.
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"
)

// CookieConfig is what decides about our cookies.
type CookieConfig struct {
	// Prefix begins the names: "gateward" makes gateward_client_token.
	Prefix string
	// Domain is the domain of the sessions: PublicHost, or a parent of it that
	// all protected hosts share. A domain that no browser would accept from
	// PublicHost (another one, a single label, an IP address) counts as
	// PublicHost; refusing it is the configuration's business.
	Domain string
	// PublicHost is the host of the public URL, with or without a port. Empty is
	// Domain.
	PublicHost string
	// Secure keeps the cookies from plain HTTP, and lets their names say so.
	Secure bool
	// SameSite is that of the client token; zero is Lax.
	SameSite http.SameSite
	// Now, unless nil, makes cookies end by Max-Age instead of Expires, so that a
	// browser whose clock is wrong keeps them as long as any other.
	Now func() time.Time
}

// Cookies makes and reads the cookies of the login service: that of the client
// token, and one for each attempt. It is immutable and safe for concurrent use.
//
// The name of the token's cookie says what a browser enforces for it: "__Host-"
// for one that only our own host can set, "__Secure-" for one that belongs to a
// parent domain, and that every host below it can set by https
// (draft-ietf-httpbis-rfc6265bis §4.1.3). Attempt cookies never leave our own
// host, and no other can set them where they are secure.
type Cookies struct {
	token    string // name
	state    string // name without the id
	host     string // normalised
	domain   string // attribute of the token's cookie, "" is none
	reaching []string
	secure   bool
	sameSite http.SameSite
	now      func() time.Time
}

// NewCookies returns the Cookies that c describes.
func NewCookies(c CookieConfig) *Cookies {
	k := &Cookies{host: hostname(c.PublicHost), secure: c.Secure, sameSite: c.SameSite, now: c.Now}
	domain := hostname(c.Domain)
	if k.host == "" {
		k.host = domain
	}
	if isParent(domain, k.host) {
		k.domain = domain
	}
	k.reaching = domainsOf(k.host, k.domain)
	if k.sameSite == 0 || k.sameSite == http.SameSiteDefaultMode {
		k.sameSite = http.SameSiteLaxMode
	}
	k.token, k.state = c.Prefix+"_client_token", c.Prefix+"_client_state_"
	switch {
	case !c.Secure || c.Prefix == fliptPrefix:
	case k.domain == "":
		k.token = hostPrefix + k.token
	default:
		k.token = securePrefix + k.token
	}
	if c.Secure {
		k.state = hostPrefix + k.state
	}
	return k
}

// TokenName returns the name of the client token's cookie.
func (k *Cookies) TokenName() string { return k.token }

// Token returns the cookie that carries a client token until expires.
func (k *Cookies) Token(value gateward.Secret, expires time.Time) *http.Cookie {
	return k.set(k.tokenKind(), value.Reveal(), expires)
}

// ClearToken returns the cookie that removes the client token.
func (k *Cookies) ClearToken() *http.Cookie { return k.clear(k.tokenKind()) }

// ClearOthers returns cookies that remove whatever else r carries where a client
// token may be read from: everything under the accepted names, and what is called
// like the token's cookie but was set in another way. Next to a token that is
// valid they would contradict it.
//
// A request does not say for which domain a cookie was set, and a browser keeps
// one of our host alone apart from one for "Domain=" our host (RFC 6265 §5.3
// step 11). So each name is removed for our host alone, for our host as a domain,
// and for every domain above it but a single label. The token's own cookie is
// never among them; it is to be set or removed after these, because a browser may
// take one of them for it. There are 64 at most; of more than that, those for other
// domains than our host and the sessions' are left out first.
func (k *Cookies) ClearOthers(r *http.Request, accepted []string) []*http.Cookie {
	return k.clearOthers(accepted, func(name string) bool { return carries(r, name) })
}

// ClearAllOthers is [Cookies.ClearOthers] as if the request carried all of the
// names. Another site's request does not show cookies that are Strict.
func (k *Cookies) ClearAllOthers(accepted []string) []*http.Cookie {
	return k.clearOthers(accepted, func(string) bool { return true })
}

func (k *Cookies) clearOthers(accepted []string, carried func(name string) bool) []*http.Cookie {
	var all []*http.Cookie
	var names []string
	for _, name := range append([]string{k.token}, accepted...) {
		if !slices.Contains(names, name) && carried(name) {
			names = append(names, name)
		}
	}
	// All names for one domain come before any for the next, or the first names would
	// use up the bound, and the cookie that is there might be another.
	for _, domain := range append([]string{""}, k.reaching...) {
		for _, name := range names {
			kind := cookieKind{name, domain, k.sameSite}
			if kind == k.tokenKind() || domain != "" && hasNamePrefix(name, hostPrefix) {
				continue
			}
			if len(all) == maxCleared {
				return all
			}
			all = append(all, k.clear(kind))
		}
	}
	return all
}

// domainsOf returns the domains for which host may be sent a cookie, those first for
// which one is likely: itself, the sessions', and what else is above it up to the
// last that is no single label; 8 at most.
func domainsOf(host, sessions string) []string {
	if host == "" || isIP(host) {
		return nil
	}
	all := []string{host}
	if sessions != "" {
		all = append(all, sessions)
	}
	for _, above, _ := strings.Cut(host, "."); strings.Contains(above, ".") && len(all) < maxDomains; _, above, _ = strings.Cut(above, ".") {
		if above != sessions {
			all = append(all, above)
		}
	}
	return all
}

// carries reports whether r has a cookie of this name, whatever its value, which
// need not be one that net/http would return.
func carries(r *http.Request, name string) bool {
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ';' || c == ',' }) {
			if n, _, _ := strings.Cut(pair, "="); strings.Trim(n, " \t") == name {
				return true
			}
		}
	}
	return false
}

// hasNamePrefix reports whether browsers see the prefix in a cookie's name: they
// compare without case.
func hasNamePrefix(name, prefix string) bool {
	return strings.HasPrefix(lowerASCII(name), lowerASCII(prefix))
}

// StateName returns the name of an attempt's cookie.
func (k *Cookies) StateName(id string) string { return k.state + id }

// State returns the cookie that carries an attempt until expires. id names the
// attempt: at most 64 letters, digits, "-" and "_". It is an error if id or
// value cannot stand in a cookie, or if the cookie were too long for browsers,
// which drop such a one without a word.
//
// The cookie is Lax whatever the token's is: the provider, another site, sends
// the browser to the callback.
func (k *Cookies) State(id, value string, expires time.Time) (*http.Cookie, error) {
	if !isStateID(id) {
		return nil, errors.New("browser: make attempt cookie: bad id")
	}
	if !isCookieValue(value) {
		return nil, errors.New("browser: make attempt cookie: value has characters that no cookie can have")
	}
	c := k.set(k.stateKind(id), value, expires)
	if n := len(c.String()); n > maxSetCookie {
		return nil, fmt.Errorf("browser: make attempt cookie: %d bytes, and browsers keep %d", n, maxSetCookie)
	}
	return c, nil
}

// ClearState returns the cookie that removes an attempt's.
func (k *Cookies) ClearState(id string) *http.Cookie { return k.clear(k.stateKind(id)) }

// A StateCookie is an attempt cookie that a browser sent. Nothing about it can
// be trusted.
type StateCookie struct{ ID, Value string }

// StateValues returns the values of the attempt cookies of r with this id. There
// may be several, as somebody else may have set one.
func (k *Cookies) StateValues(r *http.Request, id string) []string {
	var all []string
	for _, c := range r.CookiesNamed(k.StateName(id)) {
		all = append(all, c.Value)
	}
	return all
}

// States returns the attempt cookies of r in its order, the first 16 at most.
// The same id may be there more than once. To find one of them, ask for its
// [Cookies.StateValues]: that cannot be crowded out.
func (k *Cookies) States(r *http.Request) []StateCookie {
	var all []StateCookie
	for _, c := range r.Cookies() {
		id, ok := strings.CutPrefix(c.Name, k.state)
		if !ok || !isStateID(id) {
			continue
		}
		all = append(all, StateCookie{ID: id, Value: c.Value})
		if len(all) == maxStates {
			break
		}
	}
	return all
}

// Covers reports whether a browser sends the client token to this host, which
// may have a port.
func (k *Cookies) Covers(host string) bool {
	h := hostname(host)
	if k.domain == "" {
		return h != "" && h == k.host
	}
	return h == k.domain || strings.HasSuffix(h, "."+k.domain)
}

// A cookieKind is what a cookie is set with, and has to be removed with: a
// browser keeps what differs in one of these.
type cookieKind struct {
	name, domain string
	sameSite     http.SameSite
}

func (k *Cookies) tokenKind() cookieKind { return cookieKind{k.token, k.domain, k.sameSite} }

func (k *Cookies) stateKind(id string) cookieKind {
	return cookieKind{k.StateName(id), "", http.SameSiteLaxMode}
}

// set returns a cookie that ends at the given time.
func (k *Cookies) set(kind cookieKind, value string, expires time.Time) *http.Cookie {
	if k.now == nil {
		return k.cookie(kind, value, expires, 0)
	}
	seconds := int(expires.Sub(k.now()) / time.Second)
	if seconds <= 0 {
		return k.clear(kind)
	}
	return k.cookie(kind, value, time.Time{}, seconds)
}

// clear returns a cookie that makes a browser remove one of this kind. Expires is
// for those that do not know Max-Age.
func (k *Cookies) clear(kind cookieKind) *http.Cookie {
	return k.cookie(kind, "", time.Unix(1, 0), -1)
}

func (k *Cookies) cookie(kind cookieKind, value string, expires time.Time, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure and SameSite are the configuration's; TestSEC_G02 says which ones follow
		Name: kind.name, Value: value, Path: "/", Domain: kind.domain, Expires: expires, MaxAge: maxAge,
		Secure: k.secure || hasNamePrefix(kind.name, hostPrefix) || hasNamePrefix(kind.name, securePrefix), HttpOnly: true, SameSite: kind.sameSite,
	}
}

// isParent reports whether a browser lets host set cookies for domain, which is
// above it. Single labels are top-level domains to browsers.
func isParent(domain, host string) bool {
	return strings.Contains(domain, ".") && strings.HasSuffix(host, "."+domain) && !isIP(host) && !isIP(domain)
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostname returns a host in the form that is compared: lower case, without
// port, brackets, leading dot and final dot.
func hostname(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		s, _, _ = strings.Cut(rest, "]")
	} else if host, _, ok := strings.Cut(s, ":"); ok && strings.Count(s, ":") == 1 {
		s = host
	}
	return lowerASCII(strings.TrimSuffix(strings.TrimPrefix(s, "."), "."))
}

func isStateID(id string) bool {
	if id == "" || len(id) > maxStateID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// isCookieValue reports whether s consists of cookie-octets (RFC 6265 §4.1.1).
func isCookieValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}
