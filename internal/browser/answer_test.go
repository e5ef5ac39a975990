package browser_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		400: `{"code":3,"message":"request was not acceptable","details":[]}`,
		401: `{"code":16,"message":"request was not authenticated","details":[]}`,
		403: `{"code":7,"message":"permission denied","details":[]}`,
		405: `{"code":12,"message":"method not allowed","details":[]}`,
		429: `{"code":8,"message":"too many requests","details":[]}`,
		431: `{"code":8,"message":"request header is too large","details":[]}`,
		503: `{"code":14,"message":"service is temporarily unavailable","details":[]}`,
	} {
		p := browser.ProblemFor(status)
		if p.Status != status {
			t.Errorf("%d: got the problem of %d", status, p.Status)
		}
		if got := string(browser.JSON([]byte("x"), p)); got != "x"+want {
			t.Errorf("%d: got %s, want x%s", status, got, want)
		}
	}
	if n := len(browser.Statuses()); n != 7 {
		t.Errorf("got %d statuses, want 7", n)
	}
	if got := browser.JSON(nil, browser.Problem{Message: "a\"\n"}); !json.Valid(got) {
		t.Errorf("got %s", got)
	}
}

func TestProblemFor_UnknownStatusIsOurFault(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 302, 404, 500, 999} {
		if got := browser.ProblemFor(status); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%d: got status %d, want 503", status, got.Status)
		}
	}
}

func TestSEC_N07_AnswersSayNothingOfTheInside(t *testing.T) {
	t.Parallel()
	inside := regexp.MustCompile(`(?i)sql|redis|\.go:|dial tcp|goroutine|panic|jwks|issuer|envoy|gateward`)
	for _, status := range browser.Statuses() {
		p := browser.ProblemFor(status)
		if p.Title == "" || p.Advice == "" || p.Code == 0 {
			t.Errorf("%d: incomplete: %+v", status, p)
		}
		plain := browser.Plain(p)
		if plain == "" || len(plain) > 80 || strings.ContainsAny(plain, "{}<>\r\n%") {
			t.Errorf("%d: plain text %q", status, plain)
		}
		for _, body := range [][]byte{browser.JSON(nil, p), browser.Page(nil, p, "", browser.Detail{}), []byte(plain)} {
			if m := inside.Find(body); m != nil {
				t.Errorf("%d: %q in %s", status, m, body)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for contentType, got := range map[string][]browser.Header{
		"application/json":          browser.JSONHeaders(),
		"text/plain; charset=utf-8": browser.PlainHeaders(),
		"text/html; charset=utf-8":  browser.PageHeaders(),
	} {
		h := map[string]string{}
		for _, e := range got {
			if e.Name != strings.ToLower(e.Name) || h[e.Name] != "" || e.Value == "" {
				t.Errorf("%s: bad or repeated header %q", contentType, e)
			}
			h[e.Name] = e.Value
		}
		for name, want := range map[string]string{
			"content-type": contentType, "cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
		} {
			if h[name] != want {
				t.Errorf("%s: %s: got %q, want %q", contentType, name, h[name], want)
			}
		}
		if page := contentType == "text/html; charset=utf-8"; (h["content-security-policy"] == browser.PageCSP()) != page {
			t.Errorf("%s: got policy %q", contentType, h["content-security-policy"])
		}
	}
}
