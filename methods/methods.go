// Package methods holds the contract between the check path and the ways of
// establishing an identity. Each way is a package below this one; none of them
// knows another, a server, or the configuration file.
package methods

import (
	"context"

	"github.com/gateward/gateward"
)

// An Authenticator verifies a credential that arrives with a request.
// Implementations are safe for concurrent use.
type Authenticator interface {
	// Name is the method's name as in configuration, logs and metric labels.
	Name() string

	// Claims reports whether c is this method's to judge, without I/O and
	// cheaply: it is asked of every method in configured order, and the first
	// that claims a credential settles it. A claim is not a verdict.
	Claims(c gateward.Credential) bool

	// Authenticate verifies c, which Claims has accepted. Its errors wrap
	// [gateward.ErrInvalidCredential] when the client is at fault,
	// [gateward.ErrNotAdmitted] when a known identity may not enter, and
	// [gateward.ErrUnavailable] when no judgement is possible now; any other
	// error counts as the last. No error text contains the credential.
	//
	// The context bounds any I/O. The returned identity is not written to by
	// either side afterwards.
	Authenticate(ctx context.Context, c gateward.Credential) (gateward.Identity, error)
}
