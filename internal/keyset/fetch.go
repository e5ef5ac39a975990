package keyset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward/internal/outbound"
)

const (
	fetchTimeout    = 5 * time.Second
	maxDocumentSize = 1 << 20

	defaultFresh = 10 * time.Minute
	minFresh     = time.Minute
	maxFresh     = time.Hour
)

// fetcher gets one key set from one address.
type fetcher struct {
	url    string
	label  string // the address as in logs: without a query, which may hold a key
	client *http.Client
}

func newFetcher(c RemoteConfig) (fetcher, error) {
	u, err := outbound.ParseAddress(c.URL)
	if err != nil {
		return fetcher{}, fmt.Errorf("keyset: the address %w", err)
	}
	transport := c.Transport
	if transport == nil {
		own := outbound.NewTransport(fetchTimeout, c.RootCAs, u.Scheme == "http")
		own.DisableCompression = true
		transport = own
	}
	label := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return fetcher{
		url:   u.String(),
		label: label.String(),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: outbound.WithinHost,
			Timeout:       fetchTimeout,
		},
	}, nil
}

// fetch returns the keys, what was ignored, and for how long the answer is fresh.
func (f *fetcher) fetch(ctx context.Context) (all []key, ignored []string, fresh time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	document, fresh, err := f.get(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	all, ignored, err = parseSet(document)
	return all, ignored, fresh, err
}

func (f *fetcher) get(ctx context.Context) ([]byte, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, 0, errors.New("keyset: make request: the address is not a URL")
	}
	req.Header.Set("User-Agent", "gateward")
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("keyset: get: %w", outbound.WithoutAddress(err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("keyset: get: status %d", res.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(res.Body, maxDocumentSize+1))
	if err != nil {
		return nil, 0, fmt.Errorf("keyset: get: %w", err)
	}
	if len(document) > maxDocumentSize {
		return nil, 0, fmt.Errorf("keyset: get: more than %d bytes", maxDocumentSize)
	}
	return document, freshness(res.Header), nil
}

// freshness is max-age less Age (RFC 9111 §4.2), within bounds that neither
// flood the source nor keep a withdrawn key for long.
func freshness(h http.Header) time.Duration {
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return minFresh
			case "max-age":
				return clampAge(seconds(strings.Trim(value, `"`)) - seconds(h.Get("Age")))
			}
		}
	}
	return defaultFresh
}

func clampAge(d time.Duration) time.Duration { return min(max(d, minFresh), maxFresh) }

// seconds reads delta-seconds (RFC 9111 §1.2.2), 0 if they are not there, and
// never so many that they overflow.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return maxFresh
		}
		return 0
	}
	return time.Duration(n) * time.Second
}
