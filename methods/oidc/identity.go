package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/pointer"
)

// mapping says where in the claims each part of an identity is.
type mapping struct {
	email, name, picture, sub pointer.Path
	groups                    pointer.Path
	// needsEmail and needsGroups say what the userinfo endpoint is asked for if
	// the ID token lacks it.
	needsEmail, needsGroups bool
}

func newMapping(c ProviderConfig, key func(string) string, p *problems) mapping {
	m := mapping{
		email: pointer.Path{"email"}, name: pointer.Path{"name"}, picture: pointer.Path{"picture"}, sub: pointer.Path{"sub"},
		groups:      pointer.Path{"groups"},
		needsEmail:  c.NeedsEmail || slices.Contains(c.Scopes, "email"),
		needsGroups: c.NeedsGroups || c.GroupsClaim != "" || len(c.AllowedGroups) > 0 || c.GraphURL != "",
	}
	to := map[string]*pointer.Path{"email": &m.email, "name": &m.name, "picture": &m.picture, "sub": &m.sub}
	for _, k := range slices.Sorted(maps.Keys(c.ClaimsMapping)) {
		if to[k] == nil {
			p.add(key("claims_mapping"), fmt.Sprintf("invalid claim key %q", k), "use email, name, picture or sub")
			continue
		}
		e, err := pointer.Parse(c.ClaimsMapping[k])
		if err != nil {
			p.add(key("claims_mapping"), fmt.Sprintf("invalid expression for key %q: %q %v", k, c.ClaimsMapping[k], err),
				"write the name of a claim, or a JSON pointer such as /user/email")
			continue
		}
		*to[k] = e
	}
	if c.GroupsClaim != "" {
		e, err := pointer.Parse(c.GroupsClaim)
		if err != nil {
			p.add(key("groups_claim"), fmt.Sprintf("%q %v", c.GroupsClaim, err),
				"write the name of a claim, or a JSON pointer such as /realm_access/roles")
		}
		m.groups = e
	}
	return m
}

// toldBeside reports whether id, as it was, has what its provider had to be asked
// for beside the ID token: claims lack it. One refusal of that endpoint is not the
// provider's word that it is gone.
func (p *Provider) toldBeside(id *gateward.Identity, claims map[string]any) bool {
	_, hasGroups := p.config.mapping.groups.Find(claims)
	return len(id.Groups) > 0 && !hasGroups || id.Email != "" && p.config.mapping.email.FindString(claims) == ""
}

// asksUserinfo reports whether there is something that userinfo is to be asked
// for. An ID token that is stale says nothing of today.
func (p *Provider) asksUserinfo(k known) bool {
	m := &p.config.mapping
	if p.config.FetchExtraUserInfo || k.stale && (m.needsGroups || m.needsEmail || k.told != told{}) {
		return true
	}
	_, hasGroups := m.groups.Find(k.claims)
	hasGroups = hasGroups || p.refersToGraph(k.claims)
	hasEmail := m.email.FindString(k.claims) != ""
	return m.needsGroups && !hasGroups || m.needsEmail && !hasEmail
}

// userinfo returns what the userinfo endpoint says, as far as no signature has to
// stand for it, or nil if it is not asked: because nothing is missing, because
// there is none, or because it refused and nobody insists.
func (p *Provider) userinfo(ctx context.Context, m *metadata, k known, access gateward.Secret) (map[string]any, error) {
	if m.userinfoURL == "" || !p.asksUserinfo(k) {
		return nil, nil
	}
	info, err := getJSON(ctx, p.peer.tokens, m.userinfoURL, access)
	sub, said := info["sub"].(string)
	if err == nil && !said {
		// Such as an error with status 200: that is nobody else's answer, it is none.
		err = errors.New("the answer has no sub, or one that is not a string")
	}
	if err != nil {
		refused := (*statusError)(nil)
		definite := errors.As(err, &refused) && refused.status/100 == 4 && !(&refusal{status: refused.status}).transient()
		p.peer.onRequest(opUserinfo, definite)
		p.logger.LogAttrs(ctx, slog.LevelWarn, "userinfo not available", slog.Any("err", err))
		if definite && !p.config.FetchExtraUserInfo && !k.insist {
			return nil, nil
		}
		return nil, fmt.Errorf("oidc: ask %s for userinfo: %w: %w", p.name, gateward.ErrUnavailable, err)
	}
	p.peer.onRequest(opUserinfo, true)
	// Without this the access token of one person would bring the attributes of
	// another (OpenID Connect Core §5.3.2).
	if sub != k.claims["sub"] {
		return nil, invalid("userinfo is about somebody else")
	}
	return unsigned(info), nil
}

