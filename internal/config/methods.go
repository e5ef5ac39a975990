package config

// SessionCompatible reports whether a method is enabled that people log in with,
// so that there are sessions.
func (m *Methods) SessionCompatible() bool { return m.OIDC.Enabled || m.GitHub.Enabled }

// enabled tells for each method whether it is.
func (m *Methods) enabled() map[string]bool {
	return map[string]bool{"token": m.Token.Enabled, "oidc": m.OIDC.Enabled, "github": m.GitHub.Enabled, "jwt": m.JWT.Enabled}
}

// anyEnabled reports whether there is a way to be recognised at all.
func (m *Methods) anyEnabled() bool {
	for _, on := range m.enabled() {
		if on {
			return true
		}
	}
	return false
}

// oneMethod tells how to enable a method.
const oneMethod = "set enabled to true for one of " + methodsKey + ".github, .jwt, .oidc and .token"

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

// logins counts the providers that people log in by.
func (m *Methods) logins() int {
	n := 0
	if m.OIDC.Enabled {
		n += len(m.OIDC.Providers)
	}
	if m.GitHub.Enabled {
		n++
	}
	return n
}
