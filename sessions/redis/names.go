package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// names makes the names of keys. What is between braces decides about a
// cluster's slot: each session has its own, and each index.
type names struct{ prefix string }

// record is a session's only key.
func (n names) record(id string) string { return n.prefix + ":s:{" + id + "}" }

// index returns the two keys of an index: its members by time of creation, and
// by when to look whether they are still there.
func (n names) index(name string) (members, due string) {
	members = n.prefix + ":i:{" + name + "}"
	return members, members + ":due"
}

// What is kept of users has one slot.

// user is a user's record.
func (n names) user(id string) string { return n.users() + id }

// identities holds whose an identity is, by identityField.
func (n names) identities() string { return n.users() + "identities" }

// email is a list of users by an address, allUsers of all, disabledUsers of those
// who are disabled, each by time of creation.
func (n names) email(email string) string { return n.users() + "e:" + hash(email) }
func (n names) allUsers() string          { return n.users() + "all" }
func (n names) disabledUsers() string     { return n.users() + "disabled" }

// deniedKeys holds the keys of those who are disabled, by their id.
func (n names) deniedKeys() string { return n.users() + "denied" }

func (n names) users() string { return n.prefix + ":u:{users}:" }

// identityField is what an identity is called.
func identityField(p gateward.Principal) string { return hash(p.Issuer, p.Subject) }

// methods holds the methods that there are sessions of.
func (n names) methods() string { return n.prefix + ":methods" }

// A name of something used once, marked, or of a lease, may hold something secret.
func (n names) once(name string) string  { return n.prefix + ":o:" + hash(name) }
func (n names) mark(name string) string  { return n.prefix + ":m:" + hash(name) }
func (n names) lease(name string) string { return n.prefix + ":l:" + hash(name) }

func (n names) key(name string) string { return n.prefix + ":k:" + url.QueryEscape(name) }
func (n names) ping() string           { return n.prefix + ":ping" }

// beat is a name in a slot that is different for different i. Nothing is there.
func (n names) beat(i int) string { return n.prefix + ":beat:" + strconv.Itoa(i) }
func (n names) channel() string   { return n.prefix + ":revocations" }

// The names of indexes. They hold neither spaces nor braces.
func methodIndex(method string) string { return "m:" + url.QueryEscape(method) }

func principalIndex(p gateward.Principal) string { return "p:" + hash(p.Issuer, p.Subject) }

func sidIndex(method, provider, sid string) string { return "s:" + hash(method, provider, sid) }

func userIndex(id string) string { return "u:" + hash(id) }

// indexesOf returns the names of the indexes that s is in.
func indexesOf(s *sessions.Session) []string {
	id := &s.Identity
	all := []string{methodIndex(id.Method), principalIndex(id.Principal)}
	if s.Tokens.SID != "" {
		all = append(all, sidIndex(id.Method, id.Provider, s.Tokens.SID))
	}
	if id.UserID != "" {
		all = append(all, userIndex(id.UserID))
	}
	return all
}

func joinNames(all []string) string     { return strings.Join(all, " ") }
func splitNames(joined string) []string { return strings.Fields(joined) }

// hash tells lists of strings apart: 128 bits of SHA-256 in base64url.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// isID reports whether id has the form of a session's id. Nothing else gets into
// the name of a key.
func isID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
