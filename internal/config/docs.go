package config

import (
	"slices"
	"strings"
)

// A doc explains one key. It is the only place where keys are explained: the
// schema and docs/configuration.md are made from it.
type doc struct {
	path string
	text string
	// fallback is shown as the default where the Go value does not say it.
	fallback string
	// derived says in the reference what the default depends on.
	derived string
}

// docs explains every key, blocks included. The keys of a named issuer are
// explained with those of the unnamed one.
func docs() []doc {
	return slices.Concat(authenticationDocs(), peopleDocs(), sessionDocs(), redisDocs(), oidcDocs(), githubDocs(), issuerDocs(), ruleDocs(), serviceDocs(), serverDocs())
}

func authenticationDocs() []doc {
	return []doc{
		{path: "authentication", text: "Who is recognised, and how. The block has the form of Flipt's."},
		{path: "authentication.required", text: "Decides about requests that no rule matches. With true, only an authenticated request passes. With false, anonymous requests pass too, and a valid credential still identifies its bearer."},
		{path: "authentication.exclude", text: "Ready-made anonymous rules for sections of Flipt's API. They stand behind `rules`, so that a rule can take something back."},
		{path: "authentication.exclude.evaluation", text: "Opens Flipt's evaluation API: the paths below `/evaluate/v1/`, `/client/v2/` and `/internal/v1/`, and the gRPC services `flipt.evaluation.*`."},
		{path: "authentication.exclude.ofrep", text: "Opens the OpenFeature Remote Evaluation Protocol: the paths below `/ofrep/`."},
		{path: "authentication.exclude.management", text: "Accepted for the sake of existing files, and without effect, as in Flipt v2."},
		{path: "authentication.exclude.metadata", text: "Accepted for the sake of existing files, and without effect, as in Flipt v2."},
		{path: "authentication.exclude.hosts", text: "The hosts on which the exclusions above count. Host patterns are those of `rules[].match.hosts`. An empty list means every host."},
		{path: "authentication.methods", text: "The ways of recognising somebody. Each is off unless its `enabled` is true."},
		{path: "authentication.methods.token", text: "Static tokens: secrets that are written down here and presented as `Authorization: Bearer` or in the client-token cookie. The subject is the token's id."},
		{path: "authentication.methods.token.enabled", text: "Turns the method on."},
		{path: "authentication.methods.token.storage", text: "Where the tokens are."},
		{path: "authentication.methods.token.storage.type", text: "The kind of storage. There is only `static`: the tokens stand in this file."},
		{path: "authentication.methods.token.storage.tokens", text: "The tokens by id. An id keeps its case and may contain any character; upstreams see it as the subject."},
		{path: "authentication.methods.token.storage.tokens.<id>", text: "One token. It has either `credential` or `credential_hash`."},
		{path: "authentication.methods.token.storage.tokens.<id>.credential", text: "The secret itself. Use at least 16 random characters out of letters, digits and `- . _ ~ + /`, for instance from `openssl rand -base64 32`, and prefer a reference to writing it into the file. No two tokens may have the same one."},
		{path: "authentication.methods.token.storage.tokens.<id>.credential_hash", text: "Instead of `credential`: `sha256:` and the 64 hexadecimal digits of the secret's SHA-256. The secret must be random and long, because this hash is fast to try."},
		{path: "authentication.methods.token.storage.tokens.<id>.metadata", text: "Attributes of the token, for expressions in `rules[].require.when`. Keys keep their case and may contain dots, such as `io.flipt.auth.role`."},
		{path: "authentication.methods.token.storage.tokens.<id>.scopes", text: "The scopes that the token has, for `rules[].require.scopes`."},
		{path: "authentication.methods.jwt", text: "JSON Web Tokens that somebody else has issued, presented as `Authorization: Bearer` or `Authorization: JWT`. The keys of one issuer stand in this block; several issuers stand in `issuers`."},
		{path: "authentication.methods.jwt.enabled", text: "Turns the method on."},
		{path: "authentication.methods.jwt.issuers", text: "Several issuers by name, each with the keys of the unnamed issuer. When there is more than one, each needs its own `validate_claims.issuer`. The issuer keys in `authentication.methods.jwt` are then left out, or make one more issuer."},
		{path: "authentication.methods.jwt.issuers.<name>", text: "One issuer. Its keys are those of the unnamed issuer, with the same meaning and defaults."},
	}
}

