package admit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gateward/gateward"
)

// A GrantConfig gives scopes to people.
type GrantConfig struct {
	PeopleConfig

	// Scopes are as in [Config].
	Scopes []string
}

// Grants are the scopes that people have. They are immutable and safe for
// concurrent use. Nil limits nobody; the zero value gives nobody anything.
type Grants struct{ all []grant }

type grant struct {
	people *People
	scopes []string // sorted, each once
}

// CompileGrants returns the grants of the list, nil if it is empty. Problems are
// joined [gateward.ConfigError] values with keys such as "[0].emails[1]", all of
// them at once; a grant to nobody, or of nothing, is one.
func CompileGrants(all []GrantConfig) (*Grants, error) {
	if len(all) == 0 {
		return nil, nil //nolint:nilnil // documented: nil grants limit nobody
	}
	var p problems
	g := &Grants{}
	for i := range all {
		g.all = append(g.all, p.grant(fmt.Sprintf("[%d]", i), &all[i]))
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return g, nil
}

func (p *problems) grant(key string, c *GrantConfig) grant {
	if len(c.Emails)+len(c.Groups)+len(c.Organizations)+len(c.Teams)+len(c.Subjects) == 0 {
		p.addKey(key, "grants to nobody", "name emails, groups, organizations, teams or subjects, or remove the entry")
	}
	if len(c.Scopes) == 0 {
		p.addKey(key+".scopes", "grants nothing", "name the scopes, or remove the entry")
	}
	scopes := p.scopes(key+".scopes", c.Scopes)
	slices.Sort(scopes)
	return grant{people: p.people(key+".", c.PeopleConfig), scopes: slices.Clip(slices.Compact(scopes))}
}

// Apply gives id the scopes of all grants that name it, sorted and each once, in
// place of the ones that it had. Without grants id is not limited by scopes.
// What id shared before is not written to.
func (g *Grants) Apply(id *gateward.Identity) {
	id.Scopes, id.AllScopes = nil, g == nil
	if g == nil {
		return
	}
	f := NewFacts(id)
	matches := 0
	for _, one := range g.all {
		if !one.people.hasFacts(&f) {
			continue
		}
		if matches++; matches == 1 {
			id.Scopes = one.scopes // full, so that a further one copies it
			continue
		}
		id.Scopes = append(id.Scopes, one.scopes...)
	}
	if matches > 1 {
		slices.Sort(id.Scopes)
		id.Scopes = slices.Compact(id.Scopes)
	}
}
