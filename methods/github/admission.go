package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

// The keys of the rules that keep a person out, as in [gateward.NotAdmittedError].
const (
	ruleOrganizations = "allowed_organizations"
	ruleTeams         = "allowed_teams"
)

// maxExplained is how many organizations GitHub is asked about to tell a person
// why they cannot enter.
const maxExplained = 10

// errContradiction: a member of an organization was not among its members.
var errContradiction = errors.New("the answers contradict each other")

// Admit implements [methods.Admitter]. An identity that another server gave, in the
// days when server_url was another one, is nobody here:
// [gateward.ErrInvalidCredential].
func (m *Method) Admit(id *gateward.Identity) error {
	if id.Issuer != m.config.server {
		return fmt.Errorf("github: identity of another issuer: %w", gateward.ErrInvalidCredential)
	}
	if rule := m.refuses(id); rule != "" {
		return fmt.Errorf("github: %w", &gateward.NotAdmittedError{Rule: rule, Reason: reasonOf(rule)})
	}
	return nil
}

// refuses returns the rule that keeps an identity out, or "".
func (m *Method) refuses(id *gateward.Identity) string {
	if len(m.config.organizations) == 0 {
		return ""
	}
	member := false
	for _, o := range m.config.organizations {
		if !slices.Contains(id.Organizations, o) {
			continue
		}
		member = true
		// As in Flipt: with any team configured, an organization without teams
		// admits nobody.
		if len(m.config.teams) == 0 || slices.ContainsFunc(m.config.teams[o], func(slug string) bool {
			return slices.Contains(id.Teams, o+"/"+slug)
		}) {
			return ""
		}
	}
	if member {
		return ruleTeams
	}
	return ruleOrganizations
}

// reasonOf says what is missing. It does not name what would do: a stranger is told
// this, too.
func reasonOf(rule string) string {
	if rule == ruleTeams {
		return "You are not in a team on GitHub that may enter. If you should be, ask an owner of the organization to add you, and log in again."
	}
	return "You are not an active member of an organization on GitHub that may enter. If you should be, ask one of its owners to invite you, " +
		"accept the invitation, and log in again."
}

// establish asks GitHub about a person, makes the identity of it, and admits it or
// not. With [gateward.ErrNotAdmitted] the identity is filled in.
func (m *Method) establish(ctx context.Context, g granted) (gateward.Identity, error) {
	p, err := m.ask(ctx, g)
	if err != nil {
		return gateward.Identity{}, err
	}
	id := m.identity(p)
	g.subject = id.Subject
	switch {
	case p.missing != "":
		return id, fmt.Errorf("github: %w", &gateward.NotAdmittedError{
			Rule: ruleScopes,
			Reason: "You did not grant this application the scope " + p.missing + " on GitHub, which is needed to tell whether you may enter. " +
				"Revoke its access in GitHub's settings (Applications), log in again, and grant all that it asks for.",
			URL: m.config.consentPage(),
		})
	case p.blocked != nil:
		return id, fmt.Errorf("github: %w", m.blockedBy(ruleOrganizations, "", p.blocked))
	}
	err = m.Admit(&id)
	refused := (*gateward.NotAdmittedError)(nil)
	if !errors.As(err, &refused) {
		return id, err
	}
	better, err := m.explain(ctx, g, p, refused)
	if err != nil {
		return gateward.Identity{}, err
	}
	return id, fmt.Errorf("github: %w", better)
}

// explain finds out why GitHub does not count a person to an organization that
// would do: there may be something that the person can do about it. It fails only
// where GitHub says that the refusal is wrong.
func (m *Method) explain(ctx context.Context, g granted, p *person, refused *gateward.NotAdmittedError) (*gateward.NotAdmittedError, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout/2) // it is a courtesy
	defer cancel()
	missing := slices.DeleteFunc(slices.Clone(m.config.organizations), func(o string) bool {
		return len(m.config.teams) > 0 && len(m.config.teams[o]) == 0 || // would not do
			slices.ContainsFunc(p.organizations, func(mine string) bool { return admit.LowerASCII(mine) == o })
	})
	missing = missing[:min(len(missing), maxExplained)]
	reasons, failures := make([]*gateward.NotAdmittedError, len(missing)), make([]error, len(missing))
	var requests []func(context.Context) error
	for i, o := range missing {
		requests = append(requests, func(ctx context.Context) error {
			reasons[i], failures[i] = m.explainOne(ctx, g, refused.Rule, o)
			return nil
		})
	}
	if err := together(ctx, requests); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(failures, func(err error) bool { return errors.Is(err, errContradiction) }) {
		return nil, unavailable(opOrganizations, errContradiction)
	}
	for _, better := range reasons {
		if better != nil {
			return better, nil
		}
	}
	if len(p.withheld) > 0 {
		return &gateward.NotAdmittedError{
			Rule: refused.Rule,
			Reason: refused.Reason + " GitHub keeps some of your organizations back until you have signed in to them with their single sign-on (numbers " +
				strings.Join(p.withheld, ", ") + "): do so on GitHub, and log in again.",
		}, nil
	}
	return refused, nil
}

// explainOne returns why GitHub does not count a person to one organization, or nil
// if there is nothing that the person does not know. Failures other than a
// contradiction say nothing.
func (m *Method) explainOne(ctx context.Context, g granted, rule, organization string) (*gateward.NotAdmittedError, error) {
	standing, refused, err := m.standing(ctx, g, organization)
	switch {
	case err != nil:
		return nil, err
	case refused != nil && refused.isOrganizations():
		return m.blockedBy(rule, organization, refused), nil
	case refused != nil:
		return nil, nil //nolint:nilerr // it is GitHub's answer, and says nothing
	case standing.State == stateActive:
		return nil, errContradiction
	case standing.State == "pending":
		return &gateward.NotAdmittedError{
			Rule:   rule,
			Reason: "You are invited to the organization " + organization + " on GitHub, and not a member yet. Accept the invitation there, and log in again.",
			URL:    m.config.page("/orgs/" + organization + "/invitation"),
		}, nil
	}
	return nil, nil
}

// blockedBy says what to do where an organization keeps the application out.
// Whether it does is told to strangers, too: that organization is not named, while
// single sign-on is asked only of members.
func (m *Method) blockedBy(rule, organization string, r *refusal) *gateward.NotAdmittedError {
	if r.kind == refusedByPolicy {
		return &gateward.NotAdmittedError{
			Rule: rule,
			Reason: "An organization on GitHub that may enter has not approved this application, so that GitHub does not tell whether you are a member. " +
				"Ask for its approval in GitHub's settings (Applications), have an owner grant it, and log in again.",
			URL: m.config.consentPage(),
		}
	}
	which := "An organization"
	if organization != "" {
		which = "The organization " + organization
	}
	refused := &gateward.NotAdmittedError{
		Rule:   rule,
		Reason: which + " on GitHub wants you to sign in with its single sign-on before this application may know that you are a member. Do so, and log in again.",
	}
	if m.config.isOwnPage(r.url) {
		refused.URL = r.url
	}
	return refused
}