func issuerDocs() []doc {
	return []doc{
		{path: "authentication.methods.jwt.jwks_url", text: "Where the issuer publishes its keys, as a JSON Web Key Set (RFC 7517). It is an `https` URL; `http` is admitted for this machine only. Exactly one of `jwks_url` and `public_key_file` is set."},
		{path: "authentication.methods.jwt.public_key_file", text: "A file with the issuer's public key in PEM form."},
		{path: "authentication.methods.jwt.validate_claims", text: "What a token must say about itself. Without `audiences`, tokens are accepted that the issuer made for any other service."},
		{path: "authentication.methods.jwt.validate_claims.issuer", text: "The `iss` claim, compared character by character. Empty: any."},
		{path: "authentication.methods.jwt.validate_claims.subject", text: "The `sub` claim, compared character by character. Empty: any."},
		{path: "authentication.methods.jwt.validate_claims.audiences", text: "The token's `aud` claim must contain one of these. Empty: any audience or none, which `gateward validate` warns about."},
		{path: "authentication.methods.jwt.claims_mapping", text: "Where the token keeps attributes of the identity."},
		{path: "authentication.methods.jwt.claims_mapping.<attribute>", text: "The name of a claim, or a JSON Pointer (RFC 6901) such as `/user/email`; an empty one turns the attribute off. The attributes are `email`, `name`, `picture`, `role` and `sub`."},
		{path: "authentication.methods.jwt.algorithms", text: "The signature algorithms that are accepted: some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA. Algorithms with a shared key (HS256 and the like) and `none` are refused."},
		{path: "authentication.methods.jwt.clock_skew", text: "How far this machine's clock and the issuer's may differ when `exp`, `nbf` and `iat` are judged. At most one minute: more would turn expiry into a suggestion."},
		{path: "authentication.methods.jwt.scopes_claim", text: "The claim that holds the token's scopes, as a list or as one string with spaces: its name, or a JSON Pointer. Empty: `scope`, or else `scp`."},
		{path: "authentication.methods.jwt.groups_claim", text: "The claim that holds the groups of the token's subject: its name, or a JSON Pointer. Empty: `groups`."},
		{path: "authentication.methods.jwt.ca_path", text: "A file with certificates in PEM form that the server of `jwks_url` is verified with, instead of the system's."},
	}
}

func ruleDocs() []doc {
	return []doc{
		{path: "rules", text: "Who may pass, by request. The rules are tried in order, and the first that matches decides; when none does, `authentication.required` does. A route of Envoy can name its rule by `context_extensions: {gateward.rule: NAME}`; it is then used without its `match`."},
		{path: "rules[].name", text: "The rule's name, unique, of at most 64 letters, digits, `_`, `.` and `-`. It appears in metrics and logs, and every rule must have one."},
		{path: "rules[].match", text: "Which requests the rule is for. Within a list any entry suffices, all lists must match, and an empty list matches everything."},
		{path: "rules[].match.hosts", text: "Hosts, without port: `app.example.com`, or `*.example.com` for one or more labels in front."},
		{path: "rules[].match.paths", text: "Paths: `/a/b` is exactly that, `/a/*` has one more segment, `/a/**` is everything below `/a/`."},
		{path: "rules[].match.methods", text: "HTTP methods in upper case. `GET` includes HEAD."},
		{path: "rules[].access", text: "What the rule asks for. `anonymous`: nothing. `optional`: a credential may identify its bearer. `authenticated`: a valid credential, and what `require` says. `deny`: nobody passes."},
		{path: "rules[].credentials", text: "The kinds of credential that the rule admits: `cookie` (the client-token cookie), `bearer` (`Authorization: Bearer` and `JWT`), `basic` (`Authorization: Basic`)."},
		{path: "rules[].require", text: "What the identity must have; goes with `access: authenticated` only. Everything that is named must be met: any of the methods, e-mails, domains, groups, organizations and teams, each of the scopes, and the expression."},
		{path: "rules[].require.methods", text: "Any of these methods established the identity: `token`, `oidc`, `github`, `jwt`."},
		{path: "rules[].require.emails", text: "The verified e-mail address is one of these."},
		{path: "rules[].require.domains", text: "The verified e-mail address is in one of these domains."},
		{path: "rules[].require.groups", text: "The identity is in one of these groups."},
		{path: "rules[].require.organizations", text: "The person is an active member of one of these organizations at GitHub; names are compared without case. Organizations are never groups, because anybody can found one of any name."},
		{path: "rules[].require.teams", text: "The person is in one of these teams at GitHub, as ORGANIZATION`/`TEAM, without case."},
		{path: "rules[].require.scopes", text: "The credential has all of these scopes. Those of people are in `authentication.grants`."},
		{path: "rules[].require.max_auth_age", text: "How long ago the person may have authenticated at most, for what is worth asking again: a browser is sent to the login, which asks the provider to (OpenID Connect's `max_age`), everything else gets a 401. A credential that does not say when somebody authenticated, such as a static token, does not pass. `0s` means that it does not matter."},
		{path: "rules[].require.when", text: "An expression in the Common Expression Language that must be true, over `identity` (`subject`, `issuer`, `method`, `provider`, `email`, `email_verified`, `name`, `groups`, `organizations`, `teams`, `scopes`, `claims`, `metadata`, `auth_time`) and `request` (`method`, `host`, `path`, `query`, `headers`, `principal`, `time`). A missing field or an error denies."},
		{path: "rules[].unauthenticated", text: "How a request without a good credential is answered. `auto`: a browser that opens a page is sent to the login, if there is one and the session cookie reaches the host, and everything else gets a 401. `redirect`: so is every other GET and HEAD, apart from gRPC and WebSockets. `status`: always a 401."},
		{path: "rules[].invalid", text: "What becomes of a bad credential on an `optional` rule: `refuse` answers 401, `ignore` treats the request as anonymous. Goes with `access: optional` only.", fallback: "refuse"},
		{path: "rules[].shadow", text: "Tries a rule out: it is evaluated and counted, and then the next one that matches decides."},
	}
}

