package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gateward/gateward"
)

// The modes of Config.Mode.
const (
	ModeSingle   = "single"
	ModeCluster  = "cluster"
	ModeSentinel = "sentinel"
)

const (
	defaultPrefix     = "gateward"
	defaultNetTimeout = 500 * time.Millisecond
	maxPrefixLength   = 64
)

// Config is the redis block of the configuration. Its ConfigErrors carry keys
// relative to that block.
type Config struct {
	// Mode is "single", which is also "", "cluster" or "sentinel".
	Mode string
	// Addresses are host:port: of the server (one), of some of the cluster's
	// nodes, or of the sentinels.
	Addresses []string
	// MasterName is what the sentinels call the master; for "sentinel" only.
	MasterName string

	// Username, if any, is a user of Redis' ACL, with the rules of [ACLRules].
	Username string
	Password gateward.Secret
	// SentinelUsername and SentinelPassword are for the sentinels.
	SentinelUsername string
	SentinelPassword gateward.Secret
	// DB is the number of the database, which a cluster has only one of.
	DB int
	// Prefix begins the name of every key and channel: letters, digits, "_", "-",
	// "." and ":", at most 64. "" is "gateward".
	Prefix string

	TLS TLS

	// PoolSize is the number of connections to each server; 0: ten for each
	// processor.
	PoolSize int
	// MinIdleConns are kept open although nothing uses them.
	MinIdleConns int
	// ConnMaxIdleTime is after which time an idle connection is closed; 0: half
	// an hour.
	ConnMaxIdleTime time.Duration
	// NetTimeout bounds a connection attempt, a read, a write, and the wait for a
	// free connection, each; a whole operation takes at most twice as long. 0 is
	// half a second: checks have to be answered in time.
	NetTimeout time.Duration
}

// TLS says how connections are protected, to sentinels too.
type TLS struct {
	// RequireTLS: TLS 1.2 or later. Without it the other fields are an error.
	RequireTLS bool
	// CACertPath is a PEM file with the authorities that the servers'
	// certificates are verified by, CACertBytes the PEM itself; at most one is
	// set. Without either they are the system's.
	CACertPath, CACertBytes string
	// CertPath and KeyPath are PEM files with the certificate that we show. They
	// are read at every handshake, so that they can be renewed.
	CertPath, KeyPath string
	// InsecureSkipTLS: whoever answers is believed to be Redis.
	InsecureSkipTLS bool
}

// problems collects what is wrong with a Config.
type problems []error

func (p *problems) add(key, problem, remedy string) {
	*p = append(*p, &gateward.ConfigError{Key: key, Problem: problem, Remedy: remedy})
}

// defaulted returns c with everything set that has a default.
func (c Config) defaulted() Config {
	if c.Mode == "" {
		c.Mode = ModeSingle
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.NetTimeout == 0 {
		c.NetTimeout = defaultNetTimeout
	}
	return c
}

// options returns the client's options, or what is wrong with c.
func (c *Config) options() (*goredis.UniversalOptions, error) {
	var p problems
	c.checkTopology(&p)
	c.checkNumbers(&p)
	if i := strings.IndexFunc(c.Prefix, notInPrefix); i >= 0 || len(c.Prefix) > maxPrefixLength {
		p.add("prefix", fmt.Sprintf("%.80q cannot begin a key", c.Prefix), "use at most 64 letters, digits and _-.:")
	}
	tlsConfig := c.TLS.config(&p)
	if len(p) > 0 {
		return nil, errors.Join(p...)
	}
	return &goredis.UniversalOptions{
		Addrs: c.Addresses, MasterName: c.MasterName, DB: c.DB,
		Username: c.Username, Password: c.Password.Reveal(),
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword.Reveal(),
		TLSConfig: tlsConfig,

		// Whatever is sent twice has no other effect than if it were sent once; see
		// scripts.go.
		MaxRetries: 2, MinRetryBackoff: 8 * time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		DialTimeout: c.NetTimeout, DialerRetries: 1, ReadTimeout: c.NetTimeout, WriteTimeout: c.NetTimeout,
		PoolTimeout: c.NetTimeout, ContextTimeoutEnabled: true,

		PoolSize: c.PoolSize, MaxActiveConns: c.PoolSize, MinIdleConns: c.MinIdleConns,
		ConnMaxIdleTime: c.ConnMaxIdleTime, PipelinePoolSize: -1,

		// The server says nothing that we did not ask for.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

func (c *Config) checkTopology(p *problems) {
	switch c.Mode {
	case ModeSingle:
		if len(c.Addresses) > 1 {
			p.add("addresses", fmt.Sprintf("%d addresses for a single server", len(c.Addresses)), "name one, or set mode to cluster or sentinel")
		}
	case ModeCluster:
		if c.DB != 0 {
			p.add("db", fmt.Sprintf("a cluster has no database %d", c.DB), "use 0")
		}
	case ModeSentinel:
		if c.MasterName == "" {
			p.add("master_name", "required in mode sentinel", "use the name that the sentinels monitor the master under")
		}
	default:
		p.add("mode", fmt.Sprintf("unknown mode %.40q", c.Mode), "use single, cluster or sentinel")
	}
	if c.MasterName != "" && c.Mode != ModeSentinel {
		p.add("master_name", "there are no sentinels in mode "+c.Mode, "remove it, or set mode to sentinel")
	}
	if len(c.Addresses) == 0 {
		p.add("addresses", "no address", "name at least one host:port")
	}
	for i, a := range c.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			p.add(fmt.Sprintf("addresses[%d]", i), fmt.Sprintf("%.80q is no address", a), "use host:port")
		}
	}
}

func (c *Config) checkNumbers(p *problems) {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"db", int64(c.DB)},
		{"pool_size", int64(c.PoolSize)},
		{"min_idle_conn", int64(c.MinIdleConns)},
		{"conn_max_idle_time", int64(c.ConnMaxIdleTime)},
		{"net_timeout", int64(c.NetTimeout)},
	} {
		if n.value < 0 {
			p.add(n.key, "less than zero", "use 0 for the default")
		}
	}
	if c.NetTimeout > 0 && c.NetTimeout < time.Millisecond {
		p.add("net_timeout", fmt.Sprintf("%s is too short for any network", c.NetTimeout), "use 500ms")
	}
}

