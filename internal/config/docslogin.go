package config

func sessionDocs() []doc {
	return []doc{
		{path: "authentication.session", text: "What a login leads to: a session, kept in `storage`, and the cookie that carries its client token."},
		{path: "authentication.session.domain", text: "The host that the session cookie is for: the one of `server.public_url`, and then no other host gets to see it; or a domain above, such as `example.com` for `app.example.com`, and then every host below that does. Required when a method is enabled that people log in with. A scheme, a port and a path are cut off."},
		{path: "authentication.session.secure", text: "Whether the cookies are for https only. Their names then begin with `__Host-`, which keeps every other host from setting them. If `domain` is above the public host, the session cookie's begins with `__Secure-` instead, and any https host below `domain` can set one too: have only hosts there that you trust.", derived: "`true` if `server.public_url` is https, otherwise `false`"},
		{path: "authentication.session.token_lifetime", text: "How long a session lasts, whatever happens. More than 30 days is warned about."},
		{path: "authentication.session.idle_timeout", text: "Ends a session that has not been used for so long: at least `2m`, and at most `token_lifetime`. `0s` is no limit. Use is noted once a minute."},
		{path: "authentication.session.state_lifetime", text: "How long a login may take, from the button to the return from the provider. More than 10 minutes is warned about, more than an hour refused."},
		{path: "authentication.session.same_site", text: "The cookie's `SameSite`. With `lax`, other sites can lead people to pages, and cannot send forms or requests with their session. With `strict`, whoever follows a link from another site arrives without the session. `none` allows everything, needs `secure`, and is warned about."},
		{path: "authentication.session.cookie_prefix", text: "The beginning of our cookies' names: the client token is in the cookie PREFIX`_client_token`. With `flipt`, that is exactly Flipt's cookie, without what `secure` puts in front of other names."},
		{path: "authentication.session.accept_cookies", text: "Further cookies that a client token is read from. They are never set; a login or logout removes those that the browser sent. Two of the accepted cookies with different values in one request are refused.", derived: "`[\"flipt_client_token\"]`, and `[]` once a method is enabled that people log in with"},
		{path: "authentication.session.return_to", text: "Where a login may lead back to, beside the addresses of `server.public_url`: origins such as `https://reports.example.com`, with `*.` for one or more labels in front."},
		{path: "authentication.session.encryption_key", text: "Encrypts what a provider has entrusted to us, such as refresh tokens, in `storage`: at least 32 random characters, for instance from `openssl rand -base64 32`. Without it, a key is made once: with `memory` for the life of the process, with `file` and `redis` kept in the store itself, where who reads the store reads the key too."},
		{path: "authentication.session.previous_encryption_keys", text: "Former values of `encryption_key`, under which sessions are still read. When a key is exchanged, the old one stands here until the sessions of its time are over."},
		{path: "authentication.session.storage", text: "Where sessions are kept."},
		{path: "authentication.session.storage.type", text: "`memory`: in this process, lost when it ends, for one replica. `file`: in a file on this machine, kept across restarts, for one replica. `redis`: shared by any number of replicas."},
		{path: "authentication.session.storage.max_sessions", text: "With `memory`, the most sessions that are kept. A login beyond that ends an old session."},
		{path: "authentication.session.storage.file", text: "For `type: file`."},
		{path: "authentication.session.storage.file.path", text: "The file. It is created, readable by its owner only, and used by one process at a time."},
		{path: "authentication.session.storage.cleanup", text: "As `authentication.session.cleanup`, for existing files."},
		{path: "authentication.session.storage.cleanup.grace_period", text: "As `authentication.session.cleanup.grace_period`. When both are set, they must say the same."},
		{path: "authentication.session.cleanup", text: "What becomes of sessions that are over."},
		{path: "authentication.session.cleanup.grace_period", text: "How long a session stays in lists of expired ones. It cannot be used any longer."},
	}
}

