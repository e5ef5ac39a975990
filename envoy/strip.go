package envoy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// strip removes request headers at the edge.
type strip struct {
	// Why completes a comment: which attack the removal stops.
	Why string
	// Regex matches a whole header name (RE2).
	Regex string
}

// sep stands for a dash in a header name, and for everything that an
// application may take for one.
const sep = "[^a-z0-9]"

// maxCost keeps a name's regular expression below the program size that Envoy
// accepts (re2.max_program_size.error_level, 100). A letter costs 1, a separator
// sepCost.
const (
	maxCost = 90
	sepCost = 5
)

// strips returns what no client may send: the families that are dangerous in
// general, then what the configuration names beyond them.
func strips(identity, remove []string) ([]strip, error) {
	out := []strip{
		{"Identity, as Gateward tells it to applications.", spelled("x-(auth-request|gateward)-.*")},
		{"What Envoy tells others about a request, such as x-envoy-auth-failure-mode-allowed.", spelled("x-envoy-.*")},
		{"grpc-gateway turns these into metadata: another spelling of any header at all.", spelled("(grpc-metadata|grpcgateway)-.*")},
		{"Frameworks obey these instead of the method that was judged.", spelled("x-(http-method(-override)?|method-override)")},
		{
			"Frameworks obey these instead of the path or host that was judged.",
			spelled("x-(original-(url|uri|path|host|method)|rewrite-url|host)"),
		},
		{
			"The same, from a proxy that does not stand in front of this one.",
			spelled("x-forwarded-(host|port|prefix|path|uri|url|method|server|scheme|ssl)"),
		},
		{"Who the client is, from a proxy that does not stand in front of this one.", spelled("forwarded|x-real-ip|x-client-ip|true-client-ip")},
		{
			"Identity, as other proxies tell it to applications.",
			spelled("x-forwarded-(user|email|groups|preferred-username|access-token)"),
		},
		{"Likewise.", spelled("(x-)?remote-user|x-webauth-.*")},
		{"Envoy sets these itself; other spellings of them would be taken for its word.", misspelled("x", "forwarded", "(for|proto|client-cert)")},
		{"Likewise.", misspelled("x", "request", "id")},
		{"CGI programs take it for the proxy that they should use.", spelled("proxy")},
	}
	var errs []error
	seen := map[string]bool{}
	add := func(why, name string) {
		n, err := normalize(name)
		if err != nil {
			errs = append(errs, err)
			return
		}
		if seen[n] || strings.HasPrefix(n, "x-auth-request-") || strings.HasPrefix(n, "x-gateward-") {
			return // the first family has it
		}
		seen[n] = true
		out = append(out, strip{why, spelled(n)})
	}
	for _, h := range identity {
		if judged(h) {
			errs = append(errs, fmt.Errorf("envoy: identity header %q: a request is judged by it; choose another name", h))
			continue
		}
		add("Identity, as upstream.identity_headers names it.", h)
	}
	for _, h := range remove {
		if !judged(h) {
			add("As upstream.remove_headers demands.", h)
		}
	}
	return out, errors.Join(errs...)
}

// judged reports whether a decision, or the framing of the message, depends on
// the request header name: removing it before the check would change what is
// judged.
func judged(name string) bool {
	return slices.Contains([]string{
		"authorization", "cookie", "origin", "accept", "content-type", "content-length", "transfer-encoding",
		"connection", "upgrade", "te", "host", "x-requested-with", "x-csrf-token", "x-request-id", "x-forwarded-for",
		"access-control-request-method", "access-control-request-headers",
		"sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user",
	}, strings.ToLower(name))
}

// normalize returns name as all its spellings look to a careless reader: lower
// case, a dash for whatever is neither letter nor digit.
func normalize(name string) (string, error) {
	if name == "" || strings.HasPrefix(name, ":") {
		return "", fmt.Errorf("envoy: header name %q: want the name of an ordinary header", name)
	}
	var b strings.Builder
	alnum, cost := false, 0
	for _, r := range strings.ToLower(name) {
		switch {
		case isAlnum(r):
			alnum = true
			cost++
			b.WriteRune(r)
		case strings.ContainsRune("!#$%&'*+-.^_`|~", r): // RFC 9110 §5.6.2
			cost += sepCost
			b.WriteByte('-')
		default:
			return "", fmt.Errorf("envoy: header name %q: %q cannot stand in a header name", name, r)
		}
	}
	if cost > maxCost {
		return "", fmt.Errorf("envoy: header name %q: too long for Envoy to match; choose a shorter one", name)
	}
	if !alnum {
		return "", fmt.Errorf("envoy: header name %q: want at least one letter or digit", name)
	}
	return b.String(), nil
}

// spelled returns a regular expression for every spelling of the header names
// that pattern, a regular expression too, describes: case does not count, and a
// dash stands for any separator.
func spelled(pattern string) string {
	return "(?i)" + strings.ReplaceAll(pattern, "-", sep)
}

// misspelled returns a regular expression for every spelling of the words
// joined by separators, except the proper one: some separator is not a dash.
func misspelled(words ...string) string {
	var parts []string
	for i := 1; i < len(words); i++ {
		parts = append(parts, strings.Join(words[:i], "-")+"!"+strings.Join(words[i:], "-"))
	}
	return strings.ReplaceAll(spelled(strings.Join(parts, "|")), "!", "[^a-z0-9-]")
}
