package envoy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/envoy/envoytest"
)

// protectedYAML opens /public and leaves the rest to one who may not be admin:
// whatever reaches /admin, by any reading, must not be anonymous, nor theirs.
const protectedYAML = `
authentication:
  methods:
    token: {enabled: true, storage: {tokens: {user: {credential: ` + staticToken + `, scopes: [read]}}}}
rules:
- {name: admin, match: {paths: [/admin, /admin/**]}, require: {scopes: [admin]}}
- {name: public, match: {paths: [/public, /public/**]}, access: anonymous}
server: {drain_delay: 0s}
`

// tricks reach /admin behind /public, or /admin itself, at one upstream or
// another: the recorded ones, published ones, and others.
func tricks() []string {
	var out []string
	ups := []string{
		"..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25252e%25252e", "..;", "..;a=b", "..%3b", "..%3Bx", "..%253b", "..%00", "..%09", "..%20", "%20..", "..%0d%0a",
		"%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "%u002e%u002e", "..%c2%a0", ".%e2%80%8b.", "..%ef%bb%bf", "%e2%80%ae..", ". .", ".%20.",
	}
	slashes := []string{"/", "%2f", "%2F", "%5c", "%5C", "\\", "%252f", "%255c", "//", "%ef%bc%8f", "%c0%af", "%e2%88%95"}
	for _, up := range ups {
		for _, slash := range slashes {
			out = append(out, "/public/"+up+slash+"admin", "/public"+slash+up+slash+"admin/x")
		}
	}
	for _, admin := range []string{
		"//admin", "///admin/x", "/./admin", "/.;/admin", "/%2e/admin", "/%2fadmin", "/;/admin", "/;x=y/admin", "/%3b/admin", "/admin;x", "/admin;/x", "/admin%3bx",
		"/admin%23", "/admin%3f", "/admin%2f", "/admin%5c", "/admin%00", "/admin%09", "/admin%20", "/%20admin", "/admin.", "/admin%2e", "/admin..", "/%61dmin",
		"/%2561dmin", "/adm%69n/x", "/\\admin", "/%5cadmin", "/admin/", "/admin//", "/a%64min", "/ａdmin", "/%ef%bd%81dmin", "/admin%e2%80%8b", "/%c2%adadmin",
		"/public;%2f..%2fadmin", "/public%2f..%2fadmin", "/public%252f..%252fadmin", "/public%5c..%5cadmin", "/public/x;/../../admin", "/public//../admin", "/public/.//../admin",
		"/public#/../admin", "/public?/../../admin", "/public/%23/../../admin", "/admin%23/public", "/admin%3f/public", "/admin;/public/x",
	} {
		out = append(out, admin, "/public/.."+admin)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestSEC_A06_PathTricks sends every trick on the wire and looks at what the
// application got, which is what counts.
func TestSEC_A06_PathTricks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{"hardened": func(b string) string { return b }, "as Envoy is by default": unnormalized} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, protectedYAML, change)
			for _, target := range tricks() {
				for _, credential := range []string{"X-None: 1", "Authorization: Bearer " + staticToken} {
					got, err := envoytest.SendRaw(t.Context(), s.Address, envoytest.Message("GET", target, credential, "Connection: close"))
					if err != nil {
						t.Fatalf("%s: %v", target, err)
					}
					passed := s.reached()
					if got.Status != 200 && len(passed) != 0 {
						t.Errorf("%s: got %d, and yet the application was reached", target, got.Status)
					}
					for _, r := range passed {
						// Normalized or not, what the application gets must be
						// neither /admin in any reading nor, without a
						// credential, anything but /public as it stands.
						if isAdmin(r.Target) {
							t.Errorf("%s with %q: the application got %s", target, credential[:4], r.Target)
						}
						anonymous := r.Values("x-auth-request-user") == nil
						if anonymous && (!strings.HasPrefix(r.Target, "/public") || strings.ContainsAny(pathOf(r.Target), "%;\\") || strings.Contains(pathOf(r.Target), "//")) {
							t.Errorf("%s: anonymous, the application got %s", target, r.Target)
						}
					}
				}
			}
		})
	}
}

