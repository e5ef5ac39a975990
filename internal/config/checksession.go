package config

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

// session checks how long sessions live, and the cookies' names and attributes.
func (c *checker) session() {
	c.lifetimes()
	c.cookies()
	c.encryptionKeys()
	c.storage()
	s := &c.file.Config.Authentication.Session
	if s.Storage.Cleanup != s.Cleanup && !c.broken(cleanupKey) {
		c.bad(storedCleanupKey, "differs from "+cleanupKey+", which is "+formatDuration(s.Cleanup.GracePeriod), "keep one of the two")
	}
}

func (c *checker) lifetimes() {
	const (
		long         = 30 * 24 * time.Hour
		longAttempt  = 10 * time.Minute
		mostAttempt  = time.Hour
		leastIdle    = 2 * time.Minute // use is noted once a minute
		lifetime     = sessionKey + ".token_lifetime"
		idle         = sessionKey + ".idle_timeout"
		attempt      = sessionKey + ".state_lifetime"
		afterTheLast = "a session would be over although it is in use, because use is noted once a minute"
	)
	s := &c.file.Config.Authentication.Session
	switch {
	case s.TokenLifetime == 0:
		c.bad(lifetime, "is zero, so every session would be over at once", "write a duration such as 24h")
	case s.TokenLifetime > long:
		c.warn(lifetime, "lets a stolen session be used for "+formatDuration(s.TokenLifetime), "set at most 30d")
	}
	switch {
	case s.IdleTimeout == 0:
	case s.IdleTimeout < leastIdle:
		c.bad(idle, c.shown(idle, formatDuration(s.IdleTimeout))+" is too short: "+afterTheLast, "set at least 2m, or 0s for no limit")
	case s.IdleTimeout > s.TokenLifetime && s.TokenLifetime > 0:
		c.bad(idle, "is longer than token_lifetime, which is "+formatDuration(s.TokenLifetime)+", and so without effect", "make it shorter, or 0s for no limit")
	}
	switch {
	case s.StateLifetime == 0:
		c.bad(attempt, "is zero, so no login could be completed", "write a duration such as 10m")
	case s.StateLifetime > mostAttempt:
		c.bad(attempt, "keeps unfinished logins usable for "+formatDuration(s.StateLifetime), "set at most 10m")
	case s.StateLifetime > longAttempt:
		c.warn(attempt, "keeps unfinished logins usable for "+formatDuration(s.StateLifetime), "set at most 10m")
	}
}

// cookies checks what needs no login: the names, and the attributes that
// exclude one another.
func (c *checker) cookies() {
	s := &c.file.Config.Authentication.Session
	if p := s.CookiePrefix; !isToken(p) {
		key := sessionKey + ".cookie_prefix"
		c.bad(key, c.shown(key, p)+" cannot begin the name of a cookie (RFC 6265 §4.1.1)", "use letters, digits, - and _")
	} else if lower := strings.ToLower(p); strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-") {
		key := sessionKey + ".cookie_prefix"
		c.bad(key, c.shown(key, p)+" begins with a prefix that means something to browsers, which is put in front where it is due", "leave it out")
	}
	for i, name := range s.AcceptCookies {
		if !isToken(name) {
			key := c.itemKey(sessionKey+".accept_cookies", i)
			c.bad(key, c.shown(key, name)+" is not the name of a cookie (RFC 6265 §4.1.1)", "use letters, digits, - and _")
		}
	}
	key := sessionKey + ".same_site"
	switch secure := s.IsSecure(c.file.Config.PublicURL()); {
	case s.SameSite != "none":
	case !secure:
		c.bad(key, "none needs "+sessionKey+".secure: without it browsers refuse the cookie", "set secure to true and use https, or write lax")
	default:
		c.warn(key, "none lets every other site send requests with the session", "write lax, unless our pages are shown inside another site's")
	}
}

// encryptionKeys checks the secrets that provider tokens are encrypted with.
func (c *checker) encryptionKeys() {
	const key, previous = sessionKey + ".encryption_key", sessionKey + ".previous_encryption_keys"
	a := &c.file.Config.Authentication
	s := &a.Session
	seen := map[[sha256.Size]byte]string{}
	if c.set(key) {
		c.encryptionKey(key, s.EncryptionKey, seen)
	} else if a.Methods.SessionCompatible() && s.Storage.Type != "memory" {
		c.warn(key, "is not set, so the key that provider tokens are encrypted with is kept beside them, and who reads the store can read them",
			"generate one with: openssl rand -base64 32")
	}
	for i, secret := range s.PreviousEncryptionKeys {
		c.encryptionKey(c.itemKey(previous, i), secret, seen)
	}
}

func (c *checker) encryptionKey(key string, secret gateward.Secret, seen map[[sha256.Size]byte]string) {
	const least, leastDistinct = 32, 8
	const remedy = "generate one with: openssl rand -base64 32"
	text := secret.Reveal()
	sum := sha256.Sum256([]byte(text))
	distinct := map[rune]bool{}
	for _, r := range text {
		distinct[r] = true
	}
	switch {
	case strings.Contains(text, "${"):
		c.bad(key, "holds a reference that is not replaced", "make ${env:NAME} or ${file:/path} the whole value")
	case len(text) < least:
		c.bad(key, fmt.Sprintf("is shorter than %d characters", least), remedy)
	case len(distinct) < leastDistinct:
		c.bad(key, "is not random", remedy)
	case seen[sum] != "":
		c.bad(key, "is the same as "+seen[sum], "remove it")
	default:
		seen[sum] = key
	}
}

func (c *checker) storage() {
	const block = sessionKey + ".storage"
	s := &c.file.Config.Authentication.Session.Storage
	if s.MaxSessions < 1 {
		c.bad(block+".max_sessions", c.shown(block+".max_sessions", strconv.Itoa(s.MaxSessions))+" would leave no room for a session", "write at least 1")
	}
	for _, typ := range []string{"file", "redis"} {
		if n := c.at(block + "." + typ); n != nil && len(n.entries) > 0 && s.Type != typ {
			c.warn(block+"."+typ, "is configured and not used", "set "+block+".type to "+typ+", or remove the block")
		}
	}
	switch s.Type {
	case "file":
		if strings.TrimSpace(s.File.Path) == "" {
			c.bad(block+".file.path", "is empty", "name the file, such as /var/lib/gateward/sessions.db")
		}
	case "redis":
		c.redis(block+".redis", &s.Redis)
	}
}
