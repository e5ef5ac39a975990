package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/internal/telemetry"
)

func serveCommand(ctx context.Context, p *program, f *flags) error {
	path := f.config()
	listen := f.String("listen", strings.Join(listenerNames(), ","), "`NAMES` of the listeners to open, separated by commas")
	if err := f.parse(); err != nil {
		return err
	}
	names := strings.Split(*listen, ",")
	for _, n := range names {
		if !slices.Contains(listenerNames(), n) {
			return usagef("serve: --listen: unknown listener %q; use %s", n, strings.Join(listenerNames(), ", "))
		}
	}
	// Before anything else: a signal during the start must not kill half of it.
	signals := p.signals
	if signals == nil {
		c := make(chan os.Signal, 4)
		signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		defer signal.Stop(c)
		signals = c
	}
	poll := p.poll
	if poll == nil {
		t := time.NewTicker(pollInterval)
		defer t.Stop()
		poll = t.C
	}
	s, err := p.newServer(ctx, *path)
	if err != nil {
		return err
	}
	defer s.logs.close()
	defer s.close()
	if err := s.open(ctx, names); err != nil {
		return err
	}
	s.announce(ctx)
	return s.run(ctx, signals, poll)
}

// newServer reads the configuration and builds everything that it describes, up
// to the listeners.
func (p *program) newServer(ctx context.Context, path string) (*server, error) {
	options := p.configOptions(path)
	// Once for the log, which everything else is built with. Mistakes are told
	// below, together with those that building finds.
	logs := config.Default().Log
	file, err := config.Load(options)
	if err == nil {
		logs = file.Config.Log
	}
	level := new(slog.LevelVar)
	level.Set(logLevel(logs.Level))
	queue := newLineQueue(p.stderr, droppedLine(logs.Format))
	s := &server{
		logs:         queue,
		surroundings: p.surroundings(newLogger(queue, level, logs.Format)),
		options:      options,
		level:        level,
		after:        p.after,
	}
	s.lifetime, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if err == nil {
		s.backend, err = s.openBackend(ctx, file)
	}
	if err == nil || file == nil {
		s.stack, err = load(s.lifetime, options, s.surroundings, nil, nil) //nolint:contextcheck // what is built outlives the signal that ends ctx
	}
	if err != nil {
		s.close()
		s.logs.close()
		return nil, err
	}
	s.seen = contents(s.stack.watched())
	s.dependencies.expect(&s.stack.file.Config)
	s.service = extauthz.NewService(s.stack.engine, s.engineOptions())
	s.unsubscribe = s.backend.Subscribe(s.service)
	s.metrics.ConfigReload(true, s.now())
	return s, nil
}

func (p *program) surroundings(logger *slog.Logger) *surroundings {
	return &surroundings{
		logger: logger, metrics: telemetry.New(buildInfo()), now: p.now,
		random: rand.Reader, dependencies: &dependencies{}, started: p.now(),
	}
}

// configOptions says where a command's configuration comes from.
func (p *program) configOptions(path string) config.Options {
	return config.Options{Path: path, Dirs: config.SearchDirs(), Env: p.environ}
}
