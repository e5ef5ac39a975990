package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gateward/gateward"
)

// shortCredential is the length in bytes below which a credential is warned
// about.
const shortCredential = 16

// Config is the token block of the configuration.
type Config struct {
	// Tokens by id. The id is the subject of the identity, and no secret.
	Tokens map[string]Token
}

// A Token is one static token. Exactly one of Credential and CredentialHash is
// set.
type Token struct {
	Credential gateward.Secret
	// CredentialHash is "sha256:" and the SHA-256 of the credential in
	// hexadecimal digits. For random credentials only: a guessable one is
	// guessed from its hash.
	CredentialHash string
	// Metadata is the identity's metadata, exactly.
	Metadata map[string]string
	// Scopes are the identity's scopes; none when empty.
	Scopes []string
}

// load fills the table and returns every problem, in the order of the ids.
func (m *Method) load(c Config) []*gateward.ConfigError {
	if len(c.Tokens) == 0 {
		return []*gateward.ConfigError{{
			Key: "storage.tokens", Problem: "no tokens", Remedy: "add one, or disable the method", Warning: true,
		}}
	}
	var problems []*gateward.ConfigError
	for _, id := range slices.Sorted(maps.Keys(c.Tokens)) {
		t := c.Tokens[id]
		add := func(name, problem, remedy string, warning bool) {
			key := fmt.Sprintf("storage.tokens[%q]", id)
			if name != "" {
				key += "." + name
			}
			problems = append(problems, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy, Warning: warning})
		}
		if id == "" {
			add("", "empty id", "name the token", false)
		}
		for n, s := range t.Scopes {
			if !validScope(s) {
				add(fmt.Sprintf("scopes[%d]", n), fmt.Sprintf("%q is not a scope", s),
					"use printable ASCII without space, quote and backslash (RFC 6749 §3.3)", false)
			}
		}
		hash, ok := t.hash(add)
		if !ok {
			continue
		}
		e := &entry{digest: m.digest(hash), identity: gateward.Identity{
			Principal: gateward.Principal{Subject: id},
			Method:    m.Name(),
			Scopes:    slices.Clone(t.Scopes),
			Metadata:  maps.Clone(t.Metadata),
		}}
		if other := m.table[e.digest.prefix()]; other != nil {
			add("", fmt.Sprintf("same credential as %q", other.identity.Subject), "give each token its own", false)
			continue
		}
		m.table[e.digest.prefix()] = e
	}
	return problems
}

// hash returns the SHA-256 of the token's credential, or false and what is wrong.
func (t Token) hash(add func(name, problem, remedy string, warning bool)) (hash [sha256.Size]byte, ok bool) {
	const name, hashName, scheme = "credential", "credential_hash", "sha256:"
	v := t.Credential.Reveal()
	switch {
	case v != "" && t.CredentialHash != "":
		add(hashName, "credential is set too", "keep one of them", false)
		return hash, false
	case t.CredentialHash != "":
		digits, found := strings.CutPrefix(t.CredentialHash, scheme)
		if n, err := hex.Decode(hash[:], []byte(cut(digits))); !found || err != nil || n != len(hash) || len(digits) != 2*n {
			add(hashName, "not sha256: and 64 hexadecimal digits", "write sha256:$(printf %s CREDENTIAL | sha256sum | cut -c1-64)", false)
			return hash, false
		}
		if hash == sha256.Sum256(nil) {
			add(hashName, "hash of the empty credential", "hash a credential", false)
			return hash, false
		}
		return hash, true
	case v == "":
		add(name, "empty credential", "set it, or credential_hash", false)
		return hash, false
	case len(v) > maxCredentialSize:
		add(name, fmt.Sprintf("longer than %d bytes", maxCredentialSize), "use a shorter one", false)
		return hash, false
	}
	if len(v) < shortCredential {
		add(name, fmt.Sprintf("shorter than %d characters", shortCredential), "use a random one: openssl rand -base64 32", true)
	}
	if strings.ContainsFunc(v, notToken68) {
		add(name, "has characters that a bearer token cannot have", "use letters, digits and -._~+/= (RFC 6750 §2.1)", true)
	}
	return sha256.Sum256([]byte(v)), true
}

// cut keeps a hash that is too long from overrunning its destination.
func cut(digits string) string { return digits[:min(len(digits), 2*sha256.Size)] }

func notToken68(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~+/=", r)
}

// validScope reports whether s is a scope-token (RFC 6749 §3.3).
func validScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}
