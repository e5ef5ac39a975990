package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
)

const (
	requestTimeout = 5 * time.Second
	maxBodySize    = 1 << 20
	maxRedirects   = 3
)

// parseAddress admits https, and http only where nobody can listen in.
func parseAddress(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an https address")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("holds user information")
	case u.Fragment != "":
		return nil, errors.New("holds a fragment")
	case u.Scheme == "http" && !keyset.IsLoopback(u.Hostname()):
		return nil, errors.New("is plain http to another machine; https is needed")
	}
	return u, nil
}

// newTransport makes connections that no environment variable redirects. plain
// says that the provider is on this machine, by http.
func newTransport(roots *x509.CertPool, plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: requestTimeout,
		Control: func(_, address string, _ syscall.RawConn) error { return keyset.CheckPeer(address, plain) },
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    requestTimeout,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		// A connection that the provider has given up meanwhile would fail a
		// request that must not be repeated.
		DisableKeepAlives: true,
	}
}

// newClient returns the client for documents that may be fetched again, and
// follows redirects within their host.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("too many redirects")
		}
		if from := via[0].URL; to.URL.Scheme != from.Scheme || !strings.EqualFold(to.URL.Host, from.Host) || to.URL.User != nil {
			return errors.New("redirect to another host")
		}
		return nil
	}}
}

// newTokenClient returns the client for requests that carry our secret, a code or
// a token: it follows no redirect, which would carry them elsewhere, and takes a
// success that is not JSON for none (RFC 6749 §5.1).
func newTokenClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     jsonOnly{t},
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// jsonOnly fails where a successful response is not JSON of at most maxBodySize.
type jsonOnly struct{ next http.RoundTripper }

var (
	errNotJSON = errors.New("the answer is not JSON")
	errTooLong = errors.New("the answer is longer than 1 MiB")
)

func (t jsonOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 && !isJSON(res.Header) {
		_ = res.Body.Close()
		return nil, errNotJSON
	}
	res.Body = &boundedBody{ReadCloser: res.Body, left: maxBodySize}
	return res, nil
}

// boundedBody is a body whose end is an error if it comes too late: a reader that
// merely stops would take the beginning for the whole.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left <= 0 {
		return 0, errTooLong
	}
	return n, err
}

func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// A statusError is an answer with a status other than 200.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// getJSON returns the JSON object at an address, no member of which is repeated;
// with a token, as its bearer (RFC 6750 §2.1). Errors hold nothing of the answer
// and nothing of the address but its host.
func getJSON(ctx context.Context, client *http.Client, address string, token gateward.Secret) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is not a URL")
	}
	return doJSON(client, req, token)
}

// doJSON makes one request, as getJSON does.
func doJSON(client *http.Client, req *http.Request, token gateward.Secret) (map[string]any, error) {
	req.Header.Set("User-Agent", "gateward")
	req.Header.Set("Accept", "application/json")
	if t := token.Reveal(); t != "" {
		req.Header.Set("Authorization", "Bearer "+t)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, withoutAddress(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{res.StatusCode}
	}
	if !isJSON(res.Header) {
		return nil, errNotJSON
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBodySize+1))
	if err != nil {
		return nil, withoutAddress(err)
	}
	if len(body) > maxBodySize {
		return nil, errTooLong
	}
	object, err := keyset.DecodeObject(body)
	if err != nil {
		return nil, errors.New("the answer is not an unambiguous JSON object")
	}
	return object, nil
}

// withoutAddress takes the address and its query off an error of a client.
func withoutAddress(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
