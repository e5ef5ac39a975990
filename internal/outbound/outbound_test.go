package outbound

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSEC_Q08_ParseAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://op.example.com":             "",
		"https://op.example.com:8443/a?b=c":  "",
		"http://127.0.0.1:8080/keys":         "",
		"http://[::1]":                       "",
		"http://localhost":                   "",
		"http://op.example.com":              "plain http",
		"http://localhost.example.com":       "plain http",
		"http://127.0.0.1.example.com":       "plain http",
		"ftp://op.example.com":               "not an https address",
		"op.example.com":                     "not an https address",
		"":                                   "not an https address",
		"https:op.example.com":               "no host",
		"https://:443":                       "no host",
		"https://ada:secret@op.example.com":  "user information",
		"https://op.example.com#canary":      "fragment",
		"https://op.example.com/%zz?canary1": "not a URL",
	} {
		u, err := ParseAddress(address)
		switch {
		case (err == nil) != (want == ""), (u == nil) != (err != nil):
			t.Errorf("%q: got %v, %v", address, u, err)
		case err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "canary")):
			t.Errorf("%q: got %v, want %q and nothing of the address", address, err, want)
		}
	}
}

func TestSEC_Q08_WithinHost(t *testing.T) {
	t.Parallel()
	request := func(address string) *http.Request {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	for to, want := range map[string]bool{
		"https://op.example.com/b":          true,
		"https://OP.example.com/b":          true,
		"http://op.example.com/a":           false,
		"https://op.example.com:8443/a":     false,
		"https://evil.example/a":            false,
		"https://ada@op.example.com/a":      false,
		"https://op.example.com.evil.test/": false,
	} {
		if err := WithinHost(request(to), []*http.Request{request("https://op.example.com/a")}); (err == nil) != want {
			t.Errorf("to %s: %v", to, err)
		}
	}
	// However far it goes, the first host counts, and it goes not on for ever.
	far := []*http.Request{request("https://op.example.com"), request("https://evil.example"), request("https://evil.example")}
	if WithinHost(request("https://evil.example"), far) == nil {
		t.Error("followed to the host of the last redirect")
	}
	if WithinHost(request("https://op.example.com"), append(far, far[0])) == nil {
		t.Error("followed too often")
	}
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind, body string
		want       error
	}{
		"object":        {"application/json", `{"a":1}`, nil},
		"with charset":  {"application/json; charset=utf-8", "1234567", nil},
		"too long":      {"application/json", "12345678", ErrTooLong},
		"page":          {"text/html", "{}", ErrNotJSON},
		"none":          {"", "{}", ErrNotJSON},
		"another JSON":  {"application/jwk-set+json", "{}", ErrNotJSON},
		"malformed one": {"application/json; =", "{}", ErrNotJSON},
	} {
		body, err := ReadJSON(&http.Response{Header: http.Header{"Content-Type": {tc.kind}}, Body: io.NopCloser(strings.NewReader(tc.body))}, 7)
		if !errors.Is(err, tc.want) || tc.want == nil && string(body) != tc.body {
			t.Errorf("%s: got %q, %v, want %v", name, body, err, tc.want)
		}
	}
}

// A connection goes to the server itself, whatever the environment says, and nothing
// of the address gets into an error.
func TestNewTransport(t *testing.T) {
	t.Parallel()
	transport := NewTransport(5*time.Second, nil, true)
	if transport.Proxy != nil {
		t.Error("a proxy is looked for")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/", http.StatusFound)
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: transport, CheckRedirect: Nowhere}
	for path, want := range map[string]int{"/": http.StatusOK, "/away": http.StatusFound} {
		res, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, res.StatusCode, want)
		}
	}
	server.Close()
	res, err := client.Get(server.URL + "/?canary")
	if err == nil {
		_ = res.Body.Close()
	}
	if err == nil || strings.Contains(WithoutAddress(err).Error(), "canary") {
		t.Errorf("got %v", WithoutAddress(err))
	}
}
