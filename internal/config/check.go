package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Paths of blocks that several checks name.
const (
	sessionKey = "authentication.session"
	adminsKey  = "authentication.admins"
	grantsKey  = "authentication.grants"
	domainsKey = "authentication.allowed_domains"
	filtersKey = "authentication.allowed_user_filters"
	signUpKey  = "authentication.sign_up"
	linkingKey = "authentication.account_linking"
	methodsKey = "authentication.methods"
	tokenKey   = methodsKey + ".token"
	oidcKey    = methodsKey + ".oidc"
	jwtKey     = methodsKey + ".jwt"

	// The grace period has two places, of which the second is Flipt's.
	cleanupKey       = sessionKey + ".cleanup.grace_period"
	storedCleanupKey = sessionKey + ".storage.cleanup.grace_period"
)

// A checker judges what needs the whole configuration: one value against
// another, and values against the world they are meant for.
type checker struct {
	file    *File
	decoder *decoder
	// failed are the keys that are wrong already, around those that something
	// in them is.
	failed, around map[string]bool
}

func (c *checker) check() {
	c.failed, c.around = map[string]bool{}, map[string]bool{}
	for _, key := range c.decoder.failed {
		c.failed[key] = true
		for _, outer := range enclosing(key) {
			c.around[outer] = true
		}
	}
	c.authentication()
	c.tokens()
	c.oidc()
	c.github()
	c.issuers()
	c.publicURL()
	c.session()
	c.sessionDomain()
	c.secureCookies()
	c.people()
	c.rules()
	c.ruleHosts()
	c.pages()
	c.headers()
	c.server()
	c.secrecy()
}

// report notes a problem with a key, unless the key, something in it or
// something around it is wrong already.
func (c *checker) report(p Problem) {
	if c.broken(p.Key) {
		return
	}
	p.Position = c.file.Locate(p.Key)
	c.decoder.problems = append(c.decoder.problems, p)
}

// broken reports whether the key, something in it or something around it is
// wrong already.
func (c *checker) broken(key string) bool {
	return c.failed[key] || c.around[key] ||
		slices.ContainsFunc(enclosing(key), func(outer string) bool { return c.failed[outer] })
}

func (c *checker) bad(key, problem, remedy string) {
	c.report(Problem{Key: key, Problem: problem, Remedy: remedy})
}

func (c *checker) warn(key, problem, remedy string) {
	c.report(Problem{Key: key, Problem: problem, Remedy: remedy, Warning: true})
}

// at returns the node that set a key, or nil.
func (c *checker) at(key string) *node {
	_, n := c.file.root.find(key)
	return n
}

func (c *checker) set(key string) bool { return c.at(key) != nil }

// shown quotes a value for a message, unless it came by reference.
func (c *checker) shown(key, value string) string {
	if n := c.at(key); n != nil && n.reference != "" {
		return n.shown()
	}
	return quote(value)
}

// fileExists notes a problem if a named file does not exist.
func (c *checker) fileExists(key, name, prefix string) {
	if name == "" {
		return
	}
	if _, err := c.decoder.files.Stat(name); err != nil {
		problem := fmt.Sprintf("%sstat %s: %s", prefix, name, reason(err))
		if n := c.at(key); n != nil && n.reference != "" {
			problem = fmt.Sprintf("%sstat %s: %s", prefix, n.shown(), reason(err))
		}
		remedy := "check the path and its permissions"
		if errors.Is(err, fs.ErrNotExist) {
			remedy = "create the file, or correct the path"
		}
		c.bad(key, problem, remedy)
	}
}

func (c *checker) authentication() {
	a := c.file.Config.Authentication
	if a.Required && !c.broken("authentication.required") && !a.Methods.anyEnabled() {
		c.bad(methodsKey, "no method is enabled while authentication.required is true, so nobody could be let in",
			oneMethod+", or authentication.required to false")
	}
	for method, enabled := range a.Methods.enabled() {
		key := methodsKey + "." + method
		if n := c.at(key); n != nil && len(n.entries) > 0 && !enabled && !c.set(key+".enabled") {
			c.warn(key, "is configured and not enabled", "set "+key+".enabled to true")
		}
	}
	for key, on := range map[string]bool{"management": a.Exclude.Management, "metadata": a.Exclude.Metadata} {
		if on {
			c.warn("authentication.exclude."+key, "has no effect", "write an anonymous rule if these paths are to be open")
		}
	}
}

// itemKey returns the key of a list item, or of the list itself where it is
// written as one string.
func (c *checker) itemKey(list string, i int) string {
	if key := itemKey(list, i); c.set(key) {
		return key
	}
	return list
}

