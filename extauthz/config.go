package extauthz

import (
	"io"
	"log/slog"
	"time"

	"github.com/gateward/gateward/internal/telemetry"
)

// Access is what a rule asks of a request.
type Access string

// The kinds of access. AccessAnonymous and AccessOptional loosen: they match
// plain targets only (see package target).
const (
	AccessAnonymous     Access = "anonymous"
	AccessOptional      Access = "optional"
	AccessAuthenticated Access = "authenticated"
	AccessDeny          Access = "deny"
)

// Config is what the check path is built from. Field names follow the
// configuration file, and so do the keys of the [gateward.ConfigError]s that
// [New] returns: "rules[0].match.paths[1]".
type Config struct {
	// Required decides about requests that no rule matches:
	// authentication.required.
	Required bool
	Exclude  Exclude
	Rules    []Rule
	Upstream Upstream
	// CookieNames are the names under which a client-token cookie is read; the
	// first one is ours to set and to clear.
	CookieNames []string
	// Login is where people log in, nil if nobody can.
	Login *Login
	// SessionMethods are the methods of identities that sessions may have:
	// "oidc". Rules may require them, and metrics name them.
	SessionMethods []string
	// UserIssuers are the issuers whose people log in here. While it is not known
	// who is disabled, nobody of theirs is let in, by whatever credential.
	UserIssuers []string
	Cache       Cache
	// RefuseAmbiguous answers 400 to ambiguous targets: paths.ambiguous: refuse.
	RefuseAmbiguous bool
	// FaultsAsErrors answers our own faults with an error response, which
	// Envoy's failure_mode_allow lets pass: server.grpc.faults: error.
	FaultsAsErrors bool
}

// Exclude turns on ready-made anonymous rules for Flipt's API sections, behind
// Rules. Hosts restricts them; empty means every host.
type Exclude struct {
	Evaluation, OFREP bool
	Hosts             []string
}

// A Rule says who may pass for the requests that it matches.
type Rule struct {
	Name  string
	Match Match
	// Access is AccessAuthenticated when empty.
	Access Access
	// Credentials are the admitted kinds of credential: cookie, bearer, basic;
	// all of them when empty.
	Credentials []string
	Require     Require
	// Invalid says what becomes of a bad credential on an optional rule:
	// refuse (the default) or ignore.
	Invalid string
	// Unauthenticated says who is sent to the login instead of being answered
	// 401: auto (the default), which is a browser that opens a page; redirect,
	// which is every GET and HEAD but those of gRPC and upgrades; or status,
	// which is nobody.
	Unauthenticated string
	// Shadow evaluates and counts the rule, and then skips it.
	Shadow bool
}

// Match selects requests. An empty list matches everything; within a list any
// entry suffices, and all three lists must match.
type Match struct {
	Hosts, Paths, Methods []string
}

// Require is what an identity must have. An empty list requires nothing; all
// that are not empty must be met: any of Methods, Emails, Domains, Groups,
// Organizations and Teams, each of Scopes, and When, a CEL expression, must be true.
type Require struct {
	Methods, Emails, Domains, Groups, Organizations, Teams, Scopes []string
	When                                                           string
	// MaxAuthAge is how long ago the person may have authenticated at most; zero
	// does not matter. Whoever did so at an unknown time did so too long ago.
	MaxAuthAge time.Duration
}

// Login is the login service as far as the check path has to know it.
type Login struct {
	// URL is the address of the login page, absolute and without a query:
	// https://app.example.com/auth/login. The login service is at its host, which
	// is the one where the paths below /auth are left to it.
	URL string
	// Covers reports whether a browser sends the session cookie to a host (lower
	// case, without a port). People who ask elsewhere are not sent to the login,
	// from which they would come back as they went. Nil is the host of URL alone.
	Covers func(host string) bool
}

// Upstream is what the service behind Envoy gets to see.
type Upstream struct {
	IdentityHeaders IdentityHeaders
	// RemoveHeaders are further request headers that no client may send.
	RemoveHeaders []string
	// ForwardCredentials leaves the client-token cookie and the credential
	// that was judged in the request.
	ForwardCredentials bool
}

// IdentityHeaders names the header for each attribute; "" is not sent.
type IdentityHeaders struct {
	Subject, Email, Name, Groups, Method, Scopes, Issuer, UserID string
}

// Cache bounds the decision cache.
type Cache struct {
	// Size is the number of identities kept; 0 keeps none.
	Size int
	// TTL bounds how long an identity is used without being verified again,
	// NegativeTTL how long a refusal is.
	TTL, NegativeTTL time.Duration
	// MaxStaleness bounds how long a session is used without being verified
	// again while revocations are not heard (see [Service.Hearing]).
	MaxStaleness time.Duration
}

// Options are the dependencies of an [Engine]. All are required but Denylist.
type Options struct {
	Logger  *slog.Logger
	Metrics *telemetry.Metrics
	Now     func() time.Time
	// Random yields decision ids.
	Random io.Reader
	// Denylist, unless nil, knows which users are disabled. It is asked on every
	// check.
	Denylist Denylist
}
