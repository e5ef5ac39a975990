package extauthz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/gateward/gateward"
)

// maxExpressionCost bounds the evaluation of one expression, in CEL's units. A
// look at each of a thousand groups takes some five thousand. Counting itself
// takes time in the square of it, which at this size are a few milliseconds.
const maxExpressionCost = 20_000

// interruptFrequency is after how many steps of a loop the deadline is looked
// at.
const interruptFrequency = 100

var errNotBool = errors.New("extauthz: expression did not yield a boolean")

// An expression is a compiled CEL expression. Safe for concurrent use.
type expression struct {
	program cel.Program
	// path: the result depends on request.path.
	path bool
}

// An expressionVariable is what an expression can refer to. Each is declared
// by its whole name, so that a misspelt one is found when the configuration is
// read, and is made only when an expression asks for it.
type expressionVariable struct {
	typ  *cel.Type
	read func(*expressionScope) any
}

// An expressionScope is what one evaluation sees.
type expressionScope struct {
	id     *gateward.Identity
	q      *request
	path   []byte
	hidden *headerSet
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
		"identity.organizations":  {strs, func(s *expressionScope) any { return s.id.Organizations }},
		"identity.teams":          {strs, func(s *expressionScope) any { return s.id.Teams }},
		"identity.user_id":        {cel.StringType, func(s *expressionScope) any { return s.id.UserID }},
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
	// Only the standard library: the string extensions can make long lists and
	// strings out of short ones, at no cost that is counted.
	var opts []cel.EnvOption
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
	program, err := c.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxExpressionCost),
		cel.InterruptCheckFrequency(interruptFrequency))
	if err != nil {
		return nil, fmt.Errorf("does not compile: %w", err)
	}
	x := &expression{program: program}
	for _, r := range ast.NativeRep().ReferenceMap() {
		x.path = x.path || r.Name == "request.path"
	}
	return x, nil
}

// evaluate reports whether an expression holds. A missing field, a type that
// does not fit, a cost beyond the limit and a deadline that is over are errors.
// Their text never holds a value of the request.
func (e *Engine) evaluate(ctx context.Context, q *request, x *expression, id *gateward.Identity, path []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience(q))
	defer cancel()
	out, _, err := x.program.ContextEval(ctx, expressionActivation{e.variables, &expressionScope{id, q, path, e.headers}})
	switch {
	case err != nil && ctx.Err() != nil:
		return false, errDeadline
	case err != nil:
		return false, fmt.Errorf("extauthz: evaluate expression: %s", evaluationProblem(err))
	}
	ok, isBool := out.Value().(bool)
	if !isBool {
		return false, errNotBool
	}
	return ok, nil
}

// evaluationProblem says what kind of error CEL has reported. CEL's own texts
// quote keys and values, which may be the request's.
func evaluationProblem(err error) string {
	for _, known := range []string{"no such key", "no such attribute", "no such overload", "index out of bounds", "actual cost limit exceeded", errQuery.Error()} {
		if strings.HasPrefix(err.Error(), known) {
			return known
		}
	}
	return "a value that does not fit"
}

// conditionReason tells an expression that cannot be evaluated from one that
// ran out of time.
func conditionReason(err error) Reason {
	if errors.Is(err, errDeadline) {
		return ReasonDeadline
	}
	return ReasonConditionError
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

// headers are the request headers by lower-case name, without those that are
// not the client's to send. Values of one that occurs several times are joined
// with commas, and bytes that are not UTF-8 are replaced, as Envoy does both.
func (s *expressionScope) headers() ref.Val {
	if s.q.headers == nil {
		values := make(map[string][]string, len(s.q.view.Headers))
		for _, h := range s.q.view.Headers {
			if s.hidden.spoofs(h.Name) {
				continue
			}
			name := lowerASCII(h.Name)
			values[name] = append(values[name], string(lossy(bytes.Clone(h.Value))))
		}
		joined := make(map[string]string, len(values))
		for name, v := range values {
			joined[name] = strings.Join(v, ",")
		}
		s.q.headers = types.NewStringStringMap(types.DefaultTypeAdapter, joined)
	}
	return s.q.headers
}

var errQuery = errors.New("query does not parse")

// lowerASCII is a header name in lower case; other letters stay as they are.
func lowerASCII(name []byte) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, string(name))
}

// query is the parsed query, or an error if it does not parse as a whole: an
// expression must not see a part that the upstream may read differently.
func (s *expressionScope) query() ref.Val {
	if s.q.query == nil {
		query, err := url.ParseQuery(string(s.q.rawQuery))
		if err != nil {
			s.q.query = types.WrapErr(errQuery)
		} else {
			s.q.query = types.DefaultTypeAdapter.NativeToValue(map[string][]string(query))
		}
	}
	return s.q.query
}
