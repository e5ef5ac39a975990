package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// maxNetTimeout bounds how long something can hang on Redis, a shutdown included.
const maxNetTimeout = 10 * time.Second

func (c *checker) redis(key string, r *Redis) {
	c.redisAddresses(key, r)
	c.redisTLS(key, r)
	if !regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`).MatchString(r.Prefix) {
		c.bad(key+".prefix", c.shown(key+".prefix", r.Prefix)+" cannot begin our keys", "use 1 to 64 letters, digits and _ . : -")
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"db", r.DB}, {"pool_size", r.PoolSize}, {"min_idle_conn", r.MinIdleConn}} {
		if at := key + "." + n.key; n.value < 0 {
			c.bad(at, c.shown(at, strconv.Itoa(n.value))+" is negative", "write 0 or more")
		}
	}
	if at := key + ".net_timeout"; r.NetTimeout > maxNetTimeout {
		c.bad(at, c.shown(at, r.NetTimeout.String())+" is longer than anybody waits for an answer", "write 10s or less; checks have a second")
	}
	if r.PoolSize > 0 && r.MinIdleConn > r.PoolSize {
		c.bad(key+".min_idle_conn", "is more than pool_size, which is "+strconv.Itoa(r.PoolSize), "make it smaller")
	}
}

// redisAddresses checks what each mode needs.
func (c *checker) redisAddresses(key string, r *Redis) {
	if r.Port < 1 || r.Port > 65535 {
		c.bad(key+".port", c.shown(key+".port", strconv.Itoa(r.Port))+" is not a port", "write 1 to 65535, such as 6379")
	}
	for i, address := range r.Addresses {
		at := c.itemKey(key+".addresses", i)
		if host, ok := c.hostPort(at, address, ""); ok && host == "" {
			c.bad(at, c.shown(at, address)+" names no host", "write host:port")
		}
	}
	if r.Host == "" && len(r.Addresses) == 0 {
		c.bad(key+".host", "is empty, and there are no addresses", "name the host")
	}
	switch r.Mode {
	case "single":
		if len(r.Addresses) > 1 {
			c.bad(key+".addresses", "holds several addresses, and mode is single", "keep one, or set mode to cluster or sentinel")
		}
	case "cluster":
		if r.DB != 0 {
			c.bad(key+".db", "must be 0 with mode: cluster, which has no other databases", "remove it, and set prefix to tell applications apart")
		}
	case "sentinel":
		if r.MasterName == "" {
			c.bad(key+".master_name", "is missing, and mode is sentinel", "set it to the name that the sentinels know the master by")
		}
		if len(r.Addresses) == 0 {
			c.bad(key+".addresses", "is missing, and mode is sentinel", "list the sentinels as host:port")
		}
	}
	for _, k := range []struct {
		key string
		set bool
	}{
		{"master_name", r.MasterName != ""},
		{"sentinel_username", r.SentinelUsername != ""},
		{"sentinel_password", r.SentinelPassword.Reveal() != ""},
	} {
		if k.set && r.Mode != "sentinel" {
			c.bad(key+"."+k.key, "goes with mode: sentinel only, and mode is "+r.Mode, "remove it, or set mode")
		}
	}
	if c.set(key+".host") && len(r.Addresses) > 0 {
		c.warn(key+".host", "is not used, because there are addresses", "remove it")
	}
}

func (c *checker) redisTLS(key string, r *Redis) {
	switch {
	case r.CACertPath != "" && r.CACertBytes != "":
		c.bad(key, "authentication: session_storage please provide exclusively one of ca_cert_bytes or ca_cert_path", "remove one of the two")
	case r.CertPath != "" && r.KeyPath == "":
		c.bad(key+".key_path", "is missing, and cert_path is set", "set both")
	case r.CertPath == "" && r.KeyPath != "":
		c.bad(key+".cert_path", "is missing, and key_path is set", "set both")
	}
	for _, f := range []struct{ key, name string }{
		{"ca_cert_path", r.CACertPath}, {"cert_path", r.CertPath}, {"key_path", r.KeyPath},
	} {
		c.fileExists(key+"."+f.key, f.name, "")
	}
	if !r.RequireTLS {
		for _, k := range []struct {
			key string
			set bool
		}{
			{"ca_cert_path", r.CACertPath != ""},
			{"ca_cert_bytes", r.CACertBytes != ""},
			{"cert_path", r.CertPath != ""},
			{"key_path", r.KeyPath != ""},
			{"insecure_skip_tls", r.InsecureSkipTLS},
		} {
			if k.set {
				c.bad(key+"."+k.key, "is of no use without require_tls: the connection would not be encrypted", "set "+key+".require_tls to true")
			}
		}
		if slices.ContainsFunc(r.Endpoints(), remote) {
			c.warn(key+".require_tls", "is off, so whoever is on the way can read the password, and then do with Redis what we can: plain TCP is for a network that encrypts",
				"set it to true")
		}
	} else if r.InsecureSkipTLS {
		c.warn(key+".insecure_skip_tls", "takes anybody for Redis: the connection is encrypted, and not verified", "set ca_cert_path instead")
	}
}

// remote reports whether an address, host:port, leads off this machine.
func remote(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && !loopback(host)
}
