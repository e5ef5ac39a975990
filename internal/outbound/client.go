package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

const (
	// maxRedirects is how many redirects are followed.
	maxRedirects = 3
	// maxHeader bounds the headers of an answer, in bytes.
	maxHeader = 64 << 10
)

// The errors of [ReadJSON] that a caller decides on.
var (
	ErrNotJSON = errors.New("the answer is not JSON")
	ErrTooLong = errors.New("the answer is too long")
)

// NewTransport makes connections that no environment variable redirects, to servers
// that roots vouch for (nil: the system's), each step within timeout. plain says
// that the server is on this machine, by http. Connections end with the one request
// that they are for, because what the other side has given up meanwhile would fail
// a request that must not be repeated; who only asks may change that, before use.
func NewTransport(timeout time.Duration, roots *x509.CertPool, plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: timeout,
		Control: func(_, address string, _ syscall.RawConn) error { return checkPeer(address, plain) },
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
	}
}

// WithinHost is a CheckRedirect of [http.Client] that keeps to the host that was
// asked.
func WithinHost(to *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	case !SameHost(via[0].URL, to.URL):
		return errors.New("redirect to another host")
	}
	return nil
}

// Nowhere is a CheckRedirect of [http.Client] that follows none: for requests that
// carry a secret.
func Nowhere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// IsJSON reports whether an answer says that it is JSON.
func IsJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// ReadJSON returns the body of an answer that says that it is JSON, at most limit
// bytes of it: [ErrNotJSON] or [ErrTooLong] otherwise.
func ReadJSON(res *http.Response, limit int64) ([]byte, error) {
	if !IsJSON(res.Header) {
		return nil, ErrNotJSON
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, WithoutAddress(err)
	case int64(len(body)) > limit:
		return nil, ErrTooLong
	}
	return body, nil
}

// WithoutAddress takes the address and its query off an error of an [http.Client].
func WithoutAddress(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
