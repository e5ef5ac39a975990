package browser_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

type originCase struct {
	name   string
	method string // "": POST
	header http.Header
	want   bool
}

func runSameOrigin(t *testing.T, tests []originCase) {
	t.Helper()
	own := []string{"https://app.example.com", "", "null"}
	trusted := []string{"https://admin.example.com", "http://dev.example.com:8080", "", "null"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodPost
			}
			if got := browser.SameOrigin(method, browser.HeadersOf(tt.header), own, trusted); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func site(v string, origin ...string) http.Header {
	h := http.Header{"Sec-Fetch-Site": {v}}
	if len(origin) > 0 {
		h["Origin"] = origin
	}
	return h
}

func from(origin ...string) http.Header { return http.Header{"Origin": origin} }

func TestSEC_H01_UnsafeRequestsComeFromUs(t *testing.T) {
	t.Parallel()
	ws := func(h http.Header) http.Header {
		h.Set("Upgrade", "websocket")
		return h
	}
	runSameOrigin(t, []originCase{
		{name: "same-origin", header: site("same-origin"), want: true},
		{name: "none", header: site("none"), want: true},
		{name: "blanks around", header: site(" same-origin "), want: true},
		{name: "cross-site", header: site("cross-site")},
		{name: "cross-site that names our origin", header: site("cross-site", "https://app.example.com")},
		{name: "cross-site, trusted", header: site("cross-site", "https://admin.example.com"), want: true},
		{name: "unknown word", header: site("same-orign")},
		{name: "other case", header: site("Same-Origin")},
		{name: "empty", header: site("", "https://app.example.com")},
		{name: "twice", header: http.Header{"Sec-Fetch-Site": {"same-origin", "same-origin"}}},

		{name: "own origin", header: from("https://app.example.com"), want: true},
		{name: "trusted origin", header: from("http://dev.example.com:8080"), want: true},
		{name: "other origin", header: from("https://evil.example")},

		{name: "GET", method: "GET", header: site("cross-site", "https://evil.example"), want: true},
		{name: "HEAD", method: "HEAD", want: true},
		{name: "OPTIONS", method: "OPTIONS", header: from("https://evil.example"), want: true},
		{name: "DELETE", method: "DELETE", header: site("cross-site")},
		{name: "TRACE", method: "TRACE"},
		{name: "get in lower case", method: "get"},
		{name: "unknown method", method: "PURGE", header: site("cross-site")},

		{name: "WebSocket from us", method: "GET", header: ws(from("https://app.example.com")), want: true},
		{name: "WebSocket from elsewhere", method: "GET", header: ws(site("cross-site", "https://evil.example"))},
		{name: "WebSocket from nowhere", method: "GET", header: ws(http.Header{})},
		{name: "WebSocket with a version", method: "GET", header: http.Header{"Upgrade": {"h2c, WebSocket/13"}}},
		{name: "another upgrade", method: "GET", header: http.Header{"Upgrade": {"h2c"}}, want: true},
	})
}

func TestSEC_H02_OriginsCompareExactly(t *testing.T) {
	t.Parallel()
	runSameOrigin(t, []originCase{
		{name: "other scheme", header: from("http://app.example.com")},
		{name: "other port", header: from("https://app.example.com:8443")},
		{name: "default port", header: from("https://app.example.com:443")}, // no browser writes it
		{name: "other case", header: from("https://APP.example.com")},
		{name: "with a path", header: from("https://app.example.com/")},
		{name: "below", header: from("https://x.app.example.com")},
		{name: "longer", header: from("https://app.example.com.evil")},
		{name: "null", header: from("null")},
		{name: "null, whatever is configured, with a site", header: site("cross-site", "null")},
		{name: "neither header"},
		{name: "empty", header: from("")},
		{name: "two", header: from("https://app.example.com", "https://app.example.com")},
		{name: "two joined", header: from("https://app.example.com,https://evil.example")},
	})
}

func TestSEC_H06_SiblingsAreNotUs(t *testing.T) {
	t.Parallel()
	runSameOrigin(t, []originCase{
		{name: "same-site", header: site("same-site", "https://other.example.com")},
		{name: "same-site that names our origin", header: site("same-site", "https://app.example.com")},
		{name: "same-site without origin", header: site("same-site")},
		{name: "same-site, listed", header: site("same-site", "https://admin.example.com"), want: true},
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ scheme, host, want string }{
		{"https", "app.example.com", "https://app.example.com"},
		{"HTTPS", "App.Example.com:443", "https://app.example.com"},
		{"http", "app.example.com:443", "http://app.example.com:443"},
		{"http", "localhost:80", "http://localhost"},
		{"http", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"http", "[::1]:8080", "http://[::1]:8080"},
		{"ftp", "app.example.com", ""},
		{"", "app.example.com", ""},
		{"https", "", ""},
		{"https", "a@b", ""},
		{"https", "a/b", ""},
		{"https", "a:", ""},
		{"https", "a,b", ""},
		{"https", "a:0", ""},
	} {
		if got := browser.Origin(tt.scheme, tt.host); got != tt.want {
			t.Errorf("%s, %s: got %q, want %q", tt.scheme, tt.host, got, tt.want)
		}
	}
	if got := browser.OriginOf(&url.URL{Scheme: "https", Host: "A:443", Path: "/x"}); got != "https://a" {
		t.Errorf("got %q", got)
	}
	if got := browser.OriginOf(nil); got != "" {
		t.Errorf("got %q from no URL", got)
	}
	if got := browser.OriginHeaderNames(); !slices.Equal(got, []string{"sec-fetch-site", "origin", "upgrade"}) {
		t.Errorf("got %v", got)
	}
}
