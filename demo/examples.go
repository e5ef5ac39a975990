package main

import (
	"fmt"
	"io"
	"strings"
)

// field is a header line or a line of metadata.
type field struct{ name, value string }

// example is one request to try, and what must come of it.
type example struct {
	title string
	// path is requested with GET; for gRPC it is SERVICE/METHOD.
	path string
	grpc bool
	// header goes with it, as it is.
	header []field
	// want is the HTTP status, or the gRPC status code.
	want int
	// shows must appear in the answer, hides must not. For an answer of
	// Gateward's own, shows looks at its header as well.
	shows, hides []string
}

// examples are the requests of the demo, in an order that tells a story.
func examples(t tokens) []example {
	bearer := func(token string) field { return field{"Authorization", "Bearer " + token} }
	reader := bearer(readerToken)
	jwt := func(title, token string) example {
		return example{
			title: title, path: "/reports/1", header: []field{bearer(token)}, want: 200,
			shows: []string{`"x-auth-request-user"`, `"ada"`, `"x-auth-request-email"`, `"x-auth-request-groups"`, `"jwt"`},
			hides: []string{`"authorization"`},
		}
	}
	refused := func(title, token string) example {
		return example{title: title, path: "/reports/1", header: []field{bearer(token)}, want: 401, shows: []string{`error="invalid_token"`, `"code":16`}}
	}
	forged := []field{{"X-Auth-Request-User", "root"}, {"X_Auth_Request_User", "root"}, {"x.auth.request.user", "root"}}
	say, count := echoService+"/Say", echoService+"/Count"
	return []example{
		{title: "An anonymous rule: no credential needed.", path: "/public/page", want: 200, shows: []string{`"path": "/public/page"`}, hides: []string{"x-auth-request"}},
		{title: "No credential: 401, a challenge, JSON.", path: "/reports/1", want: 401, shows: []string{"Bearer realm=", `"code":16`, "not authenticated"}},
		{
			title: "A static token. The application sees who, and no credential.", path: "/reports/1", header: []field{reader}, want: 200,
			shows: []string{`"x-auth-request-user"`, `"reader"`}, hides: []string{readerToken, `"authorization"`},
		},
		{
			title: "The same as a cookie; other cookies pass.", path: "/reports/1", want: 200,
			header: []field{{"Cookie", "theme=dark; gateward_client_token=" + readerToken}},
			shows:  []string{`"reader"`, "theme=dark"}, hides: []string{readerToken},
		},
		{
			title: "And under the name that Flipt uses.", path: "/reports/1", header: []field{{"Cookie", "flipt_client_token=" + readerToken}}, want: 200,
			shows: []string{`"reader"`}, hides: []string{readerToken, `"cookie"`},
		},
		jwt("A JSON Web Token, RS256.", t.RS256),
		jwt("ES256.", t.ES256),
		jwt("EdDSA.", t.EdDSA),
		refused("A token for another audience.", t.WrongAudience),
		refused("An expired one.", t.Expired),
		refused("One without a signature (alg none).", t.Unsigned),
		refused("One signed by HMAC with the public key.", t.KeyConfusion),
		{
			title: "Forged identity headers never arrive, on anonymous paths neither.", path: "/public/page", header: forged, want: 200,
			hides: []string{"root"},
		},
		{title: "Nor beside a real identity.", path: "/reports/1", header: append([]field{reader}, forged...), want: 200, shows: []string{`"reader"`}, hides: []string{"root"}},
		{title: "Optional: nobody is let in,", path: "/greeting", want: 200, hides: []string{"x-auth-request-user"}},
		{title: "somebody is recognized,", path: "/greeting", header: []field{reader}, want: 200, shows: []string{`"reader"`}},
		{title: "a bad credential is refused.", path: "/greeting", header: []field{bearer("not-a-token-of-ours")}, want: 401},
		{title: "Known, but without the scope admin: 403.", path: "/scoped", header: []field{reader}, want: 403, shows: []string{`"code":7`, "insufficient_scope"}},
		{title: "With it.", path: "/admin/users", header: []field{bearer(adminToken)}, want: 200, shows: []string{`"administrator"`}},
		{title: "A rule that denies everybody.", path: "/internal/x", header: []field{bearer(adminToken)}, want: 403},
		{title: "A path that leads out of an anonymous rule is judged by where it leads.", path: "/public/../admin/users", want: 401},
		{title: "Hidden, it is refused altogether.", path: "/public/%252e%252e/admin/users", want: 400},
		{title: "An encoded slash in a name is no trick.", path: "/reports/a%2Fb", header: []field{reader}, want: 200, shows: []string{`"/reports/a%2Fb"`}},
		{title: "gRPC without a credential: UNAUTHENTICATED.", path: say, grpc: true, want: 16},
		{
			title: "gRPC with one, in metadata.", path: say, grpc: true, header: []field{reader}, want: 0,
			shows: []string{"x-auth-request-user: reader"}, hides: []string{"authorization:"},
		},
		{title: "A gRPC stream, with a JSON Web Token.", path: count, grpc: true, header: []field{bearer(t.ES256)}, want: 0, shows: []string{"hello 3", "x-auth-request-user: ada"}},
	}
}

// command returns the line that sends e from a shell.
func (e example) command(address string) string {
	var b strings.Builder
	if e.grpc {
		b.WriteString("grpcurl -plaintext")
		for _, f := range e.header {
			b.WriteString(" -H " + shellQuote(strings.ToLower(f.name)+": "+f.value))
		}
		fmt.Fprintf(&b, ` -d '{"text": "hello"}' %s %s`, address, e.path)
		return b.String()
	}
	b.WriteString("curl -i")
	if strings.Contains(e.path, "..") {
		b.WriteString(" --path-as-is")
	}
	for _, f := range e.header {
		b.WriteString(" -H " + shellQuote(f.name+": "+f.value))
	}
	b.WriteString(" " + shellQuote("http://"+address+e.path))
	return b.String()
}

// outcome says in words what must come of e.
func (e example) outcome() string {
	if e.grpc {
		return map[int]string{0: "OK", 16: "Unauthenticated"}[e.want]
	}
	return fmt.Sprint(e.want)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func printExamples(out io.Writer, address, origin, directory string, all []example) {
	fmt.Fprintf(out, "logs       %s/{gateward,envoy,upstream}.log\nconfigured %s/{gateward,envoy}.yaml\n", directory, directory)
	for _, e := range all {
		fmt.Fprintf(out, "\n# %s -> %s\n%s\n", e.title, e.outcome(), e.command(address))
	}
	fmt.Fprintf(out, `
Now open %[1]s and log in, with the development provider or with GitHub (a small
one of our own, where you can be a member of its organization or not). Ada is an
administrator: as her, open %[1]s/auth/admin
Ctrl-C ends all of it.
`, origin)
}
