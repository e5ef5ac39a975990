package github

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/gateward/gateward/internal/admit"
)

// fewPages is how many pages of organizations are read where those that count are
// few: whoever belongs to more is asked about in each of these. There is hardly time
// for maxPages.
const fewPages = 10

// askOrganizations returns the active memberships of a person and the ids of
// organizations that GitHub does not tell about. Of too long a list it returns those
// in organizations that are configured; partial says then why there are no others,
// if others count.
func (m *Method) askOrganizations(ctx context.Context, g granted) (members []membership, withheld []string, partial, err error) {
	most := maxPages
	if len(m.config.organizations) > 0 {
		most = fewPages
	}
	members, withheld, err = listAll[membership](ctx, m.api, opOrganizations, "/user/memberships/orgs?state=active&per_page=100", g, most)
	if len(m.config.organizations) > 0 && errors.Is(err, errTooManyPages) {
		if m.config.NeedsOrganizations {
			partial = err
		}
		members, err = m.askEach(ctx, g, m.config.organizations)
	}
	return members, withheld, partial, err
}

// askEach returns the memberships of a person in some organizations, without those
// that would be missing in a list, too.
func (m *Method) askEach(ctx context.Context, g granted, organizations []string) ([]membership, error) {
	members := make([]membership, len(organizations))
	var requests []func(context.Context) error
	for i, o := range organizations {
		requests = append(requests, func(ctx context.Context) error {
			one, refused, err := m.standing(ctx, g, o)
			switch {
			case err != nil:
				return err
			case refused == nil:
				members[i] = one
			case refused.kind != refusedNotFound && !refused.isOrganizations():
				return definite(refused)
			}
			return nil
		})
	}
	return members, together(ctx, requests)
}

// standing asks how a person stands to one organization, which it returns with the
// state "active" or "pending", or else why it is not known. Errors wrap what
// [api.get] says.
func (m *Method) standing(ctx context.Context, g granted, organization string) (membership, *refusal, error) {
	got, err := m.api.more(ctx, opMembership, m.api.base+"/user/memberships/orgs/"+url.PathEscape(organization), g)
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return membership{}, refused, nil
	}
	if err != nil {
		return membership{}, nil, err
	}
	var one membership
	if json.Unmarshal(got.body, &one) != nil || one.State == "" || admit.LowerASCII(one.Organization.Login) != admit.LowerASCII(organization) {
		return membership{}, nil, unavailable(opMembership, errors.New("the answer is not a membership"))
	}
	return one, nil, nil
}
