package keyset

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// parsePEM returns every public key in data. Unlike a key in a remote set, one
// that cannot be used is an error: somebody put it there.
func parsePEM(data []byte) ([]key, error) {
	var all []key
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		kind, err := kindOf(public)
		if err != nil {
			return nil, fmt.Errorf("keyset: use %s block: %w", quote(block.Type), err)
		}
		if all = append(all, key{kind: kind, public: public}); len(all) > maxTries {
			return nil, fmt.Errorf("keyset: more than %d keys in one file", maxTries)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("keyset: no PEM block; a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE is needed")
	}
	return all, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("keyset: parse public key: %w", err)
		}
		return k, nil
	case "RSA PUBLIC KEY":
		k, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("keyset: parse rsa public key: %w", err)
		}
		return k, nil
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("keyset: parse certificate: %w", err)
		}
		return c.PublicKey, nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("keyset: a private key where only public ones belong; keep it with the issuer")
	}
	return nil, fmt.Errorf("keyset: unsupported PEM block %s", quote(block.Type))
}
