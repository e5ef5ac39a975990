package extauthz

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/target"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
	"github.com/gateward/gateward/internal/telemetry"
	"github.com/gateward/gateward/methods"
)

// A rule is a compiled [Rule]. It is immutable but for its counters.
type rule struct {
	name   string
	access Access
	kinds  credential.Kinds

	hosts   []target.HostPattern
	paths   []target.PathPattern
	methods []target.MethodPattern

	require       *admit.Requirement
	when          *expression
	maxAuthAge    time.Duration // zero: does not matter
	redirects     redirection
	ignoreInvalid bool
	shadow        bool
	// keepCredentials leaves the client-token cookie in the request: the
	// login service behind the built-in paths reads it.
	keepCredentials bool
	// asSent: the rule is only for a path that stands in the request as it is
	// read. Envoy routes by those bytes: what only decodes to the login service's
	// path goes to the application.
	asSent bool

	// metadata are fields of the dynamic metadata.
	metadata []byte
	// counters are the rule's check counters by method (0: none) and reason,
	// made when first needed.
	counters [][numReasons]atomic.Pointer[telemetry.Counter]
	// shadowed are the same for a rule in shadow mode, by reason.
	shadowed [numReasons]atomic.Pointer[telemetry.Counter]
}

// loosens reports whether the rule can let a request pass that presents no
// credential.
func (r *rule) loosens() bool {
	return r.access == AccessAnonymous || r.access == AccessOptional
}

// dependsOnPath reports whether the rule can decide differently about two
// paths that it matches.
func (r *rule) dependsOnPath() bool { return r.when != nil && r.when.path }

// matches reports whether the rule is for a request with this host, path (one
// reading of the target) and method.
func (r *rule) matches(host, path, method []byte, plain bool) bool {
	if !plain && r.loosens() {
		return false
	}
	return (len(r.methods) == 0 || slices.ContainsFunc(r.methods, func(p target.MethodPattern) bool { return p.Match(method) })) &&
		(len(r.hosts) == 0 || slices.ContainsFunc(r.hosts, func(p target.HostPattern) bool { return p.Match(host) })) &&
		(len(r.paths) == 0 || slices.ContainsFunc(r.paths, func(p target.PathPattern) bool { return p.Match(path) }))
}

// covers reports whether r matches every request that q matches.
func (r *rule) covers(q *rule) bool {
	if r.loosens() && !q.loosens() {
		return false // q also sees the targets that are not plain
	}
	return coverAll(r.hosts, q.hosts, target.HostPattern.Covers) &&
		coverAll(r.paths, q.paths, target.PathPattern.Covers) &&
		coverAll(r.methods, q.methods, target.MethodPattern.Covers)
}

// coverAll reports whether every one of narrow is covered by one of wide; an
// empty list matches everything.
func coverAll[P any](wide, narrow []P, covers func(P, P) bool) bool {
	if len(wide) == 0 {
		return true
	}
	return len(narrow) > 0 && !slices.ContainsFunc(narrow, func(n P) bool {
		return !slices.ContainsFunc(wide, func(w P) bool { return covers(w, n) })
	})
}

// A ruleCompiler turns the configured rules into compiled ones and collects
// what is wrong with them.
type ruleCompiler struct {
	// methodNames are those that identities can have, by authenticator and then
	// by session.
	methodNames []string
	// builtin are the rules before all others.
	builtin     []*rule
	expressions *expressionCompiler
	errs        []error
	warnings    []*gateward.ConfigError
}

// newRuleCompiler returns a compiler for rules about identities that these
// authenticators vouch for.
func newRuleCompiler(x *expressionCompiler, authenticators []methods.Authenticator, sessionMethods []string) *ruleCompiler {
	c := &ruleCompiler{expressions: x}
	for _, a := range authenticators {
		c.methodNames = append(c.methodNames, a.Name())
	}
	for _, m := range sessionMethods {
		if !slices.Contains(c.methodNames, m) {
			c.methodNames = append(c.methodNames, m)
		}
	}
	return c
}

func (c *ruleCompiler) fail(key, problem, remedy string) {
	c.errs = append(c.errs, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy})
}

// maxRules bounds the time that finding rules which can never match takes: a
// few seconds.
const maxRules = 20_000

// compile returns the rules in order.
func (c *ruleCompiler) compile(configured []Rule) []*rule {
	if len(configured) > maxRules {
		c.fail("rules", fmt.Sprintf("%d rules are more than %d", len(configured), maxRules), "let patterns and CEL expressions stand for several")
		return nil
	}
	var rules []*rule
	for i := range configured {
		key := fmt.Sprintf("rules[%d]", i)
		r := c.rule(key, &configured[i])
		if r.name == "" {
			c.fail(key+".name", "the rule has no name", "give each rule a name of its own")
		}
		if slices.ContainsFunc(rules, func(earlier *rule) bool { return earlier.name == r.name }) {
			c.fail(key+".name", fmt.Sprintf("another rule is called %q", r.name), "give each rule a name of its own")
		}
		for _, earlier := range rules {
			if !earlier.shadow && earlier.covers(r) {
				c.warnings = append(c.warnings, &gateward.ConfigError{
					Key: key, Warning: true,
					Problem: fmt.Sprintf("rule %q can never match: rule %q before it matches every such request", r.name, earlier.name),
					Remedy:  "move it up, or remove it (a route that names it still uses it)",
				})
				break
			}
		}
		rules = append(rules, r)
	}
	return rules
}

