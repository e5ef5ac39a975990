package browser_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

func TestSEC_B18_ForwardedAddressesCountFromTheRight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		hops    int
		proxies []string
		xff     []string
		want    string
	}{
		{name: "none", want: "10.9.9.9"},
		{name: "default: who connected to Envoy", xff: []string{"1.1.1.1, 2.2.2.2, 10.0.0.1"}, want: "10.0.0.1"},
		{name: "one hop", hops: 1, xff: []string{"1.1.1.1, 2.2.2.2, 10.0.0.1"}, want: "2.2.2.2"},
		{name: "two hops", hops: 2, xff: []string{"1.1.1.1, 2.2.2.2, 10.0.0.1"}, want: "1.1.1.1"},
		{name: "more hops than entries", hops: 5, xff: []string{"1.1.1.1, 2.2.2.2"}, want: "1.1.1.1"},
		{name: "negative hops", hops: -1, xff: []string{"1.1.1.1, 2.2.2.2"}, want: "2.2.2.2"},
		{name: "several lines", hops: 2, xff: []string{"1.1.1.1, 2.2.2.2", "3.3.3.3,10.0.0.1"}, want: "2.2.2.2"},

		{name: "trusted proxies are skipped", proxies: []string{"10.0.0.0/8"}, xff: []string{"1.1.1.1, 2.2.2.2, 10.1.1.1, 10.0.0.1"}, want: "2.2.2.2"},
		{name: "no trusted proxy at the end", proxies: []string{"10.0.0.0/8"}, xff: []string{"10.1.1.1, 2.2.2.2"}, want: "2.2.2.2"},
		{name: "all are trusted", proxies: []string{"10.0.0.0/8"}, xff: []string{"10.1.1.1, 10.0.0.1"}, want: "10.1.1.1"},
		{name: "hops and proxies", hops: 1, proxies: []string{"10.0.0.0/8"}, xff: []string{"1.1.1.1, 2.2.2.2, 10.0.0.1, 3.3.3.3"}, want: "2.2.2.2"},
		{name: "a client's own trusted address", proxies: []string{"10.0.0.0/8"}, xff: []string{"10.6.6.6, 2.2.2.2, 10.0.0.1"}, want: "2.2.2.2"},
		{name: "IPv6 network", proxies: []string{"fd00::/8"}, xff: []string{"2001:db8::1, fd00::2"}, want: "2001:db8::1"},

		{name: "garbage at the end", hops: 1, xff: []string{"1.1.1.1, unknown"}, want: "10.9.9.9"},
		{name: "garbage on the way", hops: 2, xff: []string{"1.1.1.1, evil, 10.0.0.1"}, want: "10.0.0.1"},
		{name: "empty entry", hops: 2, xff: []string{"1.1.1.1,,10.0.0.1"}, want: "10.0.0.1"},
		{name: "empty line", hops: 1, xff: []string{""}, want: "10.9.9.9"},
		{name: "with a port", hops: 1, xff: []string{"1.1.1.1:1234, [2001:db8::1]:443"}, want: "1.1.1.1"},
		{name: "mapped", xff: []string{"::ffff:1.2.3.4"}, want: "1.2.3.4"},
		{name: "mapped is the network's", proxies: []string{"10.0.0.0/8"}, xff: []string{"1.1.1.1, ::ffff:10.0.0.1"}, want: "1.1.1.1"},
		{name: "zone", xff: []string{"fe80::1%eth0"}, want: "fe80::1"},
		{name: "bounded", hops: 1000, xff: []string{strings.Repeat("1.1.1.1,", 100) + strings.Repeat("2.2.2.2,", 31) + "10.0.0.1"}, want: "2.2.2.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var proxies []netip.Prefix
			for _, p := range tt.proxies {
				proxies = append(proxies, netip.MustParsePrefix(p))
			}
			c := browser.NewClientIP(tt.hops, proxies)
			if got := c.Of(tt.xff, netip.MustParseAddr("::ffff:10.9.9.9")); got.String() != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
