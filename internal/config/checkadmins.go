package config

import (
	"slices"
	"strings"
)

// admins checks what is named in the subjects of administrators. Their form and
// that of the addresses is judged by who reads them.
func (c *checker) admins() {
	m := &c.file.Config.Authentication.Methods
	enabled := m.enabled()
	for i, subject := range c.file.Config.Authentication.Admins.Subjects {
		key := c.itemKey(adminsKey+".subjects", i)
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

// providers returns the names of a method's providers or issuers, "" for one
// without a name.
func (m *Methods) providers(method string) []string {
	switch method {
	case "oidc":
		return sortedKeys(m.OIDC.Providers)
	case "jwt":
		var names []string
		for _, i := range m.JWT.All() {
			names = append(names, i.Name)
		}
		return names
	}
	return []string{""}
}