func redisDocs() []doc {
	const block = "authentication.session.storage.redis"
	return []doc{
		{path: block, text: "For `type: redis`. Gateward starts while Redis cannot be reached, and answers 503 where a session would have to be looked up, until it can."},
		{path: block + ".mode", text: "`single`: one server, or what looks like one. `cluster`: Redis Cluster. `sentinel`: a master that Sentinels name."},
		{path: block + ".host", text: "The server, or one node of the cluster. `addresses` takes its place."},
		{path: block + ".port", text: "The port at `host`."},
		{path: block + ".addresses", text: "Nodes of the cluster to begin with, or the Sentinels, as `host:port`."},
		{path: block + ".master_name", text: "With `sentinel`, the name that the Sentinels know the master by."},
		{path: block + ".username", text: "The user (ACL). Empty: the default one."},
		{path: block + ".password", text: "The password."},
		{path: block + ".sentinel_username", text: "The user at the Sentinels."},
		{path: block + ".sentinel_password", text: "The password at the Sentinels."},
		{path: block + ".db", text: "The number of the database. A cluster has only 0."},
		{path: block + ".prefix", text: "The beginning of our keys, by which several installations share a server. It is followed by a colon."},
		{path: block + ".require_tls", text: "Connects by TLS, of version 1.2 or later."},
		{path: block + ".ca_cert_path", text: "A file with certificates in PEM form that the server is verified with, instead of the system's."},
		{path: block + ".ca_cert_bytes", text: "The same certificates, written here instead."},
		{path: block + ".cert_path", text: "A certificate of our own to show, in PEM form. Goes with `key_path`."},
		{path: block + ".key_path", text: "Its private key, in PEM form."},
		{path: block + ".insecure_skip_tls", text: "Takes any certificate, so that whoever is on the way can pass for Redis. It is warned about."},
		{path: block + ".pool_size", text: "The most connections. 0 leaves it to the number of processors."},
		{path: block + ".min_idle_conn", text: "Connections that are kept open without use."},
		{path: block + ".conn_max_idle_time", text: "How long a connection may be without use before it is closed. `0s` leaves it to the client library."},
		{path: block + ".net_timeout", text: "How long to wait for a connection, a write or an answer. `0s` chooses times that let a check be answered before Envoy gives up."},
	}
}

