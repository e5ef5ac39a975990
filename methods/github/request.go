package github

import (
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/gateward/gateward/internal/keyset"
)

const (
	// requestTimeout bounds one request. GitHub itself gives up after ten seconds.
	requestTimeout = 5 * time.Second
	// maxBodySize is far above a page of a hundred teams.
	maxBodySize  = 4 << 20
	maxRedirects = 3
	// maxIdle is how many connections to the API are kept.
	maxIdle = 2 * maxConcurrent
)

var (
	errNotJSON = errors.New("the answer is not JSON")
	errTooLong = errors.New("the answer is longer than 4 MiB")
)

// newTransport makes connections that no environment variable redirects. plain
// says that the server is on this machine, by http.
func newTransport(s *settings, plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: requestTimeout,
		Control: func(_, address string, _ syscall.RawConn) error { return keyset.CheckPeer(address, plain) },
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots},
		TLSHandshakeTimeout:    requestTimeout,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        time.Minute,
	}
}

// newTokenClient returns the client for requests that carry our secret and a code:
// it follows no redirect, which would carry them elsewhere.
func newTokenClient(t http.RoundTripper, s *settings) *http.Client {
	if t == nil {
		own := newTransport(s, strings.HasPrefix(s.server, "http:"))
		// A connection that GitHub has given up meanwhile would fail a request that
		// must not be repeated.
		own.DisableKeepAlives = true
		t = own
	}
	return &http.Client{
		Transport: t, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newAPIClient returns the client for the REST API, which may redirect within
// itself.
func newAPIClient(t http.RoundTripper, s *settings) *http.Client {
	if t == nil {
		t = newTransport(s, strings.HasPrefix(s.api, "http:"))
	}
	return &http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("too many redirects")
		}
		if !sameSite(via[0].URL, to.URL) {
			return errors.New("redirect to another host")
		}
		return nil
	}}
}

// sameSite reports whether a token for one address may be sent to another.
func sameSite(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) && b.User == nil && b.Opaque == ""
}

// readBody returns a body of bounded length whose type is JSON.
func readBody(res *http.Response) ([]byte, error) {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, errNotJSON
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBodySize+1))
	if err != nil {
		return nil, withoutAddress(err)
	}
	if len(body) > maxBodySize {
		return nil, errTooLong
	}
	return body, nil
}

// withoutAddress takes the address and its query off an error of a client.
func withoutAddress(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
