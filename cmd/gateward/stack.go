package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/config"
	"github.com/gateward/gateward/internal/telemetry"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/clienttoken"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/jwt"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/token"
)

// surroundings is what every stack of a process shares.
type surroundings struct {
	logger       *slog.Logger
	metrics      *telemetry.Metrics
	now          func() time.Time
	random       io.Reader
	dependencies *dependencies
	// backend keeps the sessions of a server; nil where nothing is to be served.
	backend *backend
	// started is when the process was.
	started time.Time
}

func (s *surroundings) engineOptions() extauthz.Options {
	o := extauthz.Options{Logger: s.logger, Metrics: s.metrics, Now: s.now, Random: s.random}
	if s.backend != nil {
		o.Denylist = s.backend.denylist
	}
	return o
}

// A stack is all that one configuration becomes, apart from listeners. A reload
// makes another one.
type stack struct {
	file    *config.File
	engine  *extauthz.Engine
	methods []string
	// logins are the providers that people log in at.
	logins []methods.Login
	// login is the login service; nil without a backend.
	login *loginsvc.Service

	// What the configuration says of people; nil where it says nothing.
	admins    *admit.People
	grants    *admit.Grants
	admission *admit.Admission

	// Methods with something in the background; nil if they are off.
	jwt      *jwt.Method
	oidc     *oidc.Method
	github   *github.Method
	sessions *clienttoken.Method
	// origin identifies everything that jwt was made of, files included.
	origin [sha256.Size]byte
}

// load reads the configuration and builds its stack; see assemble for previous.
// more, unless nil, looks for further mistakes. The error is of type
// [config.Problems] and names all of them.
func load(ctx context.Context, o config.Options, s *surroundings, previous *stack, more func(*config.File) []config.Problem) (*stack, error) {
	var built *stack
	var found config.Problems
	o.Also = func(f *config.File) []config.Problem {
		built, found = assemble(ctx, f, s, previous)
		if more != nil {
			found = append(found, more(f)...)
		}
		return found
	}
	_, err := config.Load(o)
	// Whatever was told or left out: a stack with a mistake in it is none.
	if err == nil && slices.ContainsFunc(found, func(p config.Problem) bool { return !p.Warning }) {
		err = found
	}
	if err != nil {
		if built != nil {
			built.retire(previous)
		}
		return nil, err
	}
	return built, nil
}

// assemble builds the stack for f, without touching the network. It takes over
// what has not changed from previous, which may be nil: a fetched key set
// survives a reload that does not concern it. With problems that are no mere
// warnings, the stack is incomplete.
func assemble(ctx context.Context, f *config.File, s *surroundings, previous *stack) (*stack, []config.Problem) {
	b := builder{file: f, surroundings: s, stack: &stack{file: f}}
	b.token()
	b.oidc(ctx, previous)
	b.github(previous)
	b.people()
	b.sessions()
	b.jwt(ctx, previous)
	b.engine()
	b.storage() //nolint:contextcheck // what it makes is closed at once
	b.login()
	return b.stack, b.problems
}

// The blocks whose methods report problems.
const (
	tokenBlock = "authentication.methods.token"
	jwtBlock   = "authentication.methods.jwt"
)

// builder collects what goes wrong on the way to a stack.
type builder struct {
	*surroundings
	file           *config.File
	stack          *stack
	authenticators []methods.Authenticator
	problems       []config.Problem
}

// report gives places to what a package said about its block.
func (b *builder) report(err error, block string) {
	b.problems = append(b.problems, b.file.Place(err, block)...)
}

func (b *builder) warn(warnings []*gateward.ConfigError, block string) {
	for _, w := range warnings {
		b.report(w, block)
	}
}

func (b *builder) add(a methods.Authenticator) {
	b.authenticators = append(b.authenticators, a)
	b.stack.methods = append(b.stack.methods, a.Name())
}

func (b *builder) token() {
	c := &b.file.Config.Authentication.Methods.Token
	if !c.Enabled {
		return
	}
	m, err := token.New(tokenConfig(c), token.Options{Random: b.random})
	b.report(err, tokenBlock)
	if m != nil {
		b.warn(m.Warnings(), tokenBlock)
		b.add(m)
	}
}

func (b *builder) jwt(ctx context.Context, previous *stack) {
	c := &b.file.Config.Authentication.Methods.JWT
	if !c.Enabled {
		return
	}
	b.stack.origin = origin(c)
	if previous != nil && previous.jwt != nil && previous.origin == b.stack.origin {
		b.stack.jwt = previous.jwt
		b.warn(previous.jwt.Warnings(), jwtBlock)
		b.add(previous.jwt)
		return
	}
	o := jwt.Options{Logger: b.logger, Now: b.now, OnRefresh: b.refreshed}
	if previous != nil {
		o.Previous = previous.jwt
	}
	m, err := jwt.New(ctx, jwtConfig(c), o)
	b.report(err, jwtBlock)
	if m != nil {
		b.stack.jwt = m
		b.warn(m.Warnings(), jwtBlock)
		b.add(m)
	}
}

// refreshed hears how every fetch of a key set ended.
func (s *surroundings) refreshed(issuer string, ok bool, at time.Time) {
	s.metrics.JWKSRefresh(cmp.Or(issuer, "default"), ok, at)
	s.dependencies.set(keySetName(issuer), ok)
}

func (b *builder) engine() {
	cfg := engineConfig(&b.file.Config, b.cookies())
	cfg.UserIssuers = b.userIssuers()
	e, err := extauthz.New(cfg, b.authenticators, b.engineOptions())
	b.report(err, "")
	if e == nil {
		return
	}
	b.stack.engine = e
	b.warn(e.Warnings(), "")
}

// retire ends what s does in the background, unless keeper goes on with it.
func (s *stack) retire(keeper *stack) {
	if s.jwt != nil && (keeper == nil || keeper.jwt != s.jwt) {
		s.jwt.Close()
	}
	if s.sessions != nil {
		s.sessions.Close()
	}
	if s.oidc != nil {
		s.oidc.Close()
	}
	if s.github != nil {
		s.github.Close()
	}
}

// watched are the files that the stack was made from.
func (s *stack) watched() []string {
	m := &s.file.Config.Authentication.Methods
	return slices.Concat(s.file.Read, jwtFiles(&m.JWT), oidcFiles(&m.OIDC), githubFiles(&m.GitHub))
}

// origin digests the jwt block and the files that it names.
func origin(c *config.JWTMethod) [sha256.Size]byte {
	d := contents(jwtFiles(c))
	return sha256.Sum256(fmt.Appendf(d[:], "%#v", jwtConfig(c)))
}

// contents digests files, or the reasons why they cannot be read.
func contents(files []string) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range files {
		b, err := readFile(name)
		if err != nil {
			b = []byte(err.Error())
		}
		fmt.Fprintf(h, "%q %d\n", name, len(b))
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
