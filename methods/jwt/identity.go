package jwt

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/pointer"
)

// The metadata keys are Flipt's.
const (
	metadataPrefix = "io.flipt.auth"
	metadataIssuer = "io.flipt.auth.jwt.issuer"
	metadataClaims = "io.flipt.auth.claims"
)

// attribute is one of the attributes that claims_mapping can place.
type attribute struct {
	name, metadata string
	at             pointer.Path // empty: nowhere
	mapped         bool         // the configuration says where
}

// mapping says where in the claims each part of an identity is.
type mapping struct {
	attributes     []attribute
	scopes, groups pointer.Path
}

func newMapping(c *Issuer) (mapping, []*gateward.ConfigError) {
	var m mapping
	var problems []*gateward.ConfigError
	parse := func(key, s string) pointer.Path {
		e, err := pointer.Parse(s)
		if err != nil {
			problems = append(problems, &gateward.ConfigError{
				Key:     c.key(key),
				Problem: fmt.Sprintf("%q %v", s, err),
				Remedy:  "write the name of a claim, or a JSON pointer such as /user/email",
			})
		}
		return e
	}
	defaults := [][2]string{
		{"email", "/user/email"},
		{"sub", "/user/sub"},
		{"picture", "/user/image"},
		{"name", "/user/name"},
		{"role", "/user/role"},
	}
	for _, d := range defaults {
		s, mapped := c.ClaimsMapping[d[0]]
		if !mapped {
			s = d[1]
		}
		m.attributes = append(m.attributes, attribute{
			name: d[0], metadata: "io.flipt.auth.jwt." + d[0],
			at: parse(fmt.Sprintf("claims_mapping[%q]", d[0]), s), mapped: mapped,
		})
	}
	for name := range c.ClaimsMapping {
		if !slices.ContainsFunc(defaults, func(d [2]string) bool { return d[0] == name }) {
			problems = append(problems, &gateward.ConfigError{
				Key:     c.key("claims_mapping"),
				Problem: fmt.Sprintf("invalid claim key '%s'", name),
				Remedy:  "use email, sub, picture, name or role",
			})
		}
	}
	m.scopes = parse("scopes_claim", c.ScopesClaim)
	m.groups = parse("groups_claim", c.GroupsClaim)
	if c.GroupsClaim == "" {
		m.groups = pointer.Path{"groups"}
	}
	slices.SortFunc(problems, func(a, b *gateward.ConfigError) int { return strings.Compare(a.Error(), b.Error()) })
	return m, problems
}

// at returns where an attribute is: as configured; otherwise the standard claim
// of that name, or else Flipt's default.
func (m *mapping) at(name string, claims map[string]any) pointer.Path {
	a := m.attribute(name)
	if standard := (pointer.Path{name}); !a.mapped && standard.FindString(claims) != "" {
		return standard
	}
	return a.at
}

// attribute returns one of the attributes that newMapping has made, by name.
func (m *mapping) attribute(name string) attribute {
	for _, a := range m.attributes {
		if a.name == name {
			return a
		}
	}
	return attribute{}
}

// identity makes the identity of validated claims.
func (i *issuer) identity(claims map[string]any, expiry, now time.Time) (gateward.Identity, error) {
	subject, err := i.subject(claims)
	if err != nil {
		return gateward.Identity{}, err
	}
	iss, _ := claims["iss"].(string)
	id := gateward.Identity{
		Principal: gateward.Principal{Issuer: iss, Subject: subject},
		Method:    "jwt",
		Provider:  i.Name,
		Name:      i.mapping.at("name", claims).FindString(claims),
		Groups:    i.groups(claims),
		Scopes:    i.scopes(claims),
		Claims:    claims,
		Expiry:    expiry,
	}
	id.Email, id.EmailVerified = i.email(claims)
	// A time in the future would make a login look fresh for ever.
	if at, ok := numericDate(claims["auth_time"]); ok && !at.After(now.Add(i.ClockSkew)) {
		id.AuthTime = at
	}
	if id.Metadata, err = i.metadata(claims); err != nil {
		return gateward.Identity{}, err
	}
	return id, nil
}

