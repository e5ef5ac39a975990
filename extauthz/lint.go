package extauthz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/target"
)

// openSlashes warns of paths that a rule protects without their trailing
// slash while another rule, or the default, opens them with it: most services
// answer both alike.
func (c *ruleCompiler) openSlashes(rules []*rule, required bool) {
	for i, r := range rules {
		if r.loosens() || r.shadow {
			continue
		}
		for j, p := range r.paths {
			path := p.String()
			if strings.HasSuffix(path, "/") || strings.HasSuffix(path, "*") {
				continue
			}
			slash, err := target.CompilePath(path + "/")
			if err != nil {
				continue // a pattern that only the literal reading of a target matches
			}
			opener := opens(rules, r, slash)
			if opener == nil && required || opener != nil && !opener.loosens() {
				continue
			}
			by := "authentication.required: false"
			if opener != nil {
				by = fmt.Sprintf("rule %q", opener.name)
			}
			c.warnings = append(c.warnings, &gateward.ConfigError{
				Key: fmt.Sprintf("rules[%d].match.paths[%d]", i, j), Warning: true,
				Problem: fmt.Sprintf("%s does not cover %s/, which %s opens", path, path, by),
				Remedy:  fmt.Sprintf("add %s/**", path),
			})
		}
	}
}

// opens returns the first rule that matches p wherever r matches, or nil.
func opens(rules []*rule, r *rule, p target.PathPattern) *rule {
	i := slices.IndexFunc(rules, func(q *rule) bool {
		return !q.shadow &&
			coverAll(q.hosts, r.hosts, target.HostPattern.Covers) &&
			coverAll(q.methods, r.methods, target.MethodPattern.Covers) &&
			coverAll(q.paths, []target.PathPattern{p}, target.PathPattern.Covers)
	})
	if i < 0 {
		return nil
	}
	return rules[i]
}
