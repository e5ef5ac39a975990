package envoy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// bootstrapView is a checked [Config] in the shape that the template prints.
type bootstrapView struct {
	Listen         endpoint
	Admin          *endpoint
	Gateward       cluster
	TLS            *tlsView
	Login          *loginView
	Timeout        string
	FaultsAsErrors bool
	Upstream       endpoint
	UpstreamHTTP2  bool
	Strip          []strip
	AccessLog      bool
}

// endpoint is a socket address, or a UNIX socket when Pipe is set.
type endpoint struct {
	Pipe string
	Host string
	Port uint16
}

// Type returns the Envoy cluster type that can reach e.
func (e endpoint) Type() string {
	if e.Pipe != "" || isIP(e.Host) {
		return "STATIC"
	}
	return "STRICT_DNS"
}

type cluster struct {
	Type      string
	Endpoints []endpoint
}

// loginView is how the login service is reached.
type loginView struct {
	Cluster cluster
	TLS     *tlsView
}

type tlsView struct {
	TLS
	// SNI: a server name indication is never an address (RFC 6066 §3).
	SNI     bool
	SANType string
	// ALPN is the protocol that is spoken (RFC 7301).
	ALPN string
}

// view checks c and returns every problem at once.
func (c Config) view() (bootstrapView, error) {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	v := bootstrapView{FaultsAsErrors: c.FaultsAsErrors, UpstreamHTTP2: c.UpstreamHTTP2, AccessLog: c.AccessLog}
	var err error
	v.Listen, err = parseListen("listen address", c.ListenAddress)
	check(err)
	if c.AdminAddress != "" {
		admin, err := parseListen("admin address", c.AdminAddress)
		check(err)
		v.Admin = &admin
	}
	v.Gateward, err = parseReplicas("gateward address", c.GRPCAddresses)
	check(err)
	v.Login, err = c.loginView()
	check(err)
	if c.GRPCTLS != nil {
		v.TLS, err = c.GRPCTLS.view(v.Gateward.Endpoints, "h2")
		check(err)
	}
	v.Timeout, err = protoDuration("timeout", c.Timeout)
	check(err)
	v.Upstream, err = parseEndpoint("upstream address", c.Upstream)
	check(err)
	v.Strip, err = strips(c.IdentityHeaders, c.RemoveHeaders)
	check(err)
	return v, errors.Join(errs...)
}

// parseListen reads an address to listen on: an IP address and a port, which
// may be 0.
func parseListen(what, s string) (endpoint, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return endpoint{}, fmt.Errorf("envoy: %s %q: want HOST:PORT", what, s)
	}
	switch {
	case host == "":
		host = "0.0.0.0"
	case host == "localhost":
		host = "127.0.0.1"
	case !isIP(host):
		return endpoint{}, fmt.Errorf("envoy: %s %q: want an IP address to listen on", what, s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return endpoint{}, fmt.Errorf("envoy: %s %q: want a port from 0 to 65535", what, s)
	}
	return endpoint{Host: host, Port: uint16(n)}, nil
}

// parseEndpoint reads an address to connect to.
func parseEndpoint(what, s string) (endpoint, error) {
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		p := strings.TrimPrefix(rest, "//")
		// 107 bytes: what sockaddr_un holds beside its final zero.
		if !path.IsAbs(p) || !printable(p) || len(p) > 107 {
			return endpoint{}, fmt.Errorf("envoy: %s %q: want unix:///PATH, an absolute path of at most 107 bytes", what, s)
		}
		return endpoint{Pipe: p}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return endpoint{}, fmt.Errorf("envoy: %s %q: want HOST:PORT or unix:///PATH", what, s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return endpoint{}, fmt.Errorf("envoy: %s %q: want a port from 1 to 65535", what, s)
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		// An address to listen on everywhere is reached on this machine.
		host = "127.0.0.1"
	}
	if !isIP(host) && !isHostname(host) {
		return endpoint{}, fmt.Errorf("envoy: %s %q: want a host name or an IP address", what, s)
	}
	return endpoint{Host: host, Port: uint16(n)}, nil
}

// loginView returns nil where there is no login service.
func (c Config) loginView() (*loginView, error) {
	if len(c.HTTPAddresses) == 0 {
		return nil, nil //nolint:nilnil // nil is no login service
	}
	var v loginView
	var err, tlsErr error
	v.Cluster, err = parseReplicas("login service address", c.HTTPAddresses)
	if c.HTTPTLS != nil {
		v.TLS, tlsErr = c.HTTPTLS.view(v.Cluster.Endpoints, "http/1.1")
	}
	return &v, errors.Join(err, tlsErr)
}

func parseReplicas(what string, addresses []string) (cluster, error) {
	if len(addresses) == 0 {
		return cluster{}, fmt.Errorf("envoy: no %s: name at least one replica", what)
	}
	c := cluster{Type: "STATIC"}
	var errs []error
	pipe := ""
	for _, s := range addresses {
		e, err := parseEndpoint(what, s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if e.Type() == "STRICT_DNS" {
			c.Type = "STRICT_DNS"
		}
		if e.Pipe != "" {
			pipe = s
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	if pipe != "" && c.Type == "STRICT_DNS" {
		errs = append(errs, fmt.Errorf("envoy: %s %q: a socket cannot stand beside a host name; use IP addresses", what, pipe))
	}
	return c, errors.Join(errs...)
}

func (t TLS) view(replicas []endpoint, alpn string) (*tlsView, error) {
	v := tlsView{TLS: t, ALPN: alpn}
	var errs []error
	if t.CAFile == "" {
		errs = append(errs, errors.New("envoy: tls: no CA file: without one anybody could answer in gateward's place"))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("envoy: tls: certificate and key go together: set both or neither"))
	}
	for _, f := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		if !printable(f) {
			errs = append(errs, fmt.Errorf("envoy: tls: file name %q: want printable UTF-8", f))
		}
	}
	if v.ServerName == "" && len(replicas) > 0 {
		v.ServerName = replicas[0].Host
	}
	switch {
	case isIP(v.ServerName):
		v.SANType = "IP_ADDRESS"
	case isHostname(v.ServerName):
		v.SANType, v.SNI = "DNS", true
	case v.ServerName == "":
		errs = append(errs, errors.New("envoy: tls: no server name: name what gateward's certificate is for"))
	default:
		errs = append(errs, fmt.Errorf("envoy: tls: server name %q: want a host name or an IP address", v.ServerName))
	}
	return &v, errors.Join(errs...)
}

// protoDuration formats d as protobuf's JSON does: decimal seconds.
func protoDuration(what string, d time.Duration) (string, error) {
	if d <= 0 || d > time.Hour {
		return "", fmt.Errorf("envoy: %s %s: want more than zero and at most an hour", what, d)
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s", nil
}

func isIP(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// isHostname reports whether s consists of DNS labels; underscores are let
// pass, as service names of container networks have them.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, r := range label {
			if !isAlnum(r) && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