// identity makes the identity of verified claims and of userinfo, which only
// fills what they lack. It leaves out the groups.
func (p *Provider) identity(claims, info map[string]any) (gateward.Identity, error) {
	sub, _ := claims["sub"].(string)
	all := p.config.mapping.merge(claims, info)
	id := gateward.Identity{
		Principal: gateward.Principal{Issuer: p.config.IssuerURL, Subject: sub},
		Method:    name,
		Provider:  p.name,
		Name:      either(p.config.mapping.name, claims, info),
		AllScopes: true,
		Claims:    all,
		AuthTime:  authTime(claims, p.now()),
	}
	var said bool
	id.Email, id.EmailVerified, said = p.config.mapping.address(claims, info)
	metadata, err := p.metadata(claims, info, id, said)
	if err != nil {
		return gateward.Identity{}, err
	}
	id.Metadata = metadata
	return id, nil
}

// either returns the string in claims, or else in info.
func either(at pointer.Path, claims, info map[string]any) string {
	if s := at.FindString(claims); s != "" {
		return s
	}
	return at.FindString(info)
}

// address returns the e-mail address, whether the provider says that it is
// verified, and whether it says anything of that.
func (m *mapping) address(claims, info map[string]any) (address string, verified, said bool) {
	address = m.email.FindString(claims)
	from := claims
	if address == "" {
		address, from = m.email.FindString(info), info
	}
	at := m.verified()
	if address == "" || at == nil {
		return address, false, false
	}
	v, present := at.Find(from)
	if !present && m.email.FindString(info) == address {
		v, present = at.Find(info)
	}
	verified, said = boolean(v)
	return address, verified, present && said
}

// boolean reads a bool, or the strings that some providers send for one, exactly
// these. Anything else is false.
func boolean(v any) (value, ok bool) {
	switch v {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return false, false
}

// groups returns the groups of the ID token, or else of userinfo: an array of
// strings, or one group as a string, which is never split. Where the configuration
// is about groups and the provider sent a reference to them, Microsoft Graph is
// asked, or the person not admitted: many groups are never taken for none.
func (p *Provider) groups(ctx context.Context, claims, info map[string]any, access gateward.Secret, insist bool) ([]string, error) {
	v, ok := p.config.mapping.groups.Find(claims)
	if !ok {
		v, ok = p.config.mapping.groups.Find(info)
	}
	switch {
	case ok:
		list, isList := groupList(v)
		if !isList {
			p.logger.LogAttrs(ctx, slog.LevelWarn, "groups claim ignored: neither a string nor an array of strings")
		}
		return list, nil
	case p.refersToGraph(claims):
		return p.askGraph(ctx, access, insist)
	case p.config.mapping.needsGroups && (overage(claims, p.config.mapping.groups) || overage(info, p.config.mapping.groups)):
		return nil, p.tooManyGroups(ctx, "have the provider send only the groups that are assigned to this application")
	}
	return nil, nil
}

// groupList reads a groups claim.
func groupList(v any) ([]string, bool) {
	if s, ok := v.(string); ok && s != "" {
		return []string{s}, true
	}
	array, ok := v.([]any)
	if !ok {
		return nil, false
	}
	list := make([]string, len(array))
	for n, element := range array {
		if list[n], ok = element.(string); !ok {
			return nil, false
		}
	}
	return list, true
}

// overage reports whether the claim is a distributed one (OpenID Connect Core
// §5.6.2): the provider has too many groups for a token and sends an address.
func overage(claims map[string]any, at pointer.Path) bool {
	names, _ := claims["_claim_names"].(map[string]any)
	_, named := names[at[0]]
	has, _ := boolean(claims["hasgroups"])
	return named || has && at[0] == "groups"
}

// authTime returns when the person authenticated, zero if the provider does not
// say: it need not unless max_age asks for it (OpenID Connect Core §2), and when
// it issued the token says nothing, because the person may have been logged in
// there for long. It is never a time to come, which would look fresh for long.
func authTime(claims map[string]any, now time.Time) time.Time {
	at, ok := numericDate(claims["auth_time"])
	if !ok {
		return time.Time{}
	}
	if at.After(now) {
		return now
	}
	return at
}

// metadata returns the attributes under Flipt's names, with what is missing left
// out.
func (p *Provider) metadata(claims, info map[string]any, id gateward.Identity, verifiedSaid bool) (map[string]string, error) {
	all, err := json.Marshal(id.Claims)
	if err != nil {
		return nil, invalid("the claims cannot be written as JSON")
	}
	m := map[string]string{
		"io.flipt.auth.oidc.provider": p.name,
		"io.flipt.auth.claims":        string(all),
	}
	set := func(key, value string) {
		if value != "" {
			m[key] = value
		}
	}
	picture := either(p.config.mapping.picture, claims, info)
	set("io.flipt.auth.oidc.email", id.Email)
	set("io.flipt.auth.oidc.name", id.Name)
	set("io.flipt.auth.oidc.picture", picture)
	set("io.flipt.auth.oidc.profile", either(pointer.Path{"profile"}, claims, info))
	set("io.flipt.auth.oidc.sub", either(p.config.mapping.sub, claims, info))
	set("io.flipt.auth.email", id.Email)
	set("io.flipt.auth.name", id.Name)
	set("io.flipt.auth.picture", picture)
	if verifiedSaid {
		m["io.flipt.auth.oidc.email_verified"] = fmt.Sprint(id.EmailVerified)
	}
	return m, nil
}
