package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// ParseAddress returns an address that we may ask: https, and http only where
// nobody can listen in, which is this machine; without user information and
// fragment. Its error says what the address is not or has, and nothing of it.
func ParseAddress(raw string) (*url.URL, error) {
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
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("is plain http to another machine; https is needed")
	}
	return u, nil
}

// SameHost reports whether what one address may be told, the other may, too: they
// have the same scheme, host and port.
func SameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) && b.User == nil && b.Opaque == ""
}

// IsLoopback reports whether host, without a port, is this machine by name or by
// address.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// checkPeer judges the address, IP:PORT, that a name has led to, for a dialer's
// Control: link-local ones and the one of IPv6 instance metadata give away a
// machine's own credentials. plain says that only this machine may answer.
func checkPeer(address string, plain bool) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("connect: not an IP address")
	}
	ip := peer.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLinkLocalUnicast(), ip == netip.MustParseAddr("fd00:ec2::254"):
		return fmt.Errorf("connect: %s is a link-local or metadata address", ip)
	case plain && !ip.IsLoopback():
		return fmt.Errorf("connect: http to %s, which is not this machine", ip)
	}
	return nil
}
