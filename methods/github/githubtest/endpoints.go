package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func getUser(c *call) reply { return reply{body: c.privateUser()} }

func getEmails(c *call) reply {
	all := []any{}
	for _, e := range c.user.Emails {
		var visibility any
		if e.Primary {
			visibility = "private"
			if e.Public {
				visibility = "public"
			}
		}
		all = append(all, object{"email": e.Address, "primary": e.Primary, "verified": e.Verified, "visibility": visibility})
	}
	return reply{list: all, canonical: c.canonical("/emails")}
}

// getOrganizations lists what a person is an active member of, without what the
// application may not see.
func getOrganizations(c *call) reply {
	shown, header := c.visible()
	all := []any{}
	for _, o := range shown {
		if c.user.memberships[strings.ToLower(o.Login)] == Active {
			all = append(all, c.organization(o))
		}
	}
	return reply{list: all, header: header, canonical: c.canonical("/orgs")}
}

func getMemberships(c *call) reply {
	state := c.r.URL.Query().Get("state")
	if state != "" && state != Active && state != Pending {
		// It is of another schema than other errors: validation-error.
		return reply{status: http.StatusUnprocessableEntity, body: object{"message": "Validation Failed", "documentation_url": documentation}}
	}
	shown, header := c.visible()
	all := []any{}
	for _, o := range shown {
		if got := c.user.memberships[strings.ToLower(o.Login)]; state == "" || got == state {
			all = append(all, made(func() any { return c.membership(o, got) }))
		}
	}
	return reply{list: all, header: header, canonical: c.canonical("/memberships/orgs")}
}

func getMembership(c *call) reply {
	o := c.s.organizationBy(c.r.PathValue("org"))
	if o == nil {
		return refuse(http.StatusNotFound, "Not Found")
	}
	state := c.user.memberships[strings.ToLower(o.Login)]
	switch {
	case o.RestrictsApps:
		return refuse(http.StatusForbidden, "Although you appear to have the correct authorization credentials, the `"+o.Login+
			"` organization has enabled OAuth App access restrictions, meaning that data access to third-parties is limited. "+
			"For more information on these restrictions, including how to enable this app, visit "+
			"https://docs.github.com/articles/restricting-access-to-your-organization-s-data/")
	case state == "":
		return refuse(http.StatusNotFound, "Not Found")
	case c.hidden(o):
		refused := refuse(http.StatusForbidden, "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization.")
		refused.header = http.Header{"X-Github-Sso": {"required; url=" + c.site() + "/orgs/" + o.Login + "/sso?authorization_request=A" + strconv.FormatInt(o.ID, 10)}}
		return refused
	}
	return reply{body: c.membership(o, state)}
}

// getTeams lists teams by their members: who is in a child team is not listed in
// its parent.
func getTeams(c *call) reply {
	shown, header := c.visible()
	all := []any{}
	for _, t := range c.s.teams {
		o := c.s.organizationBy(t.organization)
		if o != nil && t.members[c.user.ID] && slices.Contains(shown, o) {
			all = append(all, made(func() any { return c.team(t, o) }))
		}
	}
	return reply{list: all, header: header, canonical: c.canonical("/teams")}
}

// visible returns the organizations that a person belongs to in any way and that
// the application may see, and the header about those that want a single sign-on.
func (c *call) visible() ([]*Organization, http.Header) {
	var shown []*Organization
	var withheld []string
	for _, o := range c.s.organizations {
		switch {
		case c.user.memberships[strings.ToLower(o.Login)] == "" || o.RestrictsApps:
		case c.hidden(o):
			withheld = append(withheld, strconv.FormatInt(o.ID, 10))
		default:
			shown = append(shown, o)
		}
	}
	if withheld == nil {
		return shown, nil
	}
	return shown, http.Header{"X-Github-Sso": {"partial-results; organizations=" + strings.Join(withheld, ",")}}
}

// hidden reports whether an organization waits for the person's single sign-on.
func (c *call) hidden(o *Organization) bool {
	return o.SAML && !c.user.signedOn[strings.ToLower(o.Login)]
}

// canonical is how GitHub writes a path of the person's own in links.
func (c *call) canonical(path string) string { return fmt.Sprintf("/user/%d%s", c.user.ID, path) }

// site is the address of the pages that people see.
func (c *call) site() string { return strings.TrimSuffix(c.base, c.s.apiPrefix()) }
