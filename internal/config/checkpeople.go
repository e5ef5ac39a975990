package config

import (
	"slices"
	"strings"
)

// people checks who may log in at all, and who may do what then. The forms of
// addresses, domains, names and patterns are judged by who reads them.
func (c *checker) people() {
	a := &c.file.Config.Authentication
	c.subjects(adminsKey, a.Admins.Subjects)
	c.groups(adminsKey+".groups", a.Admins.Groups)
	for i, g := range a.Grants {
		c.subjects(itemKey(grantsKey, i), g.Subjects)
		c.groups(itemKey(grantsKey, i)+".groups", g.Groups)
	}
	if len(a.Grants) == 0 && c.set(grantsKey) {
		c.warn(grantsKey, "is empty, so people are not limited by scopes", "remove it, or name the people and their scopes")
	}
	for i, domain := range a.AllowedDomains {
		if domain == "*" {
			c.bad(c.itemKey(domainsKey, i), "admits every domain", "name the domains, or remove the list")
		}
	}
	for i, f := range a.AllowedUserFilters {
		c.filter(itemKey(filtersKey, i), f)
	}
	c.organizations()
	if a.Methods.SessionCompatible() {
		c.signUp()
		c.linking()
	}
}

// subjects checks what is named in the subjects of a block.
func (c *checker) subjects(block string, subjects []string) {
	m := &c.file.Config.Authentication.Methods
	enabled := m.enabled()
	for i, subject := range subjects {
		key := c.itemKey(block+".subjects", i)
		head, rest, ok := strings.Cut(subject, ":")
		method, provider, named := strings.Cut(head, "/")
		on, known := enabled[method]
		switch {
		case !ok || rest == "" || named && provider == "" || !known:
			c.bad(key, c.shown(key, subject)+" names nobody", "write METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, with a method out of "+strings.Join(sortedKeys(enabled), ", "))
		case !on:
			c.warn(key, "the method "+method+" is not enabled", "set "+methodsKey+"."+method+".enabled to true")
		case !slices.Contains(m.providers(method), provider):
			var forms []string
			for _, p := range m.providers(method) {
				forms = append(forms, strings.TrimSuffix(method+"/"+p, "/")+":SUBJECT")
			}
			problem := " names a provider that " + method + " does not have"
			if !named {
				problem = " names no provider"
			}
			c.bad(key, c.shown(key, subject)+problem, "write "+strings.Join(forms, " or "))
		}
	}
}

func (c *checker) filter(key string, f UserFilter) {
	m := &c.file.Config.Authentication.Methods
	switch {
	case f.Type == "" && !c.broken(key+".type"):
		c.bad(key, "has no type", "write one of email, phone, id, group, organization, team")
	case f.Type == "id" && m.logins() > 1:
		c.warn(key, "compares the subjects of all providers, and two of them may call two people the same", "use it with one provider only, or name addresses")
	case f.Type == "group":
		c.groups(key, f.Patterns)
	case f.Type == "phone" && m.OIDC.Enabled:
		for _, name := range sortedKeys(m.OIDC.Providers) {
			if p := m.OIDC.Providers[name]; !slices.Contains(p.Scopes, "phone") {
				c.warn(childKey(providersKey, name)+".scopes", "lacks phone, and "+key+" decides by it: most providers then tell no number, and nobody is admitted by it", "add phone")
			}
		}
	}
}

// groups warns where a name that means something at one provider may be taken by
// anybody at another one.
func (c *checker) groups(key string, groups []string) {
	m := &c.file.Config.Authentication.Methods.OIDC
	if len(groups) == 0 || !m.Enabled || len(m.Providers) < 2 {
		return
	}
	for _, name := range sortedKeys(m.Providers) {
		if issuer := m.Providers[name].IssuerURL; isPublicIssuer(issuer) {
			c.warn(key, "counts at every provider, and anybody may found a group of that name at "+issuer, "name addresses or subjects instead")
			return
		}
	}
}

// organizations warns about keys that name organizations or teams while nobody
// is known to be in one.
func (c *checker) organizations() {
	decides := c.file.Config.decidedByOrganization()
	if decides == "" || c.file.Config.Authentication.Methods.GitHub.Enabled {
		return
	}
	c.warn(decides, "fits nobody: only the method github knows who is in an organization or a team, and it is not enabled", "set "+githubKey+".enabled to true, or name groups")
}

// signUp warns where what is decided about people is forgotten, or cannot be
// decided by anybody.
func (c *checker) signUp() {
	a := &c.file.Config.Authentication
	const keep = "set " + sessionKey + ".storage.type to file or redis"
	memory := a.Session.Storage.Type == "memory"
	switch {
	case a.SignUp == "approval" && a.Admins.empty():
		c.warn(signUpKey, "is approval, and there is nobody to approve: whoever is new waits for ever", "name somebody in "+adminsKey)
	case a.SignUp != "open" && memory:
		c.warn(signUpKey, "is "+a.SignUp+", and users are kept in memory: a restart forgets everybody who was let in", keep)
	case !a.Admins.empty() && memory:
		c.warn(adminsKey, "can disable users, who are kept in memory: a restart lets everybody in again who was disabled", keep)
	}
}

// linking warns where accounts are to be linked and none can be.
func (c *checker) linking() {
	a := &c.file.Config.Authentication
	if a.AccountLinking != "verified_email" {
		return
	}
	believed := a.Methods.GitHub.Enabled && len(a.Methods.GitHub.EmailAuthority) > 0
	if a.Methods.OIDC.Enabled {
		for _, p := range a.Methods.OIDC.Providers {
			believed = believed || len(p.EmailAuthority) > 0
		}
	}
	if !believed {
		c.warn(linkingKey, "links nobody: no provider is believed any address", "set email_authority for the providers, to the domains whose addresses they know best")
	}
}
