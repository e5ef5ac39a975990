package config

import (
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const maxCacheSize = 10_000_000

func (c *checker) server() {
	s := c.file.Config.Server
	c.grpcAddress("server.grpc.address", s.GRPC)
	c.tls(s.GRPC.TLS)
	c.http(s.HTTP)
	c.listeners(&s)
	c.clientIP(&s.ClientIP)
	if host, ok := c.hostPort("server.admin.address", s.Admin.Address, ""); ok && !loopback(host) {
		c.warn("server.admin.address", "opens metrics and readiness to the network, without authentication", "use 127.0.0.1, or let nobody else reach the port")
	}
	if s.DrainDelay > 0 && s.DrainDelay >= s.ShutdownGrace {
		c.warn("server.drain_delay", "leaves no time for the checks in flight within server.shutdown_grace", "make it shorter than "+formatDuration(s.ShutdownGrace))
	}
	c.limits()
	cache := c.file.Config.Cache
	if cache.Size < 0 || cache.Size > maxCacheSize {
		c.bad("cache.size", c.shown("cache.size", strconv.Itoa(cache.Size))+" is out of range", "write 0 to "+strconv.Itoa(maxCacheSize))
	}
	if cache.NegativeTTL > 5*time.Second {
		c.warn("cache.negative_ttl", "keeps refusing a credential for "+formatDuration(cache.NegativeTTL)+" after it has become good", "set at most 5s")
	}
	if cache.MaxStaleness > time.Minute {
		c.warn("cache.max_staleness", "lets a session that another replica has ended be used for up to "+formatDuration(cache.MaxStaleness), "set at most 1m")
	}
}

// limits checks how much is let through in a minute.
func (c *checker) limits() {
	const most = 10_000
	l := c.file.Config.Limits
	for key, n := range map[string]int{"limits.logins_per_minute": l.LoginsPerMinute, "limits.redirects_per_minute": l.RedirectsPerMinute} {
		if n < 0 || n > most {
			c.bad(key, c.shown(key, strconv.Itoa(n))+" is out of range", "write 1 to "+strconv.Itoa(most)+", or 0 for no limit")
		}
	}
}

// http checks the listener of the login service, which an empty address turns
// off.
func (c *checker) http(h HTTP) {
	const key = "server.http"
	c.certificate(key+".tls", h.TLS.CertFile, h.TLS.KeyFile)
	login := c.file.Config.Authentication.Methods.SessionCompatible()
	if h.Address == "" {
		if login {
			c.bad(key+".address", "is empty, so nobody could log in", "write host:port, such as :8080")
		}
		return
	}
	host, ok := c.hostPort(key+".address", h.Address, "")
	if ok && !loopback(host) && h.TLS.CertFile == "" && login {
		c.warn(key+".address", "whoever is on the way between Envoy and this port can take over logins: plain TCP is for a network that encrypts, such as a service mesh",
			"set server.http.tls.cert_file and key_file, or listen on 127.0.0.1")
	}
}

// listeners refuses two listeners with one address.
func (c *checker) listeners(s *Server) {
	taken := map[string]string{}
	for _, l := range []struct{ key, address string }{
		{"server.grpc.address", s.GRPC.Address},
		{"server.http.address", s.HTTP.Address},
		{"server.admin.address", s.Admin.Address},
	} {
		if first := taken[l.address]; first != "" && l.address != "" && !strings.HasSuffix(l.address, ":0") {
			c.bad(l.key, c.shown(l.key, l.address)+" is also "+first, "give each listener its own port")
		}
		taken[l.address] = l.key
	}
}

func (c *checker) clientIP(ip *ClientIP) {
	const most = 32
	key := "server.client_ip.trusted_hops"
	if ip.TrustedHops < 0 || ip.TrustedHops > most {
		c.bad(key, c.shown(key, strconv.Itoa(ip.TrustedHops))+" is out of range", "write how many proxies stand in front of Envoy: 0 to "+strconv.Itoa(most))
	}
	for i, text := range ip.TrustedProxies {
		key := c.itemKey("server.client_ip.trusted_proxies", i)
		switch p, err := parsePrefix(text); {
		case err != nil:
			c.bad(key, c.shown(key, text)+" is not a network", "write it as 10.0.0.0/8, or one address")
		case p.Bits() == 0:
			c.warn(key, "trusts everybody, so that a client can claim any address", "name the networks of your own proxies")
		}
	}
}

// pages checks what the login service shows of its site.
func (c *checker) pages() {
	const key, most = "pages.logo", 64
	p := c.file.Config.Pages
	if n := utf8.RuneCountInString(p.Name); n > most || strings.ContainsFunc(p.Name, unicode.IsControl) {
		c.bad("pages.name", "is not a name to show", "use at most "+strconv.Itoa(most)+" characters on one line")
	}
	if p.Logo == "" {
		return
	}
	if u := c.webURL(key, p.Logo, ""); u != nil && u.Scheme != "https" {
		c.bad(key, "is plain http, which browsers do not show on an https page", "write https://")
	}
}

func (c *checker) grpcAddress(key string, g GRPC) {
	if rest, ok := strings.CutPrefix(g.Address, "unix:"); ok {
		path := strings.TrimPrefix(rest, "//")
		if !strings.HasPrefix(path, "/") || path == "/" {
			c.bad(key, c.shown(key, g.Address)+" is not the address of a socket", "write unix:///path")
		}
		return
	}
	host, ok := c.hostPort(key, g.Address, " or unix:///path")
	if ok && !loopback(host) && g.TLS.CertFile == "" {
		c.warn(key, "whoever reaches this port can ask for decisions, and whoever is on the way can change them: plain TCP is for a network that encrypts, such as a service mesh",
			"set server.grpc.tls.cert_file and key_file, or listen on 127.0.0.1 or unix:///path")
	}
}

// hostPort checks an address of the form host:port, where an empty host means
// all of this machine's addresses.
func (c *checker) hostPort(key, address, or string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, "/ \t@") {
		c.bad(key, c.shown(key, address)+" is not an address", "write host:port"+or)
		return "", false
	}
	return host, true
}

func (c *checker) tls(t TLS) {
	const key = "server.grpc.tls"
	c.certificate(key, t.CertFile, t.KeyFile)
	if t.ClientCAFile != "" && t.CertFile == "" {
		c.bad(key+".client_ca_file", "needs cert_file and key_file: without TLS nobody is asked for a certificate", "set them")
	}
	if len(t.AllowedPrincipals) > 0 && t.ClientCAFile == "" {
		c.bad(key+".allowed_principals", "needs client_ca_file: without it no client shows a certificate", "set it")
	}
	c.fileExists(key+".client_ca_file", t.ClientCAFile, "")
}

// certificate checks a listener's certificate and its key.
func (c *checker) certificate(block, cert, key string) {
	switch {
	case cert != "" && key == "":
		c.bad(block+".key_file", "is missing, and cert_file is set", "set both")
	case cert == "" && key != "":
		c.bad(block+".cert_file", "is missing, and key_file is set", "set both")
	}
	c.fileExists(block+".cert_file", cert, "")
	c.fileExists(block+".key_file", key, "")
}