// notInPrefix also keeps braces out: what is between them decides about the slot
// in a cluster.
func notInPrefix(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.:", r)
}

// config returns nil if there is to be no TLS.
func (t *TLS) config(p *problems) *tls.Config {
	if !t.RequireTLS {
		for key, set := range map[string]bool{
			"ca_cert_path": t.CACertPath != "", "ca_cert_bytes": t.CACertBytes != "",
			"cert_path": t.CertPath != "", "key_path": t.KeyPath != "", "insecure_skip_tls": t.InsecureSkipTLS,
		} {
			if set {
				p.add(key, "without effect while require_tls is false", "set require_tls, or remove it")
			}
		}
		return nil
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: t.authorities(p),
		InsecureSkipVerify: t.InsecureSkipTLS, //nolint:gosec // it is asked for by a name that says so
	}
	switch {
	case t.CertPath == "" && t.KeyPath == "":
		return c
	case t.CertPath == "":
		p.add("cert_path", "missing beside key_path", "name the certificate of that key")
		return c
	case t.KeyPath == "":
		p.add("key_path", "missing beside cert_path", "name the key of that certificate")
		return c
	}
	certificate := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertPath, t.KeyPath)
		return &pair, err
	}
	if _, err := certificate(); err != nil {
		p.add("cert_path", fmt.Sprintf("%.200q and key_path are no pair: %v", t.CertPath, err), "name PEM files that belong together")
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate() }
	return c
}

// authorities returns nil for those of the system.
func (t *TLS) authorities(p *problems) *x509.CertPool {
	key, text := "ca_cert_bytes", []byte(t.CACertBytes)
	if t.CACertPath != "" {
		if t.CACertBytes != "" {
			p.add("ca_cert_bytes", "beside ca_cert_path", "use one of the two")
			return nil
		}
		var err error
		if key, text, err = readAuthorities(t.CACertPath); err != nil {
			p.add(key, fmt.Sprintf("cannot be read: %v", err), "name a PEM file")
			return nil
		}
	} else if t.CACertBytes == "" {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		p.add(key, "there is no certificate in it", "use PEM, from BEGIN CERTIFICATE to END CERTIFICATE")
	}
	return pool
}

func readAuthorities(path string) (key string, text []byte, err error) {
	text, err = os.ReadFile(path) //nolint:gosec // the operator names it
	return "ca_cert_path", text, err
}

// client returns one that has not connected yet.
func (c *Config) client() (goredis.UniversalClient, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	switch c.Mode {
	case ModeCluster:
		cluster := o.Cluster()
		// Which keys a command has is known here, and need not be asked.
		cluster.DisableRoutingPolicies = true
		cluster.ClusterStateReloadInterval = 10 * time.Second
		return goredis.NewClusterClient(cluster), nil
	case ModeSentinel:
		return goredis.NewFailoverClient(o.Failover()), nil
	default:
		return goredis.NewClient(o.Simple()), nil
	}
}