func serviceDocs() []doc {
	return []doc{
		{path: "upstream", text: "What the service behind Envoy gets to see."},
		{path: "upstream.identity_headers", text: "The request headers that carry the identity. Whatever a client sends under these names, in any spelling, is removed. An empty name is not sent. Names that frame or route a message, and those that begin with `x-envoy-`, are refused."},
		{path: "upstream.identity_headers.subject", text: "The subject: a token's id, or the `sub` claim. It is unique only together with its issuer."},
		{path: "upstream.identity_headers.email", text: "The e-mail address, as far as it is known. The header alone does not have a provider's userinfo endpoint asked for an address that the ID token lacks: have the scope `email` among the provider's `scopes`."},
		{path: "upstream.identity_headers.name", text: "The display name."},
		{path: "upstream.identity_headers.groups", text: "The groups, separated by commas, as far as they are known. The header alone does not have a provider's userinfo endpoint asked for groups that the ID token lacks, nor for today's where a refresh brings no ID token: set the provider's `groups_claim`, or a rule that requires groups."},
		{path: "upstream.identity_headers.method", text: "The method that established the identity: `token`, `oidc`, `github`, `jwt`."},
		{path: "upstream.identity_headers.scopes", text: "The scopes, separated by commas."},
		{path: "upstream.identity_headers.issuer", text: "The issuer."},
		{path: "upstream.identity_headers.user_id", text: "The user's id in Gateward's own records, which stays the same by whichever provider the person logs in. Only who has logged in has one."},
		{path: "upstream.remove_headers", text: "Further request headers that no client may send: they are removed from every request."},
		{path: "upstream.forward_credentials", text: "With true, the client-token cookie and the credential that was judged stay in the request. With false the upstream never sees them."},
		{path: "cache", text: "The decision cache: identities by the hash of their credential. What a rule requires is judged on every request all the same, and nothing is kept longer than the credential is valid."},
		{path: "cache.size", text: "How many identities are kept, up to 10000000; 0 keeps none."},
		{path: "cache.ttl", text: "How long an identity is used without verifying its credential again."},
		{path: "cache.negative_ttl", text: "How long a refusal is remembered. More than five seconds is warned about."},
		{path: "cache.max_staleness", text: "For how long a session is used from the cache while it cannot be heard whether another replica has ended it. A session that is ended is otherwise felt on the next check everywhere. More than a minute is warned about."},
		{path: "limits", text: "What is stopped when it comes too often. What is counted is forgotten after a while, and takes bounded memory."},
		{path: "limits.logins_per_minute", text: "How many logins may be begun in a minute from one address; those beyond get a 429. `server.client_ip` decides which address counts. At most 10000; 0 is no limit."},
		{path: "limits.redirects_per_minute", text: "How often in a minute a browser may be sent to the login from the same place and come back without a session. After that it gets a page that says why that may be, instead of going round in circles. At most 10000; 0 is no limit."},
		{path: "paths", text: "How unusual paths are treated."},
		{path: "paths.ambiguous", text: "Paths that programs read differently, such as those with `%2f`, `;` or `//`. `every-reading` lets one pass only if the rule of every reading lets it pass; `refuse` answers 400."},
	}
}

