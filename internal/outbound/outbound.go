// Package outbound is how other servers are asked, for whoever asks them: which
// addresses are admitted, what a name may lead to, whom a connection trusts, where a
// redirect may go, and how much of an answer is read. It imports only the standard
// library.
//
// What is asked, and what becomes of the answer, is the business of the methods and
// of internal/keyset. Redis is asked by its own client, in sessions/redis.
package outbound
