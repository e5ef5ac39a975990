package browser_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

// headers are request headers with lower-case names.
type headers map[string]string

func (h headers) Get(name string) ([]byte, bool) {
	v, ok := h[name]
	return []byte(v), ok
}

const chromeAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

func TestSEC_G21_OnlyNavigationsAreRedirected(t *testing.T) {
	t.Parallel()
	script, nav, grpc, ws := browser.Script, browser.Navigation, browser.GRPC, browser.WebSocket
	for _, tt := range []struct {
		name   string
		method string // "": GET
		h      headers
		want   browser.Client
	}{
		{name: "navigation", h: headers{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": chromeAccept}, want: nav},
		{name: "HEAD", method: "HEAD", h: headers{"sec-fetch-mode": "navigate"}, want: nav},
		{name: "old browser", h: headers{"accept": chromeAccept}, want: nav},
		{name: "old browser, other case", h: headers{"accept": "image/png, Text/HTML ; level=1"}, want: nav},
		{name: "weight", h: headers{"accept": "application/json, text/html;q=0.1"}, want: nav},
		{name: "weight 1", h: headers{"accept": "text/html; q=1.000"}, want: nav},

		{name: "fetch", h: headers{"sec-fetch-mode": "cors", "accept": "*/*"}, want: script},
		{name: "fetch that asks for HTML", h: headers{"sec-fetch-mode": "same-origin", "accept": "text/html"}, want: script},
		{name: "image", h: headers{"sec-fetch-mode": "no-cors", "accept": "image/*"}, want: script},
		{name: "mode in another case", h: headers{"sec-fetch-mode": "Navigate"}, want: script},
		{name: "empty mode", h: headers{"sec-fetch-mode": "", "accept": "text/html"}, want: script},
		{name: "another Sec-Fetch header only", h: headers{"sec-fetch-site": "none", "accept": "text/html"}, want: script},
		{name: "Sec-Fetch-Dest only", h: headers{"sec-fetch-dest": "document", "accept": "text/html"}, want: script},
		{name: "Sec-Fetch-User only", h: headers{"sec-fetch-user": "?1", "accept": "text/html"}, want: script},
		{name: "form", method: "POST", h: headers{"sec-fetch-mode": "navigate", "accept": chromeAccept}, want: script},
		{name: "PUT", method: "PUT", h: headers{"accept": chromeAccept}, want: script},
		{name: "lower-case method", method: "get", h: headers{"accept": chromeAccept}, want: script},
		{name: "no headers", h: headers{}, want: script},
		{name: "curl", h: headers{"accept": "*/*"}, want: script},
		{name: "text of any kind", h: headers{"accept": "text/*"}, want: script},
		{name: "HTML refused", h: headers{"accept": "text/html;q=0, */*"}, want: script},
		{name: "HTML refused, long", h: headers{"accept": "text/html ; q = 0.000"}, want: script},
		{name: "weight of no sense", h: headers{"accept": "text/html;q=much"}, want: script},
		{name: "empty weight", h: headers{"accept": "text/html;q="}, want: script},
		{name: "parameter that looks like it", h: headers{"accept": "application/json;x=text/html"}, want: script},
		{name: "longer subtype", h: headers{"accept": "text/html5, text/htm, xtext/html"}, want: script},
		{name: "XHR", h: headers{"accept": "text/html", "x-requested-with": "XMLHttpRequest"}, want: script},
		{name: "XHR, empty", h: headers{"sec-fetch-mode": "navigate", "x-requested-with": ""}, want: script},
		{name: "EventSource", h: headers{"sec-fetch-mode": "cors", "accept": "text/event-stream"}, want: script},
		{name: "old EventSource", h: headers{"accept": "text/event-stream"}, want: script},
		{name: "prefetch", h: headers{"sec-fetch-mode": "navigate", "sec-purpose": "prefetch"}, want: script},
		{name: "prerender", h: headers{"sec-fetch-mode": "navigate", "sec-purpose": "prefetch;prerender"}, want: script},
		{name: "old prefetch", h: headers{"accept": "text/html", "purpose": "prefetch"}, want: script},
		{name: "older prefetch", h: headers{"accept": "text/html", "x-moz": "prefetch"}, want: script},
		{name: "another purpose", h: headers{"sec-fetch-mode": "navigate", "sec-purpose": "other"}, want: nav},

		{name: "websocket", h: headers{"upgrade": "websocket", "sec-fetch-mode": "websocket"}, want: ws},
		{name: "websocket, other case", h: headers{"upgrade": "WebSocket", "accept": "text/html"}, want: ws},
		{name: "websocket in a list", h: headers{"upgrade": "h2c, websocket/13"}, want: ws},
		{name: "another upgrade", h: headers{"upgrade": "h2c", "accept": "text/html"}, want: script},
		{name: "not quite websocket", h: headers{"upgrade": "websockets", "sec-fetch-mode": "navigate"}, want: script},
		{name: "empty upgrade", h: headers{"upgrade": "", "sec-fetch-mode": "navigate"}, want: script},

		{name: "grpc", method: "POST", h: headers{"content-type": "application/grpc"}, want: grpc},
		{name: "grpc+proto", method: "POST", h: headers{"content-type": "application/grpc+proto"}, want: grpc},
		{name: "grpc with parameters", method: "POST", h: headers{"content-type": "application/grpc; charset=utf-8"}, want: grpc},
		{name: "grpc, other case", method: "POST", h: headers{"content-type": "Application/GRPC"}, want: grpc},
		{name: "grpc that looks like a page", h: headers{"content-type": "application/grpc", "sec-fetch-mode": "navigate"}, want: grpc},
		{name: "grpc-web", method: "POST", h: headers{"content-type": "application/grpc-web+proto"}, want: script},
		{name: "grpcfoo", method: "POST", h: headers{"content-type": "application/grpcfoo"}, want: script},
		{name: "grp", method: "POST", h: headers{"content-type": "application/grp"}, want: script},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			if got := browser.Classify([]byte(method), tt.h); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// asked records the names that Classify asks for.
type asked struct {
	headers
	names map[string]bool
}

func (a asked) Get(name string) ([]byte, bool) {
	a.names[name] = true
	return a.headers.Get(name)
}

func TestHeaderNames_AreThoseThatClassifyReads(t *testing.T) {
	t.Parallel()
	a := asked{headers{"accept": "*/*"}, map[string]bool{}}
	browser.Classify([]byte("GET"), a)
	for _, n := range browser.HeaderNames() {
		if !a.names[n] {
			t.Errorf("%s is listed and not read", n)
		}
		delete(a.names, n)
	}
	if len(a.names) > 0 {
		t.Errorf("read and not listed: %v", a.names)
	}
}

func TestClassify_DoesNotAllocate(t *testing.T) {
	var h browser.Headers = fixed{[]byte(chromeAccept)}
	method := []byte("GET")
	if n := testing.AllocsPerRun(100, func() { browser.Classify(method, h) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

type fixed struct{ accept []byte }

func (f fixed) Get(name string) ([]byte, bool) {
	return f.accept, name == "accept"
}

// FuzzClassify: a gRPC call, an upgrade, a prefetch or an unsafe method is
// never taken for a navigation, and neither is a request with other Sec-Fetch
// headers than a navigation's.
func FuzzClassify(f *testing.F) {
	f.Add("GET", "", "", "navigate", chromeAccept, "")
	f.Add("GET", "application/grpc", "", "navigate", chromeAccept, "")
	f.Add("POST", "application/grpc+proto", "", "", "", "")
	f.Add("GET", "", "h2c , WebSocket", "", chromeAccept, "")
	f.Add("HEAD", "", "", "-", "text/html;q=0.0, text/html", "prefetch")
	f.Add("GET", "application/grpc-web", "-", "-", "a/b;q=1,text/html", "-")
	f.Fuzz(func(t *testing.T, method, contentType, upgrade, mode, accept, purpose string) {
		h := headers{}
		for name, v := range map[string]string{
			"content-type": contentType, "upgrade": upgrade, "sec-fetch-mode": mode, "accept": accept, "sec-purpose": purpose,
		} {
			if v != "-" { // a header that is absent
				h[name] = v
			}
		}
		got := browser.Classify([]byte(method), h)
		ct := strings.ToLower(contentType)
		isGRPC := ct == "application/grpc" || strings.HasPrefix(ct, "application/grpc+") || strings.HasPrefix(ct, "application/grpc;")
		if isGRPC && got != browser.GRPC {
			t.Errorf("%q: got %v, want grpc", h, got)
		}
		if strings.HasPrefix(ct, "application/grpc-") && got == browser.GRPC {
			t.Errorf("%q: got grpc", h)
		}
		if !isGRPC && slices.Contains(strings.Split(strings.ToLower(upgrade), ","), "websocket") && got == browser.Navigation {
			t.Errorf("%q: an upgrade is a navigation", h)
		}
		if got != browser.Navigation {
			return
		}
		_, upgrades := h["upgrade"]
		_, fetches := h["sec-fetch-mode"]
		switch {
		case method != "GET" && method != "HEAD":
			t.Errorf("%s is a navigation", method)
		case upgrades, strings.HasPrefix(purpose, "prefetch") && len(purpose) == len("prefetch"):
			t.Errorf("%q is a navigation", h)
		case fetches && strings.Trim(mode, " \t") != "navigate":
			t.Errorf("Sec-Fetch-Mode %q is a navigation", mode)
		case !fetches && !strings.Contains(strings.ToLower(accept), "text/html"):
			t.Errorf("Accept %q is a navigation", accept)
		}
	})
}
