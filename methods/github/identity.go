package github

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

// identity makes the identity of what GitHub says of a person. Where organizations
// or teams are configured it holds only these: what else the person belongs to is
// not our business, unless rules outside the github block are about them. The
// metadata hold no others in any case, as in Flipt.
func (m *Method) identity(p *person) gateward.Identity {
	organizations, teams := m.relevant(p)
	metadata := p.metadata(organizations, teams)
	if m.config.NeedsOrganizations {
		organizations, teams = p.organizations, p.teams
	}
	id := gateward.Identity{
		Principal:     gateward.Principal{Issuer: m.config.server, Subject: p.subject()},
		Method:        name,
		Email:         p.email,
		EmailVerified: p.email != "",
		Name:          p.displayName(),
		AllScopes:     true,
		Metadata:      metadata,
	}
	for _, o := range organizations {
		id.Organizations = append(id.Organizations, admit.LowerASCII(o))
		for _, slug := range teams[o] {
			id.Teams = append(id.Teams, admit.LowerASCII(o)+"/"+admit.LowerASCII(slug))
		}
	}
	slices.Sort(id.Organizations)
	slices.Sort(id.Teams)
	return id
}

// relevant returns the organizations and teams that the github block allows, or all
// where it names none, named as GitHub does.
func (m *Method) relevant(p *person) (organizations []string, teams map[string][]string) {
	teams = map[string][]string{}
	for _, o := range p.organizations {
		if len(m.config.organizations) > 0 && !slices.Contains(m.config.organizations, admit.LowerASCII(o)) {
			continue
		}
		organizations = append(organizations, o)
		for _, slug := range p.teams[o] {
			if len(m.config.teams) == 0 || slices.Contains(m.config.teams[admit.LowerASCII(o)], admit.LowerASCII(slug)) {
				teams[o] = append(teams[o], slug)
			}
		}
	}
	return organizations, teams
}

func (p *person) displayName() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Login
}

// metadata returns the attributes under Flipt's names. Who has no verified address
// gets the one that GitHub accepts mail for nobody at: the public address of an
// account need not be verified everywhere.
func (p *person) metadata(organizations []string, teams map[string][]string) map[string]string {
	address := p.email
	if address == "" {
		address = fmt.Sprintf("%d+%s@users.noreply.github.com", p.ID, p.Login)
	}
	all := map[string]string{
		"io.flipt.auth.email":                     address,
		"io.flipt.auth.name":                      p.displayName(),
		"io.flipt.auth.github.email":              address,
		"io.flipt.auth.github.name":               p.displayName(),
		"io.flipt.auth.github.sub":                p.subject(),
		"io.flipt.auth.github.preferred_username": p.Login,
	}
	if p.AvatarURL != "" {
		all["io.flipt.auth.picture"] = p.AvatarURL
		all["io.flipt.auth.github.picture"] = p.AvatarURL
	}
	if len(organizations) > 0 {
		all["io.flipt.auth.github.organizations"] = asJSON(organizations)
	}
	if len(teams) > 0 {
		all["io.flipt.auth.github.teams"] = asJSON(teams)
	}
	return all
}

// asJSON writes strings, which always can be.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
