package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gateward/gateward"
)

// tlsFiles name the files of a TLS listener. Without clientCA, clients need no
// certificate. protocol is what is spoken over it (RFC 7301).
type tlsFiles struct{ cert, key, clientCA, protocol string }

// certificates serve TLS from files that may change at any time. A change is
// seen by content, which holds for files that are replaced, rewritten, or
// reached by a symbolic link that is switched. What cannot be used leaves
// everything as it was.
type certificates struct {
	files   tlsFiles
	logger  *slog.Logger
	current atomic.Pointer[tls.Config]
	// principals are the exact URI or DNS names of which a client certificate
	// must have one; empty admits every certificate of the client CA.
	principals atomic.Pointer[[]string]

	mu sync.Mutex
	// seen is the digest of what was read last, whether it was usable or not,
	// so that a bad file is reported once and not at every look.
	seen [sha256.Size]byte
}

// newCertificates reads the files for the first time, when any error counts.
// Errors are [gateward.ConfigError]s for the block that names the files.
func newCertificates(files tlsFiles, principals []string, logger *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, logger: logger}
	c.admit(principals)
	pem := c.read()
	cfg, err := c.parse(pem)
	if err != nil {
		return nil, err
	}
	c.seen = pem.digest()
	c.current.Store(cfg)
	return c, nil
}

// admit replaces the admitted principals, for connections to come.
func (c *certificates) admit(principals []string) {
	p := slices.Clone(principals)
	c.principals.Store(&p)
}

// config is what a server listens with: it defers to whatever is current when
// a client says hello.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // Envoy's upstream default goes no higher than 1.2
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.current.Load(), nil
		},
	}
}

// refresh takes changed files into use, for connections to come; see admits.
func (c *certificates) refresh(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pem := c.read()
	digest := pem.digest()
	if digest == c.seen {
		return
	}
	c.seen = digest
	cfg, err := c.parse(pem)
	if err != nil {
		c.logger.LogAttrs(ctx, slog.LevelError, "tls files not usable, the previous ones stay in use",
			slog.String("cert_file", c.files.cert), slog.Any("err", err))
		return
	}
	c.current.Store(cfg)
	c.logger.LogAttrs(ctx, slog.LevelInfo, "tls files reloaded", slog.String("cert_file", c.files.cert))
}

// pemFiles are the contents of tlsFiles, or why they cannot be had.
type pemFiles struct {
	cert, key, clientCA []byte
	err                 error
}

func (c *certificates) read() pemFiles {
	var p pemFiles
	read := func(key, name string) []byte {
		b, err := readFile(name)
		if err != nil {
			p.err = errors.Join(p.err, &gateward.ConfigError{
				Key: key, Problem: "cannot be read: " + err.Error(), Remedy: "check the path and its permissions",
			})
		}
		return b
	}
	p.cert, p.key = read("cert_file", c.files.cert), read("key_file", c.files.key)
	if c.files.clientCA != "" {
		p.clientCA = read("client_ca_file", c.files.clientCA)
	}
	return p
}

func (p pemFiles) digest() [sha256.Size]byte {
	var problem []byte
	if p.err != nil {
		problem = []byte(p.err.Error())
	}
	return sha256.Sum256(bytes.Join([][]byte{p.cert, p.key, p.clientCA, problem}, []byte{0}))
}

// parse makes a server configuration of p.
func (c *certificates) parse(p pemFiles) (*tls.Config, error) {
	if p.err != nil {
		return nil, p.err
	}
	pair, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, &gateward.ConfigError{
			Key: "cert_file", Problem: "does not make a pair with key_file: " + err.Error(),
			Remedy: "both must be PEM, and the key that of the first certificate",
		}
	}
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{c.files.protocol},
	}
	if c.files.clientCA == "" {
		return cfg, nil
	}
	cfg.ClientCAs = x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(p.clientCA) {
		return nil, &gateward.ConfigError{
			Key: "client_ca_file", Problem: "holds no certificate", Remedy: "it must hold PEM certificates",
		}
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	cfg.VerifyConnection = c.verifyPrincipal
	// A ticket would carry a client over a change of the client CA.
	cfg.SessionTicketsDisabled = true
	return cfg, nil
}

// admits reports whether a client that has connected before would be let in
// today.
func (c *certificates) admits(s tls.ConnectionState) bool {
	roots := c.current.Load().ClientCAs
	if roots == nil {
		return true // no certificate is asked for
	}
	if len(s.PeerCertificates) == 0 {
		return false
	}
	intermediates := x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil && c.verifyPrincipal(s) == nil
}

// verifyPrincipal refuses a verified client that is not on the list. Names are
// compared exactly: no wildcard of a certificate widens the list.
func (c *certificates) verifyPrincipal(s tls.ConnectionState) error {
	admitted := *c.principals.Load()
	if len(admitted) == 0 {
		return nil
	}
	if len(s.PeerCertificates) == 0 {
		return errors.New("no client certificate")
	}
	names := slices.Clone(s.PeerCertificates[0].DNSNames)
	for _, u := range s.PeerCertificates[0].URIs {
		names = append(names, u.String())
	}
	for _, n := range names {
		if slices.Contains(admitted, n) {
			return nil
		}
	}
	return fmt.Errorf("client certificate names %q, none of which is in allowed_principals", names)
}
