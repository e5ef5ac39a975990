package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are PEM files: a private authority, and what it has issued to the
// server (127.0.0.1, localhost) and to a client.
type Certificates struct {
	CA, ServerCert, ServerKey, ClientCert, ClientKey string

	pool *x509.CertPool
}

// NewCertificates makes them.
func NewCertificates(tb testing.TB) *Certificates {
	tb.Helper()
	dir := tb.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	c := &Certificates{
		CA: path("ca.pem"), ServerCert: path("server.pem"), ServerKey: path("server.key"),
		ClientCert: path("client.pem"), ClientKey: path("client.key"), pool: x509.NewCertPool(),
	}
	ca := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caKey := issue(tb, "authority", ca, nil, nil, c.CA, "")
	issue(tb, "server", &x509.Certificate{
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca, caKey, c.ServerCert, c.ServerKey)
	issue(tb, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		ca, caKey, c.ClientCert, c.ClientKey)
	text, err := os.ReadFile(c.CA)
	if err != nil {
		tb.Fatal(err)
	}
	c.pool.AppendCertsFromPEM(text)
	return c
}

// issue writes a certificate, and its key unless keyPath is "". Without a parent
// it signs itself.
func issue(tb testing.TB, name string, c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, certPath, keyPath string) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	c.SerialNumber, c.Subject = serial, pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(24*time.Hour)
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, certPath, "CERTIFICATE", der)
	if keyPath != "" {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			tb.Fatal(err)
		}
		write(tb, keyPath, "PRIVATE KEY", der)
	}
	return key
}

func write(tb testing.TB, path, kind string, der []byte) {
	tb.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}
