// Package loginsvc is the login service: everything below /auth that a browser
// or a program asks for. It begins and finishes logins, keeps the browser's
// cookies, answers Flipt's API under /auth/v1, and shows the pages on which a
// person logs in, sees the sessions of the account and ends them.
//
// A login is an attempt until the provider's answer has been verified. Until
// then nothing is kept on the server: an attempt lives in a cookie of its own,
// sealed, so that beginning one writes nothing and tabs do not disturb one
// another. The state of each is used up exactly once, by whoever comes back with
// it, and how many do so at the same time is bounded (places.go). What a
// provider ends while a login is under way is ended as well (ended.go).
//
// Who a request is from is told by an [Identifier], the check path's own; how a
// person is identified, by the [methods.Login] of each provider; what is kept,
// by the backends below sessions; what a page looks like, by loginsvc/page.
// Headers that name an identity, a host or a scheme are never read.
package loginsvc
