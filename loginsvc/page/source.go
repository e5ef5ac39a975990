package page

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gateward/gateward/internal/browser"
)

const (
	// maxURL bounds the address of an image, in bytes.
	maxURL = 2048
	// maxFormOrigins bounds the policy. A logout leads to one provider.
	maxFormOrigins = 8
)

// imageSource returns the source expression (CSP Level 3 §2.3.1) that admits
// the image at address, and whether an image may come from there.
func imageSource(address string) (string, bool) {
	if len(address) > maxURL || !browser.IsLink(address) {
		return "", false
	}
	if address[0] == '/' {
		return "'self'", true
	}
	return origin(address, "https")
}

// formSources returns the source expressions of the origins that are ones,
// without repetition. A provider under development may be without TLS.
func formSources(origins []string) []string {
	var sources []string
	for _, o := range origins {
		source, ok := origin(o, "https", "http")
		if ok && !slices.Contains(sources, source) && len(sources) < maxFormOrigins {
			sources = append(sources, source)
		}
	}
	return sources
}

// origin returns the scheme, host and port of address as a source expression.
// The host can only be what the grammar of one has room for: whatever else an
// address holds would end the directive, or admit more than one host.
func origin(address string, schemes ...string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	host, port := u.Hostname(), u.Port()
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return "", false
		}
	}
	if len(host) > 253 || len(port) > 5 {
		return "", false
	}
	if port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + strings.ToLower(host), true
}
