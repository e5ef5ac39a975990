package config

import (
	"net"
	"strconv"
	"strings"
	"time"
)

const maxCacheSize = 10_000_000

func (c *checker) server() {
	s := c.file.Config.Server
	c.grpcAddress("server.grpc.address", s.GRPC)
	c.tls(s.GRPC.TLS)
	if host, ok := c.hostPort("server.admin.address", s.Admin.Address, ""); ok && !loopback(host) {
		c.warn("server.admin.address", "opens metrics and readiness to the network, without authentication", "use 127.0.0.1, or let nobody else reach the port")
	}
	if s.DrainDelay > 0 && s.DrainDelay >= s.ShutdownGrace {
		c.warn("server.drain_delay", "leaves no time for the checks in flight within server.shutdown_grace", "make it shorter than "+formatDuration(s.ShutdownGrace))
	}
	cache := c.file.Config.Cache
	if cache.Size < 0 || cache.Size > maxCacheSize {
		c.bad("cache.size", c.shown("cache.size", strconv.Itoa(cache.Size))+" is out of range", "write 0 to "+strconv.Itoa(maxCacheSize))
	}
	if cache.NegativeTTL > 5*time.Second {
		c.warn("cache.negative_ttl", "keeps refusing a credential for "+formatDuration(cache.NegativeTTL)+" after it has become good", "set at most 5s")
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
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		c.bad(key+".key_file", "is missing, and cert_file is set", "set both")
	case t.CertFile == "" && t.KeyFile != "":
		c.bad(key+".cert_file", "is missing, and key_file is set", "set both")
	}
	if t.ClientCAFile != "" && t.CertFile == "" {
		c.bad(key+".client_ca_file", "needs cert_file and key_file: without TLS nobody is asked for a certificate", "set them")
	}
	if len(t.AllowedPrincipals) > 0 && t.ClientCAFile == "" {
		c.bad(key+".allowed_principals", "needs client_ca_file: without it no client shows a certificate", "set it")
	}
	c.fileExists(key+".cert_file", t.CertFile, "")
	c.fileExists(key+".key_file", t.KeyFile, "")
	c.fileExists(key+".client_ca_file", t.ClientCAFile, "")
}
