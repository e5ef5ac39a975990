package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	envPrefix   = "GATEWARD_"
	envCLI      = "GATEWARD_CLI_"
	fliptPrefix = "FLIPT_"
	fliptBlock  = "FLIPT_AUTHENTICATION_"
)

// environment is the process environment, by name and in a fixed order.
type environment struct {
	vars  map[string]string
	names []string
}

// newEnvironment reads NAME=value pairs. Of a name that occurs twice the first
// counts, as it does for the process itself.
func newEnvironment(pairs []string) environment {
	env := environment{vars: make(map[string]string, len(pairs))}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if _, seen := env.vars[name]; ok && !seen {
			env.vars[name] = value
		}
	}
	env.names = sortedKeys(env.vars)
	return env
}

// A setting is a key that the environment sets.
type setting struct {
	name  string
	steps []step
}

// overlay sets in the tree what the environment sets. All names are resolved
// against the file alone, so that their order does not matter.
func (d *decoder) overlay(root *node) {
	var settings []setting
	for _, name := range d.env.names {
		if d.env.vars[name] == "" { // as in Flipt: empty is unset
			continue
		}
		flipt := strings.HasPrefix(name, fliptBlock)
		if !flipt && (!strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, envCLI)) {
			continue
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(name, fliptPrefix), envPrefix)
		if flipt && d.env.vars[envPrefix+rest] != "" {
			continue
		}
		steps, fit := resolveName(reflect.TypeFor[Config](), root, rest)
		switch {
		case fit.problem != "":
			d.bad(Position{Env: name}, "", fit.problem, fit.remedy)
		case !fit.ok:
			d.unfit(name, rest)
		default:
			settings = append(settings, setting{name, steps})
			if flipt {
				d.warn(Position{Env: name}, "", "is read in place of "+envPrefix+rest, "rename it")
			}
		}
	}
	for _, s := range settings {
		pos := Position{Env: s.name}
		root.set(s.steps, &node{kind: kindString, pos: pos, text: d.env.vars[s.name]})
	}
}

func (d *decoder) warn(pos Position, key, problem, remedy string) {
	d.problems = append(d.problems, Problem{Position: pos, Key: key, Problem: problem, Remedy: remedy, Warning: true})
}

// fitsNoKey is what is said of a variable that looks like ours and is none.
const fitsNoKey = "fits no key and is ignored"

// unfit warns about a name that fits no key, unless Kubernetes made it.
func (d *decoder) unfit(name, rest string) {
	if serviceLink(rest, d.env.vars[name]) {
		return
	}
	var names []string
	walk("", reflect.ValueOf(Default()), func(k documentedKey) {
		if k.shape().leaf() {
			names = append(names, strings.TrimPrefix(envName(k.path), envPrefix))
		}
	})
	remedy := "remove it, or correct the name"
	if near := nearest(rest, names); near != "" {
		remedy = "did you mean " + envPrefix + near + "?"
	}
	d.warn(Position{Env: name}, "", fitsNoKey, remedy)
}

// serviceLink reports whether a variable is one that Kubernetes puts into every
// pod for a service called gateward, or gateward-something.
func serviceLink(rest, value string) bool {
	if regexp.MustCompile(`^(.+_)?PORT(_[0-9]+_(TCP|UDP|SCTP))?$`).MatchString(rest) {
		return regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString(value)
	}
	return regexp.MustCompile(
		`^(.+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))$`,
	).MatchString(rest)
}

// A fit is how well a name fits the schema. A problem is a name that fits and
// still cannot be used.
type fit struct {
	ok              bool
	problem, remedy string
}

// resolveName finds the key below a block of type t that a name, without its
// prefix, stands for. Underscores separate keys and occur in them, so every
// split that the schema admits is tried, longer keys first. n is the block as
// it is in the file, or nil.
func resolveName(t reflect.Type, n *node, rest string) ([]step, fit) {
	fields := fieldsOf(t)
	slices.SortStableFunc(fields, func(a, b field) int { return len(b.key) - len(a.key) })
	for _, f := range fields {
		below, ok := strings.CutPrefix(rest, strings.ToUpper(f.key))
		if !ok {
			continue
		}
		s := step{key: f.key, index: -1}
		if below == "" && f.shape().leaf() {
			return []step{s}, fit{ok: true}
		}
		below, ok = strings.CutPrefix(below, "_")
		if !ok || below == "" {
			continue
		}
		var steps []step
		var got fit
		switch child := n.child(f.key); f.shape() { //nolint:exhaustive // nothing is below the others
		case shapeBlock:
			steps, got = resolveName(f.typ, child, below)
		case shapeBlocks:
			steps, got = resolveItem(f, child, below)
		case shapeNamed:
			steps, got = resolveNamed(f, child, below)
		case shapeTexts, shapeLists:
			steps, got = resolveText(f, child, below)
		}
		if got.ok || got.problem != "" {
			return append([]step{s}, steps...), got
		}
	}
	return nil, fit{}
}

