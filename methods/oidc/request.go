package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	requestTimeout = 5 * time.Second
	maxBodySize    = 1 << 20
)

// newClient returns the client for documents that may be fetched again, and
// follows redirects within their host.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: outbound.WithinHost}
}

// newTokenClient returns the client for requests that carry our secret, a code or
// a token: it follows no redirect, which would carry them elsewhere, and takes a
// success that is not JSON for none (RFC 6749 §5.1).
func newTokenClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     jsonOnly{t},
		Timeout:       requestTimeout,
		CheckRedirect: outbound.Nowhere,
	}
}

// jsonOnly fails where a successful response is not JSON of at most maxBodySize.
type jsonOnly struct{ next http.RoundTripper }

func (t jsonOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 && !outbound.IsJSON(res.Header) {
		_ = res.Body.Close()
		return nil, outbound.ErrNotJSON
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
		return 0, outbound.ErrTooLong
	}
	return n, err
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
		return nil, outbound.WithoutAddress(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{res.StatusCode}
	}
	body, err := outbound.ReadJSON(res, maxBodySize)
	if err != nil {
		return nil, err
	}
	object, err := keyset.DecodeObject(body)
	if err != nil {
		return nil, errors.New("the answer is not an unambiguous JSON object")
	}
	return object, nil
}
