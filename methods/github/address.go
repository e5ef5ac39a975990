package github

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gateward/gateward/internal/outbound"
)

const (
	defaultServer = "https://github.com"
	// dataResidency is the domain below which GitHub hosts enterprises of their own.
	dataResidency = ".ghe.com"
)

// readAddress returns the address of that key, or nil if it is none.
func readAddress(key, configured, otherwise string, p *problems) *url.URL {
	if configured == "" {
		configured = otherwise
	}
	u, err := outbound.ParseAddress(configured)
	if err == nil && strings.ContainsAny(configured, "?#") {
		err = errors.New("holds a query or a fragment")
	}
	if err != nil {
		p.add(key, err.Error(), "write the https address of the server")
		return nil
	}
	return u
}

// site returns an address as it is compared and appended to: the host as [hostOf]
// has it, no slash at the end.
func site(u *url.URL) string {
	return u.Scheme + "://" + hostOf(u) + strings.TrimRight(u.EscapedPath(), "/")
}

// hostOf returns the host of an address as it is compared: in lower case, without
// the dot that a name may end with, and without the port that the scheme implies
// (RFC 3986 §6.2.3).
func hostOf(u *url.URL) string {
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return host
	}
	return host + ":" + port
}

func isGitHub(server *url.URL) bool { return hostOf(server) == "github.com" }

// isWWW reports whether a server is the name that GitHub has for who types it: it
// redirects, which requests with our secret do not follow.
func isWWW(server *url.URL) bool { return hostOf(server) == "www.github.com" }

func hasDataResidency(server *url.URL) bool {
	return strings.HasSuffix(hostOf(server), dataResidency)
}

// isEnterpriseServer reports whether the server is somebody's own, which has its
// API below itself and does not know PKCE.
func isEnterpriseServer(server *url.URL) bool { return !isGitHub(server) && !hasDataResidency(server) }

// apiOf returns the address of a server's REST API.
func apiOf(server *url.URL) string {
	switch {
	case isGitHub(server):
		return "https://api.github.com"
	case hasDataResidency(server):
		return "https://api." + hostOf(server)
	}
	return site(server) + "/api/v3"
}

// page returns the address of one of GitHub's own pages, or "" where a person
// should not be sent there.
func (s *settings) page(path string) string {
	if !strings.HasPrefix(s.server, "https://") {
		return ""
	}
	return s.server + path
}

// consentPage is where a person sees what the application may do, revokes it and
// asks organizations to approve it.
func (s *settings) consentPage() string {
	return s.page("/settings/connections/applications/" + url.PathEscape(s.ClientID))
}

// isOwnPage reports whether an address that GitHub has sent leads a person to
// GitHub and nowhere else.
func (s *settings) isOwnPage(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" {
		return false
	}
	own, err := url.Parse(s.server)
	return err == nil && own.Scheme == "https" && hostOf(u) == hostOf(own)
}
