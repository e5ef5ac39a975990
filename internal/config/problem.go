package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Position is where a value was set: in a file, at a line and a column that
// both count from 1 (the column in characters), or by an environment variable.
// The zero Position is a configuration without a file.
type Position struct {
	File         string
	Line, Column int
	// Env is the name of the environment variable, or "".
	Env string
}

// String returns "file:line:column", "env NAME" or, for the zero Position,
// "environment".
func (p Position) String() string {
	switch {
	case p.Env != "":
		return "env " + p.Env
	case p.File != "":
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	return "environment"
}

// A Problem is one mistake, or one warning, with its place. None of its texts
// contains a secret.
type Problem struct {
	Position
	// Key is the path of the key, such as rules[2].match.paths[0], or "".
	Key string
	// Problem says what is wrong, Remedy what to do.
	Problem, Remedy string
	// Warning: the configuration is used all the same.
	Warning bool
}

// String returns "position: key: problem; remedy", with "warning: " behind the
// position of a warning.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Position.String() + ": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Problem)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Problems is the error of a configuration that cannot be used: everything
// that is wrong with it, warnings included, in the order of the file and then
// of the environment.
type Problems []Problem //nolint:errname // the list is what commands print; that it is an error is its second use

// Error returns one problem a line, without a newline at the end.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// fatal reports whether any of the problems is more than a warning.
func (ps Problems) fatal() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// maxProblems is how many problems are told: who has more is helped by the
// first of them.
const maxProblems = 200

// repeats reports whether p says no more than known does: known is a mistake in
// what p is about, around it or in it; or both are warnings about that, at the
// same place. A warning never stands for a mistake.
func (p Problem) repeats(known Problem) bool {
	if !within(p.Key, known.Key) && !within(known.Key, p.Key) {
		return false
	}
	return !known.Warning || p.Warning && p.Position == known.Position
}

// within reports whether inner is the key outer or a part of it.
func within(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && outer != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// told returns what Load tells: the problems in their order, and how many are
// left out. When there are too many, errors go before warnings.
func (ps Problems) told() Problems {
	ps.sort()
	if len(ps) > maxProblems && ps.fatal() {
		ps = slices.DeleteFunc(ps, func(p Problem) bool { return p.Warning })
	}
	if len(ps) <= maxProblems {
		return ps
	}
	left := fmt.Sprintf("%d more problems follow", len(ps)-maxProblems)
	last := Problem{Position: ps[maxProblems].Position, Problem: left, Remedy: "correct the ones above first"}
	last.Warning = !ps.fatal()
	return append(ps[:maxProblems:maxProblems], last)
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Env, b.Env),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Problem, b.Problem),
		)
	})
}
