package extauthz

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
)

// Bounds on what is sent upstream about an identity. Envoy answers 500 when
// the request grows beyond 60 KiB of headers.
const (
	maxIdentityValue = 8 << 10
	maxIdentityTotal = 32 << 10
)

var errIdentityTooLarge = errors.New("extauthz: identity does not fit into request headers; narrow its groups or send fewer attributes (upstream.identity_headers)")

// alwaysRemoved are request headers by which a client could pass itself off as
// Envoy or Gateward, or make the upstream see another method or path than the
// one that was judged.
var alwaysRemoved = []string{ //nolint:gochecknoglobals // a table, never written to
	"x-gateward-assertion",
	"x-envoy-auth-failure-mode-allowed",
	"x-http-method-override", "x-http-method", "x-method-override",
	"x-original-url", "x-rewrite-url",
}

// alwaysRemovedPrefixes are names that gRPC-Gateway upstreams turn into gRPC
// metadata, authorization and identity headers included.
var alwaysRemovedPrefixes = []string{"grpc-metadata-", "grpcgateway-"} //nolint:gochecknoglobals // a table, never written to

// An identityHeader is one attribute and the header that carries it.
type identityHeader struct {
	name string
	list bool
	get  func(*gateward.Identity) []string
}

// A headerSet knows the request headers that only Gateward may set. It is
// immutable.
type headerSet struct {
	identity []identityHeader
	// removed are the operator's names, removed from every request.
	removed []string
	// protected are all names that no client may send, bucketed by length: a
	// variant with another separator has the same length.
	protected [maxProtectedName + 1][]string
	// anonymous is the encoded removal of every identity header.
	anonymous []byte
}

const maxProtectedName = 128

func newHeaderSet(u Upstream) (*headerSet, error) {
	set := &headerSet{}
	var errs []error
	add := func(key, name string, list bool, get func(*gateward.Identity) []string) {
		if name == "" {
			return
		}
		if err := settable(name); err != nil {
			errs = append(errs, &gateward.ConfigError{
				Key: "upstream.identity_headers." + key, Problem: err.Error(),
				Remedy: "choose a name of your own, such as X-Auth-Request-" + key,
			})
			return
		}
		if lower := strings.ToLower(name); set.isIdentity(lower) {
			errs = append(errs, &gateward.ConfigError{
				Key: "upstream.identity_headers." + key, Problem: fmt.Sprintf("%q carries another attribute already", name),
				Remedy: "give each attribute a header of its own",
			})
		} else {
			set.identity = append(set.identity, identityHeader{lower, list, get})
		}
	}
	one := func(key, name string, get func(*gateward.Identity) string) {
		add(key, name, false, func(id *gateward.Identity) []string { return []string{get(id)} })
	}
	h := u.IdentityHeaders
	one("subject", h.Subject, func(id *gateward.Identity) string { return id.Subject })
	one("email", h.Email, func(id *gateward.Identity) string {
		if !id.EmailVerified {
			return "" // upstreams authorize by this header
		}
		return id.Email
	})
	one("name", h.Name, func(id *gateward.Identity) string { return id.Name })
	add("groups", h.Groups, true, func(id *gateward.Identity) []string { return id.Groups })
	one("method", h.Method, func(id *gateward.Identity) string { return id.Method })
	add("scopes", h.Scopes, true, func(id *gateward.Identity) []string { return id.Scopes })
	one("issuer", h.Issuer, func(id *gateward.Identity) string { return id.Issuer })
	one("user_id", h.UserID, func(id *gateward.Identity) string { return id.UserID })

	for i, name := range u.RemoveHeaders {
		if err := settable(name); err != nil {
			errs = append(errs, &gateward.ConfigError{Key: fmt.Sprintf("upstream.remove_headers[%d]", i), Problem: err.Error(), Remedy: "remove it from the list"})
			continue
		}
		set.removed = append(set.removed, strings.ToLower(name))
	}
	for _, ih := range set.identity {
		set.protect(ih.name)
		set.anonymous = wire.AppendRemoval(set.anonymous, ih.name)
	}
	for _, name := range slices.Concat(set.removed, alwaysRemoved) {
		set.protect(name)
	}
	for _, name := range set.removed {
		if !set.isIdentity(name) {
			set.anonymous = wire.AppendRemoval(set.anonymous, name)
		}
	}
	return set, errors.Join(errs...)
}

func (h *headerSet) isIdentity(name string) bool {
	return slices.ContainsFunc(h.identity, func(ih identityHeader) bool { return ih.name == name })
}

