package outbound

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFileSize bounds the files that an operator names, in bytes.
const maxFileSize = 1 << 20

// ReadFile returns a file that an operator has named, of at most 1 MiB. Its error
// names the path and, where there is no file, reads as Flipt's does.
func ReadFile(path string) ([]byte, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err // "stat PATH: no such file or directory"
	}
	f, err := os.Open(path) //nolint:gosec // the operator's configuration names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFileSize)
	}
	return data, nil
}

// ReadAuthorities returns the certificates in a PEM file that an operator has
// named, and its text, by which a change can be told.
func ReadAuthorities(path string) (pool *x509.CertPool, text string, err error) {
	data, err := ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, "", errors.New(path + ": no certificate in PEM form")
	}
	return pool, string(data), nil
}
