package main

import (
	"maps"
	"sync"

	"github.com/gateward/gateward/internal/config"
)

// The states of a dependency.
const (
	stateOK          = "ok"
	stateUnavailable = "unavailable"
	// stateUnused: nothing has needed it yet.
	stateUnused = "unused"
)

// storeDependency names a session store that is reached over the network.
const storeDependency = "redis"

// githubDependency names GitHub.
const githubDependency = "github"

// providerName names an OpenID provider.
func providerName(provider string) string { return "oidc/" + provider }

// dependencies are the states of what checks depend on, by name, for /readyz.
// Safe for concurrent use.
type dependencies struct {
	mu     sync.Mutex
	states map[string]string
}

// keySetName names the key set of an issuer.
func keySetName(issuer string) string {
	if issuer == "" {
		return "jwks"
	}
	return "jwks/" + issuer
}

// expect makes the states those of c's dependencies; what is known of them
// stays.
func (d *dependencies) expect(c *config.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	states := map[string]string{}
	expect := func(name string) {
		states[name] = stateUnused
		if known := d.states[name]; known != "" {
			states[name] = known
		}
	}
	if c.Authentication.Session.Storage.Type == "redis" {
		expect(storeDependency)
	}
	if m := &c.Authentication.Methods.OIDC; m.Enabled {
		for name := range m.Providers {
			expect(providerName(name))
		}
	}
	if c.Authentication.Methods.GitHub.Enabled {
		expect(githubDependency)
	}
	if m := &c.Authentication.Methods.JWT; m.Enabled {
		for _, i := range m.All() {
			if i.JWKSURL == "" {
				continue
			}
			expect(keySetName(i.Name))
		}
	}
	d.states = states
}

// set records how the last use of a dependency ended, if it is one.
func (d *dependencies) set(name string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, expected := d.states[name]; !expected {
		return
	}
	d.states[name] = stateUnavailable
	if ok {
		d.states[name] = stateOK
	}
}

// snapshot returns the states as they are.
func (d *dependencies) snapshot() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	states := maps.Clone(d.states)
	if states == nil {
		states = map[string]string{}
	}
	return states
}
