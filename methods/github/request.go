package github

import (
	"net/http"
	"strings"
	"time"

	"github.com/gateward/gateward/internal/outbound"
)

const (
	// requestTimeout bounds one request. GitHub itself gives up after ten seconds.
	requestTimeout = 5 * time.Second
	// maxBodySize is far above a page of a hundred teams.
	maxBodySize = 4 << 20
	// maxIdle is how many connections to the API are kept.
	maxIdle = 2 * maxConcurrent
)

// newTokenClient returns the client for requests that carry our secret and a code:
// it follows no redirect, which would carry them elsewhere.
func newTokenClient(t http.RoundTripper, s *settings) *http.Client {
	if t == nil {
		t = outbound.NewTransport(requestTimeout, s.roots, strings.HasPrefix(s.server, "http:"))
	}
	return &http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: outbound.Nowhere}
}

// newAPIClient returns the client for the REST API, which may redirect within
// itself.
func newAPIClient(t http.RoundTripper, s *settings) *http.Client {
	if t == nil {
		own := outbound.NewTransport(requestTimeout, s.roots, strings.HasPrefix(s.api, "http:"))
		own.DisableKeepAlives, own.ForceAttemptHTTP2 = false, true
		own.MaxIdleConnsPerHost, own.IdleConnTimeout = maxIdle, time.Minute
		t = own
	}
	return &http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: outbound.WithinHost}
}