func (c *checker) tokens() {
	m := c.file.Config.Authentication.Methods.Token
	if !m.Enabled {
		return
	}
	if t := m.Storage.Type; t != "static" {
		key := tokenKey + ".storage.type"
		c.bad(key, `storage type: authentication.method.token.storage.type unexpected type: `+c.shown(key, t), "write static, or remove the key")
	}
	if len(m.Storage.Tokens) == 0 {
		c.warn(tokenKey, "is enabled without any token", "add one below "+tokenKey+".storage.tokens")
	}
	seen := map[[sha256.Size]byte]string{}
	for _, id := range sortedKeys(m.Storage.Tokens) {
		t := m.Storage.Tokens[id]
		key := childKey(tokenKey+".storage.tokens", id)
		sum, ok := c.credential(key, t)
		if !ok {
			continue
		}
		if t.CredentialHash != "" {
			t.CredentialHash = "sha256:" + hex.EncodeToString(sum[:])
			m.Storage.Tokens[id] = t
		}
		if first, repeated := seen[sum]; repeated {
			c.bad(key, "has the same credential as "+quote(first), "give each token a credential of its own")
		} else {
			seen[sum] = id
		}
		c.scopes(key+".scopes", t.Scopes)
	}
}

func (c *checker) scopes(list string, scopes []string) {
	for i, scope := range scopes {
		if !isScope(scope) {
			at := c.itemKey(list, i)
			c.bad(at, c.shown(at, scope)+" is not a scope (RFC 6749 §3.3)", "leave out spaces, quotes, backslashes and other alphabets")
		}
	}
}

// credential returns the SHA-256 of a token's credential.
func (c *checker) credential(key string, t StaticToken) (sum [sha256.Size]byte, ok bool) {
	plain := t.Credential.Reveal()
	switch {
	case c.set(key+".credential") && c.set(key+".credential_hash"):
		c.bad(key, "has both credential and credential_hash", "keep one of the two")
		return sum, false
	case c.set(key + ".credential_hash"):
		return c.credentialHash(key+".credential_hash", t.CredentialHash)
	case !c.set(key + ".credential"):
		c.bad(key, "has no credential", "set credential, or credential_hash to sha256: and its hash")
		return sum, false
	case strings.TrimSpace(plain) == "":
		c.bad(key+".credential", "is empty", "generate one, for instance with: openssl rand -base64 32")
		return sum, false
	case strings.Contains(plain, "${"):
		c.bad(key+".credential", "holds a reference that is not replaced", "make ${env:NAME} or ${file:/path} the whole value")
		return sum, false
	}
	const short = 16
	if len(plain) < short {
		c.warn(key+".credential", fmt.Sprintf("is shorter than %d characters and may be guessed", short),
			"generate one, for instance with: openssl rand -base64 32")
	}
	switch {
	case isToken68(plain):
	case isCookieValue(plain):
		c.warn(key+".credential", "has characters that no Bearer token can carry (RFC 6750 §2.1): it can never be presented in an Authorization header",
			"use letters, digits and - . _ ~ + / only")
	default:
		c.warn(key+".credential", "has characters that neither a Bearer token nor a cookie can carry: it can never be presented",
			"use letters, digits and - . _ ~ + / only")
	}
	return sha256.Sum256([]byte(plain)), true
}

func (c *checker) credentialHash(key, text string) (sum [sha256.Size]byte, ok bool) {
	digits, prefixed := strings.CutPrefix(text, "sha256:")
	decoded, err := hex.DecodeString(digits)
	if !prefixed || err != nil || len(decoded) != len(sum) {
		c.bad(key, "is not sha256: and 64 hexadecimal digits", "make it with: printf %s \"$CREDENTIAL\" | sha256sum")
		return sum, false
	}
	copy(sum[:], decoded)
	if sum == sha256.Sum256(nil) {
		c.bad(key, "is the hash of nothing: the credential is empty", "hash the credential itself")
		return sum, false
	}
	return sum, true
}

// secrecy warns about inline credentials in a file that everybody can read.
func (c *checker) secrecy() {
	if c.file.Path == "" {
		return
	}
	const worldReadable = 0o004
	info, err := c.decoder.files.Stat(c.file.Path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&worldReadable == 0 {
		return
	}
	said := false
	secretKeys("", reflect.ValueOf(c.file.Config), func(key string) {
		if n := c.at(key); !said && n != nil && n.inline() {
			c.warn(key, "stands in a file that every user of this machine can read",
				"chmod o-r "+c.file.Path+", or write ${env:NAME} or ${file:/path} here")
			said = true
		}
	})
}

// inline reports whether a value, or some of it, stands in the file itself.
func (n *node) inline() bool {
	if n.kind == kindList {
		return slices.ContainsFunc(n.items, (*node).inline)
	}
	return n.pos.Env == "" && n.reference == ""
}

// isToken reports whether s is a token (RFC 9110 §5.6.2), as the names of
// cookies and header fields are.
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if !isAlphanumeric(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return s != ""
}

// isToken68 reports whether s can follow "Bearer " (RFC 6750 §2.1).
func isToken68(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`).MatchString(s)
}

// isCookieValue reports whether s is made of cookie-octets (RFC 6265 §4.1.1).
func isCookieValue(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool {
		return b <= ' ' || b >= 0x7f || strings.IndexByte(`",;\`, b) >= 0
	})
}

// isScope reports whether s is a scope-token (RFC 6749 §3.3).
func isScope(s string) bool {
	return s != "" && !slices.ContainsFunc([]byte(s), func(b byte) bool {
		return b <= ' ' || b >= 0x7f || b == '"' || b == '\\'
	})
}