// settable refuses header names whose change would break the request or
// Gateward's own work on it.
func settable(name string) error {
	folded := strings.Map(func(r rune) rune { return rune(foldName(byte(r))) }, name) //nolint:gosec // a token is ASCII
	switch {
	case name == "" || len(name) > maxProtectedName:
		return fmt.Errorf("%q is not a header name of 1 to %d characters", name, maxProtectedName)
	case strings.ContainsFunc(name, func(r rune) bool { return !isTokenRune(r) }):
		return fmt.Errorf("%q is not a header name", name)
	case strings.HasPrefix(folded, "x-envoy-"):
		return fmt.Errorf("%q belongs to Envoy", name)
	}
	switch folded {
	case "host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length",
		"te", "trailer", "upgrade", "authorization", "proxy-authorization", "cookie", "content-type", "expect":
		return fmt.Errorf("%q is not Gateward's to change", name)
	}
	return nil
}

// isTokenRune reports whether r may stand in a field name (RFC 9110 §5.6.2).
func isTokenRune(r rune) bool {
	return r < utf8.RuneSelf && (isAlnum(byte(r)) || strings.ContainsRune("!#$%&'*+-.^_`|~", r)) //nolint:gosec // ASCII
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (h *headerSet) protect(name string) {
	if !slices.Contains(h.protected[len(name)], name) {
		h.protected[len(name)] = append(h.protected[len(name)], name)
	}
}

// encode returns the fields of an OkHttpResponse that tell the upstream who
// id is: every identity header is either set, and so overwrites what the
// client sent, or removed. Attributes that id does not have are removed rather
// than sent empty.
func (h *headerSet) encode(id *gateward.Identity) ([]byte, error) {
	var out []byte
	total := 0
	for _, ih := range h.identity {
		value := joinValues(ih.get(id), ih.list)
		if value == "" {
			out = wire.AppendRemoval(out, ih.name)
			continue
		}
		total += len(ih.name) + len(value)
		if total > maxIdentityTotal || !ih.list && len(value) > maxIdentityValue {
			return nil, errIdentityTooLarge
		}
		out = wire.AppendHeader(out, ih.name, value)
	}
	for _, name := range h.removed {
		if !h.isIdentity(name) {
			out = wire.AppendRemoval(out, name)
		}
	}
	return out, nil
}

// joinValues joins values with commas. A comma inside an element of a list, a
// character outside printable ASCII, a percent sign and a space at either end
// are percent-encoded: no value can pass for two, add a header, or collide
// with another value.
func joinValues(values []string, list bool) string {
	var b strings.Builder
	for _, v := range values {
		if v == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		writeValue(&b, v, list)
	}
	return b.String()
}

func writeValue(b *strings.Builder, v string, list bool) {
	const hex = "0123456789ABCDEF"
	for i := range len(v) {
		c := v[i]
		edge := (i == 0 || i == len(v)-1) && c == ' '
		if c < ' ' || c > '~' || c == '%' || edge || c == ',' && list {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
}

// appendSpoofed appends removals for the request's headers that no client may
// send: the protected names in any spelling (case, and any separator for the
// dash, since many upstreams cannot tell those apart), unless it is the very
// name that the answer sets or removes anyway. It reports false when a name is
// beyond ASCII: no proxy passes it on, and no answer can name it.
func (h *headerSet) appendSpoofed(dst []byte, headers []wire.Header) ([]byte, bool) {
	for i := range headers {
		name := headers[i].Name
		if !h.spoofs(name) || h.handled(name) {
			continue
		}
		if bytes.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return dst, false
		}
		dst = wire.AppendRemoval(dst, name)
	}
	return dst, true
}

// spoofs reports whether name reads like a protected one.
func (h *headerSet) spoofs(name []byte) bool {
	if len(name) > maxProtectedName {
		return hasFoldedPrefix(name)
	}
	for _, p := range h.protected[len(name)] {
		if sameFolded(name, p) {
			return true
		}
	}
	return hasFoldedPrefix(name)
}

// handled reports whether name is, but for case, one that every answer sets or
// removes.
func (h *headerSet) handled(name []byte) bool {
	match := func(known string) bool { return len(known) == len(name) && strings.EqualFold(known, string(name)) }
	return slices.ContainsFunc(h.identity, func(ih identityHeader) bool { return match(ih.name) }) ||
		slices.ContainsFunc(h.removed, match)
}

func hasFoldedPrefix(name []byte) bool {
	if len(name) == 0 || name[0]|0x20 != 'g' {
		return false
	}
	for _, p := range alwaysRemovedPrefixes {
		if len(name) >= len(p) && sameFolded(name[:len(p)], p) {
			return true
		}
	}
	return false
}

// sameFolded reports whether name equals known, which has the same length,
// when letters are compared without case and everything else that is no digit
// counts as a dash.
func sameFolded(name []byte, known string) bool {
	for i := range name {
		if foldName(name[i]) != foldName(known[i]) {
			return false
		}
	}
	return true
}

func foldName(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		return c
	}
	return '-'
}
