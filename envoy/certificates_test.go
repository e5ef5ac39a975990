package envoy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
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

// certificates are files of a private authority, for the length of a test.
type certificates struct {
	ca, otherCA       string
	client, clientKey string
	server            tls.Certificate // for 127.0.0.1 and gateward.example.test
	// serverFile and serverKeyFile are the same, in files.
	serverFile, serverKeyFile string
	pool                      *x509.CertPool
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	caCert, caKey := issue(t, "authority", nil, nil)
	otherCert, _ := issue(t, "another authority", nil, nil)
	serverCert, serverKey := issue(t, "gateward", caCert, caKey)
	clientCert, clientKey := issue(t, "envoy", caCert, caKey)
	key, err := x509.MarshalECPrivateKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	serverDER, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	c := certificates{
		ca:        writePEM(t, dir, "ca.pem", "CERTIFICATE", caCert.Raw),
		otherCA:   writePEM(t, dir, "other.pem", "CERTIFICATE", otherCert.Raw),
		client:    writePEM(t, dir, "client.pem", "CERTIFICATE", clientCert.Raw),
		clientKey: writePEM(t, dir, "client.key", "EC PRIVATE KEY", key),
		server:    tls.Certificate{Certificate: [][]byte{serverCert.Raw}, PrivateKey: serverKey},
		pool:      x509.NewCertPool(),

		serverFile:    writePEM(t, dir, "server.pem", "CERTIFICATE", serverCert.Raw),
		serverKeyFile: writePEM(t, dir, "server.key", "EC PRIVATE KEY", serverDER),
	}
	c.pool.AddCert(caCert)
	return c
}

// issue signs a certificate; without a parent it is an authority's own.
func issue(t *testing.T, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, parentKey = template, key
	} else {
		template.DNSNames, template.IPAddresses = []string{name + ".example.test"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func writePEM(t *testing.T, dir, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