func (n *node) child(key string) *node {
	if n == nil || n.get(key) == nil {
		return nil
	}
	return n.get(key).value
}

// resolveItem resolves the index of a list item. The environment changes items
// of the file's list, and never adds any: their order decides too much.
func resolveItem(f field, n *node, rest string) ([]step, fit) {
	digits, below, _ := strings.Cut(rest, "_")
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || digits != strconv.Itoa(i) {
		return nil, fit{}
	}
	var item *node
	count := 0
	if n != nil {
		count = len(n.items)
	}
	if i < count {
		item = n.items[i]
	}
	steps, got := resolveName(f.typ.Elem(), item, below)
	if got.ok && item == nil {
		got = fit{
			problem: fmt.Sprintf("sets %s, but the file has %d entries in %s", itemKey(f.key, i), count, f.key),
			remedy:  "add the entry to the file; the environment only changes entries that are there",
		}
	}
	return append([]step{{index: i}}, steps...), got
}

// resolveNamed cuts a name into a map key and a path below it. A key of the
// file that reads the same is taken; without one, the shortest key that leaves
// a path of the schema, in lower case.
func resolveNamed(f field, n *node, rest string) ([]step, fit) {
	var fresh, known [][]step
	for i := range len(rest) {
		if i == 0 || rest[i] != '_' {
			continue
		}
		for _, id := range matchingKeys(n, rest[:i]) {
			if steps, got := resolveName(f.typ.Elem(), n.child(id), rest[i+1:]); got.ok {
				known = append(known, append([]step{{key: id, index: -1}}, steps...))
			}
		}
		if steps, got := resolveName(f.typ.Elem(), nil, rest[i+1:]); got.ok {
			fresh = append(fresh, append([]step{{key: strings.ToLower(rest[:i]), index: -1}}, steps...))
		}
	}
	return pick(f, known, fresh)
}

// resolveText resolves the key of a map of strings or lists: all that is left.
func resolveText(f field, n *node, rest string) ([]step, fit) {
	var known [][]step
	for _, id := range matchingKeys(n, rest) {
		known = append(known, []step{{key: id, index: -1}})
	}
	return pick(f, known, [][]step{{{key: strings.ToLower(rest), index: -1}}})
}

func pick(f field, known, fresh [][]step) ([]step, fit) {
	switch {
	case len(known) > 1:
		return nil, fit{
			problem: fmt.Sprintf("could mean %s as well as %s in %s", quote(known[0][0].key), quote(known[1][0].key), f.key),
			remedy:  "set the value in the file, for instance as ${env:NAME} with another name",
		}
	case len(known) == 1:
		return known[0], fit{ok: true}
	case len(fresh) > 0:
		return fresh[0], fit{ok: true}
	}
	return nil, fit{}
}

// matchingKeys returns the keys of n that read as name in the environment:
// upper case, and an underscore for every other character.
func matchingKeys(n *node, name string) []string {
	if n == nil {
		return nil
	}
	var keys []string
	for _, e := range n.entries {
		if envWord(e.key) == name {
			keys = append(keys, e.key)
		}
	}
	return keys
}

// envWord returns what a map key is in the name of a variable.
func envWord(key string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '_'
	}, key))
}

// set puts a value at the end of a path, and makes the blocks on the way. What
// is not a block or list where one is needed stays, for the decoder to refuse.
func (n *node) set(steps []step, value *node) {
	for i, s := range steps {
		if s.index >= 0 {
			if s.index >= len(n.items) {
				return
			}
			n = n.items[s.index]
			continue
		}
		if n.kind == kindNull {
			n.kind = kindMapping
		}
		if n.kind != kindMapping {
			return
		}
		e := n.get(s.key)
		if i == len(steps)-1 {
			if e == nil {
				e = &entry{key: s.key, pos: value.pos}
			}
			n.put(&entry{key: s.key, pos: e.pos, value: value})
			return
		}
		if e == nil {
			e = &entry{key: s.key, pos: value.pos, value: &node{kind: kindMapping, pos: value.pos}}
			n.put(e)
		}
		n = e.value
	}
}