func oidcDocs() []doc {
	const method = "authentication.methods.oidc"
	const provider = method + ".providers.<name>"
	return []doc{
		{path: method, text: "Login with OpenID Connect: people are sent to a provider and come back with a session. It needs `authentication.session.domain`."},
		{path: method + ".enabled", text: "Turns the method on."},
		{path: method + ".email_matches", text: "Regular expressions (RE2) for the e-mail addresses of those who may enter by any of the providers, each matched against the whole, verified address. It counts at login and on every check. Write the dot of a domain as `\\.`, and put expressions with a comma or a space into a YAML list. Empty: any address, or none."},
		{path: method + ".cache_ttl", text: "How long a provider's discovery document is used before it is fetched again; a provider that is down does not make it unusable. `0s` means `15m`."},
		{path: method + ".providers", text: "The providers by name. A name is part of addresses, so it consists of letters, digits, `_`, `.` and `-`."},
		{path: provider, text: "One provider. At the provider, register `redirect_address` followed by `/auth/v1/method/oidc/<name>/callback` as the redirect URI. For Google the issuer is `https://accounts.google.com`."},
		{path: provider + ".issuer_url", text: "The issuer identifier, exactly as the provider writes it, with or without a slash at its end. It is an `https` URL; `http` is admitted for this machine only."},
		{path: provider + ".discovery_url", text: "Where the provider's discovery document is, if not below `issuer_url`: its whole address, or what `/.well-known/openid-configuration` is put behind. The document must name `issuer_url` as its issuer all the same.", derived: "below `issuer_url`"},
		{path: provider + ".client_id", text: "The client id that the provider has given to us. Required."},
		{path: provider + ".client_secret", text: "The client secret that the provider has given to us. Required; prefer a reference to writing it into the file."},
		{path: provider + ".redirect_address", text: "Where the provider sends people back to, without the path of the callback: the address of `server.public_url`. A login without a return target leads here. Required."},
		{path: provider + ".scopes", text: "What is asked for, besides `openid`, which is always added. `email` and `profile` make most providers tell the address and the name, `offline_access` makes some renew the session in the background."},
		{path: provider + ".nonce", text: "Accepted for the sake of existing files, and without effect: every login has a nonce of its own."},
		{path: provider + ".use_pkce", text: "Binds the code to the login that it was asked for (PKCE with S256). With false, a stolen code can be used; that is for providers that refuse PKCE, and is warned about."},
		{path: provider + ".algorithms", text: "The signature algorithms that ID tokens may have: some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA."},
		{path: provider + ".authorize_parameters", text: "Further parameters for the provider's authorization endpoint, such as `connection`. A browser can leave them out, so they are wishes: what must hold belongs into `email_matches`, `allowed_domains` or `allowed_groups`. `acr_values` and `hd` are enforced: the provider has to confirm one of the first, and the organization that the second names."},
		{path: provider + ".authorize_parameters.<parameter>", text: "The value. Parameters that the login itself depends on, such as `state` and `redirect_uri`, are refused."},
		{path: provider + ".fetch_extra_user_info", text: "Asks the provider's userinfo endpoint at every login, and takes from it what the ID token lacks. Otherwise it is asked only where an address or groups are missing that the configuration is about, or where a refresh brings no ID token: what it says then outweighs the old one."},
		{path: provider + ".claims_mapping", text: "Where the ID token has what we need, if not in the claims that OpenID Connect provides for it."},
		{path: provider + ".claims_mapping.<attribute>", text: "The name of a claim, or a JSON Pointer (RFC 6901) such as `/user/email`. The attributes are `email`, `name`, `picture` and `sub`; the subject itself is always the claim `sub`. An address from a claim that is not called `email` counts as not verified."},
		{path: provider + ".groups_claim", text: "The claim that holds the person's groups: its name, or a JSON Pointer. Empty: `groups`. Where the configuration is about groups, be it here, in `authentication` or in `rules`, and the ID token has none, the provider is asked for them."},
		{path: provider + ".allowed_groups", text: "Only members of one of these groups may enter, at login and on every check. Empty: everybody."},
		{path: provider + ".allowed_domains", text: "Only who has a verified address in one of these domains may enter by this provider, at login and on every check: `example.com` or `*.example.com`. At Google it is the organization's domain (the claim `hd`) that counts. Empty: everybody."},
		{path: provider + ".email_authority", text: "The domains whose addresses the provider is believed, for `authentication.account_linking`: `example.com` or `*.example.com`. Name those only whose addresses the provider gives out itself."},
		{path: provider + ".graph_url", text: "Where Microsoft Graph is asked for the groups of people who have too many for a token, if the configuration is about groups.", derived: "`https://graph.microsoft.com/v1.0` if the issuer is at `https://login.microsoftonline.com`, otherwise none"},
		{path: provider + ".require_verified_email", text: "Whether `email_matches` admits an address only if the provider says that it has verified it. Set it to false for a provider only at which nobody can choose their address."},
		{path: provider + ".max_age", text: "How long ago the person may have authenticated at the provider at most; after that the provider asks again. `0s` leaves it to the provider. A login can only ask for less."},
		{path: provider + ".prompt", text: "What the provider is to ask in any case: `login`, `consent`, `select_account`, or several with spaces between them. A login can only add to it. `login` is a wish unless `max_age` is set, which the provider's answer is checked for."},
		{path: provider + ".use_end_session_endpoint", text: "With true, a logout also ends the person's session at the provider, if it offers that."},
		{path: provider + ".allow_front_channel_logout", text: "With true, the provider may end sessions by having a browser open an address of ours. Needs `authentication.session.secure`."},
		{path: provider + ".ca_path", text: "A file with certificates in PEM form that the provider's servers are verified with, instead of the system's."},
		{path: provider + ".display_name", text: "What people read on the button, after \"Login with\".", derived: "the provider's name"},
	}
}