// subject returns sub, or in its absence what claims_mapping names for it.
func (i *issuer) subject(claims map[string]any) (string, error) {
	var subject string
	if v, present := claims["sub"]; present {
		subject, _ = v.(string)
	} else if a := i.mapping.attribute("sub"); a.mapped {
		subject = a.at.FindString(claims)
	}
	// The decoder writes U+FFFD for a broken escape, and two subjects that are
	// broken differently would be one.
	if subject == "" || strings.ContainsRune(subject, utf8.RuneError) {
		return "", invalid("no usable subject")
	}
	return subject, nil
}

// email returns the address and whether the issuer says that it is verified: by
// a member email_verified beside a member email, and only by JSON's true. The
// string "true", an absent member, and an address under another name (upn,
// preferred_username), of which email_verified says nothing, are not verified.
func (i *issuer) email(claims map[string]any) (string, bool) {
	at := i.mapping.at("email", claims)
	address := at.FindString(claims)
	if address == "" || at[len(at)-1] != "email" {
		return address, false
	}
	v, _ := at.Sibling("email_verified").Find(claims)
	verified, _ := v.(bool)
	return address, verified
}

// groups returns the groups claim if it is an array of strings. Anything else is
// no groups: a lone string is not split, for nobody knows at what.
func (i *issuer) groups(claims map[string]any) []string {
	v, present := i.mapping.groups.Find(claims)
	if !present {
		return nil
	}
	list, ok := stringList(v)
	if !ok {
		i.logger.Debug("groups claim ignored: not an array of strings", slog.String("issuer", i.Name))
		return nil
	}
	return list
}

// scopes returns the scopes of the configured claim, or of scope or else scp: a
// string separated by spaces (RFC 8693 §4.2) or an array with one scope each.
func (i *issuer) scopes(claims map[string]any) []string {
	at := i.mapping.scopes
	if at == nil {
		at = pointer.Path{"scope"}
		if _, ok := claims["scope"]; !ok {
			at = pointer.Path{"scp"}
		}
	}
	v, present := at.Find(claims)
	if !present {
		return nil
	}
	list, ok := stringList(v)
	if s, isString := v.(string); isString {
		list, ok = strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), true
	}
	if !ok || slices.ContainsFunc(list, func(s string) bool { return !validScope(s) }) {
		i.logger.Debug("scopes claim ignored: not a list of scope tokens", slog.String("issuer", i.Name))
		return nil
	}
	return list
}

// validScope reports whether s is a scope-token (RFC 6749 §3.3). One with a
// space in it would be two further on.
func validScope(s string) bool {
	for n := range len(s) {
		if c := s[n]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// metadata returns what Flipt makes of the claims: those whose name begins with
// its prefix, the issuer, the mapped attributes and all claims as JSON. Ours come
// last, so that no claim of the same name replaces them.
func (i *issuer) metadata(claims map[string]any) (map[string]string, error) {
	m := make(map[string]string, 8)
	for name, v := range claims {
		if strings.HasPrefix(name, metadataPrefix) {
			setText(m, name, v)
		}
	}
	if iss, ok := claims["iss"].(string); ok {
		m[metadataIssuer] = iss
	}
	for n := range i.mapping.attributes {
		a := &i.mapping.attributes[n]
		if v, ok := a.at.Find(claims); ok {
			setText(m, a.metadata, v)
		}
	}
	all, err := json.Marshal(claims)
	if err != nil {
		return nil, invalid("claims cannot be written as JSON")
	}
	m[metadataClaims] = string(all)
	return m, nil
}

// setText sets key to a claim as text: numbers without an exponent, arrays and
// objects as JSON, null not at all.
func setText(m map[string]string, key string, v any) {
	switch v := v.(type) {
	case nil:
	case string:
		m[key] = v
	case bool:
		m[key] = strconv.FormatBool(v)
	case float64:
		m[key] = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		if b, err := json.Marshal(v); err == nil {
			m[key] = string(b)
		}
	}
}
