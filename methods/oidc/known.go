package oidc

import (
	"maps"
	"slices"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/pointer"
)

// toldKey is the metadata that says which of an address and groups the userinfo
// endpoint has told. Once it tells them, it is its silence that takes them away
// where there is no new ID token.
const toldKey = "io.gateward.auth.oidc.userinfo"

// known is what is known of a person before the endpoints beside the ID token are
// asked.
type known struct {
	// claims are those of an ID token that was verified.
	claims map[string]any
	// stale: the ID token came with an earlier answer, and the last one had none.
	// What userinfo says now then outweighs it (D19).
	stale bool
	// told is what userinfo has told since that ID token came.
	told told
	// insist: what the endpoints beside the ID token refuse to say is not to be
	// gone without.
	insist bool
}

// told says of which parts of an identity userinfo has spoken.
type told struct{ email, verified, groups bool }

// toldBefore reads what [toldKey] holds.
func toldBefore(id *gateward.Identity) told {
	words := strings.Fields(id.Metadata[toldKey])
	return told{
		email:    slices.Contains(words, "email"),
		verified: slices.Contains(words, "email_verified"),
		groups:   slices.Contains(words, "groups"),
	}
}

// String returns what [toldKey] is to hold, or "".
func (t told) String() string {
	var words []string
	if t.email {
		words = append(words, "email")
	}
	if t.verified {
		words = append(words, "email_verified")
	}
	if t.groups {
		words = append(words, "groups")
	}
	return strings.Join(words, " ")
}

// after returns what userinfo has told once it has answered info.
func (m *mapping) after(k known, info map[string]any) told {
	_, verified := m.verified().Find(info)
	t := told{email: speaksOf(info, m.email), verified: verified, groups: speaksOf(info, m.groups)}
	if k.stale {
		t.email, t.verified, t.groups = t.email || k.told.email, t.verified || k.told.verified, t.groups || k.told.groups
	}
	return t
}

// speaksOf reports whether claims say anything of the value at a path: what it is,
// or, by something other than an object on the way, that it is not there. An object
// that only lacks it says nothing.
func speaksOf(claims map[string]any, at pointer.Path) bool {
	for n, name := range at {
		v, ok := claims[name]
		if !ok {
			return false
		}
		object, isObject := v.(map[string]any)
		if !isObject || n == len(at)-1 {
			return true
		}
		claims = object
	}
	return false
}

// renewed returns the claims of an ID token that is stale as they are by what
// userinfo says now.
func (m *mapping) renewed(k known, info map[string]any) map[string]any {
	claims := k.claims
	if k.told.groups {
		claims = without(claims, m.groups)
	}
	gone := k.told.email && !speaksOf(info, m.email)
	if gone {
		claims = without(claims, m.email)
	}
	if gone || k.told.verified {
		claims = without(claims, m.verified())
	}
	return overlay(claims, info, m.email, m.groups)
}

// merge returns the claims of an ID token with those of userinfo laid over them,
// except for what the identity has from the ID token: its claims do not say
// something else.
func (m *mapping) merge(claims, info map[string]any) map[string]any {
	all := overlay(claims, info, m.email, m.groups)
	if _, ok := m.groups.Find(claims); ok {
		all = with(all, claims, m.groups)
	}
	address := m.email.FindString(claims)
	if address == "" {
		return all
	}
	all = with(all, claims, m.email)
	at := m.verified()
	if _, said := at.Find(claims); said {
		return with(all, claims, at)
	}
	// Of an array on the way nothing of userinfo's is left.
	if _, there := at.Find(all); there && m.email.FindString(info) != address {
		return without(all, at)
	}
	return all
}

// verified returns where the provider says that the address is verified, or
// nothing: of an address in a claim of another name, email_verified says nothing.
func (m *mapping) verified() pointer.Path {
	if len(m.email) == 0 || m.email[len(m.email)-1] != "email" {
		return nil
	}
	return m.email.Sibling("email_verified")
}

// overlay returns claims with info laid over them: member by member along the
// paths, where an object that does not speak of a value leaves it as it is, and
// otherwise claim by claim. That an address or a number is verified (OpenID Connect
// Core §5.1) is believed only of the one that it was said with.
func overlay(claims, info map[string]any, paths ...pointer.Path) map[string]any {
	all, over := maps.Clone(claims), maps.Clone(info)
	for _, name := range []string{"email", "phone_number"} {
		verified := name + "_verified"
		if v, ok := info[name]; ok && !same(v, claims[name]) {
			delete(all, verified)
		}
		if yes, _ := boolean(info[verified]); yes && info[name] == nil {
			delete(over, verified)
		}
	}
	for name, v := range over {
		var below []pointer.Path
		for _, at := range paths {
			if len(at) > 1 && at[0] == name {
				below = append(below, at[1:])
			}
		}
		lower, isObject := all[name].(map[string]any)
		upper, both := v.(map[string]any)
		if isObject && both && below != nil {
			v = overlay(lower, upper, below...)
		}
		all[name] = v
	}
	return all
}

// with returns all with the value that claims have at a path. An array on the way
// is taken as a whole, because an element means nothing in another one.
func with(all, claims map[string]any, at pointer.Path) map[string]any {
	all = maps.Clone(all)
	v := claims[at[0]]
	from, isObject := v.(map[string]any)
	to, both := all[at[0]].(map[string]any)
	if isObject && both && len(at) > 1 {
		v = with(to, from, at[1:])
	}
	all[at[0]] = v
	return all
}

// same reports whether two values are the same string.
func same(a, b any) bool {
	s, ok := a.(string)
	return ok && b == s
}

// unsigned returns what userinfo says without the claims that a signature has to
// stand for.
func unsigned(info map[string]any) map[string]any {
	rest := maps.Clone(info)
	for _, k := range []string{
		"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "sid", "at_hash", "c_hash", "typ", hostedDomain,
	} {
		delete(rest, k)
	}
	return rest
}

// without returns claims without the value at a path. Of an array on the way
// nothing is left, because its other elements would change places.
func without(claims map[string]any, at pointer.Path) map[string]any {
	if len(at) == 0 {
		return claims
	}
	if _, ok := claims[at[0]]; !ok {
		return claims
	}
	rest := maps.Clone(claims)
	if object, ok := rest[at[0]].(map[string]any); ok && len(at) > 1 {
		rest[at[0]] = without(object, at[1:])
	} else {
		delete(rest, at[0])
	}
	return rest
}
