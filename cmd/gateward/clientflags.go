package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
)

// group returns the command behind a word that several commands begin with.
func group(all func() []command) func(context.Context, *program, *flags) error {
	return func(ctx context.Context, p *program, f *flags) error {
		word := f.Name()
		if len(f.args) == 0 {
			return usagef("%s: a command is missing; run \"gateward %s -h\"", word, word)
		}
		name, rest := f.args[0], f.args[1:]
		switch name {
		case "-h", "-help", "--help":
			fmt.Fprintf(p.stdout, "gateward %s: %s\n\nUsage: gateward %s %s\n\n", word, f.command.summary, word, f.command.arguments)
			for _, c := range all() {
				fmt.Fprintf(p.stdout, "  %-21s %s\n", c.name, c.summary)
			}
			return flag.ErrHelp
		}
		for _, c := range all() {
			if c.name == word+" "+name {
				return c.run(ctx, p, newFlags(c, p, rest))
			}
		}
		return usagef("%s: unknown command %q; run \"gateward %s -h\"", word, name, word)
	}
}

// parseMixed reads flags and arguments in any order, and returns the arguments.
// What is empty is most likely a variable of the shell that is not set, and
// refused: without it something else would be done than was meant.
func (f *flags) parseMixed() (arguments []string, err error) {
	for rest := f.args; ; {
		switch err := f.Parse(rest); {
		case errors.Is(err, flag.ErrHelp):
			f.help()
			return nil, err
		case err != nil:
			return nil, usagef("%s: %s; run \"gateward %s -h\"", f.Name(), err, f.Name())
		}
		read := len(rest) - f.NArg()
		if f.NArg() == 0 || read > 0 && rest[read-1] == "--" {
			arguments = append(arguments, f.Args()...)
			break
		}
		arguments = append(arguments, f.Arg(0))
		rest = f.Args()[1:]
	}
	for _, a := range arguments {
		if a == "" {
			err = usagef("%s: an argument is empty", f.Name())
		}
	}
	f.Visit(func(g *flag.Flag) {
		if g.Value.String() == "" {
			err = usagef("%s: --%s is empty", f.Name(), g.Name)
		}
	})
	return arguments, err
}

// parseFlags is parseMixed for a command without arguments.
func (f *flags) parseFlags() error {
	arguments, err := f.parseMixed()
	if err == nil && len(arguments) > 0 {
		err = usagef("%s: unexpected argument %q; run \"gateward %s -h\"", f.Name(), arguments[0], f.Name())
	}
	return err
}

// A single is a flag that can be given once: of two values, neither may be
// forgotten silently.
type single struct{ value string }

// String implements [flag.Value].
func (s *single) String() string { return s.value }

// Set implements [flag.Value].
func (s *single) Set(value string) error {
	if s.value != "" {
		return errors.New("there is one already")
	}
	s.value = value
	return nil
}

// single declares a [single].
func (f *flags) single(name, usage string) *single {
	s := &single{}
	f.Var(s, name, usage)
	return s
}

// limit declares --limit.
func (f *flags) limit() *int { return f.Int("limit", 1000, "list `N` at most") }

// checkLimit returns a usage error unless limit can be meant.
func (f *flags) checkLimit(limit int) error {
	if limit < 1 {
		return usagef("%s: --limit is less than 1", f.Name())
	}
	return nil
}

// isID reports whether s can be the id of a session or a user, and so one segment
// of a path.
func isID(s string) bool {
	return s != "" && len(s) <= 64 && s[0] != '-' && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == ""
}
