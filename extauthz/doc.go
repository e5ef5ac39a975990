// Package extauthz is the check path: it answers Envoy's question whether a
// request may pass, and as whom.
//
// One way leads through it. A request arrives as a [wire.View]; its target is
// canonicalised once (package target), a [Rule] is matched, the one credential
// that counts is found (internal/credential) and verified by the method that
// claims it (package methods) or found in the decision cache, the rule's
// requirements are evaluated, and the answer is encoded. [Engine.Decide] does
// all of that and knows no transport; [Service] puts it behind gRPC.
//
// There are three outcomes: allow, deny (the client's fault) and fault (ours).
// Nothing but an explicit allow lets a request pass: every refusal is an
// answer of its own, never a failed call, since Envoy may be told to let those
// through.
//
// Who opens a page without a good credential is sent to the login ([Login]).
// Sessions are verified by a method like any other, and ended elsewhere: the
// engine is a [sessions.Listener], and forgets what was revoked. The login
// service asks it, by [Service.Identify], who sent a request.
//
// Who is disabled is refused on the next check, cached or not: the engine asks a
// [Denylist] on each.
//
// Login, the keeping of sessions, and pages live elsewhere; configuration is
// read by internal/config and arrives as [Config].
package extauthz
