package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func (c *checker) rules() {
	methods := &c.file.Config.Authentication.Methods
	names := map[string]int{}
	for i, r := range c.file.Config.Rules {
		key := itemKey("rules", i)
		switch first, repeated := names[r.Name]; {
		case r.Name == "":
			c.bad(key+".name", "is missing", "name every rule: names appear in metrics and logs")
		case !regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(r.Name):
			c.bad(key+".name", c.shown(key+".name", r.Name)+" is not a name for a rule", "use at most 64 letters, digits, _, . and -")
		case repeated:
			c.bad(key+".name", fmt.Sprintf("%s is also the name of rules[%d]", c.shown(key+".name", r.Name), first), "give each rule its own name")
		default:
			names[r.Name] = i
		}
		if judges := r.Access == "authenticated" || r.Access == "optional"; judges && !methods.anyEnabled() {
			c.bad(key+".access", r.Access+" needs a method, and none is enabled", oneMethod)
		}
		if len(r.Credentials) == 0 {
			c.bad(key+".credentials", "admits no kind of credential", "name some of cookie, bearer, basic, or remove the key")
		}
		if c.set(key+".invalid") && r.Access != "optional" {
			c.bad(key+".invalid", "goes with access: optional only, and this rule is "+r.Access, "remove it, or change access")
		}
		c.unauthenticated(key+".unauthenticated", r)
		c.require(key, r, methods.enabled())
	}
}

func (c *checker) unauthenticated(key string, r Rule) {
	switch {
	case !c.set(key):
	case r.Access != "authenticated" && r.Access != "optional":
		c.bad(key, "goes with access: authenticated or optional, and this rule is "+r.Access, "remove it, or change access")
	case r.Unauthenticated == "redirect" && !c.file.Config.Authentication.Methods.SessionCompatible():
		c.bad(key, "redirect needs a method that people log in with, and none is enabled", "set "+oidcKey+".enabled or "+githubKey+".enabled to true, or write auto")
	}
}

func (c *checker) require(rule string, r Rule, enabled map[string]bool) {
	key := rule + ".require"
	if !c.set(key) {
		return
	}
	if r.Access != "authenticated" {
		c.bad(key, "goes with access: authenticated only, and this rule is "+r.Access, "remove it, or change access")
		return
	}
	if r.Require.empty() {
		c.bad(key, "requires nothing", "name what an identity must have, or remove the key")
	}
	if r.Require.MaxAuthAge > 0 && !enabled["oidc"] && !enabled["jwt"] {
		c.warn(key+".max_auth_age", "lets nobody pass: no method is enabled that knows when somebody authenticated", "set "+oidcKey+".enabled to true, or remove the key")
	}
	for i, method := range r.Require.Methods {
		at := c.itemKey(key+".methods", i)
		switch on, known := enabled[method]; {
		case !known:
			c.bad(at, c.shown(at, method)+" is not a method", "name some of "+strings.Join(sortedKeys(enabled), ", "))
		case !on:
			c.warn(at, "the method "+method+" is not enabled", "set "+methodsKey+"."+method+".enabled to true")
		}
	}
}

// headers checks the names of header fields: a bad one would let a client
// speak for somebody, or make Envoy refuse the answer.
func (c *checker) headers() {
	const block = "upstream.identity_headers"
	u := c.file.Config.Upstream
	h := u.IdentityHeaders
	carried := map[string]string{} // spelling that upstreams may confuse → attribute
	for _, a := range []struct{ attribute, name string }{
		{"subject", h.Subject},
		{"email", h.Email},
		{"name", h.Name},
		{"groups", h.Groups},
		{"method", h.Method},
		{"scopes", h.Scopes},
		{"issuer", h.Issuer},
		{"user_id", h.UserID},
	} {
		if a.name == "" {
			continue
		}
		key := block + "." + a.attribute
		c.headerName(key, a.name, append(routingHeaders(), "authorization", "proxy-authorization", "cookie", "set-cookie"))
		if strings.HasPrefix(canonicalHeader(a.name), "x-envoy-") {
			c.bad(key, c.shown(key, a.name)+" belongs to Envoy", "use another name, such as X-Auth-Request-"+a.attribute)
		}
		if strings.Contains(a.name, "_") {
			c.warn(key, "has an underscore, and many servers drop such a header or read _ as -", "use - instead")
		}
		if first := carried[canonicalHeader(a.name)]; first != "" {
			c.bad(key, fmt.Sprintf("%s carries %s already", c.shown(key, a.name), first), "give each attribute its own header")
		} else {
			carried[canonicalHeader(a.name)] = a.attribute
		}
	}
	for i, name := range u.RemoveHeaders {
		key := c.itemKey("upstream.remove_headers", i)
		c.headerName(key, name, routingHeaders())
		if attribute := carried[canonicalHeader(name)]; attribute != "" {
			c.bad(key, c.shown(key, name)+" carries "+attribute, "remove it from the list: what a client sends under this name is removed anyway")
		}
	}
}

// headerName checks a name and that it is none of the reserved ones.
func (c *checker) headerName(key, name string, reserved []string) {
	switch {
	case strings.HasPrefix(name, ":"):
		c.bad(key, c.shown(key, name)+" is a pseudo-header", "name an ordinary header")
	case !isToken(name):
		c.bad(key, c.shown(key, name)+" is not the name of a header (RFC 9110 §5.1)", "use letters, digits and -")
	case slices.Contains(reserved, canonicalHeader(name)):
		c.bad(key, c.shown(key, name)+" has a meaning of its own in HTTP", "name another header")
	}
}

// routingHeaders are the header fields that frame or route a message, or
// belong to one connection (RFC 9110 §7.6.1).
func routingHeaders() []string {
	return []string{
		"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection",
		"te", "trailer", "upgrade", "http2-settings",
	}
}

// canonicalHeader folds the spellings that some server takes for one name.
func canonicalHeader(name string) string {
	return strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}