func (c *ruleCompiler) rule(key string, in *Rule) *rule {
	r := c.newRule(in.Name, in.Access)
	r.shadow = in.Shadow
	switch r.access {
	case AccessAnonymous, AccessOptional, AccessAuthenticated, AccessDeny:
	default:
		c.fail(key+".access", fmt.Sprintf("unknown access %q", in.Access), "use anonymous, optional, authenticated or deny")
	}
	switch in.Invalid {
	case "", "refuse":
	case "ignore":
		r.ignoreInvalid = true
	default:
		c.fail(key+".invalid", fmt.Sprintf("unknown value %q", in.Invalid), "use refuse or ignore")
	}
	if in.Invalid != "" && r.access != AccessOptional {
		c.fail(key+".invalid", "only an optional rule can ignore a bad credential", "remove it, or set access: optional")
	}
	if len(in.Credentials) > 0 {
		kinds, err := credential.ParseKinds(in.Credentials)
		if err != nil {
			c.errs = append(c.errs, prefixed(key, err)...)
		}
		r.kinds = kinds
	}
	c.unauthenticated(key+".unauthenticated", r, in.Unauthenticated)
	c.match(key+".match", r, &in.Match)
	c.requirements(key+".require", r, &in.Require)
	return r
}

// newRule returns a rule that matches everything and requires nothing.
func (c *ruleCompiler) newRule(name string, access Access) *rule {
	if access == "" {
		access = AccessAuthenticated
	}
	return &rule{
		name: name, access: access, kinds: credential.All, require: &admit.Requirement{},
		metadata: wire.AppendMetadataString(nil, "rule", printable(name)),
		counters: make([][numReasons]atomic.Pointer[telemetry.Counter], len(c.methodNames)+1),
	}
}

func (c *ruleCompiler) match(key string, r *rule, m *Match) {
	for i, s := range m.Hosts {
		p, err := target.CompileHost(s)
		if err != nil {
			c.errs = append(c.errs, prefixed(fmt.Sprintf("%s.hosts[%d]", key, i), err)...)
			continue
		}
		r.hosts = append(r.hosts, p)
	}
	for i, s := range m.Paths {
		p, err := target.CompilePath(s)
		if err != nil {
			c.errs = append(c.errs, prefixed(fmt.Sprintf("%s.paths[%d]", key, i), err)...)
			continue
		}
		c.warnOfLogin(fmt.Sprintf("%s.paths[%d]", key, i), r, s, p)
		if r.loosens() && !p.MatchesPlain() {
			c.warnings = append(c.warnings, &gateward.ConfigError{
				Key: fmt.Sprintf("%s.paths[%d]", key, i), Warning: true,
				Problem: fmt.Sprintf("path pattern %q can never match: no plain path does, and access %s is for plain paths only", s, r.access),
				Remedy:  "remove it, or set access: authenticated",
			})
		}
		r.paths = append(r.paths, p)
	}
	for i, s := range m.Methods {
		p, err := target.CompileMethod(s)
		if err != nil {
			c.errs = append(c.errs, prefixed(fmt.Sprintf("%s.methods[%d]", key, i), err)...)
			continue
		}
		r.methods = append(r.methods, p)
	}
}

func (c *ruleCompiler) requirements(key string, r *rule, in *Require) {
	if r.access != AccessAuthenticated && !in.empty() {
		c.fail(key, fmt.Sprintf("access %s requires nothing of the caller", r.access), "set access: authenticated, or remove require")
		return
	}
	for i, m := range in.Methods {
		if !slices.Contains(c.methodNames, m) {
			c.warnings = append(c.warnings, &gateward.ConfigError{
				Key: fmt.Sprintf("%s.methods[%d]", key, i), Warning: true, Problem: fmt.Sprintf("method %q is not enabled, so nobody meets this", m),
				Remedy: "enable it below authentication.methods, or name one of: " + strings.Join(c.methodNames, ", "),
			})
		}
	}
	req, err := admit.Compile(admit.Config{
		Methods: in.Methods, Emails: in.Emails, Domains: in.Domains,
		Groups: in.Groups, Organizations: in.Organizations, Teams: in.Teams, Scopes: in.Scopes,
	})
	if err != nil {
		c.errs = append(c.errs, prefixed(key, err)...)
	} else {
		r.require = req
	}
	c.authAge(key+".max_auth_age", r, in.MaxAuthAge)
	if in.When == "" {
		return
	}
	if r.when, err = c.expressions.compile(in.When); err != nil {
		c.fail(key+".when", err.Error(), "the configuration reference lists the variables; the language is CEL (https://cel.dev)")
	}
}

func (r *Require) empty() bool {
	return len(r.Methods)+len(r.Emails)+len(r.Domains)+len(r.Groups)+len(r.Organizations)+len(r.Teams)+len(r.Scopes) == 0 && r.When == "" && r.MaxAuthAge == 0
}

// prefixed puts key before the keys of the configuration errors in err.
func prefixed(key string, err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, prefixed(key, e)...)
		}
		return out
	}
	var ce *gateward.ConfigError
	if !errors.As(err, &ce) {
		return []error{&gateward.ConfigError{Key: key, Problem: err.Error()}}
	}
	moved := *ce
	if moved.Key == "" {
		moved.Key = key
	} else {
		moved.Key = key + "." + moved.Key
	}
	return []error{&moved}
}
