package extauthz

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"github.com/gateward/gateward"
)

// maxExpressionCost bounds the evaluation of one expression, in CEL's units:
// some milliseconds at the very most.
const maxExpressionCost = 100_000

var errNotBool = errors.New("extauthz: expression did not yield a boolean")

// An expression is a compiled CEL expression. Safe for concurrent use.
type expression struct{ program cel.Program }

// An expressionVariable is what an expression can refer to. Each is declared
// by its whole name, so that a misspelt one is found when the configuration is
// read, and is made only when an expression asks for it.
type expressionVariable struct {
	typ  *cel.Type
	read func(*expressionScope) any
}

// An expressionScope is what one evaluation sees; it implements
// [cel.Activation].
type expressionScope struct {
	id   *gateward.Identity
	q    *request
	path []byte
}

func expressionVariables() map[string]expressionVariable {
	strs := cel.ListType(cel.StringType)
	return map[string]expressionVariable{
		"identity.subject":        {cel.StringType, func(s *expressionScope) any { return s.id.Subject }},
		"identity.issuer":         {cel.StringType, func(s *expressionScope) any { return s.id.Issuer }},
		"identity.method":         {cel.StringType, func(s *expressionScope) any { return s.id.Method }},
		"identity.provider":       {cel.StringType, func(s *expressionScope) any { return s.id.Provider }},
		"identity.email":          {cel.StringType, func(s *expressionScope) any { return s.id.Email }},
		"identity.email_verified": {cel.BoolType, func(s *expressionScope) any { return s.id.EmailVerified }},
		"identity.name":           {cel.StringType, func(s *expressionScope) any { return s.id.Name }},
		"identity.groups":         {strs, func(s *expressionScope) any { return s.id.Groups }},
		"identity.scopes":         {strs, func(s *expressionScope) any { return s.id.Scopes }},
		"identity.claims":         {cel.MapType(cel.StringType, cel.DynType), func(s *expressionScope) any { return s.id.Claims }},
		"identity.metadata":       {cel.MapType(cel.StringType, cel.StringType), func(s *expressionScope) any { return s.id.Metadata }},
		"identity.auth_time":      {cel.TimestampType, func(s *expressionScope) any { return s.id.AuthTime }},

		"request.method":    {cel.StringType, func(s *expressionScope) any { return string(s.q.view.Method) }},
		"request.host":      {cel.StringType, func(s *expressionScope) any { return string(s.q.host) }},
		"request.path":      {cel.StringType, func(s *expressionScope) any { return string(s.path) }},
		"request.query":     {cel.MapType(cel.StringType, strs), func(s *expressionScope) any { return s.query() }},
		"request.headers":   {cel.MapType(cel.StringType, cel.StringType), func(s *expressionScope) any { return s.headers() }},
		"request.principal": {cel.StringType, func(s *expressionScope) any { return string(s.q.view.Principal) }},
		"request.time":      {cel.TimestampType, func(s *expressionScope) any { return s.q.now }},
	}
}

// An expressionCompiler compiles expressions.
type expressionCompiler struct{ env *cel.Env }

func newExpressionCompiler() (*expressionCompiler, error) {
	opts := []cel.EnvOption{ext.Strings()}
	for name, v := range expressionVariables() {
		opts = append(opts, cel.Variable(name, v.typ))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("extauthz: prepare expressions: %w", err)
	}
	return &expressionCompiler{env}, nil
}

// compile compiles source, which must yield a boolean.
func (c *expressionCompiler) compile(source string) (*expression, error) {
	ast, issues := c.env.Compile(source)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, fmt.Errorf("does not compile: %s (line %d, column %d of the expression)",
			strings.TrimSpace(first.Message), first.Location.Line(), first.Location.Column()+1)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("yields %s, not bool", ast.OutputType())
	}
	program, err := c.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxExpressionCost))
	if err != nil {
		return nil, fmt.Errorf("does not compile: %w", err)
	}
	return &expression{program}, nil
}

// eval reports whether the expression holds. A missing field, a type that does
// not fit or a cost beyond the limit is an error.
func (x *expression) eval(vars map[string]expressionVariable, scope *expressionScope) (bool, error) {
	out, _, err := x.program.Eval(expressionActivation{vars, scope})
	if err != nil {
		return false, fmt.Errorf("extauthz: evaluate expression: %w", err)
	}
	ok, isBool := out.Value().(bool)
	if !isBool {
		return false, errNotBool
	}
	return ok, nil
}

// An expressionActivation implements [cel.Activation].
type expressionActivation struct {
	vars  map[string]expressionVariable
	scope *expressionScope
}

// ResolveName implements [cel.Activation].
func (a expressionActivation) ResolveName(name string) (any, bool) {
	v, ok := a.vars[name]
	if !ok {
		return nil, false
	}
	return v.read(a.scope), true
}

// Parent implements [cel.Activation].
func (expressionActivation) Parent() cel.Activation { return nil }

// headers are the request headers by lower-case name. Values of one that
// occurs several times are joined with commas, as Envoy joins them.
func (s *expressionScope) headers() map[string]string {
	headers := make(map[string]string, len(s.q.view.Headers))
	for _, h := range s.q.view.Headers {
		name := strings.ToLower(string(h.Name))
		if old, ok := headers[name]; ok {
			headers[name] = old + "," + string(h.Value)
			continue
		}
		headers[name] = string(h.Value)
	}
	return headers
}

// query is the parsed query. One that does not parse as a whole is empty: an
// expression must not see a part that the upstream may read differently.
func (s *expressionScope) query() map[string][]string {
	query, err := url.ParseQuery(string(s.q.target.Query()))
	if err != nil {
		return nil
	}
	return query
}
