package keyset

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	fetchTimeout    = 5 * time.Second
	maxDocumentSize = 1 << 20
	maxRedirects    = 3

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
	u, err := parseAddress(c.URL)
	if err != nil {
		return fetcher{}, err
	}
	transport := c.Transport
	if transport == nil {
		transport = newTransport(c, u.Scheme == "http")
	}
	label := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return fetcher{
		url:   u.String(),
		label: label.String(),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: checkRedirect,
			Timeout:       fetchTimeout,
		},
	}, nil
}

// parseAddress admits https, and http only where nobody can listen in.
func parseAddress(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("keyset: the address is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("keyset: the address has scheme %s; https is needed", quote(u.Scheme))
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("keyset: the address has no host")
	case u.User != nil:
		return nil, errors.New("keyset: the address holds user information")
	case u.Fragment != "":
		return nil, errors.New("keyset: the address holds a fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("keyset: http to %s, which is not this machine; https is needed", quote(u.Hostname()))
	}
	return u, nil
}

// IsLoopback reports whether host, without a port, is this machine by name or by
// address.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// newTransport makes connections that no environment variable redirects and that
// end with the one request they are for.
func newTransport(c RemoteConfig, plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: fetchTimeout,
		Control: func(_, address string, _ syscall.RawConn) error { return CheckPeer(address, plain) },
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
		TLSHandshakeTimeout:    fetchTimeout,
		ResponseHeaderTimeout:  fetchTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
}

// CheckPeer judges the address, IP:PORT, that a name has led to, for a dialer's
// Control: link-local ones and the one of IPv6 instance metadata give away a
// machine's own credentials. plain says that only this machine may answer.
func CheckPeer(address string, plain bool) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("keyset: connect: not an IP address")
	}
	ip := peer.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLinkLocalUnicast(), ip == netip.MustParseAddr("fd00:ec2::254"):
		return fmt.Errorf("keyset: connect: %s is a link-local or metadata address", ip)
	case plain && !ip.IsLoopback():
		return fmt.Errorf("keyset: connect: http to %s, which is not this machine", ip)
	}
	return nil
}

// checkRedirect keeps to the host that was configured.
func checkRedirect(to *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("keyset: too many redirects")
	}
	from := via[0].URL
	if to.URL.Scheme != from.Scheme || !strings.EqualFold(to.URL.Host, from.Host) || to.URL.User != nil {
		return fmt.Errorf("keyset: redirect to another host %s", quote(to.URL.Host))
	}
	return nil
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
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address and its query
		}
		return nil, 0, fmt.Errorf("keyset: get: %w", err)
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
