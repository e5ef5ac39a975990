// The demo runs Gateward behind a real Envoy on this machine, with an
// application and a token issuer of its own, and prints requests to try. With
// --check it sends them itself and compares the answers. scripts/demo builds
// what it needs and starts it; it is a module of its own so that nothing of it
// reaches Gateward's dependencies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	// Children die with the thread that started them (see processAttributes): the
	// main thread lives as long as the demo does.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the demo at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Getenv("ENVOY"), os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	gateward, envoy, directory string
	port                       int
	check                      bool
}

func run(ctx context.Context, args []string, envoy string, out io.Writer) error {
	o := options{envoy: envoy}
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.StringVar(&o.gateward, "gateward", "bin/gateward", "the gateward `binary`")
	f.StringVar(&o.directory, "directory", ".tmp/demo", "`directory` for configuration and logs")
	f.IntVar(&o.port, "port", 0, "`port` on 127.0.0.1 where Envoy listens (default 10000; with --check, a free one)")
	f.BoolVar(&o.check, "check", false, "send every example, compare the answers and end")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.envoy == "" {
		return errors.New("no Envoy: start the demo by scripts/demo, or set ENVOY to a binary")
	}
	address, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	return serve(ctx, o, address, out)
}

// prepare makes the directory and returns the address for Envoy. A check has
// its own of both: it can run beside a demo.
func (o *options) prepare(ctx context.Context) (string, error) {
	if o.check {
		o.directory = filepath.Join(o.directory, "check")
	}
	var err error
	if o.directory, err = filepath.Abs(o.directory); err != nil {
		return "", err
	}
	if err := os.MkdirAll(o.directory, 0o750); err != nil {
		return "", err
	}
	switch {
	case o.port == 0 && o.check:
		return freeAddress(ctx)
	case o.port == 0:
		o.port = 10000
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port))
	return address, portIsFree(ctx, address)
}

// serve starts everything, prints or checks the examples, and ends everything.
func serve(ctx context.Context, o options, address string, out io.Writer) (err error) {
	s := &stack{directory: o.directory, out: out}
	defer func() { err = errors.Join(err, s.stop()) }()
	tokens, err := s.start(ctx, o, address)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting
		}
		return err
	}
	all := examples(tokens)
	if o.check {
		return check(ctx, out, address, places{s.origin, s.provider.Issuer, s.hub.URL}, all)
	}
	printExamples(out, address, s.origin, o.directory, all)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nending")
		return nil
	case p := <-s.ended:
		return fmt.Errorf("%s has ended: %w; see %s", p.name, p.err, p.logFile)
	}
}

func portIsFree(ctx context.Context, address string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%s is taken; end what listens there, or choose another with --port", address)
	}
	return l.Close()
}

// freeAddress returns an address on this machine that nothing listens on.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// poll calls cond until it returns nil, and returns its last error after
// timeout.
func poll(ctx context.Context, timeout time.Duration, cond func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := cond(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		var over endedError
		if errors.As(err, &over) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}
