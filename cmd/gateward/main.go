// Gateward answers Envoy's external authorization checks: who makes a request,
// and may it pass?
//
// This package holds the command line, the wiring of all other packages from
// the configuration (wire.go), listeners, signals and reloads. What a check
// means lives in extauthz, how a credential is verified below methods.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
