package config

import (
	"errors"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

const providersKey = oidcKey + ".providers"

func (c *checker) oidc() {
	m := &c.file.Config.Authentication.Methods.OIDC
	if !m.Enabled {
		return
	}
	if len(m.Providers) == 0 {
		c.bad(oidcKey, "is enabled without any provider, so nobody could log in", "add one below "+providersKey)
	}
	c.emailMatches(m)
	for _, name := range sortedKeys(m.Providers) {
		p := m.Providers[name]
		key := childKey(providersKey, name)
		if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`).MatchString(name) {
			c.bad(key, "is not a name for a provider, which appears in addresses and metrics", "use at most 64 letters, digits, _, . and -")
		}
		c.client(key, "for the provider "+quote(name), p.ClientID, p.ClientSecret, p.RedirectAddress)
		c.issuerURL(key, name, &p)
		c.redirectAddress(key+".redirect_address", p.RedirectAddress)
		c.algorithms(key+".algorithms", p.Algorithms)
		c.mapping(key+".claims_mapping", p.ClaimsMapping)
		c.fileExists(key+".ca_path", p.CAPath, "")
		c.provider(key, name, &p)
		c.admission(key, m, &p)
	}
}

// client checks what the provider knows us by.
func (c *checker) client(key, where, id string, secret gateward.Secret, redirect string) {
	for _, v := range []struct{ key, value string }{
		{"client_id", id},
		{"client_secret", secret.Reveal()},
		{"redirect_address", redirect},
	} {
		if strings.TrimSpace(v.value) == "" {
			c.bad(key+"."+v.key, "authentication: "+v.key+" non-empty value is required", "set it "+where)
		}
	}
	if strings.Contains(secret.Reveal(), "${") && !c.referenced(key+".client_secret") {
		c.bad(key+".client_secret", "holds a reference that is not replaced", "make ${env:NAME} or ${file:/path} the whole value")
	}
}

// issuerURL checks where the provider is: whoever can change what it answers on
// the way can log in as anybody.
func (c *checker) issuerURL(key, name string, p *OIDCProvider) {
	if strings.TrimSpace(p.IssuerURL) == "" {
		c.bad(key+".issuer_url", "authentication: issuer_url non-empty value is required", "set it for the provider "+quote(name))
	} else if u := c.providerURL(key+".issuer_url", p.IssuerURL, "authentication: issuer_url "); u != nil && (u.RawQuery != "" || u.Fragment != "" || u.ForceQuery) {
		c.bad(key+".issuer_url", "has a query or a fragment, which no issuer has (OpenID Connect Core §1.2)", "write it without")
	}
	if p.DiscoveryURL != "" {
		c.providerURL(key+".discovery_url", p.DiscoveryURL, "authentication: discovery_url ")
	}
	if p.GraphURL != "" {
		c.providerURL(key+".graph_url", p.GraphURL, "")
	}
}

func (c *checker) providerURL(key, text, prefix string) *url.URL {
	u := c.webURL(key, text, prefix)
	if u != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		c.bad(key, "what the provider answers by plain http can be changed on the way", "write https://; http is for localhost only")
		return nil
	}
	return u
}

func (c *checker) redirectAddress(key, text string) {
	if strings.TrimSpace(text) == "" {
		return // which has been said
	}
	u := c.browserURL(key, text, "authentication: redirect_address ")
	if u == nil {
		return
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		c.bad(key, "has a query or a fragment, and the path of the callback is put behind it", "write it without")
		return
	}
	c.plainHTTP(key, u)
	if o, ok := origin(text); ok && o != c.file.Config.PublicURL() {
		login, _ := c.public()
		c.warn(key, c.shown(key, o)+" is not "+login+", where people log in: the cookie of the login may be missing there", "use the same address, or set "+publicKey)
	}
	if strings.Trim(u.Path, "/") != "" {
		c.warn(key, "has a path, and so has the address that the provider sends people back to, which only reaches us if Envoy takes the path away", "write it without a path")
	}
}

func (c *checker) mapping(key string, claims map[string]string) {
	known := []string{"email", "name", "picture", "sub"}
	for _, attribute := range sortedKeys(claims) {
		at, expression := childKey(key, attribute), claims[attribute]
		switch {
		case !slices.Contains(known, attribute):
			c.bad(at, "authentication: claims_mapping invalid claim key "+quote(attribute), "the keys are "+strings.Join(known, ", "))
		case strings.TrimSpace(expression) == "" || expression == "/" ||
			expression[0] == '/' && regexp.MustCompile(`~([^01]|$)`).MatchString(expression):
			c.bad(at, "authentication: claims_mapping invalid expression for key "+quote(attribute), "write the name of a claim, or a JSON Pointer such as /user/email")
		}
	}
}

// provider checks how a provider is used.
func (c *checker) provider(key, name string, p *OIDCProvider) {
	c.scopes(key+".scopes", p.Scopes)
	if slices.Contains(strings.Fields(p.Prompt), "none") {
		c.bad(key+".prompt", "none forbids the provider to ask anybody to log in", "write login, consent or select_account, or remove the key")
	}
	if !p.UsePKCE {
		c.warn(key+".use_pkce", "is false, so a login can be completed by whoever gets hold of its code", "remove it, unless the provider refuses PKCE")
	}
	if c.set(key + ".nonce") {
		c.warn(key+".nonce", "has no effect: every login has a nonce of its own", "remove it")
	}
	config := &c.file.Config
	if p.AllowFrontChannelLogout && !config.Authentication.Session.IsSecure(config.PublicURL()) {
		c.bad(sessionKey+".secure", "authentication: session.secure session secure must be true for provider "+quote(name)+
			": front-channel logout requires SameSite=None cookies which are rejected by browsers unless the Secure flag is set",
			"set it to true, or "+key+".allow_front_channel_logout to false")
	}
}

// admission checks who may enter by a provider.
func (c *checker) admission(key string, m *OIDCMethod, p *OIDCProvider) {
	if decides := c.emailDecides(key, m, p); decides != "" {
		if p.ClaimsMapping["email"] == "" && !slices.Contains(p.Scopes, "email") {
			without := "admitted"
			if decides == linkingKey {
				without = "linked"
			}
			c.warn(key+".scopes", "lacks email, and "+decides+" decides by it: most providers then tell no address, and nobody is "+without, "add email")
		}
	}
	if len(m.EmailMatches) > 0 && !p.RequireVerifiedEmail {
		c.warn(key+".require_verified_email", "is false, so whoever can enter any address at the provider is admitted by email_matches",
			"remove it, if the provider lets people choose their address")
	}
	limited := len(m.EmailMatches)+len(p.AllowedGroups)+len(p.AllowedDomains)+len(p.AuthorizeParameters["hd"]) > 0 || c.file.Config.Authentication.Limited()
	if !limited && isPublicIssuer(p.IssuerURL) {
		c.warn(key, "lets everybody in who has an account at "+p.IssuerURL, "set "+oidcKey+".email_matches, "+domainsKey+" or "+key+".allowed_groups")
	}
}

// emailDecides returns the first key that decides by an e-mail address of a
// provider, or "".
func (c *checker) emailDecides(key string, m *OIDCMethod, p *OIDCProvider) string {
	switch decides := c.file.Config.decidedByEmail(); {
	case len(m.EmailMatches) > 0:
		return oidcKey + ".email_matches"
	case len(p.AllowedDomains) > 0 && strings.TrimSuffix(p.IssuerURL, "/") != "https://accounts.google.com": // which has the claim hd
		return key + ".allowed_domains"
	case decides != "":
		return decides
	case len(p.EmailAuthority) > 0 && c.file.Config.Authentication.AccountLinking == "verified_email":
		return linkingKey
	}
	return ""
}

// isPublicIssuer reports whether anybody can get an account there.
func isPublicIssuer(issuer string) bool {
	return slices.Contains([]string{
		"https://accounts.google.com", "https://appleid.apple.com", "https://gitlab.com", "https://www.facebook.com", "https://www.linkedin.com/oauth",
		"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", // the tenant of personal accounts
	}, strings.TrimSuffix(issuer, "/"))
}

func (c *checker) emailMatches(m *OIDCMethod) {
	for i, pattern := range m.EmailMatches {
		key := c.itemKey(oidcKey+".email_matches", i)
		if _, err := regexp.Compile(pattern); err != nil {
			problem := "failed compiling string for pattern: " + pattern + ": " + err.Error()
			if se := (*syntax.Error)(nil); errors.As(err, &se) && c.referenced(key) {
				problem = "failed compiling string for pattern: " + se.Code.String()
			}
			c.bad(key, problem, "correct the regular expression (RE2)")
			continue
		}
		if whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err == nil && whole.MatchString("nobody.in.particular@gateward.invalid") {
			c.warn(key, "admits every address", "name the domain, such as '^.*@example\\.com$'")
			continue
		}
		e := readEmailPattern(pattern)
		var said []string
		if e.dots {
			said = append(said, "has a dot that stands for any character")
		}
		switch {
		case e.headless:
			said = append(said, "is matched against the whole address, and so admits nobody")
		case e.open:
			said = append(said, "does not begin with ^ and end with $, and is matched against the whole address all the same")
		}
		if len(said) == 0 {
			continue
		}
		remedy := "write '" + e.clear + "'"
		if c.referenced(key) || strings.Contains(pattern, "'") || len(pattern) > 200 {
			remedy = `write \. for a dot, and ^ and $ at the ends`
		}
		c.warn(key, strings.Join(said, ", and "), remedy)
	}
}
