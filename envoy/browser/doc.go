// Package browser holds the tests in which a real Chromium logs in through a
// real Envoy, at a real OpenID provider (see provider) and at the GitHub server of
// the tests, which is compared with GitHub's own description of its API here, too.
// It is a module of its own, so that what only these tests need stays out of
// Gateward's.
package browser