func serverDocs() []doc {
	return []doc{
		{path: "pages", text: "How the pages of the login service look."},
		{path: "pages.name", text: "The name of what people log in to, at most 64 characters."},
		{path: "pages.logo", text: "The https address of an image that stands beside the name."},
		{path: "pages.language", text: "The language of the pages. There is only `en`."},
		{path: "server", text: "Where Gateward listens."},
		{path: "server.public_url", text: "Where browsers reach the login service: `https` or `http`, the host, and the port if it is not the usual one, such as `https://app.example.com`. Envoy hands what is below its `/auth` to `server.http`. `http` is for this machine.", derived: "the address in the first `redirect_address`, by the provider's name and last of `github`"},
		{path: "server.grpc", text: "The listener that Envoy asks."},
		{path: "server.grpc.address", text: "`host:port`, where an empty host means every address, or `unix:///path`."},
		{path: "server.grpc.tls", text: "TLS of the listener. It is off without a certificate; files are read again when they change."},
		{path: "server.grpc.tls.cert_file", text: "The certificate and its chain, in PEM form. Goes with `key_file`."},
		{path: "server.grpc.tls.key_file", text: "The private key, in PEM form."},
		{path: "server.grpc.tls.client_ca_file", text: "Certificates in PEM form that clients are verified with. When it is set, a client without a certificate is refused."},
		{path: "server.grpc.tls.allowed_principals", text: "Who may ask for decisions, by a subject alternative name of the client's certificate: a DNS name or a URI such as `spiffe://cluster.local/ns/prod/sa/envoy`. Empty: whoever has a certificate of `client_ca_file`."},
		{path: "server.grpc.faults", text: "The answer when Gateward itself cannot decide. `deny` is a 503, closed for ever; `error` leaves it to Envoy's `failure_mode_allow`."},
		{path: "server.http", text: "The listener of the login service and of its API, to which Envoy routes `/auth`."},
		{path: "server.http.address", text: "`host:port`. An empty one (`\"\"`) turns the listener off, which is refused when a method is enabled that people log in with."},
		{path: "server.http.tls", text: "TLS for this listener, off without a certificate. The files are read again when they change."},
		{path: "server.http.tls.cert_file", text: "The certificate and its chain, in PEM form. Goes with `key_file`."},
		{path: "server.http.tls.key_file", text: "The private key, in PEM form."},
		{path: "server.client_ip", text: "How far `X-Forwarded-For` is believed when the login service shows or counts where somebody comes from. Without these keys that is the peer that Envoy saw. Neither has a say in who may pass."},
		{path: "server.client_ip.trusted_hops", text: "How many proxies of your own stand in front of Envoy: so many entries of `X-Forwarded-For`, from the right, are passed over. At most 32."},
		{path: "server.client_ip.trusted_proxies", text: "Addresses and networks of your own proxies, such as `10.0.0.0/8`: entries of `X-Forwarded-For` that are in one of them, from the right, are passed over."},
		{path: "server.admin", text: "The listener for metrics, health and profiles."},
		{path: "server.admin.address", text: "`host:port`. It serves `/metrics`, `/healthz`, `/readyz` and `/debug/pprof` without authentication, so it is for this machine only. Profiles are answered to this machine alone, whatever the address."},
		{path: "server.drain_delay", text: "After SIGTERM, how long checks are answered as before while health checks say no, so that Envoy goes elsewhere."},
		{path: "server.shutdown_grace", text: "After SIGTERM, how long everything together may take, `drain_delay` included."},
		{path: "log", text: "The log, on standard error."},
		{path: "log.level", text: "The least important level that is written. Allowed requests are `debug`, denied ones `info`."},
		{path: "log.format", text: "`json` for programs, `text` for people."},
	}
}

// docFor returns the explanation of a documented key; same is the path of the
// key that it is shared with, or "".
func docFor(path string) (d doc, same string) {
	const named = "authentication.methods.jwt.issuers.<name>."
	if key, ok := strings.CutPrefix(path, named); ok {
		same = "authentication.methods.jwt." + key
		path = same
	}
	for _, d := range docs() {
		if d.path == path {
			return d, same
		}
	}
	return doc{}, same
}
