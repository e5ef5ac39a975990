package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gateward/gateward/loginsvc/page"
)

// directives splits a policy.
func directives(t *testing.T, csp string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for d := range strings.SplitSeq(csp, "; ") {
		name, value, _ := strings.Cut(d, " ")
		if _, again := found[name]; again || name == "" {
			t.Errorf("directive %q is there twice in %q", name, csp)
		}
		found[name] = value
	}
	return found
}

// TestSEC_H15_PolicyAllowsOnlyWhatThePageHolds compares each policy with the
// page that it goes with.
func TestSEC_H15_PolicyAllowsOnlyWhatThePageHolds(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := s.document(newPages(t, s.site))
			root := parse(t, d)
			var styles, images []string
			for _, style := range all(root, "style") {
				sum := sha256.Sum256([]byte(style.FirstChild.Data))
				styles = append(styles, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
			}
			for _, img := range all(root, "img") {
				images = append(images, regexp.MustCompile(`^https://[^/]+`).FindString(attr(img, "src")))
			}
			got := directives(t, d.CSP)
			for name, want := range map[string]string{
				"default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'",
				"style-src": strings.Join(styles, " "), "img-src": strings.Join(images, " "),
			} {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
				delete(got, name)
			}
			if form := got["form-action"]; form != "'self'" && len(all(root, "form")) == 0 {
				t.Errorf("form-action: got %q on a page without forms", form)
			}
			delete(got, "form-action")
			if len(got) != 0 {
				t.Errorf("more than needed: %q", got)
			}
		})
	}
}

func TestSEC_H15_ImageSources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, logo, picture, want string }{
		{"none", "", "", ""},
		{"logo", "https://static.example.com/a/logo.svg?v=1", "", "https://static.example.com"},
		{"our logo", "/static/logo.svg", "", "'self'"},
		{"picture", "", "https://P.example.net:8443/ada", "https://p.example.net:8443"},
		{"both", "https://a.example/l", "https://b.example/p", "https://a.example https://b.example"},
		{"the same", "https://a.example/l", "https://a.example/p", "https://a.example"},
		{"end of the directive", "", "https://evil.example;script-src/x", ""},
		{"another policy", "", "https://evil.example,script-src/x", ""},
		{"any host", "", "https://*.example/x", ""},
		{"any host, escaped", "", "https://%2a.example/x", ""},
		{"keyword", "", "https://'unsafe-inline'/x", ""},
		{"with a password", "", "https://a:b@evil.example/x", ""},
		{"space", "", "https://evil.example /x", ""},
		{"no host", "", "https:///x", ""},
		{"only a port", "", "https://:443/x", ""},
		{"port of letters", "", "https://a.example:x/", ""},
		{"long port", "", "https://a.example:443443/", ""},
		{"another alphabet", "", "https://bücher.example/x", ""},
		{"address of IPv6, which the grammar has not", "", "https://[2001:db8::1]/x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newPages(t, page.Site{Logo: tt.logo}).Account(page.Account{Name: "x", Picture: tt.picture})
			if got := directives(t, d.CSP)["img-src"]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSEC_H15_FormsLeadOnlyWhereTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		origins []string
		want    string
	}{
		{"nowhere else", nil, "'self'"},
		{"provider", []string{"https://op.example.com/logout?x=1"}, "'self' https://op.example.com"},
		{"provider under development", []string{"http://localhost:9000"}, "'self' http://localhost:9000"},
		{"several", []string{"https://a.example", "https://b.example", "https://a.example/x"}, "'self' https://a.example https://b.example"},
		{"not one", []string{"", "*", "https:", "javascript:x", "https://a.example; script-src *", "/auth", "//a.example"}, "'self'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPages(t, page.Site{})
			for _, d := range []page.Document{
				p.Account(page.Account{FormOrigins: tt.origins}), p.Logout(page.Logout{FormOrigins: tt.origins}),
			} {
				if got := directives(t, d.CSP)["form-action"]; got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
	many := make([]string, 0, 100)
	for i := range 100 {
		many = append(many, "https://"+strings.Repeat("a", i+1)+".example")
	}
	d := newPages(t, page.Site{}).Logout(page.Logout{FormOrigins: many})
	if got := strings.Count(directives(t, d.CSP)["form-action"], "https:"); got != 8 {
		t.Errorf("got %d origins, want 8", got)
	}
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		site page.Site
		want []string // of the message; none for no error
	}{
		{"nothing", page.Site{}, nil},
		{"English", page.Site{Name: "Example", Language: "en"}, nil},
		{"another language", page.Site{Language: "tlh"}, []string{`"tlh"`, `"en"`}},
		{"logo without TLS", page.Site{Logo: "http://a.example/l"}, []string{"https", `"http://a.example/l"`}},
		{"relative logo", page.Site{Logo: "logo.svg"}, []string{"absolute path"}},
		{"logo elsewhere", page.Site{Logo: "//a.example/l"}, []string{"absolute path"}},
		{"both", page.Site{Logo: "x", Language: "x"}, []string{"logo", "language"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := page.New(tt.site)
			if (err == nil) != (tt.want == nil) || (err == nil) != (p != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %s", err, want)
				}
			}
		})
	}
}

func TestSEC_D08_TextsFromOutsideStayTexts(t *testing.T) {
	t.Parallel()
	p := newPages(t, page.Site{Name: `</title><script>alert(1)</script>`})
	const evil = `</p></div><script>alert(1)</script><img src=x onerror=alert(1)>`
	for name, d := range map[string]page.Document{
		"login": p.Login(page.Login{Notice: page.Notice{Kind: page.NoticeError, Title: evil, Text: evil}}),
		"error": p.Error(page.Error{Title: evil, Text: evil, RequestID: evil}),
	} {
		root := parse(t, d)
		if found := all(root, "script", "img"); len(found) != 0 {
			t.Errorf("%s: got %s", name, found[0].Data)
		}
		if !slices.ContainsFunc(all(root, "bdi", "h1"), func(e *html.Node) bool { return words(e) == evil }) {
			t.Errorf("%s: the text is not shown", name)
		}
		if strings.Contains(words(root), "Request id") {
			t.Errorf("%s: a request id that is none is shown", name)
		}
	}
}
