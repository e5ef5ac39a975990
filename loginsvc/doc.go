// Package loginsvc is the login service: everything below /auth that a browser
// or a program asks for. It begins and finishes logins, keeps the browser's
// cookies, answers Flipt's API under /auth/v1, and shows the pages on which a
// person logs in, sees the sessions of the account and ends them.
//
// A login is an attempt until the provider's answer has been verified. Until
// then nothing is kept on the server: an attempt lives in a cookie of its own,
// sealed, so that beginning one writes nothing and tabs do not disturb one
// another. The state of each is used up exactly once, by whoever comes back with
// it, and how many do so at the same time, and how often, is bounded (places.go,
// flood.go). What a provider ends while a login is under way is ended as well
// (ended.go).
//
// Whoever logs in has a user (signup.go), which outlives every session: it is made
// at the first login, may have to wait for an administrator, may be linked with
// other identities of the same person, and can be disabled (users.go).
//
// Who a request is from is told by an [Identifier], the check path's own; how a
// person is identified, by the [methods.Login] of each provider; what is kept,
// by the backends below sessions; what a page looks like, by loginsvc/page.
// Headers that name an identity are never read, and those that name a host or a
// scheme decide about nothing: only the words on why a login does not hold
// (loop.go) look at them.
package loginsvc
