package extauthz

import (
	"fmt"
	"slices"

	"github.com/gateward/gateward"
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

// loginService returns the rules for the login service's own paths. They are in
// force before any configured rule: the login service judges its requests
// itself, needs the cookie for it, and must be reachable by whoever is not
// logged in. Envoy routes these paths to it and nowhere else.
//
// Once it is known on which host that is, the same paths of other hosts are
// nothing special. A CSRF token is asked for on every host.
func (c *ruleCompiler) loginService(l *login) []*rule {
	build := func(paths ...string) *rule {
		r := c.newRule(ruleLoginService, AccessAnonymous)
		r.keepCredentials, r.asSent = true, true
		for _, s := range paths {
			p, err := target.CompilePath(s)
			if err != nil {
				c.errs = append(c.errs, err) // unreachable: they are constants
				continue
			}
			r.paths = append(r.paths, p)
		}
		return r
	}
	if l == nil {
		return []*rule{build("/auth", "/auth/**", "/api/csrf")}
	}
	pages := build("/auth", "/auth/**")
	pages.hosts = []target.HostPattern{l.pattern}
	return []*rule{pages, build("/api/csrf")}
}

// warnOfLogin warns of a path pattern of r that the login service's rules take.
func (c *ruleCompiler) warnOfLogin(key string, r *rule, s string, p target.PathPattern) {
	for _, b := range c.builtin {
		if !slices.ContainsFunc(b.paths, func(l target.PathPattern) bool { return l.Covers(p) }) {
			continue
		}
		where := ""
		if len(b.hosts) > 0 {
			host := b.hosts[0].String()
			if len(r.hosts) > 0 && !slices.ContainsFunc(r.hosts, func(h target.HostPattern) bool { return h.Match([]byte(host)) }) {
				continue
			}
			where = " on " + host
		}
		c.warnings = append(c.warnings, &gateward.ConfigError{
			Key: key, Warning: true,
			Problem: fmt.Sprintf("path pattern %q is the login service's%s, and passes without a credential before any rule", s, where),
			Remedy:  "have Envoy route it nowhere else, and the application live elsewhere",
		})
	}
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
