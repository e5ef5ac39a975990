package config

func peopleDocs() []doc {
	const (
		admins  = "authentication.admins"
		filters = "authentication.allowed_user_filters"
		grants  = "authentication.grants"

		emails        = "Verified e-mail addresses, `*@example.com` for all of a domain, or `*@*.example.com` for all below one."
		groups        = "Groups, compared character by character."
		organizations = "Organizations at GitHub, without case."
		teams         = "Teams at GitHub, as ORGANIZATION`/`TEAM, without case."
		subjects      = "Subjects, as METHOD`:`SUBJECT or METHOD`/`PROVIDER`:`SUBJECT: `token:boss` is the static token of that id, `oidc/google:1234` the person whom the provider `google` calls 1234, `github:101` the GitHub account with that number."
	)
	return []doc{
		{path: "authentication.allowed_domains", text: "Who may log in, by the domain of the verified e-mail address: `example.com`, or `*.example.com` for one or more labels in front. Whoever fits an entry of this list or of `allowed_user_filters` is admitted, at login and on every check, by whichever provider. When both are empty, there is no limit."},
		{path: filters, text: "Who may log in, by what the provider says of the person; see `allowed_domains`."},
		{path: filters + "[].type", text: "What is compared. `email`: the verified e-mail address. `phone`: the verified phone number. `id`: the subject, such as the number of a GitHub account. `group`: the groups that the provider says. `organization` and `team`: those at GitHub."},
		{path: filters + "[].patterns", text: "Any of these suffices. For `email`, addresses, `*@example.com` or `*@*.example.com`; for `phone`, numbers such as `+49301234567`, or `+4930*` for all that begin so, where spaces, hyphens and parentheses do not count; for `id`, whole subjects; for `group`, names, or `dev-*` for all that begin so; for `organization`, names, and for `team`, ORGANIZATION`/`TEAM, both without case. Patterns may be written as numbers."},
		{path: "authentication.sign_up", text: "Whether people may enter who have never been here. `open`: yes. `approval`: the first login makes a user who waits until an administrator enables it. `closed`: no. Whoever `admins` names always may. Users that an administrator has disabled stay out in any case."},
		{path: "authentication.account_linking", text: "Whether the same person by two providers is one user. `off`: no. `verified_email`: yes, if both say the same verified address and are believed it, which each provider's `email_authority` decides."},
		{path: grants, text: "Which scopes people have, for `rules[].require.scopes`. Without entries, people are not limited by scopes. With some, everybody has those of all entries that fit, judged on every check. Static tokens and JSON Web Tokens have their own."},
		{path: grants + "[].emails", text: emails},
		{path: grants + "[].groups", text: groups},
		{path: grants + "[].organizations", text: organizations},
		{path: grants + "[].teams", text: teams},
		{path: grants + "[].subjects", text: subjects},
		{path: grants + "[].scopes", text: "The scopes that whoever fits any of the lists gets."},
		{path: admins, text: "Who may see and end the sessions of others, and enable and disable users. Whoever fits any of the lists is one; empty lists make nobody one."},
		{path: admins + ".emails", text: emails},
		{path: admins + ".groups", text: groups},
		{path: admins + ".organizations", text: organizations},
		{path: admins + ".teams", text: teams},
		{path: admins + ".subjects", text: subjects},
	}
}

func githubDocs() []doc {
	const method = "authentication.methods.github"
	return []doc{
		{path: method, text: "Login with GitHub, or with a GitHub Enterprise server. It needs `authentication.session.domain`. At GitHub, register an OAuth app with `redirect_address` followed by `/auth/v1/method/github/callback` as its callback URL. The subject is the number of the account, which stays the same when the account is renamed."},
		{path: method + ".enabled", text: "Turns the method on."},
		{path: method + ".client_id", text: "The client id of the OAuth app. Required."},
		{path: method + ".client_secret", text: "A client secret of the OAuth app. Required; prefer a reference to writing it into the file."},
		{path: method + ".redirect_address", text: "Where GitHub sends people back to, without the path of the callback: the address of `server.public_url`. A login without a return target leads here. Required."},
		{path: method + ".scopes", text: "What is asked for. `user:email` makes GitHub tell the verified address, `read:org` the organizations and teams.", derived: "`[\"user:email\"]`"},
		{path: method + ".allowed_organizations", text: "Only active members of one of these organizations may enter, at login and on every check; names are compared without case. Needs the scope `read:org`. Empty: everybody who has an account."},
		{path: method + ".allowed_teams", text: "Only members of one of these teams may enter, which are named by their organization: one of `allowed_organizations`. Once there are entries, an organization without one admits nobody. Empty: all members of the organizations."},
		{path: method + ".allowed_teams.<organization>", text: "The teams, as in their addresses: `my-team` of `https://github.com/orgs/my-org/teams/my-team`. Case does not count."},
		{path: method + ".server_url", text: "The address of a GitHub Enterprise server, such as `https://github.example.com`. It is an `https` URL; `http` is admitted for this machine only.", fallback: "https://github.com"},
		{path: method + ".api_url", text: "The address of the server's REST API.", derived: "`https://api.github.com`, or what belongs to `server_url`"},
		{path: method + ".use_pkce", text: "Binds the code to the login that it was asked for (PKCE with S256). False at `https://github.com` is warned about.", derived: "`true`, and `false` on a GitHub Enterprise Server, which does not know it"},
		{path: method + ".recheck_interval", text: "How often GitHub is asked again who a person is and in which organizations and teams, while the session is in use: at least `1m`. Who is no longer a member loses the access then. While GitHub cannot be asked, its last answer counts. `0s` asks at login only."},
		{path: method + ".ca_path", text: "A file with certificates in PEM form that the server is verified with, instead of the system's."},
		{path: method + ".display_name", text: "What people read on the button, after \"Login with\".", derived: "`GitHub`"},
		{path: method + ".email_authority", text: "The domains whose addresses GitHub is believed, for `authentication.account_linking`: `example.com` or `*.example.com`."},
	}
}
