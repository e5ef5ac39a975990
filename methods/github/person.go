package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

// user is the answer of /user, as far as it is of use here.
type user struct {
	ID        int64  `json:"id"`
	Login     string `json:"login"`
	Name      string `json:"name"`
	AvatarURL string `json:"avatar_url"`
}

type email struct {
	Email    string `json:"email"`
	Primary  bool   `json:"primary"`
	Verified bool   `json:"verified"`
}

type organization struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

type membership struct {
	State        string       `json:"state"`
	Organization organization `json:"organization"`
}

// stateActive is the state of a member; who has been invited only is pending.
const stateActive = "active"

type team struct {
	Slug         string       `json:"slug"`
	Organization organization `json:"organization"`
	// Parent is the team that this one belongs to: who is in a child team is in its
	// parent, too.
	Parent *struct {
		Slug string `json:"slug"`
	} `json:"parent"`
}

// person is what GitHub says of a person.
type person struct {
	user
	email         string // primary and verified, or ""
	organizations []string
	teams         map[string][]string // slugs by organization
	// withheld are the ids of organizations that GitHub does not tell about before
	// their single sign-on.
	withheld []string
	// missing is the scope that the rules need and the person did not grant, or "".
	missing string
	// blocked, if set, is why GitHub tells of no organization at all.
	blocked *refusal
}

// subject is the identity's.
func (u *user) subject() string { return strconv.FormatInt(u.ID, 10) }

// ask returns what GitHub says of whose token it is.
func (m *Method) ask(ctx context.Context, g granted) (*person, error) {
	p := &person{teams: map[string][]string{}}
	scopes, err := m.askUser(ctx, g, p)
	if err != nil {
		return nil, err
	}
	if p.missing = m.missingScope(scopes); p.missing != "" {
		return p, nil
	}
	g.subject = p.subject()
	var members []membership
	var teams []team
	var withheld []string
	var noEmail, noTeams, noOthers error // why they could not be had
	var requests []func(context.Context) error
	if scopes.has(scopeEmail) {
		requests = append(requests, func(ctx context.Context) (err error) {
			p.email, err = m.askEmail(ctx, g)
			noEmail, err = heldBack(err)
			return err
		})
	}
	if scopes.has(scopeOrganizations) {
		requests = append(requests, func(ctx context.Context) (err error) {
			members, p.withheld, noOthers, err = m.askOrganizations(ctx, g)
			return err
		}, func(ctx context.Context) (err error) {
			teams, withheld, err = listAll[team](ctx, m.api, opTeams, "/user/teams?per_page=100", g, maxPages)
			noTeams, err = heldBack(err)
			return err
		})
	}
	if err := together(ctx, requests); err != nil {
		refused := (*refusal)(nil)
		if errors.As(err, &refused) && refused.isOrganizations() && len(m.config.organizations) > 0 {
			p.blocked = refused
			return p, nil
		}
		return nil, definite(err)
	}
	p.withheld = append(p.withheld, withheld...)
	slices.Sort(p.withheld)
	p.withheld = slices.Compact(p.withheld)
	if err := p.join(members, teams); err != nil {
		return nil, err
	}
	if err := eitherOf(noOthers, eitherOf(noTeams, noEmail)); err != nil && !m.isOutside(p) {
		return nil, err
	}
	return p, nil
}

// eitherOf returns one of two failures, the person's if there is one; nil if there
// is none at all.
func eitherOf(a, b error) error {
	if a == nil || isPersonal(b) {
		return b
	}
	return a
}

// heldBack returns an outage apart from other errors: what organizations say may do
// without the rest, which a person can make too long to be had.
func heldBack(err error) (outage, other error) {
	if errors.Is(err, gateward.ErrUnavailable) {
		return err, nil
	}
	return nil, err
}

// isOutside reports whether a person may not enter, whatever their teams are.
func (m *Method) isOutside(p *person) bool {
	organizations, _ := m.relevant(p)
	return len(m.config.organizations) > 0 && len(organizations) == 0
}

