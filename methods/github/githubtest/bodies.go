package githubtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
)

// object is a JSON object with all that GitHub's OpenAPI document requires of it.
type object = map[string]any

const created = "2011-01-25T18:44:36Z"

func nodeID(kind string, id int64) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "0%d:%s%d", len(kind), kind, id))
}

// simpleUser is the schema simple-user.
func (c *call) simpleUser(u *account) object {
	at := c.base + "/users/" + u.Login
	return object{
		"login": u.Login, "id": u.ID, "node_id": nodeID("User", u.ID), "gravatar_id": "",
		"avatar_url": fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", u.ID),
		"url":        at, "html_url": c.site() + "/" + u.Login,
		"followers_url": at + "/followers", "following_url": at + "/following{/other_user}",
		"gists_url": at + "/gists{/gist_id}", "starred_url": at + "/starred{/owner}{/repo}",
		"subscriptions_url": at + "/subscriptions", "organizations_url": at + "/orgs", "repos_url": at + "/repos",
		"events_url": at + "/events{/privacy}", "received_events_url": at + "/received_events",
		"type": "User", "user_view_type": "public", "site_admin": false,
	}
}

// privateUser is the schema private-user.
func (c *call) privateUser() object {
	u := c.user
	all := c.simpleUser(u)
	var name, public any
	if u.Name != "" {
		name = u.Name
	}
	for _, e := range u.Emails {
		if e.Public {
			public = e.Address
		}
	}
	maps.Copy(all, object{
		"name": name, "email": public, "user_view_type": "private", "notification_email": public,
		"company": nil, "blog": "", "location": nil, "hireable": nil, "bio": nil, "twitter_username": nil,
		"public_repos": 2, "public_gists": 0, "followers": 3, "following": 4, "created_at": created, "updated_at": created,
		"private_gists": 0, "total_private_repos": 1, "owned_private_repos": 1, "disk_usage": 1024, "collaborators": 0,
		"two_factor_authentication": true,
		"plan":                      object{"name": "free", "space": 976562499, "private_repos": 10000, "collaborators": 0},
	})
	if c.s.options.Enterprise {
		all["ldap_dn"] = "uid=" + u.Login + ",ou=people,dc=example,dc=com"
	}
	return all
}

// organization is the schema organization-simple.
func (c *call) organization(o *Organization) object {
	at := c.base + "/orgs/" + o.Login
	return object{
		"login": o.Login, "id": o.ID, "node_id": nodeID("Organization", o.ID), "url": at,
		"repos_url": at + "/repos", "events_url": at + "/events", "hooks_url": at + "/hooks", "issues_url": at + "/issues",
		"members_url": at + "/members{/member}", "public_members_url": at + "/public_members{/member}",
		"avatar_url": fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", o.ID), "description": nil,
	}
}

// membership is the schema org-membership.
func (c *call) membership(o *Organization, state string) object {
	return object{
		"url": c.base + "/orgs/" + o.Login + "/memberships/" + c.user.Login, "state": state, "role": "member",
		"organization_url": c.base + "/orgs/" + o.Login, "direct_membership": true, "enterprise_teams_providing_indirect_membership": []string{},
		"organization": c.organization(o), "user": c.simpleUser(c.user), "permissions": object{"can_create_repository": false},
	}
}

// simpleTeam is the schema team-simple.
func (c *call) simpleTeam(t *group, o *Organization) object {
	at := fmt.Sprintf("%s/organizations/%d/team/%d", c.base, o.ID, t.id)
	all := object{
		"id": t.id, "node_id": nodeID("Team", t.id), "url": at, "html_url": c.site() + "/orgs/" + o.Login + "/teams/" + t.slug,
		"name": strings.ToUpper(t.slug[:1]) + t.slug[1:], "slug": t.slug, "description": "", "privacy": "closed",
		"notification_setting": "notifications_enabled", "permission": "pull", "type": "organization",
		"members_url": at + "/members{/member}", "repositories_url": at + "/repos",
	}
	if c.s.options.Enterprise {
		all["ldap_dn"] = "cn=" + t.slug + ",ou=teams,dc=example,dc=com"
	}
	return all
}

// team is the schema team-full.
func (c *call) team(t *group, o *Organization) object {
	all := c.simpleTeam(t, o)
	maps.Copy(all, object{
		"parent": nil, "members_count": len(t.members), "repos_count": 0, "created_at": created, "updated_at": created,
		"organization": c.teamOrganization(o),
	})
	if t.parent == "" {
		return all
	}
	if parent := c.s.teamBy(t.organization, t.parent); parent != nil {
		all["parent"] = c.simpleTeam(parent, o)
	}
	return all
}

// teamOrganization is the schema team-organization, whose company, blog, location
// and email may be missing and may not be null.
func (c *call) teamOrganization(o *Organization) object {
	all := c.organization(o)
	maps.Copy(all, object{
		"name": o.Login, "twitter_username": nil,
		"is_verified": false, "has_organization_projects": true, "has_repository_projects": true,
		"public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
		"html_url": c.site() + "/" + o.Login, "created_at": created, "updated_at": created, "type": "Organization", "archived_at": nil,
	})
	return all
}
