package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// publicKey is where browsers reach us.
const publicKey = "server.public_url"

// publicURL checks the address that browsers know us by.
func (c *checker) publicURL() {
	text := c.file.Config.Server.PublicURL
	if text == "" {
		return
	}
	u := c.browserURL(publicKey, text, "")
	if u == nil {
		return
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		c.bad(publicKey, c.shown(publicKey, text)+" is more than an address: the login service is below its /auth", "write it without path and query")
		return
	}
	c.plainHTTP(publicKey, u)
}

// browserURL returns an http or https URL that people's browsers know us by.
func (c *checker) browserURL(key, text, prefix string) *url.URL {
	u := c.webURL(key, text, prefix)
	if u != nil && !isHost(canonicalHost(u.Hostname())) {
		c.bad(key, c.shown(key, u.Hostname())+" is not a host", "write one such as app.example.com, and other alphabets as xn--…")
		return nil
	}
	return u
}

// plainHTTP warns about an address at which sessions would travel in the clear.
func (c *checker) plainHTTP(key string, u *url.URL) {
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		c.warn(key, "is plain http, so whoever is on the way can take over sessions", "write https://; http is for localhost")
	}
}

// webURL returns an http or https URL, and notes a problem with anything else.
// prefix begins what is said of one that cannot be parsed.
func (c *checker) webURL(key, text, prefix string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil && (strings.Contains(text, "@") || c.referenced(key)):
		c.bad(key, prefix+"parse: is not a URL", "write an https URL")
	case err != nil:
		c.bad(key, prefix+err.Error(), "write an https URL")
	case u.User != nil:
		c.bad(key, "holds a user name or password, which would appear in logs", "remove it from the URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		c.bad(key, c.shown(key, text)+" is not an https URL", "begin it with https:// and a host")
	default:
		return u
	}
	return nil
}

// referenced reports whether a key's value came by reference.
func (c *checker) referenced(key string) bool {
	n := c.at(key)
	return n != nil && n.reference != ""
}

// public returns the address and the host at which people log in, for a
// message.
func (c *checker) public() (address, host string) {
	address, key := c.file.Config.publicURL()
	switch {
	case address == "":
		return "the public address", "the public host"
	case c.referenced(key):
		return "the address in " + key, "the host in " + key
	}
	return address, c.file.Config.PublicHost()
}

// sessionDomain checks the host that the session cookie is for, against the
// host where it is set: a browser drops a cookie for any other, and every login
// would end where it began.
func (c *checker) sessionDomain() {
	const key = sessionKey + ".domain"
	const form = "write a host such as app.example.com"
	a := &c.file.Config.Authentication
	text, needed := a.Session.Domain, a.Methods.SessionCompatible()
	host := c.file.Config.PublicHost()
	_, login := c.public()
	domain, err := cookieDomain(text)
	switch {
	case err != nil && (strings.Contains(text, "@") || c.referenced(key)):
		c.bad(key, "authentication: session_domain parse: is not a host", form)
	case err != nil:
		c.bad(key, "authentication: session_domain "+err.Error(), form)
	case domain == "" && (needed || c.set(key) && c.at(key).text != ""):
		c.bad(key, "authentication: session_domain non-empty value is required", "set it to "+login+", where people log in, or to a domain above it")
	case domain == "":
	case !isHost(domain):
		c.bad(key, c.shown(key, domain)+" is not a host", form+", and other alphabets as xn--…")
	case !needed || host == "" || domain == host:
	case domain != "localhost" && !strings.ContainsAny(domain, ".:"):
		c.bad(key, c.shown(key, domain)+" is a whole top-level domain, for which browsers keep no cookie", "set it to "+login+", or to a domain right above it")
	case !covers(domain, host):
		c.bad(key, c.shown(key, domain)+" is neither "+login+", where people log in, nor above it: browsers would drop the session cookie",
			"set it to "+login+", or correct "+publicKey)
	default:
		c.warn(key, c.shown(key, domain)+" is above "+login+": every host below it gets to see the session cookie", "set it to "+login+" unless the others are protected too")
	}
}

// covers reports whether a cookie for the domain reaches the host (RFC 6265
// §5.1.3).
func covers(domain, host string) bool {
	if host == domain {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err != nil && strings.HasSuffix(host, "."+domain)
}

// isHost reports whether s is an address, or a name of ASCII labels (RFC 1123
// §2.1; the underscore is for names that only a private network has).
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) <= 253 && regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`).MatchString(s)
}

// secureCookies compares session.secure with the address that the cookies are
// for.
func (c *checker) secureCookies() {
	const key = sessionKey + ".secure"
	a := &c.file.Config.Authentication
	public := c.file.Config.PublicURL()
	if !a.Methods.SessionCompatible() || public == "" || a.Session.Secure == nil {
		return
	}
	secure, https := *a.Session.Secure, strings.HasPrefix(public, "https://")
	login, _ := c.public()
	switch {
	case https && !secure:
		c.warn(key, "is false, so the session cookie also travels over plain http, although people log in at "+login, "remove it, or set it to true")
	case secure && !https && !loopback(c.file.Config.PublicHost()):
		c.bad(key, "is true, and people log in at "+login+": browsers keep no such cookie from a plain http page", "set "+publicKey+" to an https address")
	}
}

// ruleHosts warns about protected hosts that the session cookie does not reach:
// whoever logs in for them comes back without it.
func (c *checker) ruleHosts() {
	a := &c.file.Config.Authentication
	domain, host := a.Session.Domain, c.file.Config.PublicHost()
	if !a.Methods.SessionCompatible() || host == "" || !covers(domain, host) {
		return
	}
	for i, r := range c.file.Config.Rules {
		if r.Access != "authenticated" || r.Unauthenticated == "status" || !slices.Contains(r.Credentials, "cookie") {
			continue
		}
		for j, pattern := range r.Match.Hosts {
			name := strings.ToLower(strings.TrimSuffix(pattern, "."))
			name, wild := strings.CutPrefix(name, "*.")
			reached := covers(domain, name)
			if domain == host || !strings.Contains(domain, ".") { // the cookie is for that host alone
				reached = name == host && !wild
			}
			if !reached {
				key := c.itemKey(itemKey("rules", i)+".match.hosts", j)
				c.warn(key, c.shown(key, pattern)+" is outside of "+sessionKey+".domain, so the session cookie does not reach it: a login cannot let anybody in",
					"set "+sessionKey+".domain to a domain above both, or unauthenticated to status")
			}
		}
	}
}
