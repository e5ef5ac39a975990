package methods

import (
	"context"
	"time"

	"github.com/gateward/gateward"
)

// A Login establishes an identity by sending a browser to a provider and back.
// Implementations are safe for concurrent use; the context bounds any I/O.
//
// What a Login can do beyond this is found by type assertion: [Admitter],
// [Refresher], [Rechecker], [EmailAuthority], [EndSessionURLer],
// [LogoutTokenVerifier].
type Login interface {
	// Method is the name of the method: "oidc", "github".
	Method() string
	// Name is the provider's name as in configuration, paths and metric labels,
	// unique within the method; "" where the method has only one (github).
	Name() string
	// DisplayName is what a person reads: "Login with NAME".
	DisplayName() string

	// AuthCodeURL returns where the browser goes (RFC 6749 §4.1.1). An error
	// wraps [gateward.ErrUnavailable] when the provider cannot be reached.
	AuthCodeURL(ctx context.Context, a Attempt) (string, error)

	// Exchange completes the attempt. It verifies everything that the provider
	// said, admission included, which state alone is not part of: the caller has
	// compared it. The identity's AuthTime is zero unless the provider says when
	// the person authenticated: that it answers now does not mean that anybody
	// has. Its errors wrap [gateward.ErrInvalidCredential] when what came back is
	// no good, [gateward.ErrNotAdmitted] when the person is known and may not
	// enter (the identity is then filled in, for the page that says so), and
	// [gateward.ErrUnavailable] when the provider cannot be reached.
	Exchange(ctx context.Context, c Callback, a Attempt) (gateward.Identity, gateward.Tokens, error)
}

// An Attempt is a login on its way. Each has values of its own.
type Attempt struct {
	// State and Nonce are 256 random bits each, base64url (RFC 6749 §10.12,
	// OpenID Connect Core §3.1.2.1).
	State, Nonce string
	// Verifier is the PKCE code verifier (RFC 7636 §4.1), 43 characters.
	Verifier gateward.Secret
	// MaxAge, unless nil, is how long ago the person may have authenticated at
	// the provider at most (OpenID Connect Core §3.1.2.1); zero asks for the
	// password in any case. Where the provider is configured with less, that
	// counts.
	MaxAge *time.Duration
	// Prompt is passed on unless empty, beside what the provider is configured
	// with: "select_account", "login".
	Prompt string
	// LoginHint is passed on unless empty.
	LoginHint string
}

// A Callback is what a provider sent a browser back with, errors apart.
type Callback struct {
	Code gateward.Secret
	// Issuer is the parameter iss (RFC 9207), nil if there was none.
	Issuer *string
}

// An Admitter knows which identities may enter. It is asked at login and again
// on every look at the session, so that a changed rule counts at once. It makes
// no I/O.
type Admitter interface {
	// Admit returns nil, or an error that wraps [gateward.ErrNotAdmitted], a
	// [*gateward.NotAdmittedError] where a rule can be named; or
	// [gateward.ErrInvalidCredential] for an identity that this provider, as it is
	// configured now, cannot have given.
	Admit(id *gateward.Identity) error
}

// A Refresher renews tokens (RFC 6749 §6), and with them what is known of the
// person.
type Refresher interface {
	// Refresh returns the identity as the provider sees it now and the new
	// tokens; a provider that keeps the refresh token or sends no ID token leaves
	// the old ones in force. It takes eight seconds at most. Errors wrap [gateward.ErrInvalidCredential] when the
	// provider refuses for good (invalid_grant, another subject): the session is
	// over; [gateward.ErrNotAdmitted] when the person may not enter any longer;
	// anything else is a failure that says nothing about the session. With an
	// error other than the two the tokens count if they are not zero, though the
	// identity is not known: the provider may have replaced the refresh token
	// before what follows failed. An ID token among them is verified all the same.
	Refresh(ctx context.Context, id gateward.Identity, t gateward.Tokens) (gateward.Identity, gateward.Tokens, error)
}

// A Rechecker is a [Refresher] that is asked about the person again and again,
// tokens that expire or not: what it knows (memberships) ends without anybody
// telling us. While the provider cannot be asked its last answer counts; but not
// for long where the person can be the cause ([gateward.UnavailableError.Personal]).
type Rechecker interface {
	Refresher
	// RecheckInterval is for how long an answer counts, above zero; zero: the
	// person is not asked about.
	RecheckInterval() time.Duration
}

// An EmailAuthority is a provider that the configuration believes addresses of
// some domains, so that whoever has the address there is the person whom another
// such provider knows by it.
type EmailAuthority interface {
	// Authoritative reports whether a verified address is one of those. It makes no
	// I/O.
	Authoritative(email string) bool
}

// An EndSessionURLer can end the person's session at the provider
// (OpenID Connect RP-Initiated Logout 1.0).
type EndSessionURLer interface {
	// EndSessionURL returns where to send the browser, or "" where the provider
	// or its configuration has no such address.
	EndSessionURL(ctx context.Context, t gateward.Tokens) (string, error)
}

// A LogoutTokenVerifier understands the logout tokens of a provider (OpenID
// Connect Back-Channel Logout 1.0).
type LogoutTokenVerifier interface {
	// VerifyLogoutToken checks everything but the replay of JTI. Errors are those
	// of [Authenticator].
	VerifyLogoutToken(ctx context.Context, raw gateward.Secret) (LogoutToken, error)
}

// A LogoutToken is a verified one. Subject or SID is set, or both.
type LogoutToken struct {
	gateward.Principal
	SID string
	JTI string
	// Expiry is until when JTI must be remembered.
	Expiry time.Time
}