// definite makes a refusal that nobody expects a failure, so that nothing follows
// from it but that it does not last: it may be one that the person has brought
// about. What GitHub says of the account itself is no failure.
func definite(err error) error {
	refused := (*refusal)(nil)
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.kind == refusedSuspended:
		return fmt.Errorf("github: %w", &gateward.NotAdmittedError{
			Rule:   ruleSuspended,
			Reason: "GitHub has suspended your account. Ask GitHub's support, or whoever administers your GitHub server.",
		})
	case refused.status == http.StatusForbidden && refused.explained:
		return fmt.Errorf("github: ask for the person: %w: %w", &gateward.UnavailableError{
			Reason: "GitHub refuses to say who you are and what you belong to.", Personal: true,
		}, err)
	}
	return unavailable("the person", err)
}

// askUser fills in who it is, and returns what was granted: as GitHub said with the
// token, or else with its answer, or else what was asked for.
func (m *Method) askUser(ctx context.Context, g granted, p *person) (scopeSet, error) {
	got, err := m.api.get(ctx, opUser, m.api.base+"/user", g)
	if err != nil {
		return scopeSet{}, definite(err)
	}
	if json.Unmarshal(got.body, &p.user) != nil || p.ID <= 0 || p.Login == "" {
		return scopeSet{}, unavailable(opUser, errors.New("the answer does not say who it is"))
	}
	said, listed := got.header["X-Oauth-Scopes"]
	switch {
	case g.said:
		return g.scopes, nil
	case listed:
		return parseScopes(said[0]), nil
	}
	return scopesOf(m.config.scopes), nil
}

// missingScope returns the scope that rules need and that was not granted, or "".
func (m *Method) missingScope(s scopeSet) string {
	asked := scopesOf(m.config.scopes)
	switch {
	case len(m.config.organizations) > 0 && !s.has(scopeOrganizations),
		m.config.NeedsOrganizations && asked.has(scopeOrganizations) && !s.has(scopeOrganizations):
		return scopeOrganizations
	case m.config.NeedsEmail && asked.has(scopeEmail) && !s.has(scopeEmail):
		return scopeEmail
	}
	return ""
}

// askEmail returns the address that is both primary and verified, or "": any other
// may be somebody else's.
func (m *Method) askEmail(ctx context.Context, g granted) (string, error) {
	all, _, err := listAll[email](ctx, m.api, opEmails, "/user/emails?per_page=100", g, maxPages)
	if refused := (*refusal)(nil); g.scopes.all && errors.As(err, &refused) && refused.kind != refusedSuspended {
		return "", nil // the application has no permission to read addresses
	}
	if err != nil {
		return "", err
	}
	for _, e := range all {
		if e.Primary && e.Verified {
			return e.Email, nil
		}
	}
	return "", nil
}

// join takes the active memberships, and the teams of these organizations.
func (p *person) join(members []membership, teams []team) error {
	active := map[string]string{} // names as GitHub writes them
	for _, one := range members {
		if one.State != stateActive {
			continue
		}
		if one.Organization.Login == "" {
			return unavailable(opOrganizations, errors.New("an organization has no name"))
		}
		active[admit.LowerASCII(one.Organization.Login)] = one.Organization.Login
		p.organizations = append(p.organizations, one.Organization.Login)
	}
	for _, t := range teams {
		o, ok := active[admit.LowerASCII(t.Organization.Login)]
		if !ok || t.Slug == "" {
			continue
		}
		p.teams[o] = append(p.teams[o], t.Slug)
		if t.Parent != nil && t.Parent.Slug != "" {
			p.teams[o] = append(p.teams[o], t.Parent.Slug)
		}
	}
	for o := range p.teams {
		slices.Sort(p.teams[o])
		p.teams[o] = slices.Compact(p.teams[o])
	}
	slices.Sort(p.organizations)
	p.organizations = slices.Compact(p.organizations)
	return nil
}

// together makes requests at the same time and returns the first error, for which
// the others are given up.
func together(ctx context.Context, requests []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var once sync.Once
	var first error
	for _, request := range requests {
		all.Go(func() {
			if err := request(ctx); err != nil {
				once.Do(func() { first = err })
				cancel()
			}
		})
	}
	all.Wait()
	return first
}

// present reports whether there is such a token.
func present(s gateward.Secret) bool { return s.Reveal() != "" }
