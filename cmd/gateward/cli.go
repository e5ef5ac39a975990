package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// A program is one invocation: everything it may know and touch of the outside.
type program struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	// signals and poll, when set, stand in for the signals of the process and
	// for the ticks at which files are looked at.
	signals <-chan os.Signal
	poll    <-chan time.Time
	// after is time.After.
	after func(time.Duration) <-chan time.Time
}

// A command is one word of the command line.
type command struct {
	name, arguments, summary string
	run                      func(ctx context.Context, p *program, f *flags) error
}

// commands lists what gateward can do, in the order of its help.
func commands() []command {
	return []command{
		{"serve", "[--config FILE] [--listen NAMES]", "answer checks until told to stop", serveCommand},
		{"validate", "[--config FILE]", "check a configuration offline and list every problem", validateCommand},
		{"envoy", "[--config FILE] --upstream HOST:PORT", "print a hardened Envoy configuration that asks this server", envoyCommand},
		{"schema", "", "print the JSON Schema of the configuration", schemaCommand},
		{"healthcheck", "[--config FILE | --address ADDRESS]", "ask a running server whether it serves", healthcheckCommand},
		{"session", "list|revoke [flags]", "list and end the sessions of a running server", group(sessionCommands)},
		{"user", "list|disable|enable [flags]", "list people who have logged in, keep them out or let them in", group(userCommands)},
		{"version", "", "print the version", versionCommand},
	}
}

// errSilent ends a command with exitError after it has said why.
var errSilent = errors.New("already reported")

// A usageError is a command line that makes no sense.
type usageError struct{ text string }

// Error implements error.
func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// run executes one command line and returns its exit code.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, after: time.After}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errSilent):
		return exitError
	case errors.As(err, &usage):
		p.complain(err)
		return exitUsage
	}
	p.complain(err)
	return exitError
}

// complain prints err to standard error, with the program's name on every line.
func (p *program) complain(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(p.stderr, "gateward: %s\n", line)
	}
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		_, _ = p.stderr.Write(overview())
		return usagef("a command is missing")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			_, err := p.stdout.Write(overview())
			return err
		}
		name, rest = rest[0], append(slices.Clone(rest[1:]), "-h")
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, p, newFlags(c, p, rest))
		}
	}
	return usagef("unknown command %q; run \"gateward help\" for the list", name)
}

// overview is the answer to "gateward help".
func overview() []byte {
	var b bytes.Buffer
	b.WriteString("Gateward answers Envoy's external authorization checks.\n\nUsage: gateward COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-12s %s\n", c.name, c.summary)
	}
	b.WriteString(`
Without --config, commands read gateward.yaml in the working directory, then in
/etc/gateward; GATEWARD_... environment variables set any key, and suffice alone.
"gateward COMMAND -h" explains one command.
`)
	return b.Bytes()
}

// flags are the flags of one command and the arguments to parse them from.
type flags struct {
	*flag.FlagSet
	command command
	args    []string
	stdout  io.Writer
}

func newFlags(c command, p *program, args []string) *flags {
	f := &flags{flag.NewFlagSet(c.name, flag.ContinueOnError), c, args, p.stdout}
	f.SetOutput(io.Discard) // errors are printed once, by run
	f.Usage = func() {}
	return f
}

// parse reads the arguments, which may hold flags only.
func (f *flags) parse() error {
	err := f.Parse(f.args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.help()
		return err
	case err != nil:
		return usagef("%s: %s; run \"gateward %s -h\"", f.Name(), err, f.Name())
	case f.NArg() > 0:
		return usagef("%s: unexpected argument %q; run \"gateward %s -h\"", f.Name(), f.Arg(0), f.Name())
	}
	f.Visit(func(g *flag.Flag) {
		if g.Name == "config" && g.Value.String() == "" {
			// Most likely a variable of the shell that is not set; what would
			// be found instead is not what was meant.
			err = usagef("%s: --config is empty", f.Name())
		}
	})
	return err
}

func (f *flags) help() {
	fmt.Fprintf(f.stdout, "gateward %s: %s\n\nUsage: %s\n", f.Name(), f.command.summary,
		strings.TrimSpace("gateward "+f.Name()+" "+f.command.arguments))
	f.VisitAll(func(g *flag.Flag) {
		value, usage := flag.UnquoteUsage(g)
		fmt.Fprintf(f.stdout, "  %-21s %s\n", strings.TrimSpace("--"+g.Name+" "+value), usage)
	})
}

// config declares --config.
func (f *flags) config() *string {
	return f.String("config", "", "configuration `FILE` (.yaml, .json or .toml)")
}