// TestSEC_A06_LoginPathsInDisguise: what Envoy does not route to the login service
// is no path of it, however it reads, and the session cookie stays with us.
func TestSEC_A06_LoginPathsInDisguise(t *testing.T) {
	t.Parallel()
	s := startStack(t, siteYAML, unnormalized)
	for _, target := range []string{"/%61uth/x", "/a%75th/x", "/%61uth", "/%61pi/csrf", "/api/%63srf", "/auth%2fx", "/auth;/x"} {
		got := envoytest.RawRequest(t, s.Address, envoytest.Message("GET", target,
			"Cookie: app=1; gateward_client_token=not-a-session", "Connection: close"))
		if got.Status < 400 {
			t.Errorf("%s: got %d", target, got.Status)
		}
		for _, r := range s.reached() {
			t.Errorf("%s: the application got %s with cookie %q", target, r.Target, r.Values("cookie"))
		}
	}
}

func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// isAdmin reports whether some upstream would take the target for /admin or
// something below: every percent-decoding, parameter cutting, slash turning
// and dot resolving that the tricks are made of.
func isAdmin(target string) bool {
	path := pathOf(target)
	for range 3 {
		for _, fold := range []func(string) string{
			func(s string) string { return s },
			func(s string) string { return cutParameters(s) },
		} {
			p := strings.NewReplacer("\\", "/", "\x00", "", "\t", "", " ", "", "\u200b", "", "\u00ad", "", "／", "/", "．", ".", "ａ", "a").Replace(fold(path))
			if first := firstSegment(p); first == "admin" || strings.TrimRight(first, ".") == "admin" {
				return true
			}
		}
		path = decodeOnce(path)
	}
	return false
}

func cutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

func decodeOnce(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			lower := strings.ToLower(s[i+1 : i+3])
			hi, lo := strings.IndexByte(digits, lower[0]), strings.IndexByte(digits, lower[1])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// firstSegment resolves dot segments, leniently, and returns the first one.
func firstSegment(path string) string {
	path, _, _ = strings.Cut(path, "#")
	path, _, _ = strings.Cut(path, "?")
	var stack []string
	for _, s := range strings.Split(path, "/") {
		switch s {
		case "", ".":
		case "..":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		default:
			stack = append(stack, s)
		}
	}
	if len(stack) == 0 {
		return ""
	}
	return stack[0]
}

// TestOrdinaryPathsWork: what real applications use arrives, as it was sent.
func TestOrdinaryPathsWork(t *testing.T) {
	t.Parallel()
	s := startStack(t, protectedYAML)
	for _, target := range []string{
		"/", "/orders/1?x=%2e%2e/&y=a;b", "/files/a%2fb", "/%e4%bd%a0%e5%a5%bd", "/caf%c3%a9", "/matrix;v=1/x", "/@scope%2fpackage", "/a%20b", "/100%25", "/a,b;c",
		"/~user/x.tar.gz", "/a:b@c", "/x/(y)!*'", "/search/c%2b%2b", "/v1/items/a%3ab", "/.well-known/openid-configuration", "/a..b/...c",
	} {
		if got := s.get(t, target, "Authorization: Bearer "+staticToken); got.Status != 200 {
			t.Errorf("%s: got %d", target, got.Status)
			continue
		}
		if got := s.one(t).Target; got != target {
			t.Errorf("%s arrived as %s", target, got)
		}
	}
	for _, target := range []string{"/public", "/public/x", "/public/caf%c3%a9/a%20b?q=%2f"} {
		if got := s.get(t, target); got.Status != 200 {
			t.Errorf("%s: got %d", target, got.Status)
		}
	}
}
