package extauthz

import (
	"fmt"

	"github.com/gateward/gateward/extauthz/target"
)

// Names of the rules that are not configured. They contain a colon, which a
// configured rule's name cannot.
const (
	ruleLoginService = "builtin:login"
	ruleEvaluation   = "exclude:evaluation"
	ruleOFREP        = "exclude:ofrep"
	ruleRequired     = "default:required"
	ruleOptional     = "default:optional"
	// ruleNone stands for checks that were answered before any rule was
	// looked for.
	ruleNone = "none"
)

// loginService returns the rule for the login service's own paths. It is in
// force before any configured rule: the login service judges its requests
// itself, needs the cookie for it, and must be reachable by whoever is not
// logged in. Envoy routes these paths to it and nowhere else.
func (c *ruleCompiler) loginService() *rule {
	r := c.newRule(ruleLoginService, AccessAnonymous)
	r.keepCredentials = true
	for _, s := range []string{"/auth", "/auth/**", "/api/csrf"} {
		p, err := target.CompilePath(s)
		if err != nil {
			c.errs = append(c.errs, err) // unreachable: they are constants
			continue
		}
		r.paths = append(r.paths, p)
	}
	return r
}

// excluded returns the ready-made anonymous rules for Flipt's API sections.
func (c *ruleCompiler) excluded(x Exclude) []*rule {
	var hosts []target.HostPattern
	for i, h := range x.Hosts {
		p, err := target.CompileHost(h)
		if err != nil {
			c.errs = append(c.errs, prefixed(fmt.Sprintf("authentication.exclude.hosts[%d]", i), err)...)
			continue
		}
		hosts = append(hosts, p)
	}
	var rules []*rule
	add := func(name string, paths []string, segments ...string) {
		r := c.newRule(name, AccessAnonymous)
		r.hosts = hosts
		c.match("authentication.exclude", r, &Match{Paths: paths})
		for _, s := range segments {
			r.paths = append(r.paths, target.SegmentPrefix(s))
		}
		rules = append(rules, r)
	}
	if x.Evaluation {
		// A gRPC call is a POST to /package.Service/Method.
		add(ruleEvaluation, []string{"/evaluate/v1/**", "/client/v2/**", "/internal/v1/**"}, "flipt.evaluation.")
	}
	if x.OFREP {
		add(ruleOFREP, []string{"/ofrep/**"})
	}
	return rules
}

// fallback returns the rule for requests that no other one matches.
func (c *ruleCompiler) fallback(required bool) *rule {
	if required {
		return c.newRule(ruleRequired, AccessAuthenticated)
	}
	return c.newRule(ruleOptional, AccessOptional)
}
