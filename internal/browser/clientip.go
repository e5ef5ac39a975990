package browser

import (
	"net/netip"
	"slices"
	"strings"
)

// maxForwarded bounds how many entries of X-Forwarded-For are looked at.
const maxForwarded = 32

// A ClientIP finds the address of the client in what proxies wrote down. It is
// immutable and safe for concurrent use.
type ClientIP struct {
	hops    int
	proxies []netip.Prefix
}

// NewClientIP returns a ClientIP. hops is the number of proxies in front of
// Envoy that are ours whatever their address; proxies are the networks of
// further ones. With neither the client is whoever connected to Envoy.
func NewClientIP(hops int, proxies []netip.Prefix) ClientIP {
	return ClientIP{hops: max(hops, 0), proxies: slices.Clone(proxies)}
}

// Of returns the address of the client of a request that came through Envoy:
// peer is who sent it to us, which is Envoy, and xForwardedFor are the values of
// the header of that name, whose last entry is who connected to Envoy. From
// there it goes left by the configured hops, and on while an entry belongs to a
// trusted proxy. What is not an address ends the way: whoever wrote it, the last
// one before is the last that is known.
func (c ClientIP) Of(xForwardedFor []string, peer netip.Addr) netip.Addr {
	last, n := peer.Unmap(), 0
	for i := len(xForwardedFor) - 1; i >= 0; i-- {
		line, more := xForwardedFor[i], true
		for more {
			if n == maxForwarded {
				return last
			}
			var entry string
			line, entry, more = cutLast(line)
			addr, ok := parseForwarded(entry)
			if !ok {
				return last
			}
			last = addr
			if n >= c.hops && !c.trusts(addr) {
				return last
			}
			n++
		}
	}
	return last
}

func (c ClientIP) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// cutLast cuts a comma-separated list before its last entry.
func cutLast(list string) (rest, entry string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], list[i+1:], true
	}
	return "", list, false
}

// parseForwarded reads one entry: an address, which some proxies give a port.
func parseForwarded(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}
